//===- Planes.cpp - parameters of quantized values ------------------------===//
#include "dialects/Tern/Transforms/Planes.h"
#include "dialects/NN/Transforms/Constants.h"

using namespace mlir;

namespace tern {

SmallVector<Value> knownPlanes(Value q) {
  Operation *op = q.getDefiningOp();
  if (auto quantize = dyn_cast_or_null<QuantizeOp>(op))
    return quantize.getPlanes();
  if (auto bundle = dyn_cast_or_null<BundleOp>(op))
    return llvm::to_vector(bundle.getPlanes().drop_front());
  if (auto requantize = dyn_cast_or_null<RequantizeOp>(op)) {
    SmallVector<Value> planes{requantize.getScale()};
    if (requantize.getZero())
      planes.push_back(requantize.getZero());
    return planes;
  }
  return {};
}

SmallVector<Value> planesOf(OpBuilder &builder, Value q) {
  SmallVector<Value> planes = knownPlanes(q);
  if (!planes.empty())
    return planes;
  SmallVector<Type> types(llvm::map_range(cast<QuantType>(q.getType()).getPlaneTypes(),
                                          [](RankedTensorType type) -> Type { return type; }));
  return llvm::to_vector(ValueRange(UnbundleOp::create(builder, q.getLoc(), types, q).getPlanes()).drop_front());
}

bool isPerTensor(QuantType type) {
  Format format = type.getFormat().getFormat();
  return format.elem.isInteger() && format.elem.bits == 8 && !format.planes.empty() && !type.getLayout() &&
         llvm::all_of(format.planes, [](const Plane &plane) {
           return plane.block.empty() && (plane.role == Role::Scale || plane.role == Role::Zero);
         });
}

std::optional<ScaleZero> constantScale(Value q) {
  auto type = cast<QuantType>(q.getType());
  if (!isPerTensor(type))
    return std::nullopt;
  SmallVector<Value> planes = knownPlanes(q);
  Format format = type.getFormat().getFormat();
  ScaleZero result;
  for (auto [plane, value] : llvm::zip(format.planes, planes)) {
    std::optional<std::vector<double>> number = nn::numbersOf(value, 1);
    if (!number || number->size() != 1)
      return std::nullopt;
    if (plane.role == Role::Scale)
      result.scale *= float(number->front());
    else
      // The plane is signless: unsigned codes are read as such.
      result.zero = plane.type.hasSignedCodes() ? int64_t(number->front())
                                                : int64_t(number->front()) & ((int64_t(1) << plane.type.bits) - 1);
  }
  return planes.empty() ? std::nullopt : std::optional<ScaleZero>(result);
}

} // namespace tern
