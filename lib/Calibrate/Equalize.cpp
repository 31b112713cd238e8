//===- Equalize.cpp - Channels of one range -------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Equalize.h"
#include <algorithm>
#include <cmath>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

namespace tern::calib {

namespace {
/// The weights of a reader without their taps: [outputs, channels / groups].
struct Taps {
  explicit Taps(const ChannelReader &reader)
      : outputs(reader.outputs), perGroup(reader.weights.size() / (reader.outputs * reader.taps)), taps(reader.taps),
        outputsPerGroup(reader.outputs / reader.groups), block(std::max<size_t>(1, std::min(reader.block, perGroup))),
        largestCode(reader.largestCode), largest(outputs * perGroup), squares(outputs * perGroup) {
    for (size_t i = 0; i < largest.size(); ++i)
      for (size_t t = 0; t < taps; ++t) {
        double w = std::abs(static_cast<double>(reader.weights[i * taps + t]));
        largest[i] = std::max(largest[i], w);
        squares[i] += w * w;
      }
  }
  /// The first channel that an output reads.
  size_t channelOf(size_t output) const { return output / outputsPerGroup * perGroup; }

  size_t outputs, perGroup, taps, outputsPerGroup, block;
  double largestCode;
  std::vector<double> largest, squares;
};

class Search {
public:
  Search(const ChannelSketch &values, const std::vector<ChannelReader> &readers) : values(values) {
    for (const ChannelReader &reader : readers)
      this->readers.emplace_back(reader);
  }

  Equalization run() const {
    size_t channels = values.channels();
    std::vector<double> x(channels), w(channels), factors(channels, 1);
    for (size_t c = 0; c < channels; ++c)
      x[c] = std::max(std::abs(static_cast<double>(values.min(c))), std::abs(static_cast<double>(values.max(c))));
    for (const Taps &reader : readers)
      for (size_t o = 0; o < reader.outputs; ++o)
        for (size_t i = 0; i < reader.perGroup; ++i) {
          double &most = w[reader.channelOf(o) + i];
          most = std::max(most, reader.largest[o * reader.perGroup + i]);
        }
    if (!raiseSmall(x, kLargestFactor) || !raiseSmall(w, kLargestWeightFactor))
      return {};
    double before = noise(factors), least = before;
    Equalization best;
    for (double part : {1.0, 0.75, 0.5, 0.25}) {
      double logs = 0;
      for (size_t c = 0; c < channels; ++c) {
        factors[c] = std::pow(x[c], part) / std::pow(w[c], 1 - part);
        logs += std::log(factors[c]);
      }
      double middle = std::exp(logs / static_cast<double>(channels));
      for (double &factor : factors)
        factor /= middle;
      double after = noise(factors);
      // Also when it is no number.
      if (!(after < least))
        continue;
      least = after;
      best.gain = before / after;
      best.factors.assign(factors.begin(), factors.end());
    }
    return best;
  }

private:
  static constexpr double kLargestWeightFactor = 10000;

  /// False if all are zero.
  static bool raiseSmall(std::vector<double> &sizes, double ratio) {
    double largest = *std::max_element(sizes.begin(), sizes.end());
    for (double &size : sizes)
      size = std::max(size, largest / ratio);
    return largest > 0;
  }

  /// Rounding to steps of d has the mean squared error d^2 / 12, independent of all else.
  double noise(const std::vector<double> &factors) const {
    double lo = 0, hi = 0, sum = 0;
    for (size_t c = 0; c < factors.size(); ++c) {
      lo = std::min(lo, static_cast<double>(values.min(c)) / factors[c]);
      hi = std::max(hi, static_cast<double>(values.max(c)) / factors[c]);
    }
    double xStep = (hi - lo) / 255;
    for (const Taps &reader : readers)
      for (size_t o = 0; o < reader.outputs; ++o)
        for (size_t first = 0; first < reader.perGroup; first += reader.block) {
          double weightSquares = 0, valueSquares = 0, largest = 0;
          for (size_t i = first; i < std::min(first + reader.block, reader.perGroup); ++i) {
            size_t c = reader.channelOf(o) + i, at = o * reader.perGroup + i;
            weightSquares += reader.squares[at] * factors[c] * factors[c];
            valueSquares += values.meanSquare(c) / (factors[c] * factors[c]);
            largest = std::max(largest, reader.largest[at] * factors[c]);
          }
          double wStep = largest / reader.largestCode;
          sum += xStep * xStep * weightSquares + wStep * wStep * valueSquares * static_cast<double>(reader.taps);
        }
    return sum / 12;
  }

  const ChannelSketch &values;
  std::vector<Taps> readers;
};
} // namespace

Equalization equalizeChannels(const ChannelSketch &values, const std::vector<ChannelReader> &readers) {
  if (values.count() == 0 || values.channels() == 0 || readers.empty())
    return {};
  return Search(values, readers).run();
}

} // namespace tern::calib
