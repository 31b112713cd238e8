//===- TernToLinalgPlanes.cpp - reading planes, numbers of codes ----------===//
// What lib/Formats defines for one code, as arith on scalars.
//===----------------------------------------------------------------------===//
#include "TernToLinalgQuant.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tern::lowering {

//===-- one number --------------------------------------------------------------===//
bool canReadNumbers(const Element &element) {
  switch (element.kind) {
  case ElementKind::Minifloat:
    return element.bits <= 8 && element.bias >= 0 && element.bias <= 126;
  case ElementKind::Float:
  case ElementKind::Int:
  case ElementKind::UInt:
  case ElementKind::E8M0:
  case ElementKind::Fixed:
  case ElementKind::Lut:
  case ElementKind::Ternary:
  case ElementKind::Bipolar:
    return true;
  default:
    return false;
  }
}

/// Sign, exponent and mantissa moved to their places in an f32, whose exponent is then corrected by a multiplication:
/// exact, also for subnormal numbers.
static Value decodeMinifloat(const Build &in, const Element &element, Value code) {
  Type i32 = in.b.getI32Type(), f32 = in.b.getF32Type();
  auto constant = [&](int64_t value) { return in.integer(i32, value); };
  int64_t sign = int64_t(1) << (element.bits - 1), top = ((int64_t(1) << element.exponent) - 1) << element.mantissa;
  Value magnitude = in.create<arith::AndIOp>(code, constant(sign - 1));
  Value bits = in.create<arith::ShLIOp>(magnitude, constant(23 - element.mantissa));
  Value number = in.mul(in.create<arith::BitcastOp>(f32, bits), in.number(f32, std::ldexp(1.0, 127 - element.bias)));
  auto is = [&](arith::CmpIPredicate predicate, Value value, int64_t other) {
    return in.create<arith::CmpIOp>(predicate, value, constant(other));
  };
  Value nan = in.number(f32, NAN);
  if (element.special == Special::Ieee) {
    number = in.select(is(arith::CmpIPredicate::eq, magnitude, top), in.number(f32, INFINITY), number);
    number = in.select(is(arith::CmpIPredicate::sgt, magnitude, top), nan, number);
  } else if (element.special == Special::Fn) {
    number = in.select(is(arith::CmpIPredicate::eq, magnitude, sign - 1), nan, number);
  }
  Value signBit = in.create<arith::AndIOp>(code, constant(sign));
  Value isNegative = is(arith::CmpIPredicate::ne, signBit, 0);
  number = in.select(isNegative, in.create<arith::NegFOp>(number), number);
  if (element.special == Special::Fnuz)
    number = in.select(is(arith::CmpIPredicate::eq, in.create<arith::AndIOp>(code, constant(2 * sign - 1)), sign), nan, number);
  return number;
}

Value numberOf(const Build &in, const Element &element, Value code) {
  Type i32 = in.b.getI32Type(), f32 = in.b.getF32Type();
  auto constant = [&](int64_t value) { return in.integer(i32, value); };
  switch (element.kind) {
  case ElementKind::Minifloat:
    return decodeMinifloat(in, element, code);
  case ElementKind::E8M0: {
    // 2^-127 is a subnormal f32.
    Value bits = in.create<arith::ShLIOp>(code, constant(23));
    Value isZero = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, code, constant(0));
    Value isNaN = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, code, constant(255));
    bits = in.select(isZero, constant(0x400000), in.select(isNaN, constant(0x7fc00000), bits));
    return in.create<arith::BitcastOp>(f32, bits);
  }
  case ElementKind::Bipolar: {
    Value odd = in.create<arith::SubIOp>(in.create<arith::ShLIOp>(code, constant(1)), constant((1 << element.bits) - 1));
    return in.create<arith::SIToFPOp>(f32, odd);
  }
  default: {
    Value number = in.create<arith::SIToFPOp>(f32, code);
    return element.hasIntegerCodes() && element.step() != 1 ? in.mul(number, in.number(f32, element.step())) : number;
  }
  }
}

/// 2^round(log2 |y|) as `how` says; the code is the exponent of an f32.
static Value encodePowerOfTwo(const Build &in, Value y, SmallFloatCode how) {
  Type i32 = in.b.getI32Type();
  auto constant = [&](int64_t value) { return in.integer(i32, value); };
  using P = arith::CmpIPredicate;
  Value bits = in.create<arith::AndIOp>(in.create<arith::BitcastOp>(i32, y), constant(0x7fffffff));
  Value exponent = in.create<arith::ShRUIOp>(bits, constant(23)), rest = in.create<arith::AndIOp>(bits, constant(0x7fffff));
  Value up = in.create<arith::CmpIOp>(P::ne, rest, constant(0));
  if (how.round == nn::CastRound::nearest) {
    Value tie = in.create<arith::AndIOp>(in.create<arith::CmpIOp>(P::eq, rest, constant(0x400000)),
                                         in.create<arith::CmpIOp>(P::sgt, exponent, constant(0)));
    up = in.create<arith::OrIOp>(in.create<arith::CmpIOp>(P::sgt, rest, constant(0x400000)), tie);
  } else if (how.round == nn::CastRound::down) {
    up = in.create<arith::ConstantIntOp>(0, 1);
  }
  int64_t last = how.overflow ? 0xff : 0xfe;
  Value next = in.create<arith::MinSIOp>(in.add(exponent, constant(1)), constant(last));
  Value code = in.select(up, next, exponent);
  return in.select(in.create<arith::CmpIOp>(P::eq, exponent, constant(0xff)), constant(0xff), code);
}

