//===- NNSinkTransposes.cpp - transposes move down until they cancel ------===//
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/CountedPattern.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNSINKTRANSPOSES
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

static SmallVector<int64_t> permuted(ArrayRef<int64_t> values, ArrayRef<int64_t> perm) {
  SmallVector<int64_t> result;
  for (int64_t axis : perm)
    result.push_back(values[axis]);
  return result;
}
static SmallVector<int64_t> inverse(ArrayRef<int64_t> perm) {
  SmallVector<int64_t> result(perm.size());
  for (auto [index, axis] : llvm::enumerate(perm))
    result[axis] = index;
  return result;
}
static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// Brings the texts of open sizes (or starts), one for each `?` of `values`, into the order of the permuted axes.
static void permuteTexts(OperationState &state, StringRef name, ArrayRef<int64_t> values, ArrayRef<int64_t> perm) {
  auto texts = dyn_cast_or_null<ArrayAttr>(state.attributes.get(name));
  if (!texts || int64_t(texts.size()) != llvm::count_if(values, ShapedType::isDynamic))
    return;
  SmallVector<Attribute> all(values.size()), moved;
  size_t next = 0;
  for (auto [axis, value] : llvm::enumerate(values))
    if (ShapedType::isDynamic(value))
      all[axis] = texts[next++];
  for (int64_t axis : perm)
    if (all[axis])
      moved.push_back(all[axis]);
  state.attributes.set(name, ArrayAttr::get(texts.getContext(), moved));
}

/// An op that a transpose can be moved behind, whatever its other operands are.
static bool isSinkable(Operation *op) {
  return isa<UnaryOp, BinaryOp, ClipOp, CastOp, PadOp, ConcatOp, ReduceOp, SoftmaxOp, TransposeOp, SelectOp, CompareOp,
             SliceOp>(op);
}

/// Moving one use of a transpose that keeps other uses makes a second one. It pays only when all uses move on.
static bool allUsesSink(TransposeOp transpose) { return transpose && llvm::all_of(transpose->getUsers(), isSinkable); }

/// A transpose by perm leaves the elements in their order: all that moves are dimensions of size 1.
static bool elementsStay(ArrayRef<int64_t> shape, ArrayRef<int64_t> perm) {
  int64_t last = -1;
  for (int64_t axis : perm) {
    if (shape[axis] == 1)
      continue;
    if (axis < last)
      return false;
    last = axis;
  }
  return true;
}

/// A value without transpose that before() still knows how to take back.
static bool isReshapable(Value value, ArrayRef<int64_t> perm) {
  RankedTensorType type = typeOf(value);
  return type.hasStaticShape() && type.getRank() == int64_t(perm.size()) &&
         elementsStay(type.getShape(), inverse(perm));
}

namespace {
/// What the operand of an elementwise op is before the transpose `perm`: the input of a transpose with the same perm,
/// or a constant that is transposed back; null when neither.
Value before(PatternRewriter &rewriter, Location loc, Value value, ArrayRef<int64_t> perm) {
  if (auto transpose = value.getDefiningOp<TransposeOp>())
    if (transpose.getPerm() == perm)
      return transpose.getX();
  RankedTensorType type = typeOf(value);
  int64_t rank = perm.size();
  if (!type.hasStaticShape())
    return {};
  if (type.getNumElements() == 1)
    return type.getRank() <= rank ? value : Value();
  if (isReshapable(value, perm))
    return reshapeTo(rewriter, loc, value, permuted(type.getShape(), inverse(perm)));
  if (!isConstantExpression(value))
    return {};
  std::optional<int64_t> axis = broadcastAxis(type.getShape(), rank);
  if (axis && *axis >= 0) {
    // One axis: only the shape changes. Result axis i is input axis perm[i].
    SmallVector<int64_t> shape(rank, 1);
    shape[perm[*axis]] = type.getNumElements();
    return reshapeTo(rewriter, loc, value, shape);
  }
  SmallVector<int64_t> full(rank - type.getRank(), 1);
  full.append(type.getShape().begin(), type.getShape().end());
  Value widened = reshapeTo(rewriter, loc, value, full);
  return TransposeOp::create(rewriter, loc, widened, rewriter.getDenseI64ArrayAttr(inverse(perm)), StringAttr());
}

/// The op of `state` has the result of `op` before a transposition: makes it, and the transpose behind it.
static void replaceByTransposed(PatternRewriter &rewriter, Operation *op, OperationState &state, ArrayRef<int64_t> perm) {
  RankedTensorType type = typeOf(op->getResult(0));
  SmallVector<int64_t> back = inverse(perm);
  state.addTypes(type.clone(permuted(type.getShape(), back)));
  permuteTexts(state, kSizesAttr, type.getShape(), back);
  Operation *moved = rewriter.create(state);
  rewriter.replaceOpWithNewOp<TransposeOp>(op, moved->getResult(0), rewriter.getDenseI64ArrayAttr(perm), StringAttr());
}

/// op(transpose(x), ...) -> transpose(op(x, ...)) for elementwise ops and concat
struct SinkThroughOp : RewritePattern {
  SinkThroughOp(MLIRContext *context, Pass::Statistic &count)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<UnaryOp, BinaryOp, ClipOp, CastOp, ConcatOp, CompareOp, SelectOp>(op))
      return failure();
    TransposeOp first;
    int64_t rank = typeOf(op->getResult(0)).getRank();
    for (Value operand : op->getOperands())
      if (auto transpose = operand.getDefiningOp<TransposeOp>())
        if (!isConstantExpression(operand) && typeOf(operand).getRank() == rank)
          first = first ? first : transpose;
    if (!first)
      return rewriter.notifyMatchFailure(op, "no transposed operand");
    SmallVector<int64_t> perm(first.getPerm());
    bool isConcat = isa<ConcatOp>(op);
    for (Value operand : op->getOperands()) {
      auto transpose = operand.getDefiningOp<TransposeOp>();
      bool same = transpose && transpose.getPerm() == ArrayRef<int64_t>(perm);
      if (same && !allUsesSink(transpose))
        return rewriter.notifyMatchFailure(op, "another user keeps the transpose");
      if (same)
        continue;
      RankedTensorType type = typeOf(operand);
      bool broadcasts = type.hasStaticShape() && type.getNumElements() == 1;
      if (isReshapable(operand, perm))
        continue;
      if (isConcat || type.getRank() > rank || (!broadcasts && !isConstantExpression(operand)))
        return rewriter.notifyMatchFailure(op, "an operand that is not transposed");
    }
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value moved = before(rewriter, op->getLoc(), operand, perm);
      if (!moved)
        return rewriter.notifyMatchFailure(op, "an operand that cannot be transposed back");
      operands.push_back(moved);
    }
    OperationState state(op->getLoc(), op->getName());
    state.addOperands(operands);
    state.addAttributes(op->getAttrs());
    if (isConcat)
      state.attributes.set("axis", rewriter.getI64IntegerAttr(perm[cast<ConcatOp>(op).getAxis()]));
    replaceByTransposed(rewriter, op, state, perm);
    ++count;
    return success();
  }
  Pass::Statistic &count;
};

