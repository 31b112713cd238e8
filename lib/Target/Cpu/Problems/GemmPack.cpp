//===- GemmPack.cpp - plain weights of a matrix product -> panels ---------===//
#include "lib/Target/Cpu/Problems/GemmPack.h"
#include "lib/Formats/Numeric.h"
#include <cassert>
#include <cstring>

using namespace tern;
using namespace tern::cpu;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

namespace {
/// Calls body(block, first channel, channels) for every block.
template <typename Body> void forBlocks(const GemmLayout &l, Body body) {
  for (int64_t b = 0; b < l.blocks; ++b)
    body(b, b * l.blockK, std::min(l.blockK, l.k - b * l.blockK));
}

/// What of a problem the scales and zero points of a block are.
struct Parameters {
  Parameters(const GemmProblem &p, const GemmLayout &l, const GemmWeights &w)
      : groups(p.group ? (l.k + p.group - 1) / p.group : 1), blocksInGroup(p.group ? p.group / l.blockK : l.blocks), half(p.groupScale == Elem::F16),
        w(w) {}
  float scale(int64_t n, int64_t block) const {
    if (w.scales.empty())
      return 1;
    float scale = w.scales[n * groups + block / blocksInGroup];
    return half ? f16ToF32(f32ToF16(scale)) : scale;
  }
  uint8_t zero(int64_t n, int64_t block) const { return w.zeros.empty() ? 0 : w.zeros[n * groups + block / blocksInGroup]; }

  int64_t groups, blocksInGroup;
  bool half;
  const GemmWeights &w;
};

/// Where output n of a panel has its code of channel c of a block.
struct Place {
  int64_t byte, shift;
};
Place placeOf(const GemmProblem &p, const GemmLayout &l, int64_t column, int64_t c) {
  int64_t inStep = c % l.stepK;
  return {((c / l.stepK) * l.width + column) * 4 + inStep % 4, inStep / 4 * p.bits};
}
} // namespace

GemmLayout::GemmLayout(const GemmProblem &p) : results(p.paired ? width / 2 : width), n(p.outputs()), k(p.in.c) {
  stepK = p.floatWeights() ? 1 : 32 / p.bits;
  blockK = p.block() ? std::min(p.block(), std::max<int64_t>(k, 1)) : std::max<int64_t>(k, 1);
  blocks = std::max<int64_t>(1, (k + blockK - 1) / blockK);
  panels = (p.out.c + results - 1) / results;
  scaleBytes = p.group ? bytesOf(p.groupScale) : 0;
  zeroBytes = p.zeros ? 1 : 0;
  startBytes = p.xGroup && blockK * p.bits >= 512 ? 4 : 0;
}

int64_t GemmLayout::outputOf(int64_t panel, int64_t column) const {
  int64_t parts = width / results, perPart = n / parts, result = panel * results + column % results;
  return result < perPart ? column / results * perPart + result : -1;
}

int64_t GemmLayout::stepsOf(int64_t block) const {
  int64_t channels = std::min(blockK, k - block * blockK);
  return (channels + stepK - 1) / stepK;
}

void tern::cpu::packGemm(const GemmProblem &p, const GemmWeights &w, MutableArrayRef<uint8_t> out) {
  GemmLayout l(p);
  assert(int64_t(out.size()) == l.bytes() && "GemmLayout::bytes() says how much room the packed weights need");
  Parameters parameters(p, l, w);
  std::vector<int8_t> row(std::max<int64_t>(l.k, 1));
  uint8_t mask = uint8_t((1 << std::min<int64_t>(p.bits, 8)) - 1);
  for (int64_t panel = 0; panel < l.panels; ++panel) {
    uint8_t *base = out.data() + panel * l.panelBytes();
    std::memset(base, 0, l.panelBytes());
    if (p.floatWeights() && w.transposed) {
      for (int64_t column = 0; column < l.width; column += l.results) {
        int64_t first = l.outputOf(panel, column), valid = 1;
        while (valid < l.results && l.outputOf(panel, column + valid) >= 0)
          ++valid;
        for (int64_t c = 0; c < l.k; ++c)
          std::memcpy(base + (c * l.width + column) * 4, &w.values[c * l.n + first], valid * 4);
      }
      continue;
    }
    for (int64_t column = 0; column < l.width; ++column) {
      int64_t n = l.outputOf(panel, column);
      if (n < 0)
        continue;
      if (p.floatWeights()) {
        for (int64_t c = 0; c < l.k; ++c)
          std::memcpy(base + (c * l.width + column) * 4, &w.values[n * l.k + c], 4);
        continue;
      }
      w.codes(n, row.data());
      forBlocks(l, [&](int64_t b, int64_t first, int64_t channels) {
        uint8_t *block = base + b * l.blockBytes(0), *parameter = block + l.codeBytes(b);
        uint8_t zero = parameters.zero(n, b);
        for (int64_t s = 0, e = l.stepsOf(b); s < e; ++s) {
          uint8_t *to = block + (s * l.width + column) * 4;
          for (int64_t c = 0; c < l.stepK; ++c) {
            int64_t channel = s * l.stepK + c;
            uint8_t code = channel < channels ? uint8_t(row[first + channel]) : zero;
            to[c % 4] |= uint8_t((code & mask) << (c / 4 * p.bits));
          }
        }
        if (l.scaleBytes) {
          float scale = parameters.scale(n, b);
          uint16_t half = f32ToF16(scale);
          if (l.scaleBytes == 2)
            std::memcpy(parameter + 2 * column, &half, 2);
          else
            std::memcpy(parameter + 4 * column, &scale, 4);
        }
        if (l.zeroBytes)
          parameter[l.width * l.scaleBytes + column] = zero;
        if (l.startBytes) {
          int32_t sum = 0;
          for (int64_t c = 0; c < channels; ++c)
            sum += row[first + c] - zero;
          sum *= -128 * (1 << p.accShift());
          std::memcpy(parameter + l.width * (l.scaleBytes + l.zeroBytes) + 4 * column, &sum, 4);
        }
      });
    }
  }
}

