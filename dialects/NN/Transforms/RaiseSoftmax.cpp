//===- RaiseSoftmax.cpp - softmax spelled out -----------------------------===//
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// exp(x - max(x)) or exp(x), and the axis of the sum under it.
struct Powers {
  Value x;
  int64_t axis;
};
} // namespace

/// A reduction over one axis of `x`, in the shape that broadcasts against it.
static std::optional<int64_t> reducedAxis(Value value, Value x, ReduceKind kind) {
  Value aligned = withoutExpand(value), inner = withoutUnits(aligned);
  // max(-inf, m) is m.
  if (auto clip = inner.getDefiningOp<ClipOp>(); clip && kind == ReduceKind::max && !clip.getMax() && clip.getMin() &&
                                                 clip.getMin()->convertToDouble() <= -3.4e38)
    inner = withoutUnits(clip.getX());
  if (auto max = binaryOf(inner, BinaryKind::max); max && kind == ReduceKind::max)
    if (auto parts = withScalar(max); parts && parts->number <= -3.4e38)
      inner = withoutUnits(parts->other);
  auto reduce = inner.getDefiningOp<ReduceOp>();
  if (!reduce || reduce.getKind() != kind || reduce.getAxes().size() != 1 || !isSameValue(reduce.getX(), x) ||
      !isAlignedWith(tensorOf(aligned).getShape(), x, reduce.getAxes()))
    return std::nullopt;
  return reduce.getAxes().front();
}

/// x, and the axis of the maximum that was subtracted from it (-1: none), when the value is x or x - max(x).
static std::pair<Value, int64_t> centredOf(Value value) {
  auto sub = binaryOf(value, BinaryKind::sub);
  if (sub && sub.getLhs().getType() == sub.getType())
    if (auto axis = reducedAxis(sub.getRhs(), sub.getLhs(), ReduceKind::max))
      return {sub.getLhs(), *axis};
  return {value, -1};
}

/// The softmax of which exp(..) / `sum` is the result.
static std::optional<Powers> powersOf(Value powers, Value sum) {
  auto exp = unaryOf(powers, UnaryKind::exp);
  if (!exp || !isFloat(powers))
    return std::nullopt;
  auto axis = reducedAxis(sum, powers, ReduceKind::sum);
  if (!axis)
    return std::nullopt;
  auto [x, maxAxis] = centredOf(exp.getX());
  if (maxAxis >= 0 && maxAxis != *axis)
    return std::nullopt;
  return Powers{x, *axis};
}

namespace {
/// exp(x - max(x)) / sum(exp(x - max(x))) -> softmax(x); x - max(x) - log(sum(exp(x - max(x)))) -> its logarithm
struct RaiseSoftmax : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    std::optional<Powers> match;
    bool log = false;
    if (op.getKind() == BinaryKind::div) {
      match = powersOf(op.getLhs(), op.getRhs());
    } else if (op.getKind() == BinaryKind::mul) {
      for (bool swap : {false, true}) {
        auto reciprocal = unaryOf(withoutExpand(swap ? op.getLhs() : op.getRhs()), UnaryKind::reciprocal);
        if (!match && reciprocal)
          match = powersOf(swap ? op.getRhs() : op.getLhs(), reciprocal.getX());
      }
    } else if (op.getKind() == BinaryKind::sub) {
      auto logarithm = unaryOf(withoutExpand(op.getRhs()), UnaryKind::log);
      auto [x, maxAxis] = centredOf(op.getLhs());
      auto exp = logarithm ? sumOf(logarithm.getX()) : UnaryOp();
      if (exp && maxAxis >= 0 && isSameValue(exp.getX(), op.getLhs()))
        match = powersOf(exp.getResult(), logarithm.getX());
      log = true;
    }
    if (!match || match->x.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no softmax");
    remarkRaised(op, log ? "log_softmax" : "softmax");
    rewriter.replaceOpWithNewOp<SoftmaxOp>(op, op.getType(), match->x, match->axis, log, op.getNameAttr());
    ++count;
    return success();
  }

private:
  static UnaryOp sumOf(Value value) {
    auto reduce = withoutUnits(value).getDefiningOp<ReduceOp>();
    return reduce && reduce.getKind() == ReduceKind::sum ? unaryOf(reduce.getX(), UnaryKind::exp) : UnaryOp();
  }
};
} // namespace

namespace tern::nn {
void populateRaiseSoftmax(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  patterns.add<RaiseSoftmax>(patterns.getContext(), statistics.softmaxes);
}
} // namespace tern::nn
