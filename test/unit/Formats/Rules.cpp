// The rules of #tern.encode: which parameters come out, also for degenerate blocks.
#include "Support.h"

namespace tern {
namespace {

TEST(Rules, AbsmaxByDefinitionForBlocksAlongEveryAxis) {
  const std::vector<int64_t> shape = {5, 7, 9};
  std::vector<float> x = gaussTensor(21, 5 * 7 * 9);
  const int64_t blocks[][3] = {{1, 1, 4},      {1, 3, 1},           {2, 1, 1},           {2, 3, 4},
                               {kWhole, 1, 1}, {1, kWhole, kWhole}, {kWhole, 2, kWhole}, {5, 7, 9},
                               {1, 1, 1},      {1, 1, 100},         {kWhole, kWhole, 2}};
  for (const auto &block : blocks) {
    Format f{Element::si(4), {{Role::Scale, Element::f32(), {block[0], block[1], block[2]}}}};
    SCOPED_TRACE(f.str());
    Encoded e(f, shape);
    ASSERT_EQ(encodeTensor(f, encode("<absmax, -7 to 7>"), shape, x.data(), e.bytes()), "");
    PlaneShape scales = planeShapes(shape, f)[1];
    std::vector<float> largest(e.values(1).size(), 0.0f);
    size_t i = 0;
    std::vector<size_t> entries;
    for (int64_t a = 0; a < 5; ++a)
      for (int64_t b = 0; b < 7; ++b)
        for (int64_t c = 0; c < 9; ++c, ++i) {
          int64_t index[] = {a, b, c}, entry = 0;
          for (size_t d = 0; d < 3; ++d)
            entry = entry * scales.shape[d] + (block[d] == kWhole ? 0 : index[d] / block[d]);
          entries.push_back(size_t(entry));
          largest[size_t(entry)] = std::max(largest[size_t(entry)], std::fabs(x[i]));
        }
    std::vector<float> actual = e.values(1);
    std::vector<int32_t> codes = e.codes();
    for (size_t k = 0; k < actual.size(); ++k)
      ASSERT_EQ(actual[k], largest[k] / 7.0f);
    for (i = 0; i < x.size(); ++i)
      ASSERT_EQ(codes[i], quantizeLinear(x[i], actual[entries[i]], 0, -7, 7));
  }
}

TEST(Rules, AbsmaxAimsAtTheMiddleOfTheRange) {
  // q = 7.5 for -8 to 7, 31 for 0 to 62, the largest value of a minifloat.
  std::vector<float> x = {-30, 15};
  EXPECT_EQ(encoded("<si4, scale<f32>>", "<absmax, -8 to 7>", {2}, x).values(1)[0], 4);
  EXPECT_EQ(encoded("<f4E2M1FN, scale<f32>>", "<absmax>", {2}, x).values(1)[0], 5);
  EXPECT_EQ(encoded("<f8E4M3FN, scale<f32>>", "<absmax>", {2}, x).values(1)[0], 30.0f / 448.0f);
  Encoded flexq = encoded("<ui6, scale<f32>, zero<ui6>>", "<absmax, 0 to 62>", {2}, {31, -31});
  EXPECT_EQ(flexq.values(1)[0], 1);
  EXPECT_EQ(flexq.values(2)[0], 31);
  EXPECT_EQ(flexq.codes(), (std::vector<int32_t>{62, 0}));
  EXPECT_EQ(encoded("<ui4, scale<f32>, zero<ui4>>", "<absmax>", {1}, {1}).values(2)[0], 8);
  EXPECT_EQ(encoded("<ui8, scale<f32, [2]>, zero<ui8, [2]>>", "<absmax>", {5}, {1, 2, 3, 4, 5}).values(2),
            (std::vector<float>{128, 128, 128}));
}

TEST(Rules, ScalesAreRoundedToTheirTypeBeforeTheCodesAreMade) {
  std::vector<float> x = {1.0f, 0.5f, -0.21432f};
  Encoded e = encoded("<si4, scale<f16>>", "<absmax, -7 to 7>", {3}, x);
  float s = f16ToF32(f32ToF16(1.0f / 7.0f));
  EXPECT_EQ(e.values(1)[0], s);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(e.codes()[i], quantizeLinear(x[i], s, 0, -7, 7));
  EXPECT_EQ(encoded("<si4, scale<bf16>>", "<absmax, -7 to 7>", {3}, x).values(1)[0], bf16ToF32(f32ToBf16(1.0f / 7.0f)));
}

TEST(Rules, MinmaxWithAnIntegerZeroPointContainsZero) {
  Encoded e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax, 0 to 255>", {3}, {-1, 0, 1.55f});
  EXPECT_EQ(e.values(1)[0], 2.55f / 255);
  EXPECT_EQ(e.values(2)[0], 100);
  // All positive, all negative: the range grows to 0.
  e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {2}, {10, 25.5f});
  EXPECT_EQ(e.values(2)[0], 0);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{100, 255}));
  e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {2}, {-10, -25.5f});
  EXPECT_EQ(e.values(2)[0], 255);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{155, 0}));
  // Signed codes: the same values, shifted.
  e = encoded("<si8, scale<f32>, zero<si8>>", "<minmax>", {2}, {10, 25.5f});
  EXPECT_EQ(e.values(2)[0], -128);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{-28, 127}));
}

