//===- NNRaise.cpp - clip, hard_sigmoid, hard_swish, silu spelled out -----===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNRAISE
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

/// Exporters round 1/6 to 0.16667.
static bool isNear(double value, double expected) {
  return std::abs(value - expected) <= 1e-4 * std::max(1.0, std::abs(expected));
}

/// What was recognised, for the report.
static void remarkRaised(Operation *op, StringRef what) {
  StringRef name = nameOf(op);
  remark::passed(op->getLoc(), remark::RemarkOpts::name("Raised").category("nn-raise").function(name))
      << remark::reason("{0} recognised", what);
}

static bool isF32(Value value) { return cast<RankedTensorType>(value.getType()).getElementType().isF32(); }

/// A scalar constant and the other operand of a binary op whose result has the other operand's type.
static std::optional<std::pair<Value, double>> withScalar(BinaryOp op, bool &scalarIsRight) {
  for (bool right : {true, false}) {
    Value scalar = right ? op.getRhs() : op.getLhs(), other = right ? op.getLhs() : op.getRhs();
    std::optional<double> number = scalarOf(scalar);
    if (!number || other.getType() != op.getType())
      continue;
    scalarIsRight = right;
    return std::make_pair(other, *number);
  }
  return std::nullopt;
}

//===-- normal forms --------------------------------------------------------===//
namespace {
/// a * x + b
struct Affine {
  Value x;
  double a = 1, b = 0;
};
/// clip(a * x + b, 0, hi)
struct Ramp {
  Affine inner;
  double hi = 0;
};
/// factor * product of the values
struct Product {
  SmallVector<Value, 2> values;
  double factor = 1;
};
} // namespace

/// Follows sums and products with scalars, down to `stop` if it is on the way.
static Affine affineOf(Value value, Value stop) {
  Affine result{value};
  // y = a * x + b with x = (op): the op is substituted.
  while (auto op = result.x == stop ? BinaryOp() : result.x.getDefiningOp<BinaryOp>()) {
    bool right;
    auto parts = withScalar(op, right);
    if (!parts)
      break;
    auto [x, c] = *parts;
    if (op.getKind() == BinaryKind::add)
      result.b += result.a * c;
    else if (op.getKind() == BinaryKind::sub && right)
      result.b -= result.a * c;
    else if (op.getKind() == BinaryKind::sub)
      result.b += result.a * c, result.a = -result.a;
    else if (op.getKind() == BinaryKind::mul)
      result.a *= c;
    else if (op.getKind() == BinaryKind::div && right && c != 0)
      result.a /= c;
    else
      break;
    result.x = x;
  }
  return result;
}

static std::optional<Ramp> rampOf(Value value, Value stop = {}) {
  if (auto clip = value.getDefiningOp<ClipOp>()) {
    if (!clip.getMin() || !clip.getMax() || !clip.getMin()->isZero())
      return std::nullopt;
    return Ramp{affineOf(clip.getX(), stop), clip.getMax()->convertToDouble()};
  }
  auto unary = value.getDefiningOp<UnaryOp>();
  if (!unary || unary.getKind() != UnaryKind::hard_sigmoid)
    return std::nullopt;
  double alpha = unary.getAlpha() ? unary.getAlpha()->convertToFloat() : 0.2,
         beta = unary.getBeta() ? unary.getBeta()->convertToFloat() : 0.5;
  Affine inner = affineOf(unary.getX(), stop);
  return Ramp{{inner.x, alpha * inner.a, alpha * inner.b + beta}, 1};
}

/// Flattens products and quotients by scalars. `depth` bounds the size of the tree.
static Product productOf(Value value, int depth = 6) {
  auto op = value.getDefiningOp<BinaryOp>();
  bool right;
  if (!op || depth == 0)
    return {{value}, 1};
  if (auto parts = withScalar(op, right)) {
    auto [x, c] = *parts;
    if (op.getKind() == BinaryKind::mul || (op.getKind() == BinaryKind::div && right && c != 0)) {
      Product product = productOf(x, depth - 1);
      product.factor = op.getKind() == BinaryKind::mul ? product.factor * c : product.factor / c;
      return product;
    }
    return {{value}, 1};
  }
  if (op.getKind() != BinaryKind::mul || op.getLhs().getType() != op.getType() || op.getRhs().getType() != op.getType())
    return {{value}, 1};
  Product lhs = productOf(op.getLhs(), depth - 1), rhs = productOf(op.getRhs(), depth - 1);
  lhs.values.append(rhs.values);
  lhs.factor *= rhs.factor;
  return lhs;
}

