//===- ConvPlan.cpp - loops, panels and tasks of a convolution ------------===//
#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace tern::cpu;
using llvm::SmallVector;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

//===- Phases -------------------------------------------------------------===//

/// The phases of one dimension. A transposed output position o gets in[i] * w[k] where o = i * stride - pad + k *
/// dilation.
static SmallVector<Axis> axes(int64_t out, int64_t k, int64_t stride, int64_t dilation, int64_t pad, bool transposed) {
  SmallVector<Axis> result;
  if (!transposed) {
    Axis a;
    a.count = out, a.taps = k;
    a.inStart = -pad, a.inStep = stride, a.inTap = dilation;
    result.push_back(a);
    return result;
  }
  int64_t period = stride / std::gcd(stride, dilation); // taps of one phase are this far apart
  for (int64_t phase = 0; phase < std::min(stride, out); phase++) {
    Axis a;
    a.outStart = phase, a.outStep = stride;
    a.count = ceilDiv(out - phase, stride);
    a.kStep = period;
    a.inStep = 1, a.inTap = -(period * dilation / stride);
    for (int64_t t = 0; t < std::min(period, k); t++)
      if ((phase + pad - t * dilation) % stride == 0) {
        a.kStart = t;
        a.taps = ceilDiv(k - t, period);
        a.inStart = (phase + pad - t * dilation) / stride;
        break;
      }
    result.push_back(a);
  }
  return result;
}

/// A size that stands for an open one: all phases have as many positions, or they do not.
static int64_t typicalSize(const ConvProblem &p, int64_t size, int64_t stride) {
  if (!isDynamic(size))
    return size;
  return p.transposed ? kNominalSize * stride + !p.wholePhases : kNominalSize;
}

SmallVector<Phase> tern::cpu::phasesOf(const ConvProblem &p) {
  SmallVector<Phase> phases;
  int64_t h = typicalSize(p, p.out.h, p.strideH), w = typicalSize(p, p.out.w, p.strideW);
  for (const Axis &y : axes(h, p.kh, p.strideH, p.dilationH, p.padTop, p.transposed))
    for (const Axis &x : axes(w, p.kw, p.strideW, p.dilationW, p.padLeft, p.transposed))
      phases.push_back({y, x});
  return phases;
}

int64_t tern::cpu::mergedPhases(const ConvProblem &p) {
  SmallVector<Phase> phases = phasesOf(p);
  if (!p.transposed || p.groups != 1 || phases.size() < 2 || int64_t(phases.size()) != p.strideH * p.strideW ||
      int64_t(phases.size()) * p.out.c > 4)
    return 1;
  auto same = [](const Axis &a, const Axis &b) {
    return a.count == b.count && a.taps == b.taps && a.inStart == b.inStart;
  };
  for (const Phase &phase : phases)
    if (!same(phase.y, phases[0].y) || !same(phase.x, phases[0].x))
      return 1;
  return phases.size();
}

SmallVector<Phase> tern::cpu::packedPhases(const ConvProblem &p) {
  SmallVector<Phase> phases = phasesOf(p);
  if (mergedPhases(p) > 1)
    phases.resize(1);
  return phases;
}

Halo tern::cpu::requiredHalo(const ConvProblem &p) {
  Halo halo;
  auto reach = [](const Axis &a, int64_t size, int64_t outSize, int64_t behind, int64_t &before, int64_t &after) {
    if (!a.taps || !a.count)
      return;
    int64_t first = a.inStart, last = a.inStart + a.inStep * (a.count - 1), taps = a.inTap * (a.taps - 1);
    before = std::max(before, -(first + std::min<int64_t>(taps, 0)));
    after = std::max(after, isDynamic(size) || isDynamic(outSize) ? behind : last + std::max<int64_t>(taps, 0) - (size - 1));
  };
  for (const Phase &phase : phasesOf(p)) {
    reach(phase.y, p.in.h, p.out.h, p.behindH, halo.top, halo.bottom);
    reach(phase.x, p.in.w, p.out.w, p.behindW, halo.left, halo.right);
  }
  return halo;
}

