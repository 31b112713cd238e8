//===- CompileCalibrate.cpp - run the float program and look at its values --===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Calibrate/Compare.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Pipelines/TemporaryFolder.h"
#include "lib/Support/Artifact.h"
#include "lib/Target/Cpu/Lowering/Artifact.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"

using namespace mlir;

namespace tern {

namespace {
/// Releases the weights that a clone of a module has made for itself.
class BlobScope {
public:
  BlobScope(ModuleOp original, ModuleOp clone) : clone(clone) {
    for (StringRef key : keys(original))
      kept.insert(key);
  }
  ~BlobScope() {
    auto &manager = DenseResourceElementsHandle::getManagerInterface(clone.getContext()).getBlobManager();
    for (StringRef key : keys(clone))
      if (!kept.contains(key) && manager.lookup(key))
        manager.update(key, AsmResourceBlob());
  }

private:
  static std::vector<StringRef> keys(ModuleOp module) {
    std::vector<StringRef> result;
    for (auto global : module.getOps<ml_program::GlobalOp>())
      if (auto attr = dyn_cast_or_null<DenseResourceElementsAttr>(global.getValueAttr()))
        result.push_back(attr.getRawHandle().getKey());
    return result;
  }
  ModuleOp clone;
  llvm::StringSet<> kept;
};

/// Some runs of the float program are kept, to compare the quantized one with.
constexpr int64_t kKeptBytes = 64 << 20, kKeptRuns = 128;
} // namespace

static std::vector<std::vector<char>> buffersOf(const calib::Sample &sample, llvm::ArrayRef<tern_tensor_info> infos) {
  std::vector<std::vector<char>> buffers;
  for (const tern_tensor_info &info : infos) {
    const std::vector<uint8_t> &bytes = sample.at(info.name).bytes;
    buffers.emplace_back(bytes.begin(), bytes.end());
  }
  return buffers;
}

LogicalResult Compilation::calibrate() {
  func::FuncOp main = nn::mainFunction(*module);
  nn::insertProbes(main);
  TemporaryFolder folder;
  if (folder.error)
    return fail("cannot make a temporary folder: " + folder.error.message() + "; TMPDIR names another place");

  // The portable code of a float clone: statistics do not depend on the machine.
  llvm::StringMap<std::string> probeOfStep;
  SmallString<128> program(folder.path);
  program += "/float.tern";
  {
    OwningOpRef<ModuleOp> clone = module->clone();
    BlobScope blobs(*module, *clone);
    if (failed(runPasses(*clone, "", [](OpPassManager &pm) {
          buildEncode(pm, /*keepSources=*/true);
          buildOutline(pm);
        })))
      return failure();
    clone->walk([&](CallOp call) {
      if (auto probe = call->getAttrOfType<StringAttr>(nn::kProbe))
        probeOfStep[call.getName().value_or("")] = probe.str();
    });
    cpu::ArtifactOptions artifact;
    artifact.out = std::string(program);
    artifact.name = "float";
    artifact.isas = "portable";
    artifact.jobs = jobs;
    if (failed(cpu::emitCpuArtifact(*clone, artifact)))
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
  std::string stepError;
  runner.setHook([&](size_t, const tern_step &step, double, const void *output) {
    auto probe = probeOfStep.find(step.name);
    if (probe == probeOfStep.end() || !output || !stepError.empty())
      return;
    auto values = stepValues(step, output);
    if (!values) {
      stepError = llvm::toString(values.takeError());
      return;
    }
    sketches[probe->second].add(values->data(), values->size());
  });
  // Inputs that are quantized are seen in the data themselves.
  std::vector<std::pair<size_t, std::string>> probedInputs;
  for (BlockArgument argument : main.getArguments())
    if (auto probe = dyn_cast_or_null<StringAttr>(nn::getValueAttr(argument, nn::kProbe)))
      probedInputs.emplace_back(argument.getArgNumber(), probe.str());

  int64_t keptBytes = 0;
  for (int64_t i = 0; i < count; ++i) {
    progress("calibrate", i, count);
    auto sample = data->next();
    if (!sample)
      return fail("--calib: " + sample.error());
    if (!*sample)
      break;
    if (llvm::Error error = bindTo(runner, **sample))
      return fail("calibration: " + llvm::toString(std::move(error)));
    std::vector<std::vector<char>> inputs = buffersOf(**sample, runner.getInputs()), outputs;
    SmallVector<llvm::ArrayRef<char>> views(inputs.begin(), inputs.end());
    if (llvm::Error error = runner.run(views, outputs))
      return fail("calibration: " + llvm::toString(std::move(error)));
    if (!stepError.empty())
      return fail("calibration: " + stepError);
    for (const auto &[index, probe] : probedInputs)
      if (runner.getInputs()[index].dtype == TERN_F32)
        sketches[probe].add(reinterpret_cast<const float *>(inputs[index].data()), inputs[index].size() / 4);
    for (const auto &buffer : inputs)
      keptBytes += buffer.size();
    for (const auto &buffer : outputs)
      keptBytes += buffer.size();
    if (keptBytes <= kKeptBytes && i < kKeptRuns) {
      floatRuns.inputs.push_back(std::move(inputs));
      floatRuns.outputs.push_back(std::move(outputs));
      floatRuns.sizes.emplace_back(runner.getSizes());
    }
  }
  for (const auto &entry : sketches)
    if (entry.second.nonFinite())
      return fail(llvm::formatv("calibration: '{0}' has {1} values that are not finite; look at how the data are "
                                "prepared, or keep the op float "
                                "with --exclude",
                                entry.first(), entry.second.nonFinite())
                      .str());
  nn::attachRanges(main, [&](StringRef probe) -> std::optional<nn::ObservedRange> {
    auto sketch = sketches.find(probe);
    if (sketch == sketches.end() || sketch->second.count() == 0)
      return std::nullopt;
    calib::RangeStats stats = calib::statsOf(sketch->second, rangeOptions);
    return nn::ObservedRange{stats.min, stats.max, stats.lo, stats.hi};
  });
  decisions.samples = count;
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - stageStart).count();
  done("calibrate", llvm::formatv("{0} sample{1}, {2} ranges by {3}, {4:f1} s", count, count == 1 ? "" : "s",
                                  sketches.size(), calib::printRangeMethod(rangeOptions), seconds));
  dump("calibrate", *module);
  return success();
}

//===-- the last line --------------------------------------------------------===//

static calib::Array arrayOf(const tern_tensor_info &info, const std::vector<char> &bytes) {
  calib::Array array{info.name, info.dtype, std::vector<int64_t>(info.dims, info.dims + info.rank), {}};
  array.bytes.assign(bytes.begin(), bytes.end());
  return array;
}

void Compilation::measure() {
  std::string text = out + "/";
  auto loaded =
      options.measure ? Artifact::open(out) : llvm::Expected<std::unique_ptr<Artifact>>(llvm::createStringError(""));
  if (!loaded) {
    llvm::consumeError(loaded.takeError());
    done("wrote", text);
    return;
  }
  Artifact &runner = **loaded;
  // A program with open sizes runs with those of the samples.
  const bool isOpen = !runner.getDims().empty();
  auto bindRun = [&](size_t run) {
    llvm::Error error = isOpen ? runner.bind(floatRuns.sizes[run]) : llvm::Error::success();
    return !llvm::errorToBool(std::move(error));
  };
  if (isOpen && (floatRuns.inputs.empty() || !bindRun(0)))
    return done("wrote", text);
  std::vector<std::vector<char>> inputs, outputs;
  for (const tern_tensor_info &info : runner.getInputs())
    inputs.emplace_back(info.bytes);
  calib::Comparison comparison;
  int64_t agreeing = 0, compared = 0;
  for (size_t i = 0; i < floatRuns.inputs.size(); ++i) {
    SmallVector<llvm::ArrayRef<char>> views(floatRuns.inputs[i].begin(), floatRuns.inputs[i].end());
    if (!bindRun(i))
      break;
    if (llvm::Error error = runner.run(views, outputs)) {
      llvm::consumeError(std::move(error));
      break;
    }
    ++compared;
    for (const auto &[info, got, want] : llvm::zip(runner.getOutputs(), outputs, floatRuns.outputs[i]))
      if (!comparison.add(arrayOf(info, want), arrayOf(info, got)))
        return done("wrote", text);
    if (i == 0)
      inputs = floatRuns.inputs[0];
  }
  agreeing = comparison.agreeing();
  if (isOpen && !bindRun(0))
    return done("wrote", text);

  // The fastest of a few runs: what the program does, not what else the machine does.
  outputs.resize(runner.getOutputs().size());
  for (auto [info, buffer] : llvm::zip(runner.getOutputs(), outputs))
    buffer.resize(info.bytes);
  SmallVector<void *> in, to;
  for (auto &buffer : inputs)
    in.push_back(buffer.data());
  for (auto &buffer : outputs)
    to.push_back(buffer.data());
  double best = 1e30, total = 0;
  for (int i = 0; i < 30 && (i < 3 || total < 0.2); ++i) {
    auto start = std::chrono::steady_clock::now();
    runner.runPointers(in.data(), to.data());
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds), total += seconds;
  }
  std::string at;
  for (auto [dim, size] : llvm::zip(runner.getDims(), runner.getSizes()))
    at += llvm::formatv(" {0}={1}", dim.name, size);
  text += llvm::formatv("  {0:f3} ms here{4} ({1} thread{2}, {3})", best * 1e3, runner.getThreads(),
                        runner.getThreads() == 1 ? "" : "s", runner.getIsa(), at.empty() ? "" : " at" + at);
  if (compared) {
    text += llvm::formatv(", SQNR {0:f1} dB", comparison.sqnr());
    if (comparison.rows() == compared)
      text += llvm::formatv(", top-1 agreement {0}/{1}", agreeing, comparison.rows());
  }
  done("wrote", text);
}

} // namespace tern
