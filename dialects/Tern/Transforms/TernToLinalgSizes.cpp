//===- TernToLinalgSizes.cpp - sizes, and ops that only need sizes --------===//
#include "TernToLinalg.h"
#include "dialects/NN/IR/SizeAnalysis.h"

using namespace mlir;

namespace tern::lowering {

static RankedTensorType typeOf(ArrayRef<OpFoldResult> sizes, Type element) {
  SmallVector<int64_t> shape;
  for (OpFoldResult size : sizes)
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, element);
}

Shaped::Shaped(RankedTensorType type) : type(type) {
  Builder b(type.getContext());
  for (int64_t size : type.getShape())
    sizes.push_back(ShapedType::isDynamic(size) ? OpFoldResult() : OpFoldResult(b.getIndexAttr(size)));
}

Shaped::Shaped(Extents given, Type element) : type(RankedTensorType::get({}, element)), sizes(std::move(given)) {
  // A null size is an open one that nobody has told yet.
  SmallVector<int64_t> shape;
  for (OpFoldResult size : sizes)
    shape.push_back(size ? getConstantIntValue(size).value_or(ShapedType::kDynamic) : ShapedType::kDynamic);
  for (OpFoldResult &size : sizes)
    if (std::optional<int64_t> constant = size ? getConstantIntValue(size) : std::nullopt)
      size = Builder(element.getContext()).getIndexAttr(*constant); // values that are constant do not make a type open
  type = RankedTensorType::get(shape, element);
}

Value castSizes(const Build &build, Value value, RankedTensorType type) {
  return value.getType() == type ? value : build.create<tensor::CastOp>(type, value).getResult();
}

void replaceSized(ConversionPatternRewriter &rewriter, Operation *op, ValueRange values) {
  Build build{rewriter, op->getLoc()};
  SmallVector<Value> results;
  for (auto [value, type] : llvm::zip(values, op->getResultTypes()))
    results.push_back(castSizes(build, value, signless(cast<RankedTensorType>(type))));
  rewriter.replaceOp(op, results);
}

//===-- arithmetic ----------------------------------------------------------------===//
Value Build::index(OpFoldResult size) const {
  if (auto value = dyn_cast<Value>(size))
    return value;
  return index(*getConstantIntValue(size));
}

OpFoldResult Build::extent(Value tensor, int64_t axis) const {
  int64_t size = shapeOf(tensor)[axis];
  return ShapedType::isDynamic(size) ? OpFoldResult(create<tensor::DimOp>(tensor, axis).getResult()) : number(size);
}

Extents Build::extents(Value tensor) const {
  Extents sizes;
  for (size_t axis = 0; axis < shapeOf(tensor).size(); ++axis)
    sizes.push_back(extent(tensor, axis));
  return sizes;
}

Shaped Build::sized(Value original) const {
  RankedTensorType type = cast<RankedTensorType>(original.getType());
  Extents sizes = Shaped(type).sizes;
  // The texts of all results are in one list.
  auto texts = original.getDefiningOp()->getAttrOfType<ArrayAttr>(nn::kSizesAttr);
  size_t next = 0;
  for (Value result : original.getDefiningOp()->getResults()) {
    auto open = dyn_cast<RankedTensorType>(result.getType());
    if (result == original)
      break;
    next += open ? open.getNumDynamicDims() : 0;
  }
  for (OpFoldResult &size : sizes)
    if (!size)
      size = create<nn::SizeOp>(b.getIndexType(), cast<StringAttr>(texts[next++])).getResult();
  return Shaped(sizes, signless(type).getElementType());
}

OpFoldResult Build::plus(OpFoldResult x, OpFoldResult y) const {
  std::optional<int64_t> a = getConstantIntValue(x), c = getConstantIntValue(y);
  if (a && c)
    return number(*a + *c);
  return a && *a == 0 ? y : c && *c == 0 ? x : create<arith::AddIOp>(index(x), index(y)).getResult();
}

OpFoldResult Build::times(OpFoldResult x, OpFoldResult y) const {
  std::optional<int64_t> a = getConstantIntValue(x), c = getConstantIntValue(y);
  if (a && c)
    return number(*a * *c);
  return a && *a == 1 ? y : c && *c == 1 ? x : create<arith::MulIOp>(index(x), index(y)).getResult();
}

OpFoldResult Build::minus(OpFoldResult x, OpFoldResult y) const {
  std::optional<int64_t> a = getConstantIntValue(x), c = getConstantIntValue(y);
  if (a && c)
    return number(*a - *c);
  return c && *c == 0 ? x : create<arith::SubIOp>(index(x), index(y)).getResult();
}

OpFoldResult Build::ceilDiv(OpFoldResult x, int64_t y) const {
  if (std::optional<int64_t> a = getConstantIntValue(x))
    return number((*a + y - 1) / y);
  return y == 1 ? x : create<arith::DivUIOp>(index(plus(x, y - 1)), index(y)).getResult();
}

OpFoldResult Build::product(ArrayRef<OpFoldResult> sizes) const {
  OpFoldResult all = number(1);
  for (OpFoldResult size : sizes)
    all = times(all, size);
  return all;
}

Value Build::convertSize(OpFoldResult size, Type type) const {
  if (std::optional<int64_t> constant = getConstantIntValue(size))
    return number(type, double(*constant));
  Type i64 = b.getI64Type();
  return convert(create<arith::IndexCastOp>(i64, index(size)), i64, type);
}

Value Build::floorMod(Value x, Value size) const {
  Value rest = create<arith::RemSIOp>(x, size);
  Value isNegative = create<arith::CmpIOp>(arith::CmpIPredicate::slt, rest, index(0));
  return select(isNegative, add(rest, size), rest);
}