TEST(Rules, MinmaxWithAZeroPointThatScalesShare) {
  // Range -1 to 3 of the tensor: the zero point is rint(1 / 4 * 15) = 4.
  Encoded e = encoded("<ui4, scale<f32, [2]>, zero<ui4>>", "<minmax>", {6}, {-1, 0, 3, 1, 0.5f, -0.25f});
  EXPECT_EQ(e.values(2), (std::vector<float>{4}));
  EXPECT_EQ(e.values(1), (std::vector<float>{1.0f / 4, 3.0f / 11, 0.25f / 4}));
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 4, 15, 8, 12, 0}));
  // One side only: the zero point is at the end, nothing clips.
  e = encoded("<ui4, scale<f16, [1, 4]>, zero<ui4>>", "<minmax>", {2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(e.values(2), (std::vector<float>{0}));
  EXPECT_EQ(e.codes()[3], 15);
  EXPECT_EQ(e.codes()[7], 15);
  e = encoded("<ui4, scale<f32, [1, 4]>, zero<ui4>>", "<minmax>", {1, 4}, {0, 0, 0, 0});
  EXPECT_EQ(e.decoded(), (std::vector<float>{0, 0, 0, 0}));
  EXPECT_EQ(verify(encode("<minmax>"), format("<ui4, scale<f32, [4]>, min<f32>>")),
            "rule minmax needs one block shape for scale<f32, [4]> and min<f32>, or an integer zero point with coarser "
            "blocks");
}

TEST(Rules, MinmaxIsDynamicQuantizeLinear) {
  // The example of the ONNX operator.
  Encoded e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {6}, {0, 2, -3, -2.5f, 1.34f, 0.5f});
  EXPECT_EQ(e.values(1)[0], 0.0196078438f);
  EXPECT_EQ(e.values(2)[0], 153);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{153, 255, 0, 26, 221, 179}));
}

TEST(Rules, MinmaxWithAMinimum) {
  Encoded e = encoded("<ui2, scale<f32, [4]>, min<f32, [4]>>", "<minmax, 0 to 3>", {6}, {10, 11, 12, 13, -5, 4});
  EXPECT_EQ(e.values(1), (std::vector<float>{1, 3}));
  EXPECT_EQ(e.values(2), (std::vector<float>{10, -5}));
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 1, 2, 3, 0, 3}));
  EXPECT_EQ(e.decoded(), (std::vector<float>{10, 11, 12, 13, -5, 4}));
  // Signed codes start at LO: code LO is the minimum.
  e = encoded("<si2, scale<f32>, min<f32>>", "<minmax>", {4}, {10, 11, 12, 13});
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{-2, -1, 0, 1}));
  EXPECT_EQ(e.decoded(), (std::vector<float>{10, 11, 12, 13}));
}

TEST(Rules, MinmaxWithAFloatZeroPoint) {
  Encoded e = encoded("<ui4, scale<f32>, zero<f32>>", "<minmax>", {3}, {10, 17.5f, 25});
  EXPECT_EQ(e.values(1)[0], 1);
  EXPECT_EQ(e.values(2)[0], -10);
  EXPECT_EQ(e.decoded(), (std::vector<float>{10, 18, 25}));
}

