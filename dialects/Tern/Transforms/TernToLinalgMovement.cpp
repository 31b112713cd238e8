//===- TernToLinalgMovement.cpp - ops that move elements, resize, range ---===//
#include "TernToLinalg.h"
#include "dialects/NN/IR/Sources.h"

using namespace mlir;

namespace tern::lowering {

namespace {
/// A pattern that needs the sizes of operands and result.
template <typename OpTy> struct StaticPattern : OpConversionPattern<OpTy> {
  using OpConversionPattern<OpTy>::OpConversionPattern;
  using Adaptor = typename OpTy::Adaptor;

  LogicalResult matchAndRewrite(OpTy op, Adaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes())))
      if (!cast<RankedTensorType>(type).hasStaticShape())
        return rewriter.notifyMatchFailure(op, "sizes are not known");
    Value result = lower(op, adaptor, Build{rewriter, op.getLoc()}, signless(op.getType()));
    if (!result)
      return failure();
    rewriter.replaceOp(op, result);
    return success();
  }
  virtual Value lower(OpTy op, Adaptor adaptor, const Build &build, RankedTensorType type) const = 0;
};

struct Reshape : StaticPattern<nn::ReshapeOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::ReshapeOp, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    return build.reshape(adaptor.getX(), type.getShape());
  }
};

struct Transpose : StaticPattern<nn::TransposeOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::TransposeOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    return build.create<linalg::TransposeOp>(adaptor.getX(), build.empty(type), op.getPerm()).getResult()[0];
  }
};

struct Expand : StaticPattern<nn::ExpandOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::ExpandOp, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    return build.elementwise(type, adaptor.getX(), [](const Build &, ValueRange x) { return x[0]; });
  }
};

/// extract_slice; negative steps read through tables of indices.
struct Slice : StaticPattern<nn::SliceOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::SliceOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    ArrayRef<int64_t> starts = op.getStarts(), steps = op.getSteps();
    if (type.getNumElements() == 0)
      return build.empty(type);
    if (llvm::all_of(steps, [](int64_t step) { return step > 0; })) {
      auto attrs = [&](ArrayRef<int64_t> values) { return getAsIndexOpFoldResult(build.b.getContext(), values); };
      return build.create<tensor::ExtractSliceOp>(type, adaptor.getX(), attrs(starts), attrs(op.getSizes()),
                                                  attrs(steps));
    }
    SmallVector<SmallVector<int64_t>> tables(type.getRank());
    for (auto [axis, table] : llvm::enumerate(tables))
      for (int64_t i = 0; i < type.getDimSize(axis); ++i)
        table.push_back(starts[axis] + i * steps[axis]);
    return build.gatherByTables(adaptor.getX(), type, tables);
  }
};

struct Concat : StaticPattern<nn::ConcatOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::ConcatOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    Value result = build.empty(type);
    SmallVector<OpFoldResult> offsets(type.getRank(), build.b.getIndexAttr(0)),
        steps(type.getRank(), build.b.getIndexAttr(1));
    int64_t at = 0;
    for (Value x : adaptor.getXs()) {
      if (cast<RankedTensorType>(x.getType()).getNumElements() == 0)
        continue;
      offsets[op.getAxis()] = build.b.getIndexAttr(at);
      result = build.create<tensor::InsertSliceOp>(x, result, offsets,
                                                   getAsIndexOpFoldResult(build.b.getContext(), shapeOf(x)), steps);
      at += shapeOf(x)[op.getAxis()];
    }
    return result;
  }
};

struct Pad : StaticPattern<nn::PadOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::PadOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    Type element = op.getType().getElementType();
    if (op.getMode() == nn::PadMode::constant) {
      Type real = build.b.getF64Type();
      Value value = build.convert(build.number(real, op.getValue().convertToDouble()), real, element);
      return build.padOrCrop(adaptor.getX(), op.getLow(), op.getHigh(), value);
    }
    SmallVector<SmallVector<int64_t>> tables(type.getRank());
    for (auto [axis, table] : llvm::enumerate(tables)) {
      int64_t low = op.getLow()[axis], high = op.getHigh()[axis], size = shapeOf(adaptor.getX())[axis];
      for (int64_t i = 0; (low || high) && i < type.getDimSize(axis); ++i)
        table.push_back(
            nn::padSource(op.getMode(), i - low, std::max<int64_t>(0, -low), size + std::min<int64_t>(0, high)));
    }
    return build.gatherByTables(adaptor.getX(), type, tables);
  }
};

/// Indices count from the end when negative. What is still outside reads the nearest element: a program must not read
/// beyond its buffers, whatever its input.
struct Gather : StaticPattern<nn::GatherOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::GatherOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    int64_t axis = op.getAxis(), indexRank = op.getIndices().getType().getRank(),
            dim = op.getX().getType().getDimSize(axis);
    Type indexType = op.getIndices().getType().getElementType();
    SmallVector<AffineExpr> exprs;
    for (int64_t d = 0; d < indexRank; ++d)
      exprs.push_back(build.b.getAffineDimExpr(axis + d));
    AffineMap map = AffineMap::get(type.getRank(), 0, exprs, build.b.getContext());
    return build.elementwise(type, adaptor.getIndices(), map, [&](const Build &in, ValueRange s) {
      Type i64 = in.b.getI64Type();
      Value row = in.convert(s[0], indexType, i64), size = in.integer(i64, dim), zero = in.integer(i64, 0);
      Value isNegative = in.create<arith::CmpIOp>(arith::CmpIPredicate::slt, row, zero);
      row = in.select(isNegative, in.add(row, size), row);
      row = in.max(in.min(row, in.integer(i64, dim - 1)), zero);
      SmallVector<Value> indices;
      for (int64_t d = 0; d < op.getX().getType().getRank(); ++d)
        indices.push_back(d == axis ? in.create<arith::IndexCastOp>(in.b.getIndexType(), row).getResult()
                                    : in.create<linalg::IndexOp>(d < axis ? d : d + indexRank - 1).getResult());
      return in.extract(adaptor.getX(), indices);
    });
  }
};

