//===- RaiseActivations.cpp - sigmoid, gelu, silu, mish, hard_swish -------===//
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

namespace {
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

static std::optional<Ramp> rampOf(Value value, Value stop = {}) {
  if (auto clip = value.getDefiningOp<ClipOp>()) {
    if (!clip.getMin() || !clip.getMax() || !clip.getMin()->isZero())
      return std::nullopt;
    return Ramp{affineOf(clip.getX(), stop), clip.getMax()->convertToDouble()};
  }
  auto unary = unaryOf(value, UnaryKind::hard_sigmoid);
  if (!unary)
    return std::nullopt;
  double alpha = unary.getAlpha() ? unary.getAlpha()->convertToFloat() : 0.2,
         beta = unary.getBeta() ? unary.getBeta()->convertToFloat() : 0.5;
  Affine inner = affineOf(unary.getX(), stop);
  return Ramp{{inner.x, alpha * inner.a, alpha * inner.b + beta}, 1};
}

/// Flattens products and quotients by scalars down to the values in `stops`. `depth` bounds the size of the tree; `inner`, if
/// given, receives every value on the way.
static Product productOf(Value value, ArrayRef<Value> stops, int depth, SmallVectorImpl<Value> *inner) {
  if (inner)
    inner->push_back(value);
  auto op = value.getDefiningOp<BinaryOp>();
  if (!op || depth == 0 || llvm::is_contained(stops, value))
    return {{value}, 1};
  if (auto parts = withScalar(op)) {
    double c = parts->number;
    if (op.getKind() != BinaryKind::mul && (op.getKind() != BinaryKind::div || !parts->scalarIsRight || c == 0))
      return {{value}, 1};
    Product product = productOf(parts->other, stops, depth - 1, inner);
    product.factor = op.getKind() == BinaryKind::mul ? product.factor * c : product.factor / c;
    return product;
  }
  if (op.getKind() != BinaryKind::mul || op.getLhs().getType() != op.getType() || op.getRhs().getType() != op.getType())
    return {{value}, 1};
  Product lhs = productOf(op.getLhs(), stops, depth - 1, inner), rhs = productOf(op.getRhs(), stops, depth - 1, inner);
  lhs.values.append(rhs.values);
  lhs.factor *= rhs.factor;
  return lhs;
}

static void replaceByUnary(PatternRewriter &rewriter, Operation *op, UnaryKind kind, Value x, Pass::Statistic &count) {
  remarkRaised(op, stringifyUnaryKind(kind));
  rewriter.replaceOpWithNewOp<UnaryOp>(op, op->getResult(0).getType(), kind, x, FloatAttr(), FloatAttr(),
                                       op->getAttrOfType<StringAttr>("name"));
  ++count;
}

static bool isPolynomial(Value value, Value x, std::array<double, 4> wanted) {
  auto found = polynomialOf(value, x);
  if (!found)
    return false;
  // The smaller coefficients are as exact as the larger ones.
  for (int i = 0; i < 4; ++i)
    if (std::abs((*found)[i] - wanted[i]) > 1e-4 * std::max(std::abs(wanted[i]), 0.03))
      return false;
  return true;
}

/// The kind of x * gate * factor; nullopt: none.
static std::optional<UnaryKind> gatedKind(Value x, Value gate, double factor) {
  constexpr double sqrtHalf = 0.70710678118654752, a = 0.79788456080286536, b = a * 0.044715;
  if (auto sigmoid = unaryOf(gate, UnaryKind::sigmoid)) {
    if (sigmoid.getX() == x && isNear(factor, 1))
      return UnaryKind::silu;
    // (1 + tanh(p)) / 2 = sigmoid(2 p)
    if (isNear(factor, 1) && isPolynomial(sigmoid.getX(), x, {0, 2 * a, 0, 2 * b}))
      return UnaryKind::gelu_tanh;
  }
  if (auto tanh = unaryOf(gate, UnaryKind::tanh)) {
    auto softplus = unaryOf(tanh.getX(), UnaryKind::softplus);
    if (softplus && softplus.getX() == x && isNear(factor, 1))
      return UnaryKind::mish;
  }
  // (1 + erf(x / sqrt 2)) / 2 and (1 - erf(-x / sqrt 2)) / 2
  Affine outer = affineOf(gate, x);
  auto erf = unaryOf(outer.x, UnaryKind::erf), tanh = unaryOf(outer.x, UnaryKind::tanh);
  if ((erf || tanh) && isNear(std::abs(outer.a * factor), 0.5) && isNear(outer.b * factor, 0.5)) {
    double sign = outer.a * factor < 0 ? -1 : 1;
    if (erf && isPolynomial(erf.getX(), x, {0, sign * sqrtHalf, 0, 0}))
      return UnaryKind::gelu;
    if (tanh && isPolynomial(tanh.getX(), x, {0, sign * a, 0, sign * b}))
      return UnaryKind::gelu_tanh;
  }
  std::optional<Ramp> ramp = rampOf(gate, x);
  if (ramp && ramp->inner.x == x && ramp->hi > 0 && isNear(ramp->inner.a / ramp->hi, 1.0 / 6) &&
      isNear(ramp->inner.b / ramp->hi, 0.5) && isNear(factor * ramp->hi, 1))
    return UnaryKind::hard_swish;
  return std::nullopt;
}

namespace {
/// c * clip(a x + b, 0, hi) with c * hi = 1 -> hard_sigmoid(x)
/// x * gate(x) * c -> silu, gelu, gelu_tanh, mish, hard_swish, in whatever order the factors were multiplied
struct RaiseProduct : OpRewritePattern<BinaryOp> {
  RaiseProduct(MLIRContext *context, RaiseStatistics &statistics) : OpRewritePattern(context), statistics(statistics) {}

  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if (!isFloat(op.getResult()))
      return rewriter.notifyMatchFailure(op, "not of floats");
    if (op.getKind() != BinaryKind::mul && op.getKind() != BinaryKind::div)
      return rewriter.notifyMatchFailure(op, "neither product nor quotient");
    SmallVector<Value> inner;
    Product product = productOf(op.getResult(), {}, 6, &inner);
    if (product.values.size() == 1)
      return hardSigmoid(op, product, rewriter);
    // x may itself be a product: every value of the tree is tried.
    for (Value gate : product.values)
      for (Value x : inner) {
        if (x == op.getResult() || x == gate || x.getType() != op.getType())
          continue;
        Product split = productOf(op.getResult(), {x, gate}, 6, nullptr);
        if (split.values.size() != 2 || !llvm::is_contained(split.values, x) || !llvm::is_contained(split.values, gate))
          continue;
        if (std::optional<UnaryKind> kind = gatedKind(x, gate, split.factor)) {
          replaceByUnary(rewriter, op, *kind, x, countOf(*kind));
          return success();
        }
      }
    return rewriter.notifyMatchFailure(op, "no gate");
  }

private:
  Pass::Statistic &countOf(UnaryKind kind) const {
    switch (kind) {
    case UnaryKind::silu:
      return statistics.silus;
    case UnaryKind::mish:
      return statistics.mishes;
    case UnaryKind::hard_swish:
      return statistics.hardSwishes;
    default:
      return statistics.gelus;
    }
  }

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
    ++statistics.hardSigmoids;
    return success();
  }

