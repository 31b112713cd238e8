//===- GemmTile.h - the register tiles of a matrix product ----------------===//
#ifndef TERN_TARGET_CPU_PRODUCTS_GEMMTILE_H
#define TERN_TARGET_CPU_PRODUCTS_GEMMTILE_H

#include "lib/Target/Cpu/Problems/GemmProblem.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Some rows times some vectors of outputs.
struct GemmShape {
  int64_t rows, vectors;
};
/// The tiles of an instruction set, the tallest first, one row last: rows are cut into them greedily. Few rows take all columns of a panel
/// at once where the registers allow it.
llvm::SmallVector<GemmShape, 6> gemmShapes(const GemmProblem &problem, const Isa &isa);

/// Emits the sums of one panel for a few rows. They go to a buffer on the stack that stays in the first level cache; what is done with them
/// is then one loop for all tiles (EmitGemm.cpp).
class GemmTile {
public:
  /// Arguments `x`, `weights` and, with xGroup, `xScales`.
  GemmTile(KernelBuilder &k, const GemmProblem &p, const GemmLayout &layout, mlir::Value xScales);

  /// What tiles of at least `preparedRows` rows need of a panel; several of them share it.
  void prepare(const Index &panel);
  bool needsPreparation() const { return bool(starts); }
  static constexpr int64_t preparedRows = 4;
  /// Rows row .. row + shape.rows - 1 times the outputs of `panel`.
  void emit(const GemmShape &shape, const Index &row, const Index &panel);
  /// The raw sums of outputs at .. at + lanes - 1 of the panel and row `row` of the tile: to be shifted or scaled by accShift().
  mlir::Value sums(const Index &row, int64_t at, int64_t lanes, mlir::Value mask);

private:
  /// The tile at hand.
  struct Tile {
    int64_t rows, vectors;
    Index x;       ///< offset of the first row
    Index row;     ///< its number
    Index weights; ///< where the column of the tile begins in its panel
    Index column;  ///< first output inside the panel
    Index ahead;   ///< where this tile fetches its half of the next panel from
    bool fetches;
    int64_t size() const { return rows * vectors; }
  };
  /// The parameters of a block of weights, one vector each.
  struct Block {
    Values scales, zeros, starts; ///< zeros: bytes (integer) or f32; starts: i32
  };

  Values reduce(const Tile &tile);
  void sumChains(const Tile &tile, int64_t channels);
  Values reduceBlock(const Tile &tile, const Index &block, int64_t number, Values acc);
  Values steps(const Tile &tile, const Index &weights, const Index &x, const Index &ahead, int64_t channels, const Block &block, Values acc,
               int64_t ways);
  void fetch(const Index &at);
  void step(const Tile &tile, const Index &weights, const Index &x, int64_t channels, const Block &block, llvm::MutableArrayRef<mlir::Value> acc);
  Block parameters(const Tile &tile, const Index &weights, int64_t number);
  mlir::Value integerWeights(mlir::Value loaded, int64_t part, mlir::Value zero);
  mlir::Value lookUp(mlir::Value index, bool fromZero);
  mlir::Value floatWeights(mlir::Value loaded, int64_t channel, mlir::Value zero, mlir::Value scale);

  /// AVX2 multiplies codes of at most 4 bits by vpmaddubsw: they lie in the low end of their byte, and sums get the factor of accShift() at the
  /// end.
  bool isNarrow() const { return k.target().level == 1 && p.integer() && p.bits <= 4; }
  mlir::Value widened(mlir::Value sum) { return isNarrow() && p.accShift() ? k.shl(sum, k.i32(p.accShift(), L)) : sum; }

  int64_t unit(int64_t bytes) const { return p.floatWeights() ? bytes / 4 : bytes; }
  /// Sums of codes + 128 of x contain 128 * sum(w). Where no start takes it off, it is one more row of the tile, whose x is 128: one for all
  /// tiles of a panel (prepare), or one of the tile.
  bool isShifted() const { return p.xGroup && !layout.startBytes; }
  bool hasShiftRow(const Tile &tile) const { return isShifted() && !(starts && tile.rows >= preparedRows); }
  /// Tall tiles of blocks have no registers for a second set of accumulators: the scaled sums stay in the buffer.
  bool sumsInBuffer(const Tile &tile) const { return p.integer() && p.block() && tile.rows > 6; }
  int64_t rowsOf(const Tile &tile) const { return tile.rows + hasShiftRow(tile); }
  /// Channels of a chain of additions of floats, 0: all of them are one.
  int64_t chainOf(const Tile &tile) const;
  static int64_t waysOf(int64_t accumulators) { return std::clamp<int64_t>(8 / accumulators, 1, 4); }

  KernelBuilder &k;
  const GemmProblem &p;
  const GemmLayout &layout;
  int64_t L;
  mlir::Value x, weights, xScales, buffer;
  mlir::Value starts; ///< of the outputs of the panel at hand in each block; null: tiles do not share them
};

} // namespace tern::cpu
#endif
