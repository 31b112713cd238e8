//===- Ops.h - evaluation of single ops, by family ------------------------===//
// Private to this library. Every function gets operands of the types of the op (sizes known) and reports at the op.
//===----------------------------------------------------------------------===//
#ifndef TERN_REFERENCE_OPS_H
#define TERN_REFERENCE_OPS_H

#include "dialects/NN/IR/NN.h"
#include "lib/Reference/Reference.h"

namespace tern::reference {

using Results = llvm::FailureOr<llvm::SmallVector<Value>>;
using Operands = llvm::ArrayRef<Value>;

/// nn ops; failure without a message when `op` is none of the family is never needed: evaluate() dispatches by type.
llvm::FailureOr<Tensor> evaluateElementwise(mlir::Operation *op, Operands in);
llvm::FailureOr<Tensor> evaluateMatmul(nn::MatmulOp op, Operands in);
llvm::FailureOr<Tensor> evaluateConv(nn::ConvOp op, Operands in);
llvm::FailureOr<Tensor> evaluateConvTranspose(nn::ConvTransposeOp op, Operands in);
llvm::FailureOr<Tensor> evaluatePool(nn::PoolOp op, Operands in);
llvm::FailureOr<Tensor> evaluateReduce(nn::ReduceOp op, Operands in);
llvm::FailureOr<Tensor> evaluateSoftmax(nn::SoftmaxOp op, Operands in);
llvm::FailureOr<Tensor> evaluateBatchNorm(nn::BatchNormOp op, Operands in);
llvm::FailureOr<Tensor> evaluateLayerNorm(nn::LayerNormOp op, Operands in);
llvm::FailureOr<Tensor> evaluateRmsNorm(nn::RmsNormOp op, Operands in);
llvm::FailureOr<Tensor> evaluateGroupNorm(nn::GroupNormOp op, Operands in);
llvm::FailureOr<Tensor> evaluateAttention(nn::AttentionOp op, Operands in);
llvm::FailureOr<Tensor> evaluateRope(nn::RopeOp op, Operands in);
llvm::FailureOr<Tensor> evaluateMovement(mlir::Operation *op, Operands in);
llvm::FailureOr<Tensor> evaluateResize(nn::ResizeOp op, Operands in);
Results evaluateIndex(mlir::Operation *op, Operands in);
Results evaluateRnn(nn::RnnOp op, Operands in);

/// tern ops without calls.
Results evaluateTern(mlir::Operation *op, Operands in);

//===-- shared loops ------------------------------------------------------------===//
/// Numbers to sum in: doubles, or 64-bit integers that wrap.
template <typename T> std::vector<T> toNumbers(const Tensor &tensor);
template <> inline std::vector<double> toNumbers(const Tensor &tensor) { return toReals(tensor); }
template <> inline std::vector<int64_t> toNumbers(const Tensor &tensor) { return toIntegers(tensor); }
inline Tensor fromNumbers(mlir::RankedTensorType type, llvm::ArrayRef<double> values) {
  return fromReals(type, values);
}
inline Tensor fromNumbers(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> values) {
  return fromIntegers(type, values);
}

/// Calls fn(T()) with double for floats, int64_t for integers.
template <typename Fn> auto withNumber(mlir::Type element, Fn fn) {
  return llvm::isa<mlir::FloatType>(element) ? fn(double()) : fn(int64_t());
}

template <typename T> T addWrapping(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) + uint64_t(b));
  else
    return a + b;
}
template <typename T> T mulWrapping(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return T(uint64_t(a) * uint64_t(b));
  else
    return a * b;
}

/// Elements between neighbours along each axis of a row-major shape.
llvm::SmallVector<int64_t> stridesOf(llvm::ArrayRef<int64_t> shape);
/// Strides of an operand that broadcasts to `shape`: 0 along repeated axes.
llvm::SmallVector<int64_t> broadcastStrides(llvm::ArrayRef<int64_t> operand, llvm::ArrayRef<int64_t> shape);

/// Visits all elements of `shape` in row-major order; offsets[i] is the position in operand i with strides[i].
/// fn(index of the element, offsets).
template <size_t N, typename Fn>
void forElements(llvm::ArrayRef<int64_t> shape, const std::array<llvm::SmallVector<int64_t>, N> &strides, Fn fn) {
  int64_t count = mlir::ShapedType::getNumElements(shape), outer = int64_t(shape.size()) - 1;
  int64_t row = outer < 0 ? 1 : shape[outer];
  std::array<int64_t, N> start{}, step{};
  for (size_t n = 0; n < N && outer >= 0; ++n)
    step[n] = strides[n][outer];
  llvm::SmallVector<int64_t> index(shape.size(), 0);
  for (int64_t first = 0; first < count; first += row) {
    std::array<int64_t, N> offsets = start;
    for (int64_t i = first; i < first + row; ++i) {
      fn(i, offsets);
      for (size_t n = 0; n < N; ++n)
        offsets[n] += step[n];
    }
    // The next row: count up the outer dimensions.
    for (int64_t d = outer - 1; d >= 0; --d) {
      for (size_t n = 0; n < N; ++n)
        start[n] += strides[n][d];
      if (++index[d] < shape[d])
        break;
      for (size_t n = 0; n < N; ++n)
        start[n] -= strides[n][d] * shape[d];
      index[d] = 0;
    }
  }
}

/// A convolution as plain numbers, 3 spatial dimensions (missing ones are 1 in front).
struct ConvShape {
  int64_t batch, inChannels, outChannels, group;
  std::array<int64_t, 3> in, kernel, out, stride, dilation, padLow;
};
/// `x` and `w` as in ONNX ([C, O / group, kernel] when transposed).
ConvShape convShape(llvm::ArrayRef<int64_t> x, llvm::ArrayRef<int64_t> w, llvm::ArrayRef<int64_t> result,
                    llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> pads, llvm::ArrayRef<int64_t> dilations,
                    int64_t group);
/// y += x * w; y is [N, O, out...], row-major. Padding counts as 0.
template <typename T> void convolve(const ConvShape &shape, const T *x, const T *w, T *y);
template <typename T> void convolveTransposed(const ConvShape &shape, const T *x, const T *w, T *y);
/// y[m, n] += sum_k x[m, k] * w[k, n].
template <typename T> void multiply(int64_t m, int64_t n, int64_t k, const T *x, const T *w, T *y);
/// [rows, columns] -> [columns, rows].
template <typename T> std::vector<T> transposed(const T *x, int64_t rows, int64_t columns);

} // namespace tern::reference
#endif
