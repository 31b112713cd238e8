//===- Constants.h - reading constant operands of kernels -----------------===//
#ifndef TERN_TARGET_CPU_LOWERING_WEIGHTS_CONSTANTS_H
#define TERN_TARGET_CPU_LOWERING_WEIGHTS_CONSTANTS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"
#include <optional>
#include <string>
#include <vector>

namespace tern::cpu {

/// The constant that a value of @main is (arith.constant or a loaded ml_program.global); null when it is none.
mlir::ElementsAttr constantOf(mlir::Value value);

/// Raw bytes in row-major order where they lie; nullopt: splats, booleans, blobs that are gone.
std::optional<llvm::ArrayRef<char>> rawBytes(mlir::ElementsAttr attr);

/// Raw bytes in row-major order: one per i8, little endian; splats are expanded. nullopt: the blob is gone or has another size.
std::optional<std::vector<char>> bytesOfConstant(mlir::ElementsAttr attr);

/// Elements as numbers; integers exactly up to 2^53. Signless i8 is read as signed unless `asUnsigned`.
std::optional<std::vector<double>> numbersOf(mlir::ElementsAttr attr, bool asUnsigned = false);

} // namespace tern::cpu
#endif
