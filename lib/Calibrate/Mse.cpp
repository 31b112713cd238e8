//===- Mse.cpp - The range with the least squared error -------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Clip.h"
#include "lib/Formats/Numeric.h"
#include <algorithm>
#include <cmath>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

namespace tern::calib {

namespace {
/// Mean squared errors of many clips over one histogram.
///
/// The squared distance to the nearest code has the antiderivative scale^3 * (k / 12 + r^3 / 3), k the nearest code and
/// r = x / scale - k; with k limited to the codes this holds for clipped values as well. So a bin's error, its values
/// spread evenly, is exact for bins wider and narrower than a step.
class ErrorModel {
public:
  explicit ErrorModel(const Sketch &sketch) : total(static_cast<double>(sketch.count())) {
    Histogram histogram = sketch.histogram();
    for (size_t i = 0; i < histogram.counts.size(); ++i) {
      if (histogram.counts[i] == 0)
        continue;
      double bin = histogram.first + static_cast<double>(i);
      // Values pile up at the ends when something clipped them: the outer bins end there.
      double from = std::max(bin * histogram.width, static_cast<double>(sketch.min()));
      double to = std::min((bin + 1) * histogram.width, static_cast<double>(sketch.max()));
      double weight = static_cast<double>(histogram.counts[i]);
      if (to - from < histogram.width * 1e-6) {
        pointX.push_back((from + to) / 2);
        pointWeight.push_back(weight);
        continue;
      }
      left.push_back(from);
      right.push_back(to);
      density.push_back(weight / (to - from));
    }
  }

  double operator()(Grid grid) const {
    double inverse = 1 / grid.scale, area = 0;
    auto nearest = [&](double x) { return std::min(std::max(roundEven(x), grid.first), grid.last); };
    auto antiderivative = [&](double x) {
      double y = x * inverse, k = nearest(y), r = y - k;
      return k * (1.0 / 12) + r * r * r * (1.0 / 3);
    };
    constexpr size_t kWide = 4;
    double sums[kWide] = {};
    size_t i = 0, n = density.size();
    for (; i + kWide <= n; i += kWide)
      for (size_t lane = 0; lane < kWide; ++lane)
        sums[lane] += density[i + lane] * (antiderivative(right[i + lane]) - antiderivative(left[i + lane]));
    for (; i < n; ++i)
      sums[i % kWide] += density[i] * (antiderivative(right[i]) - antiderivative(left[i]));
    area = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * grid.scale;
    for (size_t p = 0; p < pointX.size(); ++p) {
      double y = pointX[p] * inverse, r = y - nearest(y);
      area += pointWeight[p] * r * r;
    }
    return total > 0 ? area * grid.scale * grid.scale / total : 0;
  }

private:
  double total;
  std::vector<double> left, right, density, pointX, pointWeight;
};

/// Scans clips. A later candidate has to be really better, so the widest of equals wins.
class MseSearch {
public:
  MseSearch(const Sketch &sketch, const RangeOptions &options)
      : model(sketch), options(options), hull(hullOf(sketch, options)), best(hull), bestError(errorOf(hull)) {}

  Clip run() {
    bool twoSided = !options.symmetric && hull.lo < 0 && hull.hi > 0;
    scan(true, true);
    for (int round = 0; twoSided && round < 2; ++round) {
      scan(true, false);
      scan(false, true);
    }
    return best;
  }

private:
  // Eight clips per octave down to 1/64, then finer ones around the best.
  static constexpr int kPerOctave = 8, kOctaves = 6, kFiner = 4, kLevels = 2;

  double errorOf(Clip clip) const { return model(gridOf(clip, options)); }

  void attempt(Clip clip) {
    double error = errorOf(clip);
    if (error < bestError * (1 - 1e-9)) {
      bestError = error;
      best = clip;
    }
  }

  void scan(bool moveLo, bool moveHi) {
    Clip start = best;
    auto at = [&](double factor, Clip from) {
      return Clip{moveLo ? from.lo * factor : start.lo, moveHi ? from.hi * factor : start.hi};
    };
    for (int i = 1; i <= kPerOctave * kOctaves; ++i)
      attempt(at(std::exp2(-static_cast<double>(i) / kPerOctave), hull));
    double step = 1.0 / kPerOctave;
    for (int level = 0; level < kLevels; ++level) {
      step /= kFiner;
      Clip center = best;
      for (int i = 1 - kFiner; i < kFiner; ++i) {
        Clip clip = at(std::exp2(step * i), center);
        attempt({std::max(clip.lo, hull.lo), std::min(clip.hi, hull.hi)});
      }
    }
  }

  ErrorModel model;
  RangeOptions options;
  Clip hull, best;
  double bestError;
};
} // namespace

Clip mseClip(const Sketch &sketch, const RangeOptions &options) { return MseSearch(sketch, options).run(); }

double rangeError(const Sketch &sketch, const RangeOptions &options, Range range) {
  return ErrorModel(sketch)(gridOf({range.lo, range.hi}, options));
}

} // namespace tern::calib
