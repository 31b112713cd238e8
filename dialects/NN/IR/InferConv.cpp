//===- InferConv.cpp - nn.conv, nn.conv_transpose, nn.pool ----------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// The window attributes of an op over `spatial` dimensions.
struct WindowAttrs {
  ArrayRef<int64_t> strides, pads, dilations;
};
} // namespace

/// nn_n6: one stride and dilation a spatial dimension, all begins and then all ends of pads; none out of range.
static LogicalResult verifyWindow(const Check &check, const WindowAttrs &attrs, int64_t spatial, StringRef what) {
  auto count = [&](ArrayRef<int64_t> values, StringRef name, int64_t factor, StringRef how) -> LogicalResult {
    if (int64_t(values.size()) == factor * spatial)
      return success();
    return check.fail(name, " has ", values.size(), " entries; a ", what, " over ", spatial, " spatial dimensions has ",
                      factor * spatial, how);
  };
  auto atLeast = [&](ArrayRef<int64_t> values, StringRef name, int64_t least) -> LogicalResult {
    for (int64_t value : values)
      if (value < least)
        return check.fail(name, " has an entry of ", value, "; the least is ", least);
    return success();
  };
  return success(succeeded(count(attrs.strides, "strides", 1, "")) &&
                 succeeded(count(attrs.pads, "pads", 2, ": begins, then ends")) &&
                 succeeded(count(attrs.dilations, "dilations", 1, "")) &&
                 succeeded(atLeast(attrs.strides, "strides", 1)) &&
                 succeeded(atLeast(attrs.dilations, "dilations", 1)) && succeeded(atLeast(attrs.pads, "pads", 0)));
}

static Window windowAt(const WindowAttrs &attrs, int64_t i, int64_t kernel, bool ceilMode = false) {
  return {kernel, attrs.strides[i], attrs.dilations[i], attrs.pads[i], attrs.pads[attrs.strides.size() + i], ceilMode};
}

/// nn_n8: every window fits; the sizes are appended.
static LogicalResult appendCounts(const Check &check, const WindowAttrs &attrs, ArrayRef<int64_t> sizes,
                                  ArrayRef<int64_t> kernel, bool ceilMode, SmallVectorImpl<int64_t> &shape) {
  for (int64_t i = 0, e = sizes.size(); i < e; ++i) {
    Window window = windowAt(attrs, i, kernel[i], ceilMode);
    std::optional<int64_t> count = windowCount(sizes[i], window);
    if (!count)
      return check.fail("size of spatial dimension ", i, " of the result exceeds 64 bits"); // nn_n20
    if (*count <= 0 && !ShapedType::isDynamic(*count))
      return check.fail("window of ", (window.kernel - 1) * window.dilation + 1,
                        " elements does not fit spatial dimension ", i, " of ", sizes[i], " elements with padding ",
                        window.padLow, " + ", window.padHigh);
    shape.push_back(*count);
  }
  return success();
}

