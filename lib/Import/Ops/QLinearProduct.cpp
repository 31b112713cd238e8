// Products on codes: MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv, QGemm and their relatives.
// Their accumulators are integers by definition, so they are tern.matmul and tern.conv at once; the rounding of the QLinear
// ops is tern.requantize, sat(zero + round(accumulator * (s_x * s_w / s_y))), as every runtime computes it.
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"
#include "lib/Import/Ops/Window.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// Inputs that are one quantized tensor; -1: absent.
struct Operand {
  int codes, scale, zero;
};

bool hasByteCodes(Node &n, int input) {
  Element element = codeElement(n.type(input).getElementType());
  return element.isInteger() && element.bits == 8;
}

//===-- matrix products -----------------------------------------------------------===//
/// A matrix operand as the node holds it; vectors are a row on the left, a column on the right.
class Matrix {
public:
  /// `reducedLast`: the last dimension is summed over, else the one before.
  Matrix(Node &n, Operand operand, bool isRight, bool reducedLast)
      : operand(operand), isRight(isRight), reducedLast(reducedLast), shape(n.type(operand.codes).getShape()),
        sizes(n.sizes(operand.codes)) {
    isVector = shape.size() == 1;
    if (isVector) {
      shape.insert(isRight ? shape.end() : shape.begin(), 1);
      sizes.insert(isRight ? sizes.end() : sizes.begin(), n.importer.sizeAnalysis.table.constant(1));
    }
    if (shape.size() < 2) {
      n.error() << n.opType() << " does not take scalars";
      return;
    }
    parameters = readParameters(n, shape, codeElement(n.type(operand.codes).getElementType()), n.builder().getF32Type(),
                                parameter(n, operand.scale), parameter(n, operand.zero));
  }

  nn::Sizes batch() const { return nn::Sizes(ArrayRef(sizes).drop_back(2)); }
  nn::SizeExpr reduced() const { return sizes[sizes.size() - (reducedLast ? 1 : 2)]; }
  nn::SizeExpr kept() const { return sizes[sizes.size() - (reducedLast ? 2 : 1)]; }

  /// [.., kept, reduced]: rows of x, columns of w.
  Value quant(Node &n) const {
    Value q = quantOperand(n, operand.codes, parameters, /*ignoreScale=*/true);
    return reducedLast ? q : transposed(n, q);
  }

  /// The scale as it broadcasts to a result [.., rows, columns]; f32.
  Value scale(Node &n) const {
    if (n.hasFailed())
      return {};
    if (!n.hasInput(operand.scale))
      return n.scalar(n.builder().getF32Type(), 1);
    Block block = parameters.type.getFormat().getFormat().planes[0].block;
    nn::Sizes entries;
    if (!block.empty()) {
      entries = planeSizes(n, sizes, block);
      if (reducedLast == isRight)
        std::swap(entries[entries.size() - 1], entries[entries.size() - 2]);
    }
    return n.reshapeTo(asFloat(n, operand.scale), entries);
  }

  Parameters parameters;
  bool isVector = false;

private:
  /// One value, one a row or column, or what broadcasts.
  PlaneInput parameter(Node &n, int input) const {
    if (n.hasFailed() || !n.hasInput(input))
      return {};
    SmallVector<int64_t> given(n.type(input).getShape());
    if (given.size() == 1 && given[0] != 1 && reducedLast)
      given.push_back(1);
    std::optional<Block> block = broadcastBlock(given, shape);
    size_t at = shape.size() - (reducedLast ? 1 : 2);
    if (block && !block->empty() && (*block)[at] != kWhole && shape[at] != 1)
      block = std::nullopt;
    if (block)
      return {input, *block};
    n.error() << "a scale or zero point of type " << n.type(input) << " for " << n.type(operand.codes)
              << "; it has one value, or one a " << (isRight ? "column" : "row");
    return {};
  }

  /// The last two sizes of a value in the other order; one of them is 1, so the elements stay in order.
  static Value swapped(Node &n, Value plane) {
    nn::Sizes sizes = n.importer.sizeAnalysis.shapeOf(plane);
    std::swap(sizes[sizes.size() - 1], sizes[sizes.size() - 2]);
    return n.reshapeTo(plane, sizes);
  }

