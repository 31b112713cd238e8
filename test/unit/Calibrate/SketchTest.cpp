//===- SketchTest.cpp - Streaming statistics ------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Sketch.h"
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <random>

using namespace tern::calib;

namespace {

std::vector<float> normal(size_t n, unsigned seed = 1, float mean = 0, float deviation = 1) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float &x : values) { // sum of uniforms: the same on every standard library
    float sum = 0;
    for (int i = 0; i < 12; ++i)
      sum += static_cast<float>(random() >> 8) * 0x1p-24f;
    x = mean + deviation * (sum - 6);
  }
  return values;
}

/// Checks everything but the moments against the values themselves.
void expectMatches(const Sketch &sketch, const std::vector<float> &values) {
  ASSERT_EQ(sketch.count(), values.size());
  EXPECT_EQ(sketch.min(), *std::min_element(values.begin(), values.end()));
  EXPECT_EQ(sketch.max(), *std::max_element(values.begin(), values.end()));
  EXPECT_EQ(sketch.zeros(), static_cast<uint64_t>(std::count(values.begin(), values.end(), 0.0f)));
  Histogram histogram = sketch.histogram();
  EXPECT_LE(histogram.counts.size(), static_cast<size_t>(Sketch::kBins));
  EXPECT_EQ(std::exp2(std::log2(histogram.width)), histogram.width);
  std::map<int64_t, uint64_t> expected, got;
  for (float x : values)
    if (x != 0) {
      auto magnitude = static_cast<int64_t>(std::fabs(static_cast<double>(x)) / histogram.width);
      ++expected[x < 0 ? -1 - magnitude : magnitude];
    }
  for (size_t i = 0; i < histogram.counts.size(); ++i)
    if (histogram.counts[i])
      got[histogram.first + static_cast<int64_t>(i)] = histogram.counts[i];
  EXPECT_EQ(got, expected);
}

TEST(Sketch, empty) {
  Sketch sketch;
  sketch.add(nullptr, 0);
  EXPECT_EQ(sketch.count(), 0u);
  EXPECT_EQ(sketch.min(), 0);
  EXPECT_EQ(sketch.mean(), 0);
  EXPECT_EQ(sketch.variance(), 0);
  EXPECT_TRUE(sketch.histogram().counts.empty());
}

TEST(Sketch, normalValues) {
  std::vector<float> values = normal(100003);
  Sketch sketch;
  sketch.add(values.data(), values.size());
  expectMatches(sketch, values);
  EXPECT_GE(sketch.histogram().counts.size(), static_cast<size_t>(Sketch::kBins / 2));
  double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size(), square = 0;
  for (float x : values)
    square += (x - mean) * (x - mean);
  EXPECT_NEAR(sketch.mean(), mean, 1e-12);
  EXPECT_NEAR(sketch.variance(), square / values.size(), 1e-12);
}

TEST(Sketch, meanFarFromZeroDoesNotCancel) {
  std::vector<float> values = normal(10000, 3, 1e6f, 1);
  Sketch sketch;
  sketch.add(values.data(), values.size());
  double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size(), square = 0;
  for (float x : values)
    square += (x - mean) * (x - mean);
  EXPECT_NEAR(sketch.variance(), square / values.size(), 1e-9);
  expectMatches(sketch, values);
}

TEST(Sketch, rangeThatGrowsKeepsCountsExact) {
  // Every call widens the range, by little and by much, to both sides.
  std::vector<float> all;
  Sketch sketch;
  float scale = 1e-30f;
  for (unsigned i = 0; i < 70; ++i, scale *= i % 3 ? 1.1f : 30) {
    std::vector<float> values = normal(i % 7 * 300 + 1, i, i % 2 ? scale : -scale, scale);
    all.insert(all.end(), values.begin(), values.end());
    sketch.add(values.data(), values.size());
  }
  expectMatches(sketch, all);
}

TEST(Sketch, orderDoesNotMatter) {
  std::vector<float> values = normal(5000);
  for (size_t i = 0; i < values.size(); i += 17)
    values[i] *= 1000;
  Sketch forward, backward, single;
  forward.add(values.data(), values.size());
  for (float x : values)
    single.add(&x, 1);
  std::reverse(values.begin(), values.end());
  backward.add(values.data(), 1000);
  backward.add(values.data() + 1000, values.size() - 1000);
  for (Sketch *other : {&backward, &single}) {
    EXPECT_EQ(forward.histogram().counts, other->histogram().counts);
    EXPECT_EQ(forward.histogram().first, other->histogram().first);
    EXPECT_EQ(forward.histogram().width, other->histogram().width);
    EXPECT_NEAR(forward.mean(), other->mean(), 1e-9);
  }
}