TEST(Rules, SignedAbsmaxMayGiveANegativeScale) {
  // ggml Q4_0: the element of largest magnitude becomes code -8; of two the first.
  Encoded e = encoded("<si4, scale<f32, [4]>>", "<signed_absmax, -8 to 7>", {8}, {1, 8, -8, 2, -1, -16, 4, 3});
  EXPECT_EQ(e.values(1), (std::vector<float>{-1, 2}));
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{-1, -8, 7, -2, 0, -8, 2, 2}));
}

TEST(Rules, Absmean) {
  Encoded e = encoded("<#tern.ternary, scale<f32>>", "<absmean>", {4}, {0.5f, -1.5f, 0.1f, -0.7f});
  EXPECT_FLOAT_EQ(e.values(1)[0], 0.7f);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{1, -1, 0, -1}));
}

TEST(Rules, PowersOfTwoAreExactAtTheirBorders) {
  auto exponent = [](const char *f, const char *rule, float x) {
    return int(encoded(f, rule, {1}, {x}).planes[1][0]) - 127;
  };
  const char *fp4 = "<f4E2M1FN, scale<f8E8M0FNU>>";
  for (int k = -120; k <= 120; k += 8) {
    float six = std::ldexp(6.0f, k), eight = std::ldexp(8.0f, k);
    EXPECT_EQ(exponent(fp4, "<floor_pow2>", std::nextafter(eight, 0.0f)), k);
    EXPECT_EQ(exponent(fp4, "<floor_pow2>", eight), k + 1);
    EXPECT_EQ(exponent(fp4, "<ceil_pow2>", six), k);
    EXPECT_EQ(exponent(fp4, "<ceil_pow2>", std::nextafter(six, INFINITY)), k + 1);
  }
  EXPECT_EQ(exponent(fp4, "<floor_pow2>", 1e-45f), -127);
  EXPECT_EQ(exponent(fp4, "<floor_pow2>", 3e38f), 125);
  const char *int8 = "<#tern.fixed<8, 2>, scale<f8E8M0FNU>>";
  EXPECT_EQ(exponent(int8, "<ceil_pow2, -127 to 127>", 127.0f / 64), 0);
  EXPECT_EQ(exponent(int8, "<ceil_pow2, -127 to 127>", std::nextafter(127.0f / 64, 2.0f)), 1);
}

TEST(Rules, CoarserScalesLeaveRoomForTheFinerType) {
  // NVFP4: s_t = amax / (448 * 6); the block of the largest value gets 448.
  Encoded e = encoded("<f4E2M1FN, scale<f8E4M3FN, [1, 2]>, scale<f32>>", "<absmax>", {2, 4}, {1, 2, 0, 0, 3, 6, 12, 1});
  EXPECT_EQ(e.values(2)[0], 12.0f / (448 * 6));
  EXPECT_EQ(e.values(1)[3], 448);
  EXPECT_EQ(e.values(1)[1], 0); // a block of zeros
  EXPECT_EQ(e.decoded()[2], 0);
  EXPECT_EQ(e.decoded()[6], 12);
  // Integer scales under f16 ones, both nested.
  std::vector<float> x = gaussTensor(14, 2 * 512);
  Encoded k = encoded("<si4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>>", "<absmax, -7 to 7>", {2, 512}, x);
  EXPECT_GT(sqnr(x, k.decoded()), 18);
  std::vector<float> fine = k.values(1);
  for (size_t block = 0; block < 4; ++block)
    EXPECT_EQ(*std::max_element(fine.begin() + block * 8, fine.begin() + block * 8 + 8), 63);
}

