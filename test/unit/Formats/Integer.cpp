// Elements with integer codes: every width, rounding and order against the definition in doubles.
#include "Support.h"

namespace tern {
namespace {

double roundExactly(Round round, double y) {
  double floor = std::floor(y), frac = y - floor;
  bool up = false;
  switch (round) {
  case Round::Rne:
    up = frac > 0.5 || (frac == 0.5 && std::fmod(floor, 2) != 0);
    break;
  case Round::Rna:
    up = frac > 0.5 || (frac == 0.5 && y > 0);
    break;
  case Round::Rtz:
    up = y < 0 && frac > 0;
    break;
  case Round::Floor:
    break;
  case Round::HalfUp:
    up = frac >= 0.5;
    break;
  case Round::TieLow:
    up = frac > 0.5;
    break;
  }
  return floor + up;
}

int64_t clampTo(double v, int64_t lo, int64_t hi) { return int64_t(std::min(std::max(v, double(lo)), double(hi))); }

/// Every quarter around the range, and one ulp to each side.
std::vector<float> samples(int64_t lo, int64_t hi) {
  std::vector<float> x = {0.0f, -0.0f, 1e-30f, -1e-30f, 3e38f, -3e38f, INFINITY, -INFINITY, 0.49999997f, -0.49999997f};
  double step = hi - lo > 1000 ? 97.25 : 0.25;
  for (double v = double(lo) - 3; v <= double(hi) + 3; v += step)
    for (float f : {float(v), std::nextafter(float(v), INFINITY), std::nextafter(float(v), -INFINITY)})
      x.push_back(f);
  return x;
}

const Round roundings[] = {Round::Rne, Round::Rna, Round::Rtz, Round::Floor, Round::HalfUp, Round::TieLow};

TEST(Integer, AllWidthsAndRoundings) {
  std::vector<Element> elems = {Element::si(16), Element::si(12), Element::ui(16), Element::ui(1), Element::ternary()};
  for (int bits = 2; bits <= 8; ++bits) {
    elems.push_back(Element::si(bits));
    elems.push_back(Element::ui(bits));
  }
  for (const Element &elem : elems)
    for (Round round : roundings) {
      int64_t lo = elem.minCode(), hi = elem.maxCode();
      std::vector<float> x = samples(lo, hi);
      Encode encode(Rule::Given);
      encode.round = round;
      Encoded e({elem, {}}, {int64_t(x.size())});
      ASSERT_EQ(encodeCodes(e.format, encode, e.shape, x.data(), e.bytes()), "");
      std::vector<int32_t> codes = e.codes();
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(codes[i], clampTo(roundExactly(round, x[i]), lo, hi))
            << elem.str() << " " << str(round) << " " << x[i];
    }
}

TEST(Integer, ZeroPointsAndOrders) {
  for (int zero : {0, 1, 7, 128, 255})
    for (Order order : {Order::RoundThenZp, Order::ZpThenRound})
      for (Round round : roundings) {
        std::vector<float> x = samples(-zero, 255 - zero);
        Encode encode(Rule::Given, 0, 250);
        encode.round = round;
        encode.order = order;
        Encoded e(format("<ui8, zero<ui8>>"), {int64_t(x.size())});
        e.setPlane(1, {float(zero)});
        ASSERT_EQ(encodeCodes(e.format, encode, e.shape, x.data(), e.bytes()), "");
        std::vector<int32_t> codes = e.codes();
        for (size_t i = 0; i < x.size(); ++i) {
          float shifted = x[i] + float(zero);
          double code = order == Order::RoundThenZp ? roundExactly(round, x[i]) + zero : roundExactly(round, shifted);
          ASSERT_EQ(codes[i], clampTo(code, 0, 250)) << zero << " " << str(order) << " " << str(round) << " " << x[i];
        }
      }
}

TEST(Integer, OnnxAndQonnxDifferAtTiesWithAnOddZeroPoint) {
  float x = 0.5f;
  Encoded e(format("<ui8, scale<f32>, zero<ui8>>"), {1});
  e.setPlane(1, {1});
  e.setPlane(2, {1});
  encodeCodes(e.format, encode("<given>"), e.shape, &x, e.bytes());
  EXPECT_EQ(e.codes()[0], 1);
  encodeCodes(e.format, encode("<given, order = zp_then_round>"), e.shape, &x, e.bytes());
  EXPECT_EQ(e.codes()[0], 2);
}

TEST(Integer, MatchesQuantizeLinear) {
  SplitMix rng{4};
  std::vector<float> x(5000);
  for (float &v : x)
    v = rng.gauss() * 3;
  x[0] = NAN;
  x[1] = INFINITY;
  x[2] = -INFINITY;
  for (float s : {0.01f, 0.0371f, 1e-30f, 0.0f})
    for (int z : {-128, -3, 0, 127}) {
      Encoded e(format("<si8, scale<f32>, zero<si8>>"), {5000});
      std::memcpy(e.planes[1].data(), &s, 4);
      e.setPlane(2, {float(z)});
      ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x.data(), e.bytes()), "");
      std::vector<int32_t> codes = e.codes();
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(codes[i], quantizeLinear(x[i], s, z, -128, 127)) << x[i] << " " << s << " " << z;
    }
}

