//===- FloatProgram.cpp - runs the float model on the calibration data ------===//
#include "lib/Pipelines/FloatProgram.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Target/Cpu/Lowering/Artifact/Artifact.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace tern {

static std::string pathOf(const FloatProgram &program) { return (program.folder.path + "/float.tern").str(); }

LogicalResult Compilation::emitFloat(ModuleOp lowered, FloatProgram &program) {
  if (program.folder.error)
    return fail("cannot make a temporary folder: " + program.folder.error.message() + "; TMPDIR names another place");
  cpu::ArtifactOptions artifact;
  artifact.out = pathOf(program);
  artifact.name = "float";
  artifact.isas = "portable";
  artifact.jobs = jobs;
  return cpu::emitCpuArtifact(lowered, artifact);
}

LogicalResult Compilation::openFloat(FloatProgram &program) {
  ArtifactOptions open;
  open.threads = int32_t(jobs);
  open.level = TERN_ISA_PORTABLE;
  auto loaded = Artifact::open(pathOf(program), open);
  if (!loaded)
    return fail("calibration: " + llvm::toString(loaded.takeError()));
  program.runner = std::move(*loaded);
  // The type and shape of every argument, as data have to have them.
  std::vector<calib::InputSpec> specs;
  for (const tern_tensor_info &info : program.runner->getInputs())
    specs.push_back(specOf(info));
  if (auto status = data->bind(specs); !status)
    return fail("--calib: " + status.error());
  program.samples = options.samples > 0 ? std::min(options.samples, data->count()) : data->count();
  if (program.samples == 0)
    return fail("--calib: the data hold no sample");
  for (const std::string &name : data->ignored())
    note("--calib: array '" + name + "' is no input of the model and left out");
  return success();
}

LogicalResult Compilation::runSamples(FloatProgram &program, llvm::function_ref<LogicalResult(int64_t, Buffers &, Buffers &)> look) {
  for (int64_t i = 0; i < program.samples; ++i) {
    progress("calibrate", i, program.samples);
    auto sample = data->next();
    if (!sample)
      return fail("--calib: " + sample.error());
    if (!*sample)
      break;
    if (llvm::Error error = bindTo(*program.runner, **sample))
      return fail("calibration: " + llvm::toString(std::move(error)));
    Buffers inputs, outputs;
    for (const tern_tensor_info &info : program.runner->getInputs()) {
      const std::vector<uint8_t> &bytes = (*sample)->at(info.name).bytes;
      inputs.emplace_back(bytes.begin(), bytes.end());
    }
    SmallVector<llvm::ArrayRef<char>> views(inputs.begin(), inputs.end());
    if (llvm::Error error = program.runner->run(views, outputs))
      return fail("calibration: " + llvm::toString(std::move(error)));
    if (failed(look(i, inputs, outputs)))
      return failure();
  }
  return success();
}

LogicalResult Compilation::checkFinite(const llvm::StringMap<calib::Sketch> &sketches, StringRef advice) {
  for (const auto &entry : sketches)
    if (entry.second.nonFinite())
      return fail(llvm::formatv("calibration: '{0}' has {1} values that are not finite; look at how the data are prepared{2}",
                                entry.first(), entry.second.nonFinite(), advice)
                      .str());
  return success();
}

void Compilation::doneCalibrating(int64_t samples, size_t ranges) {
  decisions.samples = samples;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stageStart).count();
  std::string text = llvm::formatv("{0} sample{1}, {2} ranges by {3}", samples, samples == 1 ? "" : "s", ranges,
                                   calib::printRangeMethod(rangeOptions));
  if (size_t count = decisions.equalizations.size())
    text += llvm::formatv(", channels of {0} equalized", count);
  done("calibrate", llvm::formatv("{0}, {1:f1} s", text, seconds));
}

} // namespace tern
