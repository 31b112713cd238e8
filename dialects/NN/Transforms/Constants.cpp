//===- Constants.cpp - constant operands of nn ops ------------------------===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/IR/Shapes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tern::nn {

ml_program::GlobalOp globalOf(Value value) {
  auto load = value.getDefiningOp<ml_program::GlobalLoadConstOp>();
  if (!load)
    return {};
  return SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobalAttr());
}

ElementsAttr constantOf(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    return dyn_cast<ElementsAttr>(constant.getValue());
  ml_program::GlobalOp global = globalOf(value);
  if (!global || global.getIsMutable() || !global.getValue())
    return {};
  return dyn_cast<ElementsAttr>(*global.getValue());
}

/// Reads element `index` of raw little-endian bytes; nullopt: a type without numbers.
static std::optional<double> readElement(Type type, const char *bytes) {
  auto load = [&](auto x) {
    std::memcpy(&x, bytes, sizeof x);
    return x;
  };
  if (auto floating = dyn_cast<FloatType>(type)) {
    unsigned width = floating.getWidth();
    if (width > 64)
      return std::nullopt;
    uint64_t bits = 0;
    std::memcpy(&bits, bytes, llvm::divideCeil(width, 8u));
    APFloat value(floating.getFloatSemantics(), APInt(width, bits));
    bool lossy;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
    return value.convertToDouble();
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
  switch (llvm::divideCeil(integer.getWidth(), 8u)) {
  case 1:
    return isUnsigned ? double(load(uint8_t())) : double(load(int8_t()));
  case 2:
    return isUnsigned ? double(load(uint16_t())) : double(load(int16_t()));
  case 4:
    return isUnsigned ? double(load(uint32_t())) : double(load(int32_t()));
  case 8:
    return isUnsigned ? double(load(uint64_t())) : double(load(int64_t()));
  default:
    return std::nullopt;
  }
}

std::optional<std::vector<double>> numbersOf(Value value, int64_t limit) {
  ElementsAttr attr = constantOf(value);
  if (!attr || attr.getNumElements() > limit)
    return std::nullopt;
  Type type = attr.getElementType();
  std::vector<double> numbers;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    int64_t size = elementBytes(type);
    if (!blob || int64_t(blob->getData().size()) != size * attr.getNumElements())
      return std::nullopt;
    for (int64_t i = 0; i < attr.getNumElements(); ++i) {
      std::optional<double> number = readElement(type, blob->getData().data() + i * size);
      if (!number)
        return std::nullopt;
      numbers.push_back(*number);
    }
    return numbers;
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense)
    return std::nullopt;
  if (isa<FloatType>(type)) {
    for (APFloat number : dense.getValues<APFloat>()) {
      bool lossy;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      numbers.push_back(number.convertToDouble());
    }
    return numbers;
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() > 64)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
  for (const APInt &number : dense.getValues<APInt>())
    numbers.push_back(isUnsigned ? double(number.getZExtValue()) : double(number.getSExtValue()));
  return numbers;
}

std::optional<double> scalarOf(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || !type.hasStaticShape() || type.getNumElements() != 1 || !isa<FloatType>(type.getElementType()))
    return std::nullopt;
  std::optional<std::vector<double>> numbers = numbersOf(value, 1);
  return numbers ? std::optional<double>(numbers->front()) : std::nullopt;
}

bool ConstantExpressions::contains(Value value) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  Operation *op = value.getDefiningOp();
  bool result = false;
  if (op && isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
    result = true;
  else if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && !type.hasStaticShape())
    result = false; // a part whose size is only known at run time
  else if (op && op->getNumRegions() == 0 && op->getNumOperands() > 0 && isPure(op))
    result = llvm::all_of(op->getOperands(), [&](Value operand) { return contains(operand); });
  known[value] = result;
  return result;
}

bool isConstantExpression(Value value) { return ConstantExpressions().contains(value); }

std::optional<int64_t> broadcastAxis(ArrayRef<int64_t> shape, int64_t rank) {
  int64_t axis = -1;
  if (int64_t(shape.size()) > rank)
    return std::nullopt;
  for (auto [index, size] : llvm::enumerate(shape)) {
    if (size == 1)
      continue;
    if (axis >= 0)
      return std::nullopt;
    axis = rank - int64_t(shape.size()) + int64_t(index);
  }
  return axis;
}

Value reshapeTo(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getShape() == shape)
    return value;
  return ReshapeOp::create(builder, loc, type.clone(shape), value, StringAttr());
}

Value scalarConstant(OpBuilder &builder, Location loc, double value) {
  auto type = RankedTensorType::get({}, builder.getF32Type());
  return arith::ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, float(value)));
}

StringRef nameOf(Operation *op) {
  auto name = op->getAttrOfType<StringAttr>("name");
  return name ? name.getValue() : StringRef();
}

} // namespace tern::nn
