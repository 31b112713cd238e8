//===- RnnCell.h - the functions of recurrent layers -----------------------===//
#ifndef TERN_TARGET_CPU_PRODUCTS_RNNCELL_H
#define TERN_TARGET_CPU_PRODUCTS_RNNCELL_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Emit.h"

namespace tern::cpu {

/// What a step does to the sums of its gates, on vectors.
struct RnnCell {
  KernelBuilder &k;
  const RnnProblem &p;
  mlir::Value peephole; ///< null: none
  int64_t direction = 0;

  /// Function `which` of the direction, behind the clip.
  mlir::Value activate(int64_t which, mlir::Value v) const;

  /// The next c and h of an LSTM at columns `at` of the state; gate(g) is the sum of gate g (i o f c) there.
  std::pair<mlir::Value, mlir::Value> lstm(llvm::function_ref<mlir::Value(int64_t)> gate, mlir::Value c, const Index &at, const Piece &piece) const;
};

} // namespace tern::cpu
#endif
