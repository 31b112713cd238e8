// Reshape and its relatives, Shape, Expand, Range.
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Rules.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static LogicalResult reshapeTo(Node &n, const nn::Sizes &shape) {
  return n.sizes(0) == shape ? n.forward() : n.result(n.reshapeTo(n.operand(0), shape, n.name()));
}

/// The input under another shape; the same value when the shape does not change.
static LogicalResult reshapeTo(Node &n, ArrayRef<int64_t> shape) {
  if (n.type(0).getShape() == shape)
    return n.forward();
  return n.result(n.reshape(n.operand(0), shape, n.name()));
}

static LogicalResult importReshape(Node &n) {
  auto wanted = n.constantInts(1);
  if (!wanted || n.isOpen(0))
    return openReshape(n);
  RankedTensorType type = n.type(0);
  bool allowZero = n.integer("allowzero", 0);
  Ints shape = *wanted;
  int64_t open = -1, known = 1;
  for (auto [i, size] : llvm::enumerate(shape)) {
    if (size == 0 && !allowZero) {
      if (int64_t(i) >= type.getRank())
        return n.error() << "shape copies dimension " << i << " of an input of rank " << type.getRank();
      size = type.getDimSize(i);
    }
    if (size < -1 || (size == -1 && open >= 0))
      return n.error() << "shape has " << (size == -1 ? "two entries -1" : "a negative entry other than -1");
    if (size == -1)
      open = int64_t(i);
    else if (llvm::MulOverflow(known, size, known))
      return n.error() << "shape has more than 2^63 elements";
  }
  int64_t elements = type.getNumElements();
  if (open >= 0) {
    if (known == 0 || elements % known != 0)
      return n.error() << "the " << elements << " elements of the input do not divide into the shape";
    shape[size_t(open)] = elements / known;
  } else if (known != elements) {
    return n.error() << "shape has " << known << " elements, the input " << type << " has " << elements;
  }
  return reshapeTo(n, shape);
}

static LogicalResult importFlatten(Node &n) {
  RankedTensorType type = n.type(0);
  int64_t axis = n.integer("axis", 1), rank = type.getRank();
  if (axis != rank)
    axis = rank == 0 && axis == 0 ? 0 : n.axis(axis, rank);
  if (n.isOpen(0)) {
    nn::SizeTable &table = n.importer.sizeAnalysis.table;
    nn::Sizes from = n.sizes(0);
    ArrayRef<nn::SizeExpr> all(from);
    return reshapeTo(n, nn::Sizes{table.product(all.take_front(axis)), table.product(all.drop_front(axis))});
  }
  int64_t rows = 1, columns = 1;
  for (int64_t i = 0; i < rank; i++)
    (i < axis ? rows : columns) *= type.getDimSize(i);
  return reshapeTo(n, {rows, columns});
}

static LogicalResult squeeze(Node &n, ArrayRef<int64_t> given, bool all) {
  RankedTensorType type = n.type(0);
  Ints axes = n.axes(given, type.getRank()), shape;
  if (n.isOpen(0)) {
    nn::SizeAnalysis &sizes = n.importer.sizeAnalysis;
    nn::Sizes from = n.sizes(0), kept;
    for (auto [i, size] : llvm::enumerate(from)) {
      bool named = llvm::is_contained(axes, int64_t(i));
      if (named && !sizes.unify(size, sizes.table.constant(1)) && !n.hasFailed())
        return n.error() << "dimension " << i << " has size " << size.str() << " and cannot be dropped";
      if (!(named || (all && size.isConstant(1))))
        kept.push_back(size);
    }
    return reshapeTo(n, kept);
  }
  for (auto [i, size] : llvm::enumerate(type.getShape())) {
    bool named = llvm::is_contained(axes, int64_t(i));
    if (named && size != 1 && !n.hasFailed())
      return n.error() << "dimension " << i << " has size " << size << " and cannot be dropped";
    if (!(named || (all && size == 1)))
      shape.push_back(size);
  }
  return reshapeTo(n, shape);
}
static LogicalResult importSqueezeAttrs(Node &n) { return squeeze(n, n.integers("axes"), !n.hasAttr("axes")); }
static LogicalResult importSqueeze(Node &n) {
  if (!n.hasInput(1))
    return squeeze(n, {}, true);
  auto axes = n.constantInts(1);
  return axes ? squeeze(n, *axes, false) : n.keep("its axes are computed from data");
}

