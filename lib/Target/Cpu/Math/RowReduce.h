//===- RowReduce.h - reductions along one row -----------------------------===//
#ifndef TERN_TARGET_CPU_MATH_ROWREDUCE_H
#define TERN_TARGET_CPU_MATH_ROWREDUCE_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Lanes in which a row of `count` f32 is walked: up to four registers, so that four chains run side by side.
int64_t rowWidth(const Isa &isa, const Index &count);

/// combine(.. combine(neutral, v0), v1 ..) over a row, one scalar at the end. element(offset, piece) gives the vector
/// of a piece; lanes that the mask excludes count as `neutral`.
mlir::Value reduceRow(KernelBuilder &k, const Index &count, double neutral,
                      llvm::function_ref<mlir::Value(Index, const Piece &)> element,
                      llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);

} // namespace tern::cpu
#endif
