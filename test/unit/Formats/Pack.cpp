#include "Support.h"

namespace tern {
namespace {

TEST(Pack, LsbFirst) {
  const int32_t nibbles[] = {1, 2, -1};
  uint8_t out[4] = {0xaa, 0xaa, 0xaa, 0xaa};
  packCodes(4, 3, nibbles, out);
  EXPECT_EQ(out[0], 0x21);
  EXPECT_EQ(out[1], 0x0f); // unused bits are 0
  EXPECT_EQ(out[2], 0xaa);
  const int32_t threes[] = {1, 2, 3, 4};
  packCodes(3, 4, threes, out); // 100'011'010'001
  EXPECT_EQ(out[0], 0xd1);
  EXPECT_EQ(out[1], 0x08);
  const int32_t pairs[] = {0, 1, 2, 3, 1};
  packCodes(2, 5, pairs, out);
  EXPECT_EQ(out[0], 0xe4);
  EXPECT_EQ(out[1], 0x01);
  const int32_t halves[] = {0x1234, -2};
  packCodes(16, 2, halves, out);
  EXPECT_EQ(out[0], 0x34);
  EXPECT_EQ(out[3], 0xff);
}

TEST(Pack, RoundTripAllWidths) {
  SplitMix rng{9};
  for (int bits : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 32})
    for (int64_t n : {0, 1, 2, 3, 7, 8, 9, 31, 64, 65})
      for (bool isSigned : {false, true}) {
        std::vector<int32_t> codes, back(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i) {
          uint32_t raw = uint32_t(rng.next()) << (32 - bits);
          codes.push_back(isSigned ? int32_t(raw) >> (32 - bits) : int32_t(raw >> (32 - bits)));
        }
        std::vector<uint8_t> packed(size_t(packedBytes(n, bits)) + 1, 0x5a);
        packCodes(bits, n, codes.data(), packed.data());
        EXPECT_EQ(packed.back(), 0x5a);
        unpackCodes(bits, isSigned, n, packed.data(), back.data());
        EXPECT_EQ(back, codes) << bits << " bits, " << n;
        if (bits > 8)
          continue;
        std::vector<int8_t> bytes(static_cast<size_t>(n));
        unpackCodes(bits, isSigned, n, packed.data(), bytes.data());
        for (int64_t i = 0; i < n; ++i)
          EXPECT_EQ(bytes[size_t(i)], int8_t(codes[size_t(i)]));
      }
}

TEST(Pack, EntriesOfPlaneTypes) {
  // Values that every type holds.
  const std::vector<float> values = {1, 2, 4, 1, 2};
  for (const char *name : {"f32", "f16", "bf16", "f8E8M0FNU", "f8E4M3FN", "f8E5M2", "f4E2M1FN", "si4", "ui3", "ui6",
                           "si8", "si16", "si32"}) {
    Element type = parseElement(name).value;
    std::vector<uint8_t> packed(size_t(packedBytes(5, type.bits)) * 2);
    std::vector<float> twice = values, back(10);
    twice.insert(twice.end(), values.begin(), values.end());
    encodeEntries(type, 2, 5, twice.data(), packed.data());
    decodeEntries(type, 2, 5, packed.data(), back.data());
    EXPECT_EQ(back, twice) << name;
  }
}

TEST(Pack, EntriesSaturate) {
  auto through = [](Element type, float x) {
    uint8_t packed[4];
    encodeEntries(type, 1, 1, &x, packed);
    decodeEntries(type, 1, 1, packed, &x);
    return x;
  };
  EXPECT_EQ(through(Element::f16(), 1e6f), 65504.0f);
  EXPECT_EQ(through(Element::f16(), -INFINITY), -65504.0f);
  EXPECT_EQ(through(Element::bf16(), INFINITY), float(Element::bf16().maxValue()));
  EXPECT_EQ(through(Element::e4m3(), 465), 448.0f);
  EXPECT_EQ(through(Element::ui(6), 99.6f), 63.0f);
  EXPECT_EQ(through(Element::ui(6), -3), 0.0f);
  EXPECT_EQ(through(Element::si(32), -3e9f), float(INT32_MIN));
  EXPECT_EQ(through(Element::si(8), NAN), 0.0f);
  EXPECT_TRUE(std::isnan(through(Element::f16(), NAN)));
  EXPECT_EQ(through(Element::f32(), 0.1f), 0.1f);
}

TEST(Pack, PowersOfTwo) {
  auto code = [](float x) {
    uint8_t packed;
    encodeEntries(Element::e8m0(), 1, 1, &x, &packed);
    return int(packed);
  };
  for (int c = 0; c < 255; ++c)
    EXPECT_EQ(code(std::ldexp(1.0f, c - 127)), c);
  EXPECT_EQ(code(NAN), 255);
  EXPECT_EQ(code(0), 0);
  EXPECT_EQ(code(-8), 0);
  EXPECT_EQ(code(1e-45f), 0);
  EXPECT_EQ(code(INFINITY), 254);
  EXPECT_EQ(code(3), 128);    // between 2 (code 128) and 4: the even code
  EXPECT_EQ(code(1.5f), 128); // between 1 (code 127) and 2
  EXPECT_EQ(code(std::nextafter(3.0f, 4.0f)), 129);
  EXPECT_EQ(code(3 * 0x1p-128f), 0); // between 2^-127 and 2^-126
  EXPECT_EQ(code(std::nextafter(3 * 0x1p-128f, 1.0f)), 1);
}

} // namespace
} // namespace tern
