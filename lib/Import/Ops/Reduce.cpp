// Reductions over axes.
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static ReduceKind kindOf(StringRef opType) {
  return llvm::StringSwitch<ReduceKind>(opType)
      .Case("ReduceSum", ReduceKind::sum)
      .Case("ReduceMean", ReduceKind::mean)
      .Case("ReduceMax", ReduceKind::max)
      .Case("ReduceMin", ReduceKind::min)
      .Case("ReduceProd", ReduceKind::prod)
      .Case("ReduceL1", ReduceKind::l1)
      .Case("ReduceL2", ReduceKind::l2)
      .Case("ReduceLogSum", ReduceKind::log_sum)
      .Case("ReduceLogSumExp", ReduceKind::log_sum_exp)
      .Default(ReduceKind::sum_square);
}

static LogicalResult reduce(Node &n, Ints axes, bool skipEmpty) {
  if (axes.empty() && skipEmpty)
    return n.forward();
  ReduceKind kind = kindOf(n.opType());
  if (n.type(0).getElementType().isInteger(1))
    return n.keep("it reduces truth values");
  if (n.rank(0) == 0) {
    bool same = kind == ReduceKind::sum || kind == ReduceKind::mean || kind == ReduceKind::max ||
                kind == ReduceKind::min || kind == ReduceKind::prod;
    return same ? n.forward() : n.keep("it reduces a scalar");
  }
  axes = n.axes(axes, n.rank(0));
  if (axes.empty())
    axes = allAxes(n.rank(0));
  bool keepdims = n.integer("keepdims", 1);
  return n.result(n.create<ReduceOp>(kind, n.operand(0), axes, keepdims, n.name()));
}

/// Reduce<axes>(x)
static LogicalResult importAttrs(Node &n) { return reduce(n, n.integers("axes"), false); }

/// Reduce(x, axes): ReduceSum from version 13, the others from 18.
static LogicalResult importInputs(Node &n) {
  bool skipEmpty = n.integer("noop_with_empty_axes", 0);
  if (!n.hasInput(1))
    return reduce(n, {}, skipEmpty);
  auto axes = n.constantInts(1);
  return axes ? reduce(n, *axes, skipEmpty) : n.keep("its axes are computed from data");
}

static constexpr Rule kRules[] = {
    {"ReduceSum", 1, 1, 1, importAttrs},       {"ReduceSum", 13, 1, 2, importInputs},
    {"ReduceMean", 1, 1, 1, importAttrs},      {"ReduceMean", 18, 1, 2, importInputs},
    {"ReduceMax", 1, 1, 1, importAttrs},       {"ReduceMax", 18, 1, 2, importInputs},
    {"ReduceMin", 1, 1, 1, importAttrs},       {"ReduceMin", 18, 1, 2, importInputs},
    {"ReduceProd", 1, 1, 1, importAttrs},      {"ReduceProd", 18, 1, 2, importInputs},
    {"ReduceL1", 1, 1, 1, importAttrs},        {"ReduceL1", 18, 1, 2, importInputs},
    {"ReduceL2", 1, 1, 1, importAttrs},        {"ReduceL2", 18, 1, 2, importInputs},
    {"ReduceLogSum", 1, 1, 1, importAttrs},    {"ReduceLogSum", 18, 1, 2, importInputs},
    {"ReduceLogSumExp", 1, 1, 1, importAttrs}, {"ReduceLogSumExp", 18, 1, 2, importInputs},
    {"ReduceSumSquare", 1, 1, 1, importAttrs}, {"ReduceSumSquare", 18, 1, 2, importInputs},
};
ArrayRef<Rule> reduceRules() { return kRules; }

} // namespace tern::importer
