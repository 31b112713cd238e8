//===- Grouping.h - which ops of a function share a kernel ----------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_GROUPING_H
#define TERN_DIALECTS_TERN_TRANSFORMS_GROUPING_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include <memory>
#include <vector>

namespace tern {

/// The ops of one kernel in program order; the last one yields its result. Results of others that are read outside are results,
/// too.
struct Group {
  llvm::SmallVector<mlir::Operation *> ops;
  mlir::Operation *anchor = nullptr; ///< the op that needs loops of its own; null: all are elementwise
  mlir::Operation *last() const { return ops.back(); }
};

/// An op whose result elements depend on the elements of the same place only, and that a vector program can hold.
bool isElementwise(mlir::Operation *op);
/// bundle, unbundle, dequantize: they say how codes are read and are repeated wherever it matters.
bool isView(mlir::Operation *op);
/// A user that stays in the function and reads tensors in memory: reshapes, loops and the terminator; also kernels that read floats only.
bool staysOutside(mlir::Operation *user);
/// A dequantize whose users all stay outside: real numbers that must lie in memory, so it is a kernel and no view.
bool isOutsideDequantize(mlir::Operation *op);
/// Elementwise ops may be computed with this anchor, on its result.
bool acceptsEpilogue(mlir::Operation *anchor);
/// The lower and the upper half of the last dimension, where these two slices are all that reads `value`: gated products. Else empty.
llvm::SmallVector<mlir::Value, 2> halvesOf(mlir::Value value);
/// The attribute on ops and function arguments whose values calibration observes.
constexpr llvm::StringLiteral kProbe = "tern.probe";

/// Groups of a block in the order of their last ops. Constants, views, reshapes, loops and the terminator belong to none.
std::vector<std::unique_ptr<Group>> groupOps(mlir::Block &block);

} // namespace tern
#endif
