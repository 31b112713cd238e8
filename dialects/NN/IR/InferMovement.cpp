//===- InferMovement.cpp - ops that move elements, and shape, range -------===//
#include "dialects/NN/IR/Infer.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

LogicalResult ReshapeOp::verify() {
  RankedTensorType x = getX().getType(), result = getResult().getType();
  Check check(getLoc(), getOperationName());
  if (failed(check.scalars(x.getElementType())))
    return failure();
  if (failed(check.same(x.getElementType(), result.getElementType(), "x and the result")))
    return failure();
  std::optional<int64_t> from = countElements(x.getShape()), to = countElements(result.getShape());
  if (!from || !to || differ(*from, *to)) // nn_n10
    return check.fail("shape ", shapeString(x.getShape()), " has ", from ? *from : -1, " elements, result shape ",
                      shapeString(result.getShape()), " has ", to ? *to : -1);
  return success();
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                            SmallVectorImpl<Type> &types) {
  Check check = Check::of<TransposeOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  ArrayRef<int64_t> perm = op.getPerm();
  if (failed(check.perAxis(perm, x.getRank(), "perm")))
    return failure();
  SmallVector<int64_t> shape;
  llvm::BitVector seen(x.getRank());
  for (int64_t axis : perm) {
    if (failed(check.axis(axis, x.getRank())))
      return failure();
    if (seen.test(axis)) // nn_n11
      return check.fail("perm names axis ", axis, " twice");
    seen.set(axis);
    shape.push_back(x.getDimSize(axis));
  }
  return check.result(shape, x.getElementType(), types);
}

