//===- Resize.h - source positions and weights of nn.resize ---------------===//
#ifndef TERN_DIALECTS_NN_IR_RESIZE_H
#define TERN_DIALECTS_NN_IR_RESIZE_H

#include "dialects/NN/IR/NN.h"

namespace tern::nn {

struct ResizeTap {
  int64_t index; ///< element of the input, inside it
  float weight;
};

/// For each position of the result along an axis, the input elements it is the weighted sum of; all positions have
/// equally many taps (1 for nearest, 2 for linear, 4 for cubic, more with antialias). The axes of a resize are
/// independent: the result is the weighted sum over all axes. Positions are computed in f32 as ONNX Runtime does, so
/// that a tie falls on the same side; `align_corners` uses the integer size of the result (the text of the ONNX
/// specification).
llvm::SmallVector<llvm::SmallVector<ResizeTap>> resizeTaps(ResizeOp op, unsigned axis, int64_t inSize, int64_t outSize);

} // namespace tern::nn
#endif
