// Ops that choose elements: ArgMax, TopK, gathers and scatters, OneHot, Compress, MaxUnpool.
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Compose.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static LogicalResult importArg(Node &n, ArgKind kind) {
  if (n.rank(0) == 0)
    return n.result(n.scalar(n.builder().getI64Type(), 0)); // the only element
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  bool keepdims = n.integer("keepdims", 1), last = n.integer("select_last_index", 0);
  return n.result(n.create<ArgReduceOp>(kind, n.operand(0), axis, keepdims, last, n.name()));
}
static LogicalResult importArgMax(Node &n) { return importArg(n, ArgKind::max); }
static LogicalResult importArgMin(Node &n) { return importArg(n, ArgKind::min); }

static LogicalResult topk(Node &n, int64_t k) {
  if (n.rank(0) == 0)
    return n.error() << "TopK does not take scalars";
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(0));
  auto results = n.createAll<TopkOp>(2, n.operand(0), k, axis, !n.integer("largest", 1), n.name());
  return success(succeeded(n.result(results[0])) && succeeded(n.result(results[1], 1)));
}
static LogicalResult importTopKAttrs(Node &n) { return topk(n, n.integer("k", 0)); }
/// TopK of so many elements as an expression says: as many as it can be at most, of an input that is filled up where it has fewer, then the first ones.
static LogicalResult topkOfSize(Node &n, nn::SizeExpr k) {
  constexpr int64_t kMost = 1 << 16;
  nn::SizeTable &t = n.importer.sizeAnalysis.table;
  if (n.rank(0) == 0)
    return n.error() << "TopK does not take scalars";
  size_t axis = size_t(n.axis(n.integer("axis", -1), n.rank(0)));
  if (n.hasFailed())
    return failure();
  nn::Sizes from = n.sizes(0), zeros(from.size(), t.constant(0)), more = zeros, shape = from;
  int64_t most = std::min(t.range(k).second, t.range(from[axis]).second);
  if (most > kMost)
    return n.keepOpen("k can be more than 65536");
  more[axis] = t.max(zeros[axis], t.sub(t.constant(most), from[axis]));
  shape[axis] = k;
  bool largest = n.integer("largest", 1);
  Type element = n.type(0).getElementType();
  double last = std::numeric_limits<double>::infinity();
  if (auto integer = dyn_cast<IntegerType>(element)) {
    int64_t bits = int64_t(integer.getWidth()) - !integer.isUnsigned();
    // Of the numbers that a double holds.
    last = largest ? (integer.isUnsigned() ? 0 : -std::ldexp(1.0, int(bits))) : std::ldexp(1.0, int(bits)) - (bits > 53 ? std::ldexp(1.0, int(bits) - 53) : 1);
  } else if (largest) {
    last = -last;
  }
  Value x = padTo(n, n.operand(0), zeros, more, last);
  if (!x)
    return failure();
  auto results = n.createAll<TopkOp>(2, x, most, int64_t(axis), !largest, n.importer.uniqueName(n.name().getValue() + ".all"));
  for (auto [i, value] : llvm::enumerate(results))
    if (n.isOutputUsed(int(i)) && failed(n.result(n.sliceTo(value, zeros, shape, Ints(from.size(), 1), i ? StringAttr() : n.name()), int(i))))
      return failure();
  return success();
}
static LogicalResult importTopK(Node &n) {
  auto k = n.constantInts(1);
  if (!k) {
    std::optional<nn::Sizes> size = n.symbols(1);
    return size && size->size() == 1 ? topkOfSize(n, size->front()) : n.keep("k is computed from data");
  }
  if (k->size() != 1)
    return n.error() << "K has " << k->size() << " elements; it is one number";
  return topk(n, k->front());
}

static LogicalResult importGatherElements(Node &n) {
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  return n.result(n.create<GatherElementsOp>(n.operand(0), n.operand(1), axis, n.name()));
}
/// GatherND as rows of a table, which has a kernel for every size: the named dimensions are one, and so are their indices.
static Value gatherRows(Node &n, int64_t batch, StringAttr name) {
  Compose c{n};
  nn::Sizes x = n.sizes(0), indices = n.sizes(1);
  size_t named = size_t(n.type(1).getShape().back()), b = size_t(batch), last = indices.size() - 1;
  nn::Sizes result(indices.begin(), indices.end() - 1), table{c.product(ArrayRef<nn::SizeExpr>(x).take_front(b + named))};
  table.append(x.begin() + b + named, x.end());
  Value all = c.cast(n.operand(1), n.builder().getI64Type()), row;
  // The rows before those of this part of the batch.
  if (b > 0) {
    Shape lead(Ints(result.size(), 1));
    std::copy(result.begin(), result.begin() + b, lead.begin());
    row = c.reshape(c.places(c.product(ArrayRef<nn::SizeExpr>(x).take_front(b))), lead);
  }
  for (size_t i = 0; i < named; i++) {
    nn::SizeExpr size = x[b + i];
    Value column = c.reshape(c.slice(all, int64_t(last), int64_t(i), 1), result);
    column = c.select(c.compare(CompareKind::lt, column, c.number(column, 0.0)), c.add(column, c.number(column, size)), column);
    row = row ? c.add(c.mul(row, c.number(row, size)), column) : column;
  }
  return c.gather(c.reshape(n.operand(0), table), row, 0, name);
}

