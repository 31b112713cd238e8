//===- PixelLoops.cpp - the output pixels of a convolution as loops -------===//
#include "lib/Target/Cpu/Windows/PixelLoops.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace tern::cpu;
using llvm::SmallVector;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

//===- Loops --------------------------------------------------------------===//

namespace {
/// Strides of one operand over (image, row, column) of a phase.
struct Grid {
  Index base = 0, n = 0, y = 0, x = 0;
  bool denseRows = true; ///< of open sizes: the columns of a row are followed by those of the next one
};

Grid gridOf(KernelBuilder &k, const Map &m, const Axis &y, const Axis &x, bool isIn, const Map &out) {
  int64_t startY = isIn ? y.inStart : y.outStart, stepY = isIn ? y.inStep : y.outStep;
  int64_t startX = isIn ? x.inStart : x.outStart, stepX = isIn ? x.inStep : x.outStep;
  Index row = k.rowStride(m), pixel = k.extent(m.cs);
  Grid g;
  g.base = k.offset(m.base) + row * (m.top + startY) + pixel * (m.left + startX);
  g.n = k.imageStride(m);
  g.y = row * stepY;
  g.x = pixel * stepX;
  g.denseRows = !m.left && !m.right && stepX == 1 && stepY == 1 && m.w == out.w;
  return g;
}

bool isOne(const Index &i) { return i.isConstant() && i.constant() == 1; }

/// outer * inner of one stride; `dense`: what open sizes know about it.
bool areNeighbours(const Index &outer, const Index &count, const Index &inner, bool dense) {
  if (outer.isConstant() && count.isConstant() && inner.isConstant())
    return outer.constant() == count.constant() * inner.constant();
  return dense;
}
} // namespace

/// Positions of one axis of the output.
static Index countOf(KernelBuilder &k, const Axis &axis, int64_t size) {
  if (!isDynamic(size))
    return axis.count;
  return (k.extent(size) + (axis.outStep - 1 - axis.outStart)) / axis.outStep;
}

PixelLoops tern::cpu::pixelLoops(KernelBuilder &k, const ConvProblem &p, const Phase &phase, int64_t tile, bool spanRows) {
  SmallVector<Grid> grids;
  const Axis &y = phase.y, &x = phase.x;
  grids.push_back(gridOf(k, p.in, y, x, true, p.out));
  grids.push_back(gridOf(k, p.out, y, x, false, p.out));
  for (const ExprInput &input : p.epilogue.inputs) {
    Grid g;
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Row) {
      g = gridOf(k, input.map, y, x, false, p.out);
    } else if (input.kind == ExprInput::Pixelwise) {
      g.base = k.offset(input.map.base) + k.rowStride(input.map) * input.map.top + k.extent(input.map.cs) * input.map.left;
      g.n = k.imageStride(input.map);
    }
    grids.push_back(g);
  }
  PixelLoops loops;
  Index images = p.out.n, rows = countOf(k, y, p.out.h), columns = countOf(k, x, p.out.w);
  auto sizesOf = [](const Index &count, int64_t size) {
    return SmallVector<int64_t, 2>{count.isConstant() ? count.constant() : size};
  };
  loops.rowSizes = sizesOf(rows, p.out.h), loops.columnSizes = sizesOf(columns, p.out.w);
  loops.rowStep = rows.isConstant() ? 1 : y.outStep, loops.columnStep = columns.isConstant() ? 1 : x.outStep;
  // (row, column) -> column, then (image, row) -> row (or column). Kernels of open sizes have one image.
  auto merge = [&](Index &outer, Index Grid::*outerStride, Index &inner, Index Grid::*innerStride) {
    if (!isOne(outer) && !isOne(inner) &&
        !llvm::all_of(grids, [&](const Grid &g) { return areNeighbours(g.*outerStride, inner, g.*innerStride, g.denseRows); }))
      return false;
    if (isOne(inner))
      for (Grid &g : grids)
        g.*innerStride = g.*outerStride;
    inner = inner * outer;
    outer = 1;
    return true;
  };
  if (merge(rows, &Grid::y, columns, &Grid::x)) {
    loops.columnStep *= loops.rowStep; // one of them is 1
    loops.columnSizes.append(loops.rowSizes);
    loops.rowSizes = {1};
    loops.rowStep = 1;
  }
  if (isOne(rows))
    merge(images, &Grid::n, columns, &Grid::x);
  else
    merge(images, &Grid::n, rows, &Grid::y);

  loops.images = images, loops.rowsPerImage = rows, loops.columns = columns;
  // A tile spans whole rows.
  bool narrow = spanRows && rows.isConstant() && rows.constant() > 1 && columns.isConstant() && 2 * columns.constant() <= tile;
  if (narrow)
    loops.rowsPerImage = 1, loops.columns = rows, loops.inner = columns.constant();
  for (const Grid &g : grids)
    loops.operands.push_back(narrow ? Strides{g.base, g.n, 0, g.y, g.x} : Strides{g.base, g.n, g.y, g.x, 0});
  loops.tile = std::max<int64_t>(1, tile / loops.inner);
  if (loops.columns.isConstant()) {
    int64_t count = loops.columns.constant();
    loops.chunks = ceilDiv(count, loops.tile);
    loops.chunk = count / loops.chunks;
    loops.wide = count % loops.chunks;
  }
  return loops;
}

