// ONNX Runtime's attention operators (com.microsoft): Attention, MultiHeadAttention, GroupQueryAttention, RotaryEmbedding.
#include "lib/Import/Ops/AttentionParts.h"
#include "lib/Import/Ops/Rules.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static float scaleOf(Node &n, Value q) {
  float scale = n.real("scale", 0);
  return scale != 0 || !q ? scale : 1 / std::sqrt(float(tensorType(q).getShape().back()));
}

/// The mask inputs of Attention and MultiHeadAttention as added floats: lengths [B]; ends and starts [2 B]; [B, T] or [B, S, T]
/// of 0 and 1. What is hidden gets `fill` (mask_filter_value), which leaves a row of nothing else as it would be unmasked.
static FailureOr<Value> fillMask(Node &n, int input, const Attention &a, float fill) {
  if (!n.hasInput(input) || !a.q || !a.k)
    return Value();
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  nn::SizeExpr batch = sizesOf(n, a.q)[0], keys = sizesOf(n, a.k)[2], queries = sizesOf(n, a.q)[2], one = size(n, 1);
  RankedTensorType type = n.type(input);
  nn::Sizes shape = n.sizes(input);
  Value given = n.operand(input), seen;
  bool twice = shape.size() == 1 && shape[0] == table.mul(batch, size(n, 2)) && batch.constant();
  if ((shape.size() == 1 && shape[0] == batch) || twice) {
    seen = lengthMask(n, twice ? slice(n, given, 0, 0, *batch.constant()) : given, keys);
    if (twice) {
      Value starts = reshape(n, slice(n, given, 0, *batch.constant(), *batch.constant()), {batch, one, one, one});
      seen = bothMasks(n, seen, compare(n, CompareKind::ge, countUp(n, type.getElementType(), size(n, 0), keys), starts), {});
    }
  } else if (shape == nn::Sizes{batch, keys} || shape == nn::Sizes{batch, queries, keys}) {
    Value zero = type.getElementType().isInteger(1) ? Value() : n.scalar(type.getElementType(), 0);
    seen = reshape(n, given, {batch, one, shape.size() == 3 ? queries : one, keys});
    seen = zero ? compare(n, CompareKind::gt, seen, zero) : seen;
  } else {
    n.error() << "a mask of type " << type << "; for " << batch.str() << " sequences of " << queries.str() << " queries and " << keys.str()
              << " keys it has shape " << nn::print({batch}) << ", twice that, " << nn::print({batch, keys}) << " or "
              << nn::print({batch, queries, keys});
    return failure();
  }
  return maskOfFloats(n, seen, tensorType(a.q).getElementType(), fill);
}

/// Adds attention_bias, which broadcasts to [B, H, S, T].
static void addBias(Node &n, int input, Attention &a) {
  if (n.hasInput(input) && a.q)
    a.mask = bothMasks(n, a.mask, n.operand(input), tensorType(a.q).getElementType());
}