static LogicalResult unsqueeze(Node &n, ArrayRef<int64_t> given) {
  int64_t rank = n.rank(0) + int64_t(given.size());
  Ints axes = n.axes(given, rank), shape;
  if (n.isOpen(0)) {
    nn::Sizes from = n.sizes(0), sizes;
    for (int64_t i = 0, next = 0; i < rank && !n.hasFailed(); i++)
      sizes.push_back(llvm::is_contained(axes, i) ? n.importer.sizeAnalysis.table.constant(1) : from[size_t(next++)]);
    return n.hasFailed() ? failure() : reshapeTo(n, sizes);
  }
  for (int64_t i = 0, from = 0; i < rank && !n.hasFailed(); i++)
    shape.push_back(llvm::is_contained(axes, i) ? 1 : n.type(0).getDimSize(from++));
  return reshapeTo(n, shape);
}
static LogicalResult importUnsqueezeAttrs(Node &n) { return unsqueeze(n, n.integers("axes")); }
static LogicalResult importUnsqueeze(Node &n) {
  auto axes = n.constantInts(1);
  return axes ? unsqueeze(n, *axes) : n.keep("its axes are computed from data");
}

static LogicalResult importShape(Node &n) {
  int64_t rank = n.rank(0);
  auto clamp = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  int64_t start = clamp(n.integer("start", 0)), end = clamp(n.integer("end", rank));
  ArrayRef<int64_t> shape = n.type(0).getShape().slice(start, std::max<int64_t>(end - start, 0));
  if (llvm::any_of(shape, ShapedType::isDynamic))
    return n.result(n.create<ShapeOp>(n.operand(0), start, n.builder().getI64IntegerAttr(end), n.name()));
  return n.result(intsAttr(shape, n.importer.context));
}

static LogicalResult importSize(Node &n) {
  auto type = RankedTensorType::get({}, n.builder().getI64Type());
  if (n.isOpen(0)) {
    nn::SizeExpr count = n.importer.sizeAnalysis.table.product(n.sizes(0));
    if (!count)
      return n.error() << "the input has more than 2^63 elements";
    return n.result(n.createTyped<SizesOp>(type, n.builder().getStrArrayAttr({count.str()})));
  }
  return n.result(DenseElementsAttr::get(type, n.type(0).getNumElements()));
}

static LogicalResult importExpand(Node &n) {
  auto wanted = n.constantInts(1);
  if (!wanted || n.isOpen(0))
    return openExpand(n);
  auto shape = broadcastShapes({n.type(0).getShape(), *wanted});
  if (!shape || llvm::any_of(*shape, [](int64_t d) { return d < 0; }) || !elementCount(*shape))
    return n.error() << "input of type " << n.type(0) << " does not broadcast to the shape, or the shape is too large";
  if (ArrayRef(*shape) == n.type(0).getShape())
    return n.forward();
  return n.result(n.createTyped<ExpandOp>(n.type(0).clone(*shape), n.operand(0), n.name()));
}

/// Range(start, limit, delta): the number of elements must be known.
static LogicalResult importRange(Node &n) {
  double value[3];
  for (int i = 0; i < 3; i++) {
    auto constant = n.constantFloats(i);
    if (!constant)
      return openRange(n);
    if (constant->size() != 1)
      return n.error() << "input " << i << " has " << constant->size() << " elements; Range takes scalars";
    value[i] = constant->front();
  }
  double count = std::ceil((value[1] - value[0]) / value[2]);
  if (!(count <= 0x1p40)) // also NaN
    return n.error() << "the range has more than 2^40 elements, or no end";
  Value operands[3];
  for (int i = 0; i < 3; i++)
    operands[i] = n.rank(i) == 0 ? n.operand(i) : n.reshape(n.operand(i), {});
  auto type = RankedTensorType::get(int64_t(std::max(count, 0.0)), n.type(0).getElementType());
  return n.result(n.createTyped<RangeOp>(type, operands[0], operands[1], operands[2], n.name()));
}

static constexpr Rule kRules[] = {
    {"Reshape", 5, 2, 2, importReshape},
    {"Flatten", 1, 1, 1, importFlatten},
    {"Squeeze", 1, 1, 1, importSqueezeAttrs},
    {"Squeeze", 13, 1, 2, importSqueeze},
    {"Unsqueeze", 1, 1, 1, importUnsqueezeAttrs},
    {"Unsqueeze", 13, 2, 2, importUnsqueeze},
    {"Shape", 1, 1, 1, importShape},
    {"Size", 1, 1, 1, importSize},
    {"Expand", 8, 2, 2, importExpand},
    {"Range", 11, 3, 3, importRange},
};
ArrayRef<Rule> shapeRules() { return kRules; }

} // namespace tern::importer
