//===- TernToLinalgResize.cpp - resize --------------------------------------===//
// Nearest reads one element, the other modes sum taps, axis after axis. Along an axis whose sizes are known both come from
// tables (nn::resizeTaps); along an open one the same arithmetic is done for each position.
//===----------------------------------------------------------------------===//
#include "TernToLinalg.h"
#include "dialects/NN/IR/Sources.h"

using namespace mlir;

namespace tern::lowering {
namespace {

/// One open axis of a resize; all arithmetic in f32, as nn::resizeTaps.
struct OpenAxis {
  mutable nn::ResizeOp op; // getters of ops are not const
  int64_t axis;
  OpFoldResult from, to;

  /// 0: that of the two sizes.
  float scale() const { return float(op.getScales()[axis]); }
  Value f(const Build &in, double x) const { return in.number(in.b.getF32Type(), x); }
  Value size(const Build &in, OpFoldResult extent) const { return in.convertSize(extent, in.b.getF32Type()); }

  Value scale(const Build &in) const { return scale() != 0 ? f(in, scale()) : in.create<arith::DivFOp>(size(in, to), size(in, from)); }

  /// Where position `at` (an index) of the result lies in x.
  Value position(const Build &in, Value at) const {
    Value x = in.convertSize(at, in.b.getF32Type());
    auto halfPixel = [&]() -> Value {
      Value p = in.create<arith::DivFOp>(in.add(x, f(in, 0.5)), scale(in));
      return in.create<arith::SubFOp>(p, f(in, 0.5));
    };
    auto unlessOne = [&](Value p) {
      Value many = in.create<arith::CmpIOp>(arith::CmpIPredicate::ugt, in.index(to), in.index(1));
      return in.select(many, p, f(in, 0));
    };
    switch (op.getCoord()) {
    case nn::ResizeCoord::half_pixel:
      return halfPixel();
    case nn::ResizeCoord::pytorch_half_pixel:
      return unlessOne(halfPixel());
    case nn::ResizeCoord::align_corners: {
      Value room = size(in, in.plus(from, -1)), steps = size(in, in.plus(to, -1));
      return unlessOne(in.create<arith::DivFOp>(in.mul(x, room), steps));
    }
    case nn::ResizeCoord::asymmetric:
      return in.create<arith::DivFOp>(x, scale(in));
    case nn::ResizeCoord::half_pixel_symmetric: {
      Value whole = size(in, from), adjustment = in.create<arith::DivFOp>(size(in, to), in.mul(scale(in), whole));
      Value center = in.create<arith::DivFOp>(whole, f(in, 2));
      Value p = in.mul(center, in.create<arith::SubFOp>(f(in, 1), adjustment));
      p = in.add(p, in.create<arith::DivFOp>(in.add(x, f(in, 0.5)), scale(in)));
      return in.create<arith::SubFOp>(p, f(in, 0.5));
    }
    }
    llvm_unreachable("unknown coordinate transformation");
  }

  /// A whole f32 as an index.
  Value toIndex(const Build &in, Value whole) const {
    Value integer = in.create<arith::FPToSIOp>(in.b.getI64Type(), whole);
    return in.create<arith::IndexCastOp>(in.b.getIndexType(), integer);
  }
  Value inside(const Build &in, Value index) const {
    Value last = in.index(in.plus(from, -1));
    return in.max(in.min(index, last), in.index(0));
  }

  Value nearest(const Build &in, Value at) const {
    Value x = position(in, at), floor = in.create<math::FloorOp>(x), ceil = in.create<math::CeilOp>(x);
    Value isTie = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, x, in.add(floor, f(in, 0.5)));
    switch (op.getNearest()) {
    case nn::NearestMode::round_prefer_floor:
      x = in.select(isTie, floor, in.create<math::RoundOp>(x));
      break;
    case nn::NearestMode::round_prefer_ceil:
      x = in.select(isTie, ceil, in.create<math::RoundOp>(x));
      break;
    case nn::NearestMode::floor:
      x = floor;
      break;
    case nn::NearestMode::ceil:
      x = ceil;
      break;
    }
    return inside(in, toIndex(in, x));
  }

