//===- RaiseHeads.h - how exporters write q, k, v and masks ---------------===//
// Private to RaiseAttention.cpp and RaiseHeads.cpp.
#ifndef TERN_DIALECTS_NN_TRANSFORMS_RAISEHEADS_H
#define TERN_DIALECTS_NN_TRANSFORMS_RAISEHEADS_H

#include "dialects/NN/Transforms/Raise.h"

namespace tern::nn {

/// select(isnan(x), 0, x): what a softmax of nothing but -inf gives is nothing.
bool guardOf(SelectOp select);
/// All users of a value are one such guard.
bool isGuarded(mlir::Value value);

/// scores * keeps + (1 - keeps) * fill: a mask of numbers 0 and 1 that chooses by arithmetic.
struct KeptScores {
  mlir::Value scores, keeps;
  double fill;
};
std::optional<KeptScores> keptScoresOf(BinaryOp op);

/// A reshape that merges or splits the dimensions before the last two only.
bool keepsMatrices(ReshapeOp op);

/// The value in another shape; a chain of reshapes is one, and none where the shape comes back.
mlir::Value reshapeFolded(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<int64_t> shape);
/// The last two dimensions exchanged, by way of a transposition in front where there is one.
mlir::Value swapLast(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value);
/// The value without a factor, which `scale` takes; through transpositions and reshapes that nobody else reads.
mlir::Value withoutScale(mlir::OpBuilder &builder, mlir::Value value, double &scale);
/// [B, G, T, D] of k or v [B, H, T, D] whose heads are H / G copies each; null when they are not.
mlir::Value withoutRepeats(mlir::OpBuilder &builder, mlir::Value value);

/// A mask without its causal part (query i sees keys j <= i + keys - queries), for which `causal` is set; null when nothing
/// else is left.
mlir::Value withoutCausal(mlir::Value mask, int64_t queries, int64_t keys, bool &causal);
/// Whether added floats are 0 where a causal mask lets pass, and very low elsewhere.
bool isCausalBias(mlir::Value bias, int64_t queries, int64_t keys);

} // namespace tern::nn
#endif
