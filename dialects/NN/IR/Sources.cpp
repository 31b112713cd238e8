//===- Sources.cpp - where elements of nn.resize and nn.pad come from -----===//
#include "dialects/NN/IR/Sources.h"
#include <cmath>

using namespace mlir;

namespace tern::nn {

static float sourcePosition(ResizeCoord coord, int64_t position, float scale, int64_t inSize, int64_t outSize) {
  float x = position;
  switch (coord) {
  case ResizeCoord::half_pixel:
    return (x + 0.5f) / scale - 0.5f;
  case ResizeCoord::pytorch_half_pixel:
    return outSize > 1 ? (x + 0.5f) / scale - 0.5f : 0.0f;
  case ResizeCoord::align_corners:
    return outSize > 1 ? x * float(inSize - 1) / float(outSize - 1) : 0.0f;
  case ResizeCoord::asymmetric:
    return x / scale;
  case ResizeCoord::half_pixel_symmetric: {
    float adjustment = float(outSize) / (scale * float(inSize)), center = float(inSize) / 2;
    return center * (1 - adjustment) + (x + 0.5f) / scale - 0.5f;
  }
  }
  llvm_unreachable("unknown coordinate transformation");
}

static int64_t nearestElement(NearestMode mode, float x) {
  switch (mode) {
  case NearestMode::round_prefer_floor:
    return x == std::floor(x) + 0.5f ? std::floor(x) : std::round(x);
  case NearestMode::round_prefer_ceil:
    return x == std::floor(x) + 0.5f ? std::ceil(x) : std::round(x);
  case NearestMode::floor:
    return std::floor(x);
  case NearestMode::ceil:
    return std::ceil(x);
  }
  llvm_unreachable("unknown rounding");
}

/// Keys' cubic convolution kernel.
static float cubicWeight(float distance, float a) {
  float x = std::abs(distance);
  if (x <= 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

SmallVector<SmallVector<ResizeTap>> resizeTaps(ResizeOp op, unsigned axis, int64_t inSize, int64_t outSize) {
  ResizeRule rule{op.getMode(), op.getCoord(), op.getNearest(), float(op.getCubicCoeff().convertToDouble()),
                  op.getExcludeOutside(), op.getAntialias()};
  double scale = op.getScales()[axis];
  return resizeTaps(rule, scale ? scale : double(outSize) / double(inSize), inSize, outSize);
}

SmallVector<SmallVector<ResizeTap>> resizeTaps(const ResizeRule &rule, double exactScale, int64_t inSize,
                                               int64_t outSize) {
  SmallVector<SmallVector<ResizeTap>> result(outSize);
  float scale = float(exactScale), a = rule.cubicCoeff;
  bool isCubic = rule.mode == ResizeMode::cubic;
  auto inside = [&](int64_t index) { return std::clamp<int64_t>(index, 0, inSize - 1); };
  // An axis that keeps its size is copied, whatever the mode.
  bool isCopy = inSize == outSize && scale == 1.0f;
  for (int64_t o = 0; o < outSize; ++o) {
    SmallVector<ResizeTap> &taps = result[o];
    float x = isCopy ? float(o) : sourcePosition(rule.coord, o, scale, inSize, outSize);
    if (isCopy || rule.mode == ResizeMode::nearest) {
      taps.push_back({isCopy ? o : inside(nearestElement(rule.nearest, x)), 1.0f});
      continue;
    }
    if (!isCubic && !rule.antialias) {
      float clamped = std::clamp(x, 0.0f, float(inSize - 1));
      int64_t first = int64_t(clamped), second = inside(first + 1);
      bool isEdge = first == second; // both weights would be 0
      taps.push_back({first, isEdge ? 0.5f : float(second) - clamped});
      taps.push_back({second, isEdge ? 0.5f : clamped - float(first)});
      continue;
    }
    // Shrinking with antialias stretches the kernel over all elements it averages.
    float stretch = rule.antialias ? std::min(scale, 1.0f) : 1.0f, radius = isCubic ? 2.0f : 1.0f;
    int64_t start = int64_t(std::floor(-radius / stretch)) + 1, base = int64_t(std::floor(x));
    float sum = 0;
    for (int64_t k = start; k < start + 2 - 2 * start; ++k) {
      float distance = (float(base + k) - x) * stretch;
      float weight = isCubic ? cubicWeight(distance, a) : std::max(0.0f, 1 - std::abs(distance));
      bool isOutside = base + k < 0 || base + k >= inSize;
      weight = rule.excludeOutside && isOutside ? 0 : weight;
      taps.push_back({inside(base + k), weight});
      sum += weight;
    }
    if (rule.antialias || rule.excludeOutside)
      for (ResizeTap &tap : taps)
        tap.weight /= sum;
  }
  return result;
}

int64_t padSource(PadMode mode, int64_t at, int64_t begin, int64_t end) {
  if (at >= begin && at < end)
    return at;
  int64_t size = end - begin;
  switch (mode) {
  case PadMode::constant:
    return -1;
  case PadMode::edge:
    return at < begin ? begin : end - 1;
  case PadMode::wrap:
    return begin + ((at - begin) % size + size) % size;
  case PadMode::reflect: {
    int64_t period = std::max<int64_t>(2 * (size - 1), 1), phase = ((at - begin) % period + period) % period;
    return begin + std::min(phase, period - phase);
  }
  }
  llvm_unreachable("unknown pad mode");
}

} // namespace tern::nn