//===-- Attention ---------------------------------------------------------------===//
/// Attention(input, weights, bias, mask_index, past, attention_bias): q, k, v are one product with [in, q + k + v] weights.
static LogicalResult importAttention(Node &n) {
  if (n.integer("do_rotary", 0))
    return n.keep("it rotates positions inside (do_rotary)");
  if (n.integer("past_present_share_buffer", 0) || n.hasInput(6))
    return n.keep("past and present share a buffer (past_present_share_buffer)");
  int64_t heads = n.integer("num_heads", 0);
  if (n.rank(0) != 3 || n.rank(1) != 2 || heads < 1)
    return n.error() << "input and weights of types " << n.type(0) << " and " << n.type(1) << " with " << heads
                     << " heads; they have 3 and 2 dimensions and num_heads is at least 1";
  int64_t total = n.type(1).getDimSize(1);
  if (ShapedType::isDynamic(total))
    return n.keepOpen("the size of its heads is only known at run time");
  Ints sizes = n.integers("qkv_hidden_sizes");
  if (sizes.empty())
    sizes.assign(3, total / 3);
  if (sizes.size() != 3 || sizes[0] + sizes[1] + sizes[2] != total || sizes[0] != sizes[1])
    return n.error() << "weights have " << total << " columns; they do not divide into q, k and v as qkv_hidden_sizes says";
  Value projected = n.create<MatmulOp>(n.operand(0), n.operand(1), n.operand(2), false, false,
                                       n.importer.uniqueName(n.name().getValue() + ".qkv"));
  SmallVector<Value> qkv = splitLast(n, projected, sizes);
  Attention a;
  a.q = splitHeads(n, qkv[0], heads);
  a.k = splitHeads(n, qkv[1], heads);
  a.v = splitHeads(n, qkv[2], heads);
  if (n.hasInput(4) && a.k) {
    if (n.rank(4) != 5 || n.type(4).getDimSize(0) != 2)
      return n.error() << "past has type " << n.type(4) << "; it is [2, B, H, P, D]";
    nn::Sizes shape = n.sizes(4);
    shape.erase(shape.begin());
    a.offset = shape[2];
    Value past = n.operand(4);
    a.k = concatenate(n, {reshape(n, slice(n, past, 0, 0, 1), shape), a.k}, 2);
    a.v = concatenate(n, {reshape(n, slice(n, past, 0, 1, 1), shape), a.v}, 2);
  }
  if (!a.q || !a.k || !a.v)
    return failure();
  a.scale = scaleOf(n, a.q);
  a.causal = n.integer("unidirectional", 0);
  auto mask = fillMask(n, 3, a, n.real("mask_filter_value", -10000));
  if (failed(mask))
    return failure();
  a.mask = *mask;
  addBias(n, 5, a);
  if (failed(n.result(mergeHeads(n, build(n, a, n.name()), {}))))
    return failure();
  if (!n.isOutputUsed(1))
    return success();
  nn::Sizes one = sizesOf(n, a.k);
  if (sizesOf(n, a.v) != one)
    return n.error() << "present holds k and v, which have different sizes here";
  one.insert(one.begin(), size(n, 1));
  return n.result(concatenate(n, {reshape(n, a.k, one), reshape(n, a.v, one)}, 0), 1);
}

//===-- MultiHeadAttention ----------------------------------------------------===//
/// q, k, v of [B, S, H, 3, D] or [B, T, H, 2, D]: part `i` as [B, H, S, D].
static Value unpack(Node &n, Value packed, int64_t i) {
  if (!packed)
    return {};
  nn::Sizes shape = sizesOf(n, packed);
  Value part = reshape(n, slice(n, packed, 3, i, 1), {shape[0], shape[1], shape[2], shape[4]});
  return part ? n.create<TransposeOp>(part, Ints{0, 2, 1, 3}, StringAttr()) : Value();
}

