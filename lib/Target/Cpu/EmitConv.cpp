//===- EmitConv.cpp - convolution and GEMM as one register tile -----------===//
// A tile is some output pixels times one or two vectors of output channels. A GEMM is a convolution of one row; a
// convolution is a GEMM whose row addresses differ; conv_transpose is one convolution per residue of the output
// position (ConvPlan.h).
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/ConvTile.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;
using namespace tern::cpu;

namespace tern::cpu {
Kernel emitDepthwise(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa);
}

namespace {
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

class ConvEmitter {
public:
  ConvEmitter(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa)
      : p(p), layout(p), k(module, name, ConvTile::argsOf(p), isa), tile(k, p, layout) {}

  Kernel emit();

private:
  using Columns = ConvTile::Columns;
  /// Blocks of work of this task.
  struct Blocks {
    const Phase &phase;
    TaskGrid grid;
    Index group, panel, row, chunk;
    Index weights; ///< where the phase begins
  };

  void emitPhase(const Phase &phase, const TaskGrid &grid, const Index &task, int64_t weightsAt);
  void emitGroup(const Blocks &blocks, const Index &group);
  void emitPanels(const Blocks &blocks, const Index &group, llvm::function_ref<void(const Columns &)> body);
  void emitPixels(const Blocks &blocks, const Index &group, const PixelLoops &loops,
                  llvm::function_ref<void(ArrayRef<Index>, int64_t)> body);

  PixelLoops loopsFor(const Phase &phase, const Columns &c) const { return tile.loopsFor(phase, c); }
  std::pair<Index, Index> range(const Index &block, int64_t blocks, int64_t total) {
    if (blocks == 1)
      return {0, total};
    int64_t size = ceilDiv(total, blocks);
    Index lo = block * size;
    return {lo, size * blocks == total ? lo + size : min(lo + size, Index(total))};
  }

  const ConvProblem &p;
  PanelLayout layout;
  KernelBuilder k;
  ConvTile tile;
};
} // namespace

Kernel ConvEmitter::emit() {
  SmallVector<Phase> phases = packedPhases(p);
  // A small kernel is one task, however many phases it has.
  int64_t wanted = wantedTasks(estimateUs(p, k.target()));
  bool one = wanted == 1;
  wanted = std::max<int64_t>(one ? 1 : 2, wanted / int64_t(phases.size()));
  SmallVector<TaskGrid> grids;
  SmallVector<int64_t> firstTask{0}, weightsAt{0};
  for (const Phase &phase : phases) {
    Columns first = ConvTile::columnsFor(p, k.target(), std::min(layout.columns, 2 * k.lanes()));
    grids.push_back(taskGrid(p, layout, loopsFor(phase, first), wanted));
    firstTask.push_back(firstTask.back() + grids.back().tasks());
    weightsAt.push_back(weightsAt.back() + tile.unit(layout.phaseBytes(phase)));
  }
  std::function<void(size_t)> chain = [&](size_t i) {
    auto emitThis = [&] { emitPhase(phases[i], grids[i], one ? Index(0) : k.task() - firstTask[i], weightsAt[i]); };
    if (one) {
      emitThis();
      if (i + 1 < phases.size())
        chain(i + 1);
    } else if (i + 1 == phases.size()) {
      emitThis();
    } else {
      k.when(k.less(k.task(), firstTask[i + 1]), emitThis, [&] { chain(i + 1); });
    }
  };
  chain(0);
  return {k.finish(), one ? 1 : firstTask.back(), 0};
}

void ConvEmitter::emitPhase(const Phase &phase, const TaskGrid &grid, const Index &task, int64_t weightsAt) {
  Blocks b{phase, grid, 0, 0, 0, 0, weightsAt};
  Index t = task;
  b.chunk = t % grid.chunkBlocks;
  t = t / grid.chunkBlocks;
  b.row = t % grid.rowBlocks;
  t = t / grid.rowBlocks;
  b.panel = t % grid.panelBlocks;
  b.group = t / grid.panelBlocks;
  auto [lo, hi] = range(b.group, grid.groupBlocks, p.groups);
  k.loop(lo, hi, 1, [&](Index group) { emitGroup(b, group); });
}

void ConvEmitter::emitGroup(const Blocks &b, const Index &group) {
  // Panels outside, also where all weights fit the first level cache: the other order was measured to be no faster.
  emitPanels(b, group, [&](const Columns &c) {
    PixelLoops loops = loopsFor(b.phase, c);
    emitPixels(b, group, loops,
               [&](ArrayRef<Index> bases, int64_t width) { tile.emit(b.phase, loops, bases, width, c); });
  });
}

