// Attributes that convolutions and pooling share.
#ifndef TERN_IMPORT_OPS_WINDOW_H
#define TERN_IMPORT_OPS_WINDOW_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// One entry a spatial dimension; pads: all begins, then all ends.
struct WindowAttrs {
  Ints kernel, strides, dilations, pads;
  /// Spatial dimensions whose pads of auto_pad SAME depend on a size of a run; their pads here are 0.
  llvm::SmallVector<size_t> openPads;
  bool sameUpper = false;
};

/// Reads kernel_shape (`kernel`: what it must be or defaults to; empty: it is required), strides, dilations and pads,
/// and resolves auto_pad for an input with these spatial sizes. Errors are the node's.
WindowAttrs readWindow(Node &n, llvm::ArrayRef<nn::SizeExpr> spatial, llvm::ArrayRef<int64_t> kernel = {});
/// The spatial sizes of a value.
nn::Sizes spatialSizes(Node &n, mlir::Value x);
/// x with the `openPads` around it, which hold `value`: padded as far as they may reach, then cut.
mlir::Value withOpenPads(Node &n, mlir::Value x, const WindowAttrs &window, double value);
/// Writes the sizes of a result whose windows had `openPads`: size / stride, rounded up.
mlir::Value withSameSizes(Node &n, mlir::Value result, mlir::Value x, const WindowAttrs &window);

/// An attribute with `count` entries, or `count` times `otherwise`. Entries below `least` are an error.
Ints windowList(Node &n, llvm::StringRef name, size_t count, int64_t otherwise, int64_t least);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_WINDOW_H