/// MultiHeadAttention(query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value)
static LogicalResult importMultiHeadAttention(Node &n) {
  if (n.hasInput(8) || n.hasInput(9))
    return n.keep("past and present share a buffer (past_sequence_length, cache_indirection)");
  int64_t heads = n.integer("num_heads", 0);
  if (heads < 1)
    return n.error() << "num_heads is " << heads << "; it is at least 1";
  if (n.hasInput(6) != n.hasInput(7))
    return n.error() << "past_key and past_value come together";
  // The bias of q, k and v, one after another.
  Value biases[3];
  if (n.hasInput(3)) {
    int64_t total = n.type(3).getNumElements(), q = n.rank(0) == 5 ? total / 3 : n.type(0).getDimSize(2);
    if (n.rank(3) != 1 || total < 2 * q)
      return n.error() << "bias of type " << n.type(3) << "; it holds those of q, k and v";
    SmallVector<Value> parts = splitLast(n, n.operand(3), {q, q, total - 2 * q});
    std::copy(parts.begin(), parts.end(), biases);
  }
  /// [B, S, H * D] or [B, H, S, D] as [B, H, S, D], with its bias.
  auto split = [&](int input, int64_t bias) -> Value {
    Value x = n.operand(input);
    if (!x || n.rank(input) == 4)
      return x;
    return splitHeads(n, biases[bias] ? binary(n, BinaryKind::add, x, biases[bias]) : x, heads);
  };
  auto packed = [&](int input, int64_t i, int64_t bias) -> Value {
    Value x = n.operand(input);
    if (x && biases[bias]) {
      Ints s(tensorType(x).getShape());
      Value flat = reshape(n, biases[bias], {size(n, heads), size(n, 1), size(n, s[4])});
      Value all = slice(n, x, 3, i, 1);
      all = binary(n, BinaryKind::add, all, flat);
      return unpack(n, all, 0);
    }
    return unpack(n, x, i);
  };
  Attention a;
  if (n.rank(0) == 5) {
    a.q = packed(0, 0, 0);
    a.k = packed(0, 1, 1);
    a.v = packed(0, 2, 2);
  } else if (!n.hasInput(1)) {
    return n.error() << "key is missing; only a packed query [B, S, H, 3, D] holds it";
  } else if (n.rank(1) == 5) {
    a.q = split(0, 0);
    a.k = packed(1, 0, 1);
    a.v = packed(1, 1, 2);
  } else if (!n.hasInput(2)) {
    return n.error() << "value is missing; only a packed key [B, T, H, 2, D] holds it";
  } else {
    a.q = split(0, 0);
    a.k = split(1, 1);
    a.v = split(2, 2);
  }
  a.k = concatenate(n, {n.operand(6), a.k}, 2);
  a.v = concatenate(n, {n.operand(7), a.v}, 2);
  if (!a.q || !a.k || !a.v || n.hasFailed())
    return failure();
  if (n.hasInput(6))
    a.offset = n.sizes(6)[2];
  a.scale = scaleOf(n, a.q);
  a.causal = n.integer("unidirectional", 0);
  auto mask = fillMask(n, 4, a, n.real("mask_filter_value", -10000));
  if (failed(mask))
    return failure();
  a.mask = *mask;
  addBias(n, 5, a);
  if (failed(n.result(mergeHeads(n, build(n, a, n.name()), {}))) || failed(n.result(a.k, 1)) || failed(n.result(a.v, 2)))
    return failure();
  return n.isOutputUsed(3) ? n.result(spellOut(n, a, true).weights, 3) : success();
}

//===-- GroupQueryAttention -----------------------------------------------------===//
namespace {
/// GroupQueryAttention(query, key, value, past_key, past_value, seqlens_k, total_sequence_length, cos_cache, sin_cache,
/// position_ids, attention_bias, head_sink). A cache of P positions and S new ones make P + S; sequences of a batch may be
/// shorter (seqlens_k + 1), then their new positions follow their own old ones and what is behind them is not seen.
class GroupQuery {
public:
  explicit GroupQuery(Node &n) : n(n) {}