LogicalResult SliceOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                        SmallVectorImpl<Type> &types) {
  Check check = Check::of<SliceOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  ArrayRef<int64_t> starts = op.getStarts(), sizes = op.getSizes(), steps = op.getSteps();
  if (failed(check.perAxis(starts, x.getRank(), "starts")) || failed(check.perAxis(sizes, x.getRank(), "sizes")) ||
      failed(check.perAxis(steps, x.getRank(), "steps")))
    return failure();
  SmallVector<int64_t> shape;
  for (auto [axis, dim] : llvm::enumerate(x.getShape())) {
    int64_t start = starts[axis], size = sizes[axis], step = steps[axis], last;
    // Sizes and starts that are expressions are attributes of the op (SizeAnalysis.h).
    if (ShapedType::isDynamic(size) || ShapedType::isDynamic(start)) {
      if (step == 0 || (size < 0 && !ShapedType::isDynamic(size))) // nn_n12
        return check.fail("box of axis ", axis, " has step ", step, " and size ", size);
      shape.push_back(size);
      continue;
    }
    // A dimension of unknown size can be taken whole only.
    bool whole = size == -1 && start == 0 && step == 1 && ShapedType::isDynamic(dim);
    if (size < 0 && !whole) // nn_n12
      return check.fail("size of axis ", axis, " is ", size, "; only a whole dimension of unknown size is spelled -1");
    if (step == 0) // nn_n12
      return check.fail("step of axis ", axis, " is 0");
    if (llvm::MulOverflow(size - 1, step, last) || llvm::AddOverflow(start, last, last))
      return check.fail("box of axis ", axis, " exceeds 64 bits"); // nn_n20
    bool inside = start >= 0 && last >= 0 && (ShapedType::isDynamic(dim) || (start < dim && last < dim));
    if (size > 0 && !inside) // nn_n12
      return check.fail("box of axis ", axis, " reads elements ", start, " to ", last, "; the dimension has ", dim);
    shape.push_back(whole ? ShapedType::kDynamic : size);
  }
  return check.result(shape, x.getElementType(), types);
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<ConcatOp>(loc);
  if (op.getXs().empty()) // nn_n13
    return check.fail("has no operands; a concatenation has at least one");
  RankedTensorType first = typeOf(op.getXs().front());
  int64_t axis = op.getAxis();
  if (failed(check.axis(axis, first.getRank())))
    return failure();
  SmallVector<int64_t> shape(first.getShape());
  for (auto [i, x] : llvm::drop_begin(llvm::enumerate(op.getXs()))) {
    RankedTensorType type = typeOf(x);
    if (failed(check.same(first.getElementType(), type.getElementType(), "operands")))
      return failure();
    bool agrees = type.getRank() == first.getRank();
    for (int64_t d = 0; agrees && d < first.getRank(); ++d)
      agrees = d == axis || !differ(shape[d], type.getDimSize(d));
    if (!agrees) // nn_n13
      return check.fail("operand ", i, " has shape ", shapeString(type.getShape()), ", operand 0 has ",
                        shapeString(first.getShape()), "; all sizes except those of axis ", axis, " must agree");
    for (int64_t d = 0; d < first.getRank(); ++d) {
      int64_t size = type.getDimSize(d);
      if (d != axis)
        shape[d] = ShapedType::isDynamic(shape[d]) ? size : shape[d];
      else if (ShapedType::isDynamic(shape[d]) || ShapedType::isDynamic(size))
        shape[d] = ShapedType::kDynamic;
      else if (llvm::AddOverflow(shape[d], size, shape[d]))
        return check.fail("size of axis ", axis, " of the result exceeds 64 bits"); // nn_n20
    }
  }
  return check.result(shape, first.getElementType(), types);
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                      SmallVectorImpl<Type> &types) {
  Check check = Check::of<PadOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  ArrayRef<int64_t> low = op.getLow(), high = op.getHigh();
  if (failed(check.perAxis(low, x.getRank(), "low")) || failed(check.perAxis(high, x.getRank(), "high")))
    return failure();
  SmallVector<int64_t> shape;
  for (auto [axis, dim] : llvm::enumerate(x.getShape())) {
    if (ShapedType::isDynamic(dim)) {
      shape.push_back(dim);
      continue;
    }
    int64_t size;
    if (llvm::AddOverflow(dim, low[axis], size) || llvm::AddOverflow(size, high[axis], size))
      return check.fail("size of axis ", axis, " of the result exceeds 64 bits"); // nn_n20
    if (size < 0)                                                                 // nn_n14
      return check.fail("axis ", axis, " of ", dim, " elements is cropped to ", size);
    // What the other modes repeat is what cropping left.
    int64_t most = std::max(low[axis], high[axis]);
    int64_t left = dim + std::min<int64_t>(low[axis], 0) + std::min<int64_t>(high[axis], 0);
    if (op.getMode() != PadMode::constant && most > 0 && left <= 0) // nn_n14
      return check.fail("mode ", stringifyPadMode(op.getMode()), " has nothing to repeat along axis ", axis,
                        " of 0 elements");
    if (op.getMode() == PadMode::reflect && most >= left && most > 0) // nn_n14
      return check.fail("mode reflect of axis ", axis, " with ", left, " elements allows at most ", left - 1,
                        " on a side; found ", most);
    shape.push_back(size);
  }
  return check.result(shape, x.getElementType(), types);
}

LogicalResult ExpandOp::verify() {
  RankedTensorType x = getX().getType(), result = getResult().getType();
  Check check(getLoc(), getOperationName());
  if (failed(check.scalars(x.getElementType())))
    return failure();
  if (failed(check.same(x.getElementType(), result.getElementType(), "x and the result")))
    return failure();
  int64_t extra = result.getRank() - x.getRank();
  bool fits = extra >= 0;
  for (int64_t i = 0; fits && i < x.getRank(); ++i)
    fits = x.getDimSize(i) == 1 || !differ(x.getDimSize(i), result.getDimSize(i + extra));
  if (!fits) // nn_n15
    return check.fail("shape ", shapeString(x.getShape()), " does not broadcast to ", shapeString(result.getShape()));
  return success();
}

