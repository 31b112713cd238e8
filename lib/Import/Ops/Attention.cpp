// Attention and RotaryEmbedding of ONNX.
#include "lib/Import/Ops/AttentionParts.h"
#include "lib/Import/Ops/Rules.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// attn_mask may be shorter than the keys: the others are not seen.
static Value padMask(Node &n, Value mask, int64_t keys) {
  if (!mask)
    return {};
  RankedTensorType type = tensorType(mask);
  int64_t rank = type.getRank(), missing = rank ? keys - type.getShape().back() : 0;
  if (missing <= 0 || type.getShape().back() == 1)
    return mask;
  Ints low(size_t(rank), 0), high(size_t(rank), 0);
  high.back() = missing;
  double value = type.getElementType().isInteger(1) ? 0 : -INFINITY;
  return n.create<PadOp>(mask, low, high, PadMode::constant, llvm::APFloat(value), StringAttr());
}

/// Attention(Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen): all of opset 23 to 25.
static LogicalResult importAttention(Node &n) {
  int64_t rank = n.rank(0), heads = n.integer("q_num_heads", 0), groups = n.integer("kv_num_heads", 0);
  if ((rank != 3 && rank != 4) || n.rank(1) != rank || n.rank(2) != rank)
    return n.error() << "Q, K and V have ranks " << rank << ", " << n.rank(1) << " and " << n.rank(2)
                     << "; all have 3 or all have 4";
  if (rank == 3 && (heads < 1 || groups < 1))
    return n.error() << "Q has rank 3; q_num_heads and kv_num_heads must say how it divides into heads";
  if (n.hasInput(4) != n.hasInput(5))
    return n.error() << "past_key and past_value come together";
  if (n.hasInput(4) && n.hasInput(6))
    return n.error() << "nonpad_kv_seqlen is the length of a cache; past_key and past_value must be absent";
  auto split = [&](int i, int64_t count) { return rank == 3 ? splitHeads(n, n.operand(i), count) : n.operand(i); };
  Attention a;
  a.q = split(0, heads);
  a.k = concatenate(n, {n.operand(4), split(1, groups)}, 2);
  a.v = concatenate(n, {n.operand(5), split(2, groups)}, 2);
  if (!a.q || !a.k || !a.v || n.hasFailed())
    return failure();
  Type element = tensorType(a.q).getElementType();
  int64_t queries = tensorType(a.q).getDimSize(2), keys = tensorType(a.k).getDimSize(2);
  a.scale = n.hasAttr("scale") ? n.real("scale", 1) : 1 / std::sqrt(float(tensorType(a.q).getDimSize(3)));
  a.softcap = n.real("softcap", 0);
  a.causal = n.integer("is_causal", 0);
  a.left = n.integer("left_window_size", -1);
  a.right = n.integer("right_window_size", -1);
  a.mask = padMask(n, n.operand(3), keys);
  if (a.mask && !tensorType(a.mask).getElementType().isInteger(1))
    a.mask = cast(n, a.mask, element);
  if (n.hasInput(4))
    a.offset = n.type(4).getDimSize(2);
  if (n.hasInput(6)) {
    Value lengths = n.reshape(n.operand(6), {n.type(6).getNumElements()});
    a.mask = bothMasks(n, a.mask, lengthMask(n, lengths, keys), element);
    if (a.causal || a.left >= 0 || a.right >= 0)
      a.offsets = lengths ? binary(n, BinaryKind::sub, lengths, n.scalar(tensorType(lengths).getElementType(), queries)) : Value();
  }
  Value y = build(n, a, n.name());
  if (!y || failed(n.result(rank == 3 ? mergeHeads(n, y, {}) : y)) || failed(n.result(a.k, 1)) || failed(n.result(a.v, 2)))
    return failure();
  if (!n.isOutputUsed(3))
    return success();
  int64_t mode = n.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    return n.error() << "qk_matmul_output_mode is " << mode << "; 0 to 3 are defined";
  Scores scores = spellOut(n, a, mode == 3);
  return n.result(mode == 0 ? scores.raw : mode == 1 ? scores.capped : mode == 2 ? scores.masked : scores.weights, 3);
}

/// RotaryEmbedding(X, cos_cache, sin_cache, position_ids): X [B, H, S, D] or [B, S, H * D]
static LogicalResult importRotaryEmbedding(Node &n) {
  int64_t rank = n.rank(0), heads = n.integer("num_heads", 0), rotated = n.integer("rotary_embedding_dim", 0);
  if (rank != 3 && rank != 4)
    return n.error() << "X has rank " << rank << "; it is 3 or 4";
  Ints shape(n.type(0).getShape());
  if (rank == 3 && (heads < 1 || shape[2] % heads))
    return n.error() << "num_heads is " << heads << "; it must divide the " << shape[2] << " elements of a position of X";
  Value x = n.operand(0), tables[2];
  for (int i : {1, 2}) {
    Value table = n.operand(i);
    if (n.hasInput(3) && table)
      table = n.create<GatherOp>(table, n.operand(3), int64_t(0), StringAttr());
    if (table && tensorType(table).getRank() != 3)
      return n.error() << "a cache of type " << n.type(i) << (n.hasInput(3) ? " with" : " without")
                       << " position_ids; it has " << (n.hasInput(3) ? 2 : 3) << " dimensions";
    tables[i - 1] = table;
  }
  if (!tables[0] || !tables[1])
    return failure();
  int64_t size = rank == 3 ? shape[2] / heads : shape[3], pairs = tensorType(tables[0]).getShape().back();
  if (2 * pairs != (rotated ? rotated : size))
    return n.error() << "the caches rotate " << pairs << " pairs; " << (rotated ? "rotary_embedding_dim" : "the size of a head")
                     << " is " << (rotated ? rotated : size);
  bool interleaved = n.integer("interleaved", 0);
  if (rank == 4)
    return n.result(rotate(n, x, tables[0], tables[1], interleaved, 1, n.name()));
  x = n.reshape(x, {shape[0], shape[1], heads, size});
  return n.result(n.reshape(rotate(n, x, tables[0], tables[1], interleaved, 2, n.name()), shape));
}

static constexpr Rule kRules[] = {
    {"Attention", 23, 3, 7, importAttention},
    {"RotaryEmbedding", 23, 3, 4, importRotaryEmbedding},
};
ArrayRef<Rule> attentionRules() { return kRules; }

} // namespace tern::importer
