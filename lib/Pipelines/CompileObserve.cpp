//===- CompileObserve.cpp - ranges of values of the model itself ----------------===//
// A program of the float model whose results are the values in question: no pass can fold or rename them.
#include "dialects/NN/Transforms/Activations.h"
#include "lib/Export/Export.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Pipelines/TemporaryFolder.h"
#include "lib/Support/Artifact.h"
#include "lib/Target/Cpu/Lowering/Artifact.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace tern {

static LogicalResult why(Location loc, Diagnostic &diag) {
  diag.attachNote(loc) << "static activations need the float model to run here; without --calib activations are quantized at "
                          "run time, which works for every model";
  return failure();
}

LogicalResult Compilation::observe(ArrayRef<std::string> values, bool symmetric, llvm::StringMap<ExportRange> &ranges) {
  TemporaryFolder folder;
  if (folder.error)
    return fail("cannot make a temporary folder: " + folder.error.message() + "; TMPDIR names another place");
  // Inputs of the model are seen in the data themselves.
  std::vector<std::string> outputs, inputs;
  for (const std::string &value : values) {
    bool isInput = llvm::any_of(signature.inputs, [&](const ModelInput &input) { return input.name == value; });
    (isInput ? inputs : outputs).push_back(value);
  }
  if (values.empty())
    return success();
  llvm::SmallString<128> program(folder.path);
  program += "/float.tern";
  {
    bool noted = false;
    ScopedDiagnosticHandler explain(&context, [&](Diagnostic &diag) {
      if (diag.getSeverity() != DiagnosticSeverity::Error || noted)
        return failure();
      noted = true;
      return why(UnknownLoc::get(&context), diag);
    });
    ImportOptions cut = importOptions;
    cut.outputs = outputs;
    if (cut.outputs.empty())
      cut.outputs = options.outputs;
    auto imported = importOnnx(options.model, context, cut);
    if (failed(imported) || failed(reportUnknownOps(**imported)))
      return failure();
    cpu::ArtifactOptions artifact;
    artifact.out = std::string(program);
    artifact.name = "float";
    artifact.isas = "portable";
    artifact.jobs = jobs;
    if (failed(runPasses(**imported, "", [](OpPassManager &pm) {
          buildPrepare(pm);
          buildEncode(pm);
          buildOutline(pm);
        })) ||
        failed(cpu::emitCpuArtifact(**imported, artifact)))
      return failure();
  }
  ArtifactOptions open;
  open.threads = int32_t(jobs);
  open.level = TERN_ISA_PORTABLE;
  auto loaded = Artifact::open(program, open);
  if (!loaded)
    return fail("calibration: " + llvm::toString(loaded.takeError()));
  Artifact &runner = **loaded;
  std::vector<calib::InputSpec> specs;
  for (const tern_tensor_info &info : runner.getInputs())
    specs.push_back(specOf(info));
  if (auto status = data->bind(specs); !status)
    return fail("--calib: " + status.error());
  int64_t count = options.samples > 0 ? std::min(options.samples, data->count()) : data->count();
  if (count == 0)
    return fail("--calib: the data hold no sample");
  for (const std::string &name : data->ignored())
    note("--calib: array '" + name + "' is no input of the model and left out");
  llvm::StringMap<calib::Sketch> sketches;
  for (int64_t i = 0; i < count; ++i) {
    progress("calibrate", i, count);
    auto sample = data->next();
    if (!sample)
      return fail("--calib: " + sample.error());
    if (!*sample)
      break;
    if (llvm::Error error = bindTo(runner, **sample))
      return fail("calibration: " + llvm::toString(std::move(error)));
    std::vector<ArrayRef<char>> views;
    std::vector<std::vector<char>> results;
    for (const tern_tensor_info &info : runner.getInputs()) {
      const std::vector<uint8_t> &bytes = (*sample)->at(info.name).bytes;
      views.emplace_back(reinterpret_cast<const char *>(bytes.data()), bytes.size());
      if (info.dtype == TERN_F32 && llvm::is_contained(inputs, info.name))
        sketches[info.name].add(reinterpret_cast<const float *>(bytes.data()), bytes.size() / 4);
    }
    if (llvm::Error error = runner.run(views, results))
      return fail("calibration: " + llvm::toString(std::move(error)));
    for (const auto &[name, info, buffer] : llvm::zip(outputs, runner.getOutputs(), results))
      if (info.dtype == TERN_F32)
        sketches[name].add(reinterpret_cast<const float *>(buffer.data()), buffer.size() / 4);
  }
  calib::RangeOptions how = rangeOptions;
  how.symmetric = symmetric;
  for (const auto &entry : sketches) {
    if (entry.second.nonFinite())
      return fail(llvm::formatv("calibration: '{0}' has {1} values that are not finite; look at how the data are prepared",
                                entry.first(), entry.second.nonFinite())
                      .str());
    if (entry.second.count() == 0)
      continue;
    calib::Range range = calib::chooseRange(entry.second, how);
    ranges[entry.first()] = {range.lo, range.hi};
  }
  decisions.samples = count;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stageStart).count();
  done("calibrate", llvm::formatv("{0} sample{1}, {2} ranges by {3}, {4:f1} s", count, count == 1 ? "" : "s", ranges.size(),
                                  calib::printRangeMethod(rangeOptions), seconds));
  return success();
}

} // namespace tern
