// Attention as the operators of ONNX and ONNX Runtime say it, put together step by step and built as nn.attention.
#ifndef TERN_IMPORT_OPS_ATTENTIONPARTS_H
#define TERN_IMPORT_OPS_ATTENTIONPARTS_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// All functions pass a null value on: a rule checks once, at its end.
struct Attention {
  mlir::Value q, k, v; ///< [B, H, S, D], [B, G, T, D], [B, G, T, E]
  mlir::Value mask;    ///< added floats, or i1; broadcasts to [B, H, S, T]; null: none
  /// The place of the first query among the keys (null: 0); null `offsets`: the same for the whole batch.
  nn::SizeExpr offset;
  mlir::Value offsets; ///< [B] integers
  bool causal = false; ///< keys behind the query's place are not seen
  int64_t left = -1, right = -1; ///< a query sees so many keys before and after its place; -1: all
  mlir::Value sink;    ///< [H]: a score that takes part in the softmax and has no value
  float scale = 1, softcap = 0;
};

/// The sizes of a value; empty for none.
nn::Sizes sizesOf(Node &n, mlir::Value value);
nn::SizeExpr size(Node &n, int64_t value);
/// A reshape to these sizes, or the value when it has them.
mlir::Value reshape(Node &n, mlir::Value value, const nn::Sizes &shape, mlir::StringAttr name = {});

/// [B, S, heads * D] -> [B, heads, S, D]
mlir::Value splitHeads(Node &n, mlir::Value x, int64_t heads);
/// [B, H, S, D] -> [B, S, H * D]
mlir::Value mergeHeads(Node &n, mlir::Value x, mlir::StringAttr name);
/// [.., D] -> [.., sizes[i]]: neighbouring parts of the last dimension.
llvm::SmallVector<mlir::Value> splitLast(Node &n, mlir::Value x, llvm::ArrayRef<int64_t> sizes);
/// The pieces after one another along an axis; nulls are left out.
mlir::Value concatenate(Node &n, llvm::ArrayRef<mlir::Value> parts, int64_t axis);
mlir::Value slice(Node &n, mlir::Value x, int64_t axis, int64_t start, int64_t size);

mlir::Value binary(Node &n, nn::BinaryKind kind, mlir::Value a, mlir::Value b, mlir::StringAttr name = {});
mlir::Value compare(Node &n, nn::CompareKind kind, mlir::Value a, mlir::Value b);
mlir::Value cast(Node &n, mlir::Value x, mlir::Type element);
/// A rank-0 tensor of a size.
mlir::Value sizeScalar(Node &n, mlir::Type element, nn::SizeExpr value);
/// start, start + 1, ...: `count` integers of this type.
mlir::Value countUp(Node &n, mlir::Type element, nn::SizeExpr start, nn::SizeExpr count);

/// What both masks let pass; either may be null.
mlir::Value bothMasks(Node &n, mlir::Value a, mlir::Value b, mlir::Type element);
/// i1 [B, 1, 1, keys]: the key's place is before the length of its sequence (integers [B]).
mlir::Value lengthMask(Node &n, mlir::Value lengths, nn::SizeExpr keys);
/// An i1 mask as floats: 0 where it is true, `fill` elsewhere.
mlir::Value maskOfFloats(Node &n, mlir::Value mask, mlir::Type element, double fill);

/// What the scores are at some step of the computation, [B, H, S, T].
struct Scores {
  mlir::Value raw, capped, masked, weights;
};
/// The scores of an attention spelled out in simple ops: for outputs and variants that nn.attention does not have. `upTo`
/// weights: also the softmax.
Scores spellOut(Node &n, Attention parts, bool weights);

/// The result, [B, H, S, E]. The op has `name`.
mlir::Value build(Node &n, Attention parts, mlir::StringAttr name);

/// nn.rope of x [B, H, S, D] or [B, S, H, D] (`heads` is the axis of the heads, 1 or 2), cos and sin [B or 1, S, R / 2].
mlir::Value rotate(Node &n, mlir::Value x, mlir::Value cos, mlir::Value sin, bool interleaved, int64_t heads,
                   mlir::StringAttr name = {});

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_ATTENTIONPARTS_H
