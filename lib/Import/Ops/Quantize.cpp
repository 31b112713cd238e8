// QuantizeLinear and DequantizeLinear -> tern.quantize, tern.bundle, tern.dequantize.
#include "dialects/Tern/IR/Tern.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;

namespace tern::importer {
namespace {

Element codeElement(int32_t dataType, MLIRContext *context) {
  switch (dataType) {
  case INT2:
    return Element::si(2);
  case INT4:
    return Element::si(4);
  case INT8:
    return Element::si(8);
  case INT16:
    return Element::si(16);
  case INT32:
    return Element::si(32);
  case UINT2:
    return Element::ui(2);
  case UINT4:
    return Element::ui(4);
  case UINT8:
    return Element::ui(8);
  case UINT16:
    return Element::ui(16);
  default:
    return elementOf(elementType(dataType, context)).value_or(Element::si(64)); // no format has si64
  }
}

/// The blocks that scale and zero point of a node have: none (one value), a channel each, or blocks along an axis.
std::vector<int64_t> readBlocks(Node &n) {
  ArrayRef<int64_t> shape = n.type(0).getShape(), scale = n.type(1).getShape();
  int64_t rank = int64_t(shape.size());
  if (n.type(1).getNumElements() == 1 && scale.size() <= 1)
    return {};
  int64_t axis = n.axis(n.integer("axis", 1), rank);
  if (n.hasFailed())
    return {};
  std::vector<int64_t> block(shape.size(), kWhole);
  if (scale.size() == 1) {
    if (scale[0] != shape[size_t(axis)])
      n.error() << "scale has " << scale[0] << " entries, axis " << axis << " of the tensor has "
                << shape[size_t(axis)];
    block[size_t(axis)] = 1;
    return block;
  }
  int64_t size = n.integer("block_size", 0);
  bool fits = size > 0 && scale.size() == shape.size();
  for (size_t i = 0; fits && i < shape.size(); i++)
    fits = scale[i] == (int64_t(i) == axis ? (shape[i] + size - 1) / size : shape[i]);
  if (!fits && !n.hasFailed())
    n.error() << "scale of type " << n.type(1) << " does not fit " << n.type(0) << " with axis " << axis
              << " and block_size " << size << "; it has one value, one a channel, or one a block";
  block.assign(shape.size(), 1);
  block[size_t(axis)] = size;
  return block;
}

/// The elements of a constant as bit patterns.
SmallVector<int32_t> constantCodes(const Known &known, MLIRContext *context) {
  DenseElementsAttr attr = known.attr ? known.attr : toAttribute(*known.data, context);
  SmallVector<int32_t> codes;
  if (isa<IntegerType>(attr.getElementType())) {
    for (const APInt &v : attr.getValues<APInt>())
      codes.push_back(int32_t(v.getZExtValue()));
  } else {
    for (const APFloat &v : attr.getValues<APFloat>())
      codes.push_back(int32_t(v.bitcastToAPInt().getZExtValue()));
  }
  return codes;
}

bool isZero(const Known &known) {
  if (known.value)
    return false;
  return known.attr ? llvm::all_of(known.attr.getRawData(), [](char c) { return c == 0; })
                    : llvm::all_of(known.data->bytes.data, [](char c) { return c == 0; });
}

/// An input as a plane of codes: signless, below 8 bits packed along the last axis. Null when it is computed below 8
/// bits.
Value planeOf(Node &n, int input, unsigned bits, RankedTensorType type) {
  const Known &known = *n.known(input);
  MLIRContext *context = n.importer.context;
  if (known.value && isa<QuantType>(known.value.getType())) {
    SmallVector<RankedTensorType> types = cast<QuantType>(known.value.getType()).getPlaneTypes();
    SmallVector<Type> planes(types.begin(), types.end());
    return UnbundleOp::create(n.builder(), n.loc(), planes, known.value).getPlanes().front();
  }
  if (known.value && (bits < 8 || !isa<IntegerType>(n.type(input).getElementType())))
    return {};
  if (known.value || bits >= 8) {
    if (known.data && isWeight(*known.data))
      return n.importer.loadWeight(n.inputName(input), *known.data, type, n.loc());
    if (!known.value) {
      DenseElementsAttr attr = n.importer.constantOf(known);
      return n.constantValue(DenseElementsAttr::getFromRawBuffer(type, attr.getRawData()));
    }
    Value value = n.operand(input);
    auto from = tensorType(value);
    if (from.getElementType() != type.getElementType()) // integers of one width: no bit changes
      value = n.createTyped<nn::CastOp>(from.clone(type.getElementType()), value, StringAttr());
    return value.getType() == type ? value : n.reshape(value, type.getShape());
  }
  // ONNX packs the whole tensor, a plane every row: the same bytes when rows end at byte borders.
  ArrayRef<int64_t> shape = n.type(input).getShape();
  int64_t last = shape.empty() ? 1 : shape.back();
  TensorData packed;
  packed.type = findDataType(INT8);
  packed.shape.assign(type.getShape().begin(), type.getShape().end());
  packed.elements = type.getNumElements();
  bool aligned = known.data && last * int64_t(bits) % 8 == 0 && type.getShape().size() == shape.size();
  if (aligned) {
    packed.bytes = known.data->bytes;
  } else {
    SmallVector<int32_t> codes = constantCodes(known, context);
    int64_t row = type.getRank() == 0 ? 1 : type.getShape().back();
    auto bytes = std::make_shared<std::vector<uint8_t>>(size_t(packed.elements));
    // Rows of the plane; a scale-like input may have another shape than its plane, with the same elements.
    int64_t rows = row == 0 ? 0 : packed.elements / row, width = rows == 0 ? 0 : int64_t(codes.size()) / rows;
    for (int64_t r = 0; r < rows; r++)
      packCodes(int(bits), width, codes.data() + r * width, bytes->data() + r * row);
    packed.bytes = {{reinterpret_cast<const char *>(bytes->data()), bytes->size()}, bytes};
  }
  if (isWeight(packed))
    return n.importer.loadWeight(n.inputName(input), packed, type, n.loc());
  return n.constantValue(DenseElementsAttr::getFromRawBuffer(type, packed.bytes.data));
}

/// The scale input under the shape of its plane.
Value scalePlane(Node &n, RankedTensorType type) {
  const Known &known = *n.known(1);
  if (known.data && isWeight(*known.data))
    return n.importer.loadWeight(n.inputName(1), *known.data, type, n.loc());
  if (!known.value)
    return n.constantValue(n.importer.constantOf(known).reshape(type));
  Value value = n.operand(1);
  return value.getType() == type ? value : n.reshape(value, type.getShape());
}

/// What the parameters of a node say: the quantized type and its planes without the codes.
struct Parameters {
  QuantType type;
  SmallVector<Value> planes;
  std::string reason; ///< why the node has to be kept; else empty
};

Parameters readParameters(Node &n, const Element &element, Type expressed) {
  Parameters result;
  std::vector<int64_t> block = readBlocks(n);
  if (n.hasFailed())
    return result;
  std::optional<Element> scale = elementOf(n.type(1).getElementType());
  if (!scale || !(scale->isFloat() || scale->kind == ElementKind::E8M0)) {
    result.reason = "its scale has no type of a format";
    return result;
  }
  bool hasZero = n.hasInput(2) && !isZero(*n.known(2));
  if (n.hasInput(2) && n.type(2).getShape() != n.type(1).getShape() &&
      !(block.empty() && n.type(2).getNumElements() == 1)) {
    n.error() << "zero point of type " << n.type(2) << " and scale of type " << n.type(1) << " have different shapes";
    return result;
  }
  if (hasZero && !element.isInteger()) {
    result.reason = "its zero point is a float";
    return result;
  }
  Format format;
  format.elem = element;
  format.planes.push_back({Role::Scale, *scale, block});
  if (hasZero)
    format.planes.push_back({Role::Zero, element, block});
  ArrayRef<int64_t> shape = n.type(0).getShape();
  if (std::string error = verify(format, Span<const int64_t>(shape.data(), shape.size())); !error.empty()) {
    result.reason = error;
    return result;
  }
  result.type = QuantType::get(RankedTensorType::get(shape, expressed), FormatAttr::get(n.importer.context, format));
  SmallVector<RankedTensorType> types(result.type.getPlaneTypes());
  result.planes.push_back(scalePlane(n, types[1]));
  if (hasZero)
    result.planes.push_back(planeOf(n, 2, element.bits, types[2]));
  if (llvm::is_contained(result.planes, Value()) && !n.hasFailed())
    result.reason = "its zero point is computed";
  return result;
}

LogicalResult importQuantize(Node &n) {
  int32_t dataType = UINT8;
  if (n.hasInput(2))
    dataType = dataTypeOf(n.type(2).getElementType());
  else if (int64_t given = n.integer("output_dtype", 0))
    dataType = int32_t(given);
  Element element = codeElement(dataType, n.importer.context);
  if (!verify(element).empty())
    return n.keep("its codes have no type of a format");
  if (!n.integer("saturate", 1) && !element.isInteger())
    return n.keep("it does not saturate");
  if (int64_t precision = n.integer("precision", 0); precision != 0 && precision != FLOAT)
    return n.keep("it divides in another precision than float");
  Value x = n.operand(0);
  if (x && isa<IntegerType>(n.type(0).getElementType()))
    x = n.createTyped<nn::CastOp>(n.type(0).clone(n.builder().getF32Type()), x, StringAttr());
  if (!x)
    return failure();
  Parameters p = readParameters(n, element, tensorType(x).getElementType());
  if (n.hasFailed())
    return failure();
  if (!p.reason.empty())
    return n.keep(p.reason);
  return n.result(n.createTyped<QuantizeOp>(p.type, x, p.planes, EncodeAttr(), StringAttr(), n.name()));
}

/// Whether two values are the same computation; constants, loads and casts are made anew for every use.
bool isSame(Value a, Value b) {
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (a == b || !x || !y)
    return a == b;
  return isa<arith::ConstantOp, ml_program::GlobalLoadConstOp, nn::CastOp, nn::ReshapeOp>(x) &&
         x->getName() == y->getName() && a.getType() == b.getType() &&
         x->getPropertiesAsAttribute() == y->getPropertiesAsAttribute() &&
         llvm::equal(x->getOperands(), y->getOperands(), isSame);
}

/// The quantized value itself, when the input is one of this type and with these planes.
Value quantizedInput(Node &n, const Parameters &p) {
  Value q = n.known(0)->value;
  auto op = q && q.getType() == p.type ? q.getDefiningOp<QuantizeOp>() : QuantizeOp();
  return op && llvm::equal(op.getPlanes(), p.planes, isSame) ? q : Value();
}

LogicalResult importDequantize(Node &n) {
  Type codes = n.type(0).getElementType(), expressed = n.type(1).getElementType();
  Element element = codeElement(dataTypeOf(codes), n.importer.context);
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
  Parameters p = readParameters(n, element, expressed);
  if (n.hasFailed())
    return failure();
  if (!p.reason.empty())
    return n.keep(p.reason);
  Value q = quantizedInput(n, p);
  if (!q) {
    Value plane = planeOf(n, 0, element.bits, p.type.getPlaneTypes()[0]);
    if (!plane)
      return n.hasFailed() ? failure() : n.keep("its codes are computed and have less than 8 bits or are floats");
    SmallVector<Value> planes{plane};
    planes.append(p.planes);
    q = n.createTyped<BundleOp>(p.type, planes);
  }
  Value y = n.createTyped<DequantizeOp>(p.type.getExpressedTensor(), q, n.name());
  if (y && wanted != expressed)
    y = n.createTyped<nn::CastOp>(n.type(0).clone(wanted), y, StringAttr());
  return n.result(y);
}

constexpr Rule kRules[] = {
    {"QuantizeLinear", 10, 2, 3, importQuantize},
    {"DequantizeLinear", 10, 2, 3, importDequantize},
    {"QuantizeLinear", 1, 2, 3, importQuantize, "com.microsoft"},
    {"DequantizeLinear", 1, 2, 3, importDequantize, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> quantizeRules() { return kRules; }

} // namespace tern::importer
