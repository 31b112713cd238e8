//===- ConvPlan.cpp - loops, panels and tasks of a convolution ------------===//
#include "lib/Target/Cpu/ConvPlan.h"
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

SmallVector<Phase> tern::cpu::phasesOf(const ConvProblem &p) {
  SmallVector<Phase> phases;
  for (const Axis &y : axes(p.out.h, p.kh, p.strideH, p.dilationH, p.padTop, p.transposed))
    for (const Axis &x : axes(p.out.w, p.kw, p.strideW, p.dilationW, p.padLeft, p.transposed))
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
  auto reach = [](const Axis &a, int64_t size, int64_t &before, int64_t &after) {
    if (!a.taps || !a.count)
      return;
    int64_t first = a.inStart, last = a.inStart + a.inStep * (a.count - 1), taps = a.inTap * (a.taps - 1);
    before = std::max(before, -(first + std::min<int64_t>(taps, 0)));
    after = std::max(after, last + std::max<int64_t>(taps, 0) - (size - 1));
  };
  for (const Phase &phase : phasesOf(p)) {
    reach(phase.y, p.in.h, halo.top, halo.bottom);
    reach(phase.x, p.in.w, halo.left, halo.right);
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

//===- Pixels -------------------------------------------------------------===//

namespace {
/// Strides of one operand over (image, row, column) of a phase.
struct Grid {
  int64_t base = 0, n = 0, y = 0, x = 0;
};

Grid gridOf(const Map &m, int64_t startY, int64_t stepY, int64_t startX, int64_t stepX) {
  Grid g;
  g.base = m.base + (m.top + startY) * m.rowStride() + (m.left + startX) * m.cs;
  g.n = m.imageStride();
  g.y = stepY * m.rowStride();
  g.x = stepX * m.cs;
  return g;
}
} // namespace

PixelLoops tern::cpu::pixelLoops(const ConvProblem &p, const Phase &phase, int64_t tile, bool spanRows) {
  SmallVector<Grid> grids;
  const Axis &y = phase.y, &x = phase.x;
  grids.push_back(gridOf(p.in, y.inStart, y.inStep, x.inStart, x.inStep));
  grids.push_back(gridOf(p.out, y.outStart, y.outStep, x.outStart, x.outStep));
  for (const ExprInput &input : p.epilogue.inputs) {
    Grid g;
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Row)
      g = gridOf(input.map, y.outStart, y.outStep, x.outStart, x.outStep);
    else if (input.kind == ExprInput::Pixelwise) {
      g.base = input.map.base + input.map.top * input.map.rowStride() + input.map.left * input.map.cs;
      g.n = input.map.imageStride();
    }
    grids.push_back(g);
  }
  int64_t images = p.out.n, rows = y.count, columns = x.count;
  // (row, column) -> column, then (image, row) -> row (or column).
  auto merge = [&](int64_t &outer, int64_t Grid::*outerStride, int64_t &inner, int64_t Grid::*innerStride) {
    if (outer > 1 && inner > 1 &&
        !llvm::all_of(grids, [&](const Grid &g) { return g.*outerStride == inner * (g.*innerStride); }))
      return;
    if (inner == 1)
      for (Grid &g : grids)
        g.*innerStride = g.*outerStride;
    inner *= outer;
    outer = 1;
  };
  merge(rows, &Grid::y, columns, &Grid::x);
  if (rows == 1)
    merge(images, &Grid::n, columns, &Grid::x);
  else
    merge(images, &Grid::n, rows, &Grid::y);

  PixelLoops loops;
  loops.images = images, loops.rowsPerImage = rows, loops.columns = columns;
  bool narrow = spanRows && rows > 1 && 2 * columns <= tile; // a tile spans whole rows
  if (narrow)
    loops.rowsPerImage = 1, loops.columns = rows, loops.inner = columns;
  for (const Grid &g : grids)
    loops.operands.push_back(narrow ? Strides{g.base, g.n, 0, g.y, g.x} : Strides{g.base, g.n, g.y, g.x, 0});
  int64_t most = std::max<int64_t>(1, tile / loops.inner);
  loops.chunks = ceilDiv(loops.columns, most);
  loops.chunk = loops.columns / loops.chunks;
  loops.wide = loops.columns % loops.chunks;
  return loops;
}

//===- Tasks --------------------------------------------------------------===//

TaskGrid tern::cpu::taskGrid(const ConvProblem &p, const PanelLayout &layout, const PixelLoops &loops, int64_t wanted) {
  TaskGrid grid;
  grid.groups = p.groups, grid.panels = layout.panels, grid.rows = loops.rows(), grid.chunks = loops.chunks;
  auto cut = [&](int64_t &size, int64_t &blocks) {
    int64_t left = ceilDiv(wanted, grid.tasks());
    blocks = std::min(size, left);
    size = ceilDiv(size, blocks);
  };
  auto blocks = [](int64_t total, int64_t size) { return ceilDiv(total, size); };
  // Weights that fit the second level cache stay there while all rows pass; larger ones are read panel by panel.
  bool small = layout.groupBytes(p) <= 600 << 10;
  cut(grid.groups, grid.groupBlocks);
  grid.groupBlocks = blocks(p.groups, grid.groups);
  if (!small) {
    cut(grid.panels, grid.panelBlocks);
    grid.panelBlocks = blocks(layout.panels, grid.panels);
  }
  cut(grid.rows, grid.rowBlocks);
  grid.rowBlocks = blocks(loops.rows(), grid.rows);
  if (grid.rows == 1) {
    cut(grid.chunks, grid.chunkBlocks);
    grid.chunkBlocks = blocks(loops.chunks, grid.chunks);
  }
  if (small) {
    cut(grid.panels, grid.panelBlocks);
    grid.panelBlocks = blocks(layout.panels, grid.panels);
  }
  return grid;
}

int64_t tern::cpu::macsOf(const ConvProblem &p) {
  int64_t macs = 0;
  for (const Phase &phase : phasesOf(p))
    macs += phase.y.count * phase.x.count * phase.taps();
  return macs * p.out.n * p.out.c * (p.in.c / p.groups);
}

double tern::cpu::estimateUs(const ConvProblem &p, const Isa &isa) {
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
