// Ops that copy elements to places that follow from the attributes: Tile, Trilu, EyeLike, DepthToSpace, CumSum, ...
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Compose.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// Tile(x, repeats): a new dimension in front of each one, expanded and merged.
static LogicalResult importTile(Node &n) {
  auto repeats = n.symbols(1);
  if (!repeats)
    return n.keep("its repeats are computed from data");
  nn::Sizes shape = n.sizes(0);
  if (repeats->size() != shape.size())
    return n.error() << "repeats has " << repeats->size() << " entries; the input has " << shape.size() << " dimensions";
  Compose c{n};
  Shape split, repeated, merged;
  for (auto [size, times] : llvm::zip(shape, *repeats)) {
    nn::SizeExpr total = c.times(size, times);
    if (!total || c.table().range(times).second < 0)
      return n.error() << "a dimension of " << size.str() << " cannot be repeated " << times.str() << " times";
    split.append({1, size});
    repeated.append({times, size});
    merged.push_back(total);
  }
  nn::SizeExpr count = c.product(merged);
  if (!count || count.constant().value_or(0) > (int64_t(1) << 40))
    return n.error() << "the result has more than 2^40 elements";
  if (c.sizes(merged) == shape)
    return n.forward();
  return n.result(c.reshape(c.expand(c.reshape(n.operand(0), split), repeated), merged, n.name()));
}

/// i1 [rows, columns]: column - row compared with k.
static Value diagonals(const Compose &c, Extent rows, Extent columns, CompareKind kind, Extent k) {
  Value distance = c.sub(c.places(columns, 1, 2), c.places(rows, 0, 2));
  return c.compare(kind, distance, c.number(distance, c.size(k)));
}

static LogicalResult importTrilu(Node &n) {
  Compose c{n};
  Extent k = 0;
  if (n.hasInput(1)) {
    auto given = n.symbols(1);
    if (!given)
      return n.keep("its diagonal is computed from data");
    if (given->size() != 1)
      return n.error() << "k has " << given->size() << " elements; it is one number";
    k = given->front();
  }
  if (n.rank(0) < 2)
    return n.error() << "input of rank " << n.rank(0) << "; Trilu takes matrices";
  nn::Sizes shape = n.sizes(0);
  nn::SizeExpr rows = shape[shape.size() - 2], columns = shape.back();
  if (auto number = c.size(k).constant(); number && rows.constant() && columns.constant())
    k = std::clamp<int64_t>(*number, -*rows.constant() - 1, *columns.constant() + 1);
  Value kept = diagonals(c, rows, columns, n.integer("upper", 1) ? CompareKind::ge : CompareKind::le, k);
  Value x = n.operand(0);
  return n.result(c.select(kept, x, c.number(x, 0.0), n.name()));
}

static LogicalResult importEyeLike(Node &n) {
  if (n.rank(0) != 2)
    return n.error() << "input of rank " << n.rank(0) << "; EyeLike takes matrices";
  Type element =
      n.hasAttr("dtype") ? elementType(int32_t(n.integer("dtype", 0)), n.importer.context) : n.type(0).getElementType();
  if (!element || !element.isIntOrFloat())
    return n.keep("its element type is no number");
  Compose c{n};
  nn::Sizes shape = n.sizes(0);
  return n.result(c.cast(diagonals(c, shape[0], shape[1], CompareKind::eq, n.integer("k", 0)), element, n.name()));
}

/// The block size; an error of the node when it or the rank of the input is not allowed.
static int64_t blockOf(Node &n) {
  int64_t block = n.integer("blocksize", 0);
  if (n.rank(0) != 4)
    n.error() << "input of rank " << n.rank(0) << "; " << n.opType() << " takes [N, C, H, W]";
  else if (block < 1)
    n.error() << "blocksize is " << block << "; it must be at least 1";
  return block;
}

