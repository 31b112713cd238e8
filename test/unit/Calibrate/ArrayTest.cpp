//===- ArrayTest.cpp - Shapes, types and conversions ----------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include <cmath>
#include <limits>

using namespace tern::calib;
using namespace tern::calib::test;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Array, sizes) {
  EXPECT_EQ(elementCount({}), 1);
  EXPECT_EQ(elementCount({2, 3}), 6);
  EXPECT_EQ(elementCount({2, 0}), 0);
  EXPECT_FALSE(elementCount({-1}));
  EXPECT_FALSE(elementCount({int64_t(1) << 62, 2}));
  EXPECT_EQ(byteSize(kFloat32, 3), 12);
  EXPECT_EQ(byteSize(kInt4, 3), 2);
  EXPECT_EQ(byteSize(kUInt2, 5), 2);
  EXPECT_FALSE(byteSize(kString, 1));
  EXPECT_FALSE(byteSize(1234, 1));
  EXPECT_FALSE(byteSize(kFloat64, int64_t(1) << 60));
  EXPECT_EQ(printShape({1, -1, 3}), "[1,?,3]");
}

TEST(Array, toDoubleOfEveryNumericType) {
  EXPECT_EQ(*toDouble(makeArray<float>("", kFloat32, {2}, {1.5f, -2})), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(*toDouble(makeArray<uint16_t>("", kFloat16, {3}, {0x3c00, 0xc000, 1})),
            (std::vector<double>{1, -2, std::ldexp(1, -24)}));
  EXPECT_EQ(*toDouble(makeArray<uint16_t>("", kBFloat16, {2}, {0x3f80, 0xc000})), (std::vector<double>{1, -2}));
  EXPECT_EQ(*toDouble(makeArray<int8_t>("", kInt8, {2}, {-128, 127})), (std::vector<double>{-128, 127}));
  EXPECT_EQ(*toDouble(makeArray<uint64_t>("", kUInt64, {1}, {uint64_t(1) << 63})),
            (std::vector<double>{std::ldexp(1, 63)}));
  EXPECT_EQ(*toDouble(makeArray<uint8_t>("", kInt4, {3}, {0xf1, 0x08})), (std::vector<double>{1, -1, -8}));
  EXPECT_EQ(*toDouble(makeArray<uint8_t>("", kUInt2, {5}, {0xe4, 0x01})), (std::vector<double>{0, 1, 2, 3, 1}));
  EXPECT_HAS(toDouble(makeArray<uint8_t>("x", kFloat8E4M3FN, {1}, {1})).error(), "float8_e4m3fn");
  EXPECT_FALSE(toDouble(makeArray<float>("x", kComplex64, {1}, {1, 2})));
}

TEST(Array, findNonFinite) {
  std::vector<float> values(1000, 1);
  EXPECT_FALSE(findNonFinite(makeArray("", kFloat32, {1000}, values)));
  values[777] = NAN;
  values[900] = INFINITY;
  EXPECT_EQ(findNonFinite(makeArray("", kFloat32, {1000}, values)), 777);
  EXPECT_EQ(findNonFinite(makeArray<double>("", kFloat64, {3}, {1, -kInf, 2})), 1);
  EXPECT_EQ(findNonFinite(makeArray<uint16_t>("", kFloat16, {2}, {0x7bff, 0xfc00})), 1);
  EXPECT_EQ(findNonFinite(makeArray<uint16_t>("", kBFloat16, {2}, {0x7f7f, 0x7fc0})), 1);
  EXPECT_FALSE(findNonFinite(makeArray<int32_t>("", kInt32, {1}, {-1})));
}

TEST(Array, convertFloats) {
  Array array = makeArray<double>("", kFloat64, {3}, {1.5, -2, 1e-50});
  ASSERT_TRUE(convert(array, kFloat32));
  EXPECT_EQ(array.dtype, kFloat32);
  EXPECT_EQ(valuesOf<float>(array), (std::vector<float>{1.5f, -2, 0}));
  ASSERT_TRUE(convert(array, kFloat16));
  EXPECT_EQ(valuesOf<uint16_t>(array), (std::vector<uint16_t>{0x3e00, 0xc000, 0}));
  ASSERT_TRUE(convert(array, kBFloat16));
  EXPECT_EQ(valuesOf<uint16_t>(array), (std::vector<uint16_t>{0x3fc0, 0xc000, 0}));
  ASSERT_TRUE(convert(array, kFloat64));
  EXPECT_EQ(valuesOf<double>(array), (std::vector<double>{1.5, -2, 0}));
}

TEST(Array, convertRoundsToEven) {
  Array array = makeArray<float>("", kFloat32, {2}, {1 + std::ldexp(1.f, -8), 1 + 3 * std::ldexp(1.f, -8)});
  ASSERT_TRUE(convert(array, kBFloat16));
  EXPECT_EQ(valuesOf<uint16_t>(array), (std::vector<uint16_t>{0x3f80, 0x3f82}));
}

TEST(Array, convertRefusesOverflow) {
  Array array = makeArray<double>("", kFloat64, {2}, {1, 1e300});
  EXPECT_HAS(convert(array, kFloat32).error(), "1e+300 at flat index 1, which does not fit float32");
  EXPECT_EQ(array.dtype, kFloat64);
  Array large = makeArray<float>("", kFloat32, {1}, {65520});
  EXPECT_HAS(convert(large, kFloat16, 100).error(), "65520 at flat index 100");
}

TEST(Array, convertIntegers) {
  Array array = makeArray<int64_t>("", kInt64, {3}, {-5, 0, 100});
  ASSERT_TRUE(convert(array, kInt8));
  EXPECT_EQ(valuesOf<int8_t>(array), (std::vector<int8_t>{-5, 0, 100}));
  ASSERT_TRUE(convert(array, kInt64));
  EXPECT_EQ(valuesOf<int64_t>(array), (std::vector<int64_t>{-5, 0, 100}));
  EXPECT_HAS(convert(array, kUInt64).error(), "-5 at flat index 0, which does not fit uint64");
  Array bits = makeArray<int32_t>("", kInt32, {2}, {0, 1});
  ASSERT_TRUE(convert(bits, kBool));
  EXPECT_EQ(bits.bytes, (std::vector<uint8_t>{0, 1}));
  Array two = makeArray<int32_t>("", kInt32, {1}, {2});
  EXPECT_HAS(convert(two, kBool).error(), "does not fit bool");
  Array huge = makeArray<uint64_t>("", kUInt64, {1}, {~uint64_t(0)});
  EXPECT_HAS(convert(huge, kInt64).error(), "18446744073709551615");
  Array low = makeArray<int64_t>("", kInt64, {1}, {std::numeric_limits<int64_t>::min()});
  EXPECT_HAS(convert(low, kInt32).error(), "does not fit int32");
}

TEST(Array, convertRefusesOtherMeanings) {
  Array bytes = makeArray<uint8_t>("", kUInt8, {1}, {1});
  EXPECT_HAS(convert(bytes, kFloat32).error(), "uint8");
  Array floats = makeArray<float>("", kFloat32, {1}, {1});
  EXPECT_HAS(convert(floats, kInt32).error(), "int32");
  Array complex = makeArray<float>("", kComplex64, {1}, {1, 0});
  EXPECT_FALSE(convert(complex, kFloat32));
}

} // namespace
