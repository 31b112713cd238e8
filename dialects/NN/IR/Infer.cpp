//===- Infer.cpp - what type inference and verifiers of nn share ----------===//
#include "dialects/NN/IR/Infer.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern::nn {

std::string shapeString(ArrayRef<int64_t> shape) {
  if (shape.empty())
    return "scalar";
  return llvm::join(
      llvm::map_range(shape, [](int64_t n) { return ShapedType::isDynamic(n) ? "?" : std::to_string(n); }), "x");
}

LogicalResult Check::floats(Type element, StringRef what) const { // nn_n3
  if (isa<FloatType>(element))
    return success();
  return fail(what, " has element type ", element, "; this op computes on floats (cast first)");
}

LogicalResult Check::numbers(Type element, StringRef what) const { // nn_n3
  if (isNumber(element))
    return success();
  return fail(what, " has element type ", element,
              "; this op computes on floats and integers of more than one bit (cast first)");
}

LogicalResult Check::same(Type a, Type b, StringRef what) const { // nn_n3
  if (a == b)
    return success();
  return fail(what, " have element types ", a, " and ", b, "; they must be one type (cast one of them)");
}

LogicalResult Check::broadcast(ArrayRef<RankedTensorType> types, SmallVectorImpl<int64_t> &shape) const { // nn_n4
  SmallVector<ArrayRef<int64_t>> shapes;
  for (RankedTensorType type : types)
    shapes.push_back(type.getShape());
  std::optional<SmallVector<int64_t>> sum = broadcastShapes(shapes);
  if (!sum)
    return fail("shapes ", llvm::join(llvm::map_range(shapes, shapeString), " and "),
                " do not broadcast: aligned at the last dimension, sizes must be equal or 1");
  shape.assign(sum->begin(), sum->end());
  return success();
}

LogicalResult Check::axis(int64_t axis, int64_t rank) const { // nn_n9
  if (axis >= 0 && axis < rank)
    return success();
  return fail("axis ", axis, " is outside 0..", rank - 1, " of a tensor of rank ", rank);
}

LogicalResult Check::perAxis(ArrayRef<int64_t> values, int64_t rank, StringRef what) const { // nn_n9
  if (int64_t(values.size()) == rank)
    return success();
  return fail(what, " has ", values.size(), " entries; a tensor of rank ", rank, " has ", rank, ": one an axis");
}

LogicalResult Check::scalars(Type element) const { // nn_n3
  if (element.isIntOrFloat())
    return success();
  return fail("element type ", element, " is no number; nn computes on tensors of integers and floats");
}

LogicalResult Check::result(ArrayRef<int64_t> shape, Type element, SmallVectorImpl<Type> &types) const { // nn_n20
  if (failed(scalars(element)))
    return failure();
  std::optional<int64_t> count = countElements(shape);
  int64_t bits;
  if (!count || (*count > 0 && llvm::MulOverflow(*count, int64_t(element.getIntOrFloatBitWidth()), bits)))
    return fail("result of shape ", shapeString(shape), " is larger than 2^63 bits");
  types.push_back(RankedTensorType::get(shape, element));
  return success();
}

} // namespace tern::nn
