//===- TernToLinalgBuild.cpp - building blocks of tern-to-linalg ----------===//
#include "TernToLinalg.h"
#include "TernToLinalgQuant.h"

using namespace mlir;

namespace tern::lowering {

RankedTensorType signless(RankedTensorType type) {
  Type element = type.getElementType();
  if (isByteCode(element))
    return type.clone(IntegerType::get(type.getContext(), 8));
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer || integer.isSignless())
    return type;
  return type.clone(IntegerType::get(type.getContext(), integer.getWidth()));
}

bool isByteCode(Type element) {
  unsigned bits = element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 64;
  return isa<FloatType>(element) ? bits <= 8 : bits < 8 && bits != 1;
}

//===-- scalars ---------------------------------------------------------------===//
Value Build::number(Type type, double value) const {
  if (auto floating = dyn_cast<FloatType>(type))
    return create<arith::ConstantOp>(b.getFloatAttr(floating, value));
  return integer(type, int64_t(value));
}
Value Build::integer(Type type, int64_t value) const {
  unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
  return create<arith::ConstantOp>(IntegerAttr::get(type, APInt(bits, uint64_t(value), false, /*implicitTrunc=*/true)));
}
Value Build::table(ArrayRef<int64_t> values, ArrayRef<int64_t> shape) const {
  return create<arith::ConstantOp>(DenseElementsAttr::get(RankedTensorType::get(shape, b.getI64Type()), values));
}
Value Build::table(ArrayRef<float> values, ArrayRef<int64_t> shape) const {
  return create<arith::ConstantOp>(DenseElementsAttr::get(RankedTensorType::get(shape, b.getF32Type()), values));
}

Value Build::add(Value x, Value y) const {
  return isa<FloatType>(x.getType()) ? create<arith::AddFOp>(x, y).getResult()
                                     : create<arith::AddIOp>(x, y).getResult();
}
Value Build::mul(Value x, Value y) const {
  return isa<FloatType>(x.getType()) ? create<arith::MulFOp>(x, y).getResult()
                                     : create<arith::MulIOp>(x, y).getResult();
}
Value Build::max(Value x, Value y, bool isUnsigned) const {
  if (isa<FloatType>(x.getType()))
    return create<arith::MaximumFOp>(x, y);
  return isUnsigned ? create<arith::MaxUIOp>(x, y).getResult() : create<arith::MaxSIOp>(x, y).getResult();
}
Value Build::min(Value x, Value y, bool isUnsigned) const {
  if (isa<FloatType>(x.getType()))
    return create<arith::MinimumFOp>(x, y);
  return isUnsigned ? create<arith::MinUIOp>(x, y).getResult() : create<arith::MinSIOp>(x, y).getResult();
}

Type Build::computeType(Type element) const {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32 ? Type(b.getF32Type()) : element;
}
Value Build::widen(Value scalar) const {
  Type wide = computeType(scalar.getType());
  return wide == scalar.getType() ? scalar : create<arith::ExtFOp>(wide, scalar).getResult();
}
Value Build::narrow(Value scalar, Type element) const {
  return element == scalar.getType() ? scalar : create<arith::TruncFOp>(element, scalar).getResult();
}

