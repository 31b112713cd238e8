//===- Rnn.cpp - LSTM, GRU and RNN ----------------------------------------===//
// Doubles throughout; one rounding at the end.
#include "lib/Reference/Ops.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

static double activate(nn::RnnActivation kind, double x, double a, double b) {
  switch (kind) {
  case nn::RnnActivation::relu:
    return std::max(x, 0.0);
  case nn::RnnActivation::tanh:
    return std::tanh(x);
  case nn::RnnActivation::sigmoid:
    return 1 / (1 + std::exp(-x));
  case nn::RnnActivation::affine:
    return a * x + b;
  case nn::RnnActivation::leaky_relu:
    return x < 0 ? a * x : x;
  case nn::RnnActivation::thresholded_relu:
    return x > a ? x : 0;
  case nn::RnnActivation::scaled_tanh:
    return a * std::tanh(b * x);
  case nn::RnnActivation::hard_sigmoid:
    return std::min(std::max(a * x + b, 0.0), 1.0);
  case nn::RnnActivation::elu:
    return x < 0 ? a * std::expm1(x) : x;
  case nn::RnnActivation::softsign:
    return x / (1 + std::abs(x));
  case nn::RnnActivation::softplus:
    return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  llvm_unreachable("unknown activation");
}

namespace {
/// One direction over one sequence. Vectors are as long as the ONNX operands of one direction.
class Layer {
public:
  Layer(nn::RnnOp op, int64_t direction, int64_t inputs)
      : op(op), direction(direction), n(op.getHidden()), in(inputs) {}

  const double *w = nullptr, *r, *bias = nullptr, *peephole = nullptr;

  /// h (and c) of the next step from x, h and c; c is unused outside lstm.
  void step(const double *x, std::vector<double> &h, std::vector<double> &c) const {
    std::vector<double> next(n);
    for (int64_t j = 0; j < n; ++j)
      switch (op.getKind()) {
      case nn::RnnKind::rnn:
        next[j] = function(0, gate(0, j, x) + recurrent(0, j, h.data()));
        break;
      case nn::RnnKind::lstm:
        next[j] = lstm(j, x, h, c);
        break;
      case nn::RnnKind::gru:
        next[j] = gru(j, x, h);
        break;
      }
    h = next;
  }

private:
  double function(int64_t f, double x) const {
    if (op.getClipAttr()) {
      double clip = op.getClipAttr().getValueAsDouble();
      x = std::min(std::max(x, -clip), clip);
    }
    int64_t i = direction * nn::RnnOp::activationsOf(op.getKind()) + f;
    return activate(op.getActivation(i), x, op.getAlpha() ? (*op.getAlpha())[i] : 0,
                    op.getBeta() ? (*op.getBeta())[i] : 0);
  }
  /// Row j of gate g times x, with the bias of w.
  double gate(int64_t g, int64_t j, const double *x) const {
    int64_t row = g * n + j;
    double sum = w ? 0 : x[direction * nn::RnnOp::gatesOf(op.getKind()) * n + row];
    for (int64_t i = 0; w && i < in; ++i)
      sum += w[row * in + i] * x[i];
    return sum + (bias ? bias[row] : 0);
  }
  double recurrent(int64_t g, int64_t j, const double *h) const {
    int64_t row = g * n + j;
    double sum = 0;
    for (int64_t i = 0; i < n; ++i)
      sum += r[row * n + i] * h[i];
    return sum + (bias ? bias[nn::RnnOp::gatesOf(op.getKind()) * n + row] : 0);
  }

  /// Gates i, o, f, c; c[j] becomes the new cell.
  double lstm(int64_t j, const double *x, const std::vector<double> &h, std::vector<double> &c) const {
    auto p = [&](int64_t g) { return peephole ? peephole[g * n + j] : 0; };
    double i = function(0, gate(0, j, x) + recurrent(0, j, h.data()) + p(0) * c[j]);
    double f = op.getInputForget() ? 1 - i : function(0, gate(2, j, x) + recurrent(2, j, h.data()) + p(2) * c[j]);
    double cell = function(1, gate(3, j, x) + recurrent(3, j, h.data()));
    c[j] = f * c[j] + i * cell;
    double o = function(0, gate(1, j, x) + recurrent(1, j, h.data()) + p(1) * c[j]);
    return o * function(2, c[j]);
  }

  /// Gates z, r, h.
  double gru(int64_t j, const double *x, const std::vector<double> &h) const {
    double z = function(0, gate(0, j, x) + recurrent(0, j, h.data()));
    double candidate;
    if (op.getLinearBeforeReset()) {
      double reset = function(0, gate(1, j, x) + recurrent(1, j, h.data()));
      candidate = function(1, gate(2, j, x) + reset * recurrent(2, j, h.data()));
    } else {
      std::vector<double> forgotten(n);
      for (int64_t k = 0; k < n; ++k)
        forgotten[k] = function(0, gate(1, k, x) + recurrent(1, k, h.data())) * h[k];
      candidate = function(1, gate(2, j, x) + recurrent(2, j, forgotten.data()));
    }
    return (1 - z) * candidate + z * h[j];
  }

  mutable nn::RnnOp op;
  int64_t direction, n, in;
};
} // namespace

/// What DynamicQuantizeLinear and back makes of states in step t, in f32 as it does. The range is that of the sequences that ran the step before,
/// those that go on are rounded.
static void roundStates(MutableArrayRef<std::vector<double>> states, ArrayRef<int64_t> lens, int64_t t) {
  float least = 0, most = 0;
  for (auto [state, length] : llvm::zip(states, lens))
    for (double v : state)
      if (t <= length)
        least = std::min(least, float(v)), most = std::max(most, float(v));
  float scale = most == least ? 1 : (most - least) / 255, zero = std::nearbyint(-least / scale);
  for (auto [state, length] : llvm::zip(states, lens))
    for (double &v : state)
      if (t < length)
        v = double(std::min(std::max(std::nearbyint(float(v) / scale) + zero, 0.0f), 255.0f) - zero) * scale;
}

Results evaluateRnn(nn::RnnOp op, Operands in) {
  const Tensor &xTensor = asTensor(in[0]);
  bool batchFirst = op.getLayout() == 1;
  int64_t steps = xTensor.getShape()[batchFirst], batch = xTensor.getShape()[!batchFirst];
  int64_t inputs = xTensor.getShape()[2], n = op.getHidden(), directions = op.getDirections();
  // Operands that are absent leave no gap.
  size_t next = op.getW() ? 3 : 2;
  auto optional = [&](mlir::Value operand) { return operand ? toReals(asTensor(in[next++])) : std::vector<double>(); };
  std::vector<double> x = toReals(xTensor), w = op.getW() ? toReals(asTensor(in[1])) : std::vector<double>(), r = toReals(asTensor(in[next - 1]));
  std::vector<double> bias = optional(op.getB());
  std::vector<int64_t> lens(batch, steps);
  if (op.getLens())
    lens = toIntegers(asTensor(in[next++]));
  std::vector<double> h0 = optional(op.getH0()), c0 = optional(op.getC0()), peephole = optional(op.getPeephole());
  for (int64_t length : lens)
    if (length < 0 || length > steps)
      return op.emitOpError("lens has ") << length << "; the sequence has " << steps << " steps";
  std::vector<double> y(steps * directions * batch * n), yh(directions * batch * n), yc(yh.size());
  int64_t rows = nn::RnnOp::gatesOf(op.getKind()) * n;
  for (int64_t d = 0; d < directions; ++d) {
    Layer layer(op, d, inputs);
    layer.w = op.getW() ? w.data() + d * rows * inputs : nullptr;
    layer.r = r.data() + d * rows * n;
    layer.bias = bias.empty() ? nullptr : bias.data() + d * 2 * rows;
    layer.peephole = peephole.empty() ? nullptr : peephole.data() + d * 3 * n;
    bool backward = d == 1 || op.getDirection() == nn::RnnDirection::reverse;
    auto stateOf = [&](int64_t b) { return (batchFirst ? b * directions + d : d * batch + b) * n; };
    std::vector<std::vector<double>> h(batch, std::vector<double>(n)), c = h;
    for (int64_t b = 0; b < batch; ++b) {
      if (!h0.empty())
        h[b].assign(h0.begin() + stateOf(b), h0.begin() + stateOf(b) + n);
      if (!c0.empty())
        c[b].assign(c0.begin() + stateOf(b), c0.begin() + stateOf(b) + n);
    }
    for (int64_t t = 0; t < steps; ++t) {
      if (op.getRoundState())
        roundStates(h, lens, t); // every use of h is a product with r
      for (int64_t b = 0; b < batch; ++b) {
        if (t >= lens[b])
          continue;
        int64_t at = backward ? lens[b] - 1 - t : t;
        layer.step(x.data() + (batchFirst ? b * steps + at : at * batch + b) * inputs, h[b], c[b]);
        int64_t to = batchFirst ? (b * steps + at) * directions + d : (at * directions + d) * batch + b;
        std::copy(h[b].begin(), h[b].end(), y.begin() + to * n);
      }
    }
    for (int64_t b = 0; b < batch; ++b) {
      std::copy(h[b].begin(), h[b].end(), yh.begin() + stateOf(b));
      std::copy(c[b].begin(), c[b].end(), yc.begin() + stateOf(b));
    }
  }
  auto result = [&](mlir::Value value, const std::vector<double> &values) {
    return fromReals(cast<RankedTensorType>(value.getType()), values);
  };
  SmallVector<Value> results{result(op.getY(), y), result(op.getYH(), yh)};
  if (op.getYC())
    results.push_back(result(op.getYC(), yc));
  return results;
}

} // namespace tern::reference
