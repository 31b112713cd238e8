//===- Equalize.h - Channels of one range -----------------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value x with one scale loses its small channels to the large ones. Its readers compute the same from x / s and
// w * s, s a factor for each channel: where weights are small the activations may be large, and the other way round
// (cross-layer equalization, Nagel et al. 2019; SmoothQuant, Xiao et al. 2022).
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_EQUALIZE_H
#define TERN_CALIBRATE_EQUALIZE_H

#include "lib/Calibrate/Sketch.h"

namespace tern::calib {

/// A layer that reads the value: weights [outputs, channels / groups, taps]. Output o reads the channels of group
/// o / (outputs / groups). Each output has a scale for every `block` channels, and a largest code.
struct ChannelReader {
  std::vector<float> weights;
  size_t outputs = 0, taps = 1, groups = 1;
  size_t block = SIZE_MAX;
  double largestCode = 127;
};

/// One s > 0 for each channel, and what is won: expected squared error of the readers' results by rounding x to 8 bits
/// and w to its codes, before over after.
struct Equalization {
  std::vector<float> factors;
  double gain = 1;
};

/// Chooses s = max|x|^a / max|w|^(1 - a) with the a of {1, 3/4, 1/2, 1/4} that has the least expected error; gain 1 and
/// no factors when none is better than s = 1. Channels that were never large are not made larger than kLargestFactor
/// allows: other data may show more of them.
Equalization equalizeChannels(const ChannelSketch &values, const std::vector<ChannelReader> &readers);

/// The largest of max|x| over that of a channel that counts: with 8 bits such a channel has 2 bits of the common scale.
constexpr double kLargestFactor = 64;

} // namespace tern::calib

#endif // TERN_CALIBRATE_EQUALIZE_H
