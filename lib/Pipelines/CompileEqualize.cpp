//===- CompileEqualize.cpp - channels of one range, where that wins much ------===//
#include "dialects/NN/Transforms/Equalize.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Reference/Reference.h"

using namespace mlir;

namespace tern {

/// Least gain (expected squared error before over after, of what reads the value) for which a value gets one more
/// product for each element: 3 dB. Below, the score of no model moves.
constexpr double kLeastGain = 2;

/// What the choice of factors has to know of an op.
static FailureOr<calib::ChannelReader> readerOf(Operation *op, const PlanOp &entry) {
  reference::ConstantEvaluator evaluator;
  FailureOr<reference::Value> weight = evaluator.get(op->getOperand(1));
  if (failed(weight))
    return failure();
  const reference::Tensor &tensor = reference::asTensor(*weight);
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op->getOperand(1).getType()).getShape();
  calib::ChannelReader reader;
  ArrayRef<float> values = tensor.data<float>();
  reader.weights.assign(values.begin(), values.end());
  reader.outputs = size_t(shape[0]);
  reader.groups = size_t(nn::channelGroups(op));
  for (int64_t size : shape.drop_front(2))
    reader.taps *= size_t(size);
  reader.largestCode = double((1 << (entry.w->elem.bits - 1)) - 1);
  if (const Plane *scale = entry.w->find(Role::Scale); scale && scale->block.size() > 1 && scale->block[1] != kWhole)
    reader.block = size_t(scale->block[1]);
  return reader;
}

LogicalResult Compilation::equalize(const llvm::StringMap<calib::ChannelSketch> &channels,
                                    llvm::function_ref<LogicalResult(llvm::StringMap<calib::Sketch> &)> observe) {
  if (channels.empty())
    return success();
  func::FuncOp main = nn::mainFunction(*module);
  // The plan as it would be says which ops read codes of known ranges, and the formats of their weights.
  Plan trial;
  if (failed(nn::makePlan(main, request(), trial)))
    return failure();
  llvm::StringMap<const PlanOp *> entries;
  for (const PlanOp &entry : trial.ops)
    if (entry.xStatic && entry.w)
      entries[entry.name] = &entry;
  auto entryOf = [&](Operation *op) { return entries.lookup(nn::nameOfValue(op->getResult(0))); };
  for (const nn::Equalizable &value : nn::findEqualizable(main, [&](Operation *op) { return entryOf(op) != nullptr; })) {
    auto seen = channels.find(value.name);
    if (seen == channels.end())
      continue;
    std::vector<calib::ChannelReader> readers;
    for (Operation *op : value.readers) {
      auto reader = readerOf(op, *entryOf(op));
      if (failed(reader))
        return failure();
      readers.push_back(std::move(*reader));
    }
    calib::Equalization best = calib::equalizeChannels(seen->second, readers);
    if (best.gain >= kLeastGain)
      decisions.equalizations.push_back({value.name, std::move(best.factors)});
  }
  if (decisions.equalizations.empty())
    return success();
  llvm::StringMap<calib::Sketch> quotients;
  if (failed(observe(quotients)))
    return failure();
  auto made = nn::equalize(main, decisions.equalizations);
  if (failed(made))
    return failure();
  for (auto [value, each] : llvm::zip(*made, decisions.equalizations)) {
    nn::setValueAttr(value, nn::kProbe, StringAttr::get(&context, each.name));
    nn::removeValueAttr(value.getDefiningOp()->getOperand(0), nn::kStats);
  }
  nn::attachRanges(main, [&](StringRef probe) -> std::optional<nn::ObservedRange> {
    calib::RangeStats stats = calib::statsOf(quotients[probe], rangeOptions);
    return nn::ObservedRange{stats.min, stats.max, stats.lo, stats.hi};
  });
  return success();
}

} // namespace tern
