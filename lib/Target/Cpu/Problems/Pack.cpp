//===- Pack.cpp - plain weights become the panels that kernels read -------===//
#include "lib/Target/Cpu/Problems/Pack.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cassert>
#include <cstring>

using namespace tern::cpu;
using llvm::ArrayRef;
using llvm::MutableArrayRef;

namespace {
uint16_t toHalf(float v) {
  llvm::APFloat f(v);
  bool lost;
  f.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return uint16_t(f.bitcastToAPInt().getZExtValue());
}

float fromHalf(uint16_t bits) {
  llvm::APFloat f(llvm::APFloat::IEEEhalf(), llvm::APInt(16, bits));
  bool lost;
  f.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return f.convertToFloat();
}

/// Index of a weight in the plain tensor; `o` counts all output channels, `i` the input channels of its group.
int64_t plainIndex(const ConvProblem &p, int64_t o, int64_t i, int64_t kh, int64_t kw, int64_t inC) {
  int64_t outC = p.out.c / p.groups;
  int64_t row = p.transposed ? ((o / outC) * inC + i) * outC + o % outC : o * inC + i;
  return (row * p.kh + kh) * p.kw + kw;
}

/// One weight: where it is plain, where its byte (or float) lies packed, and whether it is the upper code of that byte.
struct Place {
  int64_t plain, packed;
  bool upper;
};

/// Calls code() for every weight and scale() for every scale (plain index, byte offset), in packed order.
void forEachPlace(const ConvProblem &p, llvm::function_ref<void(const Place &)> code,
                  llvm::function_ref<void(int64_t, int64_t)> scale) {
  PanelLayout layout(p);
  int64_t at = 0, scaleGroups = layout.scaleGroups(), quad = layout.stepBytes == 4 && p.arith != Arith::F32 ? 4 : 1;
  llvm::SmallVector<Phase> phases = phasesOf(p);
  for (int64_t group = 0; group < p.groups; group++)
    for (size_t first = 0; first < phases.size(); first += layout.merged)
      for (int64_t panel = 0; panel < layout.panels; panel++)
        for (int64_t tap = 0; tap < phases[first].taps(); tap++) {
          int64_t columns = layout.widthOf(panel), begin = panel * PanelLayout::width;
          int64_t valid = std::min(columns, layout.columns - begin);
          auto index = [&](int64_t column, int64_t i, int64_t inC) {
            const Phase &phase = phases[first + (begin + column) / layout.outC % layout.merged];
            int64_t kh = phase.y.kStart + tap / phase.x.taps * phase.y.kStep;
            int64_t kw = phase.x.kStart + tap % phase.x.taps * phase.x.kStep;
            int64_t o = layout.merged > 1 ? (begin + column) % layout.outC : begin + column;
            return plainIndex(p, group * layout.outC + o, i, kh, kw, inC);
          };
          for (int64_t g = 0; g < scaleGroups; g++) {
            int64_t steps = layout.stepsOf(g);
            for (int64_t s = 0; s < steps; s++)
              for (int64_t column = 0; column < valid; column++)
                for (int64_t c = 0; c < layout.stepChannels; c++) {
                  int64_t i = g * layout.scaleGroup + s * layout.stepChannels + c;
                  if (i < layout.inC)
                    code({index(column, i, layout.inC), at + (s * columns + column) * layout.stepBytes + c % quad,
                          c >= quad});
                }
            at += steps * columns * layout.stepBytes;
            for (int64_t column = 0; column < valid && layout.scaleBytes; column++)
              scale(index(column, g, scaleGroups), at + column * layout.scaleBytes);
            at += columns * layout.scaleBytes;
          }
        }
}

bool isFourBits(const ConvProblem &p) { return p.arith == Arith::U8S4 || p.arith == Arith::F32S4; }

/// Depthwise: [block of 16 channels][kh][kw][16]; 4-bit codes as bytes of channel j (low) and j + 8 (high).
constexpr int64_t depthwiseBlock = 16;

void forEachDepthwise(const ConvProblem &p, llvm::function_ref<void(const Place &)> code) {
  bool four = isFourBits(p);
  int64_t taps = p.kh * p.kw, width = four ? depthwiseBlock / 2 : depthwiseBlock, bytes = p.arith == Arith::F32 ? 4 : 1;
  for (int64_t c = 0; c < p.out.c; c++)
    for (int64_t tap = 0; tap < taps; tap++)
      code({c * taps + tap, ((c / depthwiseBlock * taps + tap) * width + c % depthwiseBlock % width) * bytes,
            c % depthwiseBlock >= width});
}

int64_t weightCount(const ConvProblem &p) { return p.out.c * (p.in.c / p.groups) * p.kh * p.kw; }
int64_t outputOf(const ConvProblem &p, int64_t plain) {
  int64_t row = plain / (p.kh * p.kw), inC = p.in.c / p.groups, outC = p.out.c / p.groups;
  return p.transposed ? row / outC / inC * outC + row % outC : row / inC;
}
} // namespace