static LogicalResult importGatherND(Node &n) {
  if (n.rank(1) >= 1 && ShapedType::isDynamic(n.type(1).getShape().back()))
    return n.keepOpen("how many dimensions its indices name is only known at run time");
  int64_t batch = n.integer("batch_dims", 0);
  bool fits = n.rank(1) >= 1 && batch >= 0 && batch < n.rank(1) && n.type(1).getShape().back() >= 1 &&
              batch + n.type(1).getShape().back() <= n.rank(0);
  if (fits && (n.isOpen(0) || n.isOpen(1)))
    return n.result(gatherRows(n, batch, n.name()));
  return n.result(n.create<GatherNdOp>(n.operand(0), n.operand(1), batch, n.name()));
}

static std::optional<ScatterMode> modeOf(Node &n) {
  std::string reduction = n.string("reduction", "none");
  std::optional<ScatterMode> mode = reduction == "none"      ? ScatterMode::replace
                                    : reduction == "replace" ? std::nullopt
                                                             : symbolizeScatterMode(reduction);
  if (!mode)
    n.error() << "reduction is '" << reduction << "'; none, add, mul, max and min are defined";
  return mode;
}
static LogicalResult importScatterElements(Node &n) {
  auto mode = modeOf(n);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(0));
  if (!mode)
    return failure();
  return n.result(n.create<ScatterElementsOp>(n.operand(0), n.operand(1), n.operand(2), axis, *mode, n.name()));
}
static LogicalResult importScatterND(Node &n) {
  auto mode = modeOf(n);
  if (n.rank(1) >= 1 && ShapedType::isDynamic(n.type(1).getShape().back()))
    return n.keepOpen("how many dimensions its indices name is only known at run time");
  if (!mode)
    return failure();
  return n.result(n.create<ScatterNdOp>(n.operand(0), n.operand(1), n.operand(2), *mode, n.name()));
}

/// OneHot<axis>(indices, depth, values): indices compared with 0, 1, ... along the new axis.
static LogicalResult importOneHot(Node &n) {
  auto depth = n.symbols(1);
  if (auto numbers = n.constantFloats(1); numbers && !depth)
    depth = llvm::map_to_vector<6>(*numbers, [&](double v) {
      return n.importer.sizeAnalysis.table.constant(v >= 1 && v <= 0x1p31 ? int64_t(v) : -1);
    });
  if (!depth)
    return n.keep("its depth is computed from data");
  nn::SizeAnalysis &a = n.importer.sizeAnalysis;
  if (depth->size() != 1 || n.rank(2) != 1 || !a.unify(n.sizes(2)[0], a.table.constant(2)))
    return n.error() << "OneHot takes one depth and two values; found " << n.type(1) << " and " << n.type(2);
  Compose c{n};
  nn::SizeExpr count = depth->front();
  if (auto [low, high] = c.table().range(count); high < 1 || (low == high && high > (int64_t(1) << 31)))
    return n.error() << "depth is " << count.str() << "; it must be at least 1";
  int64_t rank = n.rank(0) + 1, axis = n.axis(n.integer("axis", -1), rank);
  if (n.hasFailed())
    return failure();
  Value indices = c.cast(n.operand(0), n.builder().getI64Type());
  Value wrapped = c.select(c.compare(CompareKind::lt, indices, c.number(indices, 0.0)), c.add(indices, c.number(indices, count)), indices);
  Shape shape(n.sizes(0));
  shape.insert(shape.begin() + axis, Extent(1));
  Value hot = c.compare(CompareKind::eq, c.reshape(wrapped, shape), c.places(count, axis, rank));
  Value values = c.reshape(n.operand(2), {2});
  return n.result(
      c.select(hot, c.reshape(c.slice(values, 0, 1, 1), {}), c.reshape(c.slice(values, 0, 0, 1), {}), n.name()));
}