  RaiseStatistics &statistics;
};

/// exp(-x) of 1 + exp(-x): x; null.
Value logisticOf(Value value) {
  Affine sum = affineOf(value, {});
  auto exp = unaryOf(sum.x, UnaryKind::exp);
  if (!exp || sum.a != 1 || sum.b != 1)
    return {};
  if (auto neg = unaryOf(exp.getX(), UnaryKind::neg))
    return neg.getX();
  auto op = exp.getX().getDefiningOp<BinaryOp>();
  auto parts = op ? withScalar(op) : std::nullopt;
  bool isNegated = parts && ((op.getKind() == BinaryKind::mul && parts->number == -1) ||
                             (op.getKind() == BinaryKind::sub && !parts->scalarIsRight && parts->number == 0));
  return isNegated ? parts->other : Value();
}

/// 1 / (1 + exp(-x)) -> sigmoid(x)
struct RaiseSigmoidQuotient : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if (op.getKind() != BinaryKind::div || splatOf(op.getLhs()) != 1.0 || op.getRhs().getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no quotient of 1");
    Value x = logisticOf(op.getRhs());
    if (!x)
      return rewriter.notifyMatchFailure(op, "no 1 + exp(-x)");
    replaceByUnary(rewriter, op, UnaryKind::sigmoid, x, count);
    return success();
  }
};