static Value floatToInteger(const Build &build, Value x, unsigned bits, bool isUnsigned) {
  auto cmp = [&](arith::CmpFPredicate predicate, Value a, Value c) -> Value {
    return build.create<arith::CmpFOp>(predicate, a, c);
  };
  Type type = build.b.getIntegerType(bits);
  if (bits == 1)
    return cmp(arith::CmpFPredicate::UNE, x, build.number(x.getType(), 0));
  // The conversion is only defined inside the range; both limits are powers of two, exact in every float type.
  Value low = build.number(x.getType(), isUnsigned ? 0 : -std::ldexp(1.0, bits - 1));
  Value high = build.number(x.getType(), std::ldexp(1.0, isUnsigned ? bits : bits - 1));
  Value isLow = cmp(arith::CmpFPredicate::OLE, x, low), isHigh = cmp(arith::CmpFPredicate::OGE, x, high);
  Value inside = cmp(arith::CmpFPredicate::OGT, x, low);
  inside = build.create<arith::AndIOp>(inside, cmp(arith::CmpFPredicate::OLT, x, high));
  Value safe = build.select(inside, x, build.number(x.getType(), 0));
  Value result = isUnsigned ? build.create<arith::FPToUIOp>(type, safe).getResult()
                            : build.create<arith::FPToSIOp>(type, safe).getResult();
  APInt least = isUnsigned ? APInt::getZero(bits) : APInt::getSignedMinValue(bits);
  APInt most = isUnsigned ? APInt::getMaxValue(bits) : APInt::getSignedMaxValue(bits);
  result = build.select(isLow, build.integer(type, least.getSExtValue()), result);
  return build.select(isHigh, build.integer(type, most.getSExtValue()), result);
}

/// Integers below 8 bits are a byte that is extended by their sign.
static Type byteOf(Type narrow) {
  return IntegerType::get(narrow.getContext(), 8, isUnsigned(narrow) ? IntegerType::Unsigned : IntegerType::Signless);
}

Value Build::convert(Value scalar, Type from, Type to) const {
  if (from == to)
    return scalar;
  if (isByteCode(from)) {
    auto floating = dyn_cast<FloatType>(from);
    if (!floating)
      return convert(scalar, byteOf(from), to);
    Value code = create<arith::ExtUIOp>(b.getI32Type(), scalar);
    return convert(numberOf(*this, *tern::elementOf(floating), code), b.getF32Type(), to);
  }
  if (isByteCode(to)) {
    if (auto floating = dyn_cast<FloatType>(to)) {
      SmallFloatCode how;
      how.nanIsMinusZero = true;
      Value code = encodeSmallFloat(*this, *tern::elementOf(floating), convert(scalar, from, b.getF32Type()), how);
      return create<arith::TruncIOp>(b.getI8Type(), code);
    }
    // ONNX: a float keeps the low bits of its integer.
    Value integer = isa<FloatType>(from) ? convertPlain(scalar, from, b.getI32Type()) : scalar;
    Value narrow = convertPlain(integer, isa<FloatType>(from) ? Type(b.getI32Type()) : from, to);
    return isUnsigned(to) ? create<arith::ExtUIOp>(b.getI8Type(), narrow).getResult()
                          : create<arith::ExtSIOp>(b.getI8Type(), narrow).getResult();
  }
  return convertPlain(scalar, from, to);
}

Value Build::convertPlain(Value scalar, Type from, Type to) const {
  bool unsignedFrom = isUnsigned(from);
  if (isa<FloatType>(from)) {
    Value wide = widen(scalar);
    if (auto integer = dyn_cast<IntegerType>(to))
      return floatToInteger(*this, wide, integer.getWidth(), isUnsigned(to));
    if (to.isF64())
      return wide.getType().isF64() ? wide : create<arith::ExtFOp>(to, wide).getResult();
    // A double is rounded to f32 first, as lib/Reference does.
    return narrow(wide.getType().isF64() ? narrow(wide, b.getF32Type()) : wide, to);
  }
  if (isa<FloatType>(to)) {
    Type wide = to.isF64() ? to : b.getF32Type();
    Value value = unsignedFrom ? create<arith::UIToFPOp>(wide, scalar).getResult()
                               : create<arith::SIToFPOp>(wide, scalar).getResult();
    return narrow(value, to);
  }
  unsigned bits = to.getIntOrFloatBitWidth(), own = from.getIntOrFloatBitWidth();
  Type type = b.getIntegerType(bits);
  if (bits == 1)
    return create<arith::CmpIOp>(arith::CmpIPredicate::ne, scalar, integer(scalar.getType(), 0));
  if (bits < own)
    return create<arith::TruncIOp>(type, scalar);
  if (bits == own)
    return scalar;
  return unsignedFrom ? create<arith::ExtUIOp>(type, scalar).getResult()
                      : create<arith::ExtSIOp>(type, scalar).getResult();
}