static LogicalResult importDepthToSpace(Node &n) {
  int64_t b = blockOf(n);
  if (n.hasFailed())
    return failure();
  Compose c{n};
  nn::Sizes s = n.sizes(0);
  nn::SizeExpr depth = c.quotient(s[1], b * b);
  if (!c.unify(c.times(depth, b * b), s[1]))
    return n.error() << "the " << s[1].str() << " channels do not divide by the square of blocksize " << b;
  bool crd = n.string("mode", "DCR") == "CRD";
  Value x = c.reshape(n.operand(0), crd ? Shape{s[0], depth, b, b, s[2], s[3]} : Shape{s[0], b, b, depth, s[2], s[3]});
  x = c.transpose(x, crd ? Ints{0, 1, 4, 2, 5, 3} : Ints{0, 3, 4, 1, 5, 2}, n.name());
  return n.result(c.reshape(x, {s[0], depth, c.times(s[2], b), c.times(s[3], b)}));
}

static LogicalResult importSpaceToDepth(Node &n) {
  int64_t b = blockOf(n);
  if (n.hasFailed())
    return failure();
  Compose c{n};
  nn::Sizes s = n.sizes(0);
  nn::SizeExpr h = c.quotient(s[2], b), w = c.quotient(s[3], b);
  if (!c.unify(c.times(h, b), s[2]) || !c.unify(c.times(w, b), s[3]))
    return n.error() << "the picture of " << s[2].str() << "x" << s[3].str() << " does not divide by blocksize " << b;
  bool crd = n.string("mode", "DCR") == "CRD";
  Value x = c.reshape(n.operand(0), {s[0], s[1], h, b, w, b});
  x = c.transpose(x, crd ? Ints{0, 1, 3, 5, 2, 4} : Ints{0, 3, 5, 1, 2, 4}, n.name());
  return n.result(c.reshape(x, {s[0], c.times(s[1], b * b), h, w}));
}

static LogicalResult cumulate(Node &n, CumulateKind kind) {
  auto given = n.constantInts(1);
  if (!given)
    return n.keep("its axis is computed from data");
  if (given->size() != 1)
    return n.error() << "axis has " << given->size() << " elements; it is one number";
  int64_t axis = n.axis(given->front(), n.rank(0));
  if (n.hasFailed())
    return failure();
  bool exclusive = n.integer("exclusive", 0), reverse = n.integer("reverse", 0);
  return n.result(n.create<CumulateOp>(kind, n.operand(0), axis, exclusive, reverse, n.name()));
}
static LogicalResult importCumSum(Node &n) { return cumulate(n, CumulateKind::sum); }
static LogicalResult importCumProd(Node &n) { return cumulate(n, CumulateKind::prod); }

/// ReverseSequence<time_axis, batch_axis>(x, lens): step t < lens[b] is step lens[b] - 1 - t.
static LogicalResult importReverseSequence(Node &n) {
  int64_t time = n.axis(n.integer("time_axis", 0), n.rank(0)), batch = n.axis(n.integer("batch_axis", 1), n.rank(0));
  if (n.hasFailed())
    return failure();
  Compose c{n};
  nn::Sizes shape = n.sizes(0);
  if (time == batch || n.rank(1) != 1 || !c.unify(n.sizes(1)[0], shape[size_t(batch)]))
    return n.error() << "sequence_lens of type " << n.type(1) << " does not have one length for each of the "
                     << shape[size_t(batch)].str() << " sequences";
  Shape alongBatch(Ints(shape.size(), 1));
  alongBatch[size_t(batch)] = shape[size_t(batch)];
  Value lens = c.reshape(c.cast(n.operand(1), n.builder().getI64Type()), alongBatch);
  Value t = c.places(shape[size_t(time)], time, n.rank(0));
  Value mirrored = c.sub(c.sub(lens, c.number(lens, 1.0)), t);
  Value from = c.select(c.compare(CompareKind::lt, t, lens), mirrored, t), x = n.operand(0);
  if (time + batch == 1) { // the first two axes: whole steps are moved
    Shape pairs{shape[0], shape[1], 1};
    Value indices = c.reshape(from, pairs);
    if (time == 0)
      indices = c.concat({indices, c.expand(c.places(shape[1], 1, 3), pairs)}, 2);
    return n.result(x && indices ? n.create<GatherNdOp>(x, indices, time, n.name()) : Value());
  }
  from = c.expand(from, shape);
  return n.result(x && from ? n.create<GatherElementsOp>(x, from, time, n.name()) : Value());
}

