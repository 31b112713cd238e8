//===- InferNorm.cpp - layer_norm, rms_norm, group_norm -------------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

/// nn_n7: a parameter is of floats and has this shape.
static LogicalResult verifyParameter(const Check &check, Value value, StringRef name, ArrayRef<int64_t> shape,
                                     StringRef why) {
  if (!value)
    return success();
  RankedTensorType type = typeOf(value);
  if (failed(check.floats(type.getElementType(), name)))
    return failure();
  bool agrees = type.getRank() == int64_t(shape.size());
  for (size_t i = 0; agrees && i < shape.size(); ++i)
    agrees = !differ(type.getDimSize(i), shape[i]);
  if (!agrees)
    return check.fail(name, " has shape ", shapeString(type.getShape()), "; it needs ", shapeString(shape), ", ", why);
  return success();
}

static LogicalResult verifyEpsilon(const Check &check, const APFloat &epsilon) { // nn_n23
  if (epsilon.isNegative() || !epsilon.isFinite())
    return check.fail("epsilon is ", epsilon.convertToFloat(), "; it is a finite number of at least 0");
  return success();
}

/// Normalization over the last dimensions.
static LogicalResult inferRows(const Check &check, Value x, Value scale, Value bias, int64_t axis,
                               const APFloat &epsilon, SmallVectorImpl<Type> &types) {
  RankedTensorType type = typeOf(x);
  if (failed(check.floats(type.getElementType(), "x")) || failed(check.axis(axis, type.getRank())) ||
      failed(verifyEpsilon(check, epsilon)))
    return failure();
  ArrayRef<int64_t> row = type.getShape().drop_front(axis);
  StringRef why = "the shape of x from axis on";
  if (failed(verifyParameter(check, scale, "scale", row, why)) || failed(verifyParameter(check, bias, "bias", row, why)))
    return failure();
  return check.result(type.getShape(), type.getElementType(), types);
}

LogicalResult LayerNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  return inferRows(Check::of<LayerNormOp>(loc), op.getX(), op.getScale(), op.getBias(), op.getAxis(), op.getEpsilon(),
                   types);
}

LogicalResult RmsNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                          SmallVectorImpl<Type> &types) {
  return inferRows(Check::of<RmsNormOp>(loc), op.getX(), op.getScale(), Value(), op.getAxis(), op.getEpsilon(), types);
}

LogicalResult GroupNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<GroupNormOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.floats(x.getElementType(), "x")) || failed(verifyEpsilon(check, op.getEpsilon())))
    return failure();
  if (x.getRank() < 2) // nn_n7
    return check.fail("x has rank ", x.getRank(), "; group normalization takes [N, C, ...]");
  int64_t channels = x.getDimSize(1), groups = op.getGroups();
  if (groups < 1 || (!ShapedType::isDynamic(channels) && channels % groups != 0)) // nn_n7
    return check.fail("x has ", shapeString(channels), " channels; they do not divide into ", groups, " groups");
  StringRef why = "one entry for each of the channels";
  if (failed(verifyParameter(check, op.getScale(), "scale", channels, why)) ||
      failed(verifyParameter(check, op.getBias(), "bias", channels, why)))
    return failure();
  return check.result(x.getShape(), x.getElementType(), types);
}
