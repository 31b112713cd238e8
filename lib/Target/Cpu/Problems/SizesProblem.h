//===- SizesProblem.h - numbers of this run as data -----------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_SIZESPROBLEM_H
#define TERN_TARGET_CPU_PROBLEMS_SIZESPROBLEM_H

#include "lib/Target/Cpu/Emit.h"

namespace tern::cpu {

/// out[i] = values[i], offsets of a problem: static or dynamicOffset. Elements I64 or I32. Arguments: out, [sizes], task.
struct SizesProblem {
  Elem elem = Elem::I64;
  llvm::SmallVector<int64_t, 4> values;
};
void visitSizes(SizesProblem &, SizeVisitor);
std::string print(const SizesProblem &);
Kernel emitSizes(mlir::ModuleOp module, llvm::StringRef name, const SizesProblem &, const Isa &);

} // namespace tern::cpu
#endif
