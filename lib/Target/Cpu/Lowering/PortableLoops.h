//===- PortableLoops.h - linalg ops on buffers -> loops that LLVM vectorizes -===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLELOOPS_H
#define TERN_TARGET_CPU_LOWERING_PORTABLELOOPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tern::cpu {

/// The loops of an op: those that tasks share, outermost first, the other parallel ones, reductions, and the innermost.
struct LoopOrder {
  llvm::SmallVector<unsigned> tasks; ///< parallel loops whose product of sizes is shared out; may be the innermost
  llvm::SmallVector<unsigned> rest;  ///< the others, outermost first
  bool vector = false;               ///< neighbouring iterations of the innermost loop touch neighbouring elements
};
/// `maxTasks`: outer loops are shared out until their product is at least that.
LoopOrder orderLoops(mlir::linalg::GenericOp op, int64_t maxTasks);

/// Scalar operations that one element takes, about.
int64_t costOf(mlir::linalg::GenericOp op);

/// Makes the loops, with iterations begin .. end of the product of the task loops, and erases the op.
void makeLoops(mlir::linalg::GenericOp op, const LoopOrder &order, mlir::Value begin, mlir::Value end);
/// All iterations.
void makeLoops(mlir::linalg::GenericOp op);

} // namespace tern::cpu
#endif
