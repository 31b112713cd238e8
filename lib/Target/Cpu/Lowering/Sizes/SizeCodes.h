//===- SizeCodes.h - sizes as problems hold them ---------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_SIZES_SIZECODES_H
#define TERN_TARGET_CPU_LOWERING_SIZES_SIZECODES_H

#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
#include "mlir/IR/Value.h"

namespace tern::cpu {

/// The sizes of a value of a kernel function.
llvm::SmallVector<SizeCode, 4> sizesOf(mlir::Value value);
/// As a stride or offset of a problem.
int64_t asOffset(SizeCode code);

/// Strides of a plain value: row-major, rows may be padded.
llvm::SmallVector<SizeCode, 4> plainStrides(llvm::ArrayRef<SizeCode> sizes, const Map &map);

} // namespace tern::cpu
#endif
