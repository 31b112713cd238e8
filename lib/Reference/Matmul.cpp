//===- Matmul.cpp - nn.matmul and the loop under it -----------------------===//
#include "lib/Reference/Ops.h"

using namespace mlir;

namespace tern::reference {

template <typename T> void multiply(int64_t m, int64_t n, int64_t k, const T *x, const T *w, T *y) {
  for (int64_t i = 0; i < m; ++i) {
    T *row = y + i * n;
    // k outside n: the inner loop runs over memory and still sums each element in the order of k.
    for (int64_t p = 0; p < k; ++p) {
      T factor = x[i * k + p];
      const T *weights = w + p * n;
      for (int64_t j = 0; j < n; ++j)
        row[j] = addWrapping(row[j], mulWrapping(factor, weights[j]));
    }
  }
}
template void multiply(int64_t, int64_t, int64_t, const double *, const double *, double *);
template void multiply(int64_t, int64_t, int64_t, const int64_t *, const int64_t *, int64_t *);

template <typename T> std::vector<T> transposed(const T *x, int64_t rows, int64_t columns) {
  std::vector<T> result(rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result[j * rows + i] = x[i * columns + j];
  return result;
}
template std::vector<double> transposed(const double *, int64_t, int64_t);
template std::vector<int64_t> transposed(const int64_t *, int64_t, int64_t);

namespace {
/// The last two dimensions of an operand.
struct Matrix {
  int64_t rows, columns;
  explicit Matrix(ArrayRef<int64_t> shape) : rows(shape[shape.size() - 2]), columns(shape.back()) {}
  int64_t size() const { return rows * columns; }
};
} // namespace

/// Every matrix of a batch, transposed.
template <typename T> static void transposeAll(std::vector<T> &values, const Matrix &matrix) {
  for (size_t at = 0; at < values.size(); at += matrix.size()) {
    std::vector<T> one = transposed(values.data() + at, matrix.rows, matrix.columns);
    std::copy(one.begin(), one.end(), values.begin() + at);
  }
}

template <typename T> static Tensor matmul(nn::MatmulOp op, Operands in) {
  RankedTensorType type = op.getType();
  const Tensor &lhs = asTensor(in[0]), &rhs = asTensor(in[1]);
  std::vector<T> x = toNumbers<T>(lhs), w = toNumbers<T>(rhs), y(type.getNumElements());
  Matrix left(lhs.getShape()), right(rhs.getShape()), out(type.getShape());
  if (op.getTransposeA())
    transposeAll(x, left);
  if (op.getTransposeB())
    transposeAll(w, right);
  int64_t k = left.size() ? left.size() / out.rows : 0;
  ArrayRef<int64_t> batch = type.getShape().drop_back(2);
  std::array<SmallVector<int64_t>, 2> strides = {broadcastStrides(lhs.getShape().drop_back(2), batch),
                                                 broadcastStrides(rhs.getShape().drop_back(2), batch)};
  forElements<2>(batch, strides, [&](int64_t i, const auto &at) {
    multiply(out.rows, out.columns, k, x.data() + at[0] * left.size(), w.data() + at[1] * right.size(),
             y.data() + i * out.size());
  });
  if (in.size() > 2) {
    std::vector<T> bias = toNumbers<T>(asTensor(in[2]));
    for (size_t i = 0; i < y.size(); ++i)
      y[i] = addWrapping(y[i], bias[i % bias.size()]);
  }
  return fromNumbers(type, y);
}

FailureOr<Tensor> evaluateMatmul(nn::MatmulOp op, Operands in) {
  return withNumber(op.getType().getElementType(), [&](auto zero) { return matmul<decltype(zero)>(op, in); });
}

} // namespace tern::reference
