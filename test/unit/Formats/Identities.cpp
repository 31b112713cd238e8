// Exact identities of docs/FORMATS.md 5. Those of one element kind are with its tests (Minifloat, Rules, Tables, Tail,
// Dyadic); here are the ones that kernels, layouts and transforms rely on.
#include "Support.h"

#include <array>

namespace tern {
namespace {

/// Random codes of `bits` bits.
std::vector<int> randomCodes(uint64_t seed, size_t n, int bits) {
  SplitMix rng{seed};
  std::vector<int> codes(n);
  for (int &code : codes)
    code = int(rng.next() & ((1u << bits) - 1));
  return codes;
}

/// Number of positions where bit i of a and bit j of b make `fn` true.
template <typename Fn> int64_t popcount(const std::vector<int> &a, int i, const std::vector<int> &b, int j, Fn fn) {
  int64_t count = 0;
  for (size_t k = 0; k < a.size(); ++k)
    count += fn((a[k] >> i) & 1, (b[k] >> j) & 1);
  return count;
}

TEST(Identities, EveryMinifloatIsAHalfAfterABiasShift) {
  // Sign, exponent and mantissa at the places of an f16, times 2^(2^4 - 2^(E-1)): the factor merges into the scale.
  for (int e = 2; e <= 5; ++e)
    for (int m = 0; 1 + e + m <= 8; ++m) {
      Element elem = Element::minifloat(e, m, (1 << (e - 1)) - 1, Special::Finite);
      for (uint32_t code = 0; code < (1u << elem.bits); ++code) {
        uint32_t sign = code >> (e + m), rest = code & ((1u << (e + m)) - 1);
        if (e == 5 && rest >> m == 31)
          continue; // Inf and NaN of an f16
        float shifted = f16ToF32(uint16_t(sign << 15 | rest << (10 - m)));
        EXPECT_EQ(double(shifted) * std::ldexp(1.0, (1 << 4) - (1 << (e - 1))), elem.valueOf(code));
      }
    }
}

TEST(Identities, XnorPlanes) {
  // Bipolar codes: dot = sum_ij 2^(i+j) (2 popc(~(a_i ^ b_j)) - K).
  const size_t k = 200;
  for (int bits : {1, 2, 3, 4}) {
    std::vector<int> a = randomCodes(1, k, bits), b = randomCodes(2, k, bits);
    double dot = 0;
    for (size_t i = 0; i < k; ++i)
      dot += Element::bipolar(bits).valueOf(uint32_t(a[i])) * Element::bipolar(bits).valueOf(uint32_t(b[i]));
    int64_t sum = 0;
    for (int i = 0; i < bits; ++i)
      for (int j = 0; j < bits; ++j)
        sum += (2 * popcount(a, i, b, j, [](int x, int y) { return x == y; }) - int64_t(k)) * (int64_t(1) << (i + j));
    EXPECT_EQ(double(sum), dot);
  }
}

TEST(Identities, AndPlanesWithZeroPoints) {
  // (A - za)(B - zb)^T = sum_ij 2^(i+j) popc(a_i & b_j) - za sum B - zb sum A + K za zb
  const size_t k = 200;
  for (int bits : {2, 4, 6})
    for (int za : {0, 1, 31})
      for (int zb : {0, 3, 8}) {
        std::vector<int> a = randomCodes(3, k, bits), b = randomCodes(4, k, bits);
        int64_t dot = 0, sumA = 0, sumB = 0, planes = 0;
        for (size_t i = 0; i < k; ++i) {
          dot += int64_t(a[i] - za) * (b[i] - zb);
          sumA += a[i];
          sumB += b[i];
        }
        for (int i = 0; i < bits; ++i)
          for (int j = 0; j < bits; ++j)
            planes += popcount(a, i, b, j, [](int x, int y) { return x & y; }) << (i + j);
        EXPECT_EQ(planes - za * sumB - zb * sumA + int64_t(k) * za * zb, dot);
      }
}

TEST(Identities, TmacLookupTables) {
  // w = q - 2^(b-1): w . a = sum_j 2^(j-1) LUT[idx_j] - (1/2) sum a, with LUT[i] = the sum of +-a by the bits of i; it
  // is antisymmetric, so half of it is stored. Integer activations keep everything exact.
  const size_t k = 64;
  std::vector<int> a = randomCodes(5, k, 8);
  for (int &v : a)
    v -= 128;
  for (int bits = 1; bits <= 4; ++bits) {
    std::vector<int> q = randomCodes(6, k, bits);
    double dot = 0, sum = 0, tables = 0;
    for (size_t i = 0; i < k; ++i) {
      dot += double(q[i] - (1 << (bits - 1))) * a[i];
      sum += a[i];
    }
    for (size_t group = 0; group < k; group += 4) {
      std::array<int, 16> lut{};
      for (int index = 0; index < 16; ++index)
        for (size_t i = 0; i < 4; ++i)
          lut[size_t(index)] += index >> i & 1 ? a[group + i] : -a[group + i];
      for (size_t index = 0; index < 16; ++index)
        EXPECT_EQ(lut[index], -lut[15 - index]);
      for (int j = 0; j < bits; ++j) {
        size_t index = 0;
        for (size_t i = 0; i < 4; ++i)
          index |= size_t(q[group + i] >> j & 1) << i;
        tables += std::ldexp(double(lut[index]), j - 1);
      }
    }
    EXPECT_EQ(tables - sum / 2, dot);
  }
}

/// Radix-4 digits -1, 0, 1, 2 of a magnitude of 8 bits, lowest first (EN-T).
std::array<int, 4> entDigits(int magnitude) {
  std::array<int, 4> digits;
  int carry = 0;
  for (int i = 0; i < 4; ++i) {
    int t = (magnitude >> (2 * i) & 3) + carry;
    carry = t >= 3;
    digits[size_t(i)] = t - 4 * carry;
  }
  EXPECT_EQ(carry, 0);
  return digits;
}

TEST(Identities, EntDigitsRebuildEveryInt8) {
  for (int v = -128; v < 128; ++v) {
    std::array<int, 4> digits = entDigits(std::abs(v));
    int sum = 0;
    for (int i = 3; i >= 0; --i)
      sum = 4 * sum + digits[size_t(i)];
    EXPECT_EQ(v < 0 ? -sum : sum, v);
  }
}

TEST(Identities, MeanNonzeroEntDigits) {
  const std::vector<float> x = gaussTensor(11, 200000);
  const double wanted[] = {1.77, 2.12, 2.34, 2.49, 2.60};
  for (int i = 0; i < 5; ++i) {
    int64_t digits = 0;
    for (float v : x)
      for (int digit : entDigits(int(std::fabs(std::clamp(std::nearbyint(10.0f * float(i + 1) * v), -128.0f, 127.0f)))))
        digits += digit != 0;
    EXPECT_NEAR(double(digits) / double(x.size()), wanted[i], 0.03);
  }
}

TEST(Identities, BitmodMagnitudesHaveTwoBits) {
  for (int a = 0; a < 4; ++a)
    for (uint32_t code = 0; code < 16; ++code) {
      int magnitude = int(std::fabs(Element::bitmod(4).valueOf(code, a)));
      EXPECT_LE(__builtin_popcount(unsigned(magnitude)), 2);
    }
}

TEST(Identities, Bfp12IsMxint4) {
  const char *text = "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 32]>>";
  Encoded e = encoded(text, "<floor_pow2, -7 to 7>", {256, 1024}, golden(false));
  // By the block floating point recipe: a shared exponent and 4-bit two's complement mantissas.
  std::vector<int32_t> codes = e.codes();
  for (size_t block = 0; block < codes.size(); block += 32) {
    float most = 0;
    for (size_t i = block; i < block + 32; ++i)
      most = std::max(most, std::fabs(golden(false)[i]));
    int exponent = std::ilogb(most);
    for (size_t i = block; i < block + 32; ++i) {
      double mantissa = std::nearbyint(std::ldexp(double(golden(false)[i]), 2 - exponent));
      ASSERT_EQ(codes[i], int32_t(std::clamp(mantissa, -7.0, 7.0)));
    }
  }
}

TEST(Identities, LogNonlinearPointInverts) {
  // phi(x) = sign(x)(log2(|x| + a) - log2 a)
  for (double a : {0.5, 1.96, 30.0})
    for (float v : gaussTensor(13, 1000)) {
      double x = 4.0 * v, phi = std::copysign(std::log2(std::fabs(x) + a) - std::log2(a), x);
      EXPECT_NEAR(std::copysign((std::exp2(std::fabs(phi)) - 1) * a, phi), x, 1e-13 * std::max(1.0, 8 * std::fabs(x)));
    }
}

//===- float-equivalent transforms ---------------------------------------===//

using Matrix = std::vector<std::vector<double>>;

Matrix randomMatrix(uint64_t seed, size_t rows, size_t cols) {
  std::vector<float> x = gaussTensor(seed, int64_t(rows * cols));
  Matrix m(rows, std::vector<double>(cols));
  for (size_t i = 0; i < rows; ++i)
    std::copy_n(x.begin() + i * cols, cols, m[i].begin());
  return m;
}

Matrix product(const Matrix &a, const Matrix &b) {
  Matrix c(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t k = 0; k < b.size(); ++k)
      for (size_t j = 0; j < b[0].size(); ++j)
        c[i][j] += a[i][k] * b[k][j];
  return c;
}

double largestDifference(const Matrix &a, const Matrix &b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < a[0].size(); ++j)
      most = std::max(most, std::fabs(a[i][j] - b[i][j]));
  return most;
}

/// Rows of random numbers made orthonormal (Gram-Schmidt, twice).
Matrix orthogonal(uint64_t seed, size_t n) {
  Matrix q = randomMatrix(seed, n, n);
  for (int pass = 0; pass < 2; ++pass)
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) {
        double dot = 0;
        for (size_t k = 0; k < n; ++k)
          dot += q[i][k] * q[j][k];
        for (size_t k = 0; k < n; ++k)
          q[i][k] -= dot * q[j][k];
      }
      double norm = 0;
      for (double v : q[i])
        norm += v * v;
      for (double &v : q[i])
        v /= std::sqrt(norm);
    }
  return q;
}