  /// How many taps each position has.
  int64_t count() const {
    if (op.getMode() == nn::ResizeMode::linear && !op.getAntialias())
      return 2;
    return 2 - 2 * start();
  }
  float stretch() const { return op.getAntialias() ? std::min(scale(), 1.0f) : 1.0f; }
  int64_t start() const {
    float radius = op.getMode() == nn::ResizeMode::cubic ? 2.0f : 1.0f;
    return int64_t(std::floor(-radius / stretch())) + 1;
  }

  /// Element and weight of tap k (an index value below count()) of position `at`.
  std::pair<Value, Value> tap(const Build &in, Value at, Value k) const {
    Value x = position(in, at);
    if (op.getMode() == nn::ResizeMode::linear && !op.getAntialias()) {
      Value clamped = in.min(in.max(x, f(in, 0)), size(in, in.plus(from, -1)));
      Value first = toIndex(in, in.create<math::FloorOp>(clamped)), second = inside(in, in.add(first, in.index(1)));
      Value isEdge = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, first, second);
      Value isFirst = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, k, in.index(0));
      Value left = in.create<arith::SubFOp>(size(in, second), clamped), right = in.create<arith::SubFOp>(clamped, size(in, first));
      return {in.select(isFirst, first, second), in.select(isEdge, f(in, 0.5), in.select(isFirst, left, right))};
    }
    Value base = in.create<math::FloorOp>(x);
    auto weightOf = [&](Value step) {
      // step: k + start as f32.
      Value place = in.add(base, step), distance = in.mul(in.create<arith::SubFOp>(place, x), f(in, stretch()));
      Value weight = kernel(in, in.create<math::AbsFOp>(distance));
      if (!op.getExcludeOutside())
        return weight;
      Value below = in.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, place, f(in, 0));
      Value above = in.create<arith::CmpFOp>(arith::CmpFPredicate::OGE, place, size(in, from));
      return in.select(in.create<arith::OrIOp>(below, above), f(in, 0), weight);
    };
    Value step = in.add(in.convertSize(k, in.b.getF32Type()), f(in, double(start()))), weight = weightOf(step);
    if (op.getAntialias() || op.getExcludeOutside()) {
      Value sum = f(in, 0);
      for (int64_t i = 0; i < count(); ++i)
        sum = in.add(sum, weightOf(f(in, double(start() + i))));
      weight = in.create<arith::DivFOp>(weight, sum);
    }
    return {inside(in, toIndex(in, in.add(base, step))), weight};
  }

private:
  /// The weight at a distance that is not negative.
  Value kernel(const Build &in, Value x) const {
    if (op.getMode() != nn::ResizeMode::cubic)
      return in.max(f(in, 0), in.create<arith::SubFOp>(f(in, 1), x));
    float a = float(op.getCubicCoeff().convertToDouble());
    auto less = [&](double bound) { return in.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, f(in, bound)); };
    Value near = in.create<arith::SubFOp>(in.mul(f(in, a + 2), x), f(in, a + 3));
    near = in.add(in.mul(in.mul(near, x), x), f(in, 1));
    Value far = in.create<arith::SubFOp>(in.mul(f(in, a), x), f(in, 5 * a));
    far = in.create<arith::SubFOp>(in.mul(in.add(in.mul(far, x), f(in, 8 * a)), x), f(in, 4 * a));
    Value atOne = in.create<arith::CmpFOp>(arith::CmpFPredicate::OLE, x, f(in, 1));
    return in.select(atOne, near, in.select(less(2), far, f(in, 0)));
  }
};

struct Resize : OpConversionPattern<nn::ResizeOp> {
  using OpConversionPattern::OpConversionPattern;

