//===- NNFoldBatchNorm.cpp - batch norms and channel constants -> weights -===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNFOLDBATCHNORM
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

namespace {
/// conv, conv_transpose or matmul with a constant weight: what a per-channel rewrite needs to know.
class Weighted {
public:
  /// Null op when `value` is no single-use result of such an op.
  explicit Weighted(Value value) {
    Operation *def = value.getDefiningOp();
    if (!def || !isa<ConvOp, ConvTransposeOp, MatmulOp>(def) || !value.hasOneUse() ||
        !isConstantExpression(def->getOperand(1)))
      return;
    if (def->getNumOperands() > 2 && !isConstantExpression(def->getOperand(2)))
      return;
    auto type = cast<RankedTensorType>(value.getType());
    if (!type.getElementType().isF32() || !cast<RankedTensorType>(def->getOperand(1).getType()).hasStaticShape())
      return;
    channelAxis = isa<MatmulOp>(def) ? type.getRank() - 1 : 1;
    channels = type.getDimSize(channelAxis);
    if (!ShapedType::isDynamic(channels))
      op = def;
  }

  Operation *op = nullptr;
  int64_t channelAxis = 0, channels = 0;

  Value bias() const { return op->getNumOperands() > 2 ? op->getOperand(2) : Value(); }

  /// weight * factor, factor: [channels] along the output channels of the weight.
  Value scaleWeight(OpBuilder &builder, Location loc, Value factor) const {
    Value weight = op->getOperand(1);
    auto type = cast<RankedTensorType>(weight.getType());
    SmallVector<int64_t> shape(type.getRank(), 1);
    if (isa<ConvOp>(op)) {
      shape[0] = channels;
    } else if (auto matmul = dyn_cast<MatmulOp>(op)) {
      shape[type.getRank() - (matmul.getTransposeB() ? 2 : 1)] = channels;
    } else {
      return scaleTransposed(builder, loc, factor, type);
    }
    return BinaryOp::create(builder, loc, BinaryKind::mul, weight, reshapeTo(builder, loc, factor, shape),
                            StringAttr());
  }

