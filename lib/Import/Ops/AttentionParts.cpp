#include "lib/Import/Ops/AttentionParts.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

//===-- small steps -----------------------------------------------------------===//
Value binary(Node &n, BinaryKind kind, Value a, Value b, StringAttr name) {
  return a && b ? n.create<BinaryOp>(kind, a, b, name) : Value();
}
Value compare(Node &n, CompareKind kind, Value a, Value b) {
  return a && b ? n.create<CompareOp>(kind, a, b, StringAttr()) : Value();
}
Value cast(Node &n, Value x, Type element) {
  if (!x || tensorType(x).getElementType() == element)
    return x;
  return n.createTyped<CastOp>(tensorType(x).clone(element), x, StringAttr());
}
static Value unary(Node &n, UnaryKind kind, Value x) {
  return x ? n.create<UnaryOp>(kind, x, FloatAttr(), FloatAttr(), StringAttr()) : Value();
}
static Value select(Node &n, Value condition, Value yes, Value no) {
  return condition && yes && no ? n.create<SelectOp>(condition, yes, no, StringAttr()) : Value();
}
static Value number(Node &n, Value like, double value) {
  return like ? n.scalar(tensorType(like).getElementType(), value) : Value();
}
static Value transpose(Node &n, Value x, ArrayRef<int64_t> perm) {
  return x ? n.create<TransposeOp>(x, perm, StringAttr()) : Value();
}

Value countUp(Node &n, Type element, int64_t start, int64_t count) {
  return n.createTyped<RangeOp>(RankedTensorType::get({count}, element), n.scalar(element, start),
                                n.scalar(element, start + count), n.scalar(element, 1), StringAttr());
}

Value slice(Node &n, Value x, int64_t axis, int64_t start, int64_t size) {
  if (!x)
    return {};
  Ints sizes(tensorType(x).getShape()), starts(sizes.size(), 0), steps(sizes.size(), 1);
  if (start == 0 && sizes[axis] == size)
    return x;
  starts[axis] = start;
  sizes[axis] = size;
  return n.create<SliceOp>(x, starts, sizes, steps, StringAttr());
}

SmallVector<Value> splitLast(Node &n, Value x, ArrayRef<int64_t> sizes) {
  SmallVector<Value> parts;
  int64_t start = 0;
  for (int64_t size : sizes) {
    parts.push_back(x ? slice(n, x, tensorType(x).getRank() - 1, start, size) : Value());
    start += size;
  }
  return parts;
}

Value concatenate(Node &n, ArrayRef<Value> parts, int64_t axis) {
  SmallVector<Value> there;
  for (Value part : parts)
    if (part)
      there.push_back(part);
  if (there.size() < 2)
    return there.empty() ? Value() : there.front();
  return n.create<ConcatOp>(there, axis, StringAttr());
}

Value splitHeads(Node &n, Value x, int64_t heads) {
  if (!x)
    return {};
  ArrayRef<int64_t> shape = tensorType(x).getShape();
  if (shape.size() != 3 || heads < 1 || shape[2] % heads) {
    n.error() << "a tensor of type " << x.getType() << " does not divide into " << heads << " heads";
    return {};
  }
  return transpose(n, n.reshape(x, {shape[0], shape[1], heads, shape[2] / heads}), {0, 2, 1, 3});
}

Value mergeHeads(Node &n, Value x, StringAttr name) {
  if (!x)
    return {};
  Ints shape(tensorType(x).getShape());
  return n.reshape(transpose(n, x, {0, 2, 1, 3}), {shape[0], shape[2], shape[1] * shape[3]}, name);
}

//===-- masks -----------------------------------------------------------------===//
Value maskOfFloats(Node &n, Value mask, Type element, double fill) {
  return mask ? select(n, mask, n.scalar(element, 0), n.scalar(element, fill)) : Value();
}

Value bothMasks(Node &n, Value a, Value b, Type element) {
  if (!a || !b)
    return a ? a : b;
  auto isBool = [](Value value) { return tensorType(value).getElementType().isInteger(1); };
  if (isBool(a) && isBool(b))
    return binary(n, BinaryKind::logical_and, a, b);
  auto floats = [&](Value value) { return isBool(value) ? maskOfFloats(n, value, element, -INFINITY) : value; };
  return binary(n, BinaryKind::add, floats(a), floats(b));
}

Value lengthMask(Node &n, Value lengths, int64_t keys) {
  if (!lengths)
    return {};
  RankedTensorType type = tensorType(lengths);
  Value places = countUp(n, type.getElementType(), 0, keys);
  return compare(n, CompareKind::lt, places, n.reshape(lengths, {type.getNumElements(), 1, 1, 1}));
}

/// i1 [S, T] or [B, 1, S, T]: how far a key lies behind its query's place is between `least` and `most`.
static Value placeMask(Node &n, const Attention &a, std::optional<int64_t> least, std::optional<int64_t> most) {
  int64_t queries = tensorType(a.q).getDimSize(2), keys = tensorType(a.k).getDimSize(2);
  Type type = a.offsets ? tensorType(a.offsets).getElementType() : n.builder().getI64Type();
  Value place = n.reshape(countUp(n, type, a.offsets ? 0 : a.offset, queries), {queries, 1}), key = countUp(n, type, 0, keys);
  if (a.offsets)
    place = binary(n, BinaryKind::add, place, n.reshape(a.offsets, {tensorType(a.offsets).getNumElements(), 1, 1, 1}));
  Value mask;
  if (least)
    mask = compare(n, CompareKind::le, key, *least ? binary(n, BinaryKind::sub, place, number(n, place, double(*least))) : place);
  if (most)
    mask = bothMasks(n, mask, compare(n, CompareKind::ge, key, binary(n, BinaryKind::sub, place, number(n, place, double(*most)))), {});
  return mask;
}

