// Conv and ConvTranspose.
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

Value convolution(Node &n) {
  nn::Sizes spatial;
  ArrayRef<int64_t> kernel;
  if (failed(readShapes(n, spatial, kernel)))
    return {};
  WindowAttrs w = readWindow(n, spatial, kernel);
  int64_t group = n.integer("group", 1);
  Value x = withOpenPads(n, n.operand(0), w, 0);
  Value y = n.create<ConvOp>(x, n.operand(1), n.operand(2), w.strides, w.pads, w.dilations, group, n.name());
  return withSameSizes(n, y, n.operand(0), w);
}

static LogicalResult importConv(Node &n) { return n.result(convolution(n)); }

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
  return n.result(n.create<ConvTransposeOp>(n.operand(0), n.operand(1), n.operand(2), w.strides, w.pads, w.dilations,
                                            extra, group, n.name()));
}

static constexpr Rule kRules[] = {
    {"Conv", 1, 2, 3, importConv},
    {"ConvTranspose", 1, 2, 3, importConvTranspose},
};
ArrayRef<Rule> convolutionRules() { return kRules; }

} // namespace tern::importer
