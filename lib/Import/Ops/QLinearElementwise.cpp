// com.microsoft ops between codes: dequantize, the op on real numbers, quantize.
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"
#include "lib/Import/Ops/Window.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// A scale or zero point of a whole tensor.
PlaneInput whole(Node &n, int input) {
  if (!n.hasFailed() && n.hasInput(input) && n.type(input).getNumElements() != 1)
    n.error() << "a scale or zero point of type " << n.type(input) << "; " << n.opType() << " takes one value";
  return {input, {}};
}

/// The real numbers of an input, given by codes, scale and zero point at `first`, `first + 1`, `first + 2`.
Value real(Node &n, int first) {
  if (n.hasFailed())
    return {};
  if (!n.hasInput(first) || !n.hasInput(first + 1)) {
    n.error() << "input " << (n.hasInput(first) ? first + 1 : first) << " of " << n.opType() << " is missing";
    return {};
  }
  RankedTensorType type = n.type(first);
  Parameters p = readParameters(n, type.getShape(), codeElement(type.getElementType()), n.builder().getF32Type(),
                                whole(n, first + 1), whole(n, first + 2));
  if (n.hasFailed())
    return {};
  Value q = p ? quantOperand(n, first, p) : Value();
  if (!q && !n.hasFailed())
    n.error() << "codes of type " << type << "; " << n.opType() << " takes integers of 8 bits";
  return dequantize(n, q);
}

/// Binds the result: y in codes of the type of the zero point, or of input `like`.
LogicalResult coded(Node &n, Value y, int scale, int zero, int like) {
  if (n.hasFailed() || !y)
    return failure();
  if (!n.hasInput(scale))
    return n.error() << "input " << scale << " of " << n.opType() << ", the scale of the result, is missing";
  Type codes = n.type(n.hasInput(zero) ? zero : like).getElementType();
  Parameters p = readParameters(n, tensorType(y).getShape(), codeElement(codes), n.builder().getF32Type(),
                                whole(n, scale), whole(n, zero));
  if (n.hasFailed())
    return failure();
  return p ? n.result(quantize(n, y, p, StringAttr())) : n.keep(p.reason);
}

LogicalResult importBinary(Node &n, BinaryKind kind) {
  return coded(n, binary(n, kind, real(n, 0), real(n, 3), n.name()), 6, 7, 0);
}
LogicalResult importAdd(Node &n) { return importBinary(n, BinaryKind::add); }
LogicalResult importMul(Node &n) { return importBinary(n, BinaryKind::mul); }

LogicalResult importSigmoid(Node &n) {
  return coded(n, n.create<UnaryOp>(UnaryKind::sigmoid, real(n, 0), FloatAttr(), FloatAttr(), n.name()), 3, 4, 0);
}

LogicalResult importLeakyRelu(Node &n) {
  FloatAttr alpha = n.builder().getF32FloatAttr(n.real("alpha", 0.01f));
  return coded(n, n.create<UnaryOp>(UnaryKind::leaky_relu, real(n, 0), alpha, FloatAttr(), n.name()), 3, 4, 0);
}

/// QLinearConcat<axis>(s_y, z_y, then codes, scale, zero point of every operand)
LogicalResult importConcat(Node &n) {
  if (n.inputCount() < 5 || (n.inputCount() - 2) % 3 != 0)
    return n.error() << "QLinearConcat has " << n.inputCount() << " inputs; it takes two, and three for each operand";
  SmallVector<Value> xs;
  for (int i = 2; i < n.inputCount(); i += 3)
    xs.push_back(real(n, i));
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(2));
  if (n.hasFailed())
    return failure();
  return coded(n, xs.size() == 1 ? xs[0] : n.create<ConcatOp>(xs, axis, n.name()), 0, 1, 2);
}

LogicalResult importWhere(Node &n) {
  return coded(n, n.create<SelectOp>(castTo(n, n.operand(0), n.builder().getI1Type()), real(n, 1), real(n, 4), n.name()),
               7, 8, 1);
}

