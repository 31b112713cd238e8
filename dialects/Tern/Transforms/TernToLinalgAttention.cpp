//===- TernToLinalgAttention.cpp - attention, rope ------------------------===//
#include "TernToLinalg.h"

using namespace mlir;

namespace tern::lowering {
namespace {
Value negativeInfinity(const Build &build, Type type) {
  auto floating = cast<FloatType>(type);
  return build.create<arith::ConstantOp>(
      FloatAttr::get(floating, APFloat::getInf(floating.getFloatSemantics(), /*Negative=*/true)));
}

/// sum over the last loop of a[map] * b[map], in the type that elements are computed in.
Value contract(const Build &build, const Shaped &type, Value a, AffineMap aMap, Value b, AffineMap bMap) {
  SmallVector<utils::IteratorType> iterators(4, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  Value zeros = build.filled(type, build.number(type.element(), 0));
  return build.generic({a, b}, zeros, {aMap, bMap, build.firstDims(4, 5)}, iterators,
                       [](const Build &in, ValueRange s) { return in.add(s[2], in.mul(in.widen(s[0]), in.widen(s[1]))); });
}

struct Attention : OpConversionPattern<nn::AttentionOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::AttentionOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    ArrayRef<int64_t> q = shapeOf(adaptor.getQ()), k = shapeOf(adaptor.getK());
    Type element = op.getType().getElementType(), wide = build.computeType(element);
    // Loops: batch, head, query, key or element of v, and what is summed.
    AffineExpr d[5];
    for (int i = 0; i < 5; ++i)
      d[i] = rewriter.getAffineDimExpr(i);
    auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(5, 0, exprs, rewriter.getContext()); };
    AffineExpr group = k[1] == 1 ? rewriter.getAffineConstantExpr(0) : d[1].floorDiv(q[1] / k[1]);
    Extents qs = build.extents(adaptor.getQ());
    Shaped scoresType({qs[0], qs[1], qs[2], build.extent(adaptor.getK(), 2)}, wide);
    Value scores = contract(build, scoresType, adaptor.getQ(), map({d[0], d[1], d[2], d[4]}), adaptor.getK(),
                            map({d[0], group, d[3], d[4]}));
    scores = mask(build, op, scoresType, scores, adaptor.getMask());
    Value max = build.reduce(scores, 3, negativeInfinity(build, wide),
                             [](const Build &in, ValueRange s) { return in.max(s[0], s[1]); });
    AffineMap row = build.firstDims(3, 4), same = rewriter.getMultiDimIdentityMap(4);
    Value powers = build.elementwise(scoresType, {scores, max}, {same, row}, [&](const Build &in, ValueRange s) -> Value {
      // Nothing is seen: exp(-inf - 0) is 0 where exp(-inf - -inf) would be NaN.
      Value none = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, s[1], negativeInfinity(in, wide));
      Value shift = in.select(none, in.number(wide, 0), s[1]);
      return in.create<math::ExpOp>(in.create<arith::SubFOp>(s[0], shift));
    });
    Value sums = build.reduce(powers, 3, build.number(wide, 0),
                              [](const Build &in, ValueRange s) { return in.add(s[1], s[0]); });
    Value weights = build.elementwise(scoresType, {powers, sums}, {same, row}, [&](const Build &in, ValueRange s) -> Value {
      Value none = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, s[1], in.number(wide, 0));
      return in.create<arith::DivFOp>(s[0], in.select(none, in.number(wide, 1), s[1]));
    });
    Value y = contract(build, Shaped({qs[0], qs[1], qs[2], build.extent(adaptor.getV(), 3)}, wide), weights, map({d[0], d[1], d[2], d[4]}), adaptor.getV(),
                       map({d[0], group, d[4], d[3]}));
    if (wide != element)
      y = build.elementwise(cast<RankedTensorType>(y.getType()).clone(element), y, [&](const Build &in, ValueRange s) { return in.narrow(s[0], element); });
    replaceSized(rewriter, op, y);
    return success();
  }

