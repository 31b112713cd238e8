//===- InferReduce.cpp - reduce, softmax, batch_norm ----------------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

LogicalResult ReduceOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<ReduceOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  ReduceKind kind = op.getKind();
  bool floatOnly = kind == ReduceKind::log_sum || kind == ReduceKind::log_sum_exp || kind == ReduceKind::l2;
  if (failed(floatOnly ? check.floats(x.getElementType(), "x") : check.numbers(x.getElementType(), "x")))
    return failure();
  ArrayRef<int64_t> axes = op.getAxes();
  if (axes.empty()) // nn_n9
    return check.fail("axes is empty; name every axis that is reduced");
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (failed(check.axis(axis, x.getRank())))
      return failure();
    if (i > 0 && axes[i - 1] >= axis) // nn_n9
      return check.fail("axes are not ascending: ", axis, " follows ", axes[i - 1]);
  }
  SmallVector<int64_t> shape;
  for (auto [axis, size] : llvm::enumerate(x.getShape())) {
    if (!llvm::is_contained(axes, int64_t(axis)))
      shape.push_back(size);
    else if (op.getKeepdims())
      shape.push_back(1);
  }
  return check.result(shape, x.getElementType(), types);
}

LogicalResult SoftmaxOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                          SmallVectorImpl<Type> &types) {
  Check check = Check::of<SoftmaxOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.floats(x.getElementType(), "x")) || failed(check.axis(op.getAxis(), x.getRank())))
    return failure();
  return check.result(x.getShape(), x.getElementType(), types);
}

LogicalResult BatchNormOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<BatchNormOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.floats(x.getElementType(), "x")))
    return failure();
  if (x.getRank() < 2) // nn_n7
    return check.fail("x has rank ", x.getRank(), "; batch normalization takes [N, C, ...]");
  std::pair<Value, StringRef> operands[] = {
      {op.getScale(), "scale"}, {op.getBias(), "bias"}, {op.getMean(), "mean"}, {op.getVariance(), "variance"}};
  for (auto [value, name] : operands) {
    RankedTensorType type = typeOf(value);
    if (failed(check.floats(type.getElementType(), name)))
      return failure();
    if (type.getRank() != 1 || differ(type.getDimSize(0), x.getDimSize(1))) // nn_n7
      return check.fail(name, " has shape ", shapeString(type.getShape()), "; it needs one entry for each of the ",
                        shapeString(x.getDimSize(1)), " channels");
  }
  return check.result(x.getShape(), x.getElementType(), types);
}
