// Attention and RotaryEmbedding of ONNX.
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/AttentionParts.h"
#include "lib/Import/Ops/Rules.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// attn_mask may be shorter than the keys: the others are not seen.
static Value padMask(Node &n, Value mask, nn::SizeExpr keys) {
  int64_t rank = mask ? tensorType(mask).getRank() : 0;
  nn::SizeExpr own = rank ? sizesOf(n, mask).back() : nn::SizeExpr();
  if (!own || own == keys || own.isConstant(1))
    return mask;
  bool isBool = tensorType(mask).getElementType().isInteger(1);
  if (!own.constant() || !keys.constant()) {
    // With lengths of its own (nonpad_kv_seqlen) a mask may really be shorter; else the two are one number.
    if (n.hasInput(6)) {
      nn::SizeTable &table = n.importer.sizeAnalysis.table;
      nn::Sizes low(size_t(rank), table.constant(0)), high = low;
      high.back() = table.sub(keys, own);
      return padTo(n, mask, low, high, isBool ? 0 : -INFINITY);
    }
    if (!n.importer.sizeAnalysis.unify(own, keys))
      n.error() << "attn_mask is for " << own.str() << " keys; there are " << keys.str();
    return mask;
  }
  Ints low(size_t(rank), 0), high(size_t(rank), 0);
  high.back() = *keys.constant() - *own.constant();
  if (high.back() < 0)
    return mask;
  double value = isBool ? 0 : -INFINITY;
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
  nn::SizeExpr queries = sizesOf(n, a.q)[2], keys = sizesOf(n, a.k)[2];
  if (n.hasFailed() || ShapedType::isDynamic(tensorType(a.q).getDimSize(3)) || ShapedType::isDynamic(tensorType(a.q).getDimSize(1)) ||
      ShapedType::isDynamic(tensorType(a.k).getDimSize(1)))
    return n.hasFailed() ? failure() : n.keepOpen("the number or the size of its heads is only known at run time");
  a.scale = n.hasAttr("scale") ? n.real("scale", 1) : 1 / std::sqrt(float(tensorType(a.q).getDimSize(3)));
  a.softcap = n.real("softcap", 0);
  a.causal = n.integer("is_causal", 0);
  a.left = n.integer("left_window_size", -1);
  a.right = n.integer("right_window_size", -1);
  a.mask = padMask(n, n.operand(3), keys);
  if (a.mask && !tensorType(a.mask).getElementType().isInteger(1))
    a.mask = cast(n, a.mask, element);
  if (n.hasInput(4))
    a.offset = n.sizes(4)[2];
  if (n.hasInput(6)) {
    Value lengths = reshape(n, n.operand(6), {n.importer.sizeAnalysis.table.product(n.sizes(6))});
    a.mask = bothMasks(n, a.mask, lengthMask(n, lengths, keys), element);
    if (a.causal || a.left >= 0 || a.right >= 0)
      a.offsets = lengths ? binary(n, BinaryKind::sub, lengths, sizeScalar(n, tensorType(lengths).getElementType(), queries)) : Value();
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
  nn::Sizes shape = n.sizes(0);
  std::optional<int64_t> width = shape.back().constant();
  if (!width)
    return n.keepOpen("the size of its heads is only known at run time");
  if (rank == 3 && (heads < 1 || *width % heads))
    return n.error() << "num_heads is " << heads << "; it must divide the " << *width << " elements of a position of X";
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
  int64_t length = rank == 3 ? *width / heads : *width, pairs = tensorType(tables[0]).getShape().back();
  if (2 * pairs != (rotated ? rotated : length))
    return n.error() << "the caches rotate " << pairs << " pairs; " << (rotated ? "rotary_embedding_dim" : "the size of a head")
                     << " is " << (rotated ? rotated : length);
  bool interleaved = n.integer("interleaved", 0);
  if (rank == 4)
    return n.result(rotate(n, x, tables[0], tables[1], interleaved, 1, n.name()));
  x = reshape(n, x, {shape[0], shape[1], size(n, heads), size(n, length)});
  return n.result(reshape(n, rotate(n, x, tables[0], tables[1], interleaved, 2, n.name()), shape));
}

static constexpr Rule kRules[] = {
    {"Attention", 23, 3, 7, importAttention},
    {"RotaryEmbedding", 23, 3, 4, importRotaryEmbedding},
};
ArrayRef<Rule> attentionRules() { return kRules; }

} // namespace tern::importer