/// Compress<axis>(x, condition): with a constant condition a gather.
static LogicalResult importCompress(Node &n) {
  auto condition = n.constantInts(1);
  if (!condition)
    return n.keep("the size of its result depends on data");
  Ints chosen;
  for (auto [i, take] : llvm::enumerate(*condition))
    if (take)
      chosen.push_back(int64_t(i));
  Compose c{n};
  bool flat = !n.hasAttr("axis");
  int64_t axis = flat ? 0 : n.axis(n.integer("axis", 0), n.rank(0));
  Value x = flat ? c.reshape(n.operand(0), {c.product(n.sizes(0))}) : n.operand(0);
  if (!x)
    return failure();
  if (nn::SizeExpr size = c.sizes(x)[size_t(axis)]; n.importer.sizeAnalysis.less(size, c.size(int64_t(condition->size()))) == true)
    return n.error() << "condition has " << condition->size() << " entries; the axis has " << size.str();
  return n.result(c.gather(x, c.ints(chosen, {int64_t(chosen.size())}), axis, n.name()));
}

/// MaxUnpool<kernel_shape, strides, pads>(x, indices, output_shape): zeros with x at the indices, which count the
/// elements of the whole tensor that was pooled. A larger output_shape adds its space at the end.
static LogicalResult importMaxUnpool(Node &n) {
  RankedTensorType type = n.type(0);
  int64_t spatial = type.getRank() - 2;
  Ints kernel = n.integers("kernel_shape"), strides = n.integers("strides"), pads = n.integers("pads");
  if (spatial < 1 || int64_t(kernel.size()) != spatial)
    return n.error() << "kernel_shape has " << kernel.size() << " entries; an input of rank " << type.getRank()
                     << " has " << spatial << " spatial dimensions";
  strides.resize(size_t(spatial), 1);
  pads.resize(size_t(2 * spatial), 0);
  Compose c{n};
  nn::Sizes shape = n.sizes(0);
  for (size_t d = 0; d < size_t(spatial); d++)
    shape[d + 2] = c.plus(c.times(c.minus(shape[d + 2], 1), strides[d]), kernel[d] - pads[d] - pads[size_t(spatial) + d]);
  Ints low(shape.size(), 0), high(shape.size(), 0);
  if (n.hasInput(2)) {
    auto wanted = n.symbols(2);
    if (!wanted)
      return n.keep("its output_shape is computed from data");
    if (wanted->size() != shape.size())
      return n.error() << "output_shape has " << wanted->size() << " entries, " << shape.size() << " are needed";
    for (size_t d = 0; d < shape.size(); d++) {
      nn::SizeExpr more = c.minus((*wanted)[d], shape[d]);
      if (!more || !more.constant())
        return n.keepOpen("how much larger its output_shape is is only known at run time");
      high[d] = *more.constant();
    }
  }
  nn::SizeExpr count = c.product(shape);
  if (!count || c.table().range(count).second <= 0 || count.constant().value_or(0) > (int64_t(1) << 31))
    return n.error() << "the unpooled tensor has no elements or more than 2^31";
  nn::SizeExpr given = c.product(n.sizes(0));
  Value zeros = c.expand(n.scalar(type.getElementType(), 0), {count});
  Value flat = c.reshape(n.operand(0), {given}), places = c.reshape(n.operand(1), {given});
  Value y = zeros && flat && places
                ? n.create<ScatterElementsOp>(zeros, places, flat, int64_t(0), ScatterMode::replace, n.name())
                : Value();
  return n.result(c.pad(c.reshape(y, shape), low, high));
}

static constexpr Rule kRules[] = {
    {"ArgMax", 1, 1, 1, importArgMax},
    {"ArgMin", 1, 1, 1, importArgMin},
    {"TopK", 1, 1, 1, importTopKAttrs},
    {"TopK", 10, 2, 2, importTopK},
    {"GatherElements", 11, 2, 2, importGatherElements},
    {"GatherND", 11, 2, 2, importGatherND},
    {"Scatter", 9, 3, 3, importScatterElements},
    {"ScatterElements", 11, 3, 3, importScatterElements},
    {"ScatterND", 11, 3, 3, importScatterND},
    {"OneHot", 9, 3, 3, importOneHot},
    {"Compress", 9, 2, 2, importCompress},
    {"MaxUnpool", 9, 2, 3, importMaxUnpool},
};
ArrayRef<Rule> indexRules() { return kRules; }

} // namespace tern::importer
