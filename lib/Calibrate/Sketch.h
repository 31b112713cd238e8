//===- Sketch.h - Streaming statistics of activations -----------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Statistics of any number of values in constant memory. The same values in the same order give the same bits on every
// machine; minimum, maximum, counts and histogram do not even depend on the order.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_SKETCH_H
#define TERN_CALIBRATE_SKETCH_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tern::calib {

/// Counts of the values that are not zero. Bin i >= 0 holds i * width <= x < (i + 1) * width, bin -1 - i the same of
/// -x.
struct Histogram {
  double width = 1;  ///< a power of two
  int32_t first = 0; ///< bin of counts[0]
  std::vector<uint64_t> counts;
};

/// Minimum, maximum, mean, variance and histogram of a stream of floats. About 100 KiB.
///
/// The width of the bins is the smallest power of two from 2^-126 on with which the bins from the minimum to the
/// maximum are at most kBins and all below 2^23. It grows with the range by merging pairs of bins, which is exact: the
/// counts are as if the width had been known from the start. Zeros are counted apart: they are exact in every range and
/// would hide the first bin after a Relu.
class Sketch {
public:
  static constexpr int kBins = 4096;

  Sketch();

  /// Adds `count` values, `stride` floats apart. NaN and infinite values are counted, and otherwise left out.
  void add(const float *values, size_t count, ptrdiff_t stride = 1);

  uint64_t count() const { return finite; }       ///< finite values, with zeros
  uint64_t nonFinite() const { return excluded; } ///< NaN and infinite values
  uint64_t zeros() const { return zero; }
  float min() const { return low; } ///< 0 if there is no value
  float max() const { return high; }
  double mean() const;
  double variance() const; ///< mean squared deviation from the mean

  /// From the bin of the minimum to that of the maximum; empty if all values are zero.
  Histogram histogram() const;

private:
  static constexpr int kBlock = 1024, kLanes = 4;

  void addBlock(const float *values, int count);
  void addMoments(const float *values, int count);
  void addBins(const float *values, int count);
  void extend(float newLow, float newHigh);
  void flush();

  uint64_t finite = 0, excluded = 0, zero = 0, pending = 0;
  float low = 0, high = 0;
  double shift = 0, sum = 0, squares = 0; // of x - shift, the first value: no cancellation if the mean is far from 0
  int exponent = 0;                       // the width is 2^exponent
  int32_t base = 0;                       // bin of bins[0]
  std::vector<uint64_t> bins;
  // kLanes counters per bin: neighbours often hit the same bin, and an increment waits for the one before.
  std::vector<uint32_t> lanes;
};

/// Minimum, maximum, mean and mean square per channel.
class ChannelSketch {
public:
  explicit ChannelSketch(size_t channels);

  /// Adds values of shape [outer, channels, inner]: [N*H*W, C, 1] for channels last, [N, C, H*W] for channels first.
  void add(const float *values, size_t outer, size_t inner);

  size_t channels() const { return low.size(); }
  uint64_t count() const { return perChannel; } ///< values per channel
  float min(size_t channel) const { return perChannel ? low[channel] : 0; }
  float max(size_t channel) const { return perChannel ? high[channel] : 0; }
  double mean(size_t channel) const { return perChannel ? sum[channel] / static_cast<double>(perChannel) : 0; }
  double meanSquare(size_t channel) const {
    return perChannel ? squares[channel] / static_cast<double>(perChannel) : 0;
  }

private:
  uint64_t perChannel = 0;
  std::vector<float> low, high;
  std::vector<double> sum, squares;
};

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_SKETCH_H
