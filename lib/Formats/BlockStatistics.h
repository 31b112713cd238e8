// Statistics of the blocks of a tensor, one per entry of a plane (internal to lib/Formats). Elements that are not
// finite do not count, except in LargestBits.
#ifndef TERN_FORMATS_BLOCKSTATISTICS_H
#define TERN_FORMATS_BLOCKSTATISTICS_H

#include "lib/Formats/Blocks.h"

#include <cmath>
#include <limits>

namespace tern {

constexpr int32_t kInfinityBits = 0x7f800000;

/// Maps the bits of a float to an integer of the same order; its own inverse. Integer minima and maxima vectorize
/// everywhere, and do not depend on the order of the elements.
inline int32_t ordered(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }
inline int32_t bitsAt(const float *x) { return int32_t(bitsOf(*x)); }
inline float fromOrdered(int32_t o) { return fromBits(uint32_t(ordered(o))); }

// Statistics of a block: `one` is the value of an element, `merge` combines two; both are commutative.
struct LargestMagnitude {
  using Acc = int32_t;
  static constexpr Acc start = 0;
  static Acc one(const float *x) {
    int32_t mag = bitsAt(x) & 0x7fffffff;
    return mag < kInfinityBits ? mag : 0;
  }
  static Acc merge(Acc a, Acc b) { return a > b ? a : b; }
};

/// Like LargestMagnitude, but NaN and Inf stay visible.
struct LargestBits {
  using Acc = int32_t;
  static constexpr Acc start = 0;
  static Acc one(const float *x) { return bitsAt(x) & 0x7fffffff; }
  static Acc merge(Acc a, Acc b) { return a > b ? a : b; }
};

struct Largest {
  using Acc = int32_t;
  static constexpr Acc start = std::numeric_limits<int32_t>::min();
  static Acc one(const float *x) {
    int32_t bits = bitsAt(x);
    return (bits & 0x7fffffff) < kInfinityBits ? ordered(bits) : start;
  }
  static Acc merge(Acc a, Acc b) { return a > b ? a : b; }
};

struct Smallest {
  using Acc = int32_t;
  static constexpr Acc start = std::numeric_limits<int32_t>::max();
  static Acc one(const float *x) {
    int32_t bits = bitsAt(x);
    return (bits & 0x7fffffff) < kInfinityBits ? ordered(bits) : start;
  }
  static Acc merge(Acc a, Acc b) { return a < b ? a : b; }
};

/// One statistic for each entry of a plane.
template <typename Stat>
std::vector<typename Stat::Acc> reduce(const BlockMap &map, Span<const int64_t> shape, const float *x) {
  using Acc = typename Stat::Acc;
  std::vector<Acc> acc(size_t(map.entries), Stat::start);
  Rows rows(shape);
  for (int64_t r = 0; r < rows.count; ++r, rows.next(), x += rows.length) {
    int64_t start = map.rowStart(rows);
    if (map.last == 1) {
      Acc *a = acc.data() + start;
      for (int64_t i = 0; i < rows.length; ++i)
        a[i] = Stat::merge(a[i], Stat::one(x + i));
      continue;
    }
    map.forBlocks(start, 0, rows.length, [&](int64_t entry, int64_t i, int64_t stop) {
      Acc a = Stat::start;
      for (; i < stop; ++i)
        a = Stat::merge(a, Stat::one(x + i));
      acc[size_t(entry)] = Stat::merge(acc[size_t(entry)], a);
    });
  }
  return acc;
}

/// Calls fn(entry, value) for all elements in memory order: statistics that depend on the order.
template <typename Fn> void forElements(const BlockMap &map, Span<const int64_t> shape, const float *x, Fn fn) {
  Rows rows(shape);
  for (int64_t r = 0; r < rows.count; ++r, rows.next(), x += rows.length)
    map.forBlocks(map.rowStart(rows), 0, rows.length, [&](int64_t entry, int64_t i, int64_t stop) {
      for (; i < stop; ++i)
        if (std::isfinite(x[i]))
          fn(size_t(entry), x[i]);
    });
}

inline std::vector<float> meanMagnitude(const BlockMap &map, Span<const int64_t> shape, const float *x) {
  std::vector<double> sum(size_t(map.entries), 0.0);
  std::vector<int64_t> count(size_t(map.entries), 0);
  forElements(map, shape, x, [&](size_t entry, float v) {
    sum[entry] += std::fabs(double(v));
    ++count[entry];
  });
  std::vector<float> mean(sum.size());
  for (size_t i = 0; i < sum.size(); ++i)
    mean[i] = count[i] ? float(sum[i] / double(count[i])) : 0.0f;
  return mean;
}

/// The first element of largest magnitude, with its sign.
inline std::vector<float> signedLargest(const BlockMap &map, Span<const int64_t> shape, const float *x) {
  std::vector<float> best(size_t(map.entries), 0.0f);
  forElements(map, shape, x, [&](size_t entry, float v) {
    if (std::fabs(v) > std::fabs(best[entry]))
      best[entry] = v;
  });
  return best;
}

} // namespace tern
#endif // TERN_FORMATS_BLOCKSTATISTICS_H