  /// A copy of the op at the builder's place with another weight and bias; it has the name of the op.
  Operation *rebuild(OpBuilder &builder, Value weight, Value bias) const {
    OperationState state(op->getLoc(), op->getName());
    state.addOperands({op->getOperand(0), weight});
    if (bias)
      state.addOperands(bias);
    state.addTypes(op->getResultTypes());
    state.addAttributes(op->getAttrs());
    return builder.create(state);
  }

private:
  /// [C, O / group, kernel...]: with groups each block of C / group rows has its own O / group channels.
  Value scaleTransposed(OpBuilder &builder, Location loc, Value factor, RankedTensorType type) const {
    auto conv = cast<ConvTransposeOp>(op);
    int64_t group = conv.getGroup(), in = type.getDimSize(0), perGroup = type.getDimSize(1);
    SmallVector<int64_t> grouped{group, in / group}, factors{group, 1, perGroup};
    grouped.append(type.getShape().begin() + 1, type.getShape().end());
    factors.resize(grouped.size(), 1);
    Value weight = reshapeTo(builder, loc, op->getOperand(1), grouped);
    Value scaled =
        BinaryOp::create(builder, loc, BinaryKind::mul, weight, reshapeTo(builder, loc, factor, factors), StringAttr());
    return reshapeTo(builder, loc, scaled, type.getShape());
  }
};

Value binary(OpBuilder &builder, Location loc, BinaryKind kind, Value lhs, Value rhs) {
  return BinaryOp::create(builder, loc, kind, lhs, rhs, StringAttr());
}

/// k = scale / sqrt(variance + epsilon); shift = bias - mean * k: both [C].
std::pair<Value, Value> normalization(OpBuilder &builder, BatchNormOp op) {
  Location loc = op.getLoc();
  Value epsilon = scalarConstant(builder, loc, op.getEpsilon().convertToFloat());
  Value variance = binary(builder, loc, BinaryKind::add, op.getVariance(), epsilon);
  Value deviation = UnaryOp::create(builder, loc, UnaryKind::sqrt, variance, FloatAttr(), FloatAttr(), StringAttr());
  Value k = binary(builder, loc, BinaryKind::div, op.getScale(), deviation);
  Value shift =
      binary(builder, loc, BinaryKind::sub, op.getBias(), binary(builder, loc, BinaryKind::mul, op.getMean(), k));
  return {k, shift};
}

bool hasConstantParameters(BatchNormOp op) {
  return llvm::all_of(op->getOperands().drop_front(), [](Value value) {
    return isConstantExpression(value) && cast<RankedTensorType>(value.getType()).getElementType().isF32();
  });
}

/// batch_norm(conv(x, w, b)) -> conv(x, w * k, b * k + shift)
struct FoldBatchNorm : OpRewritePattern<BatchNormOp> {
  FoldBatchNorm(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context, /*benefit=*/2), count(count) {}
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const override {
    Weighted weighted(op.getX());
    if (!weighted.op || weighted.channelAxis != 1)
      return rewriter.notifyMatchFailure(op, "no convolution or product of its own before it");
    if (!hasConstantParameters(op))
      return rewriter.notifyMatchFailure(op, "parameters are not constant");
    auto [k, shift] = normalization(rewriter, op);
    Value weight = weighted.scaleWeight(rewriter, op.getLoc(), k), bias = shift;
    if (Value old = weighted.bias())
      bias =
          binary(rewriter, op.getLoc(), BinaryKind::add, binary(rewriter, op.getLoc(), BinaryKind::mul, old, k), shift);
    rewriter.replaceOp(op, weighted.rebuild(rewriter, weight, bias)->getResults());
    ++count;
    return success();
  }
  Pass::Statistic &count;
};

/// batch_norm(x) -> x * k + shift
struct ScaleBatchNorm : OpRewritePattern<BatchNormOp> {
  ScaleBatchNorm(MLIRContext *context, Pass::Statistic &count)
      : OpRewritePattern(context, /*benefit=*/1), count(count) {}
  LogicalResult matchAndRewrite(BatchNormOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    if (!type.getElementType().isF32() || !hasConstantParameters(op))
      return rewriter.notifyMatchFailure(op, "parameters are not constant f32");
    auto [k, shift] = normalization(rewriter, op);
    SmallVector<int64_t> shape(type.getRank() - 1, 1);
    if (shape.empty())
      return rewriter.notifyMatchFailure(op, "no channel dimension");
    shape[0] = cast<RankedTensorType>(k.getType()).getDimSize(0);
    Value scaled =
        binary(rewriter, op.getLoc(), BinaryKind::mul, op.getX(), reshapeTo(rewriter, op.getLoc(), k, shape));
    Value sum = BinaryOp::create(rewriter, op.getLoc(), BinaryKind::add, scaled,
                                 reshapeTo(rewriter, op.getLoc(), shift, shape), op.getNameAttr());
    rewriter.replaceOp(op, sum);
    ++count;
    return success();
  }
  Pass::Statistic &count;
};

/// How many dimensions at the end of a reshape of a product [.., N] are its N outputs; 0: none are.
int64_t outputDims(ReshapeOp op) {
  int64_t outputs = cast<RankedTensorType>(op.getX().getType()).getShape().back(), product = 1, count = 0;
  ArrayRef<int64_t> shape = op.getType().getShape();
  while (count < int64_t(shape.size()) && product != outputs) {
    int64_t size = shape[shape.size() - 1 - count++];
    if (ShapedType::isDynamic(size) || size == 0)
      return 0;
    product *= size;
  }
  return product == outputs ? count : 0;
}

/// A constant that is broadcast over what is in front of the last `count` dimensions of `shape`, as [their product]; null.
Value overLast(OpBuilder &builder, Location loc, Value constant, ArrayRef<int64_t> shape, int64_t count) {
  auto type = cast<RankedTensorType>(constant.getType());
  SmallVector<int64_t> last(type.getShape());
  while (int64_t(last.size()) > count) {
    if (last.front() != 1)
      return {};
    last.erase(last.begin());
  }
  last.insert(last.begin(), count - last.size(), 1);
  Value value = reshapeTo(builder, loc, constant, last);
  ArrayRef<int64_t> full = shape.take_back(count);
  if (ArrayRef(last) != full)
    value = ExpandOp::create(builder, loc, type.clone(full), value, StringAttr());
  int64_t all = 1;
  for (int64_t size : full)
    all *= size;
  return reshapeTo(builder, loc, value, {all});
}

/// reshape(matmul(x, w, b)) + c -> reshape(matmul(x, w, b) + c'), also for -, * and /: c is a number for each output, written in the
/// shape of heads or of a batch.
struct MoveIntoReshape : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if (!llvm::is_contained({BinaryKind::add, BinaryKind::sub, BinaryKind::mul, BinaryKind::div}, op.getKind()))
      return rewriter.notifyMatchFailure(op, "no arithmetic that a product takes in");
    bool swap = (op.getKind() == BinaryKind::add || op.getKind() == BinaryKind::mul) && isConstantExpression(op.getLhs());
    Value x = swap ? op.getRhs() : op.getLhs(), constant = swap ? op.getLhs() : op.getRhs();
    auto reshape = x.getDefiningOp<ReshapeOp>();
    if (!reshape || !x.hasOneUse() || x.getType() != op.getType() || !isConstantExpression(constant))
      return rewriter.notifyMatchFailure(op, "no reshape and a constant");
    Weighted weighted(reshape.getX());
    int64_t count = isa_and_nonnull<MatmulOp>(weighted.op) ? outputDims(reshape) : 0;
    Value perOutput = count ? overLast(rewriter, op.getLoc(), constant, op.getType().getShape(), count) : Value();
    if (!perOutput)
      return rewriter.notifyMatchFailure(op, "no product, or no number for each of its outputs");
    Value moved = binary(rewriter, op.getLoc(), op.getKind(), reshape.getX(), perOutput);
    // The last op of the chain has the name of the value.
    auto made = cast<ReshapeOp>(rewriter.clone(*reshape));
    made.getXMutable().assign(moved);
    if (StringAttr name = op.getNameAttr())
      made.setNameAttr(name);
    rewriter.replaceOp(op, made.getResult());
    rewriter.eraseOp(reshape);
    return success();
  }
};

