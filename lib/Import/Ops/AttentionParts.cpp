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

nn::Sizes sizesOf(Node &n, Value value) { return value ? n.importer.sizeAnalysis.shapeOf(value) : nn::Sizes(); }
nn::SizeExpr size(Node &n, int64_t value) { return n.importer.sizeAnalysis.table.constant(value); }

Value reshape(Node &n, Value value, const nn::Sizes &shape, StringAttr name) {
  if (!value || sizesOf(n, value) == shape)
    return value;
  return n.reshapeTo(value, shape, name);
}

Value sizeScalar(Node &n, Type element, nn::SizeExpr value) {
  if (std::optional<int64_t> constant = value.constant())
    return n.scalar(element, double(*constant));
  return n.createTyped<SizesOp>(RankedTensorType::get({}, element), n.builder().getStrArrayAttr({value.str()}));
}

Value countUp(Node &n, Type element, nn::SizeExpr start, nn::SizeExpr count) {
  nn::SizeExpr end = n.importer.sizeAnalysis.table.add(start, count);
  Value operands[3] = {sizeScalar(n, element, start), sizeScalar(n, element, end), n.scalar(element, 1)};
  if (n.hasFailed())
    return {};
  Value range = n.createTyped<RangeOp>(nn::typeOf({count}, element), operands[0], operands[1], operands[2], StringAttr());
  return range && !count.constant() ? n.withSizes(range, {count}) : range;
}

Value slice(Node &n, Value x, int64_t axis, int64_t start, int64_t count) {
  if (!x)
    return {};
  Ints sizes(tensorType(x).getShape()), starts(sizes.size(), 0), steps(sizes.size(), 1);
  if (start == 0 && sizes[axis] == count)
    return x;
  for (int64_t &whole : sizes)
    whole = ShapedType::isDynamic(whole) ? -1 : whole;
  starts[axis] = start;
  sizes[axis] = count;
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
  nn::Sizes shape = sizesOf(n, x);
  std::optional<int64_t> width = shape.size() == 3 ? shape[2].constant() : std::nullopt;
  if (!width || heads < 1 || *width % heads) {
    auto diag = n.error() << "a tensor of type " << x.getType() << " does not divide into " << heads << " heads";
    if (shape.size() == 3 && !width)
      for (StringRef dim : n.importer.sizeAnalysis.table.dimsOf(shape[2]))
        diag << "; bind --dim " << dim << "=N";
    return {};
  }
  return transpose(n, reshape(n, x, {shape[0], shape[1], size(n, heads), size(n, *width / heads)}), {0, 2, 1, 3});
}

Value mergeHeads(Node &n, Value x, StringAttr name) {
  if (!x)
    return {};
  nn::Sizes shape = sizesOf(n, x);
  return reshape(n, transpose(n, x, {0, 2, 1, 3}), {shape[0], shape[2], n.importer.sizeAnalysis.table.mul(shape[1], shape[3])}, name);
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

Value lengthMask(Node &n, Value lengths, nn::SizeExpr keys) {
  if (!lengths)
    return {};
  Value places = countUp(n, tensorType(lengths).getElementType(), size(n, 0), keys);
  nn::SizeExpr count = n.importer.sizeAnalysis.elementCount(lengths), one = size(n, 1);
  return compare(n, CompareKind::lt, places, reshape(n, lengths, {count, one, one, one}));
}

/// i1 [S, T] or [B, 1, S, T]: how far a key lies behind its query's place is between `least` and `most`.
static Value placeMask(Node &n, const Attention &a, std::optional<int64_t> least, std::optional<int64_t> most) {
  nn::SizeExpr queries = sizesOf(n, a.q)[2], keys = sizesOf(n, a.k)[2], zero = size(n, 0), one = size(n, 1);
  Type type = a.offsets ? tensorType(a.offsets).getElementType() : n.builder().getI64Type();
  Value place = reshape(n, countUp(n, type, a.offsets || !a.offset ? zero : a.offset, queries), {queries, one}),
        key = countUp(n, type, zero, keys);
  if (a.offsets)
    place = binary(n, BinaryKind::add, place, reshape(n, a.offsets, {n.importer.sizeAnalysis.elementCount(a.offsets), one, one, one}));
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
  nn::SizeAnalysis &sizes = n.importer.sizeAnalysis;
  nn::SizeExpr behind = sizes.table.sub(sizesOf(n, a.k)[2], sizesOf(n, a.q)[2]);
  bool aligned = !a.offsets && sizes.resolve(behind) == sizes.resolve(a.offset ? a.offset : size(n, 0));
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
  nn::Sizes s = sizesOf(n, x);
  return reshape(n, x, {s[0], size(n, groups), size(n, tensorType(x).getDimSize(1) / groups), s[2], s[3]});
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
  nn::Sizes all = sizesOf(n, a.q);
  int64_t groups = tensorType(a.k).getDimSize(1), heads = tensorType(a.q).getDimSize(1);
  all[3] = sizesOf(n, a.k)[2];
  Value raw = product(n, grouped(n, a.q, groups), grouped(n, a.k, groups), true, "scores");
  raw = binary(n, BinaryKind::mul, reshape(n, raw, all), number(n, a.q, a.scale));
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
    nn::SizeExpr one = size(n, 1);
    Value sink = n.expandTo(reshape(n, a.sink, {one, size(n, heads), one, one}), {all[0], all[1], all[2], one});
    masked = concatenate(n, {sink, masked}, 3);
  }
  Value p = masked ? n.create<SoftmaxOp>(masked, int64_t(3), false, StringAttr()) : Value();
  if (a.sink)
    p = p ? n.sliceTo(p, {size(n, 0), size(n, 0), size(n, 0), size(n, 1)}, all, {1, 1, 1, 1}, StringAttr()) : p;
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
    nn::Sizes y = sizesOf(n, a.q);
    y[3] = sizesOf(n, a.v)[3];
    int64_t groups = tensorType(a.k).getDimSize(1);
    Value p = spellOut(n, a, /*weights=*/true).weights;
    if (!p)
      return {};
    return reshape(n, product(n, grouped(n, p, groups), grouped(n, a.v, groups), false, "values"), y, name);
  }
  settlePlaces(n, a);
  OpBuilder &b = n.builder();
  return n.create<AttentionOp>(a.q, a.k, a.v, a.mask, b.getF32FloatAttr(a.scale), a.causal ? b.getUnitAttr() : UnitAttr(),
                               a.softcap > 0 ? b.getF32FloatAttr(a.softcap) : FloatAttr(),
                               a.left >= 0 ? b.getI64IntegerAttr(a.left + 1) : IntegerAttr(), name);
}

Value rotate(Node &n, Value x, Value cos, Value sin, bool interleaved, int64_t heads, StringAttr name) {
  auto alongHeads = [&](Value table) -> Value {
    nn::Sizes shape = sizesOf(n, table);
    if (table)
      shape.insert(shape.begin() + heads, size(n, 1));
    return reshape(n, table, shape);
  };
  cos = alongHeads(cos);
  sin = alongHeads(sin);
  return x && cos && sin ? n.create<RopeOp>(x, cos, sin, interleaved, name) : Value();
}

} // namespace tern::importer
