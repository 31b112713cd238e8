// Exhaustive code tables and the borders between codes, for every kind of element.
#include "Support.h"

namespace tern {
namespace {

/// A format of one element without a scale; luts and unions get the planes they need.
Encoded plain(const std::string &elem, int64_t n, int select = 0) {
  Element e = *parseElement(elem);
  std::string planes = e.kind == ElementKind::Lut ? ", table<f32>" : e.isUnion() ? ", select<ui2>" : "";
  Encoded result(format("<" + elem + planes + ">"), {n});
  if (e.isUnion())
    result.planes[1][0] = uint8_t(select);
  if (e.kind == ElementKind::Lut) {
    std::vector<float> entries(size_t(1) << e.bits);
    for (size_t i = 0; i < entries.size(); ++i)
      entries[i] = float((int64_t(i) * 37) % int64_t(entries.size())) - float(entries.size()) * 0.4f;
    result.setPlane(1, entries);
  }
  return result;
}

std::vector<std::string> allElements() {
  std::vector<std::string> names = {"f16",
                                    "bf16",
                                    "f8E4M3FN",
                                    "f8E5M2",
                                    "f6E3M2FN",
                                    "f6E2M3FN",
                                    "f4E2M1FN",
                                    "f8E4M3FNUZ",
                                    "f8E5M2FNUZ",
                                    "f8E4M3B11FNUZ",
                                    "f8E4M3",
                                    "f8E3M4",
                                    "#tern.ternary",
                                    "#tern.bitmod<3>",
                                    "#tern.bitmod<4>",
                                    "#tern.abfloat<2, 1, 2>",
                                    "#tern.abfloat<4, 3, 4>",
                                    "#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>",
                                    "#tern.pair<f4E2M1FN, #tern.abfloat<2, 1, 1>, 8>",
                                    "#tern.pair<si8, #tern.abfloat<4, 3, 4>, 128>"};
  for (int b = 1; b <= 16; ++b) {
    std::string bits = std::to_string(b);
    names.push_back("ui" + bits);
    if (b >= 2) {
      names.push_back("si" + bits);
      names.push_back("#tern.fixed<" + bits + ", 2>");
    }
    if (b <= 7)
      names.push_back("#tern.pot<" + bits + ">");
    if (b <= 8) {
      names.push_back("#tern.bipolar<" + bits + ">");
      names.push_back("#tern.lut<" + bits + ">");
    }
  }
  // Every ExMy of 2 to 8 bits, with each policy that it may have.
  for (int e = 1; e <= 7; ++e)
    for (int m = 0; 1 + e + m <= 8; ++m)
      for (const char *special : {"finite", "ieee", "fn", "fnuz"}) {
        std::string name = "#tern.minifloat<" + std::to_string(e) + ", " + std::to_string(m) + ", " +
                           std::to_string((1 << (e - 1)) - 1) + ", \"" + special + "\">";
        if (verify(*parseElement(name)).empty())
          names.push_back(name);
      }
  return names;
}

TEST(Tables, EveryCodeOfEveryElementDecodesEncodesAndDecodesToItself) {
  for (const std::string &name : allElements()) {
    Element elem = *parseElement(name);
    ASSERT_EQ(parseElement(elem.str()).value, elem) << name;
    for (int select = 0; select < elem.alternatives(); ++select) {
      SCOPED_TRACE(name + " " + std::to_string(select));
      // Pairs: both positions see all codes.
      bool isPair = elem.kind == ElementKind::Pair;
      int64_t codes = int64_t(1) << elem.bits, n = isPair ? 2 * codes * codes : codes;
      Encoded e = plain(name, n, select);
      std::vector<int32_t> all(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i)
        all[size_t(i)] = int32_t(isPair ? (i % 2 ? i / 2 % codes : i / 2 / codes) : i);
      packCodes(elem.bits, n, all.data(), e.planes[0].data());
      std::vector<float> x = e.decoded();
      ASSERT_EQ(encodeCodes(e.format, Encode(Rule::Given), e.shape, x.data(), e.bytes()), "");
      std::vector<float> again = e.decoded();
      for (size_t i = 0; i < x.size(); ++i)
        // The pattern 0b10 of a ternary code is never written.
        if (elem.kind == ElementKind::Ternary && x[i] == -2)
          EXPECT_EQ(again[i], -1);
        else if (std::isinf(x[i])) // infinities saturate
          EXPECT_EQ(again[i], std::copysign(float(elem.maxValue()), x[i]));
        else
          ASSERT_TRUE(x[i] == again[i] || (x[i] != x[i] && again[i] != again[i]))
              << i << ": " << x[i] << " " << again[i];
    }
  }
}

/// The code of y by definition: the nearest value, ties by the rounding. Codes are listed by value.
int32_t byDefinition(const std::vector<std::pair<double, int32_t>> &values, Round round, double y) {
  if (!(y > values.front().first))
    return values.front().second;
  if (!(y < values.back().first))
    return values.back().second;
  auto isBelow = [](const std::pair<double, int32_t> &value, double bound) { return value.first < bound; };
  size_t above = size_t(std::lower_bound(values.begin(), values.end(), y, isBelow) - values.begin());
  if (values[above].first == y)
    return values[above].second;
  auto [lower, lowerCode] = values[above - 1];
  auto [upper, upperCode] = values[above];
  double middle = lower + (upper - lower) / 2; // exact, unlike the distances
  if (round == Round::Floor)
    return lowerCode;
  if (round == Round::Rtz && lower >= 0)
    return lowerCode;
  if (round == Round::Rtz && upper <= 0)
    return upperCode;
  if (y != middle)
    return y < middle ? lowerCode : upperCode;
  switch (round) {
  case Round::HalfUp:
    return upperCode;
  case Round::Rna:
    return std::fabs(upper) > std::fabs(lower) ? upperCode : lowerCode;
  case Round::Rne:
    return upperCode % 2 == 0 && lowerCode % 2 != 0 ? upperCode : lowerCode;
  default:
    return lowerCode;
  }
}

TEST(Tables, MidpointsAndTheirNeighboursByDefinition) {
  for (const std::string &name : allElements()) {
    Element elem = *parseElement(name);
    if (elem.kind == ElementKind::Pair) // PairsEncode
      continue;
    for (int select = 0; select < elem.alternatives(); ++select)
      for (Round round : {Round::Rne, Round::Rna, Round::Rtz, Round::Floor, Round::HalfUp, Round::TieLow}) {
        if (round != Round::Rne && (elem.isFloat() || (elem.bits > 12 && round != Round::HalfUp)))
          continue;
        SCOPED_TRACE(name + " " + str(round));
        // Values in order; of equal ones the first code, and the sign of zero follows x.
        Encoded table = plain(name, int64_t(1) << elem.bits, select);
        std::vector<int32_t> all(table.shape[0]);
        for (size_t i = 0; i < all.size(); ++i)
          all[i] = int32_t(i);
        packCodes(elem.bits, table.shape[0], all.data(), table.planes[0].data());
        std::vector<float> decoded = table.decoded();
        std::vector<std::pair<double, int32_t>> values;
        for (size_t i = 0; i < decoded.size(); ++i)
          if (std::isfinite(decoded[i]) && !(elem.kind == ElementKind::Ternary && i == 2))
            values.push_back({decoded[i], int32_t(i)});
        std::sort(values.begin(), values.end());
        values.erase(std::unique(values.begin(), values.end(), [](auto &a, auto &b) { return a.first == b.first; }),
                     values.end());
        // Rounding of integer codes looks at the integer, and a two's complement pattern has its parity.
        std::vector<float> y;
        const float inf = std::numeric_limits<float>::infinity();
        for (size_t i = 0; i + 1 < values.size(); ++i) {
          float middle = float(values[i].first + (values[i + 1].first - values[i].first) / 2);
          for (float v : {middle, std::nextafter(middle, inf), std::nextafter(middle, -inf), float(values[i].first)})
            y.push_back(v);
        }
        float most = float(std::max(std::fabs(values.front().first), std::fabs(values.back().first)));
        for (float v : {most, std::nextafter(most, inf), 2 * most, std::numeric_limits<float>::max(), inf,
                        std::numeric_limits<float>::denorm_min(), 0x1p-130f, std::numeric_limits<float>::min()}) {
          y.push_back(v);
          y.push_back(-v);
        }
        Encoded e = plain(name, int64_t(y.size()), select);
        Encode by(Rule::Given);
        by.round = round;
        ASSERT_EQ(encodeCodes(e.format, by, e.shape, y.data(), e.bytes()), "");
        std::vector<float> x = e.decoded();
        for (size_t i = 0; i < y.size(); ++i)
          ASSERT_EQ(x[i], decoded[size_t(byDefinition(values, round, y[i]))]) << i << ": " << y[i];
      }
  }
}

TEST(Tables, ZerosAndNaN) {
  for (const std::string &name : allElements()) {
    Element elem = *parseElement(name);
    if (elem.kind == ElementKind::Lut)
      continue;
    SCOPED_TRACE(name);
    std::vector<float> y = {0.0f, -0.0f, NAN, -NAN};
    Encoded e = plain(name, 4);
    ASSERT_EQ(encodeCodes(e.format, Encode(Rule::Given), e.shape, y.data(), e.bytes()), "");
    std::vector<float> x = e.decoded();
    bool hasZero = elem.kind != ElementKind::Bipolar && elem.kind != ElementKind::Pot;
    if (hasZero) {
      EXPECT_EQ(x[0], 0);
      EXPECT_EQ(x[1], 0);
      bool hasMinusZero = elem.isFloat() || (elem.kind == ElementKind::Minifloat && elem.special != Special::Fnuz);
      EXPECT_EQ(std::signbit(x[1]), hasMinusZero);
    }
    if (elem.hasNaN())
      EXPECT_TRUE(x[2] != x[2] && x[3] != x[3]);
    else if (elem.kind == ElementKind::Minifloat)
      EXPECT_EQ(x[2], elem.maxValue());
    else if (hasZero)
      EXPECT_EQ(x[2], 0);
  }
}

//===- the tables of docs/FORMATS.md 1.4 and 3.2 --------------------------===//

TEST(Tables, Pot) {
  for (uint32_t code = 0; code < 16; ++code)
    EXPECT_EQ(Element::pot(4).valueOf(code), std::ldexp(1.0, -int(code)));
  // Probabilities: 0 has no code and takes the smallest value; a code range cuts the table.
  Encoded e(format("<#tern.pot<4>>"), {8});
  std::vector<float> x = {1, 0.75f, 0.76f, 0.5f, 0, -1, 2, NAN};
  ASSERT_EQ(encodeCodes(e.format, encode("<given, 0 to 15>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 0, 0, 1, 15, 15, 0, 0}));
  ASSERT_EQ(encodeCodes(e.format, encode("<given, 1 to 7>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{1, 1, 1, 1, 7, 7, 1, 1}));
  EXPECT_EQ(
      encodeCodes(e.format, encode("<given, sat = error>"), e.shape, x.data(), e.bytes()),
      "element 5 (-1.000000) is outside the codes of <#tern.pot<4>> by <given, sat = error>; use sat = clamp or a "
      "larger scale");
}

TEST(Tables, Bitmod) {
  const int special3[] = {3, -3, 6, -6}, special4[] = {10, -10, 16, -16};
  for (int a = 0; a < 4; ++a) {
    std::vector<double> fp3, fp4;
    for (uint32_t code = 0; code < 8; ++code)
      fp3.push_back(Element::bitmod(3).valueOf(code, a));
    for (uint32_t code = 0; code < 16; ++code)
      fp4.push_back(Element::bitmod(4).valueOf(code, a));
    EXPECT_EQ(fp3, (std::vector<double>{0, 1, 2, 4, double(special3[a]), -1, -2, -4}));
    EXPECT_EQ(fp4, (std::vector<double>{0, 1, 2, 3, 4, 6, 8, 12, double(special4[a]), -1, -2, -3, -4, -6, -8, -12}));
  }
}

TEST(Tables, SelectPerBlock) {
  Encoded e(format("<#tern.bitmod<3>, select<ui2, [4]>>"), {8});
  e.setPlane(1, {0, 3});
  std::vector<float> x = {3, -3, 6, -6, 3, -3, 6, -6};
  ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.decoded(), (std::vector<float>{3, -2, 4, -4, 2, -2, 4, -6}));
  Encoded wide(format("<#tern.bitmod<3>, select<ui8, [4]>>"), {8});
  wide.setPlane(1, {0, 4});
  std::vector<float> out(8);
  EXPECT_EQ(decode(wide.format, wide.shape, wide.constBytes(), out.data()),
            "plane 'select' holds 4; #tern.bitmod<3> has the alternatives 0 to 3");
}

TEST(Tables, Abfloat) {
  std::vector<double> values;
  for (uint32_t code = 0; code < 16; ++code)
    values.push_back(Element::abfloat(2, 1, 2).valueOf(code));
  EXPECT_EQ(values, (std::vector<double>{0, 12, 16, 24, 32, 48, 64, 96, 0, -12, -16, -24, -32, -48, -64, -96}));
}

TEST(Tables, PairsDecode) {
  // All 256 bytes of two codes: a marker makes its neighbour an outlier.
  Encoded e(format("<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>>"), {512});
  for (size_t byte = 0; byte < 256; ++byte)
    e.planes[0][byte] = uint8_t(byte);
  std::vector<float> x = e.decoded();
  auto normal = [](int code) { return code < 8 ? code : code - 16; };
  auto outlier = [](int code) {
    const int magnitudes[] = {0, 12, 16, 24, 32, 48, 64, 96};
    return code & 8 ? -magnitudes[code & 7] : magnitudes[code & 7];
  };
  for (int byte = 0; byte < 256; ++byte) {
    int a = byte & 15, b = byte >> 4;
    EXPECT_EQ(x[size_t(2 * byte)], a == 8 ? 0 : b == 8 ? outlier(a) : normal(a));
    EXPECT_EQ(x[size_t(2 * byte + 1)], a == 8 ? outlier(b) : b == 8 ? 0 : normal(b));
  }
}

TEST(Tables, PairsEncode) {
  Encoded e(format("<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>>"), {12});
  std::vector<float> x = {7, -7, 100, 3, 1, -30, 50, -90, 9.5f, -8, NAN, 9.75f};
  ASSERT_EQ(encodeCodes(e.format, encode("<given, round = tie_low>"), e.shape, x.data(), e.bytes()), "");
  // 9.5 lies between 7 and 12 and is a tie; of two outliers the first stays.
  EXPECT_EQ(e.decoded(), (std::vector<float>{7, -7, 96, 0, 0, -32, 48, 0, 7, -7, 0, 12}));
}

} // namespace
} // namespace tern
