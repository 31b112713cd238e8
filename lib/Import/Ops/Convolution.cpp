// Conv and ConvTranspose.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Products.h"
#include "lib/Import/Ops/Window.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// Checks the ranks and gives the spatial sizes of x and w.
static LogicalResult readShapes(Node &n, nn::Sizes &spatial, ArrayRef<int64_t> &kernel) {
  ArrayRef<int64_t> x = n.type(0).getShape(), w = n.type(1).getShape();
  if (x.size() < 3 || x.size() != w.size())
    return n.error() << "input of rank " << x.size() << " and weight of rank " << w.size()
                     << "; both have batch or output channels, channels, and one to three spatial dimensions";
  nn::Sizes sizes = n.sizes(0);
  spatial.assign(sizes.begin() + 2, sizes.end());
  kernel = w.drop_front(2);
  return success();
}

/// A convolution over depth, height and width as one over height and width, for which there are kernels: the slices of depth that an output
/// slice reads lie side by side as channels, and the output slices are pictures. Null: it is none over a depth that is known.
static Value overPictures(Node &n, const nn::Sizes &spatial, ArrayRef<int64_t> kernel, const WindowAttrs &w) {
  Compose c{n};
  ArrayRef<int64_t> weight = n.type(1).getShape();
  std::optional<int64_t> depth = spatial.size() == 3 ? spatial.front().constant() : std::nullopt;
  if (!depth || !w.openPads.empty() || n.integer("group", 1) != 1 || n.type(0).getShape()[1] != weight[1] || !n.type(1).hasStaticShape())
    return {};
  int64_t reach = (kernel[0] - 1) * w.dilations[0] + 1, room = *depth + w.pads[0] + w.pads[3] - reach, slices = room / w.strides[0] + 1;
  if (room < 0 || kernel[0] < 1 || weight[0] < 1 || weight[1] < 1)
    return {};
  Value x = n.operand(0);
  if (w.pads[0] || w.pads[3])
    x = c.pad(x, {0, 0, w.pads[0], 0, 0}, {0, 0, w.pads[3], 0, 0});
  SmallVector<Value> taps;
  for (int64_t k = 0; k < kernel[0]; ++k)
    taps.push_back(c.slice(x, 2, k * w.dilations[0], slices, w.strides[0]));
  Value side = taps.size() == 1 ? taps.front() : c.concat(taps, 1);
  SizeExpr batch = n.sizes(0)[0];
  Value pictures = c.reshape(c.transpose(side, {0, 2, 1, 3, 4}), {c.times(batch, slices), kernel[0] * weight[1], spatial[1], spatial[2]});
  Value flat = c.reshape(c.transpose(n.operand(1), {0, 2, 1, 3, 4}), {weight[0], kernel[0] * weight[1], kernel[1], kernel[2]});
  auto rest = [](ArrayRef<int64_t> values) { return Ints(values.drop_front()); };
  Ints pads{w.pads[1], w.pads[2], w.pads[4], w.pads[5]};
  Value y = pictures && flat ? n.create<ConvOp>(pictures, flat, n.operand(2), rest(w.strides), pads, rest(w.dilations), int64_t(1), n.name()) : Value();
  if (!y)
    return {};
  nn::Sizes sizes = c.sizes(y);
  return c.transpose(c.reshape(y, {batch, slices, weight[0], sizes[2], sizes[3]}), {0, 2, 1, 3, 4});
}

Value convolution(Node &n) {
  nn::Sizes spatial;
  ArrayRef<int64_t> kernel;
  if (failed(readShapes(n, spatial, kernel)))
    return {};
  WindowAttrs w = readWindow(n, spatial, kernel);
  if (Value y = n.hasFailed() ? Value() : overPictures(n, spatial, kernel, w); y || n.hasFailed())
    return y;
  int64_t group = n.integer("group", 1);
  Value x = withOpenPads(n, n.operand(0), w, 0);
  Value y = n.create<ConvOp>(x, n.operand(1), n.operand(2), w.strides, w.pads, w.dilations, group, n.name());
  return withSameSizes(n, y, n.operand(0), w);
}

static LogicalResult importConv(Node &n) { return n.result(convolution(n)); }

