//===- Sketch.cpp - Streaming statistics of activations -------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loops keep kWide independent lanes, so that they run on vectors without changing the order of float operations.
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Sketch.h"
#include "lib/Formats/Numeric.h"
#include <algorithm>
#include <cmath>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF // the same bits on machines with and without FMA
#endif

namespace tern::calib {

static constexpr int kWide = 8, kMinExponent = -126;

static int32_t binOf(float x, int exponent) {
  int32_t magnitude = static_cast<int32_t>(std::ldexp(std::fabs(x), -exponent));
  return x < 0 ? ~magnitude : magnitude;
}

/// The smallest exponent that has room for a range.
static int exponentFor(float low, float high) {
  float largest = std::max(-low, high);
  int exponent = largest > 0 ? std::max(kMinExponent, std::ilogb(largest) - 22) : kMinExponent;
  while (binOf(high, exponent) - binOf(low, exponent) >= Sketch::kBins)
    ++exponent;
  return exponent;
}

Sketch::Sketch() : bins(kBins), lanes(kBins * kLanes) {}

void Sketch::flush() {
  if (pending == 0)
    return;
  for (int i = 0; i < kBins; ++i)
    for (int lane = 0; lane < kLanes; ++lane)
      bins[i] += lanes[i * kLanes + lane];
  std::fill(lanes.begin(), lanes.end(), 0);
  pending = 0;
}

/// Makes room for a new minimum and maximum. The range goes to the middle of the window, so that small changes of it
/// move nothing.
void Sketch::extend(float newLow, float newHigh) {
  bool isFirst = finite == 0;
  low = isFirst ? newLow : std::min(low, newLow);
  high = isFirst ? newHigh : std::max(high, newHigh);
  int wanted = exponentFor(low, high);
  int32_t first = binOf(low, wanted), last = binOf(high, wanted);
  if (!isFirst && wanted == exponent && first >= base && last < base + kBins)
    return;
  int32_t newBase = first - (kBins - (last - first + 1)) / 2;
  if (!isFirst) {
    flush();
    std::vector<uint64_t> moved(kBins);
    int merge = std::min(31, wanted - exponent); // pairs of bins are merged this often
    for (int i = 0; i < kBins; ++i)
      if (bins[i] != 0)
        moved[((base + i) >> merge) - newBase] += bins[i];
    bins = std::move(moved);
  }
  exponent = wanted;
  base = newBase;
}

/// step(i, lane) for all i below count. Lanes do not wait for each other: the loop becomes vectors.
template <typename Index, typename Step> static inline void inLanes(Index count, Step step) {
  constexpr Index wide = kWide;
  Index i = 0;
  for (; i + wide <= count; i += wide)
    for (Index lane = 0; lane < wide; ++lane)
      step(i + lane, lane);
  for (; i < count; ++i)
    step(i, i % wide);
}

void Sketch::addMoments(const float *values, int count) {
  double sums[kWide] = {}, products[kWide] = {};
  auto step = [&](int i, int lane) {
    double distance = static_cast<double>(values[i]) - shift;
    sums[lane] += distance;
    products[lane] += distance * distance;
  };
  inLanes(count, step);
  for (int lane = 0; lane < kWide; ++lane) {
    sum += sums[lane];
    squares += products[lane];
  }
}

void Sketch::addBins(const float *values, int count) {
  int32_t index[kBlock];
  float scale = std::ldexp(1.0f, -exponent);
  for (int i = 0; i < count; ++i) {
    int32_t magnitude = static_cast<int32_t>(std::fabs(values[i]) * scale);
    index[i] = (values[i] < 0 ? ~magnitude : magnitude) - base;
  }
  uint32_t *counters = lanes.data();
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      ++counters[index[i + lane] * kLanes + lane];
  for (; i < count; ++i)
    ++counters[index[i] * kLanes];
  pending += count;
}

namespace {
/// What has to be known of a block before its values can be binned.
struct BlockRange {
  float low, high;
  uint32_t zeros = 0;
  bool isFinite = true;
};
} // namespace

static BlockRange rangeOf(const float *values, int count) {
  float lows[kWide], highs[kWide];
  uint32_t zeros[kWide] = {}, bad[kWide] = {};
  std::fill_n(lows, kWide, values[0]);
  std::fill_n(highs, kWide, values[0]);
  auto step = [&](int i, int lane) {
    float x = values[i];
    lows[lane] = x < lows[lane] ? x : lows[lane];
    highs[lane] = x > highs[lane] ? x : highs[lane];
    zeros[lane] += x == 0;
    bad[lane] |= (bitsOf(x) & 0x7f800000) == 0x7f800000;
  };
  inLanes(count, step);
  BlockRange range{lows[0], highs[0]};
  for (int lane = 0; lane < kWide; ++lane) {
    range.low = std::min(range.low, lows[lane]);
    range.high = std::max(range.high, highs[lane]);
    range.zeros += zeros[lane];
    range.isFinite &= !bad[lane];
  }
  return range;
}

void Sketch::addBlock(const float *values, int count) {
  BlockRange range = rangeOf(values, count);
  float kept[kBlock];
  if (!range.isFinite) {
    auto isFinite = [](float x) { return (bitsOf(x) & 0x7f800000) != 0x7f800000; };
    int left = static_cast<int>(std::copy_if(values, values + count, kept, isFinite) - kept);
    excluded += count - left;
    if (left == 0)
      return;
    values = kept;
    count = left;
    range = rangeOf(values, count);
  }
  if (finite == 0)
    shift = values[0];
  if (finite == 0 || range.low < low || range.high > high)
    extend(range.low, range.high);
  if (pending > (1u << 30))
    flush();
  addMoments(values, count);
  addBins(values, count);
  finite += count;
  zero += range.zeros;
}

void Sketch::add(const float *values, size_t count, ptrdiff_t stride) {
  float gathered[kBlock];
  for (size_t done = 0; done < count; done += kBlock) {
    int part = static_cast<int>(std::min<size_t>(kBlock, count - done));
    const float *block = values + static_cast<ptrdiff_t>(done) * stride;
    if (stride != 1) {
      for (int i = 0; i < part; ++i)
        gathered[i] = block[i * stride];
      block = gathered;
    }
    addBlock(block, part);
  }
}

double Sketch::mean() const { return finite ? shift + sum / static_cast<double>(finite) : 0; }

double Sketch::variance() const {
  if (finite == 0)
    return 0;
  double n = static_cast<double>(finite), offset = sum / n;
  return std::max(0.0, squares / n - offset * offset);
}

Histogram Sketch::histogram() const {
  Histogram result;
  result.width = std::ldexp(1.0, exponent);
  if (finite == zero)
    return result;
  result.first = binOf(low, exponent);
  result.counts.resize(binOf(high, exponent) - result.first + 1);
  for (size_t i = 0; i < result.counts.size(); ++i) {
    size_t at = result.first - base + i;
    result.counts[i] = bins[at];
    for (int lane = 0; lane < kLanes; ++lane)
      result.counts[i] += lanes[at * kLanes + lane];
  }
  if (zero > 0)
    result.counts[-result.first] -= zero; // they were counted in bin 0
  return result;
}

ChannelSketch::ChannelSketch(size_t channels) : low(channels), high(channels), sum(channels), squares(channels) {}

void ChannelSketch::add(const float *values, size_t outer, size_t inner) {
  size_t channels = low.size();
  if (outer == 0 || inner == 0)
    return;
  if (perChannel == 0)
    for (size_t c = 0; c < channels; ++c)
      low[c] = high[c] = values[c * inner];
  perChannel += static_cast<uint64_t>(outer) * inner;
  if (inner == 1) {
    for (size_t row = 0; row < outer; ++row, values += channels)
      for (size_t c = 0; c < channels; ++c) {
        float x = values[c];
        low[c] = x < low[c] ? x : low[c];
        high[c] = x > high[c] ? x : high[c];
        sum[c] += static_cast<double>(x);
        squares[c] += static_cast<double>(x) * static_cast<double>(x);
      }
    return;
  }
  for (size_t row = 0; row < outer; ++row)
    for (size_t c = 0; c < channels; ++c, values += inner) {
      float lows[kWide], highs[kWide];
      double sums[kWide] = {}, squared[kWide] = {};
      std::fill_n(lows, kWide, low[c]);
      std::fill_n(highs, kWide, high[c]);
      auto step = [&](size_t i, size_t lane) {
        float x = values[i];
        lows[lane] = x < lows[lane] ? x : lows[lane];
        highs[lane] = x > highs[lane] ? x : highs[lane];
        sums[lane] += static_cast<double>(x);
        squared[lane] += static_cast<double>(x) * static_cast<double>(x);
      };
      inLanes(inner, step);
      for (size_t lane = 0; lane < kWide; ++lane) {
        squares[c] += squared[lane];
        low[c] = std::min(low[c], lows[lane]);
        high[c] = std::max(high[c], highs[lane]);
        sum[c] += sums[lane];
      }
    }
}

} // namespace tern::calib
