//===- Norm.cpp - layer_norm, rms_norm, group_norm ------------------------===//
#include "lib/Reference/Ops.h"

using namespace mlir;

namespace tern::reference {

/// Brings each run of `size` numbers to mean 0 (unless `keepMean`) and variance 1.
static void normalize(std::vector<double> &x, int64_t size, double epsilon, bool keepMean) {
  for (size_t at = 0; size > 0 && at < x.size(); at += size) {
    double *row = x.data() + at, mean = 0, squares = 0;
    for (int64_t i = 0; i < size && !keepMean; ++i)
      mean += row[i];
    mean /= double(size);
    for (int64_t i = 0; i < size; ++i)
      squares += (row[i] - mean) * (row[i] - mean);
    double deviation = std::sqrt(squares / double(size) + epsilon);
    for (int64_t i = 0; i < size; ++i)
      row[i] = (row[i] - mean) / deviation;
  }
}

/// x[i] = fn(x[i], parameter of i): the parameters repeat, each for `step` neighbours.
template <typename Fn>
static void apply(std::vector<double> &x, const Tensor &parameter, int64_t step, Fn fn) {
  std::vector<double> values = toReals(parameter);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = fn(x[i], values[i / step % values.size()]);
}

/// Operands are x and those of scale and bias that are there.
static Tensor normalized(RankedTensorType type, Operands in, int64_t size, int64_t step, double epsilon, bool keepMean,
                         bool hasScale, bool hasBias) {
  std::vector<double> x = toReals(asTensor(in[0]));
  normalize(x, size, epsilon, keepMean);
  if (hasScale)
    apply(x, asTensor(in[1]), step, [](double a, double b) { return a * b; });
  if (hasBias)
    apply(x, asTensor(in.back()), step, [](double a, double b) { return a + b; });
  return fromReals(type, x);
}

FailureOr<Tensor> evaluateLayerNorm(nn::LayerNormOp op, Operands in) {
  int64_t row = ShapedType::getNumElements(op.getType().getShape().drop_front(op.getAxis()));
  return normalized(op.getType(), in, row, 1, op.getEpsilon().convertToFloat(), false, bool(op.getScale()),
                    bool(op.getBias()));
}

FailureOr<Tensor> evaluateRmsNorm(nn::RmsNormOp op, Operands in) {
  int64_t row = ShapedType::getNumElements(op.getType().getShape().drop_front(op.getAxis()));
  return normalized(op.getType(), in, row, 1, op.getEpsilon().convertToFloat(), true, bool(op.getScale()), false);
}

FailureOr<Tensor> evaluateGroupNorm(nn::GroupNormOp op, Operands in) {
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t plane = ShapedType::getNumElements(shape.drop_front(2));
  return normalized(op.getType(), in, shape[1] / int64_t(op.getGroups()) * plane, plane,
                    op.getEpsilon().convertToFloat(), false, bool(op.getScale()), bool(op.getBias()));
}

} // namespace tern::reference
