//===- TernToLinalgContract.cpp - matrix products and convolutions --------===//
#include "TernToLinalgContract.h"

using namespace mlir;

namespace tern::lowering {

//===-- products --------------------------------------------------------------===//
/// The bias along `axis`, or zeros: what the sums start from.
static Value startOfSums(const Build &build, const Shaped &type, Value bias, int64_t axis) {
  if (!bias)
    return build.filled(type, build.number(type.element(), 0));
  return build.elementwise(type, bias, build.alongAxis(axis, type.type.getRank()),
                           [&](const Build &in, ValueRange x) { return in.widen(x[0]); });
}

/// Sums are kept in f32 for narrow floats; one rounding at the end.
static Value roundSums(const Build &build, Value sums, Type element) {
  auto type = cast<RankedTensorType>(sums.getType());
  if (type.getElementType() == element)
    return sums;
  return build.elementwise(type.clone(element), sums,
                           [&](const Build &in, ValueRange x) { return in.narrow(x[0], element); });
}

static Value multiplyAdd(const Build &in, ValueRange x) { return in.add(x[2], in.mul(in.widen(x[0]), in.widen(x[1]))); }

Value buildMatmul(const Build &build, const Shaped &type, Value lhs, Value rhs, Value bias, bool transposeA,
                  bool transposeB) {
  int64_t rank = type.type.getRank(), loops = rank + 1;
  AffineExpr m = build.b.getAffineDimExpr(rank - 2), n = build.b.getAffineDimExpr(rank - 1),
             k = build.b.getAffineDimExpr(rank);
  // Batch dimensions broadcast; m, n are the last dimensions of the result, k the last loop.
  auto operandMap = [&](Value operand, AffineExpr first, AffineExpr second) {
    ArrayRef<int64_t> shape = shapeOf(operand).drop_back(2);
    SmallVector<AffineExpr> exprs;
    for (auto [d, size] : llvm::enumerate(shape)) {
      int64_t axis = rank - 2 - int64_t(shape.size()) + int64_t(d);
      exprs.push_back(size == 1 && type.type.getDimSize(axis) != 1 ? build.b.getAffineConstantExpr(0)
                                                              : build.b.getAffineDimExpr(axis));
    }
    exprs.append({first, second});
    return AffineMap::get(loops, 0, exprs, build.b.getContext());
  };
  AffineMap maps[] = {transposeA ? operandMap(lhs, k, m) : operandMap(lhs, m, k),
                      transposeB ? operandMap(rhs, n, k) : operandMap(rhs, k, n), build.firstDims(rank, loops)};
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  iterators.push_back(utils::IteratorType::reduction);
  Value start = startOfSums(build, type.with(build.computeType(type.element())), bias, rank - 1);
  return roundSums(build, build.generic({lhs, rhs}, start, maps, iterators, multiplyAdd), type.element());
}

/// [N, C, ...] -> [N, G, C / G, ...] along `axis`.
static Value splitGroups(const Build &build, Value tensor, int64_t axis, int64_t groups) {
  Extents sizes = build.extents(tensor);
  OpFoldResult count = build.number(groups);
  sizes[axis] = build.ceilDiv(sizes[axis], groups); // divides
  sizes.insert(sizes.begin() + axis, count);
  return build.reshape(tensor, sizes);
}

Value buildConv(const Build &build, const Shaped &type, Value x, Value w, Value bias, const ConvAttrs &attrs) {
  int64_t spatial = type.type.getRank() - 2;
  SmallVector<int64_t> low(2, 0), high(2, 0);
  low.append(attrs.pads.begin(), attrs.pads.begin() + spatial);
  high.append(attrs.pads.begin() + spatial, attrs.pads.end());
  x = build.padOrCrop(x, low, high, build.number(elementOf(x), 0));
  Value start = startOfSums(build, type.with(build.computeType(type.element())), bias, 1);
  // Loops: n, (g,) o, y..., then c, k...; the group is a dimension of its own, so that all maps stay plain.
  bool grouped = attrs.group > 1;
  if (grouped) {
    x = splitGroups(build, x, 1, attrs.group);
    w = splitGroups(build, w, 0, attrs.group);
    start = splitGroups(build, start, 1, attrs.group);
  }
  int64_t loop = 0, loops = 2 + grouped + spatial + 1 + spatial;
  auto next = [&] { return build.b.getAffineDimExpr(loop++); };
  SmallVector<AffineExpr> xExprs, wExprs, yExprs;
  AffineExpr n = next();
  xExprs.push_back(n);
  yExprs.push_back(n);
  if (grouped) {
    AffineExpr g = next();
    for (auto *exprs : {&xExprs, &wExprs, &yExprs})
      exprs->push_back(g);
  }
  AffineExpr o = next();
  wExprs.push_back(o);
  yExprs.push_back(o);
  for (int64_t d = 0; d < spatial; ++d)
    yExprs.push_back(next());
  AffineExpr c = next();
  xExprs.push_back(c);
  wExprs.push_back(c);
  for (int64_t d = 0; d < spatial; ++d) {
    AffineExpr k = next();
    wExprs.push_back(k);
    xExprs.push_back(yExprs[yExprs.size() - spatial + d] * attrs.strides[d] + k * attrs.dilations[d]);
  }
  SmallVector<AffineMap> maps;
  for (ArrayRef<AffineExpr> exprs : {xExprs, wExprs, yExprs})
    maps.push_back(AffineMap::get(loops, 0, exprs, build.b.getContext()));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  std::fill(iterators.end() - 1 - spatial, iterators.end(), utils::IteratorType::reduction);
  Value sums = build.generic({x, w}, start, maps, iterators, multiplyAdd);
  return roundSums(build, build.reshape(sums, type.sizes), type.element());
}

/// [C, O / G, k...] -> [O, C / G, K - 1 - k...]: the kernel of the convolution that a transposed one is.
static Value flipKernel(const Build &build, Value w, int64_t groups) {
  Extents sizes = build.extents(w), flipped = sizes;
  OpFoldResult outGroup = sizes[1], inGroup = build.ceilDiv(sizes[0], groups);
  flipped[0] = build.times(outGroup, groups);
  flipped[1] = inGroup;
  return build.elementwise(Shaped(flipped, elementOf(w)), {}, [&](const Build &in, ValueRange) {
    auto at = [&](int64_t d) -> Value { return in.create<linalg::IndexOp>(d); };
    Value o = at(0), size = in.index(outGroup);
    Value group = in.create<arith::DivUIOp>(o, size);
    SmallVector<Value> indices{in.add(in.mul(group, in.index(inGroup)), at(1)), in.create<arith::RemUIOp>(o, size)};
    for (size_t d = 2; d < sizes.size(); ++d)
      indices.push_back(in.create<arith::SubIOp>(in.index(in.plus(sizes[d], -1)), at(d)));
    return in.extract(w, indices);
  });
}

Value buildConvTranspose(const Build &build, const Shaped &type, Value x, Value w, Value bias,
                         const ConvAttrs &attrs, ArrayRef<int64_t> outputPadding) {
  ArrayRef<int64_t> kernel = shapeOf(w).drop_front(2);
  int64_t spatial = kernel.size();
  // x with stride - 1 zeros between neighbours ...
  Extents spread = build.extents(x), offsets(spread.size(), build.number(0)), steps(2, build.number(1));
  for (int64_t d = 0; d < spatial; ++d) {
    OpFoldResult &size = spread[d + 2];
    if (getConstantIntValue(size) != 0) {
      size = build.plus(build.times(build.plus(size, -1), attrs.strides[d]), 1);
      if (auto open = dyn_cast<Value>(size))
        size = build.max(open, build.index(0)); // of no elements
    }
    steps.push_back(build.number(attrs.strides[d]));
  }
  Value zeros = build.filled(Shaped(spread, elementOf(x)), build.number(elementOf(x), 0));
  x = build.insert(x, zeros, offsets, steps);
  // ... convolved with the flipped kernel; what pads crop is not computed.
  SmallVector<int64_t> pads(2 * spatial), ones(spatial, 1);
  for (int64_t d = 0; d < spatial; ++d) {
    int64_t reach = (kernel[d] - 1) * attrs.dilations[d];
    pads[d] = reach - attrs.pads[d];
    pads[spatial + d] = reach - attrs.pads[spatial + d] + (outputPadding.empty() ? 0 : outputPadding[d]);
  }
  return buildConv(build, type, x, flipKernel(build, w, attrs.group), bias, {ones, pads, attrs.dilations, attrs.group});
}

//===-- patterns --------------------------------------------------------------===//
namespace {
struct Matmul : OpConversionPattern<nn::MatmulOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::MatmulOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    replaceSized(rewriter, op, buildMatmul(build, build.sized(op.getResult()), adaptor.getLhs(), adaptor.getRhs(), adaptor.getBias(),
                                           op.getTransposeA(), op.getTransposeB()));
    return success();
  }
};

struct Conv : OpConversionPattern<nn::ConvOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ConvOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    ConvAttrs attrs{op.getStrides(), op.getPads(), op.getDilations(), int64_t(op.getGroup())};
    Build build{rewriter, op.getLoc()};
    replaceSized(rewriter, op, buildConv(build, build.sized(op.getResult()), adaptor.getX(), adaptor.getW(), adaptor.getBias(), attrs));
    return success();
  }
};

struct ConvTranspose : OpConversionPattern<nn::ConvTransposeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ConvTransposeOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    ConvAttrs attrs{op.getStrides(), op.getPads(), op.getDilations(), int64_t(op.getGroup())};
    Build build{rewriter, op.getLoc()};
    replaceSized(rewriter, op, buildConvTranspose(build, build.sized(op.getResult()), adaptor.getX(), adaptor.getW(), adaptor.getBias(),
                                                  attrs, op.getOutputPadding()));
    return success();
  }
};
} // namespace

void populateContractions(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Matmul, Conv, ConvTranspose>(types, patterns.getContext());
}

} // namespace tern::lowering
