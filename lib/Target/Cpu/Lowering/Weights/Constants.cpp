//===- Constants.cpp - reading constant operands of kernels ----------------===//
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Formats/Numeric.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;

namespace tern::cpu {

ElementsAttr constantOf(Value value) {
  if (auto constant = value.getDefiningOp<arith::ConstantOp>())
    return dyn_cast<ElementsAttr>(constant.getValue());
  if (auto load = value.getDefiningOp<ml_program::GlobalLoadConstOp>()) {
    auto global = SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(load, load.getGlobalAttr());
    if (global && global.getValue())
      return dyn_cast<ElementsAttr>(*global.getValue());
  }
  return {};
}

std::optional<ArrayRef<char>> rawBytes(ElementsAttr attr) {
  auto type = cast<RankedTensorType>(attr.getType());
  size_t size = type.getNumElements() * (type.getElementTypeBitWidth() / 8);
  ArrayRef<char> bytes;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
      bytes = blob->getData();
  } else if (auto dense = dyn_cast<DenseElementsAttr>(attr); dense && !dense.isSplat()) {
    bytes = dense.getRawData();
  }
  if (type.getElementTypeBitWidth() % 8 || bytes.size() != size || !size)
    return std::nullopt;
  return bytes;
}

std::optional<std::vector<char>> bytesOfConstant(ElementsAttr attr) {
  auto type = cast<RankedTensorType>(attr.getType());
  unsigned bits = type.getElementTypeBitWidth();
  size_t width = bits == 1 ? 1 : bits / 8, count = type.getNumElements();
  std::vector<char> bytes(count * width);
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || blob->getData().size() != bytes.size())
      return std::nullopt;
    std::copy(blob->getData().begin(), blob->getData().end(), bytes.begin());
    return bytes;
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense)
    return std::nullopt;
  if (bits == 1) {
    for (auto [index, value] : llvm::enumerate(dense.getValues<bool>()))
      bytes[index] = value;
    return bytes;
  }
  ArrayRef<char> raw = dense.getRawData();
  if (dense.isSplat()) {
    for (size_t i = 0; i < count; ++i)
      std::copy_n(raw.begin(), width, bytes.begin() + i * width);
    return bytes;
  }
  std::copy(raw.begin(), raw.end(), bytes.begin());
  return bytes;
}

template <typename T> static void widen(const std::vector<char> &bytes, std::vector<double> &numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    T element;
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof(T));
    numbers[i] = double(element);
  }
}

std::optional<std::vector<double>> numbersOf(ElementsAttr attr, bool asUnsigned) {
  std::optional<std::vector<char>> bytes = bytesOfConstant(attr);
  if (!bytes)
    return std::nullopt;
  auto type = cast<RankedTensorType>(attr.getType());
  std::vector<double> numbers(type.getNumElements());
  Type element = type.getElementType();
  if (element.isF32())
    widen<float>(*bytes, numbers);
  else if (element.isF64())
    widen<double>(*bytes, numbers);
  else if (element.isF16() || element.isBF16())
    for (size_t i = 0; i < numbers.size(); ++i) {
      uint16_t half;
      std::memcpy(&half, bytes->data() + 2 * i, 2);
      numbers[i] = element.isF16() ? f16ToF32(half) : bf16ToF32(half);
    }
  else if (auto integer = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = integer.isUnsigned() || (integer.isSignless() && asUnsigned);
    switch (integer.getWidth()) {
    case 1:
      widen<uint8_t>(*bytes, numbers);
      break;
    case 8:
      isUnsigned ? widen<uint8_t>(*bytes, numbers) : widen<int8_t>(*bytes, numbers);
      break;
    case 16:
      isUnsigned ? widen<uint16_t>(*bytes, numbers) : widen<int16_t>(*bytes, numbers);
      break;
    case 32:
      isUnsigned ? widen<uint32_t>(*bytes, numbers) : widen<int32_t>(*bytes, numbers);
      break;
    case 64:
      widen<int64_t>(*bytes, numbers);
      break;
    default:
      return std::nullopt;
    }
  } else {
    return std::nullopt;
  }
  return numbers;
}

} // namespace tern::cpu
