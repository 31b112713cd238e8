//===- RaiseTransposes.cpp - transposes among dimensions of size 1 --------===//
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// transpose(reshape(x)) -> reshape(transpose(x)) when the reshape only adds or drops dimensions of size 1, and another transpose or
/// reshape is met: an Einsum written out moves its heads in several such steps, which are one.
struct MergeThroughUnits : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getX().getDefiningOp<ReshapeOp>();
    if (!reshape || !isUnitReshape(reshape))
      return rewriter.notifyMatchFailure(op, "no dimensions of size 1 were added or dropped");
    Value x = reshape.getX();
    bool meets = x.getDefiningOp<TransposeOp>() || llvm::all_of(op->getUsers(), [](Operation *user) { return isa<ReshapeOp>(user); });
    if (!meets || isConstantExpression(x))
      return rewriter.notifyMatchFailure(op, "nothing to merge with");
    // Dimensions of size 1 of x stay where they are; the others take the order that the transpose gives them.
    ArrayRef<int64_t> from = tensorOf(x).getShape(), mid = reshape.getType().getShape();
    SmallVector<int64_t> places, number(mid.size(), -1);
    for (auto [d, size] : llvm::enumerate(from))
      if (size != 1)
        places.push_back(int64_t(d));
    for (int64_t d = 0, next = 0, e = mid.size(); d < e; ++d)
      if (mid[d] != 1)
        number[d] = next++;
    SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, from.size()));
    size_t next = 0;
    for (int64_t d : op.getPerm())
      if (number[d] >= 0)
        perm[places[next++]] = places[number[d]];
    Value moved = x;
    if (auto inner = x.getDefiningOp<TransposeOp>()) {
      for (int64_t &axis : perm)
        axis = inner.getPerm()[axis];
      moved = inner.getX();
    }
    if (!llvm::is_sorted(perm))
      moved = TransposeOp::create(rewriter, op.getLoc(), moved, perm, op.getNameAttr());
    if (moved.getType() != op.getType()) {
      auto made = ReshapeOp::create(rewriter, op.getLoc(), op.getType(), moved, StringAttr());
      if (Attribute sizes = op->getAttr(kSizesAttr))
        made->setAttr(kSizesAttr, sizes);
      moved = made;
    }
    rewriter.replaceOp(op, moved);
    return success();
  }
};
} // namespace

namespace tern::nn {
void populateRaiseTransposes(RewritePatternSet &patterns, RaiseStatistics &) {
  patterns.add<MergeThroughUnits>(patterns.getContext());
}
} // namespace tern::nn
