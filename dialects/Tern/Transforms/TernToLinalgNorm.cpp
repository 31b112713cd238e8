//===- TernToLinalgNorm.cpp - layer_norm, rms_norm, group_norm ------------===//
#include "TernToLinalg.h"

using namespace mlir;

namespace tern::lowering {
namespace {
/// A scale or bias and which of its elements belongs to an element of x; null when absent.
struct Parameter {
  Value tensor;
  AffineMap map;
};

/// Sums fn over the dimensions from `axis` on, in the type that elements are computed in; [d0, .., d(axis - 1)].
Value sumRows(const Build &build, ValueRange inputs, ArrayRef<AffineMap> maps, int64_t axis, Type wide,
              Build::Body fn) {
  auto type = cast<RankedTensorType>(inputs[0].getType());
  SmallVector<utils::IteratorType> iterators(axis, utils::IteratorType::parallel);
  iterators.append(type.getRank() - axis, utils::IteratorType::reduction);
  SmallVector<AffineMap> all(maps);
  all.push_back(build.firstDims(axis, type.getRank()));
  Extents rows = build.extents(inputs[0]);
  rows.truncate(axis);
  Value zeros = build.filled(Shaped(rows, wide), build.number(wide, 0));
  return build.generic(inputs, zeros, all, iterators,
                       [&](const Build &in, ValueRange s) { return in.add(s.back(), fn(in, s.drop_back())); });
}

/// Rows of the dimensions from `axis` on get mean 0 (unless `keepMean`) and variance 1, then scale and bias.
Value normalizeRows(const Build &build, Value x, int64_t axis, double epsilon, bool keepMean, Parameter scale,
                    Parameter bias) {
  auto type = cast<RankedTensorType>(x.getType());
  Type element = type.getElementType(), wide = build.computeType(element);
  int64_t rank = type.getRank();
  Extents sizes = build.extents(x);
  Value count = build.convertSize(build.product(ArrayRef(sizes).drop_front(axis)), wide);
  AffineMap same = build.b.getMultiDimIdentityMap(rank), row = build.firstDims(axis, rank);
  auto divided = [&](Value sums) {
    return build.elementwise(cast<RankedTensorType>(sums.getType()), sums, [&](const Build &in, ValueRange s) -> Value {
      return in.create<arith::DivFOp>(s[0], count);
    });
  };
  SmallVector<Value> inputs{x};
  SmallVector<AffineMap> maps{same};
  if (!keepMean) {
    inputs.push_back(divided(
        sumRows(build, x, same, axis, wide, [](const Build &in, ValueRange s) { return in.widen(s[0]); })));
    maps.push_back(row);
  }
  auto centred = [&](const Build &in, ValueRange s) -> Value {
    Value value = in.widen(s[0]);
    return keepMean ? value : in.create<arith::SubFOp>(value, s[1]).getResult();
  };
  Value variance = divided(sumRows(build, inputs, maps, axis, wide, [&](const Build &in, ValueRange s) {
    Value value = centred(in, s);
    return in.mul(value, value);
  }));
  size_t varianceAt = inputs.size();
  inputs.push_back(variance);
  maps.push_back(row);
  for (const Parameter &parameter : {scale, bias})
    if (parameter.tensor) {
      inputs.push_back(parameter.tensor);
      maps.push_back(parameter.map);
    }
  return build.elementwise(type, inputs, maps, [&](const Build &in, ValueRange s) {
    Value deviation = in.create<math::SqrtOp>(in.add(s[varianceAt], in.number(wide, epsilon)));
    Value y = in.create<arith::DivFOp>(centred(in, s), deviation);
    size_t next = varianceAt + 1;
    if (scale.tensor)
      y = in.mul(y, in.convert(s[next++], elementOf(scale.tensor), wide));
    if (bias.tensor)
      y = in.add(y, in.convert(s[next], elementOf(bias.tensor), wide));
    return in.narrow(y, element);
  });
}

/// The map of x.shape[axis:].
AffineMap lastDims(const Build &build, int64_t axis, int64_t rank) {
  SmallVector<AffineExpr> exprs;
  for (int64_t d = axis; d < rank; ++d)
    exprs.push_back(build.b.getAffineDimExpr(d));
  return AffineMap::get(rank, 0, exprs, build.b.getContext());
}

struct LayerNorm : OpConversionPattern<nn::LayerNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::LayerNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    AffineMap map = lastDims(build, op.getAxis(), op.getType().getRank());
    replaceSized(rewriter, op, normalizeRows(build, adaptor.getX(), op.getAxis(), op.getEpsilon().convertToFloat(), false,
                                         {adaptor.getScale(), map}, {adaptor.getBias(), map}));
    return success();
  }
};

struct RmsNorm : OpConversionPattern<nn::RmsNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::RmsNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    AffineMap map = lastDims(build, op.getAxis(), op.getType().getRank());
    replaceSized(rewriter, op, normalizeRows(build, adaptor.getX(), op.getAxis(), op.getEpsilon().convertToFloat(), true,
                                         {adaptor.getScale(), map}, {}));
    return success();
  }
};

/// [N, C, ...] is [N, G, C / G, ...] normalized over the dimensions from 2 on.
struct GroupNorm : OpConversionPattern<nn::GroupNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::GroupNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Extents sizes = build.extents(adaptor.getX());
    int64_t groups = op.getGroups();
    OpFoldResult each = groups == 1 ? sizes[1] : build.ceilDiv(sizes[1], groups); // divides
    Extents split{sizes[0], build.number(groups), each};
    llvm::append_range(split, ArrayRef(sizes).drop_front(2));
    auto parameter = [&](Value vector) -> Parameter {
      AffineExpr dims[] = {rewriter.getAffineDimExpr(1), rewriter.getAffineDimExpr(2)};
      return {vector ? build.reshape(vector, {build.number(groups), each}) : Value(),
              AffineMap::get(split.size(), 0, dims, rewriter.getContext())};
    };
    Value y = normalizeRows(build, build.reshape(adaptor.getX(), split), 2, op.getEpsilon().convertToFloat(), false,
                            parameter(adaptor.getScale()), parameter(adaptor.getBias()));
    replaceSized(rewriter, op, build.reshape(y, sizes));
    return success();
  }
};
} // namespace

void populateNorms(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<LayerNorm, RmsNorm, GroupNorm>(types, patterns.getContext());
}

} // namespace tern::lowering