void tern::cpu::forTiles(KernelBuilder &k, const PixelLoops &loops, llvm::function_ref<void(Index, int64_t)> body) {
  k.loop(0, loops.wide, 1, [&](Index i) { body(i * (loops.chunk + 1), loops.chunk + 1); });
  k.loop(loops.wide, loops.chunks, 1, [&](Index i) { body(i * loops.chunk + loops.wide, loops.chunk); });
}

void tern::cpu::forTiles(KernelBuilder &k, const PixelLoops &loops, const Index &lo, const Index &hi,
                         llvm::function_ref<void(Index, int64_t)> body) {
  if (loops.columns.isConstant())
    return forTiles(k, loops, body);
  Index at = lo;
  for (int64_t width = loops.tile; width; width = int64_t(llvm::PowerOf2Ceil(uint64_t(width))) / 2) {
    Index end = at + (hi - at) / width * width;
    k.loop(at, end, width, [&](Index x) { body(x, width); });
    at = end;
  }
}

//===- Tasks --------------------------------------------------------------===//

/// Weights that fit the second level cache stay there while all rows pass; larger ones are read panel by panel.
static bool areSmall(const ConvProblem &p, const PanelLayout &layout) { return layout.groupBytes(p) <= 600 << 10; }

TaskGrid tern::cpu::taskGrid(const ConvProblem &p, const PanelLayout &layout, const PixelLoops &loops, int64_t wanted) {
  TaskGrid grid;
  int64_t rows = loops.rows().constant();
  grid.groups = p.groups, grid.panels = layout.panels, grid.rows = rows, grid.chunks = loops.chunks;
  auto cut = [&](int64_t &size, int64_t &blocks) {
    int64_t left = ceilDiv(wanted, grid.tasks());
    blocks = std::min(size, left);
    size = ceilDiv(size, blocks);
  };
  auto blocks = [](int64_t total, int64_t size) { return ceilDiv(total, size); };
  bool small = areSmall(p, layout);
  cut(grid.groups, grid.groupBlocks);
  grid.groupBlocks = blocks(p.groups, grid.groups);
  if (!small) {
    cut(grid.panels, grid.panelBlocks);
    grid.panelBlocks = blocks(layout.panels, grid.panels);
  }
  cut(grid.rows, grid.rowBlocks);
  grid.rowBlocks = blocks(rows, grid.rows);
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

OpenGrid tern::cpu::openGrid(const ConvProblem &p, const PanelLayout &layout, const PixelLoops &loops, double us) {
  // Tasks of about 10 us, but not fewer than four tiles of pixels for the weights that a task reads.
  constexpr double kTask = 10;
  bool openColumns = !loops.columns.isConstant();
  int64_t least = 4 * loops.tile, most = openColumns ? 32 * loops.tile : loops.columns.constant();
  OpenGrid grid;
  auto fitting = [](double want, int64_t low, int64_t high) { return std::clamp<int64_t>(int64_t(std::min(want, 1e9)), low, std::max(low, high)); };
  grid.panels = areSmall(p, layout) ? fitting(kTask / (us * double(least)), 1, layout.panels) : 1;
  grid.panelBlocks = ceilDiv(layout.panels, grid.panels);
  grid.panels = ceilDiv(layout.panels, grid.panelBlocks);
  int64_t pixels = fitting(kTask / (us * double(grid.panels)), least, int64_t(1) << 20);
  grid.columns = openColumns ? ceilDiv(std::min(pixels, most), loops.tile) * loops.tile : most;
  grid.rows = std::max<int64_t>(1, pixels / grid.columns);
  if (loops.rows().isConstant())
    grid.rows = std::min(grid.rows, loops.rows().constant());
  grid.groups = fitting(kTask / (us * double(grid.panels * grid.columns * grid.rows)), 1, p.groups);
  grid.groupBlocks = ceilDiv(p.groups, grid.groups);
  grid.rowBlocks = (loops.rows() + (grid.rows - 1)) / grid.rows;
  grid.columnBlocks = openColumns ? (loops.columns + (grid.columns - 1)) / grid.columns : Index(1);
  grid.tasks = TaskCount(grid.groupBlocks * grid.panelBlocks) * TaskCount::of(loops.rowSizes, grid.rows * loops.rowStep);
  if (openColumns)
    grid.tasks = grid.tasks * TaskCount::of(loops.columnSizes, grid.columns * loops.columnStep);
  return grid;
}
