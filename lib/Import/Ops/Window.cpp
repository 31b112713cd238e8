#include "lib/Import/Ops/Window.h"

using namespace mlir;

namespace tern::importer {

// Keeps sums and products of window attributes far from the ends of 64 bits.
constexpr int64_t kMost = int64_t(1) << 31;

Ints windowList(Node &n, StringRef name, size_t count, int64_t otherwise, int64_t least) {
  Ints values = n.integers(name);
  if (values.empty())
    values.assign(count, otherwise);
  if (values.size() != count && !n.hasFailed())
    n.error() << "attribute '" << name << "' has " << values.size() << " entries, " << count << " are needed";
  for (int64_t v : values)
    if ((v < least || v > kMost) && !n.hasFailed())
      n.error() << "attribute '" << name << "' has the entry " << v << "; " << least << " to " << kMost
                << " are allowed";
  if (n.hasFailed())
    values.assign(count, std::max<int64_t>(least, 1));
  return values;
}

WindowAttrs readWindow(Node &n, ArrayRef<int64_t> spatial, ArrayRef<int64_t> kernel) {
  size_t rank = spatial.size();
  WindowAttrs w;
  if (kernel.empty() && n.integers("kernel_shape").empty() && !n.hasFailed())
    n.error() << "attribute 'kernel_shape' is missing";
  w.kernel = windowList(n, "kernel_shape", rank, 1, 1);
  if (!kernel.empty()) {
    if (n.hasAttr("kernel_shape") && ArrayRef(w.kernel) != kernel && !n.hasFailed()) {
      auto diag = n.error() << "kernel_shape [";
      llvm::interleaveComma(w.kernel, diag, [&](int64_t v) { diag << v; });
      diag << "] is not the shape of the weight, [";
      llvm::interleaveComma(kernel, diag, [&](int64_t v) { diag << v; });
      diag << "]";
    }
    w.kernel.assign(kernel.begin(), kernel.end());
  }
  w.strides = windowList(n, "strides", rank, 1, 1);
  w.dilations = windowList(n, "dilations", rank, 1, 1);
  std::string mode = n.string("auto_pad", "NOTSET");
  if (mode == "NOTSET" || mode.empty()) {
    w.pads = windowList(n, "pads", 2 * rank, 0, 0);
    return w;
  }
  w.pads.assign(2 * rank, 0);
  if (mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    n.error() << "auto_pad is '" << mode << "'; NOTSET, VALID, SAME_UPPER and SAME_LOWER are defined";
    return w;
  }
  for (size_t i = 0; mode != "VALID" && i < rank; i++) {
    int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
    int64_t count = llvm::divideCeil(spatial[i], w.strides[i]);
    int64_t total = std::max<int64_t>((count - 1) * w.strides[i] + reach - spatial[i], 0), half = total / 2;
    bool upper = mode == "SAME_UPPER";
    w.pads[i] = upper ? half : total - half;
    w.pads[rank + i] = upper ? total - half : half;
  }
  return w;
}

} // namespace tern::importer
