//===- Attributes.cpp - tensors from and to attributes --------------------===//
#include "lib/Reference/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tern::reference {

static bool isAligned(ArrayRef<char> bytes, int64_t alignment) {
  return reinterpret_cast<uintptr_t>(bytes.data()) % alignment == 0;
}

/// Borrows aligned bytes, copies others.
static Tensor view(RankedTensorType type, ArrayRef<char> bytes) {
  if (isAligned(bytes, nn::elementBytes(type.getElementType())))
    return Tensor::borrow(type, bytes);
  return Tensor::of<char>(type, bytes);
}

static FailureOr<Tensor> fromDense(RankedTensorType type, DenseElementsAttr attr) {
  Type element = type.getElementType();
  // Whole bytes lie in the attribute as in a tensor; i1 may be packed, so it is read by value.
  if (element.getIntOrFloatBitWidth() % 8 == 0 && !attr.isSplat())
    return view(type, attr.getRawData());
  if (!isa<IntegerType>(element) || element.getIntOrFloatBitWidth() % 8 == 0) {
    Tensor result(type);
    int64_t size = result.elementSize();
    ArrayRef<char> raw = attr.getRawData();
    MutableArrayRef<char> to = result.mutableData();
    for (int64_t i = 0, e = result.size(); i < e; ++i)
      std::copy_n(raw.data() + (attr.isSplat() ? 0 : i * size), size, to.data() + i * size);
    return result;
  }
  std::vector<int64_t> values;
  for (APInt value : attr.getValues<APInt>())
    values.push_back(isUnsigned(element) ? int64_t(value.getZExtValue()) : value.getSExtValue());
  return fromIntegers(type, values);
}

FailureOr<Tensor> fromAttr(ElementsAttr attr, function_ref<InFlightDiagnostic()> emitError) {
  auto type = dyn_cast<RankedTensorType>(attr.getType());
  if (!type || !type.hasStaticShape() || !isa<IntegerType, FloatType>(type.getElementType()))
    return emitError() << "cannot evaluate a constant of type " << attr.getType() << "; it must be a tensor of numbers",
           failure();
  if (auto dense = dyn_cast<DenseElementsAttr>(attr))
    return fromDense(type, dense);
  auto resource = dyn_cast<DenseResourceElementsAttr>(attr);
  if (!resource)
    return emitError() << "cannot evaluate a constant that is neither dense nor a dense resource", failure();
  AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  if (!blob)
    return emitError() << "resource \"" << resource.getRawHandle().getKey() << "\" has no data", failure();
  int64_t expected = type.getNumElements() * nn::elementBytes(type.getElementType());
  if (int64_t(blob->getData().size()) != expected)
    return emitError() << "resource \"" << resource.getRawHandle().getKey() << "\" has " << blob->getData().size()
                       << " bytes; " << type << " has " << expected,
           failure();
  return view(type, blob->getData());
}

DenseElementsAttr toAttr(const Tensor &tensor) {
  Type element = tensor.getElementType();
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits % 8 == 0 || isa<FloatType>(element))
    return DenseElementsAttr::getFromRawBuffer(tensor.getType(), tensor.bytes());
  std::vector<APInt> values;
  for (int64_t value : toIntegers(tensor))
    values.push_back(APInt(bits, uint64_t(value) & ((1u << bits) - 1)));
  return DenseElementsAttr::get(tensor.getType(), values);
}

} // namespace tern::reference
