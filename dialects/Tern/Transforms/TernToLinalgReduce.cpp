//===- TernToLinalgReduce.cpp - reduce, softmax, pool ---------------------===//
#include "TernToLinalg.h"

using namespace mlir;

namespace tern::lowering {

/// The smallest (or largest) value of a type, infinity for floats.
static Value extreme(const Build &build, Type type, bool lowest, bool isUnsigned) {
  if (auto floating = dyn_cast<FloatType>(type))
    return build.create<arith::ConstantOp>(
        FloatAttr::get(floating, APFloat::getInf(floating.getFloatSemantics(), lowest)));
  unsigned bits = type.getIntOrFloatBitWidth();
  APInt value = isUnsigned ? (lowest ? APInt::getZero(bits) : APInt::getMaxValue(bits))
                           : (lowest ? APInt::getSignedMinValue(bits) : APInt::getSignedMaxValue(bits));
  return build.integer(type, value.getSExtValue());
}

/// Elementwise on one tensor, in the type that its elements are computed in.
static Value mapWide(const Build &build, Value x, llvm::function_ref<Value(const Build &, Value)> body) {
  auto type = cast<RankedTensorType>(x.getType());
  Type wide = build.computeType(type.getElementType());
  return build.elementwise(type.clone(wide), x,
                           [&](const Build &in, ValueRange s) { return body(in, in.widen(s[0])); });
}

static Value narrowAll(const Build &build, Value x, Type element) {
  auto type = cast<RankedTensorType>(x.getType());
  if (type.getElementType() == element)
    return x;
  return build.elementwise(type.clone(element), x, [&](const Build &in, ValueRange s) -> Value {
    if (isa<IntegerType>(element))
      return in.create<arith::TruncIOp>(element, s[0]);
    return in.narrow(s[0], element);
  });
}

/// The sizes of a tensor with 1 for the axes.
static Extents keptSizes(const Build &build, Value x, ArrayRef<int64_t> axes) {
  Extents kept = build.extents(x);
  for (int64_t axis : axes)
    kept[axis] = build.number(1);
  return kept;
}

//===-- reduce ----------------------------------------------------------------===//
namespace {
struct Reduce : OpConversionPattern<nn::ReduceOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::ReduceOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    RankedTensorType xType = op.getX().getType();
    Type element = elementOf(adaptor.getX()), wide = build.computeType(element);
    bool unsign = isUnsigned(xType.getElementType());
    // The sum under an integer mean must not wrap.
    if (op.getKind() == nn::ReduceKind::mean && isa<IntegerType>(element))
      wide = rewriter.getI64Type();
    Value max;
    if (op.getKind() == nn::ReduceKind::log_sum_exp)
      max = centre(build, op, adaptor.getX(), wide);
    Value mapped = mapElements(build, op, adaptor.getX(), max, wide);
    Value sums =
        build.reduce(mapped, op.getAxes(), start(build, op.getKind(), wide, unsign),
                     [&](const Build &in, ValueRange x) { return combine(in, op.getKind(), x[0], x[1], unsign); });
    OpFoldResult count = build.number(1);
    Extents kept;
    for (int64_t axis = 0; axis < xType.getRank(); ++axis) {
      OpFoldResult size = build.extent(adaptor.getX(), axis);
      bool isReduced = llvm::is_contained(op.getAxes(), axis);
      if (isReduced)
        count = build.times(count, size);
      if (!isReduced || op.getKeepdims())
        kept.push_back(isReduced ? build.number(1) : size);
    }
    Value result = finish(build, op.getKind(), sums, max, count, unsign);
    replaceSized(rewriter, op, narrowAll(build, build.reshape(result, kept), element));
    return success();
  }

private:
  /// log_sum_exp subtracts the maximum, where it is finite, so that no exponential overflows.
  static Value centre(const Build &build, nn::ReduceOp op, Value x, Type wide) {
    Value max = build.reduce(x, op.getAxes(), extreme(build, wide, true, false),
                             [](const Build &in, ValueRange s) { return in.max(in.widen(s[0]), s[1]); });
    return mapWide(build, max, [](const Build &in, Value m) {
      Value infinity = extreme(in, m.getType(), false, false), magnitude = in.create<math::AbsFOp>(m);
      Value isFinite = in.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, magnitude, infinity);
      return in.select(isFinite, m, in.number(m.getType(), 0));
    });
  }

  static Value mapElements(const Build &build, nn::ReduceOp op, Value x, Value max, Type wide) {
    Type original = op.getX().getType().getElementType();
    switch (op.getKind()) {
    case nn::ReduceKind::l1:
      return mapWide(build, x, [&](const Build &in, Value v) -> Value {
        if (isa<FloatType>(v.getType()))
          return in.create<math::AbsFOp>(v);
        Value zero = in.integer(v.getType(), 0), negative = in.create<arith::SubIOp>(zero, v);
        return isUnsigned(original) ? v : in.max(v, negative);
      });
    case nn::ReduceKind::l2:
    case nn::ReduceKind::sum_square:
      return mapWide(build, x, [](const Build &in, Value v) { return in.mul(v, v); });
    case nn::ReduceKind::log_sum_exp: {
      auto type = cast<RankedTensorType>(x.getType());
      Value kept = build.reshape(max, keptSizes(build, x, op.getAxes()));
      return build.elementwise(type.clone(elementOf(max)), {x, kept}, [](const Build &in, ValueRange s) {
        return in.create<math::ExpOp>(in.create<arith::SubFOp>(in.widen(s[0]), s[1]));
      });
    }
    default: {
      if (elementOf(x) == wide)
        return x;
      return build.elementwise(cast<RankedTensorType>(x.getType()).clone(wide), x,
                               [&](const Build &in, ValueRange s) { return in.convert(s[0], original, wide); });
    }
    }
  }

  static Value start(const Build &build, nn::ReduceKind kind, Type type, bool unsign) {
    if (kind == nn::ReduceKind::max || kind == nn::ReduceKind::min)
      return extreme(build, type, kind == nn::ReduceKind::max, unsign);
    return build.number(type, kind == nn::ReduceKind::prod);
  }

  static Value combine(const Build &in, nn::ReduceKind kind, Value x, Value sum, bool unsign) {
    switch (kind) {
    case nn::ReduceKind::max:
      return in.max(x, sum, unsign);
    case nn::ReduceKind::min:
      return in.min(x, sum, unsign);
    case nn::ReduceKind::prod:
      return in.mul(sum, x);
    default:
      return in.add(sum, x);
    }
  }

  static Value finish(const Build &build, nn::ReduceKind kind, Value sums, Value max, OpFoldResult count, bool unsign) {
    switch (kind) {
    case nn::ReduceKind::mean:
      return mapWide(build, sums, [&](const Build &in, Value v) -> Value {
        Value n = in.convertSize(count, v.getType());
        if (isa<FloatType>(v.getType()))
          return in.create<arith::DivFOp>(v, n);
        n = in.max(n, in.integer(v.getType(), 1));
        return unsign ? in.create<arith::DivUIOp>(v, n).getResult() : in.create<arith::DivSIOp>(v, n).getResult();
      });
    case nn::ReduceKind::l2:
      return mapWide(build, sums, [](const Build &in, Value v) { return in.create<math::SqrtOp>(v); });
    case nn::ReduceKind::log_sum:
      return mapWide(build, sums, [](const Build &in, Value v) { return in.create<math::LogOp>(v); });
    case nn::ReduceKind::log_sum_exp:
      return build.elementwise(cast<RankedTensorType>(sums.getType()), {sums, max}, [](const Build &in, ValueRange s) {
        return in.add(s[1], in.create<math::LogOp>(s[0]));
      });
    default:
      return sums;
    }
  }
};