/// CenterCropPad<axes>(x, shape): what is cropped or padded is split evenly, the odd element at the end.
static LogicalResult importCenterCropPad(Node &n) {
  auto wanted = n.symbols(1);
  if (!wanted)
    return n.keep("its shape is computed from data");
  Ints axes = n.integers("axes");
  if (!n.hasAttr("axes"))
    axes = allAxes(n.rank(0));
  if (axes.size() != wanted->size())
    return n.error() << "shape has " << wanted->size() << " entries for " << axes.size() << " axes";
  n.axes(axes, n.rank(0)); // reports duplicates
  Compose c{n};
  nn::SizeTable &t = c.table();
  nn::SizeExpr zero = c.size(0), two = c.size(2);
  nn::Sizes from = n.sizes(0), low(from.size(), zero), high = low;
  for (auto [given, size] : llvm::zip(axes, *wanted)) {
    size_t axis = size_t(n.axis(given, n.rank(0)));
    if (n.hasFailed())
      return failure();
    if (t.range(size).second < 0 || size.constant().value_or(0) > (int64_t(1) << 40))
      return n.error() << "shape has the entry " << size.str();
    // Half of it, rounded towards 0.
    nn::SizeExpr more = t.sub(size, from[axis]);
    low[axis] = t.add(t.max(zero, t.floorDiv(more, two)), t.min(zero, t.ceilDiv(more, two)));
    high[axis] = t.sub(more, low[axis]);
  }
  Ints before, behind;
  for (auto [l, h] : llvm::zip(low, high)) {
    if (!l.constant() || !h.constant())
      return n.result(padTo(n, n.operand(0), low, high, 0));
    before.push_back(*l.constant()), behind.push_back(*h.constant());
  }
  return n.result(c.pad(n.operand(0), before, behind, 0, n.name()));
}

/// Col2Im(x, image_shape, block_shape): [N, C * block, L] -> [N, C, image]. Every block element is scattered at once.
static LogicalResult importCol2Im(Node &n) {
  auto image = n.constantInts(1), block = n.constantInts(2);
  if (!image || !block)
    return n.keep("its shapes are computed from data");
  size_t spatial = image->size();
  Ints dilations = n.integers("dilations"), pads = n.integers("pads"), strides = n.integers("strides");
  dilations.resize(spatial, 1), strides.resize(spatial, 1), pads.resize(2 * spatial, 0);
  RankedTensorType type = n.type(0);
  int64_t blockSize = 1, imageSize = 1, positions = 1;
  Ints counts;
  if (block->size() != spatial || type.getRank() != 3)
    return n.error() << "image_shape and block_shape have " << spatial << " and " << block->size()
                     << " entries, the input rank " << type.getRank() << "; they must agree, and the rank be 3";
  for (size_t d = 0; d < spatial; d++) {
    int64_t reach = ((*block)[d] - 1) * dilations[d] + 1, room = (*image)[d] + pads[d] + pads[spatial + d] - reach;
    if ((*image)[d] < 1 || (*block)[d] < 1 || strides[d] < 1 || dilations[d] < 1 || room < 0 || (*image)[d] > (1 << 24))
      return n.error() << "a block of " << reach << " elements does not fit the image of " << (*image)[d];
    counts.push_back(room / strides[d] + 1);
    blockSize *= (*block)[d], imageSize *= (*image)[d], positions *= counts.back();
  }
  Compose c{n};
  nn::SizeExpr channels = c.quotient(n.sizes(0)[1], blockSize);
  if (!c.unify(c.times(channels, blockSize), n.sizes(0)[1]) || !c.unify(n.sizes(0)[2], positions))
    return n.error() << "input of type " << type << "; blocks of " << blockSize << " elements at " << positions
                     << " positions are needed";
  if (blockSize * positions > (int64_t(1) << 28))
    return n.keep("it has too many elements");
  // The place of every (element of the block, position); one more behind the image takes what lies in the padding.
  Ints places;
  for (int64_t e = 0; e < blockSize; e++)
    for (int64_t p = 0; p < positions; p++) {
      int64_t at = 0, scale = 1, restE = e, restP = p;
      for (size_t d = spatial; d-- > 0; restE /= (*block)[d], restP /= counts[d], scale *= (*image)[d]) {
        int64_t i = restP % counts[d] * strides[d] - pads[d] + restE % (*block)[d] * dilations[d];
        at = at < 0 || i < 0 || i >= (*image)[d] ? -1 : at + i * scale;
      }
      places.push_back(at < 0 ? imageSize : at);
    }
  int64_t columns = blockSize * positions;
  nn::SizeExpr batch = n.sizes(0)[0], rows = c.times(batch, channels);
  Value updates = c.reshape(n.operand(0), {rows, columns});
  Value indices = c.expand(c.ints(places, {1, columns}), {rows, columns});
  Value zeros = c.expand(c.number(updates, 0.0), {rows, imageSize + 1});
  if (!updates || !indices || !zeros)
    return failure();
  Value y = n.create<ScatterElementsOp>(zeros, indices, updates, int64_t(1), ScatterMode::add, n.name());
  Shape shape{batch, channels};
  shape.append(image->begin(), image->end());
  return n.result(c.reshape(c.slice(y, 1, 0, imageSize), shape));
}

