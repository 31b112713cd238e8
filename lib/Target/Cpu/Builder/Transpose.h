//===- Transpose.h - exchanging rows and lanes in registers ---------------===//
#ifndef TERN_TARGET_CPU_BUILDER_TRANSPOSE_H
#define TERN_TARGET_CPU_BUILDER_TRANSPOSE_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Lanes of a square block of elements of `bytes` bytes: a whole register of 4-byte elements, 16 bytes of the others.
int64_t blockLanes(const Isa &isa, int64_t bytes);

/// L vectors of L lanes -> lane j of result i is lane i of row j. L is blockLanes().
Values transposeBlock(KernelBuilder &k, Values rows);

/// m vectors of n lanes -> m vectors of n lanes that are r0[0] r1[0] .. r0[1] r1[1] .. in line; any m.
Values interleave(KernelBuilder &k, llvm::ArrayRef<mlir::Value> rows);
/// The inverse: element j of result i is element j * m + i of the line.
Values deinterleave(KernelBuilder &k, llvm::ArrayRef<mlir::Value> line);

/// body(start, count) over `size` positions in blocks of `lanes`; the last block is moved back when there are no masks,
/// so it may overlap the one before (count == lanes), and is only short (count < lanes) with masks or when size <
/// lanes. A size that is only known at run time ends in an overlapping block, or in one of each power of two.
void forBlocks(KernelBuilder &k, Index lo, const Index &size, int64_t lanes, llvm::function_ref<void(Index, int64_t)> body);

} // namespace tern::cpu
#endif
