//===- Clip.h - Choosing where to clip --------------------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to lib/Calibrate: the methods behind chooseRange().
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_CLIP_H
#define TERN_CALIBRATE_CLIP_H

#include "lib/Calibrate/Range.h"

namespace tern::calib {

/// A range in double, so that candidates do not round.
struct Clip {
  double lo, hi;
};

/// The codes of a range: x = k * scale with integer k from first to last.
struct Grid {
  double scale, first, last;
};

/// Steps from the lowest to the highest code.
double stepsOf(const RangeOptions &options);

/// The codes of a range that is not empty; an asymmetric zero point is rounded.
Grid gridOf(Clip clip, const RangeOptions &options);

/// The whole range of the values, with zero in it.
Clip hullOf(const Sketch &sketch, const RangeOptions &options);

// One per method; the values are not all zero.
Clip mseClip(const Sketch &sketch, const RangeOptions &options);
Clip percentileClip(const Sketch &sketch, const RangeOptions &options);
Clip entropyClip(const Sketch &sketch, const RangeOptions &options);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_CLIP_H
