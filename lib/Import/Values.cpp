// Importer: from what a name stands for to SSA values.
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Import/Importer.h"
#include "mlir/IR/AsmState.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tern::importer {

bool isWeight(const TensorData &data) {
  if (int64_t(data.bytes.data.size()) > kSmallBytes)
    return data.type->bits >= 8; // codes below 8 bits have no blob of their own (docs/FORMATS.md 1.7)
  switch (data.type->number) {
  case INT32:
  case INT64:
  case UINT32:
  case UINT64:
  case BOOL:
  case STRING:
    return false;
  default:
    return data.elements > 16 && data.type->bits >= 8;
  }
}

/// The element type of a quantized tensor as ONNX sees it: signed codes are signless here.
static Type codeType(QuantType type) {
  std::optional<Element> element = elementOf(type.getFormat().getElem());
  Type spelled = element ? typeOf(type.getContext(), *element) : Type();
  if (spelled && spelled.isSignedInteger())
    return IntegerType::get(type.getContext(), spelled.getIntOrFloatBitWidth());
  return spelled;
}

RankedTensorType Importer::typeOf(const Known &known) const {
  if (known.attr)
    return cast<RankedTensorType>(known.attr.getType());
  if (known.data) {
    Type element = elementType(known.data->type->number, context);
    return element ? RankedTensorType::get(known.data->shape, element) : RankedTensorType();
  }
  if (auto quant = dyn_cast<QuantType>(known.value.getType())) {
    Type element = codeType(quant);
    return element ? RankedTensorType::get(quant.getShape(), element) : RankedTensorType();
  }
  return dyn_cast<RankedTensorType>(known.value.getType());
}

DenseElementsAttr Importer::constantOf(const Known &known) const {
  if (known.attr || !known.data || int64_t(known.data->bytes.data.size()) > kSmallBytes)
    return known.attr;
  return toAttribute(*known.data, context);
}

Value Importer::constant(DenseElementsAttr attr, Location loc) { return arith::ConstantOp::create(builder, loc, attr); }

/// The same bytes under another type. Between integers of one width a cast changes no bit.
static Value retype(OpBuilder &builder, Value value, RankedTensorType type, Location loc) {
  auto from = cast<RankedTensorType>(value.getType());
  if (from.getElementType() != type.getElementType())
    value = nn::CastOp::create(builder, loc, from.clone(type.getElementType()), value, StringAttr());
  return value.getType() == type ? value : nn::ReshapeOp::create(builder, loc, type, value, StringAttr());
}

/// Whether the elements are integers in ONNX.
static bool isInteger(const TensorData &data) {
  switch (data.type->number) {
  case UINT8:
  case INT8:
  case UINT16:
  case INT16:
  case INT32:
  case INT64:
  case UINT32:
  case UINT64:
    return true;
  default:
    return false;
  }
}

Attribute Importer::blobAttr(StringRef name, const TensorData &data, RankedTensorType type) {
  if (!type)
    type = RankedTensorType::get(data.shape, elementType(data.type->number, context));
  // The file decides on the alignment; 64 is all that anybody can use.
  uint64_t address = uint64_t(reinterpret_cast<uintptr_t>(data.bytes.data.data())) | 64;
  AsmResourceBlob blob(
      data.bytes.data, size_t(1) << llvm::countr_zero(address), [owner = data.bytes.owner](void *, size_t, size_t) {},
      /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, name, std::move(blob));
}

Value Importer::loadWeight(StringRef name, const TensorData &data, RankedTensorType type, Location loc) {
  // Codes of floats are integers to a plane and floats to everybody else: two globals on the same bytes.
  bool isCode = isa<IntegerType>(type.getElementType()) && data.type->number != BOOL && !isInteger(data);
  ml_program::GlobalOp &global = globals[isCode ? (name + ".codes").str() : name.str()];
  if (!global) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function);
    Attribute value = typesOnly ? Attribute(builder.getZeroAttr(type)) : blobAttr(name, data, type);
    std::string symbol = isCode                          ? (name + ".codes").str()
                         : name == function.getSymName() ? (name + ".w").str()
                                                         : name.str();
    global = ml_program::GlobalOp::create(builder, NameLoc::get(builder.getStringAttr(name)), symbol, type,
                                          /*is_mutable=*/false, value, builder.getStringAttr("private"));
  }
  auto symbol = FlatSymbolRefAttr::get(context, global.getSymName());
  return retype(builder, ml_program::GlobalLoadConstOp::create(builder, loc, global.getType(), symbol), type, loc);
}

/// The codes of a quantized value as a tensor of the ONNX type.
static Value codesOf(OpBuilder &builder, Value quant, RankedTensorType type, Location loc) {
  auto q = cast<QuantType>(quant.getType());
  SmallVector<RankedTensorType> types = q.getPlaneTypes();
  SmallVector<Type> planes(types.begin(), types.end());
  Value codes = UnbundleOp::create(builder, loc, planes, quant).getPlanes().front();
  // A target may store signed bytes in another way (the CPU adds 128): only numbers leave a quantized value.
  bool isStored = type.getElementTypeBitWidth() % 8 == 0 && isa<IntegerType>(type.getElementType()) &&
                  !type.getElementType().isSignlessInteger(8);
  if (isStored)
    return retype(builder, codes, type, loc);
  // Signed bytes, packed codes, codes of a float type: the numbers that they stand for under scale 1.
  auto f32 = builder.getF32Type();
  auto planeAttr = PlaneAttr::get(builder.getContext(), PlaneRole::scale, f32, {});
  auto format = FormatAttr::get(builder.getContext(), q.getFormat().getElem(), planeAttr);
  auto real = RankedTensorType::get(type.getShape(), f32);
  Value one = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(RankedTensorType::get({}, f32), 1.0f));
  Value bundle = BundleOp::create(builder, loc, QuantType::get(real, format), ValueRange{codes, one});
  Value numbers = DequantizeOp::create(builder, loc, real, bundle, StringAttr());
  return nn::CastOp::create(builder, loc, type, numbers, StringAttr());
}

Value Importer::materialize(StringRef name, Location loc) {
  const Known *known = find(name);
  if (!known)
    return {};
  if (known->value) {
    RankedTensorType type = typeOf(*known);
    return isa<QuantType>(known->value.getType()) && type ? codesOf(builder, known->value, type, loc) : known->value;
  }
  if (known->attr)
    return constant(known->attr, loc);
  const TensorData &data = *known->data;
  if (data.type->number == STRING)
    return {};
  if (isWeight(data))
    return loadWeight(name, data, typeOf(*known), loc);
  return constant(toAttribute(data, context), loc);
}

} // namespace tern::importer
