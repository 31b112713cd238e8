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
Value Build::empty(const Shaped &type) const { return create<tensor::EmptyOp>(type.sizes, type.element()); }

Value Build::filled(const Shaped &type, Value scalar) const {
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

Value Build::elementwise(const Shaped &type, ValueRange operands, ArrayRef<AffineMap> maps, Body body) const {
  Shaped result = type;
  // Open sizes that are not given are those of an operand.
  for (auto [operand, map] : llvm::zip(operands, maps))
    for (auto [axis, expr] : llvm::enumerate(map.getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr); dim && !result.sizes[dim.getPosition()])
        result.sizes[dim.getPosition()] = extent(operand, axis);
  SmallVector<AffineMap> all(maps);
  int64_t rank = type.type.getRank();
  all.push_back(b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> parallel(rank, utils::IteratorType::parallel);
  return generic(operands, empty(result), all, parallel, body);
}

Value Build::elementwise(const Shaped &type, ValueRange operands, Body body) const {
  SmallVector<AffineMap> maps;
  int64_t rank = type.type.getRank();
  for (Value operand : operands) {
    ArrayRef<int64_t> shape = shapeOf(operand);
    int64_t extra = rank - int64_t(shape.size());
    SmallVector<AffineExpr> exprs;
    for (auto [d, size] : llvm::enumerate(shape)) {
      bool repeats = size == 1 && type.type.getDimSize(d + extra) != 1;
      exprs.push_back(repeats ? b.getAffineConstantExpr(0) : b.getAffineDimExpr(d + extra));
    }
    maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
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

Value Build::reduce(Value tensor, ArrayRef<int64_t> axes, Value init, Body body) const {
  auto type = cast<RankedTensorType>(tensor.getType());
  Extents sizes;
  SmallVector<AffineExpr> kept;
  SmallVector<utils::IteratorType> iterators;
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    bool isReduced = llvm::is_contained(axes, axis);
    iterators.push_back(isReduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
    if (isReduced)
      continue;
    sizes.push_back(extent(tensor, axis));
    kept.push_back(b.getAffineDimExpr(axis));
  }
  AffineMap maps[] = {b.getMultiDimIdentityMap(type.getRank()),
                      AffineMap::get(type.getRank(), 0, kept, b.getContext())};
  return generic(tensor, filled(Shaped(sizes, init.getType()), init), maps, iterators, body);
}

} // namespace tern::lowering
