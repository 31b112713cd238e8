// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear -> tern.quantize, tern.bundle, tern.dequantize.
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// Scale and zero point of a node as QuantizeLinear has them; the blocks of both are the same.
struct Linear {
  ArrayRef<int64_t> shape;
  Block block;

  explicit Linear(Node &n) : shape(n.type(0).getShape()), block(readBlocks(n, shape, n.type(1).getShape())) {
    if (n.hasFailed() || !n.hasInput(2) || n.type(2).getShape() == n.type(1).getShape())
      return;
    if (!block.empty() || n.type(2).getNumElements() != 1)
      n.error() << "zero point of type " << n.type(2) << " and scale of type " << n.type(1)
                << " have different shapes";
  }
  Parameters read(Node &n, const Element &element, Type expressed) const {
    return readParameters(n, shape, element, expressed, {1, block}, {2, block});
  }
  /// A parameter as floats that broadcast to the tensor.
  Value spreadTo(Node &n, int input, Type element) const {
    return spread(n, castTo(n, n.operand(input), element), block, n.sizes(0));
  }
};

/// QuantizeLinear in single ops, for what no format says: small floats that overflow, zero points computed below 8
/// bits. The division is one of `precision`.
LogicalResult quantizeInOps(Node &n, const Linear &linear, Type codes, Type precision, bool overflow) {
  Type f32 = n.builder().getF32Type();
  Value y = binary(n, BinaryKind::div, castTo(n, n.operand(0), precision), linear.spreadTo(n, 1, precision));
  if (isa<FloatType>(codes)) {
    if (!y)
      return failure();
    return n.result(n.createTyped<CastOp>(tensorType(y).clone(codes), castTo(n, y, f32), n.name(), overflow));
  }
  y = castTo(n, n.create<UnaryOp>(UnaryKind::round, y, FloatAttr(), FloatAttr(), StringAttr()), f32);
  if (n.hasInput(2))
    y = binary(n, BinaryKind::add, y, linear.spreadTo(n, 2, f32));
  Element element = codeElement(codes);
  FloatAttr low = n.builder().getF64FloatAttr(double(element.minCode())),
            high = n.builder().getF64FloatAttr(double(element.maxCode()));
  return n.result(castTo(n, n.create<ClipOp>(y, low, high, StringAttr()), codes, n.name()));
}

LogicalResult importQuantize(Node &n) {
  int32_t dataType = UINT8;
  int64_t given = n.integer("output_dtype", 0);
  if (n.hasInput(2))
    dataType = dataTypeOf(n.type(2).getElementType());
  else if (given)
    dataType = int32_t(given);
  if (given && given != dataType)
    return n.error() << "output_dtype is " << given << ", the zero point has type " << n.type(2).getElementType();
  MLIRContext *context = n.importer.context;
  Element element = codeElement(dataType, context);
  if (!verify(element).empty())
    return n.keep("its codes have no type of a format");
  Type f32 = n.builder().getF32Type(), precision = f32;
  if (int64_t number = n.integer("precision", 0))
    precision = elementType(int32_t(number), context);
  if (!isa_and_present<FloatType>(precision))
    return n.error() << "precision is " << n.integer("precision", 0) << "; it is a float type";
  Linear linear(n);
  if (n.hasFailed())
    return failure();
  Type codes = elementType(dataType, context);
  bool overflow = !n.integer("saturate", 1) && !element.isInteger();
  if (overflow || precision != f32)
    return quantizeInOps(n, linear, codes, precision, overflow);
  Type expressed = n.type(0).getElementType();
  if (!isa<FloatType>(expressed) || expressed.isF64())
    expressed = f32;
  Parameters p = linear.read(n, element, expressed);
  if (n.hasFailed())
    return failure();
  if (p)
    return n.result(quantize(n, n.operand(0), p, n.name()));
  bool isComputed = n.known(1)->value || (n.hasInput(2) && n.known(2)->value);
  return isComputed ? quantizeInOps(n, linear, codes, f32, false) : n.keep(p.reason);
}

/// DequantizeLinear in single ops: (x - zero) * scale in f32.
LogicalResult dequantizeInOps(Node &n, const Linear &linear, Type wanted) {
  Type f32 = n.builder().getF32Type();
  Value y = castTo(n, n.operand(0), f32);
  if (n.hasInput(2) && isa<IntegerType>(n.type(2).getElementType()))
    y = binary(n, BinaryKind::sub, y, linear.spreadTo(n, 2, f32));
  bool last = wanted == f32;
  y = binary(n, BinaryKind::mul, y, linear.spreadTo(n, 1, f32), last ? n.name() : StringAttr());
  return n.result(castTo(n, y, wanted, n.name()));
}

LogicalResult importDequantize(Node &n) {
  Type codes = n.type(0).getElementType(), expressed = n.type(1).getElementType();
  Element element = codeElement(codes);
  if (!verify(element).empty())
    return n.keep("its codes have no type of a format");
  Type wanted = expressed;
  if (int64_t given = n.integer("output_dtype", 0))
    wanted = elementType(int32_t(given), n.importer.context);
  if (!isa_and_present<FloatType>(wanted))
    return n.keep("its result is no float");
  if (isa<Float8E8M0FNUType>(expressed))
    expressed = wanted == expressed ? Type(n.builder().getF32Type()) : wanted;
  if (n.hasInput(2) && n.type(2).getElementType() != codes)
    return n.error() << "zero point of type " << n.type(2) << " for codes of type " << codes;
  Linear linear(n);
  Parameters p = linear.read(n, element, expressed);
  if (n.hasFailed())
    return failure();
  bool isComputed = n.known(0)->value || n.known(1)->value || (n.hasInput(2) && n.known(2)->value);
  if (!p)
    return isComputed ? dequantizeInOps(n, linear, wanted) : n.keep(p.reason);
  Value q = quantOperand(n, 0, p);
  if (!q)
    return n.hasFailed() ? failure() : dequantizeInOps(n, linear, wanted);
  bool last = wanted == expressed;
  return n.result(castTo(n, dequantize(n, q, last ? n.name() : StringAttr()), wanted, n.name()));
}

LogicalResult importDynamicQuantize(Node &n) {
  Value q = quantizeDynamic(n, n.operand(0), n.name());
  if (failed(n.result(q)))
    return failure();
  if (!n.isOutputUsed(1) && !n.isOutputUsed(2))
    return success();
  SmallVector<Value> planes = unbundle(n, q);
  Value zero = castTo(n, planes[2], IntegerType::get(n.importer.context, 8, IntegerType::Unsigned));
  return success(succeeded(n.result(planes[1], 1)) && succeeded(n.result(zero, 2)));
}

constexpr Rule kRules[] = {
    {"QuantizeLinear", 10, 2, 3, importQuantize},
    {"DequantizeLinear", 10, 2, 3, importDequantize},
    {"DynamicQuantizeLinear", 11, 1, 1, importDynamicQuantize},
    {"QuantizeLinear", 1, 2, 3, importQuantize, "com.microsoft"},
    {"DequantizeLinear", 1, 2, 3, importDequantize, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> quantizeRules() { return kRules; }

} // namespace tern::importer
