#include "lib/Import/Ops/Quantized.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer::quantized {

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
Element codeElement(Type element) { return codeElement(dataTypeOf(element), element.getContext()); }

//===-- blocks ----------------------------------------------------------------===//
Block readBlocks(Node &n, ArrayRef<int64_t> shape, ArrayRef<int64_t> scale) {
  int64_t rank = int64_t(shape.size());
  if (ShapedType::getNumElements(scale) == 1 && scale.size() <= 1)
    return {};
  int64_t axis = n.axis(n.integer("axis", 1), rank);
  if (n.hasFailed())
    return {};
  Block block(shape.size(), kWhole);
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
  if (!fits && !n.hasFailed()) {
    auto diag = n.error() << "scale of shape [";
    llvm::interleaveComma(scale, diag);
    diag << "] does not fit " << n.type(0) << " with axis " << axis << " and block_size " << size
         << "; it has one value, one a channel, or one a block";
  }
  block.assign(shape.size(), 1);
  block[size_t(axis)] = size;
  return block;
}

std::optional<Block> broadcastBlock(ArrayRef<int64_t> parameter, ArrayRef<int64_t> shape) {
  if (ShapedType::getNumElements(parameter) == 1)
    return Block();
  if (parameter.size() > shape.size())
    return std::nullopt;
  Block block(shape.size(), kWhole);
  for (size_t i = 0; i < parameter.size(); i++) {
    size_t at = shape.size() - parameter.size() + i;
    if (parameter[i] != 1 && parameter[i] != shape[at])
      return std::nullopt;
    if (parameter[i] == shape[at])
      block[at] = 1;
  }
  return block;
}

SmallVector<int64_t> planeShape(ArrayRef<int64_t> shape, ArrayRef<int64_t> block) {
  SmallVector<int64_t> result;
  for (auto [size, extent] : llvm::zip(shape, block))
    result.push_back(extent == kWhole ? 1 : llvm::divideCeil(size, extent));
  return result;
}

