//===- Planes.h - parameters of quantized values --------------------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_PLANES_H
#define TERN_DIALECTS_TERN_TRANSFORMS_PLANES_H

#include "dialects/Tern/IR/Tern.h"
#include "mlir/IR/Builders.h"

namespace tern {

/// The planes after the codes as SSA values: operands of the op that defines `q` where it has them, else results of an
/// unbundle made at the builder's place.
llvm::SmallVector<mlir::Value> planesOf(mlir::OpBuilder &builder, mlir::Value q);
/// The same, but only where the planes are operands: no op is made; empty otherwise.
llvm::SmallVector<mlir::Value> knownPlanes(mlir::Value q);

/// Codes of 8 bits whose planes are one value for the whole tensor.
bool isPerTensor(QuantType type);

/// Scale and zero point of a per-tensor value when both are constant.
struct ScaleZero {
  float scale = 1;
  int64_t zero = 0;
};
std::optional<ScaleZero> constantScale(mlir::Value q);

} // namespace tern
#endif