//===-- shapes --------------------------------------------------------------------===//
/// [[0, 1, ..., n - 1]], or none for a scalar.
static SmallVector<ReassociationIndices> allInOne(int64_t n) {
  if (n == 0)
    return {};
  return {llvm::to_vector<2>(llvm::seq<int64_t>(0, n))};
}

Value Build::reshape(Value tensor, ArrayRef<int64_t> shape) const {
  return reshape(tensor, getAsIndexOpFoldResult(b.getContext(), shape));
}

Value Build::reshape(Value tensor, ArrayRef<OpFoldResult> sizes) const {
  auto type = cast<RankedTensorType>(tensor.getType());
  Type element = type.getElementType();
  RankedTensorType result = typeOf(sizes, element);
  if (type == result && (type.getNumDynamicDims() <= 1 || type.getRank() == 1))
    return tensor;
  // By way of one dimension, which is always possible.
  auto known = [](RankedTensorType t) { return t.hasStaticShape() ? t.getNumElements() : ShapedType::kDynamic; };
  int64_t own = known(type), wanted = known(result);
  auto flat = RankedTensorType::get({own}, element);
  if (type.getRank() == 0)
    tensor = create<tensor::ExpandShapeOp>(flat, tensor, ArrayRef<ReassociationIndices>());
  else if (type.getRank() > 1)
    tensor = create<tensor::CollapseShapeOp>(flat, tensor, allInOne(type.getRank()));
  if (own != wanted) {
    flat = RankedTensorType::get({wanted}, element);
    tensor = create<tensor::CastOp>(flat, tensor);
  }
  if (sizes.size() == 1)
    return tensor;
  if (sizes.empty())
    return create<tensor::CollapseShapeOp>(result, tensor, ArrayRef<ReassociationIndices>());
  return create<tensor::ExpandShapeOp>(result, tensor, allInOne(sizes.size()), sizes);
}

Value Build::slice(Value tensor, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes, ArrayRef<OpFoldResult> steps) const {
  Extents ones(sizes.size(), number(1));
  return create<tensor::ExtractSliceOp>(typeOf(sizes, elementOf(tensor)), tensor, offsets, sizes, steps.empty() ? ArrayRef(ones) : steps);
}

Value Build::insert(Value part, Value whole, ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> steps) const {
  Extents ones(offsets.size(), number(1));
  return create<tensor::InsertSliceOp>(part, whole, offsets, extents(part), steps.empty() ? ArrayRef(ones) : steps);
}

Value Build::padOrCrop(Value tensor, ArrayRef<int64_t> low, ArrayRef<int64_t> high, Value scalar) const {
  Extents sizes = extents(tensor), offsets;
  auto crops = [](int64_t amount) { return amount < 0; };
  if (llvm::any_of(low, crops) || llvm::any_of(high, crops)) {
    bool isEmpty = false;
    for (size_t d = 0; d < sizes.size(); ++d) {
      sizes[d] = plus(sizes[d], std::min<int64_t>(low[d], 0) + std::min<int64_t>(high[d], 0));
      isEmpty |= getConstantIntValue(sizes[d]) == 0;
      offsets.push_back(number(std::max<int64_t>(-low[d], 0)));
    }
    tensor = isEmpty ? empty(Shaped(sizes, elementOf(tensor))) : slice(tensor, offsets, sizes);
  }
  auto pads = [](int64_t amount) { return amount > 0; };
  if (llvm::none_of(low, pads) && llvm::none_of(high, pads))
    return tensor;
  Extents lows, highs;
  SmallVector<int64_t> shape(shapeOf(tensor));
  for (size_t d = 0; d < shape.size(); ++d) {
    int64_t before = std::max<int64_t>(low[d], 0), after = std::max<int64_t>(high[d], 0);
    lows.push_back(number(before));
    highs.push_back(number(after));
    shape[d] = ShapedType::isDynamic(shape[d]) ? shape[d] : shape[d] + before + after;
  }
  return create<tensor::PadOp>(RankedTensorType::get(shape, elementOf(tensor)), tensor, lows, highs, scalar);
}

Value Build::gather(Value tensor, const Shaped &type, Source source) const {
  return elementwise(type, ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
    SmallVector<Value> indices;
    for (int64_t axis = 0; axis < type.type.getRank(); ++axis) {
      Value at = in.create<linalg::IndexOp>(axis), from = source(in, axis, at);
      indices.push_back(from ? from : at);
    }
    return in.extract(tensor, indices);
  });
}

Value Build::gatherByTables(Value tensor, const Shaped &type, ArrayRef<SmallVector<int64_t>> tables, Source other) const {
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  for (auto [axis, entries] : llvm::enumerate(tables)) {
    if (entries.empty())
      continue;
    operands.push_back(table(entries, {int64_t(entries.size())}));
    maps.push_back(alongAxis(axis, type.type.getRank()));
  }
  return elementwise(type, operands, maps, [&](const Build &in, ValueRange scalars) {
    SmallVector<Value> indices;
    for (auto [axis, entries] : llvm::enumerate(tables)) {
      if (entries.empty()) {
        Value at = in.create<linalg::IndexOp>(axis), from = other(in, axis, at);
        indices.push_back(from ? from : at);
        continue;
      }
      indices.push_back(in.create<arith::IndexCastOp>(in.b.getIndexType(), scalars.front()));
      scalars = scalars.drop_front();
    }
    return in.extract(tensor, indices);
  });
}

} // namespace tern::lowering
