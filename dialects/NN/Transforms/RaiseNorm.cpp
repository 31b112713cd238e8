//===- RaiseNorm.cpp - layer and RMS norms spelled out --------------------===//
#include "dialects/NN/Transforms/Raise.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// Variance or mean square of x over `axes`.
struct Variance {
  Value x;
  SmallVector<int64_t> axes;
  bool centred;
};
/// 1 / sqrt(variance + epsilon)
struct Inverse {
  Variance variance;
  double epsilon;
};
/// A factor of a product: multiplied, or divided by.
struct Factor {
  Value value;
  bool divides;
};
} // namespace

/// u of u * u and pow(u, 2).
static Value squaredOf(Value value) {
  if (auto product = binaryOf(value, BinaryKind::mul); product && isSameValue(product.getLhs(), product.getRhs()))
    return product.getLhs();
  auto power = binaryOf(value, BinaryKind::pow);
  return power && splatOf(power.getRhs()) == 2.0 ? power.getLhs() : Value();
}

/// x - mean(x)
static std::optional<Reduced> centredOf(Value value) {
  auto op = value.getDefiningOp<BinaryOp>();
  if (!op || (op.getKind() != BinaryKind::sub && op.getKind() != BinaryKind::add))
    return std::nullopt;
  for (bool swap : {false, true}) {
    Value x = swap ? op.getRhs() : op.getLhs(), other = withoutExpand(swap ? op.getLhs() : op.getRhs());
    if (op.getKind() == BinaryKind::sub && swap)
      break;
    if (op.getKind() == BinaryKind::add) {
      auto neg = unaryOf(other, UnaryKind::neg);
      if (!neg)
        continue;
      other = withoutExpand(neg.getX());
    }
    auto mean = meanOf(other);
    if (mean && isSameValue(mean->x, x) && isAlignedWith(tensorOf(other).getShape(), x, mean->axes))
      return mean;
  }
  return std::nullopt;
}

static std::optional<Variance> varianceOf(Value value) {
  value = withoutUnits(value);
  // max(variance, 0): rounding could have made a difference of squares negative.
  if (auto relu = unaryOf(value, UnaryKind::relu))
    value = withoutUnits(relu.getX());
  if (auto clip = value.getDefiningOp<ClipOp>(); clip && clip.getMin() && clip.getMin()->isZero() && !clip.getMax())
    value = withoutUnits(clip.getX());
  // mean(x^2) - mean(x)^2
  if (auto sub = binaryOf(value, BinaryKind::sub)) {
    Value mean = squaredOf(withoutUnits(sub.getRhs()));
    auto squares = meanOf(sub.getLhs()), means = mean ? meanOf(mean) : std::nullopt;
    Value x = squares ? squaredOf(squares->x) : Value();
    if (x && means && isSameValue(x, means->x) && squares->axes == means->axes)
      return Variance{x, squares->axes, true};
    return std::nullopt;
  }
  std::optional<Reduced> squares = meanOf(value);
  Value u = squares ? squaredOf(squares->x) : Value();
  if (!u) {
    // (a - b) * (c - d) with equal differences is found by squaredOf; sum_square of one tensor here.
    Affine affine = affineOf(value, {});
    auto reduce = withoutUnits(affine.x).getDefiningOp<ReduceOp>();
    if (!reduce || reduce.getKind() != ReduceKind::sum_square || affine.b != 0)
      return std::nullopt;
    int64_t count = 1;
    for (int64_t axis : reduce.getAxes()) {
      if (tensorOf(reduce.getX()).isDynamicDim(axis))
        return std::nullopt;
      count *= tensorOf(reduce.getX()).getDimSize(axis);
    }
    if (std::abs(affine.a * double(count) - 1) > 1e-4)
      return std::nullopt;
    squares = Reduced{reduce.getX(), llvm::to_vector(reduce.getAxes())};
    u = reduce.getX();
  }
  if (auto centre = centredOf(u); centre && centre->axes == squares->axes)
    return Variance{centre->x, centre->axes, true};
  return Variance{u, squares->axes, false};
}