Value encodeSmallFloat(const Build &in, const Element &element, Value y, SmallFloatCode how) {
  if (element.kind == ElementKind::E8M0)
    return encodePowerOfTwo(in, y, how);
  // As lib/Formats/ElementCodec.cpp, minifloats().
  Type i32 = in.b.getI32Type(), f32 = in.b.getF32Type();
  auto constant = [&](int64_t value) { return in.integer(i32, value); };
  auto bitsOfFloat = [](double x) { return int64_t(bitsOf(float(x))); };
  using P = arith::CmpIPredicate;
  const int shift = 23 - element.mantissa;
  const int64_t signBit = int64_t(1) << (element.bits - 1), most = bitsOfFloat(element.maxValue());
  const int64_t rebias = int64_t(127 - element.bias) << 23, leastNormal = int64_t(128 - element.bias) << 23;
  const double magic = std::ldexp(1.0, 1 - element.bias - element.mantissa + 23);
  Value u = in.create<arith::BitcastOp>(i32, y);
  Value sign = in.create<arith::AndIOp>(in.create<arith::ShRUIOp>(u, constant(31 - (element.bits - 1))), constant(signBit));
  Value whole = in.create<arith::AndIOp>(u, constant(0x7fffffff));
  Value isNaN = in.create<arith::CmpIOp>(P::sgt, whole, constant(0x7f800000));
  Value mag = how.overflow ? whole : in.create<arith::MinSIOp>(whole, constant(most)).getResult();
  Value moved = in.add(in.create<arith::BitcastOp>(f32, mag), in.number(f32, magic));
  Value subnormal = in.create<arith::SubIOp>(in.create<arith::BitcastOp>(i32, moved), constant(bitsOfFloat(magic)));
  Value biased = in.create<arith::SubIOp>(mag, constant(rebias));
  Value odd = in.create<arith::AndIOp>(in.create<arith::ShRUIOp>(biased, constant(shift)), constant(1));
  Value normal = in.create<arith::ShRUIOp>(in.add(in.add(biased, constant((int64_t(1) << (shift - 1)) - 1)), odd), constant(shift));
  Value code = in.select(in.create<arith::CmpIOp>(P::slt, mag, constant(leastNormal)), subnormal, normal);
  const int64_t maxCode = (most - rebias) >> shift;
  const bool hasInf = element.special == Special::Ieee, isFnuz = element.special == Special::Fnuz;
  int64_t nanCode = !element.hasNaN() ? (how.nanIsMinusZero ? 0 : maxCode) : isFnuz ? signBit : signBit - 1;
  if (hasInf && how.nanIsMinusZero) // casts make the quiet NaN: the top bit of the mantissa
    nanCode = (maxCode + 1) | ((signBit - maxCode - 1) >> 1);
  if (how.overflow && (hasInf || element.hasNaN())) {
    Value isOver = in.create<arith::CmpIOp>(P::sgt, code, constant(maxCode));
    code = in.select(isOver, constant(hasInf ? maxCode + 1 : nanCode), code);
    if (isFnuz) // its NaN has no sign
      sign = in.select(isOver, constant(0), sign);
  } else if (how.overflow) {
    code = in.create<arith::MinSIOp>(code, constant(maxCode));
  }
  if (isFnuz)
    sign = in.select(in.create<arith::CmpIOp>(P::eq, code, constant(0)), constant(0), sign);
  Value ofNaN = constant(nanCode);
  if (element.hasNaN() && !isFnuz)
    ofNaN = in.create<arith::OrIOp>(ofNaN, sign);
  else if (!element.hasNaN() && how.nanIsMinusZero)
    ofNaN = constant(signBit);
  return in.select(isNaN, ofNaN, in.create<arith::OrIOp>(code, sign));
}

