// Pooling.
#include "lib/Import/Ops/Rules.h"
#include "lib/Import/Ops/Window.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

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
