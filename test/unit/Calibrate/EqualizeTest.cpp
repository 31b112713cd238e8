//===- EqualizeTest.cpp - Channels of one range ---------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Equalize.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <cmath>
#include <random>

using namespace tern::calib;

namespace {

std::vector<float> normal(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution;
  std::vector<float> values(count);
  for (float &value : values)
    value = distribution(random);
  return values;
}

/// Rows of values of some size a channel, and what a sketch has seen of them.
struct Data {
  Data(size_t rows, const std::vector<float> &sizes) : channels(sizes.size()), values(normal(rows * channels, 1)), sketch(channels) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= sizes[i % channels];
    sketch.add(values.data(), rows, 1);
  }
  size_t channels;
  std::vector<float> values;
  ChannelSketch sketch;
};

double largest(const std::vector<double> &values) {
  double most = 0;
  for (double value : values)
    most = std::max(most, std::abs(value));
  return most;
}
double rounded(double x, double step) { return std::nearbyint(x / step) * step; }

/// Squared error of x W^T when x has one scale and W one a row; both symmetric with 8 bits.
double errorOf(const Data &data, const std::vector<float> &w, size_t outputs, std::vector<float> factors) {
  size_t channels = data.channels, rows = data.values.size() / channels;
  factors.resize(channels, 1);
  std::vector<double> x(data.values.size());
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<double>(data.values[i] / factors[i % channels]);
  double xStep = largest(x) / 127.5, error = 0;
  for (size_t o = 0; o < outputs; ++o) {
    std::vector<double> row(channels);
    for (size_t c = 0; c < channels; ++c)
      row[c] = static_cast<double>(w[o * channels + c] * factors[c]);
    double wStep = largest(row) / 127;
    for (size_t r = 0; r < rows; ++r) {
      double exact = 0, got = 0;
      for (size_t c = 0; c < channels; ++c) {
        exact += x[r * channels + c] * row[c];
        got += rounded(x[r * channels + c], xStep) * rounded(row[c], wStep);
      }
      error += (exact - got) * (exact - got);
    }
  }
  return error;
}

ChannelReader product(std::vector<float> weights, size_t outputs) { return {std::move(weights), outputs}; }

TEST(Equalize, depthwise_channels_come_closer) {
  Data data(400, {8, 1, 4, 2, .5f, 8});
  ChannelReader reader{normal(6 * 9, 2), 6, 9, 6};
  Equalization found = equalizeChannels(data.sketch, {reader});
  ASSERT_EQ(found.factors.size(), 6u);
  EXPECT_GT(found.gain, 2);
  // 16 to 1 before.
  std::vector<float> ranges;
  for (size_t c = 0; c < 6; ++c)
    ranges.push_back(std::max(-data.sketch.min(c), data.sketch.max(c)) / found.factors[c]);
  EXPECT_LT(*std::max_element(ranges.begin(), ranges.end()), 4 * *std::min_element(ranges.begin(), ranges.end()));
}

TEST(Equalize, gain_is_what_rounding_shows) {
  std::vector<float> sizes(32), w = normal(16 * 32, 3);
  for (size_t c = 0; c < 32; ++c) {
    sizes[c] = c % 4 ? .1f : 3;
    for (size_t o = 0; o < 16; ++o)
      w[o * 32 + c] *= c % 4 ? 5 : .2f;
  }
  Data data(300, sizes);
  Equalization found = equalizeChannels(data.sketch, {product(w, 16)});
  double before = errorOf(data, w, 16, {}), after = errorOf(data, w, 16, found.factors);
  EXPECT_GT(found.gain, 10);
  EXPECT_NEAR(std::log10(before / after), std::log10(found.gain), .15);
}

TEST(Equalize, even_channels_win_little) {
  Data data(400, std::vector<float>(24, 1));
  EXPECT_LT(equalizeChannels(data.sketch, {product(normal(24 * 24, 4), 24)}).gain, 1.3);
}

TEST(Equalize, readers_share_the_factors) {
  Data data(400, {1, 1, 1, 1, 9, 9, 9, 9});
  std::vector<float> w = normal(64, 5);
  // One reader alone would divide by other factors than the other.
  std::vector<float> other = w;
  for (size_t i = 0; i < 64; ++i)
    other[i] *= i % 8 < 4 ? 1e-3f : 1;
  Equalization both = equalizeChannels(data.sketch, {product(w, 8), product(other, 8)});
  EXPECT_EQ(both.factors.size(), 8u);
}

TEST(Equalize, nothing_seen_or_nothing_read) {
  EXPECT_TRUE(equalizeChannels(ChannelSketch(4), {product(normal(4, 6), 1)}).factors.empty());
  Data zeros(10, std::vector<float>(4, 0)), values(10, std::vector<float>(4, 1));
  EXPECT_TRUE(equalizeChannels(zeros.sketch, {product(normal(4, 7), 1)}).factors.empty());
  EXPECT_TRUE(equalizeChannels(values.sketch, {product(std::vector<float>(4, 0), 1)}).factors.empty());
  EXPECT_TRUE(equalizeChannels(values.sketch, {}).factors.empty());
}

TEST(Equalize, a_silent_channel_keeps_room) {
  Data data(400, {64, 1e-6f, 32, 64});
  Equalization found = equalizeChannels(data.sketch, {ChannelReader{normal(4, 8), 4, 1, 4}});
  if (!found.factors.empty())
    EXPECT_LE(found.factors[0] / found.factors[1], kLargestFactor * 1.01);
}

TEST(Equalize, groups_of_channels_and_blocks_of_scales) {
  Data data(400, {1, 1, 20, 20, 1, 1, 20, 20});
  ChannelReader grouped{normal(4 * 4, 9), 4, 1, 2};
  EXPECT_EQ(equalizeChannels(data.sketch, {grouped}).factors.size(), 8u);
  // Four bits with a scale for two channels: the large ones cost the small ones only the scale of x.
  ChannelReader blocks = product(normal(8 * 8, 10), 8);
  blocks.block = 2;
  blocks.largestCode = 7;
  EXPECT_GE(equalizeChannels(data.sketch, {blocks}).gain, 1);
}

} // namespace