/// v + epsilon under a root.
static std::optional<Inverse> underRoot(Value value) {
  value = withoutUnits(value);
  if (auto add = binaryOf(value, BinaryKind::add))
    if (auto parts = withScalar(add); parts && parts->number >= 0)
      if (auto variance = varianceOf(parts->other))
        return Inverse{*variance, parts->number};
  if (auto variance = varianceOf(value))
    return Inverse{*variance, 0};
  return std::nullopt;
}

/// The factor is 1 / sqrt(variance + epsilon), whether multiplied or divided by.
static std::optional<Inverse> inverseOf(const Factor &factor) {
  Value value = withoutUnits(factor.value);
  auto root = [](Value v) -> Value {
    v = withoutUnits(v);
    if (auto sqrt = unaryOf(v, UnaryKind::sqrt))
      return sqrt.getX();
    auto power = binaryOf(v, BinaryKind::pow);
    return power && splatOf(power.getRhs()) == 0.5 ? power.getLhs() : Value();
  };
  Value inner;
  if (factor.divides) {
    inner = root(value);
  } else if (auto rsqrt = unaryOf(value, UnaryKind::rsqrt)) {
    inner = rsqrt.getX();
  } else if (auto reciprocal = unaryOf(value, UnaryKind::reciprocal)) {
    inner = root(reciprocal.getX());
  } else if (auto power = binaryOf(value, BinaryKind::pow); power && splatOf(power.getRhs()) == -0.5) {
    inner = power.getLhs();
  } else if (auto quotient = binaryOf(value, BinaryKind::div); quotient && splatOf(quotient.getLhs()) == 1.0) {
    inner = root(quotient.getRhs());
  }
  return inner ? underRoot(inner) : std::nullopt;
}

/// Factors of a product, through inner products and quotients. What is a norm already stays one factor, and so does what `stop`
/// accepts: the x of a norm may be a product itself.
static void collectFactors(Value value, bool divides, int depth, SmallVectorImpl<Factor> &factors,
                           function_ref<bool(Value)> stop = [](Value) { return false; }) {
  auto op = value.getDefiningOp<BinaryOp>();
  bool isProduct = op && (op.getKind() == BinaryKind::mul || op.getKind() == BinaryKind::div);
  if (!isProduct || depth == 0 || stop(value) || inverseOf({value, divides}) || squaredOf(value)) {
    factors.push_back({value, divides});
    return;
  }
  collectFactors(op.getLhs(), divides, depth - 1, factors, stop);
  collectFactors(op.getRhs(), divides != (op.getKind() == BinaryKind::div), depth - 1, factors, stop);
}

/// The factor 1 / sqrt(variance + epsilon) among the factors of a product: it has to broadcast against x along the axes its
/// statistics were taken of.
static std::optional<Inverse> findInverse(ArrayRef<Factor> factors, size_t &place) {
  for (place = 0; place < factors.size(); ++place) {
    std::optional<Inverse> inverse = inverseOf(factors[place]);
    if (inverse && isAlignedWith(tensorOf(withoutExpand(factors[place].value)).getShape(), inverse->variance.x, inverse->variance.axes))
      return inverse;
  }
  return std::nullopt;
}

//===-- building ------------------------------------------------------------===//
/// The norm of x over `axes`, by way of a transposition where they are not the last dimensions.
static Value buildNorm(OpBuilder &builder, Location loc, const Inverse &match, StringAttr name) {
  Value x = match.variance.x;
  int64_t rank = tensorOf(x).getRank(), count = match.variance.axes.size();
  SmallVector<int64_t> perm;
  for (int64_t d = 0; d < rank; ++d)
    if (!llvm::is_contained(match.variance.axes, d))
      perm.push_back(d);
  llvm::append_range(perm, match.variance.axes);
  bool isLast = llvm::equal(perm, llvm::seq<int64_t>(0, rank));
  if (!isLast)
    x = TransposeOp::create(builder, loc, x, perm, StringAttr());
  APFloat epsilon(float(match.epsilon));
  Value y = match.variance.centred
                ? LayerNormOp::create(builder, loc, x, Value(), Value(), rank - count, epsilon, name).getResult()
                : RmsNormOp::create(builder, loc, x, Value(), rank - count, epsilon, name).getResult();
  if (isLast)
    return y;
  SmallVector<int64_t> back(rank);
  for (auto [i, d] : llvm::enumerate(perm))
    back[d] = int64_t(i);
  return TransposeOp::create(builder, loc, y, back, StringAttr());
}