//===-- tensors ---------------------------------------------------------------===//
Value Build::empty(RankedTensorType type, ValueRange like) const {
  SmallVector<Value> sizes;
  for (auto [d, size] : llvm::enumerate(type.getShape())) {
    if (!ShapedType::isDynamic(size))
      continue;
    for (Value operand : like) {
      int64_t axis = int64_t(d) - (type.getRank() - int64_t(shapeOf(operand).size()));
      if (axis < 0 || !ShapedType::isDynamic(shapeOf(operand)[axis]))
        continue;
      sizes.push_back(create<tensor::DimOp>(operand, axis));
      break;
    }
  }
  return create<tensor::EmptyOp>(type.getShape(), type.getElementType(), sizes);
}

Value Build::filled(RankedTensorType type, Value scalar) const {
  return create<linalg::FillOp>(scalar, empty(type)).getResult(0);
}

Value Build::generic(ValueRange inputs, Value output, ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
                     Body body) const {
  return create<linalg::GenericOp>(output.getType(), inputs, output, maps, iterators,
                                   [&](OpBuilder &inner, Location innerLoc, ValueRange scalars) {
                                     Value result = body(Build{inner, innerLoc}, scalars);
                                     linalg::YieldOp::create(inner, innerLoc, result);
                                   })
      .getResult(0);
}

Value Build::elementwise(RankedTensorType type, ValueRange operands, ArrayRef<AffineMap> maps, Body body) const {
  SmallVector<AffineMap> all(maps);
  all.push_back(b.getMultiDimIdentityMap(type.getRank()));
  SmallVector<utils::IteratorType> parallel(type.getRank(), utils::IteratorType::parallel);
  return generic(operands, empty(type, operands), all, parallel, body);
}

Value Build::elementwise(RankedTensorType type, ValueRange operands, Body body) const {
  SmallVector<AffineMap> maps;
  for (Value operand : operands) {
    ArrayRef<int64_t> shape = shapeOf(operand);
    int64_t extra = type.getRank() - int64_t(shape.size());
    SmallVector<AffineExpr> exprs;
    for (auto [d, size] : llvm::enumerate(shape)) {
      bool repeats = size == 1 && type.getDimSize(d + extra) != 1;
      exprs.push_back(repeats ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(d + extra));
    }
    maps.push_back(AffineMap::get(type.getRank(), 0, exprs, b.getContext()));
  }
  return elementwise(type, operands, maps, body);
}

AffineMap Build::alongAxis(int64_t axis, int64_t rank) const {
  return AffineMap::get(rank, 0, b.getAffineDimExpr(axis));
}

AffineMap Build::firstDims(int64_t n, int64_t loops) const {
  SmallVector<AffineExpr> exprs;
  for (int64_t d = 0; d < n; ++d)
    exprs.push_back(b.getAffineDimExpr(d));
  return AffineMap::get(loops, 0, exprs, b.getContext());
}

/// [[0, 1, ..., n - 1]], or none for a scalar.
static SmallVector<ReassociationIndices> allInOne(int64_t n) {
  if (n == 0)
    return {};
  return {llvm::to_vector<2>(llvm::seq<int64_t>(0, n))};
}

