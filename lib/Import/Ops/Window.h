// Attributes that convolutions and pooling share.
#ifndef TERN_LIB_IMPORT_OPS_WINDOW_H
#define TERN_LIB_IMPORT_OPS_WINDOW_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// One entry a spatial dimension; pads: all begins, then all ends.
struct WindowAttrs {
  Ints kernel, strides, dilations, pads;
};

/// Reads kernel_shape (`kernel`: what it must be or defaults to; empty: it is required), strides, dilations and pads,
/// and resolves auto_pad for an input with these spatial sizes. Errors are the node's.
WindowAttrs readWindow(Node &n, llvm::ArrayRef<int64_t> spatial, llvm::ArrayRef<int64_t> kernel = {});

/// An attribute with `count` entries, or `count` times `otherwise`. Entries below `least` are an error.
Ints windowList(Node &n, llvm::StringRef name, size_t count, int64_t otherwise, int64_t least);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_WINDOW_H
