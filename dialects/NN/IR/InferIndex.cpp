//===- InferIndex.cpp - arg_reduce, topk, cumulate, gathers and scatters ------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

/// nn_n16
static LogicalResult verifyIndices(const Check &check, RankedTensorType indices) {
  auto type = dyn_cast<IntegerType>(indices.getElementType());
  if (type && type.getWidth() >= 8)
    return success();
  return check.fail("indices have element type ", indices.getElementType(),
                    "; they must be integers of at least 8 bits");
}

LogicalResult ArgReduceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<ArgReduceOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  int64_t axis = op.getAxis();
  if (failed(check.numbers(x.getElementType(), "x")) || failed(check.axis(axis, x.getRank())))
    return failure();
  if (x.getDimSize(axis) == 0) // nn_n24
    return check.fail("axis ", axis, " has no elements, so none is the ", stringifyArgKind(op.getKind()));
  SmallVector<int64_t> shape(x.getShape());
  if (op.getKeepdims())
    shape[axis] = 1;
  else
    shape.erase(shape.begin() + axis);
  return check.result(shape, IntegerType::get(context, 64), types);
}

LogicalResult TopkOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  Check check = Check::of<TopkOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  int64_t axis = op.getAxis(), k = op.getK();
  if (failed(check.numbers(x.getElementType(), "x")) || failed(check.axis(axis, x.getRank())))
    return failure();
  int64_t size = x.getDimSize(axis);
  if (k < 0 || (!ShapedType::isDynamic(size) && k > size)) // nn_n24
    return check.fail("k is ", k, "; axis ", axis, " has ", shapeString(size), " elements to choose from");
  SmallVector<int64_t> shape(x.getShape());
  shape[axis] = k;
  if (failed(check.result(shape, x.getElementType(), types)))
    return failure();
  return check.result(shape, IntegerType::get(context, 64), types);
}

LogicalResult CumulateOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op, SmallVectorImpl<Type> &types) {
  Check check = Check::of<CumulateOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.numbers(x.getElementType(), "x")) || failed(check.axis(op.getAxis(), x.getRank())))
    return failure();
  return check.result(x.getShape(), x.getElementType(), types);
}

/// nn_n25: indices of an elements op have the rank of x, and fit it along the other axes.
static LogicalResult verifyElements(const Check &check, RankedTensorType x, RankedTensorType indices, int64_t axis) {
  if (failed(verifyIndices(check, indices)))
    return failure();
  if (indices.getRank() != x.getRank())
    return check.fail("x has rank ", x.getRank(), ", indices ", indices.getRank(), "; they must have one rank");
  if (failed(check.axis(axis, x.getRank())))
    return failure();
  for (int64_t d = 0; d < x.getRank(); ++d)
    if (d != axis && differ(indices.getDimSize(d), x.getDimSize(d)) && indices.getDimSize(d) > x.getDimSize(d))
      return check.fail("indices have shape ", shapeString(indices.getShape()), "; outside axis ", axis,
                        " at most the sizes of x are allowed, ", shapeString(x.getShape()));
  return success();
}

LogicalResult GatherElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                                 SmallVectorImpl<Type> &types) {
  Check check = Check::of<GatherElementsOp>(loc);
  RankedTensorType x = typeOf(op.getX()), indices = typeOf(op.getIndices());
  if (failed(verifyElements(check, x, indices, op.getAxis())))
    return failure();
  return check.result(indices.getShape(), x.getElementType(), types);
}

/// nn_n3, nn_n25: updates have x's element type, a scatter that combines numbers.
static LogicalResult verifyUpdates(const Check &check, RankedTensorType x, RankedTensorType updates,
                                   ArrayRef<int64_t> shape, ScatterMode mode) {
  if (failed(check.same(x.getElementType(), updates.getElementType(), "x and updates")))
    return failure();
  if (mode != ScatterMode::replace && failed(check.numbers(x.getElementType(), "x")))
    return failure();
  bool agrees = updates.getRank() == int64_t(shape.size());
  for (int64_t d = 0; agrees && d < updates.getRank(); ++d)
    agrees = !differ(updates.getDimSize(d), shape[d]);
  if (!agrees)
    return check.fail("updates have shape ", shapeString(updates.getShape()), "; x and indices ask for ",
                      shapeString(shape));
  return success();
}

LogicalResult ScatterElementsOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                                  SmallVectorImpl<Type> &types) {
  Check check = Check::of<ScatterElementsOp>(loc);
  RankedTensorType x = typeOf(op.getX()), indices = typeOf(op.getIndices());
  if (failed(verifyElements(check, x, indices, op.getAxis())) ||
      failed(verifyUpdates(check, x, typeOf(op.getUpdates()), indices.getShape(), op.getMode())))
    return failure();
  return check.result(x.getShape(), x.getElementType(), types);
}

/// nn_n25: k index columns and `batch` leading dimensions address x. Gives the shape of what they address:
/// [indices without its last dimension, the block].
static LogicalResult addressedShape(const Check &check, RankedTensorType x, RankedTensorType indices, int64_t batch,
                                    SmallVectorImpl<int64_t> &shape) {
  if (failed(verifyIndices(check, indices)))
    return failure();
  if (batch < 0 || batch >= std::max<int64_t>(std::min(x.getRank(), indices.getRank()), 1))
    return check.fail("batch_dims is ", batch, "; x has rank ", x.getRank(), " and indices ", indices.getRank());
  if (indices.getRank() < 1)
    return check.fail("indices are a scalar; their last dimension holds index tuples");
  int64_t k = indices.getShape().back();
  if (ShapedType::isDynamic(k))
    return check.fail("the last dimension of indices is not known; the rank of the result depends on it");
  if (k > x.getRank() - batch)
    return check.fail("indices name ", k, " dimensions; x has ", x.getRank() - batch, " of them");
  for (int64_t d = 0; d < batch; ++d)
    if (differ(x.getDimSize(d), indices.getDimSize(d)))
      return check.fail("batch dimension ", d, " has ", x.getDimSize(d), " elements in x and ", indices.getDimSize(d),
                        " in indices");
  shape.assign(indices.getShape().begin(), indices.getShape().end() - 1);
  for (int64_t d = 0; d < batch; ++d)
    if (ShapedType::isDynamic(shape[d]))
      shape[d] = x.getDimSize(d);
  llvm::append_range(shape, x.getShape().drop_front(batch + k));
  return success();
}

LogicalResult GatherNdOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                           SmallVectorImpl<Type> &types) {
  Check check = Check::of<GatherNdOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  SmallVector<int64_t> shape;
  if (failed(addressedShape(check, x, typeOf(op.getIndices()), op.getBatchDims(), shape)))
    return failure();
  return check.result(shape, x.getElementType(), types);
}

LogicalResult ScatterNdOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<ScatterNdOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  SmallVector<int64_t> shape;
  if (failed(addressedShape(check, x, typeOf(op.getIndices()), 0, shape)) ||
      failed(verifyUpdates(check, x, typeOf(op.getUpdates()), shape, op.getMode())))
    return failure();
  return check.result(x.getShape(), x.getElementType(), types);
}