/// nn_n7: ranks, element types, groups and bias of both convolutions. `out` is the number of output channels.
static LogicalResult verifyConv(const Check &check, Value x, Value w, Value bias, int64_t group, bool transposed,
                                int64_t &out) {
  RankedTensorType xType = typeOf(x), wType = typeOf(w);
  if (failed(check.numbers(xType.getElementType(), "x")) ||
      failed(check.same(xType.getElementType(), wType.getElementType(), "x and w")))
    return failure();
  if (xType.getRank() < 3 || xType.getRank() > 5)
    return check.fail("x has rank ", xType.getRank(),
                      "; a convolution takes [N, C, spatial...] with 1 to 3 spatial dimensions");
  if (wType.getRank() != xType.getRank())
    return check.fail("w has rank ", wType.getRank(), ", x has rank ", xType.getRank(), "; they must be equal");
  if (group < 1)
    return check.fail("group is ", group, "; the least is 1");
  int64_t channels = xType.getDimSize(1), w0 = wType.getDimSize(0), w1 = wType.getDimSize(1);
  if (!ShapedType::isDynamic(channels) && channels % group != 0)
    return check.fail("x has ", channels, " channels; they do not divide into ", group, " groups");
  if (transposed) {
    if (differ(w0, channels))
      return check.fail("w of shape ", shapeString(wType.getShape()), " takes ", w0, " channels; x has ", channels);
    out = ShapedType::isDynamic(w1) ? w1 : w1 * group;
  } else {
    if (!ShapedType::isDynamic(channels) && differ(w1, channels / group))
      return check.fail("w of shape ", shapeString(wType.getShape()), " takes ", w1, " channels a group; x has ",
                        channels, " / ", group, " = ", channels / group);
    if (!ShapedType::isDynamic(w0) && w0 % group != 0)
      return check.fail("w has ", w0, " output channels; they do not divide into ", group, " groups");
    out = w0;
  }
  if (bias) {
    RankedTensorType type = typeOf(bias);
    if (failed(check.same(xType.getElementType(), type.getElementType(), "x and bias")))
      return failure();
    if (type.getRank() != 1 || differ(type.getDimSize(0), out))
      return check.fail("bias has shape ", shapeString(type.getShape()), "; it needs one entry for each of the ", shapeString(out),
                        " output channels");
  }
  for (int64_t size : wType.getShape().drop_front(2))
    if (size == 0)
      return check.fail("w has shape ", shapeString(wType.getShape()), "; a kernel has at least one element");
  return success();
}

LogicalResult ConvOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  Check check = Check::of<ConvOp>(loc);
  WindowAttrs attrs{op.getStrides(), op.getPads(), op.getDilations()};
  RankedTensorType x = typeOf(op.getX());
  int64_t out;
  if (failed(verifyConv(check, op.getX(), op.getW(), op.getBias(), op.getGroup(), false, out)) ||
      failed(verifyWindow(check, attrs, x.getRank() - 2, "convolution")))
    return failure();
  SmallVector<int64_t> shape{x.getDimSize(0), out};
  if (failed(appendCounts(check, attrs, x.getShape().drop_front(2), typeOf(op.getW()).getShape().drop_front(2), false,
                          shape)))
    return failure();
  return check.result(shape, x.getElementType(), types);
}

LogicalResult ConvTransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                                SmallVectorImpl<Type> &types) {
  Check check = Check::of<ConvTransposeOp>(loc);
  WindowAttrs attrs{op.getStrides(), op.getPads(), op.getDilations()};
  RankedTensorType x = typeOf(op.getX()), w = typeOf(op.getW());
  int64_t out, spatial = x.getRank() - 2;
  if (failed(verifyConv(check, op.getX(), op.getW(), op.getBias(), op.getGroup(), true, out)) ||
      failed(verifyWindow(check, attrs, spatial, "transposed convolution")))
    return failure();
  ArrayRef<int64_t> extra = op.getOutputPadding();
  if (int64_t(extra.size()) != spatial) // nn_n6
    return check.fail("output_padding has ", extra.size(), " entries; a transposed convolution over ", spatial,
                      " spatial dimensions has ", spatial);
  SmallVector<int64_t> shape{x.getDimSize(0), out};
  for (int64_t i = 0; i < spatial; ++i) {
    if (extra[i] < 0 || (extra[i] > 0 && extra[i] >= std::max(attrs.strides[i], attrs.dilations[i]))) // nn_n6
      return check.fail("output_padding has an entry of ", extra[i],
                        "; it must be less than the stride or the dilation, ",
                        std::max(attrs.strides[i], attrs.dilations[i]));
    std::optional<int64_t> size =
        transposedSize(x.getDimSize(i + 2), windowAt(attrs, i, w.getDimSize(i + 2)), extra[i]);
    if (!size)
      return check.fail("size of spatial dimension ", i, " of the result exceeds 64 bits"); // nn_n20
    if (*size <= 0 && !ShapedType::isDynamic(*size))                                        // nn_n8
      return check.fail("pads crop spatial dimension ", i, " of the result to ", *size, " elements");
    shape.push_back(*size);
  }
  return check.result(shape, x.getElementType(), types);
}

