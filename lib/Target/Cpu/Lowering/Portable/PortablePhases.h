//===- PortablePhases.h - a bufferized function becomes kernels -------------===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLEPHASES_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLEPHASES_H

#include "lib/Target/Cpu/Lowering/Portable/PortableSizes.h"
#include "lib/Target/Cpu/Problems/TaskCount.h"

namespace tern::cpu {

/// One kernel of a portable call. Its function has the buffers `arguments` (numbers of those of the whole function), then, when
/// there are any, the sizes, then %task. Buffers of open sizes are flat memrefs.
struct Phase {
  mlir::func::FuncOp function;
  llvm::SmallVector<unsigned> arguments;
  llvm::SmallVector<SizeCode> sizes; ///< of the slots
  TaskCount tasks;
};

/// Cuts a function of linalg and scf ops on buffers, without results and allocations, into kernels that run one after the other:
/// an op whose outer loops are parallel becomes one of several tasks, what lies between becomes one of one task. `sizes` knows
/// the shapes of the arguments. The functions are inserted behind `whole`. Failures are reported.
mlir::FailureOr<llvm::SmallVector<Phase>> cutPhases(mlir::func::FuncOp whole, BufferSizes &sizes);

} // namespace tern::cpu
#endif
