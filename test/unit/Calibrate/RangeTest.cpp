//===- RangeTest.cpp - Quantization ranges from sketches ------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Range.h"
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tern::calib;

namespace {

Sketch sketchOf(const std::vector<float> &values) {
  Sketch sketch;
  sketch.add(values.data(), values.size());
  return sketch;
}

/// Laplace values: many small, few large.
std::vector<float> laplace(size_t n, float scale = 1, unsigned seed = 7) {
  std::mt19937 random(seed);
  std::vector<float> values(n);
  for (float &x : values) {
    double u = (static_cast<double>(random()) + 0.5) / 4294967296.0;
    x = static_cast<float>(-std::log(u)) * scale * (random() & 1 ? 1 : -1);
  }
  return values;
}

std::vector<float> relu(std::vector<float> values) {
  for (float &x : values)
    x = std::max(x, 0.0f);
  return values;
}

RangeOptions with(RangeMethod method, unsigned bits = 8, bool symmetric = false, bool isSigned = true) {
  RangeOptions options;
  options.method = method;
  options.bits = bits;
  options.symmetric = symmetric;
  options.isSigned = isSigned;
  return options;
}

/// Mean squared error of quantizing the values themselves.
double trueError(const std::vector<float> &values, const RangeOptions &options, Range range) {
  bool narrow = options.symmetric && options.isSigned;
  double steps = std::exp2(options.bits) - (narrow ? 2 : 1);
  double scale = (static_cast<double>(range.hi) - range.lo) / steps, sum = 0;
  double first = options.symmetric ? (options.isSigned ? -steps / 2 : 0) : std::nearbyint(range.lo / scale);
  for (float x : values) {
    double code = std::min(std::max(std::nearbyint(x / scale), first), first + steps);
    sum += (x - code * scale) * (x - code * scale);
  }
  return sum / static_cast<double>(values.size());
}

TEST(Range, minMaxContainsZero) {
  Range range = chooseRange(sketchOf({-1, 0.5f, 3}), with(RangeMethod::MinMax));
  EXPECT_EQ(range.lo, -1);
  EXPECT_EQ(range.hi, 3);
  range = chooseRange(sketchOf({1, 3}), with(RangeMethod::MinMax));
  EXPECT_EQ(range.lo, 0);
  EXPECT_EQ(range.hi, 3);
  range = chooseRange(sketchOf({-3, -1}), with(RangeMethod::MinMax));
  EXPECT_EQ(range.lo, -3);
  EXPECT_EQ(range.hi, 0);
  range = chooseRange(sketchOf({-3, 1}), with(RangeMethod::MinMax, 8, true));
  EXPECT_EQ(range.lo, -3);
  EXPECT_EQ(range.hi, 3);
  range = chooseRange(sketchOf({-3, 1}), with(RangeMethod::MinMax, 8, true, false));
  EXPECT_EQ(range.lo, 0);
  EXPECT_EQ(range.hi, 1);
}

TEST(Range, isNeverEmpty) {
  std::vector<std::vector<float>> cases = {{},  {0, 0}, {FLT_TRUE_MIN}, {-FLT_TRUE_MIN, 0}, {FLT_MAX, -FLT_MAX},
                                           {2}, {-2},   {-2, -2, 0, 0}, {FLT_MAX},          {1e-38f, -2e-38f}};
  for (auto &values : cases)
    for (RangeMethod method : {RangeMethod::MinMax, RangeMethod::Percentile, RangeMethod::Mse, RangeMethod::Entropy})
      for (unsigned bits : {2u, 4u, 8u, 16u})
        for (int kind = 0; kind < 3; ++kind) {
          RangeOptions options = with(method, bits, kind > 0, kind != 2);
          Range range = chooseRange(sketchOf(values), options);
          float scale = (range.hi - range.lo) / (std::exp2f(static_cast<float>(bits)) - 1);
          EXPECT_TRUE(range.lo <= 0 && range.hi >= 0 && std::isnormal(scale))
              << range.lo << " " << range.hi << " bits " << bits << " kind " << kind;
          if (kind == 1) {
            EXPECT_EQ(range.lo, -range.hi);
          }
        }
  EXPECT_EQ(chooseRange(sketchOf({0}), with(RangeMethod::Mse)).hi, 1);
}

TEST(Range, percentileOfSortedValues) {
  std::vector<float> values = laplace(100000), sorted = values;
  std::sort(sorted.begin(), sorted.end());
  RangeOptions options = with(RangeMethod::Percentile);
  Sketch sketch = sketchOf(values);
  double width = sketch.histogram().width;
  for (double percentile : {90.0, 99.0, 99.9, 99.99, 100.0}) {
    options.percentile = percentile;
    options.symmetric = false;
    size_t cut = static_cast<size_t>((1 - percentile / 100) / 2 * 100000 + 0.5);
    Range range = chooseRange(sketch, options);
    EXPECT_NEAR(range.lo, sorted[cut], 2 * width) << percentile;
    EXPECT_NEAR(range.hi, sorted[sorted.size() - 1 - cut], 2 * width) << percentile;
    options.symmetric = true;
    std::vector<float> magnitudes = values;
    for (float &x : magnitudes)
      x = std::fabs(x);
    std::sort(magnitudes.begin(), magnitudes.end());
    EXPECT_NEAR(chooseRange(sketch, options).hi, magnitudes[magnitudes.size() - 1 - 2 * cut], 2 * width) << percentile;
  }
}

TEST(Range, percentileCountsZeros) {
  // 95 zeros and 5 values: the range that keeps 90 % of the upper half is that of the zeros.
  std::vector<float> values(95, 0.0f);
  for (int i = 1; i <= 5; ++i)
    values.push_back(static_cast<float>(i));
  RangeOptions options = with(RangeMethod::Percentile);
  options.percentile = 96; // cuts off two values above
  EXPECT_NEAR(chooseRange(sketchOf(values), options).hi, 3, 0.01);
  options.symmetric = true; // cuts off four
  EXPECT_NEAR(chooseRange(sketchOf(values), options).hi, 1, 0.01);
}

TEST(Range, percentileFarFromZeroIsFast) {
  std::vector<float> values = {-1e6f, -1e6f + 1, 1e6f, 1e6f + 1};
  RangeOptions options = with(RangeMethod::Percentile, 8, true);
  options.percentile = 75;
  EXPECT_NEAR(chooseRange(sketchOf(values), options).hi, 1e6, 1000);
}

TEST(Range, errorModelMatchesTheValues) {
  for (auto &values : {laplace(200000), relu(laplace(200000)), laplace(200000, 1e-20f)}) {
    Sketch sketch = sketchOf(values);
    float limit = std::max(sketch.max(), -sketch.min());
    for (unsigned bits : {2u, 4u, 8u})
      for (float part : {1.0f, 0.5f, 0.2f}) {
        RangeOptions options = with(RangeMethod::Mse, bits);
        Range range{sketch.min() * part, limit * part};
        double expected = trueError(values, options, range);
        EXPECT_NEAR(rangeError(sketch, options, range), expected, 0.02 * expected) << bits << " " << part;
      }
  }
}

TEST(Range, errorModelOfFineCodes) {
  // Bins are wider than steps: the error is that of evenly spread values.
  std::vector<float> values = laplace(200000);
  Sketch sketch = sketchOf(values);
  RangeOptions options = with(RangeMethod::Mse, 16);
  Range range = chooseRange(sketch, options);
  double scale = (static_cast<double>(range.hi) - range.lo) / 65535;
  EXPECT_NEAR(rangeError(sketch, options, range), scale * scale / 12, scale * scale / 120);
}

TEST(Range, mseIsNearlyTheBestOfAll) {
  std::vector<float> values = laplace(10000);
  constexpr int kParts = 32;
  values[7] = 60; // far outside
  std::vector<float> skewed = values;
  for (float &x : skewed)
    x = x < 0 ? x * 0.1f : x;
  for (auto &data : {values, relu(values), skewed})
    for (unsigned bits : {4u, 8u})
      for (int kind = 0; kind < 3; ++kind) {
        RangeOptions options = with(RangeMethod::Mse, bits, kind > 0, kind != 2);
        Sketch sketch = sketchOf(data);
        double chosen = trueError(data, options, chooseRange(sketch, options)), best = HUGE_VAL;
        float lo = std::min(sketch.min(), 0.0f), hi = sketch.max();
        if (kind == 1)
          lo = -(hi = std::max(-lo, hi));
        for (int i = 1; i <= kParts; ++i)
          for (int j = kind == 0 && lo < 0 ? 1 : i; j <= (kind == 0 && lo < 0 ? kParts : i); ++j)
            best = std::min(best, trueError(data, options,
                                            {kind == 2 ? 0 : lo * static_cast<float>(j) / kParts,
                                             hi * static_cast<float>(i) / kParts}));
        EXPECT_LE(chosen, best * 1.01) << "bits " << bits << " kind " << kind;
      }
}

TEST(Range, mseKeepsTheWholeRangeOfEvenValues) {
  std::vector<float> values;
  for (int i = 0; i < 10000; ++i)
    values.push_back(static_cast<float>(i) * 1e-3f - 3);
  Range range = chooseRange(sketchOf(values), with(RangeMethod::Mse));
  EXPECT_NEAR(range.lo, -3, 0.05);
  EXPECT_NEAR(range.hi, 7, 0.05);
}

TEST(Range, mseKeepsValuesThatPileUpAtTheEnd) {
  // Relu6: a third of the values is exactly 6.
  std::vector<float> values = relu(laplace(30000, 4));
  for (float &x : values)
    x = std::min(x, 6.0f);
  Range range = chooseRange(sketchOf(values), with(RangeMethod::Mse));
  EXPECT_EQ(range.lo, 0);
  EXPECT_NEAR(range.hi, 6, 0.03);
}

/// TensorRT's search as its slides have it, bin by bin.
size_t entropyReference(const std::vector<uint64_t> &bins, size_t levels) {
  double best = HUGE_VAL;
  size_t bestSize = 0;
  for (size_t size = levels; size <= bins.size(); ++size) {
    std::vector<double> p(bins.begin(), bins.begin() + size), q(size);
    for (size_t i = size; i < bins.size(); ++i)
      p[size - 1] += static_cast<double>(bins[i]);
    for (size_t level = 0; level < levels; ++level) {
      size_t from = level * size / levels, to = (level + 1) * size / levels;
      double sum = 0, places = 0;
      for (size_t i = from; i < to; ++i) {
        sum += static_cast<double>(bins[i]);
        places += p[i] != 0;
      }
      for (size_t i = from; i < to; ++i)
        q[i] = p[i] != 0 ? std::max(sum, 1e-4) / places : 0;
    }
    double sumP = 0, sumQ = 0, divergence = 0;
    for (size_t i = 0; i < size; ++i) {
      sumP += p[i];
      sumQ += static_cast<double>(bins[i]);
    }
    for (size_t i = 0; i < size; ++i)
      if (p[i] > 0)
        divergence += p[i] / sumP * std::log(p[i] / sumP / (q[i] / sumQ));
    if (divergence <= best + 1e-12) {
      best = divergence;
      bestSize = size;
    }
  }
  return bestSize;
}

TEST(Range, entropyMatchesThePlainSearch) {
  for (bool oneSided : {false, true}) {
    std::vector<float> values = laplace(50000);
    values[3] = 40;
    if (oneSided)
      values = relu(values);
    Sketch sketch = sketchOf(values);
    double width = sketch.histogram().width;
    while (40 / width > 2048)
      width *= 2;
    std::vector<uint64_t> bins(static_cast<size_t>(40 / width) + 1);
    for (float x : values)
      if (x != 0)
        ++bins[static_cast<size_t>(std::fabs(x) / width)];
    double limit = static_cast<double>(entropyReference(bins, oneSided ? 256 : 128)) * width;
    Range range = chooseRange(sketch, with(RangeMethod::Entropy));
    EXPECT_FLOAT_EQ(range.hi, static_cast<float>(std::min(limit, 40.0)));
    EXPECT_LT(range.hi, 20) << "the outlier should not count";
    EXPECT_FLOAT_EQ(range.lo, std::max(sketch.min(), static_cast<float>(-limit)) * (oneSided ? 0 : 1));
  }
}

TEST(Range, entropyOfManyBitsIsTheWholeRange) {
  Range range = chooseRange(sketchOf(laplace(1000)), with(RangeMethod::Entropy, 16));
  Sketch sketch = sketchOf(laplace(1000));
  EXPECT_EQ(range.lo, sketch.min());
  EXPECT_EQ(range.hi, sketch.max());
}

TEST(Range, methodNames) {
  for (const char *text : {"mse", "minmax", "entropy", "percentile:99.9", "percentile:100"}) {
    auto options = parseRangeMethod(text);
    ASSERT_TRUE(options) << options.error();
    EXPECT_EQ(printRangeMethod(*options), text);
  }
  EXPECT_EQ(printRangeMethod(*parseRangeMethod("percentile")), "percentile:99.99");
  for (const char *text : {"", "max", "percentile:", "percentile:x", "percentile:50", "percentile:101",
                           "percentile:99x", "percentile:nan", "mse:3"}) {
    auto options = parseRangeMethod(text);
    ASSERT_FALSE(options) << text;
    EXPECT_NE(options.error().find("'" + std::string(text) + "'"), std::string::npos);
  }
}

TEST(Range, statsAreReadBackExactly) {
  RangeStats stats = statsOf(sketchOf({-0.1f, 1.0f / 3}), with(RangeMethod::MinMax));
  EXPECT_EQ(printStats(stats),
            "{\"min\": -0.100000001, \"max\": 0.333333343, \"lo\": -0.100000001, \"hi\": 0.333333343}");
  RangeStats back;
  RangeStats::fields(back, [&](const char *name, float &field) {
    std::string text = printStats(stats), key = std::string("\"") + name + "\": ";
    field = std::strtof(text.c_str() + text.find(key) + key.size(), nullptr);
  });
  EXPECT_EQ(back.min, stats.min);
  EXPECT_EQ(back.hi, stats.hi);
  EXPECT_TRUE(checkStats(back));
  EXPECT_NE(checkStats({0, NAN, 0, 1}).error().find("'max' is nan"), std::string::npos);
  EXPECT_NE(checkStats({2, 1, 0, 1}).error().find("min 2 above max 1"), std::string::npos);
  EXPECT_NE(checkStats({0, 1, 0.5f, 1}).error().find("[0.5, 1] must contain 0"), std::string::npos);
  EXPECT_FALSE(checkStats({0, 1, 0, 0}));
}

} // namespace
