#include "../Formats/Support.h"
#include "lib/Quantize/ClipSearch.h"
#include "lib/Quantize/GridSearch.h"
#include "lib/Quantize/Method.h"

namespace tern {
namespace {

std::vector<float> quantized(const char *method, const std::string &f, const std::string &e, std::vector<int64_t> shape,
                             const std::vector<float> &w) {
  Encoded q(format(f), std::move(shape));
  EXPECT_EQ(quantizeWeight(method, w.data(), q.shape, q.format, encode(e), q.bytes()), "");
  return q.decoded();
}

TEST(Methods, UnknownNamesTheKnownOnes) {
  Encoded q(format("<si8, scale<f32>>"), {1});
  float w = 1;
  EXPECT_EQ(quantizeWeight("gtpq", &w, q.shape, q.format, Encode(Rule::Absmax), q.bytes()),
            "unknown quantization method 'gtpq' (known: rtn, rtn-mse)");
}

TEST(Methods, ErrorsOfTheFormatReachTheCaller) {
  for (const Method &method : methods()) {
    Encoded q(format("<si8, scale<f32>>"), {4});
    std::vector<float> w(4, 1.0f);
    EXPECT_NE(quantizeWeight(method.name, w.data(), q.shape, q.format, Encode(Rule::Minmax), q.bytes()), "");
  }
}

TEST(Methods, RtnIsEncodeTensor) {
  std::vector<float> w = gaussTensor(5, 6 * 40);
  Encoded a = encoded("<si4, scale<f16, [1, 32]>>", "<absmax, -7 to 7>", {6, 40}, w);
  EXPECT_EQ(quantized("rtn", "<si4, scale<f16, [1, 32]>>", "<absmax, -7 to 7>", {6, 40}, w), a.decoded());
}

TEST(Methods, ClipSearchIsNeverWorseInAnyBlock) {
  const char *formats[][2] = {{"<si4, scale<f32, [1, *]>>", "<absmax, -7 to 7>"},
                              {"<ui4, scale<f16, [1, 48]>, zero<ui4, [1, 48]>>", "<minmax>"},
                              {"<ui2, scale<f16, [1, 48]>, min<f16, [1, 48]>>", "<minmax>"},
                              {"<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax>"},
                              {"<f4E2M1FN, scale<f8E8M0FNU, [1, 48]>>", "<ceil_pow2>"}};
  std::vector<float> w = gaussTensor(6, 16 * 96);
  for (auto &[f, e] : formats) {
    SCOPED_TRACE(f);
    std::vector<float> rtn = quantized("rtn", f, e, {16, 96}, w), mse = quantized("rtn-mse", f, e, {16, 96}, w);
    int64_t block = 48;
    if (format(f).planes[0].block[1] == 16)
      block = 16;
    for (size_t begin = 0; begin < w.size(); begin += size_t(block)) {
      double a = 0, b = 0;
      for (size_t i = begin; i < begin + size_t(block); ++i) {
        a += std::pow(double(w[i]) - rtn[i], 2);
        b += std::pow(double(w[i]) - mse[i], 2);
      }
      if (format(f).planes[0].block[1] != kWhole) {
        EXPECT_LE(b, a);
      }
    }
    EXPECT_GT(sqnr(w, mse), sqnr(w, rtn));
  }
}

TEST(Methods, ClipSearchGainsOnPerChannelInt4) {
  // 256 channels of 1024: the usual W4 case. The best uniform quantizer of 16 levels reaches 20.2 dB on a Gaussian.
  const char *f = "<si4, scale<f32, [1, *]>>", *e = "<absmax, -7 to 7>";
  double rtn = sqnr(golden(false), quantized("rtn", f, e, {256, 1024}, golden(false)));
  double mse = sqnr(golden(false), quantized("rtn-mse", f, e, {256, 1024}, golden(false)));
  EXPECT_GT(mse, rtn + 1.5);
  EXPECT_GT(mse, 18.5);
}

TEST(Methods, ClipSearchKeepsOneOutlierOutOfTheScale) {
  // Weights of size 1 and one of 1.9 at two bits: clipping the large one costs less than a wrong scale for all.
  std::vector<float> w(64, 1.0f);
  for (size_t i = 0; i < w.size(); i += 2)
    w[i] = -1.0f;
  w[10] = 1.9f;
  std::vector<float> rtn = quantized("rtn", "<si2, scale<f32>>", "<absmax, -1 to 1>", {64}, w);
  std::vector<float> mse = quantized("rtn-mse", "<si2, scale<f32>>", "<absmax, -1 to 1>", {64}, w);
  EXPECT_FLOAT_EQ(rtn[0], -1.9f);
  EXPECT_NEAR(mse[0], -1.0f, 0.04f);
}

TEST(Methods, ClipSearchOfZerosAndNonFiniteValues) {
  std::vector<float> w = {0, 0, 0, 0, 1, INFINITY, NAN, -1};
  std::vector<float> q = quantized("rtn-mse", "<si4, scale<f32, [1, *]>>", "<absmax, -7 to 7>", {2, 4}, w);
  EXPECT_EQ(q, (std::vector<float>{0, 0, 0, 0, 1, 1, 0, -1}));
}

TEST(Methods, GridSearchFindsWhatTheGeneralSearchFinds) {
  const char *formats[][2] = {{"<si4, scale<f32, [1, 32]>>", "<signed_absmax, -8 to 7>"},
                              {"<si4, scale<f16, [1, 128]>>", "<absmax, -7 to 7>"},
                              {"<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>"},
                              {"<si2, scale<bf16, [1, 32]>>", "<signed_absmax, -2 to 1>"},
                              {"<ui4, scale<f32, [1, 32]>, zero<ui4, [1, 32]>>", "<minmax>"},
                              {"<ui8, scale<f16, [1, *]>, zero<ui8, [1, *]>>", "<minmax>"}};
  std::vector<float> w = gaussTensor(7, 6 * 1500);
  for (size_t i = 0; i < 40; ++i)
    w[i] = 0;
  w[70] = -w[71];
  for (auto &[f, e] : formats) {
    SCOPED_TRACE(f);
    Encoded q(format(f), {6, 1500});
    Encode rule = encode(e);
    std::vector<Bytes> planes = q.bytes();
    WeightJob job{w.data(), q.shape, q.format, rule, planes};
    ASSERT_TRUE(isGrid(job));
    std::vector<float> clip;
    ASSERT_EQ(searchClip(job, clip), "");
    EXPECT_EQ(searchGrid(job), clip);
  }
}

} // namespace
} // namespace tern