TEST(Sketch, sameCallsSameBits) {
  std::vector<float> values = normal(3500);
  Sketch a, b;
  for (Sketch *sketch : {&a, &b})
    for (size_t n : {1, 7, 1024, 2301})
      sketch->add(values.data() + n / 2, n);
  EXPECT_EQ(a.mean(), b.mean());
  EXPECT_EQ(a.variance(), b.variance());
}

TEST(Sketch, strides) {
  std::vector<float> values = normal(3000), every3;
  for (size_t i = 0; i < values.size(); i += 3)
    every3.push_back(values[i]);
  Sketch strided, backward;
  strided.add(values.data(), every3.size(), 3);
  expectMatches(strided, every3);
  backward.add(values.data() + values.size() - 1, values.size(), -1);
  expectMatches(backward, values);
}

TEST(Sketch, nonFiniteValuesAreLeftOut) {
  std::vector<float> values = normal(3000), finite;
  values[5] = NAN;
  values[1500] = INFINITY;
  values[2999] = -INFINITY;
  for (float x : values)
    if (std::isfinite(x))
      finite.push_back(x);
  Sketch sketch;
  sketch.add(values.data(), values.size());
  EXPECT_EQ(sketch.nonFinite(), 3u);
  expectMatches(sketch, finite);
  Sketch nothing;
  std::vector<float> nans(1500, NAN);
  nothing.add(nans.data(), nans.size());
  EXPECT_EQ(nothing.count(), 0u);
  EXPECT_EQ(nothing.nonFinite(), 1500u);
  EXPECT_EQ(nothing.max(), 0);
}

TEST(Sketch, extremeValues) {
  for (auto &values : std::vector<std::vector<float>>{{0, -0.0f},
                                                      {3.5f},
                                                      {-3.5f, -3.5f},
                                                      {0, FLT_TRUE_MIN, -FLT_TRUE_MIN, 0},
                                                      {FLT_TRUE_MIN, 0, 1},
                                                      {FLT_MAX, -FLT_MAX, 1e-30f, -1e-30f},
                                                      {1, -FLT_TRUE_MIN, FLT_MAX},
                                                      {1000, 1000.5f, 1001},
                                                      {16777216, 16777215},
                                                      {6, 6, 6, 0, 5.9999995f}}) {
    Sketch sketch;
    for (float x : values)
      sketch.add(&x, 1);
    expectMatches(sketch, values);
    Sketch other;
    other.add(values.data(), values.size());
    EXPECT_EQ(sketch.histogram().counts, other.histogram().counts);
  }
}

TEST(Sketch, reluZerosAreNotInABin) {
  std::vector<float> values = normal(4000);
  for (float &x : values)
    x = std::max(x, 0.0f);
  Sketch sketch;
  sketch.add(values.data(), values.size());
  expectMatches(sketch, values);
  EXPECT_GT(sketch.zeros(), 1500u);
  EXPECT_LT(sketch.histogram().counts[0], 100u);
}

TEST(ChannelSketch, bothLayouts) {
  constexpr size_t kRows = 5, kChannels = 11, kInner = 37;
  std::vector<float> first = normal(kRows * kChannels * kInner), last(first.size());
  for (size_t r = 0; r < kRows; ++r)
    for (size_t c = 0; c < kChannels; ++c)
      for (size_t i = 0; i < kInner; ++i)
        last[(r * kInner + i) * kChannels + c] = first[(r * kChannels + c) * kInner + i] += static_cast<float>(c);
  ChannelSketch a(kChannels), b(kChannels);
  a.add(first.data(), 2, kInner);
  a.add(first.data() + 2 * kChannels * kInner, kRows - 2, kInner);
  b.add(last.data(), kRows * kInner, 1);
  EXPECT_EQ(a.count(), kRows * kInner);
  EXPECT_EQ(b.count(), kRows * kInner);
  for (size_t c = 0; c < kChannels; ++c) {
    EXPECT_EQ(a.min(c), b.min(c));
    EXPECT_EQ(a.max(c), b.max(c));
    EXPECT_NEAR(a.mean(c), b.mean(c), 1e-12);
    EXPECT_NEAR(a.mean(c), static_cast<double>(c), 0.3);
    EXPECT_LT(a.min(c), a.max(c));
  }
  EXPECT_EQ(ChannelSketch(3).min(1), 0);
}

} // namespace