//===-- patterns ------------------------------------------------------------===//
namespace {
struct Counters {
  Pass::Statistic &clips, &hardSigmoids, &hardSwishes, &silus, &casts;
};

/// min(x, c) -> clip(x){max = c}, max(x, c) -> clip(x){min = c}; max(x, 0) -> relu(x)
struct MinMaxToClip : OpRewritePattern<BinaryOp> {
  MinMaxToClip(MLIRContext *context, Pass::Statistic &count) : OpRewritePattern(context), count(count) {}
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    bool isMin = op.getKind() == BinaryKind::min;
    if (!isMin && op.getKind() != BinaryKind::max)
      return rewriter.notifyMatchFailure(op, "neither min nor max");
    bool right;
    auto parts = withScalar(op, right);
    if (!parts || std::isnan(parts->second))
      return rewriter.notifyMatchFailure(op, "no scalar constant");
    remarkRaised(op, !isMin && parts->second == 0 ? "relu" : "clip");
    FloatAttr bound = rewriter.getF64FloatAttr(parts->second);
    if (!isMin && parts->second == 0)
      rewriter.replaceOpWithNewOp<UnaryOp>(op, op.getType(), UnaryKind::relu, parts->first, FloatAttr(), FloatAttr(),
                                           op.getNameAttr());
    else
      rewriter.replaceOpWithNewOp<ClipOp>(op, op.getType(), parts->first, isMin ? FloatAttr() : bound,
                                          isMin ? bound : FloatAttr(), op.getNameAttr());
    ++count;
    return success();
  }
  Pass::Statistic &count;
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

/// c * clip(a x + b, 0, hi) with c * hi = 1 -> hard_sigmoid(x)
/// x * c * clip(x / 6 * hi + hi / 2, 0, hi) with c * hi = 1 -> hard_swish(x); x * sigmoid(x) -> silu(x)
struct RaiseProduct : OpRewritePattern<BinaryOp> {
  RaiseProduct(MLIRContext *context, Counters counters) : OpRewritePattern(context), counters(counters) {}

  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if (!isF32(op.getResult()))
      return rewriter.notifyMatchFailure(op, "not f32");
    if (op.getKind() != BinaryKind::mul && op.getKind() != BinaryKind::div)
      return rewriter.notifyMatchFailure(op, "neither product nor quotient");
    Product product = productOf(op.getResult());
    if (product.values.size() == 1)
      return hardSigmoid(op, product, rewriter);
    if (product.values.size() != 2)
      return rewriter.notifyMatchFailure(op, "more than two factors");
    for (int gate : {0, 1}) {
      Value x = product.values[1 - gate];
      if (succeeded(gated(op, x, product.values[gate], product.factor, rewriter)))
        return success();
    }
    return rewriter.notifyMatchFailure(op, "no gate");
  }

private:
  LogicalResult hardSigmoid(BinaryOp op, const Product &product, PatternRewriter &rewriter) const {
    std::optional<Ramp> ramp = rampOf(product.values[0]);
    if (!ramp || ramp->inner.x.getType() != op.getType() || !isNear(product.factor * ramp->hi, 1) ||
        product.values[0] == op.getResult())
      return rewriter.notifyMatchFailure(op, "no ramp to 1");
    remarkRaised(op, "hard_sigmoid");
    FloatAttr alpha = rewriter.getF32FloatAttr(product.factor * ramp->inner.a),
              beta = rewriter.getF32FloatAttr(product.factor * ramp->inner.b);
    rewriter.replaceOpWithNewOp<UnaryOp>(op, op.getType(), UnaryKind::hard_sigmoid, ramp->inner.x, alpha, beta,
                                         op.getNameAttr());
    ++counters.hardSigmoids;
    return success();
  }

  LogicalResult gated(BinaryOp op, Value x, Value gate, double factor, PatternRewriter &rewriter) const {
    auto replace = [&](UnaryKind kind, Pass::Statistic &count) {
      remarkRaised(op, stringifyUnaryKind(kind));
      rewriter.replaceOpWithNewOp<UnaryOp>(op, op.getType(), kind, x, FloatAttr(), FloatAttr(), op.getNameAttr());
      ++count;
      return success();
    };
    if (auto sigmoid = gate.getDefiningOp<UnaryOp>())
      if (sigmoid.getKind() == UnaryKind::sigmoid && sigmoid.getX() == x && factor == 1)
        return replace(UnaryKind::silu, counters.silus);
    std::optional<Ramp> ramp = rampOf(gate, x);
    if (!ramp || ramp->inner.x != x || ramp->hi <= 0)
      return failure();
    if (!isNear(ramp->inner.a / ramp->hi, 1.0 / 6) || !isNear(ramp->inner.b / ramp->hi, 0.5))
      return failure();
    if (isNear(factor * ramp->hi, 1))
      return replace(UnaryKind::hard_swish, counters.hardSwishes);
    return failure();
  }

  Counters counters;
};

/// cast(cast(x)) -> x or one cast, when the type in the middle holds every value of x
struct CastOfCast : OpRewritePattern<CastOp> {
  CastOfCast(MLIRContext *context, Pass::Statistic &count) : OpRewritePattern(context), count(count) {}
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
  Pass::Statistic &count;
};

struct NNRaise : tern::nn::impl::NNRaiseBase<NNRaise> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    RewritePatternSet patterns(context);
    patterns.add<MinMaxToClip>(context, clips);
    patterns.add<MergeClips>(context, ClipOp::getOperationName());
    patterns.add<MergeClips>(context, UnaryOp::getOperationName());
    patterns.add<RaiseProduct>(context, Counters{clips, hardSigmoids, hardSwishes, silus, casts});
    patterns.add<CastOfCast>(context, casts);
    GreedyRewriteConfig config;
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};
} // namespace
