// Bytes of other projects: read by the rule each project publishes, written element by element here, or compared with
// hashes that the project's own code gave (the inputs are those of docs/FORMATS.md 4.1: splitmix64, FNV-1a).
#include "Support.h"

namespace tern {
namespace {

std::string hex(uint64_t v) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(v));
  return text;
}

std::vector<std::vector<uint8_t>> randomBuffers(const Layout &layout, const Encoded &e, uint64_t seed) {
  std::vector<std::vector<uint8_t>> buffers = makeBuffers(layout, e);
  SplitMix rng{seed};
  for (std::vector<uint8_t> &buffer : buffers)
    for (uint8_t &byte : buffer)
      byte = uint8_t(rng.next());
  return buffers;
}

/// Makes the halves of a buffer finite and of moderate size.
void finiteHalves(std::vector<uint8_t> &bytes) {
  for (size_t i = 1; i < bytes.size(); i += 2)
    bytes[i] = uint8_t((bytes[i] & 0x83) | 0x20);
}

float half(const std::vector<uint8_t> &bytes, size_t i) {
  return f16ToF32(uint16_t(bytes[2 * i] | bytes[2 * i + 1] << 8));
}
uint32_t word(const std::vector<uint8_t> &bytes, size_t i) {
  return uint32_t(bytes[4 * i]) | uint32_t(bytes[4 * i + 1]) << 8 | uint32_t(bytes[4 * i + 2]) << 16 |
         uint32_t(bytes[4 * i + 3]) << 24;
}

// ContribOperators.md, MatMulNBits: B [N, blocks, blob], low bits first; zero points packed along the blocks.
TEST(ForeignBytes, MatMulNBits) {
  const size_t n = 3, k = 100, block = 32, blocks = 4;
  for (size_t bits : {2, 4, 8}) {
    std::string b = std::to_string(bits);
    Encoded e(format("<ui" + b + ", scale<f16, [1, 32]>, zero<ui" + b + ", [1, 32]>>"), {int64_t(n), int64_t(k)});
    std::vector<std::vector<uint8_t>> buffers = randomBuffers(*matMulNBitsLayout(), e, bits);
    finiteHalves(buffers[1]);
    std::vector<float> x = unpacked(*matMulNBitsLayout(), e.format, e.shape, buffers).decoded();
    size_t blob = block * bits / 8, zeroBytes = (blocks * bits + 7) / 8;
    uint32_t mask = (1u << bits) - 1;
    for (size_t r = 0; r < n; ++r)
      for (size_t c = 0; c < k; ++c) {
        size_t g = c / block, i = c % block;
        int code = (buffers[0][(r * blocks + g) * blob + i * bits / 8] >> (i * bits % 8)) & mask;
        int zero = (buffers[2][r * zeroBytes + g * bits / 8] >> (g * bits % 8)) & mask;
        EXPECT_EQ(x[r * k + c], float(code - zero) * half(buffers[1], r * blocks + g));
      }
  }
}

TEST(ForeignBytes, MatMulNBitsPadding) {
  // Elements beyond K are the zero point of their block, as the quantizer of ONNX Runtime writes them.
  Encoded e = randomPlanes("<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>", {2, 41}, 3);
  std::vector<std::vector<uint8_t>> buffers = packed(*matMulNBitsLayout(), e);
  for (size_t r = 0; r < 2; ++r)
    for (size_t i = 9; i < 32; ++i)
      EXPECT_EQ((buffers[0][(r * 2 + 1) * 16 + i / 2] >> (i % 2 * 4)) & 15, buffers[2][r] >> 4);
}

// onnx.proto: the elements in row-major order, two or four a byte, first element in the low bits.
TEST(ForeignBytes, Onnx) {
  for (int bits : {2, 4}) {
    Encoded e(format("<si" + std::to_string(bits) + ", scale<f32>>"), {5, 7});
    std::vector<std::vector<uint8_t>> buffers = randomBuffers(*onnxLayout(), e, 1);
    ASSERT_EQ(buffers[0].size(), size_t(35 * bits + 7) / 8);
    std::vector<int32_t> codes = unpacked(*onnxLayout(), e.format, e.shape, buffers).codes();
    for (size_t i = 0; i < 35; ++i) {
      int raw = (buffers[0][i * size_t(bits) / 8] >> (i * size_t(bits) % 8)) & ((1 << bits) - 1);
      EXPECT_EQ(codes[i], raw >> (bits - 1) ? raw - (1 << bits) : raw);
    }
  }
}