//===-- planes ----------------------------------------------------------------===//
/// The elements of a constant as bit patterns.
static SmallVector<int32_t> constantCodes(const Known &known, MLIRContext *context) {
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

static bool isZero(const Known &known) {
  if (known.value)
    return false;
  return known.attr ? llvm::all_of(known.attr.getRawData(), [](char c) { return c == 0; })
                    : llvm::all_of(known.data->bytes.data, [](char c) { return c == 0; });
}

SmallVector<Value> unbundle(Node &n, Value quant) {
  if (n.hasFailed() || !quant)
    return {};
  SmallVector<RankedTensorType> types = cast<QuantType>(quant.getType()).getPlaneTypes();
  SmallVector<Type> planes(types.begin(), types.end());
  return llvm::to_vector(ValueRange(UnbundleOp::create(n.builder(), n.loc(), planes, quant).getPlanes()));
}

/// The value under the shape of a plane: they differ in dimensions of one element.
static Value underShape(Node &n, Value value, RankedTensorType type) {
  if (n.hasFailed() || !value || value.getType() == type)
    return value;
  nn::Sizes open = n.importer.sizeAnalysis.shapeOf(value), shape;
  llvm::erase_if(open, [](nn::SizeExpr size) { return size && size.constant(); });
  const nn::SizeExpr *next = open.begin();
  for (int64_t size : type.getShape())
    shape.push_back(!ShapedType::isDynamic(size) ? n.importer.sizeAnalysis.table.constant(size)
                    : next == open.end()         ? nn::SizeExpr()
                                                 : *next++);
  return n.reshapeTo(value, shape);
}

Value planeOf(Node &n, int input, unsigned bits, RankedTensorType type) {
  const Known &known = *n.known(input);
  MLIRContext *context = n.importer.context;
  if (known.value && isa<QuantType>(known.value.getType())) {
    Value codes = unbundle(n, known.value).front();
    return codes.getType() == type || bits >= 8 ? underShape(n, codes, type) : Value();
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
      value = n.createTyped<CastOp>(from.clone(type.getElementType()), value, StringAttr());
    return underShape(n, value, type);
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

Value bytesPlane(Node &n, int input, RankedTensorType type, int64_t stored) {
  if (n.hasFailed())
    return {};
  const Known &known = *n.known(input);
  int64_t rows = type.getShape().front(), used = type.getShape().back();
  if (known.value || (known.attr && known.attr.isSplat())) {
    Value value = n.operand(input);
    if (stored)
      value = n.create<SliceOp>(n.reshape(value, {rows, stored}), Ints{0, 0}, Ints{rows, used}, Ints{1, 1}, StringAttr());
    return n.reshape(castTo(n, value, type.getElementType()), type.getShape());
  }
  ArrayRef<char> bytes = known.data ? ArrayRef<char>(known.data->bytes.data) : known.attr.getRawData();
  std::string name = n.inputName(input).str();
  TensorData data;
  if (stored) {
    std::vector<uint8_t> taken;
    for (int64_t row = 0; row < rows; row++)
      taken.insert(taken.end(), bytes.begin() + row * stored, bytes.begin() + row * stored + used);
    data = ownTensor<uint8_t>(UINT8, type.getShape(), taken);
    name += ".codes";
  } else {
    data.type = findDataType(UINT8);
    data.shape.assign(type.getShape().begin(), type.getShape().end());
    data.elements = type.getNumElements();
    data.bytes = known.data ? known.data->bytes : Bytes{bytes, nullptr};
  }
  if (known.data && isWeight(data))
    return n.importer.loadWeight(name, data, type, n.loc());
  return n.constantValue(DenseElementsAttr::getFromRawBuffer(type, data.bytes.data));
}

Value constantPlane(Node &n, ArrayRef<int32_t> codes, unsigned bits, RankedTensorType type) {
  int64_t bytes = type.getElementTypeBitWidth() / 8, row = (type.getRank() == 0 ? 1 : type.getShape().back()) * bytes;
  std::vector<char> data(size_t(type.getNumElements() * bytes));
  int64_t rows = row == 0 ? 0 : int64_t(data.size()) / row, width = rows == 0 ? 0 : int64_t(codes.size()) / rows;
  for (int64_t r = 0; r < rows; r++)
    packCodes(int(bits), width, codes.data() + r * width, reinterpret_cast<uint8_t *>(data.data()) + r * row);
  return n.constantValue(DenseElementsAttr::getFromRawBuffer(type, data));
}

/// An input under the shape of its plane.
static Value scalePlane(Node &n, int input, RankedTensorType type) {
  if (input < 0) {
    auto f32 = cast<FloatType>(type.getElementType());
    return n.constantValue(DenseElementsAttr::get(type, n.builder().getFloatAttr(f32, 1)));
  }
  const Known &known = *n.known(input);
  if (isa<IntegerType>(n.type(input).getElementType()))
    return underShape(n, castTo(n, n.operand(input), type.getElementType()), type);
  if (known.data && isWeight(*known.data))
    return n.importer.loadWeight(n.inputName(input), *known.data, type, n.loc());
  if (!known.value)
    return n.constantValue(DenseElementsAttr::getFromRawBuffer(type, n.importer.constantOf(known).getRawData()));
  if (n.type(input).getElementType() != type.getElementType())
    return {}; // codes of powers of two that are computed
  return underShape(n, n.operand(input), type);
}

Parameters Parameters::like(ArrayRef<int64_t> shape) const {
  Parameters result = *this;
  result.type = QuantType::get(RankedTensorType::get(shape, type.getExpressed()), type.getFormat());
  return result;
}

Parameters readParameters(Node &n, ArrayRef<int64_t> shape, const Element &element, Type expressed, PlaneInput scale,
                          PlaneInput zero) {
  Parameters result;
  if (n.hasFailed())
    return result;
  if (!verify(element).empty()) {
    result.reason = "its codes have no type of a format";
    return result;
  }
  scale.input = n.hasInput(scale.input) ? scale.input : -1;
  bool integerScale = scale.input >= 0 && isa<IntegerType>(n.type(scale.input).getElementType());
  std::optional<Element> scaleType =
      scale.input < 0 || integerScale ? Element::f32() : elementOf(n.type(scale.input).getElementType());
  if (!scaleType || !(scaleType->isFloat() || scaleType->kind == ElementKind::E8M0)) {
    result.reason = "its scale has no type of a format";
    return result;
  }
  bool hasZero = n.hasInput(zero.input) && !isZero(*n.known(zero.input));
  // A float zero point only says what the codes are; ONNX wants it to be 0.
  if (hasZero && !element.isInteger() && n.known(zero.input)->value)
    hasZero = false;
  if (hasZero && !element.isInteger()) {
    result.reason = "its zero point is a float";
    return result;
  }
  Format format;
  format.elem = element;
  format.planes.push_back({Role::Scale, *scaleType, scale.block});
  if (hasZero)
    format.planes.push_back({Role::Zero, element, zero.block});
  if (std::string error = verify(format, Span<const int64_t>(shape.data(), shape.size())); !error.empty()) {
    result.reason = error;
    return result;
  }
  result.type = QuantType::get(RankedTensorType::get(shape, expressed), FormatAttr::get(n.importer.context, format));
  SmallVector<RankedTensorType> types(result.type.getPlaneTypes());
  result.planes.push_back(scalePlane(n, scale.input, types[1]));
  if (hasZero)
    result.planes.push_back(planeOf(n, zero.input, element.bits, types[2]));
  if (llvm::is_contained(result.planes, Value()) && !n.hasFailed())
    result.reason = "its scale or zero point is computed";
  return result;
}

//===-- quantized values --------------------------------------------------------===//
/// Without casts between integers of one width, which change no bit, and reshapes of one number.
static Value strip(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<CastOp, ReshapeOp>(op))
      break;
    auto from = dyn_cast<IntegerType>(tensorType(op->getOperand(0)).getElementType());
    auto to = dyn_cast<IntegerType>(tensorType(value).getElementType());
    bool sameBits = isa<ReshapeOp>(op) ? tensorType(value).getNumElements() == 1
                                       : from && to && from.getWidth() == to.getWidth();
    if (!sameBits)
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// Whether two values are the same computation; constants, loads, casts and planes are made anew for every use.
static bool isSame(Value a, Value b) {
  a = strip(a), b = strip(b);
  Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
  if (a == b || !x || !y)
    return a == b;
  if (auto one = dyn_cast<arith::ConstantOp>(x), other = dyn_cast<arith::ConstantOp>(y); one && other) {
    auto p = dyn_cast<DenseElementsAttr>(one.getValue()), q = dyn_cast<DenseElementsAttr>(other.getValue());
    return p && q && p.getNumElements() == q.getNumElements() && p.getRawData() == q.getRawData() &&
           p.getElementType().getIntOrFloatBitWidth() == q.getElementType().getIntOrFloatBitWidth();
  }
  return isa<ml_program::GlobalLoadConstOp, CastOp, ReshapeOp, UnbundleOp>(x) && x->getName() == y->getName() &&
         a.getType() == b.getType() && cast<OpResult>(a).getResultNumber() == cast<OpResult>(b).getResultNumber() &&
         x->getPropertiesAsAttribute() == y->getPropertiesAsAttribute() &&
         llvm::equal(x->getOperands(), y->getOperands(), isSame);
}

/// Whether `value` is plane `index` (codes are 0) of a quantized value.
static bool isPlane(Value value, Value quant, size_t index) {
  value = strip(value);
  auto open = value.getDefiningOp<UnbundleOp>();
  if (open && open.getQ() == quant)
    return cast<OpResult>(value).getResultNumber() == index;
  Operation *op = quant.getDefiningOp();
  if (auto op = quant.getDefiningOp<QuantizeOp>())
    return !op.getPlanes().empty() && isSame(op.getPlanes()[index - 1], value);
  if (auto bundle = dyn_cast_or_null<BundleOp>(op))
    return isSame(bundle.getPlanes()[index], value);
  if (auto op = quant.getDefiningOp<RequantizeOp>()) {
    Value plane = index == 1 ? op.getScale() : op.getZero();
    return plane && isSame(plane, value);
  }
  return false;
}

/// Whether two values are the planes of one role, of a whole tensor.
static bool sameZero(const Parameters &p, Value quant) {
  Format want = p.type.getFormat().getFormat(), have = cast<QuantType>(quant.getType()).getFormat().getFormat();
  auto isWholeTensor = [](const Plane &plane) {
    return plane.block.empty() && (plane.role == Role::Scale || plane.role == Role::Zero);
  };
  if (want.elem != have.elem || !llvm::all_of(have.planes, isWholeTensor))
    return false;
  const Plane *wanted = want.find(Role::Zero), *given = have.find(Role::Zero);
  if (!wanted || !given)
    return !wanted && !given;
  size_t at = size_t(given - have.planes.data()) + 1;
  return isPlane(p.planes[size_t(wanted - want.planes.data())], quant, at);
}

Value bundle(Node &n, QuantType type, ArrayRef<Value> planes) {
  return n.hasFailed() ? Value() : n.createTyped<BundleOp>(type, ValueRange(planes));
}

Value quantOperand(Node &n, int input, const Parameters &p, bool ignoreScale) {
  if (n.hasFailed())
    return {};
  Value q = n.known(input)->value;
  if (q && isa<QuantType>(q.getType()) && cast<QuantType>(q.getType()).getShape() == p.type.getShape()) {
    auto same = [&](auto indexed) { return isPlane(indexed.value(), q, indexed.index() + 1); };
    if (q.getType() == p.type && llvm::all_of(llvm::enumerate(p.planes), same))
      return q;
    if (ignoreScale && sameZero(p, q))
      return q;
  }
  SmallVector<Value> planes{planeOf(n, input, p.type.getFormat().getFormat().elem.bits, p.type.getPlaneTypes()[0])};
  if (!planes.front())
    return {};
  planes.append(p.planes);
  return bundle(n, p.type, planes);
}

Value dequantize(Node &n, Value quant, StringAttr name) {
  if (n.hasFailed() || !quant)
    return {};
  return n.createTyped<DequantizeOp>(cast<QuantType>(quant.getType()).getExpressedTensor(), quant, name);
}

Value quantize(Node &n, Value x, const Parameters &p, StringAttr name, EncodeAttr by) {
  if (n.hasFailed() || !x)
    return {};
  return n.createTyped<QuantizeOp>(p.type, castTo(n, x, p.type.getExpressed()), p.planes, by, StringAttr(), name);
}

Value quantizeDynamic(Node &n, Value x, StringAttr name) {
  if (n.hasFailed() || !x)
    return {};
  Format format;
  format.elem = Element::ui(8);
  format.planes = {{Role::Scale, Element::f32(), {}}, {Role::Zero, Element::ui(8), {}}};
  MLIRContext *context = n.importer.context;
  x = castTo(n, x, n.builder().getF32Type());
  return n.createTyped<QuantizeOp>(QuantType::get(tensorType(x), FormatAttr::get(context, format)), x, ValueRange(),
                                   EncodeAttr::get(context, Encode(tern::Rule::Minmax, 0, 255)), StringAttr(), name);
}

//===-- arithmetic --------------------------------------------------------------===//
Value castTo(Node &n, Value x, Type element, StringAttr name) {
  if (n.hasFailed() || !x || tensorType(x).getElementType() == element)
    return x;
  return n.createTyped<CastOp>(tensorType(x).clone(element), x, name);
}

Value asFloat(Node &n, int input) { return castTo(n, n.operand(input), n.builder().getF32Type()); }

Value binary(Node &n, BinaryKind kind, Value a, Value b, StringAttr name) {
  return a && b ? n.create<BinaryOp>(kind, a, b, name) : Value();
}

nn::Sizes planeSizes(Node &n, const nn::Sizes &shape, ArrayRef<int64_t> block) {
  nn::Sizes result;
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  for (auto [size, extent] : llvm::zip(shape, block))
    result.push_back(extent == kWhole ? table.constant(1) : table.ceilDiv(size, table.constant(extent)));
  return result;
}

Value spread(Node &n, Value parameter, ArrayRef<int64_t> block, const nn::Sizes &shape) {
  if (n.hasFailed() || !parameter)
    return {};
  if (block.empty())
    return n.reshape(parameter, {});
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  nn::Sizes now = planeSizes(n, shape, block);
  parameter = n.reshapeTo(parameter, now);
  for (size_t i = 0; i < shape.size() && !n.hasFailed(); i++) {
    int64_t size = block[i];
    if (size == kWhole || size == 1)
      continue;
    nn::Sizes apart(now), repeated(now);
    apart.insert(apart.begin() + i + 1, table.constant(1));
    parameter = n.reshapeTo(parameter, apart);
    apart[i + 1] = table.constant(size);
    parameter = n.expandTo(parameter, apart);
    repeated[i] = table.mul(repeated[i], table.constant(size));
    parameter = n.reshapeTo(parameter, repeated);
    now[i] = shape[i];
    if (repeated[i] != shape[i])
      parameter = n.sliceTo(parameter, nn::Sizes(shape.size(), table.constant(0)), now, Ints(shape.size(), 1), StringAttr());
  }
  return parameter;
}

} // namespace tern::importer::quantized
