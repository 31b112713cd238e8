//===- CompileCalibrate.cpp - run the float program and look at its values --===//
#include "dialects/NN/Transforms/Equalize.h"
#include "dialects/NN/Transforms/Planning.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Pipelines/FloatProgram.h"
#include "lib/Pipelines/Pipelines.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringSet.h"

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

/// The values of an activation as [outer, channels, inner], the form of its channels.
void addChannels(calib::ChannelSketch &sketch, bool last, const tern_step &step, const std::vector<float> &values) {
  size_t channels = sketch.channels(), outer = last ? values.size() / channels : size_t(step.dims[0]);
  sketch.add(values.data(), outer, outer ? values.size() / channels / outer : 0);
}

/// Divides values by the factors of their channels.
void divide(std::vector<float> &values, bool last, const tern_step &step, llvm::ArrayRef<float> factors) {
  size_t inner = 1;
  if (!last)
    for (int32_t i = 2; i < step.rank; ++i)
      inner *= size_t(step.dims[i]);
  for (size_t at = 0, c = 0; at < values.size(); at += inner, c = c + 1 == factors.size() ? 0 : c + 1) {
    float inverse = 1 / factors[c]; // as the program computes it
    for (size_t i = 0; i < inner; ++i)
      values[at + i] *= inverse;
  }
}

/// Some runs of the float program are kept, to compare the quantized one with.
constexpr int64_t kKeptBytes = 64 << 20, kKeptRuns = 128;
} // namespace

LogicalResult Compilation::calibrate() {
  func::FuncOp main = nn::mainFunction(*module);
  nn::insertProbes(main);
  FloatProgram program;
  llvm::StringMap<std::string> probeOfStep;
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
    if (failed(emitFloat(*clone, program)))
      return failure();
  }
  if (failed(openFloat(program)))
    return failure();
  Artifact &runner = *program.runner;

  llvm::StringMap<calib::Sketch> sketches;
  llvm::StringMap<calib::ChannelSketch> channels;
  llvm::StringMap<bool> channelsLast; ///< of the values in `channels`: not axis 1
  // 4-bit weights are chosen for their size, which the factors would add to (efficientnet_lite0: 0.5 %).
  if (options.equalize == "on" || (options.equalize == "auto" && scheme.weightBits != 4))
    for (const nn::Equalizable &value : nn::findEqualizable(main, [](Operation *op) { return nn::whyNotQuantizable(op).empty(); })) {
      channels.try_emplace(value.name, size_t(value.channels));
      channelsLast[value.name] = value.axis != 1;
    }
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
    if (auto channel = channels.find(probe->second); channel != channels.end())
      addChannels(channel->second, channelsLast.lookup(probe->second), step, *values);
  });
  // Inputs that are quantized are seen in the data themselves.
  std::vector<std::pair<size_t, std::string>> probedInputs;
  for (BlockArgument argument : main.getArguments())
    if (auto probe = dyn_cast_or_null<StringAttr>(nn::getValueAttr(argument, nn::kProbe)))
      probedInputs.emplace_back(argument.getArgNumber(), probe.str());

  int64_t keptBytes = 0;
  auto look = [&](int64_t i, Buffers &inputs, Buffers &outputs) -> LogicalResult {
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
    return success();
  };
  if (failed(runSamples(program, look)) || failed(checkFinite(sketches, ", or keep the op float with --exclude")))
    return failure();
  auto rangeOf = [&](StringRef probe) -> std::optional<nn::ObservedRange> {
    auto sketch = sketches.find(probe);
    if (sketch == sketches.end() || sketch->second.count() == 0)
      return std::nullopt;
    calib::RangeStats stats = calib::statsOf(sketch->second, rangeOptions);
    return nn::ObservedRange{stats.min, stats.max, stats.lo, stats.hi};
  };
  nn::attachRanges(main, rangeOf);
  auto observe = [&](llvm::StringMap<calib::Sketch> &quotients) -> LogicalResult {
    llvm::StringMap<ArrayRef<float>> factors;
    for (const PlanEqualization &each : decisions.equalizations)
      factors[each.name] = each.factors;
    runner.setHook([&](size_t, const tern_step &step, double, const void *output) {
      auto probe = probeOfStep.find(step.name);
      auto known = probe == probeOfStep.end() ? factors.end() : factors.find(probe->second);
      if (known == factors.end() || !output || !stepError.empty())
        return;
      auto values = stepValues(step, output);
      if (!values) {
        stepError = llvm::toString(values.takeError());
        return;
      }
      divide(*values, channelsLast.lookup(known->first()), step, known->second);
      quotients[known->first()].add(values->data(), values->size());
    });
    data->rewind();
    auto ignore = [&](int64_t, Buffers &, Buffers &) { return stepError.empty() ? success() : LogicalResult(fail("calibration: " + stepError)); };
    return runSamples(program, ignore);
  };
  if (failed(equalize(channels, observe)))
    return failure();
  doneCalibrating(program.samples, sketches.size());
  dump("calibrate", *module);
  return success();
}

} // namespace tern
