//===- StoredCodes.h - two's complement at the borders, code + 128 inside --===//
#ifndef TERN_TARGET_CPU_LOWERING_WEIGHTS_STOREDCODES_H
#define TERN_TARGET_CPU_LOWERING_WEIGHTS_STOREDCODES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern::cpu {

/// Codes of signed 8-bit activations lie in memory as code + 128 (Problem.h), int8 tensors of the model (inputs, outputs, results of
/// casts) in two's complement; movement keeps either. Inserts a call that flips the top bit wherever a value of @main is made in one
/// form and read in the other.
void matchStoredCodes(mlir::func::FuncOp main);

} // namespace tern::cpu
#endif
