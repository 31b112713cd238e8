//===- ProblemQueries.h - what is asked of a problem of any kind ------------===//
#ifndef TERN_TARGET_CPU_LOWERING_SIZES_PROBLEMQUERIES_H
#define TERN_TARGET_CPU_LOWERING_SIZES_PROBLEMQUERIES_H

#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"

namespace tern::cpu {

/// Renumbers the slots of a problem; the numbers of their expressions.
llvm::SmallVector<int64_t> slotsOf(AnyProblem &problem);

/// Kernels of pictures have a static number of them: where it is only known at run time, the kernel is that of one picture.
/// Null: the problem is static, no such kernel, or other sizes are open as well.
nn::SizeExpr takePictures(AnyProblem &problem);

/// Bytes of activations that a step reads and writes; 0 when they are only known at run time.
int64_t bytesTouched(const Step &step);

} // namespace tern::cpu
#endif