  LogicalResult run() {
    if (failed(check()))
      return failure();
    Attention a;
    if (failed(project(a)))
      return failure();
    nn::SizeTable &table = n.importer.sizeAnalysis.table;
    batch = sizesOf(n, a.q)[0];
    queries = sizesOf(n, a.q)[2];
    past = n.hasInput(3) ? n.sizes(3)[2] : size(n, 0);
    keys = table.add(past, queries);
    if (n.hasInput(3) && isShared())
      return n.keep("past and present share a buffer of " + past.str() + " positions");
    if (auto total = n.constantInts(6); total && total->size() == 1 && keys.constant() && !keys.isConstant(total->front()))
      return n.keep("total_sequence_length is " + Twine(total->front()) + ", past and new positions are " + keys.str() + " together");
    if (!n.importer.sizeAnalysis.unify(table.product(n.sizes(5)), batch))
      return n.error() << "seqlens_k has type " << n.type(5) << "; it needs one entry for each of the " << batch.str() << " sequences";
    // One sequence fills its cache; several may be of different lengths.
    if (!batch.isConstant(1)) {
      Type i32 = n.builder().getI32Type();
      lengths = reshape(n, cast(n, n.operand(5), i32), {batch});
      lengths = binary(n, BinaryKind::add, lengths, n.scalar(i32, 1));
      if (!past.isConstant(0))
        offsets = lengths ? binary(n, BinaryKind::sub, lengths, sizeScalar(n, i32, queries)) : Value();
    }
    if (n.integer("do_rotary", 0) && failed(rotateBoth(a)))
      return failure();
    a.k = append(3, a.k);
    a.v = append(4, a.v);
    if (!a.q || !a.k || !a.v || n.hasFailed())
      return failure();
    a.scale = scaleOf(n, a.q);
    a.softcap = n.real("softcap", 0);
    a.causal = true;
    a.offset = past;
    a.offsets = offsets;
    int64_t window = n.integer("local_window_size", -1);
    a.left = window > 0 ? window - 1 : -1;
    if (lengths)
      a.mask = lengthMask(n, lengths, keys);
    addBias(n, 10, a);
    a.sink = sink(a);
    if (failed(n.result(mergeHeads(n, build(n, a, n.name()), {}))) || failed(n.result(a.k, 1)) || failed(n.result(a.v, 2)))
      return failure();
    for (int i = 3; i < n.outputCount(); i++)
      if (n.isOutputUsed(i))
        return n.keep("its scores are an output (output_qk)");
    return success();
  }

private:
  LogicalResult check() {
    heads = n.integer("num_heads", 0);
    groups = n.integer("kv_num_heads", 0);
    if (heads < 1 || groups < 1 || heads % groups)
      return n.error() << "num_heads is " << heads << ", kv_num_heads " << groups << "; the former is a multiple of the latter";
    if (n.rank(0) != 3)
      return n.error() << "query has type " << n.type(0) << "; it has three dimensions";
    if (ShapedType::isDynamic(n.type(0).getDimSize(2)))
      return n.keepOpen("the size of its heads is only known at run time");
    if (n.hasInput(3) != n.hasInput(4))
      return n.error() << "past_key and past_value come together";
    if (n.hasInput(1) != n.hasInput(2))
      return n.error() << "key and value come together";
    return success(!n.hasFailed());
  }

  LogicalResult project(Attention &a) {
    Value q = n.operand(0), k = n.operand(1), v = n.operand(2);
    if (!n.hasInput(1)) {
      int64_t width = n.type(0).getDimSize(2), each = width / (heads + 2 * groups);
      if (width % (heads + 2 * groups))
        return n.error() << "a packed query of " << width << " elements does not divide into " << heads + 2 * groups << " heads";
      SmallVector<Value> parts = splitLast(n, q, {heads * each, groups * each, groups * each});
      q = parts[0];
      k = parts[1];
      v = parts[2];
    }
    a.q = splitHeads(n, q, heads);
    a.k = splitHeads(n, k, groups);
    a.v = splitHeads(n, v, groups);
    return success(a.q && a.k && a.v);
  }

  /// The cache has room for the new positions already: present is declared as long as past.
  bool isShared() {
    if (n.outputCount() < 2 || n.proto.output(1).empty() || past.isConstant(0))
      return false;
    auto declared = dyn_cast_or_null<RankedTensorType>(n.importer.declaredType(n.proto.output(1)));
    if (declared && declared.getRank() == 4 && !declared.isDynamicDim(2))
      return past.isConstant(declared.getDimSize(2));
    auto symbol = [&](StringRef value) -> StringRef {
      const onnx::ValueInfoProto *info = n.importer.graph.info(value);
      const auto &shape = info ? info->type().tensor_type().shape() : onnx::TensorShapeProto::default_instance();
      return shape.dim_size() == 4 ? symbolOf(shape.dim(2)) : StringRef();
    };
    StringRef old = symbol(n.inputName(3));
    return !old.empty() && old == symbol(n.proto.output(1));
  }

