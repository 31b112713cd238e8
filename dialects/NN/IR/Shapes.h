//===- Shapes.h - shape arithmetic of the nn ops --------------------------===//
// Sizes are 64 bits; ShapedType::kDynamic (printed `?`) is contagious. Shared by type inference, the importer and
// lib/Reference.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_IR_SHAPES_H
#define TERN_DIALECTS_NN_IR_SHAPES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Verifier.h"
#include <optional>

namespace tern::nn {

/// numpy broadcasting of any number of shapes; std::nullopt when they do not broadcast. `?` with n > 1 gives n.
std::optional<llvm::SmallVector<int64_t>> broadcastShapes(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes);

/// Number of elements; std::nullopt beyond 64 bits, kDynamic when a size is unknown.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape);

/// One spatial dimension of a convolution or pooling.
struct Window {
  int64_t kernel = 1, stride = 1, dilation = 1, padLow = 0, padHigh = 0;
  bool ceilMode = false;
};

/// Elements from the first to the last one a window reads; std::nullopt beyond 64 bits.
std::optional<int64_t> windowExtent(const Window &window);

/// Number of window positions over `size` elements; kDynamic when size or kernel is unknown, std::nullopt beyond 64
/// bits, zero or negative when the window does not fit. ceil_mode as ONNX: the last window has to start inside the
/// input or the low padding.
std::optional<int64_t> windowCount(int64_t size, const Window &window);

/// Size of a transposed convolution's result; the same conventions.
std::optional<int64_t> transposedSize(int64_t size, const Window &window, int64_t outputPadding);

/// (scale * size) rounded down, as ONNX Resize.
int64_t resizedSize(int64_t size, double scale);

/// Bits of an element in memory of a dense attribute or tensor of lib/Reference (i1: 8).
inline int64_t elementBytes(mlir::Type type) { return llvm::divideCeil(type.getIntOrFloatBitWidth(), 8); }

/// The same element type, and sizes that agree where both are known.
bool areCompatible(mlir::TypeRange inferred, mlir::TypeRange actual);

/// Constants beyond this are never computed by folders and never kept as dense attributes: 64 KiB.
constexpr int64_t kMaxFoldBytes = 64 << 10;

/// Builds an op whose result types are inferred. Unlike Op::create it reports what is wrong with the operands or
/// attributes as a diagnostic at `loc` and fails, so that it is safe on input of users. The arguments are those of the
/// builder with result types: operands and attributes in the order of NNOps.td (kinds and integers as attributes or
/// plain values, as there).
template <typename OpTy, typename... Args>
llvm::FailureOr<OpTy> createChecked(mlir::OpBuilder &builder, mlir::Location loc, Args &&...args) {
  mlir::OperationState state(loc, OpTy::getOperationName());
  mlir::Type placeholder = builder.getNoneType();
  OpTy::build(builder, state, placeholder, std::forward<Args>(args)...);
  llvm::SmallVector<mlir::Type, 1> types;
  if (failed(OpTy::inferReturnTypes(builder.getContext(), loc, state.operands,
                                    state.attributes.getDictionary(builder.getContext()), state.getRawProperties(),
                                    state.regions, types)))
    return mlir::failure();
  state.types.assign(types.begin(), types.end());
  mlir::Operation *op = builder.create(state);
  if (succeeded(mlir::verify(op)))
    return llvm::cast<OpTy>(op);
  op->erase();
  return mlir::failure();
}

} // namespace tern::nn
#endif
