// Reductions over axes.
#include "lib/Import/Ops/Compose.h"

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
  bool keepdims = n.integer("keepdims", 1);
  Compose c{n};
  Type element = n.type(0).getElementType();
  if (element.isInteger(1)) { // any, all
    if (kind != ReduceKind::max && kind != ReduceKind::min)
      return n.error() << n.opType() << " does not take truth values";
    axes = n.axes(axes, n.rank(0));
    Value bytes = c.cast(n.operand(0), IntegerType::get(n.importer.context, 8));
    return n.result(c.cast(c.reduce(kind, bytes, axes.empty() ? allAxes(n.rank(0)) : axes, keepdims, n.name()), element));
  }
  if (n.rank(0) == 0) { // of one element
    bool same = kind == ReduceKind::sum || kind == ReduceKind::mean || kind == ReduceKind::max ||
                kind == ReduceKind::min || kind == ReduceKind::prod;
    if (same)
      return n.forward();
    Value one = c.reduce(kind, c.reshape(n.operand(0), {1}), {0}, false, n.name());
    return n.result(one);
  }
  axes = n.axes(axes, n.rank(0));
  if (axes.empty())
    axes = allAxes(n.rank(0));
  // Kinds that compute on floats round integers back, as ONNX's definition by Sqrt and Log does.
  bool floatOnly = kind == ReduceKind::l2 || kind == ReduceKind::log_sum || kind == ReduceKind::log_sum_exp;
  if (floatOnly && isa<IntegerType>(element)) {
    Value real = c.cast(n.operand(0), n.builder().getF64Type());
    return n.result(c.cast(c.reduce(kind, real, axes, keepdims, n.name()), element));
  }
  return n.result(c.reduce(kind, n.operand(0), axes, keepdims, n.name()));
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
