// Pooling.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Window.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// Maxima and means over depth, height and width as those of pictures, for which there are kernels, and then of slices of depth. Null: it is
/// none, or what counts depends on the place of a slice.
static Value overPictures(Node &n, PoolKind kind, const WindowAttrs &w, bool countPads) {
  Compose c{n};
  Value x = n.operand(0);
  nn::Sizes sizes = n.sizes(0);
  std::optional<int64_t> depth = sizes.size() == 5 ? sizes[2].constant() : std::nullopt;
  bool isMax = kind == PoolKind::max;
  if (!depth || !x || !w.openPads.empty() || !isa<FloatType>(Compose::elementOf(x)) || (!isMax && (kind != PoolKind::avg || w.pads[0] || w.pads[3])))
    return {};
  int64_t room = *depth + w.pads[0] + w.pads[3] - (w.kernel[0] - 1) * w.dilations[0] - 1, slices = room / w.strides[0] + 1;
  if (room < 0)
    return {};
  auto rest = [](ArrayRef<int64_t> values) { return Ints(values.drop_front()); };
  Ints pads{w.pads[1], w.pads[2], w.pads[4], w.pads[5]};
  Value pictures = c.reshape(c.transpose(x, {0, 2, 1, 3, 4}), {c.times(sizes[0], *depth), sizes[1], sizes[3], sizes[4]});
  Value flat = pictures ? n.create<PoolOp>(kind, pictures, rest(w.kernel), rest(w.strides), pads, rest(w.dilations), false, countPads, int64_t(2), n.name())
                        : Value();
  if (!flat)
    return {};
  nn::Sizes small = c.sizes(flat);
  Value volume = c.reshape(flat, {sizes[0], *depth, sizes[1], small[2], small[3]});
  if (w.pads[0] || w.pads[3])
    volume = c.pad(volume, {0, w.pads[0], 0, 0, 0}, {0, w.pads[3], 0, 0, 0}, -std::numeric_limits<double>::infinity());
  Value y;
  for (int64_t k = 0; k < w.kernel[0]; ++k) {
    Value tap = c.slice(volume, 1, k * w.dilations[0], slices, w.strides[0]);
    y = y ? c.binary(isMax ? BinaryKind::max : BinaryKind::add, y, tap) : tap;
  }
  if (!isMax)
    y = c.mul(y, c.number(y, 1.0 / double(w.kernel[0])));
  return c.transpose(y, {0, 2, 1, 3, 4});
}

/// MaxPool with its second output: where in x the largest element of each window lies. The windows are gathered by a table of places, in
/// which a place in the padding is another one that the window has: of equal elements the first one counts.
static LogicalResult poolWithPlaces(Node &n, const WindowAttrs &w, bool ceil) {
  RankedTensorType type = n.type(0);
  size_t rank = w.kernel.size();
  ArrayRef<int64_t> spatial = type.getShape().drop_front(2);
  if (!w.openPads.empty() || !type.hasStaticShape())
    return n.keepOpen("its output Indices is used, and sizes are only known at run time");
  Value y = n.create<PoolOp>(PoolKind::max, n.operand(0), w.kernel, w.strides, w.pads, w.dilations, ceil, false, int64_t(2), n.name());
  if (!y)
    return failure();
  ArrayRef<int64_t> shape = tensorType(y).getShape();
  int64_t positions = ShapedType::getNumElements(shape.drop_front(2)), taps = ShapedType::getNumElements(w.kernel);
  int64_t picture = ShapedType::getNumElements(spatial);
  if (positions > (int64_t(1) << 24) / std::max<int64_t>(taps, 1))
    return n.keep("its output Indices is used, and its windows have too many elements");
  bool columns = n.integer("storage_order", 0);
  Ints table, named; // places in x, and how the output counts them
  auto unflatten = [](int64_t flat, ArrayRef<int64_t> sizes) {
    Ints at(sizes.size(), 0);
    for (size_t d = sizes.size(); d--; flat /= sizes[d])
      at[d] = flat % sizes[d];
    return at;
  };
  for (int64_t o = 0; o < positions; o++) {
    Ints out = unflatten(o, shape.drop_front(2)), places, names;
    for (int64_t k = 0; k < taps; k++) {
      Ints tap = unflatten(k, w.kernel);
      int64_t place = 0, name = 0;
      bool inside = true;
      for (size_t d = 0; d < rank; d++) {
        int64_t at = out[d] * w.strides[d] - w.pads[d] + tap[d] * w.dilations[d];
        inside &= at >= 0 && at < spatial[d];
        place = place * spatial[d] + at;
      }
      for (size_t d = rank; d-- && inside;)
        name = name * spatial[d] + out[d] * w.strides[d] - w.pads[d] + tap[d] * w.dilations[d];
      places.push_back(inside ? place : -1);
      names.push_back(columns ? name : place);
    }
    auto first = llvm::find_if(places, [](int64_t place) { return place >= 0; }) - places.begin();
    for (int64_t k = 0; k < taps; k++) {
      table.push_back(places[k] >= 0 ? places[k] : places[first]);
      named.push_back(places[k] >= 0 ? names[k] : names[first]);
    }
  }
  Compose c{n};
  int64_t batch = type.getDimSize(0), channels = type.getDimSize(1);
  Value windows = c.gather(c.reshape(n.operand(0), Shape{batch, channels, picture}), c.ints(table, {positions, taps}), 2);
  Value tap = windows ? n.create<ArgReduceOp>(ArgKind::max, windows, int64_t(3), /*keepdims=*/false, /*select_last=*/false, StringAttr()) : Value();
  Ints starts;
  for (int64_t o = 0; o < positions; o++)
    starts.push_back(o * taps);
  Value place = c.gather(c.ints(named, {positions * taps}), c.add(tap, c.ints(starts, {positions})), 0);
  Ints planes;
  for (int64_t i = 0; i < batch * channels; i++)
    planes.push_back(i * picture);
  place = c.add(place, c.ints(planes, {batch, channels, 1}));
  if (failed(n.result(y)))
    return failure();
  return n.result(c.reshape(place, shape), 1);
}

