//===- Entropy.cpp - Ranges that keep the distribution --------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Clip.h"
#include <algorithm>
#include <cmath>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

namespace tern::calib {

/// Counts of |x| in bins of `merge` bins of the histogram.
static std::vector<uint64_t> foldHistogram(const Histogram &histogram, int64_t merge) {
  std::vector<uint64_t> folded;
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    int64_t bin = histogram.first + static_cast<int64_t>(i);
    size_t at = static_cast<size_t>((bin < 0 ? ~bin : bin) / merge);
    if (histogram.counts[i] != 0 && at >= folded.size())
      folded.resize(at + 1);
    if (histogram.counts[i] != 0)
      folded[at] += histogram.counts[i];
  }
  return folded;
}

static double entropyTerm(double p) { return p > 0 ? p * std::log(p) : 0; }

/// TensorRT's calibrator ("8-bit Inference with TensorRT", GTC 2017). Sums over the histogram come from prefix sums, as
/// the quantized distribution is constant over the filled bins of a level.
static double entropyLimit(const Sketch &sketch, const RangeOptions &options) {
  constexpr size_t kMost = 2048;
  Histogram histogram = sketch.histogram();
  double limit = std::max(-static_cast<double>(sketch.min()), static_cast<double>(sketch.max()));
  int64_t merge = 1;
  while (limit / (histogram.width * static_cast<double>(merge)) > static_cast<double>(kMost))
    merge *= 2;
  std::vector<uint64_t> bins = foldHistogram(histogram, merge);
  bool oneSided = (sketch.min() >= 0 || sketch.max() <= 0) && !(options.symmetric && options.isSigned);
  size_t levels = size_t(1) << (oneSided ? options.bits : options.bits - 1);
  if (bins.size() <= levels)
    return limit;
  size_t n = bins.size();
  std::vector<double> count(n + 1), filled(n + 1), terms(n + 1);
  for (size_t i = 0; i < n; ++i) {
    count[i + 1] = count[i] + static_cast<double>(bins[i]);
    filled[i + 1] = filled[i] + (bins[i] != 0);
    terms[i + 1] = terms[i] + entropyTerm(static_cast<double>(bins[i]));
  }
  double total = count[n], best = HUGE_VAL;
  size_t bestSize = n;
  for (size_t size = n; size >= levels; --size) {
    double last = static_cast<double>(bins[size - 1]), outside = total - count[size];
    if (count[size] == 0)
      break;
    double cross = 0; // sum of p * log(q)
    for (size_t level = 0, from = 0; level < levels; ++level) {
      size_t to = (level + 1) * size / levels;
      double inside = count[to] - count[from], places = filled[to] - filled[from], p = inside;
      if (to == size) {
        p += outside;
        places += last == 0 && outside > 0; // the last bin gets all that is cut off
      }
      // A level that only holds what was cut off has q = 0; ONNX Runtime's smoothing gives it a ten-thousandth.
      if (p > 0)
        cross += p * std::log(std::max(inside, 1e-4) / places);
      from = to;
    }
    double own = terms[size - 1] + entropyTerm(last + outside);
    double divergence = (own - cross) / total - std::log(total) + std::log(count[size]);
    if (divergence < best - 1e-12) {
      best = divergence;
      bestSize = size;
    }
  }
  return std::min(limit, static_cast<double>(bestSize) * static_cast<double>(merge) * histogram.width);
}

Clip entropyClip(const Sketch &sketch, const RangeOptions &options) {
  double limit = entropyLimit(sketch, options);
  Clip hull = hullOf(sketch, options);
  return {std::max(hull.lo, -limit), std::min(hull.hi, limit)};
}

} // namespace tern::calib
