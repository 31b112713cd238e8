// Minifloats, bit by bit: docs/FORMATS.md 3.1.
#include "Support.h"

namespace tern {
namespace {

const Element kinds[] = {Element::e4m3(),
                         Element::e5m2(),
                         Element::e3m2(),
                         Element::e2m3(),
                         Element::e2m1(),
                         Element::e3m0(),
                         Element::minifloat(4, 3, 8, Special::Fnuz),
                         Element::minifloat(5, 2, 16, Special::Fnuz),
                         Element::minifloat(3, 4, 3, Special::Ieee),
                         Element::minifloat(1, 2, 1, Special::Finite),
                         Element::minifloat(2, 2, 2, Special::Fn),
                         Element::minifloat(4, 0, 6, Special::Finite)};

int32_t encodeOne(const Element &elem, float x, Round round = Round::Rne) {
  Encode encode(Rule::Given);
  encode.round = round;
  Encoded e({elem, {}}, {1});
  EXPECT_EQ(encodeCodes(e.format, encode, e.shape, &x, e.bytes()), "");
  return e.codes()[0];
}

/// Nearest finite magnitude code by search, in doubles; ties to the even code.
int32_t nearestBySearch(const Element &elem, float x) {
  int32_t best = 0;
  double distance = INFINITY;
  for (int32_t code = 0; code < 1 << (elem.bits - 1); ++code) {
    double v = elem.valueOf(uint32_t(code)), d = std::fabs(std::fabs(double(x)) - v);
    if (std::isfinite(v) && (d < distance || (d == distance && code % 2 == 0))) {
      best = code;
      distance = d;
    }
  }
  bool negative = std::signbit(x) && !(best == 0 && elem.special == Special::Fnuz);
  return best | (negative ? 1 << (elem.bits - 1) : 0);
}

TEST(Minifloat, TableOfTheSpecification) {
  struct Row {
    Element elem;
    double max, minNormal, minSubnormal;
    int firstNormal;
  } rows[] = {{Element::e5m2(), 57344, 0x1p-14, 0x1p-16, 4},
              {Element::e4m3(), 448, 0x1p-6, 0x1p-9, 8},
              {Element::e3m2(), 28, 0.25, 0.0625, 4},
              {Element::e2m3(), 7.5, 1, 0.125, 8},
              {Element::e2m1(), 6, 1, 0.5, 2},
              {Element::e3m0(), 16, 0.25, 0.25, 1}};
  for (const Row &row : rows) {
    SCOPED_TRACE(row.elem.str());
    EXPECT_EQ(row.elem.maxValue(), row.max);
    EXPECT_EQ(row.elem.valueOf(1), row.minSubnormal);
    EXPECT_EQ(row.elem.valueOf(uint32_t(row.firstNormal)), row.minNormal);
  }
  const double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6}, e3m0[] = {0, 0.25, 0.5, 1, 2, 4, 8, 16};
  for (uint32_t code = 0; code < 8; ++code) {
    EXPECT_EQ(Element::e2m1().valueOf(code), e2m1[code]);
    EXPECT_EQ(Element::e2m1().valueOf(code | 8), -e2m1[code]);
    EXPECT_EQ(Element::e3m0().valueOf(code), e3m0[code]);
  }
}

TEST(Minifloat, SpecialCodes) {
  for (uint32_t code = 0; code < 256; ++code) {
    uint32_t mag = code & 127;
    EXPECT_EQ(std::isnan(Element::e4m3().valueOf(code)), mag == 127);
    EXPECT_EQ(std::isnan(Element::e5m2().valueOf(code)), mag > 0x7c);
    EXPECT_EQ(std::isinf(Element::e5m2().valueOf(code)), mag == 0x7c);
    EXPECT_EQ(std::isnan(Element::minifloat(4, 3, 8, Special::Fnuz).valueOf(code)), code == 128);
    EXPECT_EQ(std::isnan(Element::e8m0().valueOf(code)), code == 255);
  }
  EXPECT_EQ(Element::minifloat(4, 3, 8, Special::Fnuz).maxValue(), 240);
  EXPECT_EQ(Element::minifloat(5, 2, 16, Special::Fnuz).maxValue(), 57344);
}

TEST(Minifloat, EveryCodeEncodesToItself) {
  for (const Element &elem : kinds)
    for (int32_t code = 0; code < 1 << elem.bits; ++code) {
      double value = elem.valueOf(uint32_t(code));
      if (std::isfinite(value)) {
        EXPECT_EQ(encodeOne(elem, float(value)), code) << elem.str();
      }
    }
}

TEST(Minifloat, MidpointsAndTheirNeighbours) {
  for (const Element &elem : kinds)
    for (int32_t code = 0; std::isfinite(elem.valueOf(uint32_t(code) + 1)) && code + 1 < 1 << (elem.bits - 1); ++code) {
      SCOPED_TRACE(elem.str() + " code " + std::to_string(code));
      float middle = float((elem.valueOf(uint32_t(code)) + elem.valueOf(uint32_t(code) + 1)) / 2);
      for (float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)}) {
        EXPECT_EQ(encodeOne(elem, x), nearestBySearch(elem, x));
        EXPECT_EQ(encodeOne(elem, -x), nearestBySearch(elem, -x));
      }
      EXPECT_EQ(encodeOne(elem, middle), code % 2 ? code + 1 : code);
    }
}