static LogicalResult importPool(Node &n, PoolKind kind) {
  if (n.rank(0) < 3)
    return n.error() << "input of rank " << n.rank(0)
                     << "; pooling needs batch, channels and one to three spatial dimensions";
  Value x = n.operand(0);
  WindowAttrs w = readWindow(n, spatialSizes(n, x));
  bool ceil = n.integer("ceil_mode", 0), countPads = n.integer("count_include_pad", 0) && kind == PoolKind::avg;
  int64_t p = kind == PoolKind::lp ? n.integer("p", 2) : 2;
  if (n.isOutputUsed(1))
    return poolWithPlaces(n, w, ceil);
  if (Value y = n.hasFailed() || ceil ? Value() : overPictures(n, kind, w, countPads); y || n.hasFailed())
    return n.result(y);
  if (w.openPads.empty() || !x)
    return n.result(n.create<PoolOp>(kind, x, w.kernel, w.strides, w.pads, w.dilations, ceil, countPads, p, n.name()));
  // Padding that depends on the size is made of elements; those of a mean are not counted.
  auto pool = [&](Value v, double padding, StringAttr name) {
    Value padded = withOpenPads(n, v, w, padding);
    return withSameSizes(n, n.create<PoolOp>(kind, padded, w.kernel, w.strides, w.pads, w.dilations, false, true, p, name), v, w);
  };
  Type element = tensorType(x).getElementType();
  double lowest = isa<FloatType>(element) ? -std::numeric_limits<double>::infinity()
                  : element.isUnsignedInteger() ? 0
                                                : -std::ldexp(1.0, int(element.getIntOrFloatBitWidth()) - 1);
  if (kind != PoolKind::avg || countPads)
    return n.result(pool(x, kind == PoolKind::max ? lowest : 0, n.name()));
  nn::Sizes one = n.importer.sizeAnalysis.shapeOf(x);
  one[0] = one[1] = n.importer.sizeAnalysis.table.constant(1);
  StringRef name = n.name().getValue();
  Value ones = n.expandTo(n.scalar(element, 1), one, n.importer.uniqueName(name + ".ones"));
  Value mean = pool(x, 0, n.importer.uniqueName(name + ".sum")), share = pool(ones, 0, n.importer.uniqueName(name + ".count"));
  return n.result(n.create<BinaryOp>(BinaryKind::div, mean, share, n.name()));
}
static LogicalResult importMaxPool(Node &n) { return importPool(n, PoolKind::max); }
static LogicalResult importAveragePool(Node &n) { return importPool(n, PoolKind::avg); }
static LogicalResult importLpPool(Node &n) { return importPool(n, PoolKind::lp); }

/// GlobalXPool(x) -> reduction over the spatial axes.
static LogicalResult importGlobal(Node &n, ReduceKind kind) {
  if (n.rank(0) < 3)
    return n.error() << "input of rank " << n.rank(0) << "; pooling needs batch, channels and spatial dimensions";
  Ints axes = allAxes(n.rank(0));
  return n.result(n.create<ReduceOp>(kind, n.operand(0), ArrayRef(axes).drop_front(2), /*keepdims=*/true, n.name()));
}
static LogicalResult importGlobalAverage(Node &n) { return importGlobal(n, ReduceKind::mean); }
static LogicalResult importGlobalMax(Node &n) { return importGlobal(n, ReduceKind::max); }

static constexpr Rule kRules[] = {
    {"MaxPool", 1, 1, 1, importMaxPool},         {"AveragePool", 7, 1, 1, importAveragePool},
    {"LpPool", 2, 1, 1, importLpPool},           {"GlobalAveragePool", 1, 1, 1, importGlobalAverage},
    {"GlobalMaxPool", 1, 1, 1, importGlobalMax},
};
ArrayRef<Rule> poolRules() { return kRules; }

} // namespace tern::importer