/// Half-split RoPE of one row at a position: pairs (i, i + D/2) turn by position * angle[i].
std::vector<double> rope(const std::vector<double> &x, const std::vector<double> &angle, double position) {
  std::vector<double> y(x.size());
  size_t half = x.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    double c = std::cos(position * angle[i]), s = std::sin(position * angle[i]);
    y[i] = x[i] * c - x[i + half] * s;
    y[i + half] = x[i] * s + x[i + half] * c;
  }
  return y;
}

TEST(Identities, PermutedHeadsKeepTheirLogits) {
  const size_t d = 16, half = d / 2;
  std::vector<double> q = randomMatrix(1, 1, d)[0], k = randomMatrix(2, 1, d)[0], angle;
  for (size_t i = 0; i < half; ++i)
    angle.push_back(std::pow(10000.0, -double(i) / double(half)));
  auto dot = [](const std::vector<double> &a, const std::vector<double> &b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i)
      sum += a[i] * b[i];
    return sum;
  };
  auto permuted = [](const std::vector<double> &x, const std::vector<size_t> &p) {
    std::vector<double> y;
    for (size_t i : p)
      y.push_back(x[i]);
    return y;
  };
  const std::vector<size_t> any = {3, 14, 0, 9, 7, 1, 12, 5, 10, 2, 15, 8, 4, 13, 6, 11};
  EXPECT_NEAR(dot(permuted(q, any), permuted(k, any)), dot(q, k), 1e-10);
  const std::vector<size_t> pairs = {5, 2, 7, 0, 1, 6, 3, 4};
  std::vector<size_t> both = pairs;
  for (size_t i : pairs)
    both.push_back(i + half);
  double exact = dot(rope(q, angle, 17), rope(k, angle, 5));
  std::vector<double> angles = permuted(angle, pairs);
  EXPECT_NEAR(dot(rope(permuted(q, both), angles, 17), rope(permuted(k, both), angles, 5)), exact, 1e-10);
  EXPECT_GT(std::fabs(dot(rope(permuted(q, any), angle, 17), rope(permuted(k, any), angle, 5)) - exact), 1e-3);
}

