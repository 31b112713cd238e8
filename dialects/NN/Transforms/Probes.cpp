//===- Probes.cpp - values to observe, ranges observed --------------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Planning.h"

using namespace mlir;

namespace tern::nn {

std::vector<std::string> insertProbes(func::FuncOp function) {
  std::vector<std::string> names;
  for (const ActivationGroup &group :
       findActivations(function, [](Operation *op) { return whyNotQuantizable(op).empty(); })) {
    names.push_back(group.name);
    for (Value root : group.roots)
      if (!keepsCodes(root.getDefiningOp()))
        setValueAttr(root, kProbe, StringAttr::get(function.getContext(), group.name));
  }
  return names;
}

void attachRanges(func::FuncOp function, function_ref<std::optional<ObservedRange>(StringRef)> rangeOf) {
  Builder builder(function.getContext());
  auto attach = [&](Value value) {
    auto probe = dyn_cast_or_null<StringAttr>(getValueAttr(value, kProbe));
    if (!probe)
      return;
    removeValueAttr(value, kProbe);
    std::optional<ObservedRange> range = rangeOf(probe.getValue());
    if (!range)
      return;
    auto number = [&](StringRef key, double number) {
      return builder.getNamedAttr(key, builder.getF32FloatAttr(float(number)));
    };
    setValueAttr(value, kStats,
                 builder.getDictionaryAttr({number("hi", range->hi), number("lo", range->lo), number("max", range->max),
                                            number("min", range->min)}));
  };
  walkValues(function, attach);
}

} // namespace tern::nn
