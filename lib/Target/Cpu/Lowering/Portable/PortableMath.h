//===- PortableMath.h - functions of floats inside portable kernels --------===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLEMATH_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLEMATH_H

#include "lib/Target/Cpu/Isa.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern::cpu {

/// Functions of f32 become the straight-line code of VectorMath.h, lane by lane, which LLVM vectorizes with the loop around it; square roots,
/// signs and fused multiply-adds become LLVM's. Every other type and function is left to the C library (Libm.h).
void expandFloatMath(mlir::func::FuncOp function, const Isa &isa);

} // namespace tern::cpu
#endif
