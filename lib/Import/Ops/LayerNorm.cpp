// LayerNormalization, RMSNormalization, GroupNormalization, InstanceNormalization and ONNX Runtime's fused forms of them.
#include "lib/Import/Ops/Rules.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
namespace {
/// One normalization over the dimensions from `axis` on.
struct RowNorm {
  Value x, scale, bias;
  int64_t axis = 0;
  bool rms = false;
  float epsilon = 1e-5f;
};
} // namespace

static constexpr llvm::StringLiteral kOpenRows = "the size of what it normalizes is only known at run time";

static Value binary(Node &n, BinaryKind kind, Value a, Value b, StringAttr name = {}) {
  return a && b ? n.create<BinaryOp>(kind, a, b, name) : Value();
}

/// The value as a parameter of shape `row`; null when it does not broadcast to it (numpy).
static Value asParameter(Node &n, Value value, ArrayRef<int64_t> row) {
  Ints shape(tensorType(value).getShape());
  while (shape.size() > row.size() && shape.front() == 1)
    shape.erase(shape.begin());
  std::optional<SmallVector<int64_t>> sum = broadcastShapes({shape, row});
  if (!sum || ArrayRef(*sum) != row)
    return {};
  value = ArrayRef(shape) == tensorType(value).getShape() ? value : n.reshape(value, shape);
  if (value && ArrayRef(shape) != row)
    value = n.createTyped<ExpandOp>(tensorType(value).clone(row), value, StringAttr());
  return value;
}

static Value rowNorm(Node &n, const RowNorm &norm, StringAttr name) {
  if (!norm.x || n.hasFailed())
    return {};
  ArrayRef<int64_t> row = tensorType(norm.x).getShape().drop_front(norm.axis);
  Value scale = norm.scale ? asParameter(n, norm.scale, row) : Value();
  bool scaleLater = norm.scale && !scale;
  // Behind a factor that differs from row to row the bias is a sum of its own, too.
  Value bias = norm.bias && !scaleLater && !norm.rms ? asParameter(n, norm.bias, row) : Value();
  bool biasLater = norm.bias && !bias;
  llvm::APFloat epsilon(norm.epsilon);
  StringAttr own = scaleLater || biasLater ? StringAttr() : name;
  Value y = norm.rms ? n.create<RmsNormOp>(norm.x, scale, norm.axis, epsilon, own)
                     : n.create<LayerNormOp>(norm.x, scale, bias, norm.axis, epsilon, own);
  if (scaleLater)
    y = binary(n, BinaryKind::mul, y, norm.scale, biasLater ? StringAttr() : name);
  return biasLater ? binary(n, BinaryKind::add, y, norm.bias, name) : y;
}

/// The mean of the rows and 1 / sqrt(variance + epsilon), where a later op reads them.
static LogicalResult bindStatistics(Node &n, const RowNorm &norm, int meanOutput, int inverseOutput) {
  bool mean = meanOutput >= 0 && n.isOutputUsed(meanOutput), inverse = n.isOutputUsed(inverseOutput);
  if (!mean && !inverse)
    return success(!n.hasFailed());
  Ints axes = llvm::to_vector(llvm::seq<int64_t>(norm.axis, tensorType(norm.x).getRank()));
  Value x = norm.x, centre;
  // The statistics are f32 whatever x is (stash_type 1).
  Type f32 = n.builder().getF32Type();
  if (tensorType(x).getElementType() != f32 && !tensorType(x).getElementType().isF64())
    x = n.createTyped<CastOp>(tensorType(x).clone(f32), x, StringAttr());
  auto average = [&](Value value) { return value ? n.create<ReduceOp>(ReduceKind::mean, value, axes, true, StringAttr()) : Value(); };
  if (!norm.rms) {
    centre = average(x);
    if (mean && failed(n.result(centre, meanOutput)))
      return failure();
    x = binary(n, BinaryKind::sub, x, centre);
  }
  Value variance = average(binary(n, BinaryKind::mul, x, x));
  if (!variance)
    return failure();
  Value sum = binary(n, BinaryKind::add, variance, n.scalar(tensorType(variance).getElementType(), norm.epsilon));
  return inverse ? n.result(n.create<UnaryOp>(UnaryKind::rsqrt, sum, FloatAttr(), FloatAttr(), StringAttr()), inverseOutput)
                 : success();
}