static Value multiplyAll(OpBuilder &builder, Location loc, Value product, ArrayRef<Factor> rest) {
  for (const Factor &factor : rest)
    product = BinaryOp::create(builder, loc, factor.divides ? BinaryKind::div : BinaryKind::mul, product, factor.value,
                               StringAttr());
  return product;
}

namespace {
/// (x - mean) * factors / sqrt(variance + epsilon), x * factors / sqrt(mean(x^2) + epsilon)
struct RaiseNorm : OpRewritePattern<BinaryOp> {
  RaiseNorm(MLIRContext *context, RaiseStatistics &statistics) : OpRewritePattern(context), statistics(statistics) {}
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if ((op.getKind() != BinaryKind::mul && op.getKind() != BinaryKind::div) || !isFloat(op.getResult()))
      return rewriter.notifyMatchFailure(op, "no product of floats");
    size_t i = 0;
    SmallVector<Factor> factors;
    collectFactors(op.getResult(), false, 5, factors);
    std::optional<Inverse> inverse = findInverse(factors, i);
    if (!inverse)
      return rewriter.notifyMatchFailure(op, "no factor is 1 / sqrt(variance)");
    factors.clear();
    collectFactors(op.getResult(), false, 5, factors, [&](Value value) { return isNumerator(value, inverse->variance); });
    inverse = findInverse(factors, i);
    for (size_t k = 0; k < factors.size() && inverse; ++k) {
      if (k == i || factors[k].divides || !isNumerator(factors[k].value, inverse->variance))
        continue;
      SmallVector<Factor> rest;
      for (size_t j = 0; j < factors.size(); ++j)
        if (j != i && j != k)
          rest.push_back(factors[j]);
      bool isLayer = inverse->variance.centred;
      Value y = buildNorm(rewriter, op.getLoc(), *inverse, op.getNameAttr());
      y = multiplyAll(rewriter, op.getLoc(), y, rest);
      if (y.getType() != op.getType())
        continue;
      remarkRaised(op, isLayer ? "layer_norm" : "rms_norm");
      ++(isLayer ? statistics.layerNorms : statistics.rmsNorms);
      rewriter.replaceOp(op, y);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no norm");
  }

private:
  static bool isNumerator(Value value, const Variance &variance) {
    if (!variance.centred)
      return isSameValue(value, variance.x);
    auto centre = centredOf(value);
    return centre && centre->axes == variance.axes && isSameValue(centre->x, variance.x);
  }
  RaiseStatistics &statistics;
};

/// A term of a sum.
struct Term {
  Value value;
  bool isNegative;
};

/// x * f + (beta - mean * f) with f = factors / sqrt(variance + epsilon), in any order and with any signs: how TensorFlow and Keras
/// normalize.
struct RaiseShiftedNorm : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    if ((op.getKind() != BinaryKind::add && op.getKind() != BinaryKind::sub) || !isFloat(op.getResult()))
      return rewriter.notifyMatchFailure(op, "neither sum nor difference of floats");
    // x * f and mean * f are on different sides: so the smallest sum that has both is rewritten, none around it.
    SmallVector<Term> sides[2];
    collectTerms(op.getLhs(), false, 2, sides[0]);
    collectTerms(op.getRhs(), op.getKind() == BinaryKind::sub, 2, sides[1]);
    for (auto &side : sides)
      for (size_t i = 0; i < side.size(); ++i) {
        SmallVector<Factor> factors;
        collectFactors(side[i].value, false, 4, factors);
        size_t place;
        std::optional<Inverse> inverse = factors.size() > 1 ? findInverse(factors, place) : std::nullopt;
        if (!inverse || !inverse->variance.centred || side[i].isNegative)
          continue;
        SmallVector<Term> &other = &side == &sides[0] ? sides[1] : sides[0];
        for (size_t k = 0; k < other.size(); ++k)
          if (auto rest = match(side[i].value, other[k], inverse->variance)) {
            SmallVector<Term> terms(side);
            terms.erase(terms.begin() + i);
            llvm::append_range(terms, other);
            terms.erase(terms.begin() + side.size() - 1 + k);
            if (succeeded(build(op, *inverse, *rest, terms, rewriter)))
              return success();
          }
      }
    return rewriter.notifyMatchFailure(op, "no shifted norm");
  }