Matrix normed(const Matrix &x, bool center) {
  Matrix y = x;
  for (std::vector<double> &row : y) {
    double mean = 0, square = 0;
    for (double v : row)
      mean += center ? v / double(row.size()) : 0;
    for (double v : row)
      square += (v - mean) * (v - mean);
    for (double &v : row)
      v = (v - mean) / std::sqrt(square / double(row.size()));
  }
  return y;
}

TEST(Identities, RmsNormCommutesWithARotation) {
  const size_t n = 32;
  Matrix x = randomMatrix(3, 8, n), q = orthogonal(4, n);
  for (std::vector<double> &row : x)
    for (double &v : row)
      v += 1; // a mean
  EXPECT_LT(largestDifference(normed(product(x, q), false), product(normed(x, false), q)), 1e-13);
  // LayerNorm does not, until its mean is folded: x minus its mean is a linear map, the rest is an RMSNorm.
  EXPECT_GT(largestDifference(normed(product(x, q), true), product(normed(x, true), q)), 1e-2);
  Matrix centered = x;
  for (std::vector<double> &row : centered) {
    double mean = 0;
    for (double v : row)
      mean += v / double(n);
    for (double &v : row)
      v -= mean;
  }
  EXPECT_LT(largestDifference(normed(product(centered, q), false), product(normed(x, true), q)), 1e-13);
}