LogicalResult GatherOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<GatherOp>(loc);
  RankedTensorType x = typeOf(op.getX()), indices = typeOf(op.getIndices());
  if (failed(check.axis(op.getAxis(), x.getRank())))
    return failure();
  auto type = dyn_cast<IntegerType>(indices.getElementType());
  if (!type || type.getWidth() < 8) // nn_n16
    return check.fail("indices have element type ", indices.getElementType(),
                      "; they must be integers of at least 8 bits");
  SmallVector<int64_t> shape(x.getShape().take_front(op.getAxis()));
  llvm::append_range(shape, indices.getShape());
  llvm::append_range(shape, x.getShape().drop_front(op.getAxis() + 1));
  return check.result(shape, x.getElementType(), types);
}

LogicalResult ResizeOp::verify() {
  RankedTensorType x = getX().getType(), result = getResult().getType();
  Check check(getLoc(), getOperationName());
  ArrayRef<double> scales = getScales();
  if (failed(check.scalars(x.getElementType())))
    return failure();
  if (failed(check.same(x.getElementType(), result.getElementType(), "x and the result")))
    return failure();
  if (int64_t(scales.size()) != x.getRank() || result.getRank() != x.getRank()) // nn_n17
    return check.fail("x has rank ", x.getRank(), ", the result ", result.getRank(), ", scales ", scales.size(),
                      " entries; they must be equal");
  if (getMode() != ResizeMode::nearest && failed(check.floats(x.getElementType(), "x")))
    return failure();
  if (getAntialias() && getMode() == ResizeMode::nearest) // nn_n17
    return check.fail("antialias has no meaning with mode nearest");
  for (auto [axis, scale] : llvm::enumerate(scales)) {
    int64_t from = x.getDimSize(axis), to = result.getDimSize(axis);
    if (scale == 0 && (ShapedType::isDynamic(from) || ShapedType::isDynamic(to)))
      continue; // the ratio of sizes that are only known at run time
    if (!std::isfinite(scale) || scale <= 0) // nn_n17
      return check.fail("scale of axis ", axis, " is ", scale, "; it must be finite and positive");
    // Scales computed from wanted sizes may round to one element less.
    if (!ShapedType::isDynamic(from) && !ShapedType::isDynamic(to) &&
        std::abs(double(to) - double(from) * scale) > 1) // nn_n17
      return check.fail("axis ", axis, " of ", from, " elements times ", scale, " does not give ", to);
    if (from == 0 && to > 0) // nn_n17
      return check.fail("axis ", axis, " has no elements to resize");
  }
  return success();
}

LogicalResult ShapeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                        SmallVectorImpl<Type> &types) {
  Check check = Check::of<ShapeOp>(loc);
  int64_t rank = typeOf(op.getX()).getRank(), start = op.getStart(), end = op.getEnd().value_or(rank);
  if (start < 0 || end > rank || start > end) // nn_n9
    return check.fail("dimensions ", start, " to ", end, " of a tensor of rank ", rank,
                      "; 0 <= start <= end <= rank must hold");
  return check.result({end - start}, IntegerType::get(context, 64), types);
}

LogicalResult RangeOp::verify() {
  Check check(getLoc(), getOperationName());
  RankedTensorType result = getResult().getType();
  if (result.getRank() != 1 || failed(check.numbers(result.getElementType(), "result"))) // nn_n18
    return result.getRank() == 1 ? failure() : check.fail("result has rank ", result.getRank(), "; it must be 1");
  for (Value operand : getOperands()) {
    RankedTensorType type = typeOf(operand);
    if (type.getRank() != 0) // nn_n18
      return check.fail("an operand has shape ", shapeString(type.getShape()),
                        "; start, limit and delta are scalars of rank 0");
    if (failed(check.same(type.getElementType(), result.getElementType(), "an operand and the result")))
      return failure();
  }
  return success();
}