private:
  static void collectTerms(Value value, bool isNegative, int depth, SmallVectorImpl<Term> &terms) {
    auto op = withoutExpand(value).getDefiningOp<BinaryOp>();
    if (auto neg = unaryOf(withoutExpand(value), UnaryKind::neg))
      return collectTerms(neg.getX(), !isNegative, depth, terms);
    if (!op || depth == 0 || (op.getKind() != BinaryKind::add && op.getKind() != BinaryKind::sub)) {
      terms.push_back({value, isNegative});
      return;
    }
    collectTerms(op.getLhs(), isNegative, depth - 1, terms);
    collectTerms(op.getRhs(), isNegative != (op.getKind() == BinaryKind::sub), depth - 1, terms);
  }

  /// The factors beside x and 1 / sqrt(variance), when `moved` is -mean(x) times all factors of `scaled` except x.
  static std::optional<SmallVector<Factor>> match(Value scaled, Term moved, const Variance &variance) {
    auto isX = [&](Value value) { return isSameValue(value, variance.x); };
    auto isMean = [&](Value value) {
      value = withoutExpand(value);
      if (auto neg = unaryOf(value, UnaryKind::neg))
        value = withoutExpand(neg.getX());
      auto mean = meanOf(value);
      return mean && mean->axes == variance.axes && isX(mean->x) && isAlignedWith(tensorOf(value).getShape(), mean->x, mean->axes);
    };
    SmallVector<Factor> factors, movedFactors;
    collectFactors(scaled, false, 4, factors, isX);
    collectFactors(withoutExpand(moved.value), false, 4, movedFactors, isMean);
    auto x = llvm::find_if(factors, [&](const Factor &factor) { return !factor.divides && isX(factor.value); });
    auto mean = llvm::find_if(movedFactors, [&](const Factor &factor) { return !factor.divides && isMean(factor.value); });
    if (x == factors.end() || mean == movedFactors.end() ||
        moved.isNegative == bool(unaryOf(withoutExpand(mean->value), UnaryKind::neg)))
      return std::nullopt;
    factors.erase(x);
    movedFactors.erase(mean);
    size_t place;
    if (factors.size() != movedFactors.size() || !findInverse(factors, place))
      return std::nullopt;
    SmallVector<Factor> rest(factors);
    rest.erase(rest.begin() + place);
    for (const Factor &factor : factors) {
      auto same = llvm::find_if(movedFactors, [&](const Factor &other) {
        return factor.divides == other.divides && isSameValue(withoutExpand(factor.value), withoutExpand(other.value));
      });
      if (same == movedFactors.end())
        return std::nullopt;
      movedFactors.erase(same);
    }
    return rest;
  }

  LogicalResult build(BinaryOp op, const Inverse &inverse, ArrayRef<Factor> factors, ArrayRef<Term> terms,
                      PatternRewriter &rewriter) const {
    Location loc = op.getLoc();
    Value y = multiplyAll(rewriter, loc, buildNorm(rewriter, loc, inverse, op.getNameAttr()), factors);
    // The norm absorbs a constant that comes first.
    for (bool constant : {true, false})
      for (const Term &term : terms)
        if (isConstantExpression(term.value) == constant)
          y = BinaryOp::create(rewriter, loc, term.isNegative ? BinaryKind::sub : BinaryKind::add, y, term.value, StringAttr());
    if (y.getType() != op.getType())
      return failure();
    remarkRaised(op, "layer_norm");
    ++count;
    rewriter.replaceOp(op, y);
    return success();
  }
};

//===-- scale and bias ------------------------------------------------------===//
/// A constant that differs along the normalized dimensions only, as a vector of their shape; null.
Value rowParameter(OpBuilder &builder, Location loc, Value value, Value x, ArrayRef<int64_t> axes) {
  RankedTensorType type = tensorOf(value), xType = tensorOf(x);
  if (!isConstantExpression(value) || !type.hasStaticShape() || type.getRank() > xType.getRank() || !isFloat(value))
    return {};
  int64_t skipped = xType.getRank() - type.getRank();
  SmallVector<int64_t> row, given;
  for (int64_t d = 0; d < xType.getRank(); ++d) {
    int64_t size = d < skipped ? 1 : type.getDimSize(d - skipped);
    if (!llvm::is_contained(axes, d)) {
      if (size != 1)
        return {};
      continue;
    }
    if (xType.isDynamicDim(d))
      return {};
    row.push_back(xType.getDimSize(d));
    given.push_back(size);
  }
  value = reshapeTo(builder, loc, value, given);
  if (given != row)
    value = ExpandOp::create(builder, loc, type.clone(row), value, StringAttr());
  return value;
}