//===-- softmax ---------------------------------------------------------------===//
/// exp(x - max) / sum(exp(x - max)), or x - max - log(sum(...)).
struct Softmax : OpConversionPattern<nn::SoftmaxOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::SoftmaxOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Shaped type(build.extents(adaptor.getX()), elementOf(adaptor.getX()));
    int64_t axis = op.getAxis();
    Type wide = build.computeType(type.element());
    Shaped wideType = type.with(wide);
    Extents kept = keptSizes(build, adaptor.getX(), {axis});
    Value max = build.reduce(adaptor.getX(), axis, extreme(build, wide, true, false),
                             [](const Build &in, ValueRange s) { return in.max(in.widen(s[0]), s[1]); });
    Value centred = build.elementwise(
        wideType, {adaptor.getX(), build.reshape(max, kept)},
        [](const Build &in, ValueRange s) -> Value { return in.create<arith::SubFOp>(in.widen(s[0]), s[1]); });
    Value powers = mapWide(build, centred, [](const Build &in, Value v) { return in.create<math::ExpOp>(v); });
    Value sums = build.reduce(powers, axis, build.number(wide, 0),
                              [](const Build &in, ValueRange s) { return in.add(s[1], s[0]); });
    bool log = op.getLog();
    Value result = build.elementwise(
        type, {log ? centred : powers, build.reshape(sums, kept)}, [&](const Build &in, ValueRange s) -> Value {
          Value value = log ? in.create<arith::SubFOp>(s[0], in.create<math::LogOp>(s[1])).getResult()
                            : in.create<arith::DivFOp>(s[0], s[1]).getResult();
          return in.narrow(value, type.element());
        });
    replaceSized(rewriter, op, result);
    return success();
  }
};

