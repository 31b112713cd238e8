//===- NdVector.h - typed elementwise programs on vectors -----------------===//
#ifndef TERN_TARGET_CPU_MATH_NDVECTOR_H
#define TERN_TARGET_CPU_MATH_NDVECTOR_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Problems/RowProblems.h"

namespace tern::cpu {

/// An element as it lies in memory -> what a program computes with: f32, i32, i64 or i1.
mlir::Value widenElement(KernelBuilder &k, mlir::Value v, Elem elem);
/// The element that widenElement makes.
Elem widened(Elem elem);
/// A value of a program -> the element in memory; integers keep their low bits, i1 becomes 0 or 1.
mlir::Value narrowElement(KernelBuilder &k, mlir::Value v, Elem elem);
/// The type that a value of this element has inside a program.
mlir::Type programType(KernelBuilder &k, Elem elem, int64_t lanes);

/// One node. `position(dim)`: i64 vector of the indices along a dimension of the nest.
mlir::Value ndNode(KernelBuilder &k, const NdNode &node, llvm::ArrayRef<mlir::Value> args, int64_t lanes,
                   llvm::function_ref<mlir::Value(int64_t dim)> position);

} // namespace tern::cpu
#endif