/// norm(x) * scale -> norm(x, scale), norm(x, scale) + bias -> norm(x, scale, bias), also behind the transposition of a norm
/// over other than the last dimensions.
struct AbsorbParameter : OpRewritePattern<BinaryOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    bool isScale = op.getKind() == BinaryKind::mul;
    if (!isScale && op.getKind() != BinaryKind::add)
      return rewriter.notifyMatchFailure(op, "neither product nor sum");
    for (bool swap : {false, true}) {
      Value y = swap ? op.getRhs() : op.getLhs(), parameter = swap ? op.getLhs() : op.getRhs();
      auto transpose = y.getDefiningOp<TransposeOp>();
      Value inner = transpose && y.hasOneUse() ? transpose.getX() : y;
      Operation *norm = inner.getDefiningOp();
      if (y.getType() != op.getType() || !norm || !inner.hasOneUse() || !isa<LayerNormOp, RmsNormOp>(norm))
        continue;
      auto layer = dyn_cast<LayerNormOp>(norm);
      auto rms = dyn_cast<RmsNormOp>(norm);
      bool taken = layer ? layer.getBias() || (isScale && layer.getScale()) : !isScale || rms.getScale();
      if (taken)
        continue;
      int64_t axis = layer ? layer.getAxis() : rms.getAxis(), rank = tensorOf(inner).getRank();
      SmallVector<int64_t> axes;
      for (int64_t d = axis; d < rank; ++d)
        axes.push_back(transpose ? llvm::find(transpose.getPerm(), d) - transpose.getPerm().begin() : d);
      if (!llvm::is_sorted(axes))
        continue;
      Value row = rowParameter(rewriter, op.getLoc(), parameter, y, axes);
      if (!row)
        continue;
      StringAttr name = norm->getAttrOfType<StringAttr>("name");
      Value x = norm->getOperand(0);
      Value merged =
          rms ? RmsNormOp::create(rewriter, norm->getLoc(), x, row, axis, rms.getEpsilon(), name).getResult()
              : LayerNormOp::create(rewriter, norm->getLoc(), x, isScale ? row : layer.getScale(),
                                    isScale ? Value() : row, axis, layer.getEpsilon(), name)
                    .getResult();
      if (transpose)
        merged = TransposeOp::create(rewriter, transpose.getLoc(), merged, transpose.getPerm(), transpose.getNameAttr());
      rewriter.replaceOp(op, merged);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no parameter of a norm");
  }
};
} // namespace

namespace tern::nn {
void populateRaiseNorms(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseNorm>(context, statistics);
  patterns.add<RaiseShiftedNorm>(context, statistics.layerNorms);
  patterns.add<AbsorbParameter>(context);
}

/// Why 1 / sqrt(..) that looks like one of a norm did not become one.
void remarkNearNorms(Operation *root) {
  root->walk([](Operation *op) {
    auto unary = dyn_cast<UnaryOp>(op);
    if (!unary || (unary.getKind() != UnaryKind::sqrt && unary.getKind() != UnaryKind::rsqrt))
      return;
    std::optional<Inverse> match = underRoot(unary.getX());
    if (match) {
      bool centred = match->variance.centred;
      remarkMissed(op, centred ? "layer_norm" : "rms_norm",
                   centred ? "what is divided by the deviation of x is not x minus its mean"
                           : "what is divided by the root mean square of x is not x");
      return;
    }
    // A mean or sum of squares that is not quite a variance.
    Affine sum = affineOf(unary.getX(), {});
    auto reduce = withoutUnits(sum.x).getDefiningOp<ReduceOp>();
    Value squares = reduce ? squaredOf(reduce.getX()) : Value();
    if (!squares || !centredOf(squares))
      return;
    if (reduce.getKind() == ReduceKind::sum)
      remarkMissed(op, "layer_norm", "the squares are not divided by their number");
  });
}
} // namespace tern::nn
