//===- CompileObserve.cpp - ranges of values of the model itself ----------------===//
// A program of the float model whose results are the values in question: no pass can fold or rename them.
#include "lib/Export/Export.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/FloatProgram.h"
#include "lib/Pipelines/Pipelines.h"

using namespace mlir;

namespace tern {

static LogicalResult why(Location loc, Diagnostic &diag) {
  diag.attachNote(loc) << "static activations need the float model to run here; without --calib activations are quantized at "
                          "run time, which works for every model";
  return failure();
}

LogicalResult Compilation::observe(ArrayRef<std::string> values, bool symmetric, llvm::StringMap<ExportRange> &ranges) {
  // Inputs of the model are seen in the data themselves.
  std::vector<std::string> outputs, inputs;
  for (const std::string &value : values) {
    bool isInput = llvm::any_of(signature.inputs, [&](const ModelInput &input) { return input.name == value; });
    (isInput ? inputs : outputs).push_back(value);
  }
  if (values.empty())
    return success();
  FloatProgram program;
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
    if (failed(runPasses(**imported, "", [](OpPassManager &pm) {
          buildPrepare(pm);
          buildEncode(pm);
          buildOutline(pm);
        })) ||
        failed(emitFloat(**imported, program)))
      return failure();
  }
  if (failed(openFloat(program)))
    return failure();
  llvm::StringMap<calib::Sketch> sketches;
  auto look = [&](int64_t, Buffers &fed, Buffers &results) -> LogicalResult {
    auto add = [&](StringRef name, const tern_tensor_info &info, const std::vector<char> &buffer) {
      if (info.dtype == TERN_F32)
        sketches[name].add(reinterpret_cast<const float *>(buffer.data()), buffer.size() / 4);
    };
    for (const auto &[info, buffer] : llvm::zip(program.runner->getInputs(), fed))
      if (llvm::is_contained(inputs, info.name))
        add(info.name, info, buffer);
    for (const auto &[name, info, buffer] : llvm::zip(outputs, program.runner->getOutputs(), results))
      add(name, info, buffer);
    return success();
  };
  if (failed(runSamples(program, look)) || failed(checkFinite(sketches, "")))
    return failure();
  calib::RangeOptions how = rangeOptions;
  how.symmetric = symmetric;
  for (const auto &entry : sketches) {
    if (entry.second.count() == 0)
      continue;
    calib::Range range = calib::chooseRange(entry.second, how);
    ranges[entry.first()] = {range.lo, range.hi};
  }
  doneCalibrating(program.samples, ranges.size());
  return success();
}

} // namespace tern
