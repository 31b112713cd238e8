#include "Support.h"

namespace tern {
namespace {

/// Value of an IEEE half by its definition.
double halfValue(uint32_t h) {
  int exponent = (h >> 10) & 31, fraction = h & 1023;
  double mag = exponent == 0    ? std::ldexp(fraction, -24)
               : exponent == 31 ? (fraction ? NAN : INFINITY)
                                : std::ldexp(1024 + fraction, exponent - 25);
  return h & 0x8000 ? -mag : mag;
}

TEST(Numeric, F16ToF32AllCodes) {
  for (uint32_t h = 0; h < 65536; ++h) {
    double expected = halfValue(h);
    float actual = f16ToF32(uint16_t(h));
    EXPECT_TRUE(std::isnan(expected) ? std::isnan(actual) : double(actual) == expected) << h;
    EXPECT_EQ(std::signbit(actual), (h & 0x8000) != 0) << h;
  }
}

TEST(Numeric, F16RoundTripAllCodes) {
  for (uint32_t h = 0; h < 65536; ++h) {
    uint16_t quiet = std::isnan(halfValue(h)) ? uint16_t(h | 0x200) : uint16_t(h);
    EXPECT_EQ(f32ToF16(f16ToF32(uint16_t(h))), quiet) << h;
  }
}

TEST(Numeric, F16TiesAndNeighboursOfEveryMidpoint) {
  for (uint32_t h = 0; h < 0x7c00; ++h) {
    // The midpoint above the largest finite value is half way to 65536, which is infinity.
    double upper = h == 0x7bff ? 65536.0 : halfValue(h + 1);
    float middle = float((halfValue(h) + upper) / 2);
    for (float sign : {1.0f, -1.0f}) {
      uint32_t bit = sign < 0 ? 0x8000 : 0;
      EXPECT_EQ(f32ToF16(sign * middle), bit | (h % 2 ? h + 1 : h)) << h;
      EXPECT_EQ(f32ToF16(sign * std::nextafter(middle, 0.0f)), bit | h) << h;
      EXPECT_EQ(f32ToF16(sign * std::nextafter(middle, INFINITY)), bit | (h + 1)) << h;
    }
  }
}

TEST(Numeric, F16Specials) {
  EXPECT_EQ(f32ToF16(INFINITY), 0x7c00);
  EXPECT_EQ(f32ToF16(-INFINITY), 0xfc00);
  EXPECT_EQ(f32ToF16(3e38f), 0x7c00);
  EXPECT_EQ(f32ToF16(1e-45f), 0);
  EXPECT_EQ(f32ToF16(-1e-45f), 0x8000);
  EXPECT_EQ(f32ToF16(NAN) & 0x7e00, 0x7e00);
}

TEST(Numeric, Bf16AllCodesAndMidpoints) {
  for (uint32_t h = 0; h < 65536; ++h) {
    float x = bf16ToF32(uint16_t(h));
    if (std::isnan(x)) {
      EXPECT_EQ(f32ToBf16(x), h | 0x40);
      continue;
    }
    EXPECT_EQ(f32ToBf16(x), h);
    if (std::isinf(x))
      continue;
    EXPECT_EQ(f32ToBf16(fromBits(bitsOf(x) | 0x7fff)), h);
    EXPECT_EQ(f32ToBf16(fromBits(bitsOf(x) | 0x8000)), h % 2 ? h + 1 : h);
    EXPECT_EQ(f32ToBf16(fromBits(bitsOf(x) | 0x8001)), h + 1);
  }
}

TEST(Numeric, RoundEvenIsNearbyint) {
  for (float y = -70000; y < 70000; y += 0.375f) {
    EXPECT_EQ(roundEven(y), std::nearbyint(y));
    EXPECT_EQ(roundEven(double(y)), std::nearbyint(double(y)));
  }
  EXPECT_EQ(roundEven(0.49999997f), 0.0f);
  EXPECT_EQ(roundEven(std::nextafter(0.5f, 1.0f)), 1.0f);
}

TEST(Numeric, QuantizeLinear) {
  EXPECT_EQ(quantizeLinear(0.5f, 1, 1, 0, 255), 1); // round(0.5) + 1: ONNX, not QONNX
  EXPECT_EQ(quantizeLinear(1.5f, 1, 1, 0, 255), 3);
  EXPECT_EQ(quantizeLinear(-2.5f, 1, 128, 0, 255), 126);
  EXPECT_EQ(quantizeLinear(1e30f, 1, 0, -128, 127), 127);
  EXPECT_EQ(quantizeLinear(-INFINITY, 1, 0, -128, 127), -128);
  EXPECT_EQ(quantizeLinear(INFINITY, 1, 200, 0, 255), 255);
  EXPECT_EQ(quantizeLinear(NAN, 1, 128, 0, 255), 128);
  EXPECT_EQ(quantizeLinear(7, 0, 3, 0, 255), 3);
  EXPECT_EQ(quantizeLinear(2.0e9f, 1, 0, INT32_MIN, INT32_MAX), 2000000000);
  EXPECT_EQ(quantizeLinear(3.0e9f, 1, 0, INT32_MIN, INT32_MAX), INT32_MAX);
}

TEST(Numeric, CountNonFinite) {
  const float x[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 3e38f, 1e-45f};
  EXPECT_EQ(countNonFinite(x, 7), 3);
}

} // namespace
} // namespace tern