LogicalResult PoolOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  Check check = Check::of<PoolOp>(loc);
  WindowAttrs attrs{op.getStrides(), op.getPads(), op.getDilations()};
  RankedTensorType x = typeOf(op.getX());
  ArrayRef<int64_t> kernel = op.getKernel();
  int64_t spatial = x.getRank() - 2;
  if (failed(op.getKind() == PoolKind::max ? check.numbers(x.getElementType(), "x")
                                           : check.floats(x.getElementType(), "x")))
    return failure();
  if (spatial < 1) // nn_n6
    return check.fail("x has rank ", x.getRank(), "; pooling takes [N, C, spatial...]");
  if (int64_t(kernel.size()) != spatial) // nn_n6
    return check.fail("kernel has ", kernel.size(), " entries; pooling over ", spatial, " spatial dimensions has ",
                      spatial);
  if (failed(verifyWindow(check, attrs, spatial, "pooling")))
    return failure();
  if (op.getP() < 1) // nn_n6
    return check.fail("p is ", op.getP(), "; the least is 1");
  for (int64_t i = 0; i < spatial; ++i) {
    if (kernel[i] < 1) // nn_n6
      return check.fail("kernel has an entry of ", kernel[i], "; the least is 1");
    Window window = windowAt(attrs, i, kernel[i]);
    // A window that lies in the padding altogether has no elements: no maximum, a mean of 0 / 0.
    int64_t extent = windowExtent(window).value_or(INT64_MAX);
    if (std::max(window.padLow, window.padHigh) >= extent) // nn_n8
      return check.fail("padding ", window.padLow, " + ", window.padHigh, " of spatial dimension ", i,
                        " must be less than the window's ", extent, " elements on each side");
  }
  SmallVector<int64_t> shape(x.getShape().take_front(2));
  if (failed(appendCounts(check, attrs, x.getShape().drop_front(2), kernel, op.getCeilMode(), shape)))
    return failure();
  return check.result(shape, x.getElementType(), types);
}

/// [first, first + 1, ...] of n entries.
static SmallVector<int64_t, 4> axes(int64_t first, int64_t n) {
  return llvm::to_vector<4>(llvm::seq(first, first + n));
}

SmallVector<OperandRole> ConvOp::getRoles() {
  SmallVector<OperandRole> roles = {{OperandRole::Activation, 0, {1}, -1},
                                    {OperandRole::Weight, 1, axes(1, getW().getType().getRank() - 1), 0}};
  if (getBias())
    roles.push_back({OperandRole::Bias, 2, {}, 0});
  return roles;
}

SmallVector<OperandRole> ConvTransposeOp::getRoles() {
  OperandRole weight{OperandRole::Weight, 1, {0}, 1};
  llvm::append_range(weight.reduction, axes(2, getW().getType().getRank() - 2));
  SmallVector<OperandRole> roles = {{OperandRole::Activation, 0, {1}, -1}, weight};
  if (getBias())
    roles.push_back({OperandRole::Bias, 2, {}, 0});
  return roles;
}

/// positions * (elements of w per position); 0 when unknown.
static int64_t product(RankedTensorType positions, ArrayRef<int64_t> perPosition) {
  SmallVector<int64_t> factors(positions.getShape());
  llvm::append_range(factors, perPosition);
  return std::max<int64_t>(countElements(factors).value_or(0), 0);
}

int64_t ConvOp::getMacs() { return product(getResult().getType(), getW().getType().getShape().drop_front()); }
int64_t ConvTransposeOp::getMacs() { return product(getX().getType(), getW().getType().getShape().drop_front()); }