TEST(Rules, TwoLevelScalesGivenByHand) {
  // ZeroQuant-FP M2: s_max / 2^k within a row, k = floor or ceil of log2(s_max / s).
  for (int tensor = 0; tensor < 2; ++tensor)
    for (bool up : {false, true}) {
      const std::vector<int64_t> shape = {256, 1024};
      const std::vector<float> &x = golden(tensor);
      Encoded e(format("<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>, scale<f32, [1, *]>>"), shape);
      std::vector<float> powers, rows;
      for (size_t r = 0; r < 256; ++r) {
        float s[4] = {};
        for (size_t i = 0; i < 1024; ++i)
          s[i / 256] = std::max(s[i / 256], std::fabs(x[r * 1024 + i]) / 6);
        rows.push_back(*std::max_element(s, s + 4));
        for (float fine : s) {
          double k = std::log2(double(rows.back()) / fine);
          powers.push_back(std::ldexp(1.0f, -int(up ? std::ceil(k) : std::floor(k))));
        }
      }
      e.setPlane(1, powers);
      e.setPlane(2, rows);
      ASSERT_EQ(encodeCodes(e.format, encode("<given>"), shape, x.data(), e.bytes()), "");
      const double expected[2][2] = {{18.9126, 15.4393}, {12.3092, 10.7420}};
      EXPECT_NEAR(sqnr(x, e.decoded()), expected[tensor][up], 1e-3);
    }
}

TEST(Rules, BlocksOfZerosAndUnderflow) {
  Encoded e = encoded("<si4, scale<f32, [1, *]>>", "<absmax, -7 to 7>", {2, 2}, {0, -0.0f, 1, -1});
  EXPECT_EQ(e.values(1), (std::vector<float>{1, 1.0f / 7}));
  EXPECT_EQ(e.decoded(), (std::vector<float>{0, 0, 1, -1}));
  // f16(1e-9) is 0: the scale is stored as 1 and the block becomes 0.
  e = encoded("<si4, scale<f16>>", "<absmax, -7 to 7>", {2}, {7e-9f, -7e-9f});
  EXPECT_EQ(e.values(1)[0], 1);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 0}));
  // f16 overflow: the largest finite scale.
  e = encoded("<si4, scale<f16>>", "<absmax, -7 to 7>", {2}, {1e9f, -3});
  EXPECT_EQ(e.values(1)[0], 65504);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{7, 0}));
  // OCP MX: code 0 everywhere.
  e = encoded("<f4E2M1FN, scale<f8E8M0FNU>>", "<floor_pow2>", {4}, {0, 0, 0, 0});
  EXPECT_EQ(e.planes[1][0], 0);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, 0, 0, 0}));
  // minmax of a constant 0.
  e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {2}, {0, 0});
  EXPECT_EQ(e.values(1)[0], 1);
  EXPECT_EQ(e.decoded(), (std::vector<float>{0, 0}));
  e = encoded("<ui8, scale<f32>, min<f32>>", "<minmax>", {2}, {3, 3});
  EXPECT_EQ(e.decoded(), (std::vector<float>{3, 3}));
  // The range overflows f32.
  e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {2}, {-3e38f, 3e38f});
  EXPECT_TRUE(std::isfinite(e.decoded()[0]) && std::isfinite(e.decoded()[1]));
}

TEST(Rules, NonFiniteElementsDoNotReachTheParameters) {
  std::vector<float> x = {1, -2, INFINITY, NAN};
  Encoded e = encoded("<si8, scale<f32>>", "<absmax, -127 to 127>", {4}, x);
  EXPECT_EQ(e.values(1)[0], 2.0f / 127);
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{64, -127, 127, 0}));
  e = encoded("<ui8, scale<f32>, zero<ui8>>", "<minmax>", {4}, x);
  EXPECT_EQ(e.values(1)[0], 3.0f / 255);
  EXPECT_EQ(e.codes()[2], 255);
  EXPECT_EQ(e.codes()[3], int32_t(e.values(2)[0]));
  e = encoded("<f8E4M3FN, scale<f32>>", "<absmax>", {4}, x);
  EXPECT_EQ(e.codes()[2], 0x7e);
  EXPECT_EQ(e.codes()[3], 0x7f);
  // Nothing finite.
  e = encoded("<si8, scale<f32, [1, *]>>", "<absmax>", {2, 1}, {NAN, -INFINITY});
  EXPECT_EQ(e.values(1), (std::vector<float>{1, 1}));
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{0, -128}));
  e = encoded("<#tern.ternary, scale<f32>>", "<absmean>", {2}, {NAN, 3});
  EXPECT_EQ(e.values(1)[0], 3);
}

