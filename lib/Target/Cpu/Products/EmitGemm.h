//===- EmitGemm.h - generator of matrix products with constant weights ----===//
#ifndef TERN_TARGET_CPU_PRODUCTS_EMITGEMM_H
#define TERN_TARGET_CPU_PRODUCTS_EMITGEMM_H

#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Problems/GemmProblem.h"

namespace tern::cpu {

Kernel emitGemm(mlir::ModuleOp module, llvm::StringRef name, const GemmProblem &, const Isa &);
/// Microseconds on one core with warm caches; a dynamic number of rows counts as one row for each of its sizes.
double estimateUs(const GemmProblem &, const Isa &);

} // namespace tern::cpu
#endif
