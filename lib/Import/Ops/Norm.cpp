// BatchNormalization and Softmax.
#include "lib/Import/Ops/Compose.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// Mean and variance of x itself; the running ones move towards them (version 14).
static LogicalResult trainBatchNorm(Node &n) {
  Compose c{n};
  Ints axes = allAxes(n.rank(0));
  axes.erase(axes.begin() + 1);
  Value x = n.operand(0), mean = c.reduce(ReduceKind::mean, x, axes, false);
  Shape channel(size_t(n.rank(0)), Extent(1));
  channel[1] = Extent(c.sizes(x)[1]);
  Value centred = c.sub(x, c.reshape(mean, channel)), variance = c.reduce(ReduceKind::mean, c.mul(centred, centred), axes, false);
  double momentum = n.real("momentum", 0.9f);
  auto moved = [&](int old, Value now) {
    Value kept = c.mul(n.operand(old), c.number(n.operand(old), momentum));
    return c.add(kept, c.mul(now, c.number(now, 1 - momentum)));
  };
  auto epsilon = n.builder().getF32FloatAttr(n.real("epsilon", 1e-5f));
  if (!variance || failed(n.result(n.create<BatchNormOp>(x, n.operand(1), n.operand(2), mean, variance, epsilon, n.name()))))
    return failure();
  if (n.isOutputUsed(1) && failed(n.result(moved(3, mean), 1)))
    return failure();
  return n.isOutputUsed(2) ? n.result(moved(4, variance), 2) : success();
}

static LogicalResult importBatchNorm(Node &n) {
  if (n.integer("training_mode", 0)) {
    if (n.outputCount() > 3)
      return n.keep("it has outputs that no version defines");
    return trainBatchNorm(n);
  }
  if (!n.integer("spatial", 1))
    return n.keep("it normalizes every position on its own (spatial = 0)");
  for (int i = 1; i < n.outputCount(); i++)
    if (n.isOutputUsed(i))
      return n.keep("its training outputs are used");
  auto epsilon = n.builder().getF32FloatAttr(n.real("epsilon", 1e-5f));
  return n.result(
      n.create<BatchNormOp>(n.operand(0), n.operand(1), n.operand(2), n.operand(3), n.operand(4), epsilon, n.name()));
}

static LogicalResult importSoftmax(Node &n) {
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(0));
  return n.result(n.create<SoftmaxOp>(n.operand(0), axis, n.opType() == "LogSoftmax", n.name()));
}

/// Before version 13: softmax over all dimensions from `axis` on, taken together.
static LogicalResult importSoftmaxFlat(Node &n) {
  RankedTensorType type = n.type(0);
  int64_t rank = type.getRank(), axis = n.integer("axis", 1);
  if (axis != rank) // softmax over no dimension is allowed
    axis = n.axis(axis, rank);
  bool log = n.opType() == "LogSoftmax";
  if (axis + 1 == rank)
    return n.result(n.create<SoftmaxOp>(n.operand(0), axis, log, n.name()));
  if (n.isOpen(0)) {
    nn::SizeTable &table = n.importer.sizeAnalysis.table;
    nn::Sizes from = n.sizes(0);
    ArrayRef<nn::SizeExpr> all(from);
    Value flat = n.reshapeTo(n.operand(0), {table.product(all.take_front(axis)), table.product(all.drop_front(axis))});
    return n.result(n.reshapeTo(n.create<SoftmaxOp>(flat, int64_t(1), log, n.name()), from));
  }
  int64_t rows = 1, columns = 1;
  for (int64_t i = 0; i < rank; i++)
    (i < axis ? rows : columns) *= type.getDimSize(i);
  Value flat = n.reshape(n.operand(0), {rows, columns});
  Value y = n.create<SoftmaxOp>(flat, int64_t(1), log, n.name());
  return n.result(n.reshape(y, type.getShape()));
}

static constexpr Rule kRules[] = {
    {"BatchNormalization", 7, 5, 5, importBatchNorm},
    {"Softmax", 1, 1, 1, importSoftmaxFlat},
    {"Softmax", 13, 1, 1, importSoftmax},
    {"LogSoftmax", 1, 1, 1, importSoftmaxFlat},
    {"LogSoftmax", 13, 1, 1, importSoftmax},
};
ArrayRef<Rule> normRules() { return kRules; }

} // namespace tern::importer
