//===- Constants.h - constant operands of nn ops --------------------------===//
// A constant is an arith.constant or a loaded ml_program.global; a constant expression is a pure op on constants (W2).
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_CONSTANTS_H
#define TERN_DIALECTS_NN_TRANSFORMS_CONSTANTS_H

#include "dialects/NN/IR/NN.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/DenseMap.h"
#include <vector>

namespace tern::nn {

/// The global a value is loaded from; null when it is none.
mlir::ml_program::GlobalOp globalOf(mlir::Value value);
/// The elements of an arith.constant or of a loaded immutable global; null when there are none.
mlir::ElementsAttr constantOf(mlir::Value value);
/// Row-major elements of a floating or integer constant as doubles; std::nullopt: not constant, or its blob is gone.
/// `limit`: more elements than this are not read.
std::optional<std::vector<double>> numbersOf(mlir::Value value, int64_t limit = 1 << 20);
/// The number of a float constant of one element; std::nullopt: it is none.
std::optional<double> scalarOf(mlir::Value value);

/// Whether values are constant expressions; remembers answers, so it must not outlive rewrites.
class ConstantExpressions {
public:
  bool contains(mlir::Value value);

private:
  llvm::DenseMap<mlir::Value, bool> known;
};

/// contains() of a fresh memory.
bool isConstantExpression(mlir::Value value);

/// The one axis of a value of `rank` dimensions along which a constant of this shape differs when it is broadcast
/// (numpy): nullopt when there are several; -1 when it is one number.
std::optional<int64_t> broadcastAxis(llvm::ArrayRef<int64_t> shape, int64_t rank);

/// nn.reshape of `value` to `shape`, or the value when it has this shape.
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> shape);

/// arith.constant of one f32 number, rank 0.
mlir::Value scalarConstant(mlir::OpBuilder &builder, mlir::Location loc, double value);

/// The inherent `name` of an op ("" when it has none).
llvm::StringRef nameOf(mlir::Operation *op);

} // namespace tern::nn
#endif
