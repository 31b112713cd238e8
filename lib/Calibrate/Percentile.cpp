//===- Percentile.cpp - Ranges that keep most values ----------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Clip.h"
#include <algorithm>

namespace tern::calib {

/// Value below which a part of all values lies. The zeros lie between the negative and the positive bins.
static double quantile(const Sketch &sketch, const Histogram &histogram, double part) {
  double target = part * static_cast<double>(sketch.count()), seen = 0;
  bool zerosSeen = false;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    int64_t bin = histogram.first + static_cast<int64_t>(i);
    if (bin >= 0 && !zerosSeen) {
      zerosSeen = true;
      seen += static_cast<double>(sketch.zeros());
      if (seen >= target && sketch.zeros() > 0)
        return 0;
    }
    double count = static_cast<double>(histogram.counts[i]);
    if (count > 0 && seen + count >= target) {
      double inside = std::max(0.0, (target - seen) / count);
      double x = (static_cast<double>(bin) + inside) * histogram.width;
      return std::min(std::max(x, static_cast<double>(sketch.min())), static_cast<double>(sketch.max()));
    }
    seen += count;
  }
  return sketch.max();
}

/// Limit of |x| beyond which a number of values lies, found from the outside.
static double cutOutside(const Sketch &sketch, double cut) {
  Histogram histogram = sketch.histogram();
  int64_t first = histogram.first, size = static_cast<int64_t>(histogram.counts.size());
  auto countOf = [&](int64_t bin) {
    return bin >= first && bin < first + size ? static_cast<double>(histogram.counts[bin - first]) : 0;
  };
  double limit = std::max(-static_cast<double>(sketch.min()), static_cast<double>(sketch.max())), seen = 0;
  double all = static_cast<double>(sketch.count() - sketch.zeros());
  for (int64_t bin = std::max(~first, first + size - 1); bin >= 0 && seen < all; --bin) {
    double count = countOf(bin) + countOf(~bin);
    if (count > 0 && seen + count > cut)
      return std::min(limit, (static_cast<double>(bin + 1) - std::max(0.0, cut - seen) / count) * histogram.width);
    seen += count;
  }
  return 0;
}

Clip percentileClip(const Sketch &sketch, const RangeOptions &options) {
  double outside = 1 - options.percentile / 100;
  if (options.symmetric) {
    double limit = cutOutside(sketch, outside * static_cast<double>(sketch.count()));
    return {-limit, limit};
  }
  Histogram histogram = sketch.histogram();
  return {quantile(sketch, histogram, outside / 2), quantile(sketch, histogram, 1 - outside / 2)};
}

} // namespace tern::calib
