// Ops that are a formula of others: norms over axes, losses, windows of signal processing.
#include "lib/Import/Ops/Compose.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// 1 at the first largest element of each row, else 0.
static Value hardmax(const Compose &c, Value x, int64_t axis, StringAttr name) {
  if (!x)
    return {};
  nn::Sizes shape = c.sizes(x);
  Value largest = c.n.create<ArgReduceOp>(ArgKind::max, x, axis, true, false, StringAttr());
  Value places = c.places(shape[size_t(axis)], axis, int64_t(shape.size()));
  return c.cast(c.compare(CompareKind::eq, largest, places), Compose::elementOf(x), name);
}
static LogicalResult importHardmax(Node &n) {
  return n.result(hardmax(Compose{n}, n.operand(0), n.axis(n.integer("axis", -1), n.rank(0)), n.name()));
}
/// Before version 13: over all dimensions from `axis` on, taken together.
static LogicalResult importHardmaxFlat(Node &n) {
  int64_t rank = n.rank(0), axis = n.integer("axis", 1);
  if (axis != rank)
    axis = n.axis(axis, rank);
  Compose c{n};
  nn::Sizes shape = n.sizes(0);
  ArrayRef<nn::SizeExpr> all(shape);
  Value flat = c.reshape(n.operand(0), {c.product(all.take_front(size_t(axis))), c.product(all.drop_front(size_t(axis)))});
  return n.result(c.reshape(hardmax(c, flat, 1, n.name()), shape));
}

/// The p-norm over axes, kept as dimensions of size 1.
static Value norm(const Compose &c, Value x, ArrayRef<int64_t> axes, int64_t p, StringAttr name = {}) {
  if (p == 1 || p == 2)
    return c.reduce(p == 1 ? ReduceKind::l1 : ReduceKind::l2, x, axes, true, name);
  Value powers = c.binary(BinaryKind::pow, c.unary(UnaryKind::abs, x), c.number(x, double(p)));
  return c.binary(BinaryKind::pow, c.reduce(ReduceKind::sum, powers, axes), c.number(x, 1.0 / double(p)), name);
}

static LogicalResult importLpNormalization(Node &n) {
  int64_t p = n.integer("p", 2), axis = n.axis(n.integer("axis", -1), n.rank(0));
  if (p < 1)
    return n.error() << "p is " << p << "; it must be at least 1";
  Compose c{n};
  Value x = n.operand(0), length = norm(c, x, axis, p), zero = c.number(x, 0);
  Value isZero = c.compare(CompareKind::eq, length, zero);
  return n.result(c.div(x, c.select(isZero, c.number(x, 1), length), n.name()));
}

static LogicalResult importGlobalLpPool(Node &n) {
  int64_t p = n.integer("p", 2);
  if (n.rank(0) < 3 || p < 1)
    return n.error() << "input of rank " << n.rank(0) << " and p = " << p
                     << "; pooling needs batch, channels, spatial dimensions and p of at least 1";
  Ints axes = allAxes(n.rank(0));
  return n.result(norm(Compose{n}, n.operand(0), ArrayRef(axes).drop_front(2), p, n.name()));
}

static LogicalResult importMeanVariance(Node &n) {
  Ints axes = n.hasAttr("axes") ? n.integers("axes") : Ints{0, 2, 3};
  axes = n.axes(axes, n.rank(0));
  if (n.hasFailed())
    return failure();
  Compose c{n};
  Value x = n.operand(0), centred = c.sub(x, c.reduce(ReduceKind::mean, x, axes));
  Value variance = c.reduce(ReduceKind::mean, c.mul(centred, centred), axes);
  return n.result(c.div(centred, c.add(c.unary(UnaryKind::sqrt, variance), c.number(x, 1e-9)), n.name()));
}

/// x < -lambd: x + bias; x > lambd: x - bias; else 0.
static LogicalResult importShrink(Node &n) {
  Compose c{n};
  Value x = n.operand(0);
  double bias = n.real("bias", 0), lambda = n.real("lambd", 0.5f);
  Value up = c.select(c.compare(CompareKind::gt, x, c.number(x, lambda)), c.sub(x, c.number(x, bias)), c.number(x, 0));
  return n.result(
      c.select(c.compare(CompareKind::lt, x, c.number(x, -lambda)), c.add(x, c.number(x, bias)), up, n.name()));
}

