// Pooling.
#include "lib/Import/Ops/Rules.h"
#include "lib/Import/Ops/Window.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static LogicalResult importPool(Node &n, PoolKind kind) {
  if (n.rank(0) < 3)
    return n.error() << "input of rank " << n.rank(0)
                     << "; pooling needs batch, channels and one to three spatial dimensions";
  if (n.isOutputUsed(1))
    return n.keep("its output Indices is used");
  WindowAttrs w = readWindow(n, n.type(0).getShape().drop_front(2));
  bool ceil = n.integer("ceil_mode", 0), countPads = n.integer("count_include_pad", 0) && kind == PoolKind::avg;
  int64_t p = kind == PoolKind::lp ? n.integer("p", 2) : 2;
  return n.result(
      n.create<PoolOp>(kind, n.operand(0), w.kernel, w.strides, w.pads, w.dilations, ceil, countPads, p, n.name()));
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
