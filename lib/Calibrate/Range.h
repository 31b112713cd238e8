//===- Range.h - Quantization ranges from sketches --------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_RANGE_H
#define TERN_CALIBRATE_RANGE_H

#include "lib/Calibrate/Result.h"
#include "lib/Calibrate/Sketch.h"

namespace tern::calib {

/// How values outside of most others are cut off.
/// - MinMax: not at all.
/// - Percentile: the range keeps `percentile` percent of the values; an asymmetric one cuts off half of the rest on
/// each
///   side, a symmetric one counts absolute values (as ONNX Runtime).
/// - Mse: the range with the least mean squared rounding and clipping error for the given codes, within the resolution
///   of the histogram.
/// - Entropy: the clip |x| <= t for which the clipped and quantized histogram of |x| has the least Kullback-Leibler
///   divergence from the clipped one (as TensorRT: 2048 bins, all that is cut off is added to the last one).
enum class RangeMethod { MinMax, Percentile, Mse, Entropy };

/// The method and the codes that a range is for.
struct RangeOptions {
  RangeMethod method = RangeMethod::Mse;
  double percentile = 99.99; ///< of Percentile, above 50 and at most 100
  unsigned bits = 8;         ///< 2 to 16
  /// The zero point is 0. Codes are then -(2^(bits-1) - 1) to 2^(bits-1) - 1, without `isSigned` 0 to 2^bits - 1. An
  /// asymmetric range has 2^bits codes either way.
  bool symmetric = false;
  bool isSigned = true;
};

/// "mse", "minmax", "entropy", "percentile" or "percentile:99.9", as --ranges takes it.
Result<RangeOptions> parseRangeMethod(const std::string &text);
std::string printRangeMethod(const RangeOptions &options);

/// The real numbers between which values are rounded, not clipped.
struct Range {
  float lo, hi;
};

/// Chooses a range. It always contains 0 and is never empty: lo <= 0 <= hi and (hi - lo) / steps is a normal number; a
/// symmetric one is [-hi, hi], or [0, hi] for unsigned codes. Values that are all 0, or none at all, give hi = 1.
Range chooseRange(const Sketch &sketch, const RangeOptions &options);

/// Mean squared error of values that are rounded to the codes of a range, from the histogram: each bin counts as spread
/// evenly. The scale is (hi - lo) / steps and an asymmetric zero point is rounded, as the quantizer does it.
double rangeError(const Sketch &sketch, const RangeOptions &options, Range range);

/// What is kept of a tensor's calibration: in the attribute `tern.stats` and in plan.json.
struct RangeStats {
  float min = 0, max = 0; ///< of the values seen
  float lo = 0, hi = 0;   ///< the chosen range

  /// Calls visit(name, field) for every field: what reading and writing in any form need.
  template <class Self, class Visit> static void fields(Self &self, Visit visit) {
    visit("min", self.min);
    visit("max", self.max);
    visit("lo", self.lo);
    visit("hi", self.hi);
  }
};

RangeStats statsOf(const Sketch &sketch, const RangeOptions &options);

/// One JSON object; floats are printed so that they are read back exactly.
std::string printStats(const RangeStats &stats);

/// Checks stats that were read: finite, min <= max, lo <= 0 <= hi, lo < hi.
Status checkStats(const RangeStats &stats);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_RANGE_H
