//===- Reduce.cpp - pool, reduce, softmax, batch_norm ---------------------===//
#include "lib/Reference/Ops.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

//===-- pool ------------------------------------------------------------------===//
namespace {
/// The elements of x under one window position of one dimension, and how many positions of the padded input it covers.
struct WindowRow {
  SmallVector<int64_t, 8> elements;
  int64_t padded = 0;
};
} // namespace

static SmallVector<WindowRow> windowRows(nn::PoolOp op, unsigned d, int64_t size, int64_t positions) {
  ArrayRef<int64_t> pads = op.getPads();
  int64_t low = pads[d], high = pads[op.getKernel().size() + d];
  SmallVector<WindowRow> rows(positions);
  for (int64_t o = 0; o < positions; ++o)
    for (int64_t k = 0; k < op.getKernel()[d]; ++k) {
      int64_t at = o * op.getStrides()[d] - low + k * op.getDilations()[d];
      // A last window of ceil_mode may reach beyond the padding: that part counts nowhere.
      rows[o].padded += at < size + high;
      if (at >= 0 && at < size)
        rows[o].elements.push_back(at);
    }
  return rows;
}

/// What a kind of pooling does with the elements of one window.
template <typename T> class PoolSum {
public:
  PoolSum(nn::PoolOp op) : kind(op.getKind()), p(op.getP()) {}
  void start() { sum = 0, seen = 0; }
  void add(T value) {
    if (kind == nn::PoolKind::max)
      sum = seen == 0 || value > sum || value != value ? value : sum;
    else if (kind == nn::PoolKind::avg)
      sum += value;
    else
      sum += std::pow(std::abs(value), p);
    ++seen;
  }
  T finish(int64_t positions) const {
    if (kind == nn::PoolKind::max)
      return sum;
    return kind == nn::PoolKind::avg ? sum / positions : T(std::pow(sum, 1.0 / p));
  }
  int64_t count() const { return seen; }

private:
  nn::PoolKind kind;
  int64_t p, seen = 0;
  T sum = 0;
};

template <typename T> static Tensor pool(nn::PoolOp op, const Tensor &tensor) {
  RankedTensorType type = op.getType();
  ArrayRef<int64_t> in = tensor.getShape().drop_front(2), out = type.getShape().drop_front(2);
  SmallVector<SmallVector<WindowRow>> rows;
  for (unsigned d = 0; d < in.size(); ++d)
    rows.push_back(windowRows(op, d, in[d], out[d]));
  std::vector<T> x = toNumbers<T>(tensor), y(type.getNumElements());
  SmallVector<int64_t> strides = stridesOf(in), outStrides = stridesOf(out);
  int64_t inPlane = ShapedType::getNumElements(in), outPlane = ShapedType::getNumElements(out);
  PoolSum<T> window(op);
  for (size_t i = 0; i < y.size(); ++i) {
    const T *from = x.data() + int64_t(i) / outPlane * inPlane;
    window.start();
    int64_t padded = 1;
    SmallVector<const WindowRow *> under;
    for (unsigned d = 0; d < out.size(); ++d) {
      under.push_back(&rows[d][int64_t(i) / outStrides[d] % out[d]]);
      padded *= under.back()->padded;
    }
    std::function<void(unsigned, int64_t)> visit = [&](unsigned d, int64_t at) {
      if (d == out.size())
        return window.add(from[at]);
      for (int64_t element : under[d]->elements)
        visit(d + 1, at + element * strides[d]);
    };
    visit(0, 0);
    y[i] = window.finish(op.getCountIncludePad() ? padded : window.count());
  }
  return fromNumbers(type, y);
}

FailureOr<Tensor> evaluatePool(nn::PoolOp op, Operands in) {
  return withNumber(op.getType().getElementType(),
                    [&](auto zero) { return pool<decltype(zero)>(op, asTensor(in[0])); });
}

