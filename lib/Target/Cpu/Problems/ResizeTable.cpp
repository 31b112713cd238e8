#include "lib/Target/Cpu/Problems/ResizeTable.h"
#include "dialects/NN/IR/Sources.h"
#include "llvm/Support/ErrorHandling.h"

namespace tern::cpu {

static nn::ResizeCoord coordOf(ResizeCoord coord) {
  switch (coord) {
  case ResizeCoord::HalfPixel:
    return nn::ResizeCoord::half_pixel;
  case ResizeCoord::PytorchHalfPixel:
    return nn::ResizeCoord::pytorch_half_pixel;
  case ResizeCoord::AlignCorners:
    return nn::ResizeCoord::align_corners;
  case ResizeCoord::Asymmetric:
    return nn::ResizeCoord::asymmetric;
  case ResizeCoord::HalfPixelSymmetric:
    return nn::ResizeCoord::half_pixel_symmetric;
  }
  llvm_unreachable("a coordinate transformation without a formula");
}

static nn::NearestMode nearestOf(ResizeMode mode) {
  switch (mode) {
  case ResizeMode::NearestFloor:
    return nn::NearestMode::floor;
  case ResizeMode::NearestCeil:
    return nn::NearestMode::ceil;
  case ResizeMode::NearestRoundCeil:
    return nn::NearestMode::round_prefer_ceil;
  default:
    return nn::NearestMode::round_prefer_floor;
  }
}

std::vector<ResizeTap> resizeTaps(ResizeMode mode, ResizeCoord coord, int64_t in, int64_t out, double scale) {
  bool isLinear = mode == ResizeMode::Linear;
  nn::ResizeRule rule{isLinear ? nn::ResizeMode::linear : nn::ResizeMode::nearest, coordOf(coord), nearestOf(mode)};
  std::vector<ResizeTap> taps;
  for (const auto &position : nn::resizeTaps(rule, scale, in, out)) {
    const nn::ResizeTap &low = position.front(), &high = position.back();
    // An axis that keeps its size has one tap; in a linear resize it is the mean of an element with itself.
    bool isOne = position.size() == 1;
    float lowWeight = isLinear && isOne ? 0.5f : low.weight, highWeight = isOne ? (isLinear ? 0.5f : 0.0f) : high.weight;
    taps.push_back({int32_t(low.index), int32_t(high.index), lowWeight, highWeight});
  }
  return taps;
}

} // namespace tern::cpu
