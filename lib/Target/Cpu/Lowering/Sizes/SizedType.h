//===- SizedType.h - tensor types whose open sizes are expressions ---------===//
#ifndef TERN_TARGET_CPU_LOWERING_SIZES_SIZEDTYPE_H
#define TERN_TARGET_CPU_LOWERING_SIZES_SIZEDTYPE_H

#include "dialects/NN/IR/SizeExpr.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace tern::cpu {

/// A size, or a stride that is a product of sizes: itself, or below 0 the code of an expression (SizeTable::code), as in
/// a problem whose slots are not numbered yet (Problem.h). Equal sizes have equal codes.
using SizeCode = int64_t;

/// While one lives, sizes are computed in the table of its context (of this thread).
class SizeScope {
public:
  explicit SizeScope(mlir::MLIRContext *context);
  ~SizeScope();
  static nn::SizeTable &table();

private:
  nn::SizeTable *outer;
};

SizeCode times(SizeCode a, SizeCode b);
SizeCode plus(SizeCode a, SizeCode b);
SizeCode product(llvm::ArrayRef<SizeCode> sizes);
/// The expression of a code, of a stride or offset of a problem, and back.
nn::SizeExpr sizeOf(SizeCode code);
nn::SizeExpr offsetExpr(int64_t offset);
int64_t offsetOf(nn::SizeExpr e);
/// Offsets of problems (static or dynamicOffset) in arithmetic.
int64_t addOffsets(int64_t a, int64_t b);
int64_t mulOffsets(int64_t a, int64_t b);

/// What a RankedTensorType is, with codes for the sizes.
class SizedType {
public:
  SizedType() = default;
  SizedType(mlir::RankedTensorType type) : shape(type.getShape()), element(type.getElementType()) {}
  /// The sizes that bindSizes() has recorded.
  explicit SizedType(mlir::Value value);
  SizedType(llvm::ArrayRef<SizeCode> shape, mlir::Type element); ///< copies the shape into the context

  explicit operator bool() const { return bool(element); }
  /// Lives as long as the context.
  llvm::ArrayRef<SizeCode> getShape() const { return shape; }
  int64_t getRank() const { return int64_t(shape.size()); }
  SizeCode getDimSize(int64_t i) const { return shape[size_t(i)]; }
  mlir::Type getElementType() const { return element; }
  SizeCode getNumElements() const { return product(shape); }
  bool hasStaticShape() const;
  /// With `?` for what is not static.
  mlir::RankedTensorType tensor() const;

private:
  llvm::ArrayRef<SizeCode> shape;
  mlir::Type element;
};

/// Writes the sizes of all values of @main and of its kernels into the IR: `nn.sizes` of ops, `tern.dims` of arguments.
/// Does nothing in a program of static sizes. Reports the first value whose size nothing tells.
mlir::LogicalResult bindSizes(mlir::ModuleOp module);
/// Some size of the program is only known at run time.
bool hasOpenSizes(mlir::ModuleOp module);

} // namespace tern::cpu
#endif