/// Nearest reads through tables of indices; the other modes sum taps, axis after axis.
struct Resize : StaticPattern<nn::ResizeOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::ResizeOp op, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    Value x = adaptor.getX();
    bool isNearest = op.getMode() == nn::ResizeMode::nearest;
    SmallVector<SmallVector<int64_t>> tables(type.getRank());
    for (int64_t axis = 0; axis < type.getRank(); ++axis) {
      int64_t from = shapeOf(x)[axis], to = type.getDimSize(axis);
      if (from == to && op.getScales()[axis] == 1)
        continue;
      auto taps = nn::resizeTaps(op, axis, from, to);
      if (isNearest)
        for (const auto &tap : taps)
          tables[axis].push_back(tap.front().index);
      else
        x = sumTaps(build, x, axis, taps);
    }
    if (isNearest)
      return build.gatherByTables(x, type, tables);
    if (elementOf(x) == type.getElementType())
      return x;
    return build.elementwise(type, x,
                             [&](const Build &in, ValueRange s) { return in.narrow(s[0], type.getElementType()); });
  }

private:
  static Value sumTaps(const Build &build, Value x, int64_t axis, ArrayRef<SmallVector<nn::ResizeTap>> taps) {
    int64_t rank = shapeOf(x).size(), count = taps.empty() ? 1 : taps.front().size(), size = taps.size();
    std::vector<int64_t> elements;
    std::vector<float> weights;
    for (const auto &position : taps)
      for (const nn::ResizeTap &tap : position) {
        elements.push_back(tap.index);
        weights.push_back(tap.weight);
      }
    SmallVector<int64_t> shape(shapeOf(x));
    shape[axis] = size;
    Type wide = build.computeType(elementOf(x));
    // Loops: the result's dimensions, then the taps.
    AffineMap tapMap = AffineMap::get(rank + 1, 0, {build.b.getAffineDimExpr(axis), build.b.getAffineDimExpr(rank)},
                                      build.b.getContext());
    AffineMap maps[] = {tapMap, tapMap, build.firstDims(rank, rank + 1)};
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    iterators.push_back(utils::IteratorType::reduction);
    Value zeros = build.filled(RankedTensorType::get(shape, wide), build.number(wide, 0));
    return build.generic({build.table(elements, {size, count}), build.table(weights, {size, count})}, zeros, maps,
                         iterators, [&](const Build &in, ValueRange s) {
                           SmallVector<Value> indices;
                           for (int64_t d = 0; d < rank; ++d)
                             indices.push_back(in.create<linalg::IndexOp>(d));
                           indices[axis] = in.create<arith::IndexCastOp>(in.b.getIndexType(), s[0]);
                           Value weight = in.convert(s[1], s[1].getType(), wide);
                           return in.add(s[2], in.mul(weight, in.widen(in.extract(x, indices))));
                         });
  }
};

struct Shape : OpConversionPattern<nn::ShapeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::ShapeOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    SmallVector<Value> sizes;
    int64_t end = op.getEnd().value_or(op.getX().getType().getRank());
    for (int64_t d = op.getStart(); d < end; ++d)
      sizes.push_back(
          build.create<arith::IndexCastOp>(rewriter.getI64Type(), build.create<tensor::DimOp>(adaptor.getX(), d)));
    auto type = RankedTensorType::get({int64_t(sizes.size())}, rewriter.getI64Type());
    rewriter.replaceOp(op, sizes.empty()
                               ? build.create<tensor::EmptyOp>(type.getShape(), type.getElementType()).getResult()
                               : build.create<tensor::FromElementsOp>(type, sizes).getResult());
    return success();
  }
};

/// start + i * delta.
struct Range : StaticPattern<nn::RangeOp> {
  using StaticPattern::StaticPattern;
  Value lower(nn::RangeOp, Adaptor adaptor, const Build &build, RankedTensorType type) const override {
    Type i64 = build.b.getI64Type(), element = type.getElementType();
    return build.elementwise(type, {adaptor.getStart(), adaptor.getDelta()}, [&](const Build &in, ValueRange s) {
      Value i = in.create<arith::IndexCastOp>(i64, in.create<linalg::IndexOp>(0));
      Value start = in.widen(s[0]), delta = in.widen(s[1]);
      Value result = in.add(start, in.mul(in.convert(i, i64, start.getType()), delta));
      return isa<FloatType>(element) ? in.narrow(result, element) : result;
    });
  }
};
} // namespace

void populateMovement(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Reshape, Transpose, Expand, Slice, Concat, Pad, Gather, Resize, Shape, Range>(types,
                                                                                             patterns.getContext());
}

} // namespace tern::lowering