//===- Packed weights -----------------------------------------------------===//

PanelLayout::PanelLayout(const ConvProblem &p)
    : inC(p.in.c / p.groups), outC(p.out.c / p.groups), merged(mergedPhases(p)), columns(outC * merged) {
  switch (p.arith) {
  case Arith::F32:
    stepChannels = 1, stepBytes = 4;
    break;
  case Arith::U8S8:
    stepChannels = 4, stepBytes = 4;
    break;
  case Arith::U8S4:
    stepChannels = 8, stepBytes = 4;
    break;
  case Arith::F32S8:
    stepChannels = 1, stepBytes = 1;
    break;
  case Arith::F32S4:
    stepChannels = 2, stepBytes = 1;
    break;
  }
  tapChannels = roundUp(inC, stepChannels);
  scaleBytes = p.group ? bytesOf(p.groupScale) : 0;
  // Two channels of f32 in one step must both exist; bytes behind the last channel may be anything, their weights are
  // 0.
  bool oneRun = p.groups == 1 && tapChannels == p.in.cs && !scaleBytes && (tapChannels == inC || stepChannels >= 4);
  contiguousTaps = oneRun && (p.kw == 1 || (!p.transposed && p.dilationW == 1));
  scaleGroup = scaleBytes ? std::min(p.group, tapChannels) : tapChannels;
  panels = ceilDiv(columns, width);
}

int64_t PanelLayout::stepsOf(int64_t group) const {
  return std::min(scaleGroup, tapChannels - group * scaleGroup) / stepChannels;
}

int64_t PanelLayout::bytesPerTap(int64_t columns) const {
  return columns * (tapChannels / stepChannels * stepBytes + scaleGroups() * scaleBytes);
}

int64_t PanelLayout::phaseBytes(const Phase &phase) const {
  return phase.taps() * bytesPerTap((panels - 1) * width + widthOf(panels - 1));
}

int64_t PanelLayout::groupBytes(const ConvProblem &p) const {
  int64_t bytes = 0;
  for (const Phase &phase : packedPhases(p))
    bytes += phaseBytes(phase);
  return bytes;
}

//===- Cost ---------------------------------------------------------------===//

int64_t tern::cpu::macsOf(const ConvProblem &problem) {
  ConvProblem p = nominal(problem);
  int64_t macs = 0;
  for (const Phase &phase : phasesOf(p))
    macs += phase.y.count * phase.x.count * phase.taps();
  return macs * p.out.n * p.out.c * (p.in.c / p.groups);
}

double tern::cpu::estimateUs(const ConvProblem &problem, const Isa &isa) {
  ConvProblem p = nominal(problem);
  // Multiply-accumulates of one core in a us, measured in cache at 4.5 GHz, and bytes that the third level cache gives
  // in a us.
  static const double f32Rate[] = {25e3, 70e3, 140e3}, int8Rate[] = {37e3, 95e3, 540e3};
  static const double f32Depthwise[] = {25e3, 55e3, 105e3}, int8Depthwise[] = {20e3, 40e3, 130e3};
  bool integer = p.arith == Arith::U8S8 || p.arith == Arith::U8S4, depthwise = p.isDepthwise();
  double rate = (depthwise ? (integer ? int8Depthwise : f32Depthwise) : integer ? int8Rate : f32Rate)[isa.level];
  double weights =
      depthwise ? double(p.out.c * p.kh * p.kw) * (integer ? 1 : 4) : double(PanelLayout(p).groupBytes(p) * p.groups);
  double moved = double(p.in.elements() * bytesOf(p.in.elem) + p.out.elements() * bytesOf(p.out.elem));
  return std::max(double(macsOf(p)) / rate, (weights + moved) / 80e3);
}

int64_t tern::cpu::wantedTasks(double us) {
  if (us < 10)
    return 1;
  return std::clamp<int64_t>(int64_t(us / 20), 8, 64);
}