//===-- reduce ----------------------------------------------------------------===//
/// The elements of one group in memory order.
template <typename T> static T reduceGroup(nn::ReduceKind kind, ArrayRef<T> group) {
  auto fold = [&](T start, auto fn) {
    for (T value : group)
      start = fn(start, value);
    return start;
  };
  auto add = [](T a, T b) { return addWrapping(a, b); };
  constexpr bool isInteger = std::is_integral_v<T>;
  T lowest = isInteger ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();
  T highest = isInteger ? std::numeric_limits<T>::max() : std::numeric_limits<T>::infinity();
  switch (kind) {
  case nn::ReduceKind::sum:
    return fold(0, add);
  case nn::ReduceKind::mean:
    return isInteger && group.empty() ? T(0) : fold(0, add) / T(group.size());
  case nn::ReduceKind::max:
    return fold(lowest, [](T a, T b) { return a != a || a > b ? a : b; });
  case nn::ReduceKind::min:
    return fold(highest, [](T a, T b) { return a != a || a < b ? a : b; });
  case nn::ReduceKind::prod:
    return fold(1, [](T a, T b) { return mulWrapping(a, b); });
  case nn::ReduceKind::l1:
    return fold(0, [](T a, T b) { return addWrapping(a, b < 0 ? mulWrapping(b, T(-1)) : b); });
  case nn::ReduceKind::l2:
    return std::sqrt(fold(0, [](T a, T b) { return addWrapping(a, mulWrapping(b, b)); }));
  case nn::ReduceKind::log_sum:
    return std::log(fold(0, add));
  case nn::ReduceKind::log_sum_exp: {
    T max = reduceGroup(nn::ReduceKind::max, group);
    if (!std::isfinite(double(max)))
      return max;
    return max + std::log(fold(0, [&](T a, T b) { return a + std::exp(b - max); }));
  }
  case nn::ReduceKind::sum_square:
    return fold(0, [](T a, T b) { return addWrapping(a, mulWrapping(b, b)); });
  }
  llvm_unreachable("unknown reduction");
}

template <typename T> static Tensor reduce(nn::ReduceOp op, const Tensor &tensor) {
  RankedTensorType type = op.getType();
  std::vector<T> x = toNumbers<T>(tensor), y(type.getNumElements());
  ArrayRef<int64_t> shape = tensor.getShape();
  SmallVector<int64_t> kept, keptStrides, reduced, reducedStrides, strides = stridesOf(shape);
  for (auto [axis, size] : llvm::enumerate(shape)) {
    bool isReduced = llvm::is_contained(op.getAxes(), int64_t(axis));
    (isReduced ? reduced : kept).push_back(size);
    (isReduced ? reducedStrides : keptStrides).push_back(strides[axis]);
  }
  std::vector<T> group(ShapedType::getNumElements(reduced));
  forElements<1>(kept, {keptStrides}, [&](int64_t i, const auto &start) {
    forElements<1>(reduced, {reducedStrides}, [&](int64_t k, const auto &at) { group[k] = x[start[0] + at[0]]; });
    y[i] = reduceGroup<T>(op.getKind(), group);
  });
  return fromNumbers(type, y);
}

FailureOr<Tensor> evaluateReduce(nn::ReduceOp op, Operands in) {
  return withNumber(op.getType().getElementType(),
                    [&](auto zero) { return reduce<decltype(zero)>(op, asTensor(in[0])); });
}

//===-- softmax, batch_norm -----------------------------------------------------===//
FailureOr<Tensor> evaluateSoftmax(nn::SoftmaxOp op, Operands in) {
  std::vector<double> x = toReals(asTensor(in[0]));
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t n = shape[op.getAxis()], step = stridesOf(shape)[op.getAxis()];
  for (int64_t i = 0, rows = n ? int64_t(x.size()) / n : 0; i < rows; ++i) {
    double *row = x.data() + i / step * step * n + i % step;
    double max = -std::numeric_limits<double>::infinity(), sum = 0;
    for (int64_t k = 0; k < n; ++k)
      max = std::max(max, row[k * step]);
    for (int64_t k = 0; k < n; ++k)
      sum += std::exp(row[k * step] - max);
    for (int64_t k = 0; k < n; ++k) {
      double centered = row[k * step] - max;
      row[k * step] = op.getLog() ? centered - std::log(sum) : std::exp(centered) / sum;
    }
  }
  return fromReals(op.getType(), x);
}

FailureOr<Tensor> evaluateBatchNorm(nn::BatchNormOp op, Operands in) {
  std::vector<double> x = toReals(asTensor(in[0])), scale = toReals(asTensor(in[1])), bias = toReals(asTensor(in[2]));
  std::vector<double> mean = toReals(asTensor(in[3])), variance = toReals(asTensor(in[4]));
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t plane = ShapedType::getNumElements(shape.drop_front(2)), channels = shape[1];
  double epsilon = op.getEpsilon().convertToFloat();
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t c = int64_t(i) / plane % channels;
    x[i] = (x[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * scale[c] + bias[c];
  }
  return fromReals(op.getType(), x);
}

} // namespace tern::reference