  /// cos and sin of the new positions, [1 or B, S, R / 2].
  LogicalResult rotateBoth(Attention &a) {
    if (!n.hasInput(7) || !n.hasInput(8) || n.rank(7) != 2 || n.rank(8) != 2)
      return n.error() << "do_rotary needs cos_cache and sin_cache of two dimensions";
    Value tables[2];
    for (int i : {0, 1}) {
      Value table = n.operand(7 + i);
      int64_t pairs = n.type(7 + i).getDimSize(1);
      if (n.hasInput(9)) {
        table = table ? n.create<GatherOp>(table, n.operand(9), int64_t(0), StringAttr()) : table;
      } else if (offsets) {
        Value places = binary(n, BinaryKind::add, reshape(n, offsets, {batch, size(n, 1)}),
                              countUp(n, n.builder().getI32Type(), size(n, 0), queries));
        table = table && places ? n.create<GatherOp>(table, places, int64_t(0), StringAttr()) : Value();
      } else if (n.importer.sizeAnalysis.less(n.sizes(7 + i)[0], keys) == true) {
        return n.error() << "the caches of cosines and sines have " << n.sizes(7 + i)[0].str() << " positions; " << keys.str() << " are needed";
      } else {
        nn::SizeExpr all = size(n, pairs);
        table = reshape(n, table ? n.sliceTo(table, {past, size(n, 0)}, {queries, all}, {1, 1}, StringAttr()) : table, {size(n, 1), queries, all});
      }
      tables[i] = table;
    }
    bool interleaved = n.integer("rotary_interleaved", 0);
    a.q = rotate(n, a.q, tables[0], tables[1], interleaved, 1);
    a.k = rotate(n, a.k, tables[0], tables[1], interleaved, 1);
    return success(a.q && a.k);
  }

  /// past, then the new positions; with lengths of their own each sequence's new positions move to the end of its old ones.
  Value append(int input, Value fresh) {
    Value both = concatenate(n, {n.operand(input), fresh}, 2);
    if (!both || !offsets)
      return both;
    nn::Sizes shape = sizesOf(n, both);
    nn::SizeTable &table = n.importer.sizeAnalysis.table;
    nn::SizeExpr zero = size(n, 0), one = size(n, 1);
    Type i32 = n.builder().getI32Type();
    Value place = countUp(n, i32, zero, keys), end = reshape(n, offsets, {batch, one});
    Value isOld = compare(n, CompareKind::lt, place, end);
    Value moved = binary(n, BinaryKind::sub, binary(n, BinaryKind::add, place, sizeScalar(n, i32, past)), end);
    moved = binary(n, BinaryKind::min, moved, sizeScalar(n, i32, table.sub(keys, one)));
    if (!isOld || !moved)
      return {};
    Value from = n.create<SelectOp>(isOld, place, moved, StringAttr());
    // Rows of all sequences under one another.
    Value row = binary(n, BinaryKind::mul, reshape(n, countUp(n, i32, zero, batch), {batch, one}), sizeScalar(n, i32, keys));
    from = binary(n, BinaryKind::add, from, row);
    Value rows = n.create<TransposeOp>(both, Ints{0, 2, 1, 3}, StringAttr());
    rows = reshape(n, rows, {table.mul(batch, keys), table.mul(shape[1], shape[3])});
    if (!rows || !from)
      return {};
    Value gathered = reshape(n, n.create<GatherOp>(rows, from, int64_t(0), StringAttr()), {batch, keys, shape[1], shape[3]});
    return gathered ? n.create<TransposeOp>(gathered, Ints{0, 2, 1, 3}, StringAttr()) : Value();
  }

  /// smooth_softmax: a score of 0 without a value; head_sink: one score a head.
  Value sink(const Attention &a) {
    Type element = tensorType(a.q).getElementType();
    if (n.hasInput(11))
      return cast(n, reshape(n, n.operand(11), {size(n, heads)}), element);
    if (n.integer("smooth_softmax", 0) != 1)
      return {};
    auto zeros = RankedTensorType::get({heads}, element);
    return n.constantValue(DenseElementsAttr::get(zeros, n.builder().getFloatAttr(element, 0)));
  }