/// Causality and windows that nn.attention does not have become part of the mask.
static void settlePlaces(Node &n, Attention &a) {
  if (a.causal && a.right > 0)
    a.right = -1;
  if (a.right == 0) {
    a.causal = true;
    a.right = -1;
  }
  int64_t queries = tensorType(a.q).getDimSize(2), keys = tensorType(a.k).getDimSize(2);
  bool aligned = !a.offsets && a.offset == keys - queries;
  std::optional<int64_t> least, most;
  if (a.causal && !aligned)
    least = 0, a.causal = false;
  if (a.right > 0)
    least = -a.right, a.right = -1;
  if (a.left >= 0 && !aligned)
    most = a.left, a.left = -1;
  if (least || most)
    a.mask = bothMasks(n, a.mask, placeMask(n, a, least, most), tensorType(a.q).getElementType());
}

//===-- attention -------------------------------------------------------------===//
/// [B, G * R, S, X] -> [B, G, R, S, X]
static Value grouped(Node &n, Value x, int64_t groups) {
  ArrayRef<int64_t> s = tensorType(x).getShape();
  return n.reshape(x, {s[0], groups, s[1] / groups, s[2], s[3]});
}

static Value product(Node &n, Value a, Value b, bool transposeB, StringRef what) {
  if (!a || !b)
    return {};
  return n.create<MatmulOp>(a, b, Value(), false, transposeB, n.importer.uniqueName(n.name().getValue() + "." + what));
}

Scores spellOut(Node &n, Attention a, bool weights) {
  Scores scores;
  if (!a.q || !a.k || n.hasFailed())
    return scores;
  Ints q(tensorType(a.q).getShape());
  int64_t groups = tensorType(a.k).getDimSize(1), keys = tensorType(a.k).getDimSize(2);
  Ints all{q[0], q[1], q[2], keys};
  Value raw = product(n, grouped(n, a.q, groups), grouped(n, a.k, groups), true, "scores");
  raw = binary(n, BinaryKind::mul, n.reshape(raw, all), number(n, a.q, a.scale));
  scores.raw = scores.capped = raw;
  if (a.softcap > 0) {
    Value capped = unary(n, UnaryKind::tanh, binary(n, BinaryKind::div, raw, number(n, a.q, a.softcap)));
    scores.capped = binary(n, BinaryKind::mul, capped, number(n, a.q, a.softcap));
  }
  // Here every restriction is part of the mask.
  Type element = tensorType(a.q).getElementType();
  settlePlaces(n, a);
  std::optional<int64_t> least = a.causal ? std::optional<int64_t>(0) : std::nullopt,
                         most = a.left >= 0 ? std::optional<int64_t>(a.left) : std::nullopt;
  if (least || most)
    a.mask = bothMasks(n, a.mask, placeMask(n, a, least, most), element);
  Value bias = a.mask && tensorType(a.mask).getElementType().isInteger(1) ? maskOfFloats(n, a.mask, element, -INFINITY) : a.mask;
  scores.masked = bias ? binary(n, BinaryKind::add, scores.capped, bias) : scores.capped;
  if (!weights || !scores.masked)
    return scores;
  Value masked = scores.masked;
  if (a.sink) {
    Value sink = n.reshape(a.sink, {1, q[1], 1, 1});
    sink = sink ? n.createTyped<ExpandOp>(RankedTensorType::get({q[0], q[1], q[2], 1}, element), sink, StringAttr()) : sink;
    masked = concatenate(n, {masked, sink}, 3);
  }
  Value p = masked ? n.create<SoftmaxOp>(masked, int64_t(3), false, StringAttr()) : Value();
  if (a.sink)
    p = slice(n, p, 3, 0, keys);
  else if (bias) {
    // A row that sees nothing: 0 instead of NaN.
    Value most = n.create<ReduceOp>(ReduceKind::max, bias, Ints{tensorType(bias).getRank() - 1}, true, StringAttr());
    p = select(n, compare(n, CompareKind::eq, most, number(n, most, -INFINITY)), number(n, p, 0), p);
  }
  scores.weights = p;
  return scores;
}

Value build(Node &n, Attention a, StringAttr name) {
  if (!a.q || !a.k || !a.v || n.hasFailed())
    return {};
  if (a.sink) {
    Ints y(tensorType(a.q).getShape());
    y[3] = tensorType(a.v).getDimSize(3);
    int64_t groups = tensorType(a.k).getDimSize(1);
    Value p = spellOut(n, a, /*weights=*/true).weights;
    if (!p)
      return {};
    return n.reshape(product(n, grouped(n, p, groups), grouped(n, a.v, groups), false, "values"), y, name);
  }
  settlePlaces(n, a);
  OpBuilder &b = n.builder();
  return n.create<AttentionOp>(a.q, a.k, a.v, a.mask, b.getF32FloatAttr(a.scale), a.causal ? b.getUnitAttr() : UnitAttr(),
                               a.softcap > 0 ? b.getF32FloatAttr(a.softcap) : FloatAttr(),
                               a.left >= 0 ? b.getI64IntegerAttr(a.left + 1) : IntegerAttr(), name);
}

Value rotate(Node &n, Value x, Value cos, Value sin, bool interleaved, int64_t heads, StringAttr name) {
  auto alongHeads = [&](Value table) -> Value {
    if (!table)
      return {};
    Ints shape(tensorType(table).getShape());
    shape.insert(shape.begin() + heads, 1);
    return n.reshape(table, shape);
  };
  cos = alongHeads(cos);
  sin = alongHeads(sin);
  return x && cos && sin ? n.create<RopeOp>(x, cos, sin, interleaved, name) : Value();
}

} // namespace tern::importer