/// The columns of the panels of this task.
void ConvEmitter::emitPanels(const Blocks &b, const Index &group, llvm::function_ref<void(const Columns &)> body) {
  // All columns of the full panels exist; the last panel, if some are missing, is a piece of code of its own.
  int64_t full = layout.columns / PanelLayout::width;
  int64_t rest = layout.columns - full * PanelLayout::width;
  Index groupWeights = b.weights + group * tile.unit(layout.groupBytes(p));
  auto panelAt = [&](const Index &panel) {
    return groupWeights + panel * tile.unit(b.phase.taps() * layout.bytesPerTap(PanelLayout::width));
  };
  int64_t most = 2 * k.lanes();
  auto columns = [&](int64_t width, const Index &panel, const Index &column, int64_t valid) {
    Columns c = ConvTile::columnsFor(p, k.target(), valid);
    c.panelWidth = width, c.panel = panelAt(panel), c.column = column;
    c.channel = group * layout.outC + panel * PanelLayout::width + column;
    // Weights come from memory once for each run of the model; two panels and the pixels of a task fit the second level
    // cache.
    c.prefetch = !panel.isConstant() && b.grid.rows * b.grid.chunks <= 16 && layout.stepBytes == 4 &&
                 b.phase.taps() * layout.bytesPerTap(width) <= 256 << 10;
    body(c);
  };
  auto [lo, hi] = range(b.panel, b.grid.panelBlocks, layout.panels);
  k.loop(lo, b.grid.panelBlocks == 1 ? Index(full) : min(hi, Index(full)), 1, [&](Index panel) {
    k.loop(0, PanelLayout::width, most, [&](Index column) { columns(PanelLayout::width, panel, column, most); });
  });
  if (!rest)
    return;
  auto last = [&] {
    int64_t width = layout.widthOf(layout.panels - 1);
    for (int64_t column = 0; column < rest; column += most)
      columns(width, full, column, std::min(most, rest - column));
  };
  if (b.grid.panelBlocks == 1)
    last();
  else
    k.when(k.less(full, hi), last);
}

/// The tiles of this task: body(offset of the first pixel in every operand, columns of the tile).
void ConvEmitter::emitPixels(const Blocks &b, const Index &group, const PixelLoops &loops,
                             llvm::function_ref<void(ArrayRef<Index>, int64_t)> body) {
  auto rowRange = range(b.row, b.grid.rowBlocks, loops.rows());
  auto [chunkLo, chunkHi] = range(b.chunk, b.grid.chunkBlocks, loops.chunks);
  k.loop(rowRange.first, rowRange.second, 1, [&, chunkLo = chunkLo, chunkHi = chunkHi](Index row) {
    Index n = loops.images == 1 ? Index(0) : loops.rowsPerImage == 1 ? row : row / loops.rowsPerImage;
    Index y = loops.images == 1 ? row : loops.rowsPerImage == 1 ? Index(0) : row % loops.rowsPerImage;
    SmallVector<Index> bases;
    for (const Strides &s : loops.operands)
      bases.push_back(n * s.n + y * s.row + s.base);
    bases[0] = bases[0] + group * layout.inC;
    auto chunks = [&](Index lo, Index hi, int64_t width, int64_t shift) {
      k.loop(lo, hi, 1, [&](Index chunk) {
        Index x = chunk * width + shift;
        SmallVector<Index> at;
        for (auto [base, s] : llvm::zip(bases, loops.operands))
          at.push_back(base + x * s.column);
        body(at, width);
      });
    };
    if (b.grid.chunkBlocks == 1) {
      chunks(0, loops.wide, loops.chunk + 1, 0);
      chunks(loops.wide, loops.chunks, loops.chunk, loops.wide);
      return;
    }
    if (loops.wide)
      chunks(chunkLo, min(chunkHi, Index(loops.wide)), loops.chunk + 1, 0);
    chunks(loops.wide ? max(chunkLo, Index(loops.wide)) : chunkLo, chunkHi, loops.chunk, loops.wide);
  });
}

Kernel tern::cpu::emitConv(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa) {
  if (p.isDepthwise())
    return emitDepthwise(module, name, p, isa);
  return ConvEmitter(module, name, p, isa).emit();
}
