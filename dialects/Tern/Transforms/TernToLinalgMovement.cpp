//===- TernToLinalgMovement.cpp - ops that move elements, range -----------===//
#include "TernToLinalgLoops.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/Sources.h"

using namespace mlir;

namespace tern::lowering {

namespace {
/// A pattern for an op of one tensor result.
template <typename OpTy> struct MovePattern : OpConversionPattern<OpTy> {
  using OpConversionPattern<OpTy>::OpConversionPattern;
  using Adaptor = typename OpTy::Adaptor;

  LogicalResult matchAndRewrite(OpTy op, Adaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Value result = lower(op, adaptor, build, build.sized(op.getResult()));
    if (!result)
      return failure();
    replaceSized(rewriter, op, result);
    return success();
  }
  virtual Value lower(OpTy op, Adaptor adaptor, const Build &build, const Shaped &type) const = 0;
};

struct Reshape : MovePattern<nn::ReshapeOp> {
  using MovePattern::MovePattern;
  Value lower(nn::ReshapeOp, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    return build.reshape(adaptor.getX(), type.sizes);
  }
};

struct Transpose : MovePattern<nn::TransposeOp> {
  using MovePattern::MovePattern;
  Value lower(nn::TransposeOp op, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    Extents sizes;
    for (int64_t axis : op.getPerm())
      sizes.push_back(build.extent(adaptor.getX(), axis));
    return build.create<linalg::TransposeOp>(adaptor.getX(), build.empty(Shaped(sizes, type.element())), op.getPerm()).getResult()[0];
  }
};

struct Expand : MovePattern<nn::ExpandOp> {
  using MovePattern::MovePattern;
  Value lower(nn::ExpandOp, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    return build.elementwise(type, adaptor.getX(), [](const Build &, ValueRange x) { return x[0]; });
  }
};

/// extract_slice; with a negative step elements are read one by one.
struct Slice : MovePattern<nn::SliceOp> {
  using MovePattern::MovePattern;
  Value lower(nn::SliceOp op, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    ArrayRef<int64_t> steps = op.getSteps();
    if (type.type.getNumElements() == 0 && type.type.hasStaticShape())
      return build.empty(type);
    Extents starts;
    auto texts = op->getAttrOfType<ArrayAttr>(nn::kStartsAttr);
    size_t next = 0;
    for (int64_t start : op.getStarts())
      starts.push_back(ShapedType::isDynamic(start)
                           ? OpFoldResult(build.create<nn::SizeOp>(build.b.getIndexType(), cast<StringAttr>(texts[next++])).getResult())
                           : build.number(start));
    if (llvm::all_of(steps, [](int64_t step) { return step > 0; }))
      return build.slice(adaptor.getX(), starts, type.sizes, getAsIndexOpFoldResult(build.b.getContext(), steps));
    return build.gather(adaptor.getX(), type, [&](const Build &in, int64_t axis, Value at) {
      return in.index(in.plus(starts[axis], in.times(at, steps[axis])));
    });
  }
};

struct Concat : MovePattern<nn::ConcatOp> {
  using MovePattern::MovePattern;
  Value lower(nn::ConcatOp op, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    Value result = build.empty(type);
    Extents offsets(type.sizes.size(), build.number(0));
    for (Value x : adaptor.getXs()) {
      auto part = cast<RankedTensorType>(x.getType());
      if (part.hasStaticShape() && part.getNumElements() == 0)
        continue;
      result = build.insert(x, result, offsets);
      offsets[op.getAxis()] = build.plus(offsets[op.getAxis()], build.extent(x, op.getAxis()));
    }
    return result;
  }
};

struct Pad : MovePattern<nn::PadOp> {
  using MovePattern::MovePattern;
  Value lower(nn::PadOp op, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    Type element = op.getType().getElementType();
    if (op.getMode() == nn::PadMode::constant) {
      Type real = build.b.getF64Type();
      Value value = build.convert(build.number(real, op.getValue().convertToDouble()), real, element);
      return build.padOrCrop(adaptor.getX(), op.getLow(), op.getHigh(), value);
    }
    SmallVector<SmallVector<int64_t>> tables(type.sizes.size());
    for (auto [axis, table] : llvm::enumerate(tables)) {
      int64_t low = op.getLow()[axis], high = op.getHigh()[axis], size = shapeOf(adaptor.getX())[axis];
      if (!ShapedType::isDynamic(size))
        for (int64_t i = 0; (low || high) && i < type.type.getDimSize(axis); ++i)
          table.push_back(nn::padSource(op.getMode(), i - low, std::max<int64_t>(0, -low), size + std::min<int64_t>(0, high)));
    }
    return build.gatherByTables(adaptor.getX(), type, tables, [&](const Build &in, int64_t axis, Value at) {
      int64_t low = op.getLow()[axis], high = op.getHigh()[axis];
      return low || high ? source(in, op.getMode(), at, low, high, in.extent(adaptor.getX(), axis)) : Value();
    });
  }

private:
  /// nn::padSource of an axis of unknown size.
  static Value source(const Build &in, nn::PadMode mode, Value at, int64_t low, int64_t high, OpFoldResult extent) {
    int64_t begin = std::max<int64_t>(0, -low);
    Value size = in.index(in.plus(extent, std::min<int64_t>(0, high) - begin)), one = in.index(1), zero = in.index(0);
    Value from = in.index(in.plus(at, -low - begin));
    Value last = in.create<arith::SubIOp>(size, one);
    if (mode == nn::PadMode::edge) {
      from = in.min(in.max(from, zero), last);
    } else if (mode == nn::PadMode::wrap) {
      from = in.floorMod(from, in.max(size, one));
    } else {
      Value period = in.max(in.mul(last, in.index(2)), one), phase = in.floorMod(from, period);
      from = in.min(phase, in.create<arith::SubIOp>(period, phase));
    }
    return in.index(in.plus(from, begin));
  }
};

/// Indices count from the end when negative. What is still outside reads the nearest element: a program must not read
/// beyond its buffers, whatever its input.
struct Gather : MovePattern<nn::GatherOp> {
  using MovePattern::MovePattern;
  Value lower(nn::GatherOp op, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    int64_t axis = op.getAxis(), indexRank = op.getIndices().getType().getRank();
    OpFoldResult size = build.extent(adaptor.getX(), axis);
    Type indexType = op.getIndices().getType().getElementType();
    SmallVector<AffineExpr> exprs;
    for (int64_t d = 0; d < indexRank; ++d)
      exprs.push_back(build.b.getAffineDimExpr(axis + d));
    AffineMap map = AffineMap::get(type.sizes.size(), 0, exprs, build.b.getContext());
    return build.elementwise(type, adaptor.getIndices(), map, [&](const Build &in, ValueRange s) {
      SmallVector<Value> indices;
      for (int64_t d = 0; d < op.getX().getType().getRank(); ++d)
        indices.push_back(d == axis ? insideIndex(in, s[0], indexType, size)
                                    : in.create<linalg::IndexOp>(d < axis ? d : d + indexRank - 1).getResult());
      return in.extract(adaptor.getX(), indices);
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
struct Range : MovePattern<nn::RangeOp> {
  using MovePattern::MovePattern;
  Value lower(nn::RangeOp, Adaptor adaptor, const Build &build, const Shaped &type) const override {
    Type i64 = build.b.getI64Type(), element = type.element();
    return build.elementwise(type, {adaptor.getStart(), adaptor.getDelta()}, [&](const Build &in, ValueRange s) {
      Value i = in.create<arith::IndexCastOp>(i64, in.create<linalg::IndexOp>(0));
      Value start = in.widen(s[0]), delta = in.widen(s[1]);
      Value result = in.add(start, in.mul(in.convert(i, i64, start.getType()), delta));
      return isa<FloatType>(element) ? in.narrow(result, element) : result;
    });
  }
};

/// Size expressions as data.
struct SizeData : MovePattern<nn::SizesOp> {
  using MovePattern::MovePattern;
  Value lower(nn::SizesOp op, Adaptor, const Build &build, const Shaped &type) const override {
    SmallVector<Value> numbers;
    for (Attribute text : op.getValues()) {
      Value size = build.create<nn::SizeOp>(build.b.getIndexType(), cast<StringAttr>(text));
      numbers.push_back(build.create<arith::IndexCastOp>(type.element(), size));
    }
    return numbers.empty() ? build.empty(type) : build.create<tensor::FromElementsOp>(type.type, numbers).getResult();
  }
};
} // namespace

void populateMovement(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Reshape, Transpose, Expand, Slice, Concat, Pad, Gather, Shape, Range, SizeData>(types, patterns.getContext());
}

} // namespace tern::lowering
