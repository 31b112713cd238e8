//===- EmitConv.cpp - convolution and GEMM as one register tile -----------===//
// A tile is some output pixels times one or two vectors of output channels. A GEMM is a convolution of one row; a
// convolution is a GEMM whose row addresses differ; conv_transpose is one convolution per residue of the output
// position (ConvPlan.h).
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Windows/ConvTile.h"
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
      : p(p), layout(p), k(module, name, ConvTile::argsOf(p), isa, std::nullopt, hasDynamicSizes(p)), tile(k, p, layout) {}

  Kernel emit() { return hasDynamicSizes(p) ? emitOpen() : emitStatic(); }

private:
  using Columns = ConvTile::Columns;
  using Range = std::pair<Index, Index>;
  /// The part of a phase that a task does. Rows and chunks (static sizes) or columns (open sizes) are those of all panels.
  struct Blocks {
    const Phase &phase;
    Range groups, panels;
    bool allPanels = false;  ///< known here: `panels` are all of them
    int64_t tilesPerTask = 0; ///< of one panel
    Index weights = 0;        ///< where the phase begins
    llvm::function_ref<Range(const PixelLoops &)> rows;
    /// The tiles of a row: body(first column, columns).
    llvm::function_ref<void(const PixelLoops &, llvm::function_ref<void(Index, int64_t)>)> tiles;
  };

  Kernel emitStatic();
  Kernel emitOpen();
  void emitPhase(const Phase &phase, const TaskGrid &grid, const Index &task, int64_t weightsAt);
  void emitGroup(const Blocks &blocks, const Index &group);
  void emitPanels(const Blocks &blocks, const Index &group, llvm::function_ref<void(const Columns &)> body);
  void emitPixels(const Blocks &blocks, const Index &group, const PixelLoops &loops,
                  llvm::function_ref<void(ArrayRef<Index>, int64_t)> body);

  PixelLoops loopsFor(const Phase &phase, const Columns &c) { return tile.loopsFor(phase, c); }
  static Range range(const Index &block, int64_t blocks, int64_t total) {
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

Kernel ConvEmitter::emitStatic() {
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
  Index t = task, chunk = t % grid.chunkBlocks;
  t = t / grid.chunkBlocks;
  Index row = t % grid.rowBlocks;
  t = t / grid.rowBlocks;
  auto rows = [&](const PixelLoops &loops) { return range(row, grid.rowBlocks, loops.rows().constant()); };
  auto tiles = [&](const PixelLoops &loops, llvm::function_ref<void(Index, int64_t)> body) {
    if (grid.chunkBlocks == 1)
      return forTiles(k, loops, body);
    auto [lo, hi] = range(chunk, grid.chunkBlocks, loops.chunks);
    if (loops.wide)
      k.loop(lo, min(hi, Index(loops.wide)), 1, [&](Index i) { body(i * (loops.chunk + 1), loops.chunk + 1); });
    k.loop(loops.wide ? max(lo, Index(loops.wide)) : lo, hi, 1, [&](Index i) { body(i * loops.chunk + loops.wide, loops.chunk); });
  };
  Blocks b{phase, range(t / grid.panelBlocks, grid.groupBlocks, p.groups), range(t % grid.panelBlocks, grid.panelBlocks, layout.panels),
           grid.panelBlocks == 1, grid.rows * grid.chunks, weightsAt, rows, tiles};
  k.loop(b.groups.first, b.groups.second, 1, [&](Index group) { emitGroup(b, group); });
}

/// A task does its block of rows and columns in every phase; those of the first phase are the most.
Kernel ConvEmitter::emitOpen() {
  SmallVector<Phase> phases = packedPhases(p);
  Columns first = ConvTile::columnsFor(p, k.target(), std::min(layout.columns, 2 * k.lanes()));
  PixelLoops loops = loopsFor(phases.front(), first);
  ConvProblem typical = nominal(p);
  double positions = double(typical.out.h * typical.out.w) / double(p.transposed ? p.strideH * p.strideW : 1);
  OpenGrid grid = openGrid(p, layout, loops, estimateUs(p, k.target()) / (positions * double(layout.panels * p.groups)));

  Index t = k.task(), column = t % grid.columnBlocks;
  t = t / grid.columnBlocks;
  Index row = t % grid.rowBlocks;
  t = t / grid.rowBlocks;
  auto block = [&](const Index &at, int64_t size, const Index &total) -> Range {
    Index lo = at * size;
    return {lo, max(lo, min(lo + size, total))};
  };
  auto rows = [&](const PixelLoops &loops) { return block(row, grid.rows, loops.rows()); };
  auto tiles = [&](const PixelLoops &loops, llvm::function_ref<void(Index, int64_t)> body) {
    auto [lo, hi] = block(column, grid.columns, loops.columns);
    forTiles(k, loops, lo, hi, body);
  };
  int64_t weightsAt = 0;
  for (const Phase &phase : phases) {
    Blocks b{phase, range(t / grid.panelBlocks, grid.groupBlocks, p.groups), range(t % grid.panelBlocks, grid.panelBlocks, layout.panels),
             grid.panelBlocks == 1, grid.rows * ceilDiv(grid.columns, loops.tile), weightsAt, rows, tiles};
    k.loop(b.groups.first, b.groups.second, 1, [&](Index group) { emitGroup(b, group); });
    weightsAt += tile.unit(layout.phaseBytes(phase));
  }
  return {k.finish(), grid.tasks, 0};
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
    c.prefetch = !panel.isConstant() && b.tilesPerTask <= 16 && layout.stepBytes == 4 &&
                 b.phase.taps() * layout.bytesPerTap(width) <= 256 << 10;
    body(c);
  };
  const auto &[lo, hi] = b.panels;
  k.loop(lo, b.allPanels ? Index(full) : min(hi, Index(full)), 1, [&](Index panel) {
    k.loop(0, PanelLayout::width, most, [&](Index column) { columns(PanelLayout::width, panel, column, most); });
  });
  if (!rest)
    return;
  auto last = [&] {
    int64_t width = layout.widthOf(layout.panels - 1);
    for (int64_t column = 0; column < rest; column += most)
      columns(width, full, column, std::min(most, rest - column));
  };
  if (b.allPanels)
    last();
  else
    k.when(k.less(full, hi), last);
}