  /// Swaps the last two dimensions of a quantized value.
  static Value transposed(Node &n, Value quant) {
    if (n.hasFailed() || !quant)
      return {};
    auto type = cast<QuantType>(quant.getType());
    size_t rank = type.getShape().size();
    Ints perm = allAxes(int64_t(rank));
    std::swap(perm[rank - 1], perm[rank - 2]);
    Format format = type.getFormat().getFormat();
    SmallVector<int64_t> shape(type.getShape());
    std::swap(shape[rank - 1], shape[rank - 2]);
    for (Plane &plane : format.planes)
      if (!plane.block.empty())
        std::swap(plane.block[rank - 1], plane.block[rank - 2]);
    auto result = QuantType::get(RankedTensorType::get(shape, type.getExpressed()),
                                 FormatAttr::get(n.importer.context, format));
    SmallVector<Value> planes;
    if (auto made = quant.getDefiningOp<BundleOp>())
      planes.append(made.getPlanes().begin(), made.getPlanes().end());
    else
      planes = unbundle(n, quant);
    planes[0] = n.create<TransposeOp>(planes[0], perm, StringAttr());
    SmallVector<RankedTensorType> types = result.getPlaneTypes();
    for (size_t i = 1; i < planes.size(); i++)
      if (planes[i].getType() != types[i])
        planes[i] = swapped(n, planes[i]); // one of the two dimensions is 1
    return bundle(n, result, planes);
  }

  Operand operand;
  bool isRight, reducedLast;
  SmallVector<int64_t> shape;
  nn::Sizes sizes; ///< the same, with expressions for what is open
};

/// The i32 product of two matrices of 8-bit codes.
struct Product {
  Matrix x, w;
  Value acc;

  Product(Node &n, Operand a, Operand b, Value bias = {}, bool transA = false, bool transB = false)
      : x(n, a, false, !transA), w(n, b, true, transB) {
    if (n.hasFailed() || !reason().empty())
      return;
    acc = multiply(n, n.type(a.codes), x.batch(), x.kept(), x.reduced(), x.quant(n), w, n.type(b.codes), bias);
  }

  /// tern.matmul with the shape of the result.
  static Value multiply(Node &n, Type a, const nn::Sizes &batch, nn::SizeExpr rows, nn::SizeExpr k, Value xq, const Matrix &w,
                        Type b, Value bias) {
    nn::SizeAnalysis &analysis = n.importer.sizeAnalysis;
    std::optional<nn::Sizes> shape = analysis.broadcast({batch, w.batch()});
    if (!shape || !analysis.unify(k, w.reduced())) {
      n.error() << "a product of " << a << " and " << b << ": "
                << (shape ? "the inner sizes differ" : "the batches do not broadcast");
      return {};
    }
    shape->append({rows, w.kept()});
    Value wq = w.quant(n);
    if (n.hasFailed() || !xq || !wq)
      return {};
    return n.withSizes(n.createTyped<tern::MatmulOp>(nn::typeOf(*shape, n.builder().getI32Type()), xq, wq, bias, ChoiceAttr(), n.name()),
                       *shape);
  }

  std::string reason() const { return !x.parameters.reason.empty() ? x.parameters.reason : w.parameters.reason; }

  /// Drops the dimensions that vectors do not have.
  Value shaped(Node &n, Value y) const {
    if (n.hasFailed() || !y || (!x.isVector && !w.isVector))
      return y;
    nn::Sizes shape = n.importer.sizeAnalysis.shapeOf(y);
    if (w.isVector)
      shape.pop_back();
    if (x.isVector)
      shape.erase(shape.end() - (w.isVector ? 1 : 2));
    return n.reshapeTo(y, shape);
  }

  /// alpha * s_x * s_w as it broadcasts to the product. f32, from the left.
  Value scale(Node &n, float alpha = 1) const {
    Value s = x.scale(n);
    if (alpha != 1)
      s = binary(n, BinaryKind::mul, n.scalar(n.builder().getF32Type(), alpha), s);
    return binary(n, BinaryKind::mul, s, w.scale(n));
  }
};

/// f32(acc) * scale (+ bias)
Value realOf(Node &n, Value acc, Value scale, int bias, Type element) {
  Value y = binary(n, BinaryKind::mul, castTo(n, acc, n.builder().getF32Type()), scale);
  if (n.hasInput(bias))
    y = binary(n, BinaryKind::add, y, asFloat(n, bias));
  return castTo(n, y, element);
}

