//===- AttentionTile.h - the blocks of an attention kernel ----------------===//
#ifndef TERN_TARGET_CPU_PRODUCTS_ATTENTIONTILE_H
#define TERN_TARGET_CPU_PRODUCTS_ATTENTIONTILE_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Problems/RowProblems.h"

namespace tern::cpu {

/// Sizes of the register tiles and of what a task keeps on its stack, in floats.
struct AttentionPlan {
  AttentionPlan(const AttentionProblem &p, const Isa &isa);

  int64_t lanes;
  int64_t queries;   ///< of a block: two registers
  int64_t keyTile;   ///< keys of a score tile
  int64_t rowTile;   ///< queries of an output tile
  int64_t keyBlock;  ///< keys whose scores are in scratch at once, a multiple of keyTile and of lanes
  bool transposedMask; ///< the mask depends on the query, so it is turned like the scores
  int64_t widthPadded; ///< elements of an output row in scratch
  int64_t q, scores, mask, out, factors, total; ///< offsets on the stack
};

/// The keys that one task of a query has: of `parts` parts of those that the query sees.
struct AttentionShare {
  Index part = 0, parts = 1;
  mlir::Value partials; ///< f32; null: all keys are one part
  Index at = 0;         ///< of the query, first head and part there; heads follow at `headStride`
  int64_t headStride = 0;
};

/// Offsets of one head of one picture; everything that does not change inside a task.
struct AttentionHead {
  Index q, k, v, out, mask;
};

/// Blocks of many queries: scores lie turned, a key is a row and a query a lane. Nothing but q is transposed, and the
/// softmax has no reduction across lanes.
class AttentionTile {
public:
  AttentionTile(KernelBuilder &k, const AttentionProblem &p, const AttentionPlan &plan, unsigned maskArg, unsigned outArg);

  /// Queries first .. first + count - 1 of a head; count <= vectors * lanes (static or not).
  void block(const AttentionHead &head, const Index &first, const Index &count, int64_t vectors);
  /// One query, along the keys, for `heads` neighbouring heads of a group from `head` on: they read its keys and values once.
  void query(const AttentionHead &head, const Index &at, int64_t heads, const AttentionShare &share = {});
  /// Parts of the keys of a run that shares them out, else 1.
  Index parts();
  /// Where the partial results of a part lie.
  Index partialAt(const Index &picture, const Index &head, const Index &query, const Index &part);
  /// The results of a picture whose keys had several parts.
  void join(mlir::Value partials, const Index &picture);

private:
  struct Range {
    Index lo, hi;
  };
  /// The keys that queries first .. last may see.
  Range visible(const Index &first, const Index &last);
  void packQueries(const AttentionHead &head, const Index &first, int64_t vectors);
  void packMask(const AttentionHead &head, const Index &first, const Range &keys, int64_t vectors);
  Values scoreTile(const AttentionHead &head, const Range &block, const Index &t, int64_t rows, bool clamped, int64_t vectors,
                   const Values &positions, mlir::ValueRange max);
  void outputTiles(const AttentionHead &head, const Range &block, int64_t vectors, bool single);
  mlir::Value hide(mlir::Value score, mlir::Value position, mlir::Value key);
  mlir::Value loadMask(const Index &at, int64_t lanes, mlir::Value lanesMask);
  mlir::Value cap(mlir::Value score);
  mlir::Value toI32(const Index &i);
  mlir::Value foldLanes(Values rows);
  void finish(mlir::Value sum, const Index &from, const Index &to);
  static Index scratchAt(int64_t region) { return region; }

  KernelBuilder &k;
  const AttentionProblem &p;
  const AttentionPlan &plan;
  mlir::Value maskMemref, out, scratch;
  Index keys, lag; ///< lag: keys - queries
  int64_t L;
};

} // namespace tern::cpu
#endif