// awq/utils/packing_utils.py: unpack in slot order, then reverse the order [0, 4, 1, 5, 2, 6, 3, 7].
TEST(ForeignBytes, AutoAwq) {
  const size_t n = 16, k = 64, reverse[8] = {0, 4, 1, 5, 2, 6, 3, 7};
  Encoded e(format("<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>"), {int64_t(n), int64_t(k)});
  std::vector<std::vector<uint8_t>> buffers = randomBuffers(*autoAwqLayout(), e, 2);
  finiteHalves(buffers[2]);
  std::vector<float> x = unpacked(*autoAwqLayout(), e.format, e.shape, buffers).decoded();
  for (size_t r = 0; r < n; ++r)
    for (size_t c = 0; c < k; ++c) {
      int code = word(buffers[0], c * (n / 8) + r / 8) >> (4 * reverse[r % 8]) & 15;
      int zero = word(buffers[1], c / 32 * (n / 8) + r / 8) >> (4 * reverse[r % 8]) & 15;
      EXPECT_EQ(x[r * k + c], float(code - zero) * half(buffers[2], c / 32 * n + r));
    }
}

/// auto_gptq, qlinear_cuda_old.py: 2, 4 and 8 bits have whole codes in a word; 32 codes of 3 bits take three words,
/// codes 10 and 21 lie across two of them.
uint32_t gptqCode(const std::vector<uint8_t> &words, size_t stride, size_t column, size_t i, unsigned bits) {
  auto at = [&](size_t row) { return word(words, row * stride + column); };
  if (bits != 3)
    return at(i * bits / 32) >> (i % (32 / bits) * bits) & ((1u << bits) - 1);
  size_t row = i / 32 * 3, j = i % 32;
  if (j < 10)
    return at(row) >> (3 * j) & 7;
  if (j == 10)
    return at(row) >> 30 | (at(row + 1) & 1) << 2;
  if (j < 21)
    return at(row + 1) >> (3 * (j - 11) + 1) & 7;
  if (j == 21)
    return at(row + 1) >> 31 | (at(row + 2) & 3) << 1;
  return at(row + 2) >> (3 * (j - 22) + 2) & 7;
}

TEST(ForeignBytes, Gptq) {
  const size_t n = 64, k = 96, groups = 3;
  for (unsigned bits : {2u, 3u, 4u, 8u})
    for (int version : {1, 2}) {
      std::string b = std::to_string(bits);
      Encoded e(format("<ui" + b + ", scale<f16, [1, 32]>, zero<ui" + b + ", [1, 32]>>"), {int64_t(n), int64_t(k)});
      std::vector<std::vector<uint8_t>> buffers = randomBuffers(*gptqLayout(version), e, bits);
      finiteHalves(buffers[2]);
      for (size_t c = 0; c < k; ++c)
        for (size_t i = 0; i < 4; ++i)
          buffers[3][4 * c + i] = i ? 0 : uint8_t(c / 32);
      std::vector<float> x = unpacked(*gptqLayout(version), e.format, e.shape, buffers).decoded();
      size_t zeroWords = n / 32 * bits;
      for (size_t r = 0; r < n; ++r)
        for (size_t c = 0; c < k; ++c) {
          std::vector<uint8_t> zeros(buffers[1].begin() + int64_t(c / 32 * zeroWords * 4),
                                     buffers[1].begin() + int64_t((c / 32 + 1) * zeroWords * 4));
          uint32_t code = gptqCode(buffers[0], n, r, c, bits), zero = gptqCode(zeros, 1, 0, r, bits);
          if (version == 1)
            zero = (zero + 1) & ((1u << bits) - 1);
          EXPECT_EQ(x[r * k + c], float(int(code) - int(zero)) * half(buffers[2], c / 32 * n + r));
        }
      ASSERT_EQ(groups, buffers[1].size() / 4 / zeroWords);
    }
}

