//===- Portable.h - kernels through linalg: for every op --------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLE_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLE_H

#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"

namespace tern::cpu {

/// The steps of a call whose kernel function (nn and tern ops on tensors) no generator serves: through tern-to-linalg,
/// bufferization and loops. Operands and results are plain and dense. Buffers between the steps are temporaries. Their functions
/// are private ones of the module of `kernel`. Failure is reported at the kernel.
mlir::FailureOr<std::vector<Step>> lowerPortable(mlir::func::FuncOp kernel, llvm::ArrayRef<CallOperand> operands,
                                                 llvm::ArrayRef<Placement> results);

/// A kernel of its own of one step.
mlir::FailureOr<Kernel> emitPortable(mlir::ModuleOp module, llvm::StringRef name, const PortableProblem &problem, const Isa &isa);

} // namespace tern::cpu
#endif
