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
    element = type.getElementType();
    nn::Sizes from = n.sizes(0), grids = n.sizes(1);
    nn::SizeExpr batch = from[0], channels = from[1];
    sizes.assign(from.begin() + 2, from.end());
    nn::SizeExpr elements = c.product(sizes);
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
  /// A size as a number, times `factor`.
  Value real(nn::SizeExpr size, double factor = 1) const {
    if (std::optional<int64_t> constant = size.constant())
      return real(double(*constant) * factor);
    Value number = c.number(real(0), size);
    return factor == 1 ? number : c.mul(number, real(factor));
  }

  /// Mirrors x at `low` and `low + range` until it is between them. A range of 0 counts as 1: reads are clamped to the one element.
  Value reflect(Value x, double low, nn::SizeExpr range) const {
    range = c.table().max(range, c.size(1));
    Value phase = c.binary(BinaryKind::mod, c.sub(x, real(low)), real(range, 2));
    Value mirrored = c.sub(real(range), c.unary(UnaryKind::abs, c.sub(phase, real(range))));
    Value inside = c.both(c.compare(CompareKind::ge, x, real(low)), c.compare(CompareKind::le, c.sub(x, real(low)), real(range)));
    return c.select(inside, x, c.add(mirrored, real(low)));
  }
  /// To 0 .. size - 1.
  Value clamp(Value x, nn::SizeExpr size) const {
    if (!x)
      return {};
    if (std::optional<int64_t> constant = size.constant())
      return n.create<ClipOp>(x, n.builder().getF64FloatAttr(0), n.builder().getF64FloatAttr(double(*constant - 1)), StringAttr());
    return c.binary(BinaryKind::min, c.binary(BinaryKind::max, x, real(0)), real(c.minus(size, 1)));
  }

  /// Where a position that lies outside is read. Whole numbers stay whole.
  Value pad(Value x, nn::SizeExpr size) const {
    if (padding == Padding::Border)
      return clamp(x, size);
    return padding == Padding::Reflection ? reflect(x, aligned ? 0 : -0.5, aligned ? c.minus(size, 1) : size) : x;
  }

  Tap tap(Value at, Value weight, nn::SizeExpr size) const {
    if (padding == Padding::Zeros) {
      Value inside =
          c.both(c.compare(CompareKind::ge, at, real(0)), c.compare(CompareKind::le, at, real(c.minus(size, 1))));
      weight = c.select(inside, weight ? weight : real(1), real(0));
    } else {
      at = pad(at, size);
    }
    return {c.cast(clamp(at, size), n.builder().getI64Type()), weight};
  }

  /// The reads along an axis; u in -1..1 runs from the first to the last element (or over their outer edges).
  SmallVector<Tap> tapsOf(Value u, nn::SizeExpr size) const {
    Value x = aligned ? c.mul(c.add(u, real(1)), real(c.minus(size, 1), 0.5)) : c.sub(c.mul(c.add(u, real(1)), real(size, 0.5)), real(0.5));
    if (mode == Mode::Nearest)
      return {tap(pad(c.unary(UnaryKind::round, x), size), Value(), size)};
    // Where cubic taps lie outside, each is moved by itself.
    x = mode == Mode::Cubic && padding == Padding::Border ? x : pad(x, size);
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
      Value flat = index ? c.add(c.mul(index, c.number(index, sizes[axis])), tap.index) : tap.index;
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
  nn::Sizes sizes;
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

/// The positions of an open size in coordinates of -1..1, x first, each with a 1 behind: [1, positions, spatial + 1].
static Value openPositions(const Compose &c, Type element, ArrayRef<nn::SizeExpr> out, bool aligned) {
  Node &n = c.n;
  int64_t spatial = int64_t(out.size());
  Shape whole{out};
  whole.push_back(1);
  SmallVector<Value> columns;
  for (int64_t d = spatial - 1; d >= 0; d--) {
    nn::SizeExpr size = out[size_t(d)];
    Value k = c.cast(c.places(size, d, spatial + 1), element), two = n.scalar(element, 2), one = n.scalar(element, 1);
    Value steps = c.number(k, aligned ? c.table().max(c.minus(size, 1), c.size(1)) : size);
    Value at = c.sub(c.div(aligned ? c.mul(k, two) : c.add(c.mul(k, two), one), steps), one);
    if (aligned) // the one position of a size of 1 is the middle
      at = c.select(c.compare(CompareKind::eq, c.number(k, size), one), c.mul(k, n.scalar(element, 0)), at);
    columns.push_back(c.expand(at, whole));
  }
  columns.push_back(c.expand(n.scalar(element, 1), whole));
  return c.reshape(c.concat(columns, spatial), {1, c.product(out), spatial + 1});
}

/// AffineGrid<align_corners>(theta, size): theta times the normalized coordinates of every position, x first.
static LogicalResult importAffineGrid(Node &n) {
  auto size = n.constantInts(1);
  std::optional<nn::Sizes> open = size ? std::nullopt : n.symbols(1);
  if (!size && !open)
    return n.keep("its size is computed from data");
  int64_t spatial = int64_t(size ? size->size() : open->size()) - 2;
  Compose c{n};
  if ((spatial != 2 && spatial != 3) || n.rank(0) != 3 || !c.unify(n.sizes(0)[1], spatial) || !c.unify(n.sizes(0)[2], spatial + 1))
    return n.error() << "theta of type " << n.type(0) << " does not fit a size of " << spatial + 2 << " entries";
  if (open) {
    ArrayRef<nn::SizeExpr> last = ArrayRef<nn::SizeExpr>(*open).drop_front(2);
    Value base = openPositions(c, n.type(0).getElementType(), last, n.integer("align_corners", 0));
    Shape shape{n.sizes(0)[0]};
    shape.append(last.begin(), last.end());
    shape.push_back(spatial);
    return n.result(c.reshape(c.matmul(base, c.transpose(n.operand(0), {0, 2, 1}), n.name()), shape));
  }
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
