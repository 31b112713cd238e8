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

static LogicalResult importPool(Node &n, PoolKind kind) {
  if (n.rank(0) < 3)
    return n.error() << "input of rank " << n.rank(0)
                     << "; pooling needs batch, channels and one to three spatial dimensions";
  if (n.isOutputUsed(1))
    return n.keep("its output Indices is used");
  Value x = n.operand(0);
  WindowAttrs w = readWindow(n, spatialSizes(n, x));
  bool ceil = n.integer("ceil_mode", 0), countPads = n.integer("count_include_pad", 0) && kind == PoolKind::avg;
  int64_t p = kind == PoolKind::lp ? n.integer("p", 2) : 2;
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