TEST(Rules, MxNaN) {
  // The element has a NaN: it carries it. It has none: the scale of the block does.
  Encoded e = encoded("<f8E4M3FN, scale<f8E8M0FNU, [2]>>", "<floor_pow2>", {4}, {1, NAN, 1, 2});
  EXPECT_NE(e.planes[1][0], 255);
  EXPECT_TRUE(std::isnan(e.decoded()[1]) && e.decoded()[0] == 1);
  e = encoded("<f4E2M1FN, scale<f8E8M0FNU, [2]>>", "<floor_pow2>", {4}, {1, NAN, 1, 2});
  EXPECT_EQ(e.planes[1][0], 255);
  EXPECT_TRUE(std::isnan(e.decoded()[0]) && e.decoded()[2] == 1);
}

TEST(Rules, EmptyTensors) {
  Encoded e = encoded("<si8, scale<f32, [1, *]>>", "<absmax>", {2, 0}, {});
  EXPECT_EQ(e.values(1), (std::vector<float>{1, 1}));
  EXPECT_EQ(encoded("<si8, scale<f32>>", "<absmax>", {0, 4}, {}).values(1)[0], 1);
  EXPECT_EQ(encoded("<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax>", {0, 16}, {}).values(2)[0], 1);
  EXPECT_TRUE(encoded("<ui8, scale<f32, [1, 4]>, zero<ui8, [1, 4]>>", "<minmax>", {0, 4}, {}).decoded().empty());
}

TEST(Rules, Scalars) {
  Encoded e = encoded("<si8, scale<f32>>", "<absmax, -127 to 127>", {}, {-2.54f});
  EXPECT_EQ(e.codes()[0], -127);
  EXPECT_FLOAT_EQ(e.decoded()[0], -2.54f);
}

TEST(Rules, ClipFactorsPerBlock) {
  std::vector<float> x = {7, 1, 14, 2};
  Encoded e(format("<si4, scale<f32, [2]>>"), {4});
  Encode by = encode("<absmax, -7 to 7>");
  ASSERT_EQ(chooseParameters(e.format, by, e.shape, x.data(), e.bytes(), std::vector<float>{0.5f, 1}), "");
  EXPECT_EQ(e.values(1), (std::vector<float>{0.5f, 2}));
  EXPECT_EQ(chooseParameters(e.format, by, e.shape, x.data(), e.bytes(), std::vector<float>{1}),
            "one clip factor per block: expected 2, found 1");
  // Errors are those of the codes that these parameters give: 7 clips to 3.5, the rest is exact.
  std::vector<double> errors;
  ASSERT_EQ(blockErrors(e.format, by, e.shape, x.data(), e.bytes(), errors), "");
  EXPECT_EQ(errors, (std::vector<double>{12.25, 0}));
}

TEST(Rules, CodebooksTakeTheNearestEntry) {
  Encoded e(format("<#tern.lut<2>, table<f32, [1, *]>>"), {2, 5});
  e.setPlane(1, {3, -1, 0, 3, 0.5f, 0.25f, -8, NAN});
  std::vector<float> x = {-5, -0.5f, 1.5f, 2, NAN, 1, 0.375f, -4, -3.875f, -INFINITY};
  ASSERT_EQ(encodeCodes(e.format, encode("<given, round = tie_low>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{1, 1, 2, 0, 2, 0, 1, 2, 2, 2})); // NaN: the entry 0
  // Ties to the even code.
  ASSERT_EQ(encodeCodes(e.format, encode("<given>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.codes(), (std::vector<int32_t>{1, 2, 2, 0, 2, 0, 0, 2, 2, 2}));
}

TEST(Rules, BipolarIsTwiceTheSignedCodePlusOne) {
  for (int bits = 1; bits <= 8; ++bits)
    for (int u = 0; u < 1 << bits; ++u) {
      int q = u - (1 << (bits - 1));
      EXPECT_EQ(Element::bipolar(bits).valueOf(uint32_t(u)), 2 * q + 1);
    }
  // half_up: 0 becomes +1.
  Encoded e(format("<#tern.bipolar<2>>"), {5});
  std::vector<float> x = {0, -2, 2, -0.0f, 9};
  ASSERT_EQ(encodeCodes(e.format, encode("<given, round = half_up>"), e.shape, x.data(), e.bytes()), "");
  EXPECT_EQ(e.decoded(), (std::vector<float>{1, -1, 3, 1, 3}));
}

} // namespace
} // namespace tern
