//===- PixelLoops.h - the output pixels of a convolution as loops ---------===//
// How the pixels of one phase are cut into register tiles and tasks. Sizes may be those of a run: then a row ends in
// ever narrower tiles, and the tasks are counted at run time.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_WINDOWS_PIXELLOOPS_H
#define TERN_TARGET_CPU_WINDOWS_PIXELLOOPS_H

#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Elements of one operand between two steps of each loop.
struct Strides {
  Index base = 0, n = 0, row = 0, column = 0, inner = 0;
};

/// Output pixels of one phase as loops: `rows` of `count` columns of `inner` pixels. Neighbouring dimensions are merged
/// where all operands allow it, so a 1x1 convolution is one long row. A register tile is a chunk of columns times all
/// inner pixels.
struct PixelLoops {
  Index images = 1, rowsPerImage = 1, columns = 1;
  int64_t inner = 1;
  llvm::SmallVector<Strides> operands; ///< in, out, then the epilogue inputs (all 0 for those without pixels)
  int64_t tile = 1; ///< most columns of a register tile
  // Of a static number of columns: register tiles of a row, of which the first `wide` have one column more.
  int64_t chunks = 1, chunk = 1, wide = 0;
  /// Where `operand` has pixel `pixel` of a tile whose first one lies at `bases`.
  Index at(llvm::ArrayRef<Index> bases, size_t operand, int64_t pixel) const {
    const Strides &s = operands[operand];
    return bases[operand] + (s.column * (pixel / inner) + s.inner * (pixel % inner));
  }
  Index rows() const { return images * rowsPerImage; }
  /// The sizes whose product, divided by the steps between output positions, is the number of rows and columns.
  llvm::SmallVector<int64_t, 2> rowSizes, columnSizes;
  int64_t rowStep = 1, columnStep = 1;
};
/// At most `tile` pixels in a register tile, which may span short rows.
PixelLoops pixelLoops(KernelBuilder &k, const ConvProblem &problem, const Phase &phase, int64_t tile, bool spanRows = true);

/// body(first column, columns of the tile) over columns [lo, hi): full tiles, then at most one of each power of two. A
/// static number of columns is cut into equal tiles instead, and lo and hi are all of them.
void forTiles(KernelBuilder &k, const PixelLoops &loops, const Index &lo, const Index &hi,
              llvm::function_ref<void(Index, int64_t)> body);
/// All columns of a static row: tiles of two widths that differ by one.
void forTiles(KernelBuilder &k, const PixelLoops &loops, llvm::function_ref<void(Index, int64_t)> body);

/// How the work of one phase of static sizes is cut: task = ((group block * panel blocks + panel block) * row blocks +
/// row block) * chunk blocks + chunk block.
struct TaskGrid {
  int64_t groups = 1, panels = 1, rows = 1, chunks = 1; ///< in one task
  int64_t groupBlocks = 1, panelBlocks = 1, rowBlocks = 1, chunkBlocks = 1;
  int64_t tasks() const { return groupBlocks * panelBlocks * rowBlocks * chunkBlocks; }
};
TaskGrid taskGrid(const ConvProblem &problem, const PanelLayout &layout, const PixelLoops &loops, int64_t wanted);

/// The same where sizes are those of a run: a task does a block of rows and columns of every phase.
struct OpenGrid {
  int64_t groups = 1, panels = 1, rows = 1, columns = 1; ///< in one task
  int64_t groupBlocks = 1, panelBlocks = 1;
  Index rowBlocks = 1, columnBlocks = 1;
  TaskCount tasks;
};
/// `us`: time of one column of one panel of one group, in all phases.
OpenGrid openGrid(const ConvProblem &problem, const PanelLayout &layout, const PixelLoops &loops, double us);

} // namespace tern::cpu
#endif
