//===- RaiseElementwise.cpp - minima, maxima and casts --------------------===//
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

static bool isF32(Value value) { return tensorOf(value).getElementType().isF32(); }

namespace {
/// min(x, c) -> clip(x){max = c}, max(x, c) -> clip(x){min = c}; max(x, 0) -> relu(x)
struct MinMaxToClip : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    bool isMin = op.getKind() == BinaryKind::min;
    if (!isMin && op.getKind() != BinaryKind::max)
      return rewriter.notifyMatchFailure(op, "neither min nor max");
    auto parts = withScalar(op);
    if (!parts || std::isnan(parts->number))
      return rewriter.notifyMatchFailure(op, "no scalar constant");
    remarkRaised(op, !isMin && parts->number == 0 ? "relu" : "clip");
    FloatAttr bound = rewriter.getF64FloatAttr(parts->number);
    if (!isMin && parts->number == 0)
      rewriter.replaceOpWithNewOp<UnaryOp>(op, op.getType(), UnaryKind::relu, parts->other, FloatAttr(), FloatAttr(),
                                           op.getNameAttr());
    else
      rewriter.replaceOpWithNewOp<ClipOp>(op, op.getType(), parts->other, isMin ? FloatAttr() : bound,
                                          isMin ? bound : FloatAttr(), op.getNameAttr());
    ++count;
    return success();
  }
};

/// Bounds of clip or relu.
struct Bounds {
  double lo, hi;
};
static std::optional<Bounds> boundsOf(Operation *op) {
  if (auto clip = dyn_cast_or_null<ClipOp>(op))
    return Bounds{clip.getMin() ? clip.getMin()->convertToDouble() : -INFINITY,
                  clip.getMax() ? clip.getMax()->convertToDouble() : INFINITY};
  auto unary = dyn_cast_or_null<UnaryOp>(op);
  if (unary && unary.getKind() == UnaryKind::relu)
    return Bounds{0, INFINITY};
  return std::nullopt;
}

/// clip(clip(x)) -> clip(x), relu counting as a clip from 0
struct MergeClips : RewritePattern {
  MergeClips(MLIRContext *context, StringRef root) : RewritePattern(root, 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    std::optional<Bounds> outer = boundsOf(op);
    Operation *producer = outer ? op->getOperand(0).getDefiningOp() : nullptr;
    std::optional<Bounds> inner = boundsOf(producer);
    if (!outer || !inner || !isF32(op->getResult(0)))
      return rewriter.notifyMatchFailure(op, "not two clips");
    if (outer->lo > outer->hi || inner->lo > inner->hi)
      return rewriter.notifyMatchFailure(op, "empty range");
    Bounds both{std::min(std::max(outer->lo, inner->lo), outer->hi),
                std::max(std::min(outer->hi, inner->hi), outer->lo)};
    auto attr = [&](double bound) { return std::isinf(bound) ? FloatAttr() : rewriter.getF64FloatAttr(bound); };
    Value x = producer->getOperand(0);
    auto name = op->getAttrOfType<StringAttr>("name");
    if (both.lo == 0 && std::isinf(both.hi))
      rewriter.replaceOpWithNewOp<UnaryOp>(op, op->getResult(0).getType(), UnaryKind::relu, x, FloatAttr(), FloatAttr(),
                                           name);
    else
      rewriter.replaceOpWithNewOp<ClipOp>(op, op->getResult(0).getType(), x, attr(both.lo), attr(both.hi), name);
    return success();
  }
};

/// cast(cast(x)) -> x or one cast, when the type in the middle holds every value of x
struct CastOfCast : CountedPattern<CastOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getX().getDefiningOp<CastOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(op, "one cast");
    Type from = cast<RankedTensorType>(inner.getX().getType()).getElementType();
    Type middle = cast<RankedTensorType>(inner.getType()).getElementType();
    if (!holds(middle, from))
      return rewriter.notifyMatchFailure(op, "the type in the middle rounds");
    if (inner.getX().getType() == op.getType())
      rewriter.replaceOp(op, inner.getX());
    else
      rewriter.modifyOpInPlace(op, [&] { op.getXMutable().assign(inner.getX()); });
    ++count;
    return success();
  }

private:
  static bool holds(Type wide, Type narrow) {
    auto wideFloat = dyn_cast<FloatType>(wide), narrowFloat = dyn_cast<FloatType>(narrow);
    if (wideFloat && narrowFloat)
      return wide == narrow || (wideFloat.getFPMantissaWidth() >= narrowFloat.getFPMantissaWidth() &&
                                wideFloat.getWidth() > narrowFloat.getWidth());
    auto wideInt = dyn_cast<IntegerType>(wide), narrowInt = dyn_cast<IntegerType>(narrow);
    if (wideFloat && narrowInt)
      return wideFloat.getFPMantissaWidth() >= narrowInt.getWidth();
    return wideInt && narrowInt && wideInt.isUnsigned() == narrowInt.isUnsigned() && narrowInt.getWidth() != 1 &&
           wideInt.getWidth() >= narrowInt.getWidth();
  }
};

} // namespace

namespace tern::nn {
void populateRaiseElementwise(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  patterns.add<MinMaxToClip>(context, statistics.clips);
  patterns.add<MergeClips>(context, ClipOp::getOperationName());
  patterns.add<MergeClips>(context, UnaryOp::getOperationName());
  patterns.add<CastOfCast>(context, statistics.casts);
}
} // namespace tern::nn
