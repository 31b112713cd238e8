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

WindowAttrs readWindow(Node &n, ArrayRef<nn::SizeExpr> spatial, ArrayRef<int64_t> kernel) {
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
  w.sameUpper = mode == "SAME_UPPER";
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  for (size_t i = 0; mode != "VALID" && i < rank; i++) {
    // All that counts is how many elements the last stride has.
    std::optional<int64_t> rest = table.mod(spatial[i], table.constant(w.strides[i])).constant();
    int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1;
    if (!rest && reach > 1) {
      w.openPads.push_back(i);
      continue;
    }
    int64_t total = std::max<int64_t>(reach - (rest.value_or(0) ? *rest : w.strides[i]), 0), half = total / 2;
    w.pads[i] = w.sameUpper ? half : total - half;
    w.pads[rank + i] = w.sameUpper ? total - half : half;
  }
  return w;
}

nn::Sizes spatialSizes(Node &n, Value x) {
  nn::Sizes sizes = x ? n.importer.sizeAnalysis.shapeOf(x) : nn::Sizes();
  sizes.erase(sizes.begin(), sizes.begin() + std::min<size_t>(2, sizes.size()));
  return sizes;
}

Value withOpenPads(Node &n, Value x, const WindowAttrs &w, double value) {
  if (w.openPads.empty() || !x || n.hasFailed())
    return x;
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  nn::Sizes shape = n.importer.sizeAnalysis.shapeOf(x), starts(shape.size(), table.constant(0));
  Ints low(shape.size(), 0), high(shape.size(), 0);
  for (size_t i : w.openPads) {
    nn::SizeExpr &size = shape[i + 2], stride = table.constant(w.strides[i]);
    int64_t reach = (w.kernel[i] - 1) * w.dilations[i] + 1, most = reach - 1;
    low[i + 2] = w.sameUpper ? most / 2 : most - most / 2;
    high[i + 2] = most - low[i + 2];
    nn::SizeExpr missing = table.sub(table.mul(table.ceilDiv(size, stride), stride), size);
    nn::SizeExpr total = table.max(table.add(missing, table.constant(reach - w.strides[i])), table.constant(0));
    nn::SizeExpr half = table.floorDiv(total, table.constant(2)), before = w.sameUpper ? half : table.sub(total, half);
    starts[i + 2] = table.sub(table.constant(low[i + 2]), before);
    size = table.add(size, total);
  }
  Value padded = n.create<nn::PadOp>(x, low, high, nn::PadMode::constant, APFloat(value), n.importer.uniqueName(n.name().getValue() + ".pad"));
  return padded ? n.sliceTo(padded, starts, shape, Ints(shape.size(), 1), n.importer.uniqueName(n.name().getValue() + ".same")) : Value();
}

Value withSameSizes(Node &n, Value result, Value x, const WindowAttrs &w) {
  if (w.openPads.empty() || !result || n.hasFailed())
    return result;
  nn::SizeAnalysis &analysis = n.importer.sizeAnalysis;
  nn::Sizes sizes = analysis.shapeOf(result), from = analysis.shapeOf(x);
  for (size_t i : w.openPads)
    sizes[i + 2] = analysis.table.ceilDiv(from[i + 2], analysis.table.constant(w.strides[i]));
  return n.withSizes(result, sizes);
}

} // namespace tern::importer