private:
  /// softcap(scale * score) + mask; -inf where a key is not seen.
  static Value mask(const Build &build, nn::AttentionOp op, const Shaped &type, Value scores, Value mask) {
    Type wide = type.element();
    SmallVector<Value> operands{scores};
    if (mask)
      operands.push_back(mask);
    OpFoldResult offset = build.minus(type.sizes[3], type.sizes[2]);
    return build.elementwise(type, operands, [&](const Build &in, ValueRange s) -> Value {
      Value score = in.mul(s[0], in.number(wide, op.getScale().convertToFloat()));
      if (op.getSoftcap()) {
        Value cap = in.number(wide, op.getSoftcap()->convertToFloat());
        score = in.mul(in.create<math::TanhOp>(in.create<arith::DivFOp>(score, cap)), cap);
      }
      Value never = negativeInfinity(in, wide);
      if (mask)
        score = s[1].getType().isInteger(1) ? in.select(s[1], score, never) : in.add(score, in.widen(s[1]));
      if (!op.getCausal() && !op.getWindow())
        return score;
      // How far the key lies behind the query's own position.
      Value at = in.add(in.create<linalg::IndexOp>(2), in.index(offset));
      Value behind = in.create<arith::SubIOp>(at, in.create<linalg::IndexOp>(3));
      auto hide = [&](arith::CmpIPredicate predicate, int64_t bound) {
        score = in.select(in.create<arith::CmpIOp>(predicate, behind, in.index(bound)), never, score);
      };
      if (op.getCausal())
        hide(arith::CmpIPredicate::slt, 0);
      if (op.getWindow())
        hide(arith::CmpIPredicate::sge, int64_t(*op.getWindow()));
      return score;
    });
  }
};

struct Rope : OpConversionPattern<nn::RopeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::RopeOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    RankedTensorType type = op.getType();
    int64_t rank = type.getRank();
    Extents sizes = build.extents(adaptor.getX());
    OpFoldResult pairs = build.extent(adaptor.getCos(), int64_t(shapeOf(adaptor.getCos()).size()) - 1), turned = build.times(pairs, 2);
    Type element = type.getElementType(), wide = build.computeType(element);
    bool interleaved = op.getInterleaved();
    Value x = adaptor.getX(), cos = adaptor.getCos(), sin = adaptor.getSin();
    Value y = build.elementwise(Shaped(sizes, element), {}, [&](const Build &in, ValueRange) -> Value {
      SmallVector<Value> at;
      for (int64_t d = 0; d < rank; ++d)
        at.push_back(in.create<linalg::IndexOp>(d));
      Value i = at.back(), zero = in.index(0), one = in.index(1), half = in.index(pairs), two = in.index(2);
      auto less = [&](Value a, Value b) -> Value {
        return in.create<arith::CmpIOp>(arith::CmpIPredicate::ult, a, b);
      };
      // Whether it is the second of its pair, which one the pair is, and where the other element lies.
      Value second, pair, other;
      if (interleaved) {
        pair = in.create<arith::DivUIOp>(i, two);
        second = less(in.mul(pair, two), i);
        other = in.select(second, in.create<arith::SubIOp>(i, one), in.add(i, one));
      } else {
        second = less(in.index(in.plus(pairs, -1)), i);
        pair = in.select(second, in.create<arith::SubIOp>(i, half), i);
        other = in.select(second, pair, in.add(i, half));
      }
      // Elements behind the rotated part read a place that exists, and ignore it.
      bool whole = getConstantIntValue(turned) && turned == sizes.back();
      Value rotated = whole ? Value() : less(i, in.index(turned));
      if (rotated) {
        pair = in.select(rotated, pair, zero);
        other = in.select(rotated, other, zero);
      }
      auto read = [&](Value tensor, Value last) {
        ArrayRef<int64_t> shape = shapeOf(tensor);
        SmallVector<Value> indices;
        for (size_t d = 0; d + 1 < shape.size(); ++d)
          indices.push_back(shape[d] == 1 ? zero : at[d + rank - shape.size()]);
        indices.push_back(last);
        return in.convert(in.extract(tensor, indices), elementOf(tensor), wide);
      };
      Value own = read(x, i), turn = in.mul(read(x, other), read(sin, pair));
      Value sign = in.select(second, turn, in.create<arith::NegFOp>(turn));
      Value result = in.add(in.mul(own, read(cos, pair)), sign);
      return in.narrow(rotated ? in.select(rotated, result, own) : result, element);
    });
    replaceSized(rewriter, op, y);
    return success();
  }
};
} // namespace

void populateAttention(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Attention, Rope>(types, patterns.getContext());
}

} // namespace tern::lowering