/// A transposed convolution over depth, height and width whose slices of depth do not overlap, as one over height and width: each slice becomes
/// as many as the kernel has, side by side as channels. Null: it is none, or they overlap.
static Value transposedOverPictures(Node &n, ArrayRef<int64_t> kernel, const WindowAttrs &w, const Ints &extra) {
  Compose c{n};
  ArrayRef<int64_t> weight = n.type(1).getShape();
  if (kernel.size() != 3 || n.integer("group", 1) != 1 || !n.type(1).hasStaticShape() || n.type(0).getShape()[1] != weight[0] ||
      kernel[0] != w.strides[0] || w.dilations[0] != 1 || w.pads[0] || w.pads[3] || extra[0] || llvm::is_contained(weight, 0))
    return {};
  nn::Sizes sizes = n.sizes(0);
  Value pictures = c.reshape(c.transpose(n.operand(0), {0, 2, 1, 3, 4}), {c.times(sizes[0], sizes[2]), sizes[1], sizes[3], sizes[4]});
  Value flat = c.reshape(c.transpose(n.operand(1), {0, 2, 1, 3, 4}), {weight[0], kernel[0] * weight[1], kernel[1], kernel[2]});
  Value bias = n.operand(2);
  if (bias && kernel[0] > 1)
    bias = c.concat(SmallVector<Value>(size_t(kernel[0]), bias), 0);
  auto rest = [](ArrayRef<int64_t> values) { return Ints(values.drop_front()); };
  Ints pads{w.pads[1], w.pads[2], w.pads[4], w.pads[5]};
  Value y = pictures && flat ? n.create<ConvTransposeOp>(pictures, flat, bias, rest(w.strides), pads, rest(w.dilations), rest(extra), int64_t(1), n.name())
                             : Value();
  if (!y)
    return {};
  nn::Sizes made = c.sizes(y);
  return c.transpose(c.reshape(y, {sizes[0], c.times(sizes[2], kernel[0]), weight[1], made[2], made[3]}), {0, 2, 1, 3, 4});
}

/// The result of a transposed convolution has stride * (size - 1) + output_padding + reach - pads elements.
/// `output_shape` gives the result and asks for the pads; so does auto_pad, with size * stride as result.
static LogicalResult importConvTranspose(Node &n) {
  nn::Sizes spatial;
  ArrayRef<int64_t> kernel;
  if (failed(readShapes(n, spatial, kernel)))
    return failure();
  WindowAttrs w = readWindow(n, spatial, kernel);
  size_t rank = spatial.size();
  Ints extra = windowList(n, "output_padding", rank, 0, 0);
  Ints output = n.integers("output_shape");
  std::string mode = n.string("auto_pad", "NOTSET");
  bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  if (!output.empty() && output.size() != rank)
    return n.error() << "attribute 'output_shape' has " << output.size() << " entries, " << rank << " are needed";
  for (size_t i = 0; i < rank && (same || !output.empty()) && !n.hasFailed(); i++) {
    // As long as the result of SAME is size * stride, the size does not matter.
    int64_t total = extra[i] + (kernel[i] - 1) * w.dilations[i] + 1 - w.strides[i];
    if (!output.empty()) {
      std::optional<int64_t> size = spatial[i].constant();
      if (!size)
        return n.keepOpen("its result has a fixed size, whatever that of its input");
      total += w.strides[i] * *size - output[i];
    }
    if (total < 0) { // the result is longer than the convolution reaches: the rest are zeros at its end
      extra[i] -= total;
      total = 0;
    }
    // ONNX: SAME_UPPER crops more at the end, everything else more at the begin.
    int64_t half = total / 2;
    w.pads[i] = mode == "SAME_UPPER" ? half : total - half;
    w.pads[rank + i] = total - w.pads[i];
  }
  int64_t group = n.integer("group", 1);
  if (Value y = n.hasFailed() ? Value() : transposedOverPictures(n, kernel, w, extra); y || n.hasFailed())
    return n.result(y);
  return n.result(n.create<ConvTransposeOp>(n.operand(0), n.operand(1), n.operand(2), w.strides, w.pads, w.dilations,
                                            extra, group, n.name()));
}

static constexpr Rule kRules[] = {
    {"Conv", 1, 2, 3, importConv},
    {"ConvTranspose", 1, 2, 3, importConvTranspose},
};
ArrayRef<Rule> convolutionRules() { return kRules; }

} // namespace tern::importer