/// Singular values and vectors by one-sided Jacobi rotations of the columns: a * v = u * diag(s).
void decompose(Matrix &a, Matrix &v) {
  size_t n = a[0].size();
  v.assign(n, std::vector<double>(n, 0.0));
  for (size_t i = 0; i < n; ++i)
    v[i][i] = 1;
  for (int sweep = 0; sweep < 60; ++sweep)
    for (size_t p = 0; p < n; ++p)
      for (size_t q = p + 1; q < n; ++q) {
        double app = 0, aqq = 0, apq = 0;
        for (const std::vector<double> &row : a) {
          app += row[p] * row[p];
          aqq += row[q] * row[q];
          apq += row[p] * row[q];
        }
        if (std::fabs(apq) < 1e-15 * std::sqrt(app * aqq) || apq == 0)
          continue;
        double zeta = (aqq - app) / (2 * apq);
        double t = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        double c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (Matrix *m : {&a, &v})
          for (std::vector<double> &row : *m) {
            double x = row[p], y = row[q];
            row[p] = c * x - s * y;
            row[q] = s * x + c * y;
          }
      }
}

TEST(Identities, LowRankCorrectionLeavesTheEckartYoungError) {
  // E = W - Q of a 4-bit weight; W - Q - its best rank-r approximation leaves the smaller singular values.
  const size_t rows = 48, cols = 32, rank = 8;
  std::vector<float> w = gaussTensor(17, rows * cols);
  Encoded quantized = encoded("<si4, scale<f16, [1, *]>>", "<absmax, -7 to 7>", {int64_t(rows), int64_t(cols)}, w);
  std::vector<float> decoded = quantized.decoded();
  Matrix e(rows, std::vector<double>(cols)), us, v;
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < cols; ++j)
      e[i][j] = double(w[i * cols + j]) - decoded[i * cols + j];
  us = e;
  decompose(us, v);
  std::vector<std::pair<double, size_t>> singular;
  for (size_t j = 0; j < cols; ++j) {
    double square = 0;
    for (size_t i = 0; i < rows; ++i)
      square += us[i][j] * us[i][j];
    singular.push_back({square, j});
  }
  std::sort(singular.rbegin(), singular.rend());
  double left = 0, wanted = 0;
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < cols; ++j) {
      double approximation = 0;
      for (size_t r = 0; r < rank; ++r)
        approximation += us[i][singular[r].second] * v[j][singular[r].second];
      left += (e[i][j] - approximation) * (e[i][j] - approximation);
    }
  for (size_t j = rank; j < cols; ++j)
    wanted += singular[j].first;
  EXPECT_NEAR(10 * std::log10(left / wanted), 0, 1e-3);
}

} // namespace
} // namespace tern