/// LayerNormalization(x, scale, bias), RMSNormalization(x, scale), SimplifiedLayerNormalization(x, scale)
static LogicalResult importLayerNorm(Node &n) {
  RowNorm norm;
  norm.rms = n.opType() != "LayerNormalization";
  norm.x = n.operand(0);
  norm.scale = n.operand(1);
  norm.bias = n.operand(2);
  norm.axis = n.axis(n.integer("axis", -1), n.rank(0));
  norm.epsilon = n.real("epsilon", 1e-5f);
  if (n.hasFailed())
    return failure();
  if (llvm::any_of(n.type(0).getShape().drop_front(norm.axis), ShapedType::isDynamic))
    return n.keepOpen(kOpenRows);
  Value y = rowNorm(n, norm, n.name());
  bool isSimplified = norm.rms;
  if (failed(n.result(y)))
    return failure();
  return bindStatistics(n, norm, isSimplified ? -1 : 1, isSimplified ? 1 : 2);
}

/// Skip(Simplified)LayerNormalization(input, skip, gamma, beta or nothing, bias): norm(input + skip + bias); the sum is a result.
static LogicalResult importSkipLayerNorm(Node &n) {
  bool simplified = n.opType() == "SkipSimplifiedLayerNormalization";
  if (n.rank(0) < 1 || ShapedType::isDynamic(n.type(0).getShape().back()))
    return n.keepOpen(kOpenRows);
  Value x = n.operand(0), skip = n.operand(1), bias = n.operand(simplified ? 3 : 4);
  if (n.rank(0) == 2 && n.rank(1) == 3 && n.type(1).getDimSize(0) == 1 && skip) { // one for the whole batch
    nn::Sizes shape = n.sizes(1);
    shape.erase(shape.begin());
    skip = n.reshapeTo(skip, shape);
  }
  if (bias)
    x = binary(n, BinaryKind::add, x, bias);
  Value sum = binary(n, BinaryKind::add, x, skip);
  if (!sum)
    return failure();
  if (n.importer.sizeAnalysis.shapeOf(sum) != n.sizes(0))
    return n.error() << "skip of type " << n.type(1) << " does not broadcast to the input of type " << n.type(0);
  RowNorm norm{sum, n.operand(2), simplified ? Value() : n.operand(3), n.rank(0) - 1, simplified, n.real("epsilon", 1e-12f)};
  if (failed(n.result(rowNorm(n, norm, n.name()))) || failed(n.result(sum, 3)))
    return failure();
  return bindStatistics(n, norm, 1, 2);
}

/// GroupNormalization(x, scale, bias): before version 21 scale and bias have one entry for each group.
static LogicalResult importGroupNorm(Node &n) {
  int64_t groups = n.integer("num_groups", 0);
  if (n.rank(0) >= 2 && n.type(0).isDynamicDim(1))
    return n.keepOpen("its number of channels is only known at run time");
  if (n.rank(0) < 2 || groups < 1 || n.type(0).getDimSize(1) % groups)
    return n.error() << "input of type " << n.type(0) << " does not have channels that divide into " << groups << " groups";
  int64_t channels = n.type(0).getDimSize(1);
  Value parameters[2];
  for (int i : {1, 2}) {
    Value value = n.operand(i);
    if (n.type(i).getRank() == 1 && n.type(i).getDimSize(0) == groups && groups != channels && n.opset() < 21) {
      value = n.reshape(value, {groups, 1});
      value = n.createTyped<ExpandOp>(n.type(i).clone({groups, channels / groups}), value, StringAttr());
      value = n.reshape(value, {channels});
    }
    parameters[i - 1] = value;
  }
  llvm::APFloat epsilon(n.real("epsilon", 1e-5f));
  return n.result(n.create<GroupNormOp>(n.operand(0), parameters[0], parameters[1], groups, epsilon, n.name()));
}