//===-- planes ------------------------------------------------------------------===//
/// Entry `position` along the last axis of LSB-first packed bytes, as i32 with its sign.
static Value unpack(const Build &in, Value packed, SmallVector<Value> indices, const Element &element) {
  Type i32 = in.b.getI32Type();
  auto byteAt = [&](Value byte) -> Value {
    if (!indices.empty())
      indices.back() = byte;
    return in.create<arith::ExtUIOp>(i32, in.extract(packed, indices));
  };
  Value position = indices.empty() ? in.index(0) : indices.back();
  Value bit = in.mul(position, in.index(element.bits)), eight = in.index(8);
  Value byte = in.create<arith::DivUIOp>(bit, eight);
  Value shift = in.create<arith::IndexCastOp>(i32, in.create<arith::RemUIOp>(bit, eight));
  Value word = byteAt(byte);
  if (8 % element.bits != 0 && !indices.empty()) {
    // A code may reach into the next byte; of the last one, the same byte does no harm.
    Value next = in.create<arith::MinUIOp>(in.add(byte, in.index(1)), in.index(shapeOf(packed).back() - 1));
    word = in.create<arith::OrIOp>(word, in.create<arith::ShLIOp>(byteAt(next), in.integer(i32, 8)));
  }
  Value code = in.create<arith::ShRUIOp>(word, shift), unused = in.integer(i32, 32 - element.bits);
  code = in.create<arith::ShLIOp>(code, unused);
  return element.hasSignedCodes() ? in.create<arith::ShRSIOp>(code, unused).getResult()
                                  : in.create<arith::ShRUIOp>(code, unused).getResult();
}

PlaneReader::PlaneReader(const Build &build, ArrayRef<int64_t> shape) : build(build), rank(shape.size()) {}

AffineMap PlaneReader::mapOf(ArrayRef<int64_t> block) const {
  SmallVector<AffineExpr> exprs;
  for (auto [d, extent] : llvm::enumerate(block)) {
    AffineExpr dim = build.b.getAffineDimExpr(d);
    exprs.push_back(extent == kWhole ? build.b.getAffineConstantExpr(0) : extent == 1 ? dim : dim.floorDiv(extent));
  }
  return AffineMap::get(rank, 0, exprs, build.b.getContext());
}

unsigned PlaneReader::addTable(Value plane, const Element &element, ArrayRef<int64_t> block) {
  entries.push_back({plane, element, mapOf(block), -1});
  return entries.size() - 1;
}

unsigned PlaneReader::add(Value plane, const Element &element, ArrayRef<int64_t> block) {
  Entry entry{plane, element, mapOf(block), -1};
  if (element.bits >= 8) {
    entry.operand = operands.size();
    operands.push_back(plane);
    maps.push_back(entry.map);
  }
  entries.push_back(entry);
  return entries.size() - 1;
}

void PlaneReader::addTensor(Value tensor, AffineMap map) {
  Entry entry{tensor, Element::f32(), map, int64_t(operands.size())};
  operands.push_back(tensor);
  maps.push_back(map);
  entries.push_back(entry);
}

SmallVector<Value> PlaneReader::indicesOf(const Build &in, const Entry &entry) const {
  SmallVector<Value> indices;
  for (AffineExpr expr : entry.map.getResults()) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
      indices.push_back(in.index(constant.getValue()));
      continue;
    }
    auto blocks = dyn_cast<AffineBinaryOpExpr>(expr);
    auto dim = cast<AffineDimExpr>(blocks ? blocks.getLHS() : expr);
    Value at = in.create<linalg::IndexOp>(dim.getPosition());
    if (blocks)
      at = in.create<arith::DivUIOp>(at, in.index(cast<AffineConstantExpr>(blocks.getRHS()).getValue()));
    indices.push_back(at);
  }
  return indices;
}

Value PlaneReader::read(const Build &in, ValueRange scalars, unsigned index) const {
  const Entry &entry = entries[index];
  Type i32 = in.b.getI32Type();
  if (entry.operand < 0)
    return unpack(in, entry.plane, indicesOf(in, entry), entry.element);
  Value scalar = scalars[entry.operand];
  if (isa<FloatType>(scalar.getType()))
    return in.widen(scalar);
  if (scalar.getType() == i32)
    return scalar;
  return entry.element.hasSignedCodes() ? in.create<arith::ExtSIOp>(i32, scalar).getResult()
                                        : in.create<arith::ExtUIOp>(i32, scalar).getResult();
}

Value PlaneReader::number(const Build &in, ValueRange scalars, unsigned index) const {
  Value value = read(in, scalars, index);
  return isa<FloatType>(value.getType()) ? value : numberOf(in, entries[index].element, value);
}

Value PlaneReader::tableEntry(const Build &in, unsigned index, Value code) const {
  const Entry &entry = entries[index];
  SmallVector<Value> indices = indicesOf(in, entry);
  indices.push_back(in.create<arith::IndexCastOp>(in.b.getIndexType(), code));
  Type i32 = in.b.getI32Type();
  if (entry.element.bits < 8)
    return numberOf(in, entry.element, unpack(in, entry.plane, indices, entry.element));
  Value value = in.extract(entry.plane, indices);
  if (isa<FloatType>(value.getType()))
    return in.widen(value);
  if (value.getType() != i32)
    value = entry.element.hasSignedCodes() ? in.create<arith::ExtSIOp>(i32, value).getResult()
                                           : in.create<arith::ExtUIOp>(i32, value).getResult();
  return numberOf(in, entry.element, value);
}

} // namespace tern::lowering
