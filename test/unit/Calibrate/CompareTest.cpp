//===- CompareTest.cpp - How far two results are apart --------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Compare.h"
#include "Files.h"
#include <cmath>

using namespace tern::calib;
using namespace tern::calib::test;

namespace {

Comparison compare(const std::vector<double> &reference, const std::vector<double> &result, int64_t row = 1) {
  Comparison comparison;
  comparison.add(reference.data(), result.data(), static_cast<int64_t>(reference.size()), row);
  return comparison;
}

TEST(Compare, equalValues) {
  Comparison c = compare({1, -2, 0}, {1, -2, 0});
  EXPECT_EQ(c.sqnr(), HUGE_VAL);
  EXPECT_EQ(c.cosine(), 1);
  EXPECT_EQ(c.maxAbsolute(), 0);
  EXPECT_EQ(c.maxRelative(), 0);
  EXPECT_EQ(c.rows(), 0);
  EXPECT_EQ(c.agreement(), 1);
}

TEST(Compare, differentValues) {
  Comparison c = compare({3, -4}, {3, -3.5});
  EXPECT_DOUBLE_EQ(c.sqnr(), 20); // 25 / 0.25
  EXPECT_DOUBLE_EQ(c.cosine(), 23 / (5 * std::sqrt(9 + 12.25)));
  EXPECT_EQ(c.maxAbsolute(), 0.5);
  EXPECT_EQ(c.maxRelative(), 0.125);
}

TEST(Compare, zeroReference) {
  Comparison c = compare({0, 0}, {0, 1});
  EXPECT_EQ(c.sqnr(), -HUGE_VAL);
  EXPECT_EQ(c.cosine(), 0);
  EXPECT_EQ(c.maxRelative(), HUGE_VAL);
  c = compare({0, 0}, {0, 0});
  EXPECT_EQ(c.sqnr(), HUGE_VAL);
  EXPECT_EQ(c.cosine(), 1);
  EXPECT_EQ(c.maxRelative(), 0);
}

TEST(Compare, nonFinite) {
  Comparison c = compare({NAN, INFINITY, 1}, {NAN, INFINITY, 1});
  EXPECT_EQ(c.broken(), 0);
  EXPECT_EQ(c.sqnr(), HUGE_VAL);
  EXPECT_EQ(c.maxAbsolute(), 0);
  c = compare({1, INFINITY, 2, 3}, {NAN, -INFINITY, 2, INFINITY});
  EXPECT_EQ(c.broken(), 3);
  EXPECT_EQ(c.sqnr(), -HUGE_VAL);
  EXPECT_EQ(c.maxAbsolute(), HUGE_VAL);
  EXPECT_EQ(c.maxRelative(), HUGE_VAL);
}

TEST(Compare, top1) {
  Comparison c = compare({1, 2, 3, /**/ 3, 2, 1, /**/ 5, 5, 1, /**/ 0, 0, 1},
                         {1, 2, 9, /**/ 1, 2, 3, /**/ 7, 7, 1, /**/ 0, 1, 1}, 3);
  EXPECT_EQ(c.rows(), 4);
  EXPECT_EQ(c.agreeing(), 2);
  EXPECT_EQ(c.agreement(), 0.5);
}

TEST(Compare, top1WithNan) {
  Comparison c = compare({NAN, 1, /**/ 0, 1, /**/ NAN, NAN}, {NAN, 2, /**/ NAN, 1, /**/ NAN, NAN}, 2);
  EXPECT_EQ(c.rows(), 3);
  EXPECT_EQ(c.agreeing(), 2);
}

TEST(Compare, severalPairs) {
  Comparison c;
  ASSERT_TRUE(c.add(makeArray<float>("a", kFloat32, {2}, {3, 4}), makeArray<double>("b", kFloat64, {2}, {3, 3})));
  ASSERT_TRUE(c.add(makeArray<float>("a", kFloat32, {2}, {300, 0}), makeArray<double>("b", kFloat64, {2}, {310, 0})));
  EXPECT_EQ(c.count(), 4);
  EXPECT_EQ(c.rows(), 2);
  EXPECT_EQ(c.agreeing(), 1);
  EXPECT_EQ(c.maxAbsolute(), 10);
  EXPECT_EQ(c.maxRelative(), 0.25); // relative to the same pair
  EXPECT_DOUBLE_EQ(c.sqnr(), 10 * std::log10(90025.0 / 101));
}

TEST(Compare, arraysThatCannotBeCompared) {
  Comparison c;
  Array a = makeArray<float>("a", kFloat32, {2}, {1, 2}), b = makeArray<float>("b", kFloat32, {1, 2}, {1, 2});
  EXPECT_HAS(c.add(a, b).error(), "'b' has the shape [1,2], its reference 'a' has [2]");
  Array narrow = makeArray<uint8_t>("n", kFloat8E4M3FN, {2}, {1, 2});
  EXPECT_HAS(c.add(a, narrow).error(), "float8_e4m3fn");
  EXPECT_EQ(c.count(), 0);
}

TEST(Compare, scalarsAndEmptyArrays) {
  Comparison c;
  ASSERT_TRUE(c.add(makeArray<float>("a", kFloat32, {}, {1}), makeArray<float>("a", kFloat32, {}, {1})));
  ASSERT_TRUE(c.add(makeArray<float>("a", kFloat32, {0, 3}, {}), makeArray<float>("a", kFloat32, {0, 3}, {})));
  EXPECT_EQ(c.count(), 1);
  EXPECT_EQ(c.rows(), 0);
}

} // namespace
