#include "lib/Export/Export.h"
#include "lib/Export/Exporter.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace mlir;

namespace tern {
namespace exporter {

LogicalResult Exporter::run() {
  if (failed(decide()) || failed(chooseOpset()))
    return failure();
  writePlan();
  report.oldBytes = graph.file.size();
  if (options.planOnly)
    return success();
  std::string temporary = options.out + ".tmp." + std::to_string(sys::Process::getProcessId());
  uint64_t expected = estimate();
  external = expected > options.externalFrom;
  externalName = (sys::path::filename(options.out) + ".data").str();
  // Small models stay in memory.
  if (external || expected > (64 << 20))
    spool.toFile(temporary + ".data");
  if (failed(emitWeights()) || failed(moveExternal()))
    return failure();
  auto fail = [&](const Twine &what) { return emitError(graph.model.loc()) << what.str(); };
  if (std::string error = spool.finish(); !error.empty())
    return fail(error);
  emitTensors();
  applyNodeEdits();
  emitImports();
  if (std::max(newIr, graph.irVersion) < 4)
    emitInputs();
  emitMetadata();
  if (patch.size() >= (uint64_t(1) << 31))
    return fail("the model has " + Twine(patch.size()) + " bytes besides quantized weights, protobuf ends at 2147483647");
  std::error_code ec;
  {
    raw_fd_ostream os(temporary, ec);
    if (!ec) {
      patch.write([&](StringRef part) { os << part; });
      os.close();
      ec = os.error();
      os.clear_error();
    }
  }
  // The data file first: a model without its data is worse than data without a model.
  std::string dataPath = options.out + ".data";
  bool hasData = external && spool.isFile();
  if (!ec && hasData)
    ec = sys::fs::rename(temporary + ".data", dataPath);
  if (!ec && hasData)
    spool.keep();
  if (!ec)
    ec = sys::fs::rename(temporary, options.out);
  if (ec) {
    sys::fs::remove(temporary);
    return fail(options.out + ": cannot be written: " + ec.message());
  }
  if (!hasData && sys::fs::exists(dataPath) && !graph.readsFile(externalName))
    sys::fs::remove(dataPath);
  report.hasExternalData = hasData;
  report.newBytes = patch.size() + (hasData ? spool.size() : 0);
  report.oldBytes = graph.file.size();
  for (const Constant &constant : graph.constants)
    if (constant.isExternal)
      report.oldBytes += uint64_t(constant.elements()) * importer::findDataType(constant.type)->bits / 8;
  if (options.progress)
    options.progress(1);
  return success();
}

} // namespace exporter

LogicalResult exportOnnx(StringRef model, MLIRContext &context, const ExportOptions &options, ExportReport &report) {
  auto file = importer::ModelFile::open(model, context, /*keepFunctions=*/true);
  if (failed(file))
    return failure();
  exporter::OnnxGraph graph(**file);
  return exporter::Exporter(graph, options, report).run();
}

FailureOr<std::vector<std::string>> exportActivations(StringRef model, MLIRContext &context,
                                                      const ExportOptions &options) {
  auto file = importer::ModelFile::open(model, context, /*keepFunctions=*/true);
  if (failed(file))
    return failure();
  exporter::OnnxGraph graph(**file);
  ExportReport report;
  return exporter::Exporter(graph, options, report).activationNames();
}

} // namespace tern
