//===- OpRows.h - rows of the kernel table from one problem type ----------===//
#ifndef TERN_TARGET_CPU_TABLE_OPROWS_H
#define TERN_TARGET_CPU_TABLE_OPROWS_H

#include "lib/Target/Cpu/Table/KernelTable.h"

namespace tern::cpu {

/// What a row answers for a problem of another type: the search for a row goes on without a reason.
inline constexpr llvm::StringLiteral otherOperation = "another kind of operation";

template <typename P> std::string refuseRow(const Problem &problem) {
  const auto *p = std::get_if<P>(&problem);
  return p ? refuse(*p) : otherOperation.str();
}
template <typename P> double rowUs(const Problem &problem, const Isa &isa) {
  return estimateUs(std::get<P>(problem), isa);
}
template <typename P, Kernel (*emit)(mlir::ModuleOp, llvm::StringRef, const P &, const Isa &)>
Kernel emitRow(mlir::ModuleOp module, llvm::StringRef name, const Problem &problem, const Isa &isa) {
  return emit(module, name, std::get<P>(problem), isa);
}

/// Pooling has a row for floats and one for codes.
template <bool codes> std::string refusePoolRow(const Problem &problem) {
  const auto *p = std::get_if<PoolProblem>(&problem);
  if (!p || (p->in.elem != Elem::F32) != codes)
    return otherOperation.str();
  return refuse(*p);
}

/// The kernel that quantizes; a per-tensor problem needs the one of the maxima in front of it (Emit.h).
inline Kernel emitQuantize(mlir::ModuleOp module, llvm::StringRef name, const DynamicQuantProblem &p, const Isa &isa) {
  return emitDynamicQuant(module, name, p, isa, /*quantize=*/true);
}

} // namespace tern::cpu
#endif