/// The codes of a result: parameters of inputs `scale` and `zero`.
Parameters resultParameters(Node &n, ArrayRef<int64_t> shape, int scale, int zero, Type otherwise) {
  if (n.hasFailed())
    return {};
  auto parameter = [&](int input) -> PlaneInput {
    if (!n.hasInput(input))
      return {};
    std::optional<Block> block = broadcastBlock(n.type(input).getShape(), shape);
    if (!block)
      n.error() << "a scale or zero point of type " << n.type(input) << " does not broadcast to the result";
    return {input, block.value_or(Block())};
  };
  Type codes = n.hasInput(zero) ? n.type(zero).getElementType() : otherwise;
  return readParameters(n, shape, codeElement(codes), n.builder().getF32Type(), parameter(scale), parameter(zero));
}

/// sat(zero + round(acc * multiplier)), multiplier = scales / s_y.
Value requantize(Node &n, Value acc, Value scales, int scale, const Parameters &p) {
  if (n.hasFailed() || !acc || !p)
    return {};
  Block block = p.type.getFormat().getFormat().planes[0].block;
  nn::Sizes shape;
  if (!block.empty())
    shape = planeSizes(n, n.importer.sizeAnalysis.shapeOf(acc), block);
  Value multiplier = binary(n, BinaryKind::div, scales, n.reshapeTo(asFloat(n, scale), shape));
  Element element = p.type.getFormat().getFormat().elem;
  if (n.hasFailed())
    return {};
  return n.createTyped<RequantizeOp>(p.type, acc, multiplier, p.planes[0], p.planes.size() > 1 ? p.planes[1] : Value(),
                                     n.builder().getI64IntegerAttr(element.minCode()),
                                     n.builder().getI64IntegerAttr(element.maxCode()), StringAttr());
}

LogicalResult importMatMulInteger(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 1))
    return n.keep("its operands are no 8-bit integers");
  Product p(n, {0, -1, 2}, {1, -1, 3});
  if (!p.acc)
    return n.hasFailed() ? failure() : n.keep(p.reason());
  return n.result(p.shaped(n, p.acc));
}

/// QLinearMatMul(a, s_a, z_a, b, s_b, z_b, s_y, z_y)
LogicalResult importQLinearMatMul(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 3))
    return n.keep("its operands are no 8-bit integers");
  Product p(n, {0, 1, 2}, {3, 4, 5});
  if (!p.acc)
    return n.hasFailed() ? failure() : n.keep(p.reason());
  Value scales = p.scale(n), acc = p.shaped(n, p.acc);
  if (acc != p.acc && scales)
    scales = n.reshape(scales, {}); // a vector has one scale
  if (n.hasFailed())
    return failure();
  Parameters y = resultParameters(n, tensorType(acc).getShape(), 6, 7, n.type(0).getElementType());
  if (n.hasFailed())
    return failure();
  return y ? n.result(requantize(n, acc, scales, 6, y)) : n.keep(y.reason);
}

/// MatMulIntegerToFloat(a, b, s_a, s_b, z_a, z_b, bias)
LogicalResult importMatMulIntegerToFloat(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 1))
    return n.keep("its operands are no 8-bit integers");
  Product p(n, {0, 2, 4}, {1, 3, 5});
  if (!p.acc)
    return n.hasFailed() ? failure() : n.keep(p.reason());
  return n.result(p.shaped(n, realOf(n, p.acc, p.scale(n), 6, n.type(2).getElementType())));
}

/// DynamicQuantizeMatMul(a, b, s_b, z_b, bias): a is quantized at run time as DynamicQuantizeLinear does.
LogicalResult importDynamicQuantizeMatMul(Node &n) {
  if (!hasByteCodes(n, 1))
    return n.keep("its weight is no 8-bit integer");
  if (n.rank(0) < 2 || n.rank(1) < 2)
    return n.error() << "operands of rank " << n.rank(0) << " and " << n.rank(1) << "; both are matrices";
  Matrix w(n, {1, 2, 3}, true, false);
  if (n.hasFailed())
    return failure();
  if (!w.parameters)
    return n.keep(w.parameters.reason);
  nn::Sizes a = n.sizes(0);
  Value q = quantizeDynamic(n, n.operand(0));
  Value acc = Product::multiply(n, n.type(0), nn::Sizes(ArrayRef(a).drop_back(2)), a[a.size() - 2], a.back(), q, w, n.type(1), {});
  if (!acc)
    return failure();
  Value scale = binary(n, BinaryKind::mul, unbundle(n, q)[1], w.scale(n));
  return n.result(realOf(n, acc, scale, 4, n.type(0).getElementType()));
}