/// The tiles of this task: body(offset of the first pixel in every operand, columns of the tile).
void ConvEmitter::emitPixels(const Blocks &b, const Index &group, const PixelLoops &loops,
                             llvm::function_ref<void(ArrayRef<Index>, int64_t)> body) {
  auto [rowLo, rowHi] = b.rows(loops);
  k.loop(rowLo, rowHi, 1, [&](Index row) {
    bool oneImage = loops.images.isConstant() && loops.images.constant() == 1;
    bool oneRow = loops.rowsPerImage.isConstant() && loops.rowsPerImage.constant() == 1;
    Index n = oneImage ? Index(0) : oneRow ? row : row / loops.rowsPerImage;
    Index y = oneImage ? row : oneRow ? Index(0) : row % loops.rowsPerImage;
    SmallVector<Index> bases;
    for (const Strides &s : loops.operands)
      bases.push_back(n * s.n + y * s.row + s.base);
    bases[0] = bases[0] + group * layout.inC;
    b.tiles(loops, [&](Index x, int64_t width) {
      SmallVector<Index> at;
      for (auto [base, s] : llvm::zip(bases, loops.operands))
        at.push_back(base + x * s.column);
      body(at, width);
    });
  });
}

Kernel tern::cpu::emitConv(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa) {
  if (p.isDepthwise())
    return emitDepthwise(module, name, p, isa);
  return ConvEmitter(module, name, p, isa).emit();
}
