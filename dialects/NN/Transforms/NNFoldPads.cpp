//===- NNFoldPads.cpp - padding becomes pads of conv and pool -------------===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/CountedPattern.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNFOLDPADS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

/// Constant, spatial, non-negative padding.
static bool isSpatial(PadOp pad) {
  if (!pad || pad.getMode() != PadMode::constant || pad.getLow().size() < 3)
    return false;
  for (auto [axis, low, high] : llvm::enumerate(pad.getLow(), pad.getHigh()))
    if (low < 0 || high < 0 || (axis < 2 && (low || high)))
      return false;
  return true;
}

static SmallVector<int64_t> addPads(ArrayRef<int64_t> pads, PadOp pad) {
  SmallVector<int64_t> sum(pads);
  size_t spatial = pads.size() / 2;
  for (size_t i = 0; i < spatial; ++i) {
    sum[i] += pad.getLow()[i + 2];
    sum[i + spatial] += pad.getHigh()[i + 2];
  }
  return sum;
}

/// No element is negative, so that a padding of zeros never wins a maximum that has one real element.
static bool isNonNegative(Value value) {
  if (auto unary = value.getDefiningOp<UnaryOp>())
    return unary.getKind() == UnaryKind::relu || unary.getKind() == UnaryKind::sigmoid ||
           unary.getKind() == UnaryKind::abs;
  auto clip = value.getDefiningOp<ClipOp>();
  return clip && clip.getMin() && !clip.getMin()->isNegative();
}

/// Every window of the pool covers at least one element that is no padding.
static bool windowsTouch(ArrayRef<int64_t> kernel, ArrayRef<int64_t> dilations, ArrayRef<int64_t> pads) {
  for (size_t i = 0; i < kernel.size(); ++i)
    if (std::max(pads[i], pads[i + kernel.size()]) > (kernel[i] - 1) * dilations[i])
      return false;
  return true;
}

namespace {
/// conv(pad(x)) -> conv(x) with larger pads
struct PadOfConv : CountedPattern<ConvOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getX().getDefiningOp<PadOp>();
    if (!isSpatial(pad) || !pad.getValue().isZero())
      return rewriter.notifyMatchFailure(op, "no spatial padding with zeros");
    rewriter.modifyOpInPlace(op, [&] {
      op.setPads(addPads(op.getPads(), pad));
      op.getXMutable().assign(pad.getX());
    });
    ++count;
    return success();
  }
};

/// pool(pad(x)) -> pool(x) with larger pads
struct PadOfPool : CountedPattern<PoolOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(PoolOp op, PatternRewriter &rewriter) const override {
    auto pad = op.getX().getDefiningOp<PadOp>();
    if (!isSpatial(pad))
      return rewriter.notifyMatchFailure(op, "no spatial padding");
    // ceil_mode: the last window may start in the padding, and padding moves what counts as inside.
    if (op.getCeilMode())
      return rewriter.notifyMatchFailure(op, "ceil_mode");
    SmallVector<int64_t> pads = addPads(op.getPads(), pad);
    bool own = llvm::any_of(op.getPads(), [](int64_t p) { return p != 0; });
    double value = pad.getValue().convertToDouble();
    bool countIncludePad = op.getCountIncludePad();
    if (op.getKind() == PoolKind::max) {
      bool neutral = std::isinf(value) && value < 0;
      if (!neutral &&
          !(value == 0 && isNonNegative(pad.getX()) && windowsTouch(op.getKernel(), op.getDilations(), pads)))
        return rewriter.notifyMatchFailure(op, "the padding could be the maximum");
    } else if (op.getKind() == PoolKind::avg) {
      if (value != 0 || (own && !op.getCountIncludePad()))
        return rewriter.notifyMatchFailure(op, "two paddings that count differently");
      countIncludePad = true;
    } else if (value != 0) {
      return rewriter.notifyMatchFailure(op, "padding that adds to the norm");
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.setPads(pads);
      op.setCountIncludePad(countIncludePad);
      op.getXMutable().assign(pad.getX());
    });
    ++count;
    return success();
  }
};

struct NNFoldPads : tern::nn::impl::NNFoldPadsBase<NNFoldPads> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<PadOfConv, PadOfPool>(&getContext(), folded);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