/// QGemm(a, s_a, z_a, b, s_b, z_b, c, s_y, z_y): alpha a' b' + c; without s_y the result is float.
LogicalResult importQGemm(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 3))
    return n.keep("its operands are no 8-bit integers");
  if (n.rank(0) != 2 || n.rank(3) != 2)
    return n.error() << "operands of rank " << n.rank(0) << " and " << n.rank(3) << "; QGemm takes matrices";
  bool transA = n.integer("transA", 0), transB = n.integer("transB", 0);
  float alpha = n.real("alpha", 1);
  int64_t columns = n.type(3).getDimSize(transB ? 0 : 1);
  Value c = castTo(n, n.operand(6), n.builder().getI32Type());
  bool isBias = c && tensorType(c).hasStaticShape() && tensorType(c).getRank() >= 1 && tensorType(c).getNumElements() == columns &&
                tensorType(c).getShape().back() == columns;
  Product p(n, {0, 1, 2}, {3, 4, 5}, isBias ? n.reshape(c, {columns}) : Value(), transA, transB);
  if (!p.acc)
    return n.hasFailed() ? failure() : n.keep(p.reason());
  Value acc = c && !isBias ? binary(n, BinaryKind::add, p.acc, c) : p.acc;
  if (n.hasFailed())
    return failure();
  if (acc.getType() != p.acc.getType())
    return n.error() << "C of type " << n.type(6) << " does not broadcast to the product of type " << p.acc.getType();
  if (!n.hasInput(7))
    return n.result(realOf(n, acc, p.scale(n, alpha), -1, n.builder().getF32Type()));
  Parameters y = resultParameters(n, tensorType(acc).getShape(), 7, 8, n.type(0).getElementType());
  if (n.hasFailed())
    return failure();
  return y ? n.result(requantize(n, acc, p.scale(n, alpha), 7, y)) : n.keep(y.reason);
}

//===-- convolutions --------------------------------------------------------------===//
/// The i32 convolution of 8-bit codes.
struct Convolution {
  Value acc;
  std::string reason;