/// The mean of x over `size` neighbouring channels; what is beyond the first and the last one counts as 0.
static Value channelMeans(const Compose &c, Value x, int64_t size) {
  nn::Sizes shape = c.sizes(x);
  if (tensorType(x).hasStaticShape()) { // an average pool over them
    nn::SizeExpr rest = c.product(ArrayRef<nn::SizeExpr>(shape).drop_front(2));
    Value rows = c.reshape(x, {shape[0], 1, shape[1], rest});
    Ints kernel{size, 1}, ones{1, 1}, pads{(size - 1) / 2, 0, size / 2, 0};
    return rows ? c.reshape(c.n.create<PoolOp>(PoolKind::avg, rows, kernel, ones, pads, ones, false, /*count_include_pad=*/true, int64_t(2), StringAttr()),
                            shape)
                : Value();
  }
  Ints low(shape.size(), 0), high = low;
  low[1] = (size - 1) / 2, high[1] = size / 2;
  Value padded = c.pad(x, low, high), sum;
  for (int64_t i = 0; i < size; i++) {
    Value part = c.slice(padded, 1, i, shape[1]);
    sum = sum ? c.add(sum, part) : part;
  }
  return c.div(sum, c.number(x, double(size)));
}

/// LRN<size, alpha, beta, bias>(x)
static LogicalResult importLrn(Node &n) {
  int64_t size = n.integer("size", 0);
  if (n.rank(0) < 2 || size < 1 || size > (1 << 24))
    return n.error() << "input of rank " << n.rank(0) << " and size " << size
                     << "; LRN takes [N, C, ...] and a size of at least 1";
  if (n.isOpen(0) && size > 64)
    return n.keepOpen("it takes means of more than 64 channels, and the size of its input is only known at run time");
  Compose c{n};
  Value x = n.operand(0), squares = c.mul(x, x);
  if (!squares)
    return failure();
  Value means = channelMeans(c, squares, size);
  Value scaled = c.add(c.number(x, n.real("bias", 1)), c.mul(means, c.number(x, n.real("alpha", 1e-4f))));
  return n.result(c.div(x, c.binary(BinaryKind::pow, scaled, c.number(x, n.real("beta", 0.75f))), n.name()));
}

static LogicalResult importSwish(Node &n) {
  Compose c{n};
  double alpha = n.real("alpha", 1);
  Value x = n.operand(0);
  bool gated = n.opType() == "SwiGLU";
  Value swish =
      alpha == 1 ? c.unary(UnaryKind::silu, x, gated ? StringAttr() : n.name())
                 : c.mul(x, c.unary(UnaryKind::sigmoid, c.mul(x, c.number(x, alpha))), gated ? StringAttr() : n.name());
  return n.result(gated ? c.mul(swish, n.operand(1), n.name()) : swish);
}

/// IsInf of one sign only: a comparison.
static LogicalResult importIsInf(Node &n) {
  bool negative = n.integer("detect_negative", 1), positive = n.integer("detect_positive", 1);
  Compose c{n};
  Value x = n.operand(0);
  if (negative && positive)
    return n.result(c.unary(UnaryKind::isinf, x, n.name()));
  double infinity = std::numeric_limits<double>::infinity();
  if (!negative && !positive) // nowhere
    return n.result(c.both(c.unary(UnaryKind::isinf, x), c.unary(UnaryKind::isnan, x)));
  return n.result(c.compare(CompareKind::eq, x, c.number(x, positive ? infinity : -infinity)));
}