/// reciprocal(1 + exp(-x)) -> sigmoid(x); log(1 + exp(x)) -> softplus(x)
struct RaiseLogistic : OpRewritePattern<UnaryOp> {
  RaiseLogistic(MLIRContext *context, RaiseStatistics &statistics) : OpRewritePattern(context), statistics(statistics) {}
  LogicalResult matchAndRewrite(UnaryOp op, PatternRewriter &rewriter) const override {
    if (op.getKind() == UnaryKind::reciprocal)
      if (Value x = logisticOf(op.getX())) {
        replaceByUnary(rewriter, op, UnaryKind::sigmoid, x, statistics.sigmoids);
        return success();
      }
    if (op.getKind() == UnaryKind::log) {
      Affine sum = affineOf(op.getX(), {});
      auto exp = unaryOf(sum.x, UnaryKind::exp);
      if (exp && sum.a == 1 && sum.b == 1) {
        replaceByUnary(rewriter, op, UnaryKind::softplus, exp.getX(), statistics.softpluses);
        return success();
      }
    }
    return rewriter.notifyMatchFailure(op, "neither reciprocal nor logarithm of 1 + exp");
  }
  RaiseStatistics &statistics;
};

/// 1 / sqrt(x), pow(x, -0.5) -> rsqrt(x); pow(x, 0.5) -> sqrt(x)
struct RaiseRoot : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if (!isFloat(op.getResult()))
      return rewriter.notifyMatchFailure(op, "not of floats");
    if (op.getKind() == BinaryKind::pow && op.getLhs().getType() == op.getType()) {
      std::optional<double> exponent = splatOf(op.getRhs());
      if (exponent != 0.5 && exponent != -0.5)
        return rewriter.notifyMatchFailure(op, "another power");
      replaceByUnary(rewriter, op, *exponent > 0 ? UnaryKind::sqrt : UnaryKind::rsqrt, op.getLhs(), count);
      return success();
    }
    auto sqrt = op.getKind() == BinaryKind::div ? unaryOf(op.getRhs(), UnaryKind::sqrt) : UnaryOp();
    if (!sqrt || splatOf(op.getLhs()) != 1.0 || sqrt.getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "no quotient of 1 by a root");
    replaceByUnary(rewriter, op, UnaryKind::rsqrt, sqrt.getX(), count);
    return success();
  }
};

/// reciprocal(sqrt(x)) -> rsqrt(x)
struct RaiseReciprocalRoot : CountedPattern<UnaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(UnaryOp op, PatternRewriter &rewriter) const override {
    auto sqrt = op.getKind() == UnaryKind::reciprocal ? unaryOf(op.getX(), UnaryKind::sqrt) : UnaryOp();
    if (!sqrt)
      return rewriter.notifyMatchFailure(op, "no reciprocal of a root");
    replaceByUnary(rewriter, op, UnaryKind::rsqrt, sqrt.getX(), count);
    return success();
  }
};
} // namespace

namespace tern::nn {
void populateRaiseRoots(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  patterns.add<RaiseRoot, RaiseReciprocalRoot>(patterns.getContext(), statistics.roots);
}

void populateRaiseActivations(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseProduct>(context, statistics);
  patterns.add<RaiseSigmoidQuotient>(context, statistics.sigmoids);
  patterns.add<RaiseLogistic>(context, statistics);
}
} // namespace tern::nn