TEST(Minifloat, RandomValuesAgainstSearch) {
  SplitMix rng{12};
  for (const Element &elem : kinds)
    for (int i = 0; i < 20000; ++i) {
      // All magnitudes around the range of the type, subnormal f32 as well.
      float x = std::ldexp(rng.gauss(), int(rng.next() % 40) - 24);
      ASSERT_EQ(encodeOne(elem, x), nearestBySearch(elem, x)) << elem.str() << " " << x;
    }
}

TEST(Minifloat, SaturationAndSpecialInput) {
  for (const Element &elem : kinds) {
    SCOPED_TRACE(elem.str());
    float most = float(elem.maxValue());
    int32_t maxCode = nearestBySearch(elem, most), sign = 1 << (elem.bits - 1);
    for (float x : {most, std::nextafter(most, INFINITY), 2 * most, 3e38f, INFINITY}) {
      EXPECT_EQ(encodeOne(elem, x), maxCode);
      EXPECT_EQ(encodeOne(elem, -x), maxCode | sign);
    }
    int32_t nan = encodeOne(elem, NAN);
    EXPECT_EQ(std::isnan(elem.valueOf(uint32_t(nan))), elem.hasNaN());
    if (!elem.hasNaN()) {
      EXPECT_EQ(nan, maxCode); // NaN without a code of its own
      EXPECT_EQ(encodeOne(elem, -float(NAN)), maxCode);
    }
    bool keepsSign = elem.special != Special::Fnuz;
    EXPECT_EQ(encodeOne(elem, 0.0f), 0);
    EXPECT_EQ(encodeOne(elem, -0.0f), keepsSign ? sign : 0);
    EXPECT_EQ(encodeOne(elem, -1e-45f), keepsSign ? sign : 0);
  }
}

TEST(Minifloat, OtherRoundings) {
  Element e = Element::e2m1(); // 0 0.5 1 1.5 2 3 4 6
  EXPECT_EQ(encodeOne(e, 2.5f, Round::Rna), 5);
  EXPECT_EQ(encodeOne(e, -2.5f, Round::Rna), 8 | 5);
  EXPECT_EQ(encodeOne(e, 2.5f, Round::HalfUp), 5);
  EXPECT_EQ(encodeOne(e, -2.5f, Round::HalfUp), 8 | 4);
  EXPECT_EQ(encodeOne(e, 2.5f, Round::TieLow), 4);
  EXPECT_EQ(encodeOne(e, -2.5f, Round::TieLow), 8 | 5);
  EXPECT_EQ(encodeOne(e, 3.9f, Round::Floor), 5);
  EXPECT_EQ(encodeOne(e, -3.1f, Round::Floor), 8 | 6);
  EXPECT_EQ(encodeOne(e, 3.9f, Round::Rtz), 5);
  EXPECT_EQ(encodeOne(e, -3.9f, Round::Rtz), 8 | 5);
  EXPECT_EQ(encodeOne(e, -0.4f, Round::Rtz), 8);
  EXPECT_EQ(encodeOne(e, -0.1f, Round::Rna), 8);
  EXPECT_EQ(encodeOne(e, 4.0f, Round::Floor), 6);
  EXPECT_EQ(encodeOne(e, NAN, Round::Rna), 7);
  EXPECT_EQ(encodeOne(Element::e4m3(), NAN, Round::Rna), 0x7f);
  EXPECT_EQ(encodeOne(Element::e5m2(), 1e30f, Round::Rna), 0x7b);
}

TEST(Minifloat, E3M2IsAShiftedHalf) {
  // docs/FORMATS.md 5: s at bit 15, eee at 12..10, mm at 9..8, times 2^12.
  for (uint32_t code = 0; code < 64; ++code) {
    uint16_t half = uint16_t((code >> 5) << 15 | ((code >> 2) & 7) << 10 | (code & 3) << 8);
    EXPECT_EQ(double(f16ToF32(half)) * 4096, Element::e3m2().valueOf(code));
  }
}

TEST(Minifloat, E2M1TimesAPowerOfTwoIsExactInE4M3AndE5M2) {
  for (int k = -15; k <= 13; ++k)
    for (uint32_t code = 0; code < 16; ++code) {
      float x = std::ldexp(float(Element::e2m1().valueOf(code)), k);
      if (k >= -8 && k <= 6) {
        EXPECT_EQ(Element::e4m3().valueOf(uint32_t(encodeOne(Element::e4m3(), x))), x);
      }
      EXPECT_EQ(Element::e5m2().valueOf(uint32_t(encodeOne(Element::e5m2(), x))), x);
    }
}

} // namespace
} // namespace tern
