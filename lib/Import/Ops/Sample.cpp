// GridSample and AffineGrid.
#include "lib/Import/Ops/Compose.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
namespace {

enum class Mode { Nearest, Linear, Cubic };
enum class Padding { Zeros, Border, Reflection };

class GridSample {
public:
  GridSample(Node &n, Mode mode, Padding padding)
      : n(n), c{n}, mode(mode), padding(padding), aligned(n.integer("align_corners", 0)) {}

  LogicalResult run() {
    RankedTensorType type = n.type(0), gridType = n.type(1);
    spatial = type.getRank() - 2;
    if (spatial < 1 || gridType.getRank() != type.getRank() || gridType.getShape().back() != spatial ||
        !c.unify(n.sizes(1)[0], n.sizes(0)[0]))
      return n.error() << "a grid of type " << gridType << " does not fit an input of type " << type
                       << "; it is [N, positions..., " << spatial << "]";
    for (int64_t size : type.getShape())
      if (size == 0)
        return n.error() << "input of type " << type << " has no elements to sample";
    if (llvm::any_of(type.getShape().drop_front(2), ShapedType::isDynamic))
      return n.keepOpen("the size of what it samples is only known at run time");
    element = type.getElementType();
    sizes.assign(type.getShape().begin() + 2, type.getShape().end());
    nn::Sizes from = n.sizes(0), grids = n.sizes(1);
    nn::SizeExpr batch = from[0], channels = from[1];
    int64_t elements = 1;
    for (int64_t size : sizes)
      elements *= size;
    nn::SizeExpr positions = c.product(ArrayRef<nn::SizeExpr>(grids).drop_front().drop_back());
    // Rows of channels that index tuples of one number choose.
    rows = c.transpose(c.reshape(n.operand(0), {batch, channels, elements}), {0, 2, 1});
    shape = {batch, positions, 1};
    Value grid = c.cast(c.reshape(n.operand(1), {batch, positions, spatial}), n.builder().getF32Type());
    for (int64_t axis = 0; axis < spatial; axis++) // the grid names the innermost dimension first
      axes.push_back(tapsOf(c.slice(grid, 2, spatial - 1 - axis, 1), sizes[size_t(axis)]));
    sum(0, Value(), Value());
    Shape out{batch};
    out.append(grids.begin() + 1, grids.end() - 1);
    Ints perm{0, spatial + 1};
    for (int64_t d = 1; d <= spatial; d++)
      perm.push_back(d);
    out.push_back(channels);
    return n.result(c.transpose(c.reshape(c.cast(total, element), out), perm, n.name()));
  }

private:
  /// An element along one axis that a position reads: its i64 index inside the axis, and its weight (null: 1).
  struct Tap {
    Value index, weight;
  };

  Value real(double value) const { return n.scalar(n.builder().getF32Type(), value); }

  /// Mirrors x at the ends of [low, high] until it is inside.
  Value reflect(Value x, double low, double high) const {
    double range = high - low;
    if (range <= 0)
      return c.mul(x, real(0));
    Value phase = c.binary(BinaryKind::mod, c.sub(x, real(low)), real(2 * range));
    Value mirrored = c.sub(real(range), c.unary(UnaryKind::abs, c.sub(phase, real(range))));
    Value inside = c.both(c.compare(CompareKind::ge, x, real(low)), c.compare(CompareKind::le, x, real(high)));
    return c.select(inside, x, c.add(mirrored, real(low)));
  }
  Value clamp(Value x, double low, double high) const {
    return x ? n.create<ClipOp>(x, n.builder().getF64FloatAttr(low), n.builder().getF64FloatAttr(high), StringAttr())
             : Value();
  }

  /// Where a position that lies outside is read. Whole numbers stay whole.
  Value pad(Value x, int64_t size) const {
    double low = aligned ? 0 : -0.5, high = double(size) - (aligned ? 1 : 0.5);
    if (padding == Padding::Border)
      return clamp(x, 0, double(size - 1));
    return padding == Padding::Reflection ? reflect(x, low, high) : x;
  }

  Tap tap(Value at, Value weight, int64_t size) const {
    if (padding == Padding::Zeros) {
      Value inside =
          c.both(c.compare(CompareKind::ge, at, real(0)), c.compare(CompareKind::le, at, real(double(size - 1))));
      weight = c.select(inside, weight ? weight : real(1), real(0));
    } else {
      at = pad(at, size);
    }
    return {c.cast(clamp(at, 0, double(size - 1)), n.builder().getI64Type()), weight};
  }

