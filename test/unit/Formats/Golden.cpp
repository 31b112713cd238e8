// The golden numbers of docs/FORMATS.md 4: hashes of codes and scales, and SQNR.
#include "Support.h"
#include "lib/Formats/Catalogue.h"

namespace tern {
namespace {

const std::vector<int64_t> kShape = {256, 1024};

std::string hex(uint64_t v) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(v));
  return text;
}

TEST(Golden, TestTensors) {
  EXPECT_EQ(hex(fnv1a(golden(false).data(), 4096 * 4)), "57de0f9517b2a360");
  EXPECT_EQ(hex(fnv1a(golden(true).data(), 4096 * 4)), "c110daf5db2e8f62");
  EXPECT_EQ(golden(false)[0], 1.1848297119140625f);
  EXPECT_EQ(golden(true)[1], -0.7353515625f);
}

struct HashRow {
  const char *format, *encode;
  const char *codes[2], *scales[2]; // gauss, outlier
};

const HashRow hashes[] = {
    {"<si8, scale<f32, [1, *]>>",
     "<absmax, -127 to 127>",
     {"3915ba48ddd488a9", "5da7a8afc1bba0f8"},
     {"553663e2660ae981", "1729d95022146539"}},
    {"<si4, scale<f16, [1, 128]>>",
     "<absmax, -7 to 7>",
     {"d2799a5a2d7094ac", "649c4de4df4801da"},
     {"792830354c162378", "58a5c0de9bf1517a"}},
    {"<ui4, scale<f16, [1, 128]>, zero<ui8, [1, 128]>>",
     "<minmax, 0 to 15>",
     {"fc2de3c08fd7b8a7", "963600d671e5eba1"},
     {"c081eb232e562143", "a2ceaf728d927ad5"}},
    {"<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2>",
     {"04fe0c34df67d7a6", "b4b03a67b982f606"},
     {"7421f5730d5d1b8b", "78cf48fe9416eb31"}},
    {"<f6E2M3FN, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2>",
     {"1300422ae4ed6be5", "c4465a8d951fd74c"},
     {"7421f5730d5d1b8b", "78cf48fe9416eb31"}},
    {"<f6E3M2FN, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2>",
     {"dd5ebcdb26a8bdb2", "f4651be7963f07c8"},
     {"fad14a9d5f969607", "f211198dfd603f19"}},
    {"<f8E4M3FN, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2>",
     {"cd51b319868100b1", "4ec2f4c2a046777a"},
     {"0eb5667506670aef", "a1ebff8f8ad6dd69"}},
    {"<f8E5M2, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2>",
     {"f3c6ff7149664252", "19c40fab72e12662"},
     {"4c2cca2132a376f7", "75a18440e46a27c5"}},
    {"<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>",
     "<floor_pow2, -127 to 127>",
     {"021f354b96e9485e", "a841d38496307272"},
     {"60c4f37ef4dd501f", "f5cfe27f46cf1d39"}},
    {"<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>",
     "<absmax>",
     {"8f5b3fbe349738a7", "40876f37361873fd"},
     {"845b82d71ba92040", "130cbb0fb138a65f"}},
    {"<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>",
     "<absmax, -7 to 7>",
     {"18028db177d63de6", "7b63cdc9a6c296e7"},
     {"845b82d71ba92040", "130cbb0fb138a65f"}},
};

TEST(Golden, Hashes) {
  for (const HashRow &row : hashes)
    for (int tensor = 0; tensor < 2; ++tensor) {
      SCOPED_TRACE(std::string(row.format) + (tensor ? " outlier" : " gauss"));
      Encoded e = encoded(row.format, row.encode, kShape, golden(tensor));
      std::vector<uint8_t> codes;
      for (int32_t code : e.codes())
        codes.push_back(uint8_t(code));
      EXPECT_EQ(hex(fnv1a(codes.data(), 64 * 1024)), row.codes[tensor]);
      // Scales of the first 64 rows; a zero plane follows its scales row by row.
      uint64_t hash = 0xcbf29ce484222325ull;
      bool zero = e.format.find(Role::Zero);
      for (size_t r = 0; r < 64; ++r)
        for (size_t p = 1; p <= (zero ? 2u : 1u); ++p)
          hash = fnv1a(e.planes[p].data() + r * e.planes[p].size() / 256, e.planes[p].size() / 256, hash);
      EXPECT_EQ(hex(hash), row.scales[tensor]);
    }
}

