//===- Infer.h - what type inference and verifiers of nn share ------------===//
// Private to this folder.
#ifndef TERN_DIALECTS_NN_IR_INFER_H
#define TERN_DIALECTS_NN_IR_INFER_H

#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"

namespace tern::nn {

/// Reports broken rules as `'nn.conv' op ...`, when there is a location to report at.
class Check {
public:
  Check(std::optional<mlir::Location> loc, llvm::StringRef op) : loc(loc), op(op) {}
  template <typename OpTy> static Check of(std::optional<mlir::Location> loc) {
    return Check(loc, OpTy::getOperationName());
  }

  /// Emits the pieces, one after another, and fails.
  template <typename... Pieces> mlir::LogicalResult fail(Pieces &&...pieces) const {
    if (!loc)
      return mlir::failure();
    mlir::InFlightDiagnostic diag = mlir::emitError(*loc);
    diag << "'" << op << "' op ";
    (void)(diag << ... << std::forward<Pieces>(pieces));
    return diag;
  }

  /// nn_n3: the element type is a float (or an integer but not i1).
  mlir::LogicalResult floats(mlir::Type element, llvm::StringRef what) const;
  mlir::LogicalResult numbers(mlir::Type element, llvm::StringRef what) const;
  /// nn_n3: the element type is an integer or a float.
  mlir::LogicalResult scalars(mlir::Type element) const;
  /// nn_n3: both element types are one.
  mlir::LogicalResult same(mlir::Type a, mlir::Type b, llvm::StringRef what) const;
  /// nn_n4: the shapes broadcast; the result is stored.
  mlir::LogicalResult broadcast(llvm::ArrayRef<mlir::RankedTensorType> types,
                                llvm::SmallVectorImpl<int64_t> &shape) const;
  /// nn_n9: 0 <= axis < rank.
  mlir::LogicalResult axis(int64_t axis, int64_t rank) const;
  /// nn_n20: the result's element count fits 64 bits; then its type is appended.
  mlir::LogicalResult result(llvm::ArrayRef<int64_t> shape, mlir::Type element,
                             llvm::SmallVectorImpl<mlir::Type> &types) const;
  /// nn_n9: the array has one entry an axis.
  mlir::LogicalResult perAxis(llvm::ArrayRef<int64_t> values, int64_t rank, llvm::StringRef what) const;

private:
  std::optional<mlir::Location> loc;
  llvm::StringRef op;
};

inline mlir::RankedTensorType typeOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()); }
/// Sizes that differ where both are known.
inline bool differ(int64_t a, int64_t b) {
  return a != b && !mlir::ShapedType::isDynamic(a) && !mlir::ShapedType::isDynamic(b);
}
/// "2x?x3", "scalar".
std::string shapeString(llvm::ArrayRef<int64_t> shape);
inline bool isNumber(mlir::Type type) {
  return llvm::isa<mlir::FloatType>(type) || (llvm::isa<mlir::IntegerType>(type) && !type.isInteger(1));
}

} // namespace tern::nn
#endif
