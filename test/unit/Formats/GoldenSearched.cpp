// Golden SQNR rows whose planes a search or a recipe chooses (docs/FORMATS.md 4.2, 4.3): ZeroQuant-FP, BitMoD, OliVe.
#include "Support.h"

namespace tern {
namespace {

const std::vector<int64_t> kShape = {256, 1024};
constexpr size_t kRows = 256, kCols = 1024;

void expectSqnr(const char *name, const Encoded &e, bool outlier, double wanted) {
  EXPECT_NEAR(sqnr(golden(outlier), e.decoded()), wanted, 1e-3) << name << (outlier ? " outlier" : " gauss");
}

/// Largest magnitude of each block of `block` elements.
std::vector<float> absmaxOf(const std::vector<float> &x, size_t block) {
  std::vector<float> result;
  for (size_t i = 0; i < x.size(); i += block) {
    float most = 0;
    for (size_t j = i; j < i + block; ++j)
      most = std::max(most, std::fabs(x[j]));
    result.push_back(most);
  }
  return result;
}

TEST(GoldenSearched, ZeroQuantFpM2) {
  // s_max / 2^k within a row, k = floor or ceil of log2(s_max / s).
  const struct {
    bool ceil;
    double wanted[2];
  } rows[] = {{true, {15.4393, 10.7420}}, {false, {18.9126, 12.3092}}};
  for (const auto &row : rows)
    for (int t = 0; t < 2; ++t) {
      Encoded e(format("<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>, scale<f32, [1, *]>>"), kShape);
      std::vector<float> most = absmaxOf(golden(t), 256), fine(most.size()), coarse(kRows);
      for (size_t r = 0; r < kRows; ++r) {
        float *m = most.data() + 4 * r, largest = *std::max_element(m, m + 4);
        coarse[r] = float(double(largest) / 6);
        for (size_t g = 0; g < 4; ++g) {
          double k = std::log2(double(largest) / m[g]);
          fine[4 * r + g] = float(std::ldexp(1.0, -int(row.ceil ? std::ceil(k) : std::floor(k))));
        }
      }
      e.setPlane(1, fine);
      e.setPlane(2, coarse);
      ASSERT_EQ(encodeCodes(e.format, encode("<given>"), kShape, golden(t).data(), e.bytes()), "");
      expectSqnr("ZQ-FP FP4 g256 M2", e, t, row.wanted[t]);
    }
}

TEST(GoldenSearched, BitMod) {
  const struct {
    const char *name, *format;
    double wanted[2];
  } rows[] = {
      {"BitMoD FP4 g128 f16", "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<f16, [1, 128]>>", {20.2260, 15.8693}},
      {"BitMoD FP3 g128 f16", "<#tern.bitmod<3>, select<ui2, [1, 128]>, scale<f16, [1, 128]>>", {14.2906, 12.9016}},
      {"BitMoD FP4 g128 u8 SF, one channel scale",
       "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
       {20.2259, 15.8691}},
      {"BitMoD FP3 g128 u8 SF, one channel scale",
       "<#tern.bitmod<3>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
       {14.2909, 12.9013}},
  };
  for (const auto &row : rows)
    for (int t = 0; t < 2; ++t) {
      Encoded e = encoded(row.format, "<absmax, round = tie_low>", kShape, golden(t));
      expectSqnr(row.name, e, t, row.wanted[t]);
      // All alternatives are used, and the fine scales keep 1..255.
      std::vector<float> select = e.values(1), fine = e.values(2);
      for (float a = 0; a < 4; ++a)
        EXPECT_GT(std::count(select.begin(), select.end(), a), 0);
      EXPECT_GT(*std::min_element(fine.begin(), fine.end()), 0);
    }
}

TEST(GoldenSearched, BitModWithAChannelScalePerAlternative) {
  // "INT8 SF": four channel scales a row, one for each alternative, which the format does not store. Each alternative
  // is encoded alone; then every group takes the best of the four.
  const double wanted[2] = {20.2262, 15.8694};
  for (int t = 0; t < 2; ++t) {
    const std::vector<float> &x = golden(t);
    std::vector<float> most = absmaxOf(x, 128), best(x.size());
    std::vector<double> least(most.size(), std::numeric_limits<double>::infinity()), errors;
    for (int a = 0; a < 4; ++a) {
      const float q[4] = {12, 12, 16, 16};
      Encoded e(format("<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f32, [1, *]>>"), kShape);
      std::vector<float> scale, fine, channel;
      for (float m : most)
        scale.push_back(std::clamp(f16ToF32(f32ToF16(m / q[a])), 1e-5f, 1e4f));
      for (size_t r = 0; r < kRows; ++r) {
        channel.push_back(*std::max_element(scale.begin() + 8 * r, scale.begin() + 8 * (r + 1)) / 255);
        for (size_t g = 8 * r; g < 8 * (r + 1); ++g)
          fine.push_back(std::max(std::nearbyint(scale[g] / channel[r]), 1.0f));
      }
      e.setPlane(1, std::vector<float>(most.size(), float(a)));
      e.setPlane(2, fine);
      e.setPlane(3, channel);
      Encode by = encode("<given, round = tie_low>");
      ASSERT_EQ(encodeCodes(e.format, by, kShape, x.data(), e.bytes()), "");
      ASSERT_EQ(blockErrors(e.format, by, kShape, x.data(), e.bytes(), errors), "");
      std::vector<float> decoded = e.decoded();
      for (size_t g = 0; g < most.size(); ++g)
        if (errors[g] < least[g]) {
          least[g] = errors[g];
          std::copy_n(decoded.begin() + 128 * g, 128, best.begin() + 128 * g);
        }
    }
    EXPECT_NEAR(sqnr(x, best), wanted[t], 1e-3) << "BitMoD FP4 g128 INT8 SF";
  }
}

TEST(GoldenSearched, Olive) {
  const double noSearch[2] = {18.0422, 15.7673}, searched[2] = {19.3195, 17.5549};
  for (int t = 0; t < 2; ++t) {
    const std::vector<float> &x = golden(t);
    Encoded e(format("<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>"), kShape);
    Encode by = encode("<given, round = tie_low>");
    std::vector<double> reach; // max(|mu + 3 sd|, |mu - 3 sd|) of each row
    for (size_t r = 0; r < kRows; ++r) {
      double sum = 0, squares = 0;
      for (size_t c = 0; c < kCols; ++c)
        sum += x[r * kCols + c];
      double mean = sum / double(kCols);
      for (size_t c = 0; c < kCols; ++c)
        squares += (x[r * kCols + c] - mean) * (x[r * kCols + c] - mean);
      double sd = std::sqrt(squares / double(kCols - 1));
      reach.push_back(std::max(std::fabs(mean + 3 * sd), std::fabs(mean - 3 * sd)));
    }
    std::vector<float> scale(kRows), best(kRows);
    std::vector<double> least(kRows, std::numeric_limits<double>::infinity()), errors;
    for (int p : {100, 75,  77,  79,  81,  83,  85,  87,  89,  91,  93,  95,  97,  99,  101, 103, 105, 107, 109, 111,
                  113, 115, 117, 119, 121, 123, 125, 127, 129, 131, 133, 135, 137, 139, 141, 143, 145, 147, 149}) {
      for (size_t r = 0; r < kRows; ++r)
        scale[r] = float(reach[r] * p / 100 / 7);
      e.setPlane(1, scale);
      if (p == 100) {
        ASSERT_EQ(encodeCodes(e.format, by, kShape, x.data(), e.bytes()), "");
        expectSqnr("OliVe 4b 3sigma no search", e, t, noSearch[t]);
        continue;
      }
      ASSERT_EQ(blockErrors(e.format, by, kShape, x.data(), e.bytes(), errors), "");
      for (size_t r = 0; r < kRows; ++r)
        if (errors[r] < least[r]) {
          least[r] = errors[r];
          best[r] = scale[r];
        }
    }
    e.setPlane(1, best);
    ASSERT_EQ(encodeCodes(e.format, by, kShape, x.data(), e.bytes()), "");
    expectSqnr("OliVe 4b MSE search", e, t, searched[t]);
    // A pair never holds two outliers: at most one of its codes is the marker, and only then the other is an outlier.
    std::vector<int32_t> codes = e.codes();
    size_t outliers = 0;
    for (size_t i = 0; i < codes.size(); i += 2) {
      EXPECT_FALSE(codes[i] == 8 && codes[i + 1] == 8);
      outliers += codes[i] == 8 || codes[i + 1] == 8;
    }
    EXPECT_GT(outliers, 0u);
    EXPECT_LT(outliers, codes.size() / 20);
  }
}

} // namespace
} // namespace tern
