//===- ConvTile.h - the register tile of a convolution --------------------===//
#ifndef TERN_TARGET_CPU_WINDOWS_CONVTILE_H
#define TERN_TARGET_CPU_WINDOWS_CONVTILE_H

#include "lib/Target/Cpu/Math/ByteTable.h"
#include "lib/Target/Cpu/Windows/ConvStep.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Windows/PixelLoops.h"

namespace tern::cpu {

/// Emits tiles: some output pixels times one or two vectors of output channels, with the epilogue and the stores.
class ConvTile {
public:
  /// The columns of a panel that one tile covers.
  struct Columns {
    int64_t panelWidth; ///< columns of the packed panel
    Index panel;        ///< where the panel begins in the weights
    Index column;       ///< first column inside the panel
    Index channel;      ///< first output channel
    int64_t valid;      ///< channels that exist
    int64_t vectors;    ///< 1 or 2
    bool prefetch;      ///< this panel is read by few tiles: the next one is fetched meanwhile
    bool half;          ///< the second vector holds half as many channels of two pixels: nothing of it is wasted
  };
  /// The columns for `valid` channels at most; a half vector pays where two pixels are there and registers suffice.
  static Columns columnsFor(const ConvProblem &problem, const Isa &isa, int64_t valid);

  ConvTile(KernelBuilder &k, const ConvProblem &problem, const PanelLayout &layout);
  /// The loops around tiles of these columns.
  PixelLoops loopsFor(const Phase &phase, const Columns &columns);
  /// Element types of the kernel's arguments.
  static llvm::SmallVector<Elem> argsOf(const ConvProblem &problem);

  /// `bases`: offset of the first pixel in every operand of `loops`; the tile has `width` columns of pixels.
  void emit(const Phase &phase, const PixelLoops &loops, llvm::ArrayRef<Index> bases, int64_t width,
            const Columns &columns);

  /// Weight offsets are bytes, but elements of an f32 memref.
  int64_t unit(int64_t bytes) const { return p.arith == Arith::F32 ? bytes / 4 : bytes; }

private:
  /// One accumulator: `vector` of the columns, of a pixel, or of two pixels (upper half: `partner`).
  struct Place {
    int64_t pixel, partner, vector;
  };
  /// What the tile at hand consists of.
  struct Shape {
    const Phase &phase;
    const Columns &columns;
    llvm::SmallVector<Index> pixels; ///< input offset of each
    llvm::SmallVector<Place> places;
    int64_t size() const { return places.size(); }
  };

  Values reduce(const Shape &shape);
  Values reduceScaleGroups(const Shape &shape, const Index &a, const Index &b, Values acc);
  Values reduceSteps(const Shape &shape, const Index &a, const Index &b, int64_t steps, bool cut, Values acc,
                     llvm::ArrayRef<mlir::Value> scales);
  void multiplyStep(const Shape &shape, const Index &a, const Index &b, int64_t parts,
                    llvm::ArrayRef<mlir::Value> scales, llvm::MutableArrayRef<mlir::Value> acc);
  Values combine(const Shape &shape, Values acc);
  void finishNarrow(const Shape &shape, const PixelLoops &loops, llvm::ArrayRef<Index> bases,
                    llvm::ArrayRef<mlir::Value> acc);
  void finishPhases(const Shape &shape, const PixelLoops &loops, llvm::ArrayRef<Index> bases,
                    llvm::ArrayRef<mlir::Value> acc);
  Values narrowInputs(llvm::ArrayRef<Index> at, mlir::Value acc, const Piece &piece);
  mlir::Value gather(llvm::ArrayRef<mlir::Value> acc, int64_t first, int64_t width);
  mlir::Value repeat(mlir::Value memref, const Index &at, int64_t first, int64_t lanes);
  int64_t narrowLanes(const Columns &columns, const PixelLoops &loops) const;
  const Map *mapOf(size_t operand) const;
  void finish(const Shape &shape, const PixelLoops &loops, llvm::ArrayRef<Index> bases,
              llvm::ArrayRef<mlir::Value> acc);

  bool isHalf(const Columns &c, int64_t vector) const { return c.half && vector == 1; }
  ByteTable *tail() { return table ? &*table : nullptr; }
  Values loadStarts(const Columns &columns);
  mlir::Value loadScale(const Index &at, bool half);
  mlir::Value hide(mlir::Value v, bool half);
  mlir::Value mix(mlir::Value low, mlir::Value high);

  /// Few accumulators are split along the reduction: a multiply takes four clocks and two start in each.
  static int64_t waysOf(int64_t accumulators) { return std::clamp<int64_t>(8 / accumulators, 1, 4); }
  /// f32 behind the last channel must not be read, it could be NaN; bytes may be anything, their weights are 0.
  bool endsInStep() const { return !step.integer() && layout.inC % layout.stepChannels; }

  KernelBuilder &k;
  const ConvProblem &p;
  const PanelLayout &layout;
  ConvStep step;
  int64_t L;
  SplitEpilogue epilogue;
  ExprVector expr; ///< the head of the epilogue
  ExprVector tailProgram;
  std::optional<ByteTable> table; ///< the tail, if there is one
  mlir::Value in, weights, init, out;
};

} // namespace tern::cpu
#endif