// Values that gguf 0.19.0 (gguf/quants.py, dequantize) gives for 512 random elements of each type; -0 counted as 0.
TEST(ForeignBytes, GgmlValues) {
  const struct {
    GgmlType type;
    std::vector<int> halves; // offsets of f16 fields in a block
    const char *hash;
  } rows[] = {{GgmlType::Q4_0, {0}, "e7bb5844d6a4f702"},   {GgmlType::Q4_1, {0, 2}, "f96dc85c91dec3e9"},
              {GgmlType::Q8_0, {0}, "d37d8c094a52f0ce"},   {GgmlType::Q4_K, {0, 2}, "561843ad0cce49f0"},
              {GgmlType::Q6_K, {208}, "90dd85528ea2aa90"}, {GgmlType::IQ4_NL, {0}, "402d2aa1d7778054"},
              {GgmlType::MXFP4, {}, "fdf20b24821bfafa"},   {GgmlType::NVFP4, {}, "5b62d25674452229"}};
  for (const auto &row : rows) {
    SCOPED_TRACE(str(row.type));
    std::unique_ptr<Layout> layout = ggmlLayout(row.type);
    Encoded e(ggmlFormat(row.type, 1), {512});
    std::vector<std::vector<uint8_t>> buffers = randomBuffers(*layout, e, 9);
    std::vector<uint8_t> &raw = buffers[0];
    std::vector<int64_t> one = {1};
    size_t bytes = size_t(layout->buffers(e.format, one)[0].bytes());
    for (size_t at = 0; at < raw.size(); at += bytes) {
      for (int offset : row.halves)
        raw[at + size_t(offset) + 1] = uint8_t((raw[at + size_t(offset) + 1] & 0x83) | 0x20);
      if (row.type == GgmlType::MXFP4)
        raw[at] = uint8_t(100 + raw[at] % 40);
      for (size_t i = 0; row.type == GgmlType::NVFP4 && i < 4; ++i)
        raw[at + i] %= 127;
    }
    Encoded planes = unpacked(*layout, e.format, e.shape, buffers);
    std::vector<float> x = planes.decoded();
    for (float &v : x)
      v += 0.0f;
    EXPECT_EQ(hex(fnv1a(x.data(), x.size() * 4)), row.hash);
    EXPECT_EQ(packed(*layout, planes), buffers); // all bits of a block carry meaning
  }
}

// Bytes that weight_matrix_prepacking_x_bit of fp6_llm writes for 128 x 192 random codes.
TEST(ForeignBytes, Fp6Llm) {
  const struct {
    const char *elem, *hash;
  } rows[] = {{"#tern.minifloat<2, 0, 1, \"finite\">", "061036fa0dfcbd15"},
              {"f4E2M1FN", "aa8f982749dd6cc9"},
              {"#tern.minifloat<2, 2, 1, \"finite\">", "92fb864822ac0b65"},
              {"f6E3M2FN", "cae1570b0bed07bb"},
              {"#tern.minifloat<4, 2, 7, \"finite\">", "5b73069ab8db10cb"}};
  for (const auto &row : rows) {
    Encoded e(format(std::string("<") + row.elem + ", scale<f16, [1, *]>>"), {128, 192});
    SplitMix rng{5};
    std::vector<int32_t> codes(192);
    for (size_t r = 0; r < 128; ++r) {
      for (int32_t &code : codes)
        code = int32_t(rng.next() & ((1u << e.format.elem.bits) - 1));
      packCodes(e.format.elem.bits, 192, codes.data(), e.planes[0].data() + r * 192 * e.format.elem.bits / 8);
    }
    std::vector<uint8_t> weight = packed(*fp6LlmLayout(), e)[0];
    EXPECT_EQ(hex(fnv1a(weight.data(), weight.size())), row.hash) << row.elem;
  }
}

// Bytes that preprocess_weights of T-MAC (python/t_mac/weights.py) gives for random codes and scales.
TEST(ForeignBytes, Tmac) {
  const struct {
    int bits, rows, bm, kfactor;
    const char *weight, *scales;
  } rows[] = {{1, 256, 128, 16, "4112c953cb9893b7", "5158b0fbd4d0ce6c"},
              {2, 256, 256, 16, "f89441756bce7f33", "5158b0fbd4d0ce6c"},
              {3, 192, 192, 8, "4c76220dcecefb47", "4f1d63bd47ff716b"},
              {4, 256, 256, 16, "1156b840706af823", "c591893045a78804"}};
  for (const auto &row : rows) {
    std::string b = std::to_string(row.bits);
    Encoded e(format("<ui" + b + ", scale<f16, [1, 64]>, zero<ui" + b + ">>"), {row.rows, 256});
    SplitMix rng{5};
    std::vector<int32_t> codes(256);
    for (int r = 0; r < row.rows; ++r) {
      for (int32_t &code : codes)
        code = int32_t(rng.next() & ((1u << row.bits) - 1));
      packCodes(row.bits, 256, codes.data(), e.planes[0].data() + r * 32 * row.bits);
    }
    for (size_t i = 0; i < e.planes[1].size(); i += 2) {
      uint64_t scale = rng.next() & 0x3fff;
      e.planes[1][i] = uint8_t(scale);
      e.planes[1][i + 1] = uint8_t(scale >> 8);
    }
    e.planes[2][0] = uint8_t(1 << (row.bits - 1));
    std::vector<std::vector<uint8_t>> buffers = packed(*tmacLayout(row.bm, row.kfactor), e);
    EXPECT_EQ(hex(fnv1a(buffers[0].data(), buffers[0].size())), row.weight) << row.bits;
    EXPECT_EQ(hex(fnv1a(buffers[1].data(), buffers[1].size())), row.scales) << row.bits;
  }
}

} // namespace
} // namespace tern
