#include "lib/Quantize/GridSearch.h"

#include "lib/Formats/Numeric.h"
#include "lib/Quantize/ClipSearch.h"

#include <algorithm>
#include <cmath>
#include <limits>

// Wider vectors where the machine has them; none of these fuses a multiply and an add, so that all give equal sums.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__clang__)
#define TERN_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define TERN_VECTOR_CLONES
#endif

namespace tern {
namespace {

/// Blocks are cut where lib/Formats cuts its runs: sums are added in the same order.
constexpr int64_t kRun = 1024;

/// Sum of (x - dequantize(quantize(x)))^2, in four partial sums.
TERN_VECTOR_CLONES double squaredError(const float *x, int64_t n, float scale, float zero, float lo, float hi) {
  double sums[4] = {};
  float low = lo - zero, high = hi - zero;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int lane = 0; lane < 4; ++lane) {
      float y = x[i + lane] / scale;
      y = y < low ? low : y;
      y = y > high ? high : y;
      double difference = x[i + lane] - roundEven(y) * scale;
      sums[lane] += difference * difference;
    }
  for (; i < n; ++i) {
    float y = std::min(std::max(x[i] / scale, low), high);
    double difference = x[i] - roundEven(y) * scale;
    sums[0] += difference * difference;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// What the rule looks at: the numerator of the scale, and the least value.
struct Extent {
  float numerator = 0, least = 0;
};

Extent extentOf(Rule rule, const float *x, int64_t n) {
  float low = 0, high = 0; // a zero point exists only when the range contains 0
  for (int64_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  if (rule == Rule::Minmax)
    return {std::min(high - low, std::numeric_limits<float>::max()), low};
  if (rule == Rule::Absmax)
    return {std::max(-low, high), 0};
  if (-low != high)
    return {-low > high ? low : high, 0};
  // The first of the two counts.
  for (int64_t i = 0; i < n; ++i)
    if (std::fabs(x[i]) == high)
      return {x[i], 0};
  return {};
}

bool isFloatScale(const Element &type) {
  return type == Element::f32() || type == Element::f16() || type == Element::bf16();
}

float stored(const Element &type, float value) {
  constexpr float most = std::numeric_limits<float>::max();
  if (type == Element::f16())
    value = f16ToF32(f32ToF16(std::min(std::max(value, -65504.0f), 65504.0f)));
  else if (type == Element::bf16())
    value = bf16ToF32(f32ToBf16(std::min(std::max(value, -0x1.fep127f), 0x1.fep127f)));
  else
    value = std::min(std::max(value, -most), most);
  return value == 0 ? 1.0f : value;
}

} // namespace

bool isGrid(const WeightJob &job) {
  const Format &format = job.format;
  const Encode &encode = job.encode;
  if (job.shape.size() != 2 || !format.elem.isInteger() || format.elem.bits > 8 || format.planes.empty() ||
      format.planes.size() > 2)
    return false;
  const Plane *scale = format.find(Role::Scale), *zero = format.find(Role::Zero);
  if (!scale || !isFloatScale(scale->type) || scale->block.size() != 2 || scale->block[0] != 1)
    return false;
  if (encode.round != Round::Rne || encode.order != Order::RoundThenZp || encode.sat != Sat::Clamp)
    return false;
  bool symmetric = encode.rule == Rule::Absmax || encode.rule == Rule::SignedAbsmax;
  if (format.planes.size() == 1 ? !symmetric
                                : encode.rule != Rule::Minmax || !zero || !zero->type.isInteger() ||
                                      zero->block != scale->block || zero->type.minCode() > encode.low(format.elem) ||
                                      zero->type.maxCode() < encode.high(format.elem))
    return false;
  return countNonFinite(job.w, job.shape[0] * job.shape[1]) == 0;
}

std::vector<float> searchGrid(const WeightJob &job) {
  const Plane &scalePlane = *job.format.find(Role::Scale);
  int64_t rows = job.shape[0], columns = job.shape[1];
  int64_t block = scalePlane.block[1] == kWhole ? columns : scalePlane.block[1];
  int64_t lo = job.encode.low(job.format.elem), hi = job.encode.high(job.format.elem);
  bool isMinmax = job.encode.rule == Rule::Minmax;
  double target = isMinmax ? double(hi - lo) : job.encode.rule == Rule::Absmax ? double(hi - lo) / 2 : double(lo);
  std::vector<float> factors;
  factors.reserve(size_t(columns ? rows * ((columns + block - 1) / block) : 0));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t begin = 0; begin < columns; begin += block) {
      int64_t end = std::min(columns, begin + block);
      const float *row = job.w + r * columns;
      Extent extent = extentOf(job.encode.rule, row + begin, end - begin);
      float best = 1.0f;
      double least = 0;
      for (int i = 0; i < kClipCandidates; ++i) {
        float factor = i ? 1.0f - kClipStep * float(i) : 1.0f;
        float scale = stored(scalePlane.type, extent.numerator * factor / float(target)), zero = 0;
        if (isMinmax)
          zero = float(std::min(std::max(std::nearbyint(double(-(extent.least * factor) / scale)) + double(lo), double(lo)),
                                double(hi)));
        double sum = 0;
        for (int64_t at = begin; at < end;) {
          int64_t stop = std::min(end, at - at % kRun + kRun);
          sum += squaredError(row + at, stop - at, scale, zero, float(lo), float(hi));
          at = stop;
        }
        if (i == 0 || sum < least) {
          least = sum;
          best = factor;
        }
      }
      factors.push_back(best);
    }
  return factors;
}

} // namespace tern