//===-- pool ------------------------------------------------------------------===//
struct Pool : OpConversionPattern<nn::PoolOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::PoolOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    bool isMax = op.getKind() == nn::PoolKind::max, unsign = isUnsigned(op.getX().getType().getElementType());
    Type element = elementOf(adaptor.getX()), wide = build.computeType(element);
    Value x = adaptor.getX();
    if (op.getKind() == nn::PoolKind::lp)
      x = mapWide(build, x, [&](const Build &in, Value v) { return power(in, in.create<math::AbsFOp>(v), op.getP()); });
    // Padding is neutral: it never wins, and adds nothing.
    Value neutral = isMax ? extreme(build, elementOf(x), true, unsign) : build.number(elementOf(x), 0);
    x = padToWindows(build, op, x, neutral);
    Value start = isMax ? extreme(build, wide, true, unsign) : build.number(wide, 0);
    Shaped sumType = build.sized(op.getResult()).with(wide);
    Value sums = slide(build, op, x, build.filled(sumType, start), [&](const Build &in, ValueRange s) {
      return isMax ? in.max(in.widen(s[0]), s[2], unsign) : in.add(s[2], in.widen(s[0]));
    });
    if (op.getKind() == nn::PoolKind::avg)
      sums = divideByCounts(build, op, sums, build.extents(adaptor.getX()));
    if (op.getKind() == nn::PoolKind::lp)
      sums = mapWide(build, sums, [&](const Build &in, Value v) { return root(in, v, op.getP()); });
    replaceSized(rewriter, op, narrowAll(build, sums, element));
    return success();
  }