struct SqnrRow {
  const char *name, *format, *encode;
  double gauss, outlier;
};

const SqnrRow rows[] = {
    {"INT8 sym per-tensor f32", "<si8, scale<f32>>", "<absmax, -127 to 127>", 39.8882, 24.5231},
    {"INT8 sym per-row f32", "<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>", 42.4730, 28.6725},
    {"INT8 asym per-row f32", "<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>", "<minmax>", 42.9670, 30.0254},
    {"INT6 sym g128 f16", "<si6, scale<f16, [1, 128]>>", "<absmax, -31 to 31>", 31.7880, 20.8241},
    {"INT4 sym g128 f16", "<si4, scale<f16, [1, 128]>>", "<absmax, -7 to 7>", 18.8584, 13.2158},
    {"INT4 asym g128 f16", "<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", "<minmax>", 20.1334, 14.7552},
    {"INT4 sym g32 f16", "<si4, scale<f16, [1, 32]>>", "<absmax, -7 to 7>", 20.3968, 17.6374},
    {"INT3 asym g128 f16", "<ui3, scale<f16, [1, 128]>, zero<ui3, [1, 128]>>", "<minmax>", 13.5144, 12.6262},
    {"INT2 asym g64 f16", "<ui2, scale<f16, [1, 64]>, zero<ui2, [1, 64]>>", "<minmax>", 6.9407, 12.6253},
    {"KIVI INT2 asym g32 float-min", "<ui2, scale<f16, [1, 32]>, min<f16, [1, 32]>>", "<minmax, 0 to 3>", 8.2122,
     9.4757},
    {"MXINT8 OCP floor", "<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2, -127 to 127>", 41.7280,
     34.7580},
    {"MXINT8 ceil", "<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2, -127 to 127>", 41.6824, 34.6855},
    {"MXINT6 ceil", "<#tern.fixed<6, 2>, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2, -31 to 31>", 29.4770, 22.8982},
    {"MXINT4 OCP floor", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2, -7 to 7>", 17.6025, 16.4092},
    {"MXINT4 ceil", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2, -7 to 7>", 16.9295, 16.1891},
    {"MXFP8 E4M3 floor", "<f8E4M3FN, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2>", 30.6261, 27.6072},
    {"MXFP8 E4M3 ceil", "<f8E4M3FN, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2>", 31.4857, 31.4147},
    {"MXFP8 E5M2 floor", "<f8E5M2, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2>", 25.3500, 24.4414},
    {"MXFP6 E2M3 floor", "<f6E2M3FN, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2>", 30.9233, 26.7816},
    {"MXFP6 E2M3 ceil", "<f6E2M3FN, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2>", 30.9453, 26.5832},
    {"MXFP6 E3M2 floor", "<f6E3M2FN, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2>", 25.3498, 24.4319},
    {"MXFP4 E2M1 floor", "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2>", 18.8192, 15.4737},
    {"MXFP4 E2M1 ceil", "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2>", 18.8415, 16.0070},
    {"NVFP4", "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax>", 20.4020, 21.9852},
    {"NVINT4", "<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax, -7 to 7>", 21.3767, 20.3979},
    {"FP8 E4M3 per-tensor f32", "<f8E4M3FN, scale<f32>>", "<absmax>", 31.5694, 31.6521},
    {"FP6 E3M2 per-row f16", "<f6E3M2FN, scale<f16, [1, *]>>", "<absmax>", 25.5650, 26.9064},
    {"FP6 E2M3 per-row f16", "<f6E2M3FN, scale<f16, [1, *]>>", "<absmax>", 31.1124, 21.8618},
    {"FP4 E2M1 g128 f16", "<f4E2M1FN, scale<f16, [1, 128]>>", "<absmax>", 19.2892, 14.5653},
    {"FP4 E3M0 g128 f16", "<#tern.minifloat<3, 0, 3, \"finite\">, scale<f16, [1, 128]>>", "<absmax>", 14.2737, 19.9155},
    {"ZQ-FP FP4 g256 free f32", "<f4E2M1FN, scale<f32, [1, 256]>>", "<absmax>", 19.1324, 13.1765},
    {"ZQ-FP FP4 g256 M1", "<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>>", "<ceil_pow2>", 17.7891, 12.1231},
    {"BFP12 (m4) n=64", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 64]>>", "<floor_pow2, -7 to 7>", 16.9725, 13.7807},
    {"BFP12 (m4) n=32", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 32]>>", "<floor_pow2, -7 to 7>", 17.6025, 16.4092},
    {"Ternary absmean tensor", "<#tern.ternary, scale<f32>>", "<absmean>", 5.8822, 0.4688},
    {"bipolar-INT4 per-row", "<#tern.bipolar<4>, scale<f32, [1, *]>>", "<absmax, round = half_up>", 17.8966, 0.9019},
    {"bipolar-INT2 per-row", "<#tern.bipolar<2>, scale<f32, [1, *]>>", "<absmax, round = half_up>", 3.8160, -14.3159},
};

TEST(Golden, Sqnr) {
  for (const SqnrRow &row : rows)
    for (int tensor = 0; tensor < 2; ++tensor) {
      SCOPED_TRACE(std::string(row.name) + (tensor ? " outlier" : " gauss"));
      Encoded e = encoded(row.format, row.encode, kShape, golden(tensor));
      EXPECT_NEAR(sqnr(golden(tensor), e.decoded()), tensor ? row.outlier : row.gauss, 1e-3);
    }
}

TEST(Golden, SqnrNf4) {
  for (int tensor = 0; tensor < 2; ++tensor) {
    Encoded e(format("<#tern.lut<4>, table<f32>, scale<f32, [1, 64]>>"), kShape);
    e.setPlane(1, {std::begin(kBitsandbytesNf4), std::end(kBitsandbytesNf4)});
    EXPECT_EQ(encodeTensor(e.format, encode("<absmax, round = tie_low>"), kShape, golden(tensor).data(), e.bytes()),
              "");
    EXPECT_NEAR(sqnr(golden(tensor), e.decoded()), tensor ? 16.4296 : 20.7706, 1e-3);
  }
}

/// Blocks of n times the Sylvester Hadamard matrix over sqrt(n), in doubles; its own inverse.
std::vector<float> rotated(const std::vector<float> &x, size_t n) {
  std::vector<float> result(x.size());
  for (size_t block = 0; block < x.size(); block += n)
    for (size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i)
        sum += __builtin_parity(unsigned(i & j)) ? -double(x[block + i]) : double(x[block + i]);
      result[block + j] = float(sum / std::sqrt(double(n)));
    }
  return result;
}

TEST(Golden, SqnrAfterHadamard) {
  const struct {
    size_t n;
    SqnrRow row;
  } rotations[] = {
      {16, {"NVFP4 + H16", "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax>", 20.4277, 18.8052}},
      {16, {"NVINT4 + H16", "<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax, -7 to 7>", 21.2716, 25.9339}},
      {32,
       {"MXINT8 ceil + H32", "<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2, -127 to 127>", 41.5934,
        46.9562}},
      {32,
       {"MXINT4 ceil + H32", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2, -7 to 7>", 16.8381,
        21.8489}},
      {32, {"MXFP4 ceil + H32", "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", "<ceil_pow2>", 18.7615, 19.7224}}};
  for (const auto &[n, row] : rotations)
    for (int tensor = 0; tensor < 2; ++tensor) {
      SCOPED_TRACE(row.name);
      Encoded e = encoded(row.format, row.encode, kShape, rotated(golden(tensor), n));
      EXPECT_NEAR(sqnr(golden(tensor), rotated(e.decoded(), n)), tensor ? row.outlier : row.gauss, 1e-3);
    }
}

} // namespace
} // namespace tern