Value Build::reshape(Value tensor, ArrayRef<int64_t> shape) const {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.getShape() == shape)
    return tensor;
  // By way of one dimension, which is always possible.
  auto flat = RankedTensorType::get({type.getNumElements()}, type.getElementType());
  if (type.getRank() == 0)
    tensor = create<tensor::ExpandShapeOp>(flat, tensor, ArrayRef<ReassociationIndices>());
  else if (type.getRank() > 1)
    tensor = create<tensor::CollapseShapeOp>(flat, tensor, allInOne(type.getRank()));
  auto result = RankedTensorType::get(shape, type.getElementType());
  if (shape.size() == 1)
    return tensor;
  if (shape.empty())
    return create<tensor::CollapseShapeOp>(result, tensor, ArrayRef<ReassociationIndices>());
  return create<tensor::ExpandShapeOp>(result, tensor, allInOne(shape.size()));
}

Value Build::padOrCrop(Value tensor, ArrayRef<int64_t> low, ArrayRef<int64_t> high, Value scalar) const {
  SmallVector<int64_t> shape(shapeOf(tensor));
  auto crops = [](int64_t amount) { return amount < 0; };
  if (llvm::any_of(low, crops) || llvm::any_of(high, crops)) {
    SmallVector<OpFoldResult> offsets, sizes, strides(shape.size(), b.getIndexAttr(1));
    for (size_t d = 0; d < shape.size(); ++d) {
      shape[d] += std::min<int64_t>(low[d], 0) + std::min<int64_t>(high[d], 0);
      offsets.push_back(b.getIndexAttr(std::max<int64_t>(-low[d], 0)));
      sizes.push_back(b.getIndexAttr(shape[d]));
    }
    tensor = llvm::is_contained(shape, 0) ? empty(RankedTensorType::get(shape, elementOf(tensor)))
                                          : create<tensor::ExtractSliceOp>(tensor, offsets, sizes, strides).getResult();
  }
  auto pads = [](int64_t amount) { return amount > 0; };
  if (llvm::none_of(low, pads) && llvm::none_of(high, pads))
    return tensor;
  SmallVector<int64_t> lows, highs;
  for (size_t d = 0; d < shape.size(); ++d) {
    lows.push_back(std::max<int64_t>(low[d], 0));
    highs.push_back(std::max<int64_t>(high[d], 0));
    shape[d] += lows[d] + highs[d];
  }
  auto type = RankedTensorType::get(shape, elementOf(tensor));
  auto attrs = [&](ArrayRef<int64_t> values) { return getAsIndexOpFoldResult(b.getContext(), values); };
  return create<tensor::PadOp>(type, tensor, attrs(lows), attrs(highs), scalar);
}

Value Build::gatherByTables(Value tensor, RankedTensorType type, ArrayRef<SmallVector<int64_t>> tables) const {
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  for (auto [axis, entries] : llvm::enumerate(tables)) {
    if (entries.empty())
      continue;
    operands.push_back(table(entries, {int64_t(entries.size())}));
    maps.push_back(alongAxis(axis, type.getRank()));
  }
  return elementwise(type, operands, maps, [&](const Build &in, ValueRange scalars) {
    SmallVector<Value> indices;
    for (auto [axis, entries] : llvm::enumerate(tables)) {
      if (entries.empty()) {
        indices.push_back(in.create<linalg::IndexOp>(axis));
        continue;
      }
      indices.push_back(in.create<arith::IndexCastOp>(in.b.getIndexType(), scalars.front()));
      scalars = scalars.drop_front();
    }
    return in.extract(tensor, indices);
  });
}

Value Build::reduce(Value tensor, ArrayRef<int64_t> axes, Value init, Body body) const {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> shape;
  SmallVector<AffineExpr> kept;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    bool isReduced = llvm::is_contained(axes, axis);
    iterators.push_back(isReduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (isReduced)
      continue;
    shape.push_back(type.getDimSize(axis));
    kept.push_back(b.getAffineDimExpr(axis));
  }
  AffineMap maps[] = {b.getMultiDimIdentityMap(type.getRank()),
                      AffineMap::get(type.getRank(), 0, kept, b.getContext())};
  return generic(tensor, filled(RankedTensorType::get(shape, init.getType()), init), maps, iterators, body);
}

} // namespace tern::lowering