UnpackedGemm tern::cpu::unpackGemm(const GemmProblem &p, ArrayRef<uint8_t> packed) {
  GemmLayout l(p);
  UnpackedGemm w;
  for (int64_t n = 0; n < l.n; ++n) {
    int64_t perPart = l.n / (l.width / l.results), result = n % perPart;
    const uint8_t *base = packed.data() + result / l.results * l.panelBytes();
    int64_t column = n / perPart * l.results + result % l.results;
    if (p.floatWeights()) {
      for (int64_t c = 0; c < l.k; ++c) {
        float value;
        std::memcpy(&value, base + (c * l.width + column) * 4, 4);
        w.values.push_back(value);
      }
      continue;
    }
    forBlocks(l, [&](int64_t b, int64_t, int64_t channels) {
      const uint8_t *block = base + b * l.blockBytes(0), *parameter = block + l.codeBytes(b);
      for (int64_t c = 0; c < channels; ++c) {
        Place at = placeOf(p, l, column, c);
        uint8_t field = uint8_t(block[at.byte] >> at.shift << (8 - p.bits));
        w.codes.push_back(p.zeros ? int8_t(field >> (8 - p.bits)) : int8_t(int8_t(field) >> (8 - p.bits)));
      }
      if (l.scaleBytes == 2) {
        uint16_t half;
        std::memcpy(&half, parameter + 2 * column, 2);
        w.scales.push_back(f16ToF32(half));
      } else if (l.scaleBytes) {
        float scale;
        std::memcpy(&scale, parameter + 4 * column, 4);
        w.scales.push_back(scale);
      }
      if (l.zeroBytes)
        w.zeros.push_back(parameter[l.width * l.scaleBytes + column]);
    });
  }
  return w;
}

std::vector<int32_t> tern::cpu::gemmInit(const GemmProblem &p, const GemmWeights &w, ArrayRef<int32_t> bias, int32_t zero) {
  GemmLayout l(p);
  Parameters parameters(p, l, w);
  std::vector<int8_t> row(std::max<int64_t>(l.k, 1));
  std::vector<int32_t> init;
  for (int64_t n = 0; n < l.n; ++n) {
    w.codes(n, row.data());
    int64_t sum = 0;
    for (int64_t c = 0; c < l.k; ++c)
      sum += row[c];
    sum -= l.k * parameters.zero(n, 0);
    uint32_t start = uint32_t(-int64_t(zero) * sum) + (bias.empty() ? 0 : uint32_t(bias[n]));
    init.push_back(int32_t(start));
  }
  return init;
}

std::vector<float> tern::cpu::scaledGemmInit(const GemmProblem &p, const GemmWeights &w, int32_t zero) {
  GemmLayout l(p);
  Parameters parameters(p, l, w);
  std::vector<int8_t> row(std::max<int64_t>(l.k, 1));
  std::vector<float> init;
  for (int64_t n = 0; n < l.n; ++n) {
    w.codes(n, row.data());
    double all = 0;
    forBlocks(l, [&](int64_t b, int64_t first, int64_t channels) {
      int64_t sum = -channels * parameters.zero(n, b);
      for (int64_t c = 0; c < channels; ++c)
        sum += row[first + c];
      all += double(parameters.scale(n, b)) * double(sum);
    });
    init.push_back(float(-double(zero) * all));
  }
  return init;
}