/// conv(x, w, b) + c -> conv(x, w, b + c); conv(x, w, b) * c -> conv(x, w * c, b * c), also - and /
struct FoldChannelConstant : OpRewritePattern<BinaryOp> {
  FoldChannelConstant(MLIRContext *context, Pass::Statistic &biases, Pass::Statistic &factors)
      : OpRewritePattern(context), biases(biases), factors(factors) {}
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    BinaryKind kind = op.getKind();
    bool sum = kind == BinaryKind::add || kind == BinaryKind::sub,
         product = kind == BinaryKind::mul || kind == BinaryKind::div;
    if (!sum && !product)
      return rewriter.notifyMatchFailure(op, "neither sum nor product");
    Value x = op.getLhs(), constant = op.getRhs();
    if ((kind == BinaryKind::add || kind == BinaryKind::mul) && isConstantExpression(x))
      std::swap(x, constant);
    Weighted weighted(x);
    if (!weighted.op || x.getType() != op.getType() || !isConstantExpression(constant))
      return rewriter.notifyMatchFailure(op, "not an op with a weight and a constant");
    auto type = cast<RankedTensorType>(constant.getType());
    std::optional<int64_t> axis = broadcastAxis(type.getShape(), cast<RankedTensorType>(x.getType()).getRank());
    if (!axis || (*axis != -1 && *axis != weighted.channelAxis))
      return rewriter.notifyMatchFailure(op, "the constant differs along another axis than the channels");
    Location loc = op.getLoc();
    Value perChannel = *axis == -1 ? ExpandOp::create(rewriter, loc, type.clone({weighted.channels}),
                                                      reshapeTo(rewriter, loc, constant, {1}), StringAttr())
                                         .getResult()
                                   : reshapeTo(rewriter, loc, constant, {weighted.channels});
    Value weight = weighted.op->getOperand(1), bias = weighted.bias();
    if (sum) {
      bias = bias ? binary(rewriter, loc, kind, bias, perChannel)
             : kind == BinaryKind::add
                 ? perChannel
                 : UnaryOp::create(rewriter, loc, UnaryKind::neg, perChannel, FloatAttr(), FloatAttr(), StringAttr())
                       .getResult();
      ++biases;
    } else {
      if (kind == BinaryKind::div)
        perChannel =
            UnaryOp::create(rewriter, loc, UnaryKind::reciprocal, perChannel, FloatAttr(), FloatAttr(), StringAttr());
      weight = weighted.scaleWeight(rewriter, loc, perChannel);
      if (bias)
        bias = binary(rewriter, loc, BinaryKind::mul, bias, perChannel);
      ++factors;
    }
    rewriter.replaceOp(op, weighted.rebuild(rewriter, weight, bias)->getResults());
    return success();
  }
  Pass::Statistic &biases, &factors;
};

struct NNFoldBatchNorm : tern::nn::impl::NNFoldBatchNormBase<NNFoldBatchNorm> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<FoldBatchNorm>(context, batchNorms);
    patterns.add<ScaleBatchNorm>(context, scaled);
    patterns.add<FoldChannelConstant>(context, biases, factors);
    patterns.add<MoveIntoReshape>(context);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
