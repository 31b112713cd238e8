#include "lib/Target/Cpu/ResizeTable.h"
#include "llvm/Support/ErrorHandling.h"
#include <algorithm>
#include <cmath>

namespace tern::cpu {
namespace {

float source(ResizeCoord coord, float x, float in, float out, float scale) {
  switch (coord) {
  case ResizeCoord::HalfPixel:
    return (x + 0.5f) / scale - 0.5f;
  case ResizeCoord::PytorchHalfPixel:
    return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
  case ResizeCoord::AlignCorners:
    return out == 1 ? 0 : x * (in - 1) / (out - 1);
  case ResizeCoord::Asymmetric:
    return x / scale;
  case ResizeCoord::HalfPixelSymmetric: {
    float adjustment = out / (scale * in), center = in / 2;
    return center * (1 - adjustment) + (x + 0.5f) / scale - 0.5f;
  }
  }
  llvm_unreachable("a coordinate transformation without a formula");
}

float nearest(ResizeMode mode, float at) {
  switch (mode) {
  case ResizeMode::NearestFloor:
    return std::floor(at);
  case ResizeMode::NearestCeil:
    return std::ceil(at);
  case ResizeMode::NearestRoundFloor: // ties go down
    return std::ceil(at - 0.5f);
  case ResizeMode::NearestRoundCeil: // ties go up
    return std::floor(at + 0.5f);
  case ResizeMode::Linear:
    break;
  }
  llvm_unreachable("a linear mode has no nearest position");
}

} // namespace

std::vector<ResizeTap> resizeTaps(ResizeMode mode, ResizeCoord coord, int64_t in, int64_t out, double scale) {
  std::vector<ResizeTap> taps;
  for (int64_t i = 0; i < out; i++) {
    float at = scale == 1 && in == out ? float(i) : source(coord, float(i), float(in), float(out), float(scale));
    if (mode != ResizeMode::Linear) {
      auto low = int32_t(std::min(float(in - 1), std::max(0.0f, nearest(mode, at))));
      taps.push_back({low, low, 1, 0});
      continue;
    }
    at = std::min(float(in - 1), std::max(0.0f, at));
    auto low = int32_t(at), high = std::min(low + 1, int32_t(in - 1));
    bool edge = low == high; // both weights would be 0
    taps.push_back({low, high, edge ? 0.5f : std::abs(at - float(high)), edge ? 0.5f : std::abs(at - float(low))});
  }
  return taps;
}

} // namespace tern::cpu