  Node &n;
  int64_t heads = 0, groups = 0;
  nn::SizeExpr batch, queries, past, keys;
  Value lengths, offsets; ///< [B] i32, where sequences have lengths of their own
};
} // namespace

static LogicalResult importGroupQueryAttention(Node &n) {
  for (StringRef name : {"k_quant_type", "v_quant_type"})
    if (n.string(name, "NONE") != "NONE")
      return n.keep("its cache is quantized (" + name + ")");
  return GroupQuery(n).run();
}

//===-- RotaryEmbedding -----------------------------------------------------------===//
/// RotaryEmbedding(input, position_ids, cos_cache, sin_cache): input [B, S, H * D] or [B, H, S, D], position_ids [B, S], or
/// [1]: the place of the first.
static LogicalResult importRotaryEmbedding(Node &n) {
  if (n.integer("is_packed_batching", 0))
    return n.keep("its sequences lie behind one another (is_packed_batching)");
  if (n.real("scale", 1) != 1)
    return n.keep("it scales (scale)");
  int64_t rank = n.rank(0), heads = n.integer("num_heads", 0), rotated = n.integer("rotary_embedding_dim", 0);
  if ((rank != 3 && rank != 4) || n.rank(2) != 2 || n.rank(3) != 2)
    return n.error() << "input and caches of types " << n.type(0) << ", " << n.type(2) << " and " << n.type(3)
                     << "; they have 3 or 4, 2 and 2 dimensions";
  nn::Sizes shape = n.sizes(0);
  int64_t pairs = n.type(2).getDimSize(1);
  std::optional<int64_t> width = shape.back().constant();
  if (!width || ShapedType::isDynamic(pairs))
    return n.keepOpen("the size of its heads is only known at run time");
  nn::SizeExpr positions = shape[rank == 3 ? 1 : 2];
  int64_t length = rank == 4 ? *width : rotated && heads ? *width / heads : 2 * pairs;
  if (length < 1 || (rank == 3 && *width % length) || (rotated && rotated != 2 * pairs))
    return n.error() << "the caches rotate " << pairs << " pairs, which do not fit heads of " << length << " elements";
  Value places = n.operand(1);
  if (n.rank(1) <= 1 && (n.rank(1) == 0 || n.sizes(1)[0].isConstant(1))) {
    Value first = reshape(n, places, {size(n, 1), size(n, 1)});
    Value count = countUp(n, n.type(1).getElementType(), size(n, 0), positions);
    places = binary(n, BinaryKind::add, reshape(n, count, {size(n, 1), positions}), first);
  }
  Value x = n.operand(0), tables[2];
  for (int i : {0, 1})
    tables[i] = places && n.hasInput(2 + i) ? n.create<GatherOp>(n.operand(2 + i), places, int64_t(0), StringAttr()) : Value();
  bool interleaved = n.integer("interleaved", 0);
  if (rank == 4)
    return n.result(rotate(n, x, tables[0], tables[1], interleaved, 1, n.name()));
  x = reshape(n, x, {shape[0], shape[1], size(n, *width / length), size(n, length)});
  return n.result(reshape(n, rotate(n, x, tables[0], tables[1], interleaved, 2, n.name()), shape));
}

static constexpr Rule kRules[] = {
    {"Attention", 1, 2, 7, importAttention, "com.microsoft"},
    {"MultiHeadAttention", 1, 1, 10, importMultiHeadAttention, "com.microsoft"},
    {"GroupQueryAttention", 1, 1, 14, importGroupQueryAttention, "com.microsoft"},
    {"RotaryEmbedding", 1, 4, 4, importRotaryEmbedding, "com.microsoft"},
};
ArrayRef<Rule> fusedAttentionRules() { return kRules; }

} // namespace tern::importer