  /// The reads along an axis; u in -1..1 runs from the first to the last element (or over their outer edges).
  SmallVector<Tap> tapsOf(Value u, int64_t size) const {
    Value x = aligned ? c.mul(c.add(u, real(1)), real(double(size - 1) / 2))
                      : c.sub(c.mul(c.add(u, real(1)), real(double(size) / 2)), real(0.5));
    if (mode == Mode::Nearest)
      return {tap(pad(c.unary(UnaryKind::round, x), size), Value(), size)};
    x = pad(x, size);
    Value base = c.unary(UnaryKind::floor, x), fraction = c.sub(x, base);
    SmallVector<Tap> taps;
    if (mode == Mode::Linear) {
      taps.push_back(tap(base, c.sub(real(1), fraction), size));
      taps.push_back(tap(c.add(base, real(1)), fraction, size));
      return taps;
    }
    for (int k = -1; k <= 2; k++) // Keys' kernel with a = -0.75
      taps.push_back(
          tap(c.add(base, real(k)), cubic(c.unary(UnaryKind::abs, c.sub(fraction, real(k))), k == 0 || k == 1), size));
    return taps;
  }
  Value cubic(Value d, bool isNear) const {
    constexpr double a = -0.75;
    if (isNear) // ((a + 2) d - (a + 3)) d^2 + 1
      return c.add(c.mul(c.mul(c.sub(c.mul(d, real(a + 2)), real(a + 3)), d), d), real(1));
    return c.sub(c.mul(c.add(c.mul(c.sub(c.mul(d, real(a)), real(5 * a)), d), real(8 * a)), d), real(4 * a));
  }

  /// Adds the elements of every combination of taps from `axis` on.
  void sum(size_t axis, Value index, Value weight) {
    if (axis == axes.size()) {
      Value tuple = c.reshape(index, shape);
      Value values = rows && tuple ? n.create<GatherNdOp>(rows, tuple, int64_t(1), StringAttr()) : Value();
      values = c.cast(values, n.builder().getF32Type());
      if (weight)
        values = c.mul(values, c.reshape(weight, shape));
      total = total ? c.add(total, values) : values;
      return;
    }
    for (const Tap &tap : axes[axis]) {
      Value flat = index ? c.add(c.mul(index, c.number(index, double(sizes[axis]))), tap.index) : tap.index;
      sum(axis + 1, flat, !weight ? tap.weight : !tap.weight ? weight : c.mul(weight, tap.weight));
    }
  }

  Node &n;
  Compose c;
  Mode mode;
  Padding padding;
  bool aligned;
  int64_t spatial = 0;
  Type element;
  Ints sizes;
  Shape shape;
  Value rows, total;
  SmallVector<SmallVector<Tap>> axes;
};
} // namespace

static LogicalResult importGridSample(Node &n) {
  std::string mode = n.string("mode", "linear"), padding = n.string("padding_mode", "zeros");
  auto m = llvm::StringSwitch<std::optional<Mode>>(mode)
               .Case("nearest", Mode::Nearest)
               .Cases({"linear", "bilinear"}, Mode::Linear)
               .Cases({"cubic", "bicubic"}, Mode::Cubic)
               .Default(std::nullopt);
  auto p = llvm::StringSwitch<std::optional<Padding>>(padding)
               .Case("zeros", Padding::Zeros)
               .Case("border", Padding::Border)
               .Case("reflection", Padding::Reflection)
               .Default(std::nullopt);
  if (!m || !p)
    return n.error() << "mode is '" << mode << "' and padding_mode '" << padding
                     << "'; nearest, linear, cubic and zeros, border, reflection are defined";
  if (!isa<FloatType>(n.type(0).getElementType()) || !isa<FloatType>(n.type(1).getElementType()))
    return n.keep("it samples integers");
  return GridSample(n, *m, *p).run();
}

/// AffineGrid<align_corners>(theta, size): theta times the normalized coordinates of every position, x first.
static LogicalResult importAffineGrid(Node &n) {
  auto size = n.constantInts(1);
  if (!size)
    return n.keep("its size is computed from data");
  int64_t spatial = int64_t(size->size()) - 2;
  Compose c{n};
  if ((spatial != 2 && spatial != 3) || n.rank(0) != 3 || !c.unify(n.sizes(0)[1], spatial) || !c.unify(n.sizes(0)[2], spatial + 1))
    return n.error() << "theta of type " << n.type(0) << " does not fit a size of " << size->size() << " entries";
  ArrayRef<int64_t> out = ArrayRef(*size).drop_front(2);
  auto count = countElements(out);
  if (!count || *count < 0 || *count > (1 << 24))
    return n.error() << "the grid has more than 2^24 positions or a negative size";
  bool aligned = n.integer("align_corners", 0);
  SmallVector<double> grid;
  for (int64_t i = 0; i < *count; i++) {
    SmallVector<double, 3> at;
    for (int64_t d = spatial - 1, rest = i; d >= 0; rest /= out[size_t(d)], d--) {
      double k = double(rest % out[size_t(d)]), steps = double(out[size_t(d)]);
      at.push_back(aligned ? (steps > 1 ? 2 * k / (steps - 1) - 1 : 0) : (2 * k + 1) / steps - 1);
    }
    grid.append(at.begin(), at.end());
    grid.push_back(1);
  }
  Value base = c.reals(n.type(0).getElementType(), grid, {1, *count, spatial + 1});
  Shape shape{n.sizes(0)[0]};
  shape.append(out.begin(), out.end());
  shape.push_back(spatial);
  return n.result(c.reshape(c.matmul(base, c.transpose(n.operand(0), {0, 2, 1}), n.name()), shape));
}

static constexpr Rule kRules[] = {
    {"GridSample", 16, 2, 2, importGridSample},
    {"AffineGrid", 20, 2, 2, importAffineGrid},
};
ArrayRef<Rule> sampleRules() { return kRules; }

} // namespace tern::importer
