//===- PortableLoops.h - linalg ops on buffers -> loops that LLVM vectorizes -===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLELOOPS_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLELOOPS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tern::cpu {

/// The loops of an op: those that tasks share, outermost first, the other parallel ones, reductions, and the innermost.
struct LoopOrder {
  llvm::SmallVector<unsigned> tasks; ///< parallel loops whose product of sizes is shared out; may be the innermost
  llvm::SmallVector<unsigned> rest;  ///< the others, outermost first
  bool vector = false;               ///< neighbouring iterations of the innermost loop touch neighbouring elements
  /// Set: sums are kept in registers, `lanes` neighbours of loop `across` for several iterations of loop `down` (-1: of none). These
  /// two are not in `rest`; `down` may be the only one of `tasks`.
  int64_t lanes = 0;
  int across = -1, down = -1;
  /// All loops that tasks do not share.
  llvm::SmallVector<unsigned> restOfLoops() const {
    llvm::SmallVector<unsigned> loops = rest;
    if (across >= 0)
      loops.push_back(unsigned(across));
    if (down >= 0 && !llvm::is_contained(tasks, unsigned(down)))
      loops.push_back(unsigned(down));
    return loops;
  }
  static int64_t rowsOfTile();
};
/// `maxTasks`: outer loops are shared out until their product is at least that.
LoopOrder orderLoops(mlir::linalg::GenericOp op, int64_t maxTasks);

/// Scalar operations that one element takes, about.
int64_t costOf(mlir::linalg::GenericOp op);

/// Makes the loops, with iterations begin .. end of the product of the task loops, and erases the op.
void makeLoops(mlir::linalg::GenericOp op, const LoopOrder &order, mlir::Value begin, mlir::Value end);
/// All iterations.
void makeLoops(mlir::linalg::GenericOp op);
/// Asks LLVM for vectors in the innermost loops that were loops before, where neighbouring iterations touch neighbouring elements.
void hintLoops(mlir::Operation *root);

} // namespace tern::cpu
#endif