  LogicalResult matchAndRewrite(nn::ResizeOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Shaped type = build.sized(op.getResult());
    Value x = adaptor.getX();
    bool isNearest = op.getMode() == nn::ResizeMode::nearest;
    SmallVector<SmallVector<int64_t>> tables(type.sizes.size());
    SmallVector<std::optional<OpenAxis>> open(type.sizes.size());
    for (int64_t axis = 0, e = type.sizes.size(); axis < e; ++axis) {
      int64_t from = shapeOf(x)[axis], to = type.type.getDimSize(axis);
      if (op.getScales()[axis] == 1 && from == to)
        continue;
      if (ShapedType::isDynamic(from) || ShapedType::isDynamic(to)) {
        open[axis] = OpenAxis{op, axis, build.extent(x, axis), type.sizes[axis]};
        if (!isNearest)
          x = sumTaps(build, x, *open[axis]);
        continue;
      }
      auto taps = nn::resizeTaps(op, axis, from, to);
      if (isNearest)
        for (const auto &tap : taps)
          tables[axis].push_back(tap.front().index);
      else
        x = sumTaps(build, x, axis, taps);
    }
    if (isNearest)
      x = build.gatherByTables(x, type, tables, [&](const Build &in, int64_t axis, Value at) {
        return open[axis] ? open[axis]->nearest(in, at) : Value();
      });
    else if (elementOf(x) != type.element())
      x = build.elementwise(type, x, [&](const Build &in, ValueRange s) { return in.narrow(s[0], type.element()); });
    replaceSized(rewriter, op, x);
    return success();
  }

private:
  /// Sums over a last loop of `count` taps; `body` gives element and weight of one.
  static Value sum(const Build &build, Value x, int64_t axis, OpFoldResult size, ValueRange operands, AffineMap tapMap,
                   llvm::function_ref<std::pair<Value, Value>(const Build &, ValueRange)> body) {
    int64_t rank = shapeOf(x).size();
    Extents sizes = build.extents(x);
    sizes[axis] = size;
    Type wide = build.computeType(elementOf(x));
    SmallVector<AffineMap> maps(operands.size(), tapMap);
    maps.push_back(build.firstDims(rank, rank + 1));
    SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
    iterators.push_back(utils::IteratorType::reduction);
    Value zeros = build.filled(Shaped(sizes, wide), build.number(wide, 0));
    return build.generic(operands, zeros, maps, iterators, [&](const Build &in, ValueRange s) {
      SmallVector<Value> indices;
      for (int64_t d = 0; d < rank; ++d)
        indices.push_back(in.create<linalg::IndexOp>(d));
      auto [element, weight] = body(in, s);
      indices[axis] = element;
      return in.add(s.back(), in.mul(in.convert(weight, weight.getType(), wide), in.widen(in.extract(x, indices))));
    });
  }

  static Value sumTaps(const Build &build, Value x, int64_t axis, ArrayRef<SmallVector<nn::ResizeTap>> taps) {
    int64_t rank = shapeOf(x).size(), count = taps.empty() ? 1 : taps.front().size(), size = taps.size();
    std::vector<int64_t> elements;
    std::vector<float> weights;
    for (const auto &position : taps)
      for (const nn::ResizeTap &tap : position) {
        elements.push_back(tap.index);
        weights.push_back(tap.weight);
      }
    // Loops: the result's dimensions, then the taps.
    AffineMap tapMap = AffineMap::get(rank + 1, 0, {build.b.getAffineDimExpr(axis), build.b.getAffineDimExpr(rank)},
                                      build.b.getContext());
    return sum(build, x, axis, build.number(size), {build.table(elements, {size, count}), build.table(weights, {size, count})}, tapMap,
               [&](const Build &in, ValueRange s) {
                 return std::make_pair(in.create<arith::IndexCastOp>(in.b.getIndexType(), s[0]).getResult(), Value(s[1]));
               });
  }

  static Value sumTaps(const Build &build, Value x, const OpenAxis &open) {
    int64_t rank = shapeOf(x).size();
    // The operand only gives the loop of the taps its size.
    Value taps = build.empty(RankedTensorType::get({open.count()}, build.b.getI8Type()));
    return sum(build, x, open.axis, open.to, taps, build.alongAxis(rank, rank + 1), [&](const Build &in, ValueRange) {
      return open.tap(in, in.create<linalg::IndexOp>(open.axis), in.create<linalg::IndexOp>(rank));
    });
  }
};
} // namespace

void populateResize(const TypeConverter &types, RewritePatternSet &patterns) { patterns.add<Resize>(types, patterns.getContext()); }

} // namespace tern::lowering