/// From [N, spatial..., C] to [N, C, spatial...], or back.
Value channelsMoved(Node &n, Value x, bool toFront) {
  if (n.hasFailed() || !x)
    return {};
  Ints perm = allAxes(tensorType(x).getRank());
  if (toFront)
    std::rotate(perm.begin() + 1, perm.end() - 1, perm.end());
  else
    std::rotate(perm.begin() + 1, perm.begin() + 2, perm.end());
  return n.create<TransposeOp>(x, perm, StringAttr());
}

/// A pooling op on [N, C, spatial...], whatever the order of the node.
template <typename Fn> LogicalResult pooled(Node &n, Fn pool) {
  if (n.rank(0) < 3)
    return n.error() << "input of rank " << n.rank(0) << "; pooling needs batch, channels and spatial dimensions";
  bool last = n.integer("channels_last", 0);
  Value x = last ? channelsMoved(n, real(n, 0), true) : real(n, 0);
  if (n.hasFailed() || !x)
    return failure();
  Value y = pool(x);
  return coded(n, last ? channelsMoved(n, y, false) : y, 3, 4, 0);
}

LogicalResult importAveragePool(Node &n) {
  return pooled(n, [&](Value x) {
    WindowAttrs w = readWindow(n, spatialSizes(n, x));
    if (!w.openPads.empty()) {
      n.error() << "auto_pad depends on sizes that are only known at run time; bind them with --dim, or write the pads out";
      return Value();
    }
    return n.create<PoolOp>(PoolKind::avg, x, w.kernel, w.strides, w.pads, w.dilations,
                            bool(n.integer("ceil_mode", 0)), bool(n.integer("count_include_pad", 0)), int64_t(2),
                            n.name());
  });
}

LogicalResult importGlobalAveragePool(Node &n) {
  return pooled(n, [&](Value x) {
    Ints axes = allAxes(tensorType(x).getRank());
    return n.create<ReduceOp>(ReduceKind::mean, x, ArrayRef(axes).drop_front(2), /*keepdims=*/true, n.name());
  });
}

LogicalResult importReduceMean(Node &n) {
  Ints axes = n.hasAttr("axes") ? n.axes(n.integers("axes"), n.rank(0)) : allAxes(n.rank(0));
  bool keepdims = n.integer("keepdims", 1);
  Value x = real(n, 0);
  return coded(n, n.create<ReduceOp>(ReduceKind::mean, x, axes, keepdims, n.name()), 3, 4, 0);
}

/// Before version 13 of Softmax everything from the axis on is one dimension.
LogicalResult importSoftmax(Node &n) {
  int64_t opset = n.integer("opset", 13), axis = n.axis(n.integer("axis", opset < 13 ? 1 : -1), n.rank(0));
  Value x = real(n, 0);
  if (n.hasFailed() || !x)
    return failure();
  nn::Sizes shape = n.sizes(0);
  ArrayRef<nn::SizeExpr> all(shape);
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  if (opset >= 13)
    return coded(n, n.create<SoftmaxOp>(x, axis, false, n.name()), 3, 4, 0);
  Value flat = n.reshapeTo(x, {table.product(all.take_front(size_t(axis))), table.product(all.drop_front(size_t(axis)))});
  return coded(n, n.reshapeTo(n.create<SoftmaxOp>(flat, int64_t(1), false, n.name()), shape), 3, 4, 0);
}

constexpr Rule kRules[] = {
    {"QLinearAdd", 1, 2, 8, importAdd, "com.microsoft"},
    {"QLinearMul", 1, 2, 8, importMul, "com.microsoft"},
    {"QLinearSigmoid", 1, 2, 5, importSigmoid, "com.microsoft"},
    {"QLinearLeakyRelu", 1, 2, 5, importLeakyRelu, "com.microsoft"},
    {"QLinearConcat", 1, 2, -1, importConcat, "com.microsoft"},
    {"QLinearWhere", 1, 9, 9, importWhere, "com.microsoft"},
    {"QLinearAveragePool", 1, 2, 5, importAveragePool, "com.microsoft"},
    {"QLinearGlobalAveragePool", 1, 2, 5, importGlobalAveragePool, "com.microsoft"},
    {"QLinearReduceMean", 1, 2, 5, importReduceMean, "com.microsoft"},
    {"QLinearSoftmax", 1, 2, 5, importSoftmax, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> qlinearElementwiseRules() { return kRules; }

} // namespace tern::importer
