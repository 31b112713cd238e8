//===- Range.cpp - Quantization ranges from sketches ----------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Range.h"
#include "lib/Calibrate/Clip.h"
#include "lib/Formats/Numeric.h"
#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace tern::calib {

double stepsOf(const RangeOptions &options) {
  bool narrow = options.symmetric && options.isSigned;
  return std::ldexp(1.0, static_cast<int>(options.bits)) - (narrow ? 2 : 1);
}

Grid gridOf(Clip clip, const RangeOptions &options) {
  double steps = stepsOf(options), scale = (clip.hi - clip.lo) / steps;
  double first = options.symmetric ? (options.isSigned ? -steps / 2 : 0) : roundEven(clip.lo / scale);
  return {scale, first, first + steps};
}

Clip hullOf(const Sketch &sketch, const RangeOptions &options) {
  double lo = std::min(0.0f, sketch.min()), hi = std::max(0.0f, sketch.max());
  if (!options.symmetric)
    return {lo, hi};
  if (!options.isSigned)
    return {0, hi};
  return {-std::max(-lo, hi), std::max(-lo, hi)};
}

static Clip chooseClip(const Sketch &sketch, const RangeOptions &options) {
  Clip hull = hullOf(sketch, options);
  if (hull.lo == hull.hi)
    return hull;
  switch (options.method) {
  case RangeMethod::MinMax:
    break;
  case RangeMethod::Percentile:
    return percentileClip(sketch, options);
  case RangeMethod::Mse:
    return mseClip(sketch, options);
  case RangeMethod::Entropy:
    return entropyClip(sketch, options);
  }
  return hull;
}

Range chooseRange(const Sketch &sketch, const RangeOptions &options) {
  assert(options.bits >= 2 && options.bits <= 16 && "codes have 2 to 16 bits");
  Clip clip = chooseClip(sketch, options);
  // Half of the largest float, so that hi - lo is one.
  double lo = std::max(std::min(clip.lo, 0.0), -FLT_MAX / 2.0), hi = std::min(std::max(clip.hi, 0.0), FLT_MAX / 2.0);
  if (options.symmetric) {
    hi = std::max(options.isSigned ? -lo : 0, hi);
    lo = options.isSigned ? -hi : 0;
  }
  double least = std::ldexp(FLT_MIN, static_cast<int>(options.bits));
  if (hi == lo)
    hi = 1;
  else if (hi - lo < least)
    hi = lo + least;
  if (options.symmetric && options.isSigned)
    lo = -hi;
  return {static_cast<float>(lo), static_cast<float>(hi)};
}

Result<RangeOptions> parseRangeMethod(const std::string &text) {
  RangeOptions options;
  const std::string percentile = "percentile";
  if (text == "mse" || text == "minmax" || text == "entropy") {
    options.method = text == "mse" ? RangeMethod::Mse : text == "minmax" ? RangeMethod::MinMax : RangeMethod::Entropy;
    return options;
  }
  options.method = RangeMethod::Percentile;
  if (text == percentile)
    return options;
  if (text.compare(0, percentile.size() + 1, percentile + ":") == 0) {
    const char *number = text.c_str() + percentile.size() + 1;
    char *end;
    options.percentile = std::strtod(number, &end);
    if (*number != 0 && *end == 0 && options.percentile > 50 && options.percentile <= 100)
      return options;
    return Error{"range method '" + text + "': the percentile is a number above 50 and at most 100, such as 99.99"};
  }
  return Error{"range method '" + text + "' is unknown; use mse, minmax, entropy or percentile:P"};
}

static std::string printFloat(double value, const char *format) {
  char buffer[40];
  snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string printRangeMethod(const RangeOptions &options) {
  switch (options.method) {
  case RangeMethod::MinMax:
    return "minmax";
  case RangeMethod::Mse:
    return "mse";
  case RangeMethod::Entropy:
    return "entropy";
  case RangeMethod::Percentile:
    break;
  }
  return "percentile:" + printFloat(options.percentile, "%.10g");
}

RangeStats statsOf(const Sketch &sketch, const RangeOptions &options) {
  Range range = chooseRange(sketch, options);
  return {sketch.min(), sketch.max(), range.lo, range.hi};
}

std::string printStats(const RangeStats &stats) {
  std::string text;
  RangeStats::fields(stats, [&](const char *name, float value) {
    text += (text.empty() ? "{\"" : ", \"") + std::string(name) + "\": " + printFloat(value, "%.9g");
  });
  return text + "}";
}

Status checkStats(const RangeStats &stats) {
  Status status;
  RangeStats::fields(stats, [&](const char *name, float value) {
    if (!std::isfinite(value))
      status =
          Error{std::string("the statistic '") + name + "' is " + printFloat(value, "%g") + ", not a finite number"};
  });
  if (!status)
    return status;
  if (stats.min > stats.max)
    return Error{"the statistics have min " + printFloat(stats.min, "%.9g") + " above max " +
                 printFloat(stats.max, "%.9g")};
  if (stats.lo > 0 || stats.hi < 0 || stats.lo == stats.hi)
    return Error{"the range [" + printFloat(stats.lo, "%.9g") + ", " + printFloat(stats.hi, "%.9g") +
                 "] must contain 0 and not be empty"};
  return status;
}

} // namespace tern::calib
