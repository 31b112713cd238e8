//===- Tensor.h - values of the reference evaluator -----------------------===//
#ifndef TERN_REFERENCE_TENSOR_H
#define TERN_REFERENCE_TENSOR_H

#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "dialects/Tern/IR/Tern.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <memory>
#include <variant>
#include <vector>

namespace tern::reference {

/// A dense tensor: row-major, little endian, elements of 1 to 8 whole bytes. i1 is one byte (0 or 1), narrower integers
/// are one sign- or zero-extended byte, floats of 8 bits or fewer are one byte that holds the code. Copies share their
/// storage; it is written only through mutableData() of the one who made it.
class Tensor {
public:
  Tensor() = default;
  /// All elements zero.
  explicit Tensor(mlir::RankedTensorType type);
  /// A view of bytes that outlive the tensor (an attribute's storage, a mapped file), elements aligned.
  static Tensor borrow(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);
  /// From values in row-major order, e.g. Tensor::of<float>(type, {1, 2, 3}). T is the element as it lies in memory.
  template <typename T> static Tensor of(mlir::RankedTensorType type, llvm::ArrayRef<T> values) {
    Tensor result(type);
    assert(result.bytes().size() == values.size() * sizeof(T) &&
           "as many values of the element's size as the type has");
    std::copy(values.begin(), values.end(), result.mutableData<T>().begin());
    return result;
  }

  mlir::RankedTensorType getType() const { return type; }
  mlir::Type getElementType() const { return type.getElementType(); }
  llvm::ArrayRef<int64_t> getShape() const { return type.getShape(); }
  int64_t size() const { return type.getNumElements(); }
  /// Bytes of one element.
  int64_t elementSize() const { return nn::elementBytes(type.getElementType()); }

  llvm::ArrayRef<char> bytes() const { return {start, size_t(length)}; }
  template <typename T> llvm::ArrayRef<T> data() const {
    return {reinterpret_cast<const T *>(start), size_t(length) / sizeof(T)};
  }
  template <typename T = char> llvm::MutableArrayRef<T> mutableData() {
    assert(owner && "borrowed storage is not written");
    return {reinterpret_cast<T *>(const_cast<char *>(start)), size_t(length) / sizeof(T)};
  }

  /// The same elements with another type of equal element size and count; shares the storage.
  Tensor as(mlir::RankedTensorType other) const;

private:
  mlir::RankedTensorType type;
  const char *start = nullptr;
  int64_t length = 0;
  std::shared_ptr<char> owner;
};

/// A quantized value as its plain planes, codes first (planeShapes).
struct QuantValue {
  QuantType type;
  llvm::SmallVector<Tensor, 3> planes;
};

using Value = std::variant<Tensor, QuantValue>;

/// All elements as doubles: exact for floats and for integers up to 2^53.
std::vector<double> toReals(const Tensor &tensor);
/// All elements of an integer tensor in 64 bits, sign- or zero-extended.
std::vector<int64_t> toIntegers(const Tensor &tensor);
/// Rounds once to the element type: to f32 (f64: not at all), from there to narrower floats. Integer types: toward
/// zero, saturating, below 8 bits the low bits; NaN gives 0; i1: x != 0.
Tensor fromReals(mlir::RankedTensorType type, llvm::ArrayRef<double> values);

/// What a float of 8 bits or fewer makes of values it does not hold (nn.cast).
struct SmallFloatCast {
  bool overflow = false; ///< beyond the largest value: infinity, or NaN
  nn::CastRound round = nn::CastRound::nearest;
};
Tensor toSmallFloats(mlir::RankedTensorType type, llvm::ArrayRef<double> values, SmallFloatCast how);
/// Keeps the low bits; to floats rounds to nearest even.
Tensor fromIntegers(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> values);

/// One real as an integer of `bits`: toward zero, saturating, NaN gives 0.
int64_t saturate(double value, unsigned bits, bool isUnsigned);
inline bool isUnsigned(mlir::Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

/// The tensor of a constant; borrows the attribute's or resource's bytes where they lie as Tensor wants them. Emits
/// through `emitError` when a resource is missing or its blob has not the size of its type.
llvm::FailureOr<Tensor> fromAttr(mlir::ElementsAttr attr, llvm::function_ref<mlir::InFlightDiagnostic()> emitError);
/// A dense attribute with the tensor's elements.
mlir::DenseElementsAttr toAttr(const Tensor &tensor);

} // namespace tern::reference
#endif
