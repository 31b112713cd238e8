//===- Attention.cpp - attention, rope ------------------------------------===//
#include "lib/Reference/Ops.h"

using namespace mlir;

namespace tern::reference {

static constexpr double kNever = -std::numeric_limits<double>::infinity();

/// Softmax in place; nothing but -inf gives zeros.
static void softmaxOrZero(MutableArrayRef<double> scores) {
  double max = kNever, sum = 0;
  for (double score : scores)
    max = score != score || score > max ? score : max;
  for (double &score : scores) {
    score = max == kNever ? 0 : std::exp(score - max);
    sum += score;
  }
  for (double &score : scores)
    score = sum == 0 ? 0 : score / sum;
}

FailureOr<Tensor> evaluateAttention(nn::AttentionOp op, Operands in) {
  const Tensor &qs = asTensor(in[0]), &ks = asTensor(in[1]), &vs = asTensor(in[2]);
  std::vector<double> q = toReals(qs), k = toReals(ks), v = toReals(vs), y(op.getType().getNumElements()), mask;
  int64_t heads = qs.getShape()[1], queries = qs.getShape()[2], depth = qs.getShape()[3];
  int64_t groups = ks.getShape()[1], keys = ks.getShape()[2], width = vs.getShape()[3];
  int64_t scoresShape[] = {qs.getShape()[0], heads, queries, keys};
  std::array<SmallVector<int64_t>, 1> maskStrides{SmallVector<int64_t>(4, 0)};
  bool isBool = false;
  if (in.size() > 3) {
    mask = toReals(asTensor(in[3]));
    isBool = asTensor(in[3]).getElementType().isInteger(1);
    maskStrides[0] = broadcastStrides(asTensor(in[3]).getShape(), scoresShape);
  }
  double scale = op.getScale().convertToFloat(), cap = op.getSoftcap() ? op.getSoftcap()->convertToFloat() : 0;
  int64_t window = op.getWindow() ? int64_t(*op.getWindow()) : std::numeric_limits<int64_t>::max();
  auto sees = [&](int64_t query, int64_t key) {
    int64_t at = query + keys - queries;
    return (!op.getCausal() || key <= at) && at - key < window;
  };
  std::vector<double> scores(keys);
  auto row = [&](int64_t i, const auto &maskAt) {
    int64_t query = i % queries, head = i / queries % heads, batch = i / queries / heads;
    int64_t group = batch * groups + head / (heads / groups);
    for (int64_t t = 0; t < keys; ++t) {
      double sum = 0;
      for (int64_t d = 0; d < depth; ++d)
        sum += q[i * depth + d] * k[(group * keys + t) * depth + d];
      sum *= scale;
      if (cap > 0)
        sum = cap * std::tanh(sum / cap);
      if (!mask.empty()) {
        double value = mask[maskAt[0] + t * maskStrides[0][3]];
        sum = !isBool ? sum + value : value != 0 ? sum : kNever;
      }
      scores[t] = sees(query, t) ? sum : kNever;
    }
    softmaxOrZero(scores);
    for (int64_t t = 0; t < keys; ++t)
      for (int64_t e = 0; e < width && scores[t] != 0; ++e)
        y[i * width + e] += scores[t] * v[(group * keys + t) * width + e];
  };
  std::array<SmallVector<int64_t>, 1> rowStrides{
      SmallVector<int64_t>(maskStrides[0].begin(), maskStrides[0].begin() + 3)};
  forElements<1>(ArrayRef(scoresShape).drop_back(), rowStrides, row);
  return fromReals(op.getType(), y);
}

FailureOr<Tensor> evaluateRope(nn::RopeOp op, Operands in) {
  std::vector<double> x = toReals(asTensor(in[0])), cos = toReals(asTensor(in[1])), sin = toReals(asTensor(in[2]));
  ArrayRef<int64_t> shape = op.getType().getShape();
  int64_t pairs = asTensor(in[1]).getShape().back();
  SmallVector<int64_t> half(shape), xStrides = stridesOf(shape);
  half.back() = pairs;
  bool interleaved = op.getInterleaved();
  xStrides.back() = interleaved ? 2 : 1;
  std::array<SmallVector<int64_t>, 3> strides = {xStrides, broadcastStrides(asTensor(in[1]).getShape(), half),
                                                 broadcastStrides(asTensor(in[2]).getShape(), half)};
  std::vector<double> y = x;
  forElements<3>(half, strides, [&](int64_t, const auto &at) {
    int64_t i = at[0], j = i + (interleaved ? 1 : pairs);
    y[i] = x[i] * cos[at[1]] - x[j] * sin[at[2]];
    y[j] = x[j] * cos[at[1]] + x[i] * sin[at[2]];
  });
  return fromReals(op.getType(), y);
}

} // namespace tern::reference