  Convolution(Node &n, Operand x, Operand w, Value bias) {
    ArrayRef<int64_t> xShape = n.type(x.codes).getShape(), wShape = n.type(w.codes).getShape();
    if (xShape.size() < 3 || xShape.size() != wShape.size()) {
      n.error() << "input of rank " << xShape.size() << " and weight of rank " << wShape.size()
                << "; both have batch or output channels, channels, and one to three spatial dimensions";
      return;
    }
    nn::Sizes xSizes = n.sizes(x.codes);
    WindowAttrs attrs = readWindow(n, ArrayRef(xSizes).drop_front(2), wShape.drop_front(2));
    if (!attrs.openPads.empty()) {
      reason = "its auto_pad depends on sizes that are only known at run time";
      return;
    }
    int64_t group = n.integer("group", 1);
    auto perChannel = [&](int input) -> PlaneInput {
      if (!n.hasInput(input) || n.hasFailed())
        return {};
      ArrayRef<int64_t> shape = n.type(input).getShape();
      if (n.type(input).getNumElements() == 1)
        return {input, {}};
      if (shape.size() != 1 || shape[0] != wShape[0])
        n.error() << "a scale or zero point of type " << n.type(input) << " for a weight of " << wShape[0]
                  << " output channels; it has one value, or one a channel";
      Block block(wShape.size(), kWhole);
      block[0] = 1;
      return {input, block};
    };
    auto wholeTensor = [&](int input) -> PlaneInput {
      if (!n.hasInput(input) || n.hasFailed())
        return {};
      if (n.type(input).getNumElements() != 1)
        n.error() << "a scale or zero point of type " << n.type(input) << " for the input of a convolution; it is one value";
      return {input, {}};
    };
    Type f32 = n.builder().getF32Type();
    Parameters xp = readParameters(n, xShape, codeElement(n.type(x.codes).getElementType()), f32, wholeTensor(x.scale),
                                   wholeTensor(x.zero));
    Parameters wp = readParameters(n, wShape, codeElement(n.type(w.codes).getElementType()), f32, perChannel(w.scale),
                                   perChannel(w.zero));
    reason = !xp.reason.empty() ? xp.reason : wp.reason;
    if (n.hasFailed() || !reason.empty())
      return;
    Value xq = quantOperand(n, x.codes, xp, /*ignoreScale=*/true), wq = quantOperand(n, w.codes, wp);
    SmallVector<int64_t> shape{xShape[0], wShape[0]};
    size_t spatial = xShape.size() - 2;
    for (size_t d = 0; d < spatial && !n.hasFailed(); d++) {
      Window window{wShape[d + 2], attrs.strides[d], attrs.dilations[d], attrs.pads[d], attrs.pads[spatial + d]};
      std::optional<int64_t> size = windowCount(xShape[d + 2], window);
      if (!size || (*size < 1 && !ShapedType::isDynamic(*size)))
        n.error() << "the window of " << n.type(w.codes) << " does not fit the padded input " << n.type(x.codes);
      shape.push_back(size.value_or(1));
    }
    if (n.hasFailed() || !xq || !wq)
      return;
    OpBuilder &b = n.builder();
    acc = n.createTyped<tern::ConvOp>(RankedTensorType::get(shape, b.getI32Type()), xq, wq, bias,
                                      b.getDenseI64ArrayAttr(attrs.strides), b.getDenseI64ArrayAttr(attrs.pads),
                                      b.getDenseI64ArrayAttr(attrs.dilations), b.getI64IntegerAttr(group), UnitAttr(),
                                      DenseI64ArrayAttr(), ChoiceAttr(), n.name());
  }
};

/// ConvInteger(x, w, z_x, z_w)
LogicalResult importConvInteger(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 1))
    return n.keep("its operands are no 8-bit integers");
  Convolution c(n, {0, -1, 2}, {1, -1, 3}, {});
  return c.acc ? n.result(c.acc) : n.hasFailed() ? failure() : n.keep(c.reason);
}

/// QLinearConv(x, s_x, z_x, w, s_w, z_w, s_y, z_y, bias): the int32 bias counts in s_x * s_w.
LogicalResult importQLinearConv(Node &n) {
  if (!hasByteCodes(n, 0) || !hasByteCodes(n, 3))
    return n.keep("its operands are no 8-bit integers");
  if (n.integer("channels_last", 0))
    return n.keep("its channels are last");
  Convolution c(n, {0, 1, 2}, {3, 4, 5}, n.operand(8));
  if (!c.acc)
    return n.hasFailed() ? failure() : n.keep(c.reason);
  Parameters y = resultParameters(n, tensorType(c.acc).getShape(), 6, 7, n.type(0).getElementType());
  if (n.hasFailed())
    return failure();
  if (!y)
    return n.keep(y.reason);
  SmallVector<int64_t> perChannel;
  if (n.type(4).getNumElements() != 1) {
    perChannel.assign(size_t(n.rank(0)) - 1, 1);
    perChannel[0] = n.type(4).getNumElements();
  }
  Value scales = binary(n, BinaryKind::mul, n.reshape(asFloat(n, 1), {}), n.reshape(asFloat(n, 4), perChannel));
  return n.result(requantize(n, c.acc, scales, 6, y));
}

constexpr Rule kRules[] = {
    {"MatMulInteger", 10, 2, 4, importMatMulInteger},
    {"ConvInteger", 10, 2, 4, importConvInteger},
    {"QLinearMatMul", 10, 8, 8, importQLinearMatMul},
    {"QLinearConv", 10, 8, 9, importQLinearConv},
    {"QLinearConv", 1, 8, 9, importQLinearConv, "com.microsoft"},
    {"MatMulIntegerToFloat", 1, 4, 7, importMatMulIntegerToFloat, "com.microsoft"},
    {"DynamicQuantizeMatMul", 1, 3, 5, importDynamicQuantizeMatMul, "com.microsoft"},
    {"QGemm", 1, 6, 9, importQGemm, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> qlinearProductRules() { return kRules; }

} // namespace tern::importer
