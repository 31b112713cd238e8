//===- ZeroPoints.h - what zero points add to integer products ------------===//
// sum (x - zx) (w - zw) = sum x w - zx sum w - zw sum (x - zx). Kernels of products compute sum x w from a start value for each output; what a
// zero point adds that is only known at run time, or a weight's that no signed byte holds, is computed in front of them, exactly.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_PRODUCTS_ZEROPOINTS_H
#define TERN_TARGET_CPU_PRODUCTS_ZEROPOINTS_H

#include "lib/Target/Cpu/Emit.h"

namespace tern::cpu {

/// out[i] = start[i] - zero * sums[i]: the start of the accumulators of n outputs. Arguments: start i32[n], sums i32[n] (of the weights of an
/// output), zero u8[1], out i32[n], task.
struct StartProblem {
  int64_t n = 1;
};

/// out[n, y, x] = sum over the window and all channels of in - zero: i32. The halo of `in` holds the zero point. Arguments: in u8, zero u8[1],
/// out i32[n, h, w], [sizes], task.
struct WindowSumProblem {
  Map in;
  int64_t h = 1, w = 1; ///< of the result
  int64_t kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1, padTop = 0, padLeft = 0;
};

void visitSizes(StartProblem &, SizeVisitor);
void visitSizes(WindowSumProblem &, SizeVisitor);
std::string print(const StartProblem &);
std::string print(const WindowSumProblem &);
Kernel emitStart(mlir::ModuleOp module, llvm::StringRef name, const StartProblem &, const Isa &);
Kernel emitWindowSum(mlir::ModuleOp module, llvm::StringRef name, const WindowSumProblem &, const Isa &);

} // namespace tern::cpu
#endif
