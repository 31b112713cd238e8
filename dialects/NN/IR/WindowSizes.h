//===- WindowSizes.h - sizes of what windows slide over, as expressions ----===//
// The same as Shapes.h computes for numbers.
#ifndef TERN_DIALECTS_NN_IR_WINDOWSIZES_H
#define TERN_DIALECTS_NN_IR_WINDOWSIZES_H

#include "dialects/NN/IR/Shapes.h"
#include "dialects/NN/IR/SizeExpr.h"

namespace tern::nn {

/// Positions of a window over `size` elements: floor((size + pads - extent) / stride) + 1, with ceil_mode as windowCount. Below 1
/// where no window fits. Null: it exceeds 64 bits.
SizeExpr windowCount(SizeTable &table, SizeExpr size, const Window &window);
/// Elements of a transposed convolution: (size - 1) * stride + extent + outputPadding - pads.
SizeExpr transposedSize(SizeTable &table, SizeExpr size, const Window &window, int64_t outputPadding);
/// floor(size * scale), exactly; null where scale has too many digits.
SizeExpr resizedSize(SizeTable &table, SizeExpr size, double scale);

/// The window of one spatial dimension of a convolution or pooling op.
template <typename OpT> Window windowOf(OpT op, size_t axis, int64_t kernel) {
  size_t rank = op.getStrides().size();
  return {kernel, op.getStrides()[axis], op.getDilations()[axis], op.getPads()[axis], op.getPads()[rank + axis], false};
}

} // namespace tern::nn
#endif
