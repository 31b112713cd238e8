//===- ResizeTable.h - source positions of ONNX Resize --------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_RESIZETABLE_H
#define TERN_TARGET_CPU_PROBLEMS_RESIZETABLE_H

#include "lib/Target/Cpu/Problems/Problem.h"
#include <vector>

namespace tern::cpu {

/// Where one output position of an axis reads: low * lowWeight + high * highWeight; nearest modes use `low` alone.
struct ResizeTap {
  int32_t low, high;
  float lowWeight, highWeight;
};

/// The taps of `out` positions over `in` source positions, computed in f32 as ONNX Runtime does.
std::vector<ResizeTap> resizeTaps(ResizeMode mode, ResizeCoord coord, int64_t in, int64_t out, double scale);

} // namespace tern::cpu
#endif