private:
  static Value power(const Build &in, Value v, int64_t p) {
    if (p <= 2)
      return p == 1 ? v : in.mul(v, v);
    return in.create<math::PowFOp>(v, in.number(v.getType(), double(p)));
  }
  static Value root(const Build &in, Value v, int64_t p) {
    if (p <= 2)
      return p == 1 ? v : in.create<math::SqrtOp>(v).getResult();
    return in.create<math::PowFOp>(v, in.number(v.getType(), 1.0 / double(p)));
  }

  /// Pads (or crops) x to what the windows read; in ceil_mode that is more than the pads. Along an open axis the last window of
  /// ceil_mode starts less than a stride behind the last one that fits.
  static Value padToWindows(const Build &build, nn::PoolOp op, Value x, Value neutral) {
    SmallVector<int64_t> low(2, 0), high(2, 0);
    for (int64_t d = 0, e = op.getKernel().size(); d < e; ++d) {
      int64_t size = shapeOf(x)[d + 2], out = op.getType().getDimSize(d + 2), stride = op.getStrides()[d];
      low.push_back(op.getPads()[d]);
      int64_t reach = (out - 1) * stride + (op.getKernel()[d] - 1) * op.getDilations()[d] + 1;
      bool isOpen = ShapedType::isDynamic(size) || ShapedType::isDynamic(out);
      high.push_back(isOpen ? op.getPads()[e + d] + (op.getCeilMode() ? stride - 1 : 0) : reach - op.getPads()[d] - size);
    }
    return build.padOrCrop(x, low, high, neutral);
  }

  /// One reduction over windows; the second operand only gives the loops of the window their sizes.
  static Value slide(const Build &build, nn::PoolOp op, Value x, Value start, Build::Body body) {
    int64_t spatial = op.getKernel().size(), rank = spatial + 2;
    MLIRContext *context = build.b.getContext();
    SmallVector<AffineExpr> xExprs{build.b.getAffineDimExpr(0), build.b.getAffineDimExpr(1)}, windowExprs;
    for (int64_t d = 0; d < spatial; ++d) {
      AffineExpr k = build.b.getAffineDimExpr(rank + d);
      windowExprs.push_back(k);
      xExprs.push_back(build.b.getAffineDimExpr(d + 2) * op.getStrides()[d] + k * op.getDilations()[d]);
    }
    AffineMap maps[] = {AffineMap::get(rank + spatial, 0, xExprs, context),
                        AffineMap::get(rank + spatial, 0, windowExprs, context), build.firstDims(rank, rank + spatial)};
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    iterators.append(spatial, utils::IteratorType::reduction);
    Value window = build.empty(RankedTensorType::get(op.getKernel(), elementOf(x)));
    return build.generic({x, window}, start, maps, iterators, body);
  }

  /// How many positions each window averages: those inside the input, or inside the padding with count_include_pad. A table along
  /// an axis of known size.
  static Value divideByCounts(const Build &build, nn::PoolOp op, Value sums, const Extents &inputs) {
    auto type = cast<RankedTensorType>(sums.getType());
    int64_t spatial = op.getKernel().size();
    SmallVector<Value> operands{sums};
    SmallVector<AffineMap> maps{build.b.getMultiDimIdentityMap(type.getRank())};
    SmallVector<int64_t> open;
    for (int64_t d = 0; d < spatial; ++d) {
      std::optional<int64_t> size = getConstantIntValue(inputs[d + 2]);
      if (!size || ShapedType::isDynamic(type.getDimSize(d + 2))) {
        open.push_back(d);
        continue;
      }
      bool padded = op.getCountIncludePad();
      int64_t low = padded ? -op.getPads()[d] : 0, high = *size + (padded ? op.getPads()[spatial + d] : 0);
      std::vector<float> counts;
      for (int64_t o = 0; o < type.getDimSize(d + 2); ++o) {
        float count = 0;
        for (int64_t k = 0; k < op.getKernel()[d]; ++k) {
          int64_t at = o * op.getStrides()[d] - op.getPads()[d] + k * op.getDilations()[d];
          count += at >= low && at < high;
        }
        counts.push_back(count);
      }
      operands.push_back(build.table(counts, {int64_t(counts.size())}));
      maps.push_back(build.alongAxis(d + 2, type.getRank()));
    }
    return build.elementwise(type, operands, maps, [&](const Build &in, ValueRange s) -> Value {
      Value count;
      auto by = [&](Value factor) { count = count ? in.mul(count, factor) : factor; };
      for (Value factor : s.drop_front().drop_back())
        by(factor);
      for (int64_t d : open)
        by(in.convertSize(countOf(in, op, d, inputs[d + 2]), in.b.getF32Type()));
      return in.create<arith::DivFOp>(s[0], in.convert(count, count.getType(), s[0].getType()));
    });
  }

  /// The same for one position, along an axis of unknown size.
  static Value countOf(const Build &in, nn::PoolOp op, int64_t d, OpFoldResult size) {
    int64_t spatial = op.getKernel().size(), pad = op.getPads()[d], dilation = op.getDilations()[d], kernel = op.getKernel()[d];
    bool padded = op.getCountIncludePad();
    // From its start on: steps until inside, steps until outside again.
    Value start = in.mul(in.create<linalg::IndexOp>(d + 2), in.index(op.getStrides()[d]));
    auto stepsTo = [&](OpFoldResult bound) {
      Value distance = in.create<arith::SubIOp>(in.index(in.plus(bound, pad)), start);
      Value steps = in.create<arith::DivUIOp>(in.max(in.add(distance, in.index(dilation - 1)), in.index(0)), in.index(dilation));
      return in.min(steps, in.index(kernel));
    };
    Value first = stepsTo(in.number(padded ? -pad : 0)), last = stepsTo(in.plus(size, padded ? op.getPads()[spatial + d] : 0));
    return in.create<arith::SubIOp>(last, first);
  }
};
} // namespace

void populateReductions(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Reduce, Softmax, Pool>(types, patterns.getContext());
}

} // namespace tern::lowering