/// TensorScatter<axis, mode>(cache, update, write_indices): row b of the cache with the update from write_indices[b]
/// on.
static LogicalResult importTensorScatter(Node &n) {
  RankedTensorType cache = n.type(0), update = n.type(1);
  int64_t axis = n.axis(n.integer("axis", -2), cache.getRank());
  if (n.hasFailed())
    return failure();
  std::string mode = n.string("mode", "linear");
  if (axis == 0 || update.getRank() != cache.getRank() || (n.hasInput(2) && n.rank(2) != 1))
    return n.error() << "an update of type " << update << " along axis " << axis << " does not fit the cache " << cache;
  Compose c{n};
  nn::Sizes whole = n.sizes(0), part = n.sizes(1);
  nn::SizeExpr batch = whole[0];
  Type i64 = n.builder().getI64Type();
  Value start = n.hasInput(2) ? c.cast(n.operand(2), i64) : c.expand(n.scalar(i64, 0), {batch});
  Shape alongBatch(Ints(whole.size(), 1));
  alongBatch[0] = batch;
  Value at = c.add(c.reshape(start, alongBatch), c.places(part[size_t(axis)], axis, cache.getRank()));
  if (mode == "circular")
    at = c.binary(BinaryKind::mod, at, c.number(at, whole[size_t(axis)]));
  at = c.expand(at, part);
  Value x = n.operand(0), u = n.operand(1);
  return n.result(at ? n.create<ScatterElementsOp>(x, at, u, axis, ScatterMode::replace, n.name()) : Value());
}

static constexpr Rule kRules[] = {
    {"Tile", 6, 2, 2, importTile},
    {"Trilu", 14, 1, 2, importTrilu},
    {"EyeLike", 9, 1, 1, importEyeLike},
    {"DepthToSpace", 1, 1, 1, importDepthToSpace},
    {"SpaceToDepth", 1, 1, 1, importSpaceToDepth},
    {"CumSum", 11, 2, 2, importCumSum},
    {"CumProd", 26, 2, 2, importCumProd},
    {"ReverseSequence", 10, 2, 2, importReverseSequence},
    {"CenterCropPad", 18, 2, 2, importCenterCropPad},
    {"Col2Im", 18, 3, 3, importCol2Im},
    {"TensorScatter", 24, 2, 3, importTensorScatter},
};
ArrayRef<Rule> arrangeRules() { return kRules; }

} // namespace tern::importer