TEST(Integer, BiasOf32Bits) {
  const std::vector<float> x = {0.5f, 1.5f, -2.5f, 16777217.0f, 1e9f, 2147483520.0f, 3e9f, -3e9f, NAN, INFINITY};
  const std::vector<int32_t> expected = {0,          2,         -2,        16777216, 1000000000,
                                         2147483520, INT32_MAX, INT32_MIN, 0,        INT32_MAX};
  Encoded e(format("<si32, scale<f32>>"), {10});
  e.setPlane(1, {1});
  ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), expected);
}

TEST(Integer, NaNIsTheZeroPoint) {
  std::vector<float> x = {NAN, -float(NAN), 1};
  Encoded e(format("<ui4, scale<f32>, zero<ui4>>"), {3});
  e.setPlane(1, {1});
  e.setPlane(2, {9});
  for (const char *order : {"<given>", "<given, order = zp_then_round>"}) {
    ASSERT_EQ(encodeCodes(e.format, encode(order), e.shape, x.data(), e.bytes()), "");
    EXPECT_EQ(e.codes(), (std::vector<int32_t>{9, 9, 10}));
  }
}

TEST(Integer, FloatZeroPointIsAddedBeforeRounding) {
  // HQQ: code = round(x / s + z).
  float x[] = {1.0f, 1.2f, -0.7f};
  Encoded e(format("<ui4, scale<f16>, zero<f16>>"), {3});
  e.setPlane(1, {0.5f});
  e.setPlane(2, {3.25f});
  ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x, e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{5, 6, 2}));
  EXPECT_EQ(e.decoded(), (std::vector<float>{0.875f, 1.375f, -0.625f}));
}

TEST(Integer, SaturationWrapAndError) {
  std::vector<float> x = {7, 8, -9, 23.4f, 1e10f, 0};
  Encoded e(format("<si4, scale<f32>>"), {6});
  e.setPlane(1, {1});
  ASSERT_EQ(encodeCodes(e.format, encode("<given, sat = wrap>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{7, -8, 7, 7, 0, 0}));
  ASSERT_EQ(encodeCodes(e.format, encode("<given, -7 to 7, sat = wrap>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes()[1], -7);
  EXPECT_EQ(
      encodeCodes(e.format, encode("<given, sat = error>"), e.shape, x.data(), e.bytes()),
      "element 1 (8.000000) is outside the codes of <si4, scale<f32>> by <given, sat = error>; use sat = clamp or "
      "a larger scale");
  x = {7, -8, 7.4f, 0, 0, 0};
  EXPECT_EQ(encodeCodes(e.format, encode("<given, sat = error>"), e.shape, x.data(), e.bytes()), "");
  x[5] = NAN;
  EXPECT_NE(encodeCodes(e.format, encode("<given, sat = error>"), e.shape, x.data(), e.bytes()), "");
  Encoded m(format("<f4E2M1FN>"), {2});
  float y[] = {6, -6.01f};
  EXPECT_NE(encodeCodes(m.format, encode("<given, sat = error>"), m.shape, y, m.bytes()), "");
  y[1] = -6;
  EXPECT_EQ(encodeCodes(m.format, encode("<given, sat = error>"), m.shape, y, m.bytes()), "");
}

TEST(Integer, FixedIsAnIntegerTimesAPowerOfTwo) {
  // ap_fixed<6, 3>: steps of 1/8 from -4 to 31/8.
  std::vector<float> x = {0.0625f, 0.1875f, 10, -10, -1.3f};
  Encoded e({Element::fixed(6, 3), {}}, {5});
  ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 2, 31, -32, -10}));
  EXPECT_EQ(e.decoded(), (std::vector<float>{0, 0.25f, 3.875f, -4, -1.25f}));
  ASSERT_EQ(encodeCodes(e.format, encode("<given, round = half_up, sat = wrap>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{1, 2, 16, -16, -10})); // AP_RND, AP_WRAP
}

} // namespace
} // namespace tern