static LogicalResult importInstanceNorm(Node &n) {
  if (n.rank(0) >= 2 && n.type(0).isDynamicDim(1))
    return n.keepOpen("its number of channels is only known at run time");
  if (n.rank(0) < 2)
    return n.error() << "input of rank " << n.rank(0) << "; InstanceNormalization takes [N, C, ...]";
  llvm::APFloat epsilon(n.real("epsilon", 1e-5f));
  return n.result(
      n.create<GroupNormOp>(n.operand(0), n.operand(1), n.operand(2), n.type(0).getDimSize(1), epsilon, n.name()));
}

/// The rows of a table at integer indices.
static Value rowsOf(Node &n, Value table, Value indices) {
  return table && indices ? n.create<GatherOp>(table, indices, int64_t(0), StringAttr()) : Value();
}

/// EmbedLayerNormalization(input_ids, segment_ids, word, position, segment, gamma, beta, mask, position_ids)
static LogicalResult importEmbedLayerNorm(Node &n) {
  for (int i : {2, 3, 5, 6})
    if (!n.hasInput(i))
      return n.error() << "input " << i << " of EmbedLayerNormalization is missing";
  if (n.rank(0) != 2 || n.rank(3) != 2)
    return n.error() << "input_ids and position_embedding of types " << n.type(0) << " and " << n.type(3)
                     << "; both have two dimensions";
  nn::SizeAnalysis &sizes = n.importer.sizeAnalysis;
  nn::SizeExpr length = n.sizes(0)[1], zero = sizes.table.constant(0);
  if (sizes.less(n.sizes(3)[0], length) == true)
    return n.error() << "position_embedding has " << n.sizes(3)[0].str() << " positions, the input " << length.str();
  Value sum = rowsOf(n, n.operand(2), n.operand(0)), position;
  if (n.hasInput(8))
    position = rowsOf(n, n.operand(3), n.operand(8));
  else
    position = n.sliceTo(n.operand(3), {zero, zero}, {length, n.sizes(3)[1]}, {1, 1}, StringAttr());
  sum = binary(n, BinaryKind::add, sum, position);
  if (n.hasInput(1) && n.hasInput(4))
    sum = binary(n, BinaryKind::add, sum, rowsOf(n, n.operand(4), n.operand(1)));
  RowNorm norm{sum, n.operand(5), n.operand(6), 2, false, n.real("epsilon", 1e-12f)};
  if (failed(n.result(rowNorm(n, norm, n.name()))) || failed(n.result(sum, 2)))
    return failure();
  if (!n.isOutputUsed(1))
    return success();
  // mask_index: how many tokens of each sequence count.
  auto i32 = n.builder().getI32Type();
  if (!n.hasInput(7)) {
    return n.result(n.expandTo(n.scalar(i32, 0), {n.sizes(0)[0]}), 1);
  }
  Value mask = n.operand(7);
  Value is = mask ? n.create<CompareOp>(CompareKind::eq, mask, n.scalar(tensorType(mask).getElementType(), 1), StringAttr()) : Value();
  if (!is)
    return failure();
  Value count = n.createTyped<CastOp>(tensorType(is).clone(i32), is, StringAttr());
  return count ? n.result(n.create<ReduceOp>(ReduceKind::sum, count, Ints{1}, false, StringAttr()), 1) : failure();
}

static constexpr Rule kRules[] = {
    {"LayerNormalization", 1, 2, 3, importLayerNorm},
    {"LayerNormalization", 1, 2, 3, importLayerNorm, "com.microsoft"},
    {"RMSNormalization", 23, 2, 2, importLayerNorm},
    {"SimplifiedLayerNormalization", 1, 2, 2, importLayerNorm},
    {"SimplifiedLayerNormalization", 1, 2, 2, importLayerNorm, "com.microsoft"},
    {"GroupNormalization", 18, 3, 3, importGroupNorm},
    {"InstanceNormalization", 1, 3, 3, importInstanceNorm},
    {"SkipLayerNormalization", 1, 3, 5, importSkipLayerNorm, "com.microsoft"},
    {"SkipSimplifiedLayerNormalization", 1, 3, 4, importSkipLayerNorm, "com.microsoft"},
    {"EmbedLayerNormalization", 1, 1, 9, importEmbedLayerNorm, "com.microsoft"},
};
ArrayRef<Rule> layerNormRules() { return kRules; }

} // namespace tern::importer
