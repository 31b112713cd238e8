//===- Planning.h - schemes and plans into attributes ---------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_PLANNING_H
#define TERN_DIALECTS_NN_TRANSFORMS_PLANNING_H

#include "lib/Search/Plan.h"
#include "lib/Search/Scheme.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern::nn {

/// What is asked of a plan.
struct PlanRequest {
  Scheme scheme{8, 8, 0};
  std::vector<Override> overrides;   ///< later ones win
  std::vector<std::string> excludes; ///< regular expressions of whole names: these ops stay float
};

/// Decides for every quantizable op of `function` and writes `tern.choice` on it and `tern.codes` on the values that
/// become codes. `plan` receives the decisions; its header fields are left alone. Static activations need `tern.stats`;
/// without, an op is dynamic. Fails with a diagnostic when a pattern matches no op.
mlir::LogicalResult makePlan(mlir::func::FuncOp function, const PlanRequest &request, Plan &plan);

/// The same from a plan that was read. Ops that it does not name stay float. `modelSha256`: of the model that is
/// compiled; not checked when either is empty. Unknown names, rows or another model are errors that name the closest
/// match.
mlir::LogicalResult applyPlan(mlir::func::FuncOp function, const Plan &plan, llvm::StringRef modelSha256);

/// Writes {min, max, lo, hi} on every value with `tern.probe` and removes the probe. A probe without a range is left
/// float.
struct ObservedRange {
  double min = 0, max = 0, lo = 0, hi = 0;
};
void attachRanges(mlir::func::FuncOp function,
                  llvm::function_ref<std::optional<ObservedRange>(llvm::StringRef probe)> rangeOf);

/// Marks the values whose ranges a plan with static activations needs; their names in program order.
std::vector<std::string> insertProbes(mlir::func::FuncOp function);

} // namespace tern::nn
#endif
