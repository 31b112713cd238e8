#include "lib/Import/Ops/Compose.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

Value Compose::unary(UnaryKind kind, Value x, Name name) const {
  return x ? n.create<UnaryOp>(kind, x, FloatAttr(), FloatAttr(), name) : Value();
}
Value Compose::binary(BinaryKind kind, Value a, Value b, Name name) const {
  return a && b ? n.create<BinaryOp>(kind, a, b, name) : Value();
}
Value Compose::compare(CompareKind kind, Value a, Value b) const {
  return a && b ? n.create<CompareOp>(kind, a, b, Name()) : Value();
}
Value Compose::select(Value condition, Value yes, Value no, Name name) const {
  return condition && yes && no ? n.create<SelectOp>(condition, yes, no, name) : Value();
}
Value Compose::cast(Value x, Type element, Name name) const {
  if (!x || elementOf(x) == element)
    return x;
  return n.createTyped<CastOp>(tensorType(x).clone(element), x, name);
}
Value Compose::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> axes, bool keepdims, Name name) const {
  return !x || axes.empty() ? x : n.create<ReduceOp>(kind, x, axes, keepdims, name);
}
Value Compose::transpose(Value x, ArrayRef<int64_t> perm, Name name) const {
  if (!x || llvm::equal(perm, llvm::seq<int64_t>(0, perm.size())))
    return x;
  return n.create<TransposeOp>(x, perm, name);
}
nn::Sizes Compose::sizes(const Shape &shape) const {
  nn::Sizes sizes;
  for (const Extent &e : shape)
    sizes.push_back(size(e));
  return sizes;
}
Value Compose::reshape(Value x, const Shape &shape, Name name) const {
  nn::Sizes wanted = sizes(shape);
  return !x || sizes(x) == wanted ? x : n.reshapeTo(x, wanted, name);
}
Value Compose::expand(Value x, const Shape &shape, Name name) const {
  nn::Sizes wanted = sizes(shape);
  return !x || sizes(x) == wanted ? x : n.expandTo(x, wanted, name);
}
Value Compose::slice(Value x, int64_t axis, Extent start, Extent count, int64_t step, Name name) const {
  if (!x)
    return {};
  nn::Sizes box = sizes(x), starts(box.size(), size(0));
  if (size(start).isConstant(0) && step == 1 && size(count) == box[size_t(axis)])
    return x;
  Ints steps(box.size(), 1);
  starts[size_t(axis)] = size(start), box[size_t(axis)] = size(count), steps[size_t(axis)] = step;
  return n.sliceTo(x, starts, box, steps, name);
}
Value Compose::pad(Value x, ArrayRef<int64_t> low, ArrayRef<int64_t> high, double value, Name name) const {
  auto none = [](ArrayRef<int64_t> v) { return llvm::all_of(v, [](int64_t i) { return i == 0; }); };
  if (!x || (none(low) && none(high)))
    return x;
  return n.create<PadOp>(x, low, high, PadMode::constant, APFloat(value), name);
}
Value Compose::concat(ArrayRef<Value> xs, int64_t axis, Name name) const {
  if (llvm::is_contained(xs, Value()))
    return {};
  return xs.size() == 1 ? xs.front() : n.create<ConcatOp>(xs, axis, name);
}
Value Compose::gather(Value x, Value indices, int64_t axis, Name name) const {
  return x && indices ? n.create<GatherOp>(x, indices, axis, name) : Value();
}
Value Compose::matmul(Value a, Value b, Name name) const {
  return a && b ? n.create<MatmulOp>(a, b, Value(), false, false, name) : Value();
}
Value Compose::number(Value like, double value) const { return like ? n.scalar(elementOf(like), value) : Value(); }
Value Compose::number(Value like, nn::SizeExpr value) const {
  if (!like || !value || value.constant())
    return value ? number(like, double(value.constant().value_or(0))) : Value();
  auto i64 = n.builder().getI64Type();
  Value made = n.createTyped<SizesOp>(RankedTensorType::get({}, i64), n.builder().getStrArrayAttr({value.str()}));
  return cast(made, elementOf(like));
}
Value Compose::ints(ArrayRef<int64_t> values, ArrayRef<int64_t> shape) const {
  return n.constantValue(DenseElementsAttr::get(RankedTensorType::get(shape, n.builder().getI64Type()), values));
}
Value Compose::reals(Type element, ArrayRef<double> values, ArrayRef<int64_t> shape) const {
  if (!isa<FloatType>(element)) {
    if (!n.hasFailed())
      n.error() << n.opType() << " computes on floats; found " << element;
    return {};
  }
  SmallVector<Attribute> attrs;
  for (double value : values)
    attrs.push_back(n.builder().getFloatAttr(element, value));
  return n.constantValue(DenseElementsAttr::get(RankedTensorType::get(shape, element), attrs));
}
Value Compose::places(Extent count, int64_t axis, int64_t rank) const {
  nn::SizeExpr all = size(count);
  Shape shape(Ints(size_t(rank), 1));
  shape[size_t(axis)] = all;
  Type i64 = n.builder().getI64Type();
  if (std::optional<int64_t> constant = all.constant()) {
    Ints extents(size_t(rank), 1);
    extents[size_t(axis)] = *constant;
    return ints(llvm::to_vector(llvm::seq<int64_t>(0, *constant)), extents);
  }
  Value end = number(n.scalar(i64, 0), all);
  Value range = end ? n.createTyped<RangeOp>(nn::typeOf({all}, i64), n.scalar(i64, 0), end, n.scalar(i64, 1), Name()) : Value();
  return range ? reshape(n.withSizes(range, {all}), shape) : Value();
}

} // namespace tern::importer
