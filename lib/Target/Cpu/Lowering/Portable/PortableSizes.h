//===- PortableSizes.h - sizes of buffers as expressions --------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLESIZES_H
#define TERN_TARGET_CPU_LOWERING_PORTABLE_PORTABLESIZES_H

#include "dialects/NN/IR/SizeAnalysis.h"
#include "lib/Target/Cpu/Lowering/Sizes/SizedType.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern::cpu {

/// Reads the index arithmetic of a bufferized function back as size expressions: of nn.size, constants, arith, affine and
/// memref.dim. Shapes of arguments have been told.
class BufferSizes {
public:
  explicit BufferSizes(nn::SizeTable &table) : table(table) {}
  /// The sizes of the function's arguments, by number.
  void setArguments(llvm::ArrayRef<nn::Sizes> sizes) { arguments.assign(sizes.begin(), sizes.end()); }
  nn::SizeExpr argument(unsigned number, int64_t axis) const {
    return number < arguments.size() && size_t(axis) < arguments[number].size() ? arguments[number][size_t(axis)] : nn::SizeExpr();
  }
  void setShape(mlir::Value buffer, nn::Sizes sizes) { shapes[buffer] = std::move(sizes); }

  /// Null: it depends on something else.
  nn::SizeExpr of(mlir::Value index);
  nn::SizeExpr of(mlir::OpFoldResult size);
  /// Size of one dimension of a buffer.
  nn::SizeExpr dim(mlir::Value buffer, int64_t axis);
  nn::Sizes shapeOf(mlir::Value buffer);

private:
  nn::SizeExpr of(mlir::AffineExpr e, mlir::ArrayRef<nn::SizeExpr> operands, unsigned dims);

  nn::SizeTable &table;
  llvm::DenseMap<mlir::Value, nn::Sizes> shapes;
  llvm::SmallVector<nn::Sizes> arguments;
};

} // namespace tern::cpu
#endif