/// pad(transpose(x)) -> transpose(pad(x)), also slice and softmax
struct SinkThroughAxes : RewritePattern {
  SinkThroughAxes(MLIRContext *context, Pass::Statistic &count)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<PadOp, SliceOp, SoftmaxOp>(op))
      return failure();
    auto transpose = op->getOperand(0).getDefiningOp<TransposeOp>();
    if (!allUsesSink(transpose))
      return rewriter.notifyMatchFailure(op, "no transpose, or one that another user keeps");
    ArrayRef<int64_t> perm = transpose.getPerm();
    SmallVector<int64_t> back = inverse(perm);
    OperationState state(op->getLoc(), op->getName());
    state.addOperands(transpose.getX());
    state.addAttributes(op->getAttrs());
    if (auto slice = dyn_cast<SliceOp>(op))
      permuteTexts(state, kStartsAttr, slice.getStarts(), back);
    for (StringRef name : {"low", "high", "starts", "sizes", "steps"})
      if (auto values = op->getAttrOfType<DenseI64ArrayAttr>(name))
        state.attributes.set(name, rewriter.getDenseI64ArrayAttr(permuted(values.asArrayRef(), back)));
    if (auto softmax = dyn_cast<SoftmaxOp>(op))
      state.attributes.set("axis", rewriter.getI64IntegerAttr(perm[softmax.getAxis()]));
    replaceByTransposed(rewriter, op, state, perm);
    ++count;
    return success();
  }
  Pass::Statistic &count;
};

/// reduce(transpose(x)) -> reduce(x), with a transpose of the result when dimensions stay in another order
struct SinkThroughReduce : CountedPattern<ReduceOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(ReduceOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getX().getDefiningOp<TransposeOp>();
    if (!transpose)
      return rewriter.notifyMatchFailure(op, "no transpose");
    ArrayRef<int64_t> perm = transpose.getPerm();
    int64_t rank = perm.size();
    SmallVector<int64_t> axes = permuted(perm, op.getAxes());
    llvm::sort(axes);
    // The order of what stays: result dimension i is kept dimension order[i] of the new reduction.
    SmallVector<int64_t> place(rank, -1), order;
    int64_t kept = 0;
    for (int64_t axis = 0; axis < rank; ++axis)
      if (op.getKeepdims() || !llvm::is_contained(axes, axis))
        place[axis] = kept++;
    for (int64_t axis = 0; axis < rank; ++axis)
      if (op.getKeepdims() || !llvm::is_contained(op.getAxes(), axis))
        order.push_back(place[perm[axis]]);
    Value reduced = ReduceOp::create(rewriter, op.getLoc(), op.getKind(), transpose.getX(),
                                     rewriter.getDenseI64ArrayAttr(axes), op.getKeepdims(), op.getNameAttr());
    if (order.empty())
      rewriter.replaceOp(op, reduced);
    else
      rewriter.replaceOpWithNewOp<TransposeOp>(op, reduced, rewriter.getDenseI64ArrayAttr(order), StringAttr());
    ++count;
    return success();
  }
};

/// transpose of dimensions of which all but one are 1, or that keeps the order of the others -> reshape
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    RankedTensorType x = typeOf(op.getX());
    if (!x.hasStaticShape())
      return rewriter.notifyMatchFailure(op, "unknown sizes");
    if (!elementsStay(x.getShape(), op.getPerm()))
      return rewriter.notifyMatchFailure(op, "elements move");
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), op.getX(), op.getNameAttr());
    return success();
  }
};

struct NNSinkTransposes : tern::nn::impl::NNSinkTransposesBase<NNSinkTransposes> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkThroughOp, SinkThroughAxes, SinkThroughReduce>(&getContext(), moved);
    patterns.add<TransposeToReshape>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
