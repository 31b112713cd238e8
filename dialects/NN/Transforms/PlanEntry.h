//===- PlanEntry.h - one decision between plan and IR ---------------------===//
// Private to the planning passes.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_PLANENTRY_H
#define TERN_DIALECTS_NN_TRANSFORMS_PLANENTRY_H

#include "dialects/NN/Transforms/Activations.h"
#include "lib/Search/Plan.h"
#include "lib/Search/Rows.h"

namespace tern::nn {

/// What the formats of an op depend on.
struct OpShape {
  explicit OpShape(mlir::Operation *op);
  mlir::RankedTensorType w; ///< the first weight, where there are two
  llvm::SmallVector<mlir::RankedTensorType, 2> weights; ///< all of them
  int64_t outAxis, inAxis; ///< of the weight
  int64_t m, n, k;         ///< as in PlanOp
  bool grouped = false;
  RowOp row = RowOp::Conv;
};

/// <ui8, scale<f32>, zero<ui8>>: what kernels read.
Format staticActivation();

/// Row and size that follow from the formats of an entry.
void finishEntry(PlanOp &entry, const OpShape &shape);

/// tern.choice on an op. x: the tensor it reads, when that is static.
void writeChoice(mlir::Operation *op, const PlanOp &entry, const PlanTensor *x);
/// tern.codes on the roots of all groups; `xOf` receives the tensor that each consumer reads.
void writeTensors(const std::vector<ActivationGroup> &groups, llvm::ArrayRef<PlanTensor> tensors,
                  llvm::DenseMap<mlir::Operation *, const PlanTensor *> &xOf);

/// The ops that a plan decides about, in program order.
std::vector<mlir::Operation *> plannedOps(mlir::func::FuncOp function);
/// Removes the attributes of an earlier plan.
void clearDecisions(mlir::func::FuncOp function);

} // namespace tern::nn
#endif