//===-- losses ----------------------------------------------------------------===//
/// -weight[target] * scores[target] of every position, reduced. scores: [N, C, d...], target: [N, d...].
static LogicalResult loss(Node &n, Value scores, int output) {
  std::string reduction = n.string("reduction", "mean");
  if (reduction != "none" && reduction != "sum" && reduction != "mean")
    return n.error() << "reduction is '" << reduction << "'; none, sum and mean are defined";
  RankedTensorType target = n.type(1);
  if (!scores)
    return failure();
  int64_t rank = tensorType(scores).getRank();
  if (rank < 2 || rank != target.getRank() + 1)
    return n.error() << "scores of rank " << rank << " and labels of rank " << target.getRank()
                     << "; the scores have one more dimension, the classes";
  Compose c{n};
  Value labels = c.cast(n.operand(1), n.builder().getI64Type()), ignored;
  if (n.hasAttr("ignore_index")) {
    ignored = c.compare(CompareKind::eq, labels, c.number(labels, double(n.integer("ignore_index", 0))));
    labels = c.select(ignored, c.number(labels, 0), labels);
  }
  nn::Sizes positions = n.sizes(1);
  Shape withClass(positions);
  withClass.insert(withClass.begin() + 1, Extent(1));
  Value places = c.reshape(labels, withClass);
  if (!places)
    return failure();
  Value chosen = c.reshape(n.create<GatherElementsOp>(scores, places, int64_t(1), StringAttr()), positions);
  Value weights = n.hasInput(2) ? c.gather(n.operand(2), labels, 0) : c.expand(c.number(scores, 1), positions);
  if (ignored)
    weights = c.select(ignored, c.number(weights, 0), weights);
  Value losses = c.unary(UnaryKind::neg, c.mul(chosen, weights));
  if (reduction == "none")
    return n.result(losses, output);
  Ints all = allAxes(target.getRank());
  Value sum = c.reduce(ReduceKind::sum, losses, all, false);
  return n.result(reduction == "sum" ? sum : c.div(sum, c.reduce(ReduceKind::sum, weights, all, false), n.name()),
                  output);
}
static LogicalResult importNllLoss(Node &n) { return loss(n, n.operand(0), 0); }
static LogicalResult importCrossEntropy(Node &n) {
  if (n.rank(0) < 2)
    return n.error() << "scores of rank " << n.rank(0) << "; the second dimension holds the classes";
  Value logs = n.create<SoftmaxOp>(n.operand(0), int64_t(1), /*log=*/true, StringAttr());
  if (logs && failed(n.result(logs, 1)))
    return failure();
  return loss(n, logs, 0);
}

//===-- sequences -------------------------------------------------------------===//
/// [B, C, T] with the last k - 1 positions of the past in front, convolved channel by channel.
static LogicalResult importCausalConv(Node &n) {
  std::string activation = n.string("activation", "none");
  bool silu = activation == "silu" || activation == "swish";
  if (!silu && activation != "none")
    return n.error() << "activation is '" << activation << "'; none, silu and swish are defined";
  if (n.rank(0) != 3 || n.rank(1) != 3)
    return n.error() << "input and weight have ranks " << n.rank(0) << " and " << n.rank(1) << "; both must be 3";
  if (n.type(0).isDynamicDim(1) || !n.type(1).hasStaticShape())
    return n.keepOpen("its channels or its kernel are only known at run time");
  int64_t channels = n.type(0).getDimSize(1), past = n.type(1).getDimSize(2) - 1;
  Compose c{n};
  Value x = n.operand(0);
  Value all = n.hasInput(3) ? c.concat({n.operand(3), x}, 2) : c.pad(x, {0, 0, past}, {0, 0, 0});
  if (!all)
    return failure();
  Ints one{1}, none{0, 0};
  Value y = n.create<ConvOp>(all, n.operand(1), n.operand(2), one, none, one, channels, n.name());
  if (silu)
    y = c.unary(UnaryKind::silu, y);
  if (failed(n.result(y)))
    return failure();
  return n.result(c.slice(all, 2, c.minus(c.sizes(all)[2], past), past), 1);
}

static constexpr Rule kRules[] = {
    {"Hardmax", 1, 1, 1, importHardmaxFlat},
    {"Hardmax", 13, 1, 1, importHardmax},
    {"LpNormalization", 1, 1, 1, importLpNormalization},
    {"GlobalLpPool", 2, 1, 1, importGlobalLpPool},
    {"MeanVarianceNormalization", 9, 1, 1, importMeanVariance},
    {"Shrink", 9, 1, 1, importShrink},
    {"LRN", 1, 1, 1, importLrn},
    {"Swish", 24, 1, 1, importSwish},
    {"SwiGLU", 28, 2, 2, importSwish},
    {"IsInf", 10, 1, 1, importIsInf},
    {"NegativeLogLikelihoodLoss", 12, 2, 3, importNllLoss},
    {"SoftmaxCrossEntropyLoss", 12, 2, 3, importCrossEntropy},
    {"CausalConvWithState", 27, 2, 4, importCausalConv},
};
ArrayRef<Rule> formulaRules() { return kRules; }

} // namespace tern::importer