int64_t tern::cpu::packedBytes(const ConvProblem &p) {
  if (!p.isDepthwise())
    return PanelLayout(p).groupBytes(p) * p.groups;
  int64_t padded = (p.out.c + depthwiseBlock - 1) / depthwiseBlock * depthwiseBlock * p.kh * p.kw;
  return p.arith == Arith::F32 ? padded * 4 : isFourBits(p) ? padded / 2 : padded;
}

void tern::cpu::packConvWeights(const ConvProblem &p, const PlainWeights &w, MutableArrayRef<uint8_t> out) {
  assert(int64_t(out.size()) == packedBytes(p) && "packedBytes() says how much room the packed weights need");
  std::memset(out.data(), 0, out.size());
  bool four = isFourBits(p);
  auto code = [&](const Place &at) {
    if (p.arith == Arith::F32)
      std::memcpy(&out[at.packed], &w.values[at.plain], 4);
    else if (four)
      out[at.packed] |= uint8_t((w.codes[at.plain] & 15) << (at.upper ? 4 : 0));
    else
      out[at.packed] = uint8_t(w.codes[at.plain]);
  };
  if (p.isDepthwise())
    return forEachDepthwise(p, code);
  forEachPlace(p, code, [&](int64_t plain, int64_t packed) {
    uint16_t half = toHalf(w.scales[plain]);
    if (p.groupScale == Elem::F16)
      std::memcpy(&out[packed], &half, 2);
    else
      std::memcpy(&out[packed], &w.scales[plain], 4);
  });
}

UnpackedWeights tern::cpu::unpackConvWeights(const ConvProblem &p, ArrayRef<uint8_t> packed) {
  UnpackedWeights w;
  bool four = isFourBits(p);
  if (p.arith == Arith::F32)
    w.values.resize(weightCount(p));
  else
    w.codes.resize(weightCount(p));
  auto code = [&](const Place &at) {
    if (p.arith == Arith::F32)
      std::memcpy(&w.values[at.plain], &packed[at.packed], 4);
    else if (four)
      w.codes[at.plain] = int8_t(uint8_t(at.upper ? packed[at.packed] & 0xf0 : packed[at.packed] << 4)) >> 4;
    else
      w.codes[at.plain] = int8_t(packed[at.packed]);
  };
  if (p.isDepthwise()) {
    forEachDepthwise(p, code);
    return w;
  }
  PanelLayout layout(p);
  if (layout.scaleBytes)
    w.scales.resize(p.out.c * layout.scaleGroups() * p.kh * p.kw);
  forEachPlace(p, code, [&](int64_t plain, int64_t at) {
    uint16_t half;
    std::memcpy(&half, &packed[at], 2);
    if (p.groupScale == Elem::F16)
      w.scales[plain] = fromHalf(half);
    else
      std::memcpy(&w.scales[plain], &packed[at], 4);
  });
  return w;
}

std::vector<int32_t> tern::cpu::accumulatorInit(const ConvProblem &p, ArrayRef<int8_t> codes, ArrayRef<int32_t> bias,
                                                int32_t zero) {
  std::vector<int32_t> init(p.out.c, 0);
  // Modulo 2^32 like the accumulators themselves.
  for (int64_t i = 0, e = weightCount(p); i < e; i++) {
    int32_t &x = init[outputOf(p, i)];
    x = int32_t(uint32_t(x) - uint32_t(zero) * uint32_t(int32_t(codes[i])));
  }
  for (size_t o = 0; o < bias.size(); o++)
    init[o] = int32_t(uint32_t(init[o]) + uint32_t(bias[o]));
  return init;
}

std::vector<float> tern::cpu::scaledAccumulatorInit(const ConvProblem &p, const PlainWeights &w, int32_t zero) {
  PanelLayout layout(p);
  std::vector<double> sums(p.out.c, 0);
  for (int64_t o = 0; o < p.out.c; o++)
    for (int64_t kh = 0; kh < p.kh; kh++)
      for (int64_t kw = 0; kw < p.kw; kw++)
        for (int64_t i = 0; i < layout.inC; i++) {
          float scale = w.scales[plainIndex(p, o, i / layout.scaleGroup, kh, kw, layout.scaleGroups())];
          if (p.groupScale == Elem::F16)
            scale = fromHalf(toHalf(scale));
          sums[o] += double(scale) * w.codes[plainIndex(p, o, i, kh, kw, layout.inC)];
        }
  std::vector<float> init;
  for (double s : sums)
    init.push_back(float(-double(zero) * s));
  return init;
}
