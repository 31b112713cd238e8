//===- Portable.h - kernels through linalg: slow, but for every op --------===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_H

#include "lib/Target/Cpu/Emit.h"

namespace tern::cpu {
/// Lowers a kernel function (nn and tern ops on tensors) through tern-to-linalg, bufferization and loops: one task; the arguments are
/// the operands, then the results, as static memrefs in ONNX order. Failure is reported at the function.
mlir::FailureOr<Kernel> emitPortable(mlir::ModuleOp module, llvm::StringRef name, mlir::func::FuncOp function, const Isa &isa);
} // namespace tern::cpu
#endif
