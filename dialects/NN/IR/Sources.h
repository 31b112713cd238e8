//===- Sources.h - where elements of nn.resize and nn.pad come from -------===//
#ifndef TERN_DIALECTS_NN_IR_SOURCES_H
#define TERN_DIALECTS_NN_IR_SOURCES_H

#include "dialects/NN/IR/NN.h"

namespace tern::nn {

struct ResizeTap {
  int64_t index; ///< element of the input, inside it
  float weight;
};

/// What nn.resize does along each axis.
struct ResizeRule {
  ResizeMode mode;
  ResizeCoord coord;
  NearestMode nearest = NearestMode::round_prefer_floor;
  float cubicCoeff = -0.75f;
  bool excludeOutside = false, antialias = false;
};

/// For each position of the result along an axis, the input elements it is the weighted sum of; all positions have
/// equally many taps (1 for nearest, 2 for linear, 4 for cubic, more with antialias). The axes of a resize are
/// independent: the result is the weighted sum over all axes. Positions are computed in f32 as ONNX Runtime does, so
/// that a tie falls on the same side; `align_corners` uses the integer size of the result (the text of the ONNX
/// specification).
llvm::SmallVector<llvm::SmallVector<ResizeTap>> resizeTaps(const ResizeRule &rule, double scale, int64_t inSize,
                                                           int64_t outSize);
llvm::SmallVector<llvm::SmallVector<ResizeTap>> resizeTaps(ResizeOp op, unsigned axis, int64_t inSize, int64_t outSize);

/// The element of the operand that position `at` (0: its first element) of a padded axis holds; -1: the pad value.
/// [begin, end) is what remains after negative padding has cropped.
int64_t padSource(PadMode mode, int64_t at, int64_t begin, int64_t end);

} // namespace tern::nn
#endif
