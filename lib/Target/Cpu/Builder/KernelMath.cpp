//===- KernelMath.cpp - lanes, arithmetic, conversions of kernels ----------===//
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tern::cpu {

/// 1.5 * 2^23: added to a small float, the low bits of the sum are its integer, ties to even.
static constexpr float kMagic = 12582912.0f;
static constexpr int64_t kMagicBits = 0x4B400000;

//===- Lanes ---------------------------------------------------------------===//

Value KernelBuilder::broadcast(Value scalar, int64_t n) {
  if (!n)
    return scalar;
  return vector::BroadcastOp::create(b, location, VectorType::get({n}, scalar.getType()), scalar);
}

Value KernelBuilder::extract(Value v, int64_t lane) { return vector::ExtractOp::create(b, location, v, lane); }

Value KernelBuilder::slice(Value v, int64_t first, int64_t n) {
  if (first == 0 && n == lanesOf(v))
    return v;
  return vector::ExtractStridedSliceOp::create(b, location, v, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{n},
                                               ArrayRef<int64_t>{1});
}

Value KernelBuilder::shuffle(Value x, Value y, ArrayRef<int64_t> lanes) {
  return vector::ShuffleOp::create(b, location, x, y, lanes);
}

Value KernelBuilder::insert(Value part, Value into, int64_t first) {
  return vector::InsertStridedSliceOp::create(b, location, part, into, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{1});
}

Value KernelBuilder::concat(ArrayRef<Value> parts) {
  Values level(parts);
  while (level.size() > 1) {
    Values next;
    SmallVector<int64_t> all(2 * lanesOf(level[0]));
    for (int64_t i = 0, e = all.size(); i < e; i++)
      all[i] = i;
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(shuffle(level[i], level[i + 1], all));
    level = next;
  }
  return level[0];
}

Value KernelBuilder::bitcast(Value v, Type t) {
  if (v.getType() == t)
    return v;
  if (isa<VectorType>(t))
    return vector::BitCastOp::create(b, location, t, v);
  return arith::BitcastOp::create(b, location, t, v);
}

Value KernelBuilder::select(Value mask, Value x, Value y) { return arith::SelectOp::create(b, location, mask, x, y); }

Value KernelBuilder::reduce(Value v, llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t n = lanesOf(v); n > 1; n /= 2)
    v = combine(slice(v, 0, n / 2), slice(v, n / 2, n / 2));
  return extract(v, 0);
}

Value KernelBuilder::reduceAdd(Value v) {
  return reduce(v, [&](Value x, Value y) { return isa<FloatType>(getElementTypeOrSelf(v)) ? add(x, y) : addi(x, y); });
}

Value KernelBuilder::reduceMax(Value v) {
  return reduce(v, [&](Value x, Value y) { return fmax(x, y); });
}

//===- Float arithmetic ----------------------------------------------------===//

Value KernelBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, location, x, y); }
Value KernelBuilder::sub(Value x, Value y) { return arith::SubFOp::create(b, location, x, y); }
Value KernelBuilder::mul(Value x, Value y) { return arith::MulFOp::create(b, location, x, y); }
Value KernelBuilder::div(Value x, Value y) { return arith::DivFOp::create(b, location, x, y); }
Value KernelBuilder::neg(Value x) { return arith::NegFOp::create(b, location, x); }
Value KernelBuilder::abs(Value x) { return math::AbsFOp::create(b, location, x); }
Value KernelBuilder::sqrt(Value x) { return math::SqrtOp::create(b, location, x); }
Value KernelBuilder::copysign(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, location, magnitude, sign);
}

Value KernelBuilder::fma(Value x, Value y, Value z) {
  if (!hasFma())
    return add(mul(x, y), z);
  return math::FmaOp::create(b, location, x, y, z);
}

Value KernelBuilder::compare(arith::CmpFPredicate predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, location, predicate, x, y);
}

Value KernelBuilder::fmax(Value x, Value y) { return select(compare(arith::CmpFPredicate::OGT, x, y), x, y); }
Value KernelBuilder::fmin(Value x, Value y) { return select(compare(arith::CmpFPredicate::OLT, x, y), x, y); }

Value KernelBuilder::roundEven(Value x) {
  if (hasFma())
    return math::RoundEvenOp::create(b, location, x);
  // SSE2 has no rounding instruction: 2^23 pushes the fraction out; larger values (and NaN) have none.
  int64_t n = lanesOf(x);
  Value limit = f32(8388608.0, n), magnitude = abs(x);
  Value rounded = copysign(sub(add(magnitude, limit), limit), x);
  return select(compare(arith::CmpFPredicate::OLT, magnitude, limit), rounded, x);
}

Value KernelBuilder::floor(Value x) {
  if (hasFma())
    return math::FloorOp::create(b, location, x);
  Value r = roundEven(x);
  Value lower = copysign(sub(r, f32(1.0, lanesOf(x))), x);
  return select(compare(arith::CmpFPredicate::OGT, r, x), lower, r);
}

Value KernelBuilder::ceil(Value x) { return hasFma() ? math::CeilOp::create(b, location, x) : neg(floor(neg(x))); }

//===- Integer arithmetic --------------------------------------------------===//

Value KernelBuilder::addi(Value x, Value y) { return arith::AddIOp::create(b, location, x, y); }
Value KernelBuilder::subi(Value x, Value y) { return arith::SubIOp::create(b, location, x, y); }
Value KernelBuilder::muli(Value x, Value y) { return arith::MulIOp::create(b, location, x, y); }
Value KernelBuilder::andi(Value x, Value y) { return arith::AndIOp::create(b, location, x, y); }
Value KernelBuilder::ori(Value x, Value y) { return arith::OrIOp::create(b, location, x, y); }
Value KernelBuilder::shl(Value x, Value y) { return arith::ShLIOp::create(b, location, x, y); }
Value KernelBuilder::shrs(Value x, Value y) { return arith::ShRSIOp::create(b, location, x, y); }
Value KernelBuilder::shru(Value x, Value y) { return arith::ShRUIOp::create(b, location, x, y); }
Value KernelBuilder::maxs(Value x, Value y) { return arith::MaxSIOp::create(b, location, x, y); }
Value KernelBuilder::mins(Value x, Value y) { return arith::MinSIOp::create(b, location, x, y); }
Value KernelBuilder::maxu(Value x, Value y) { return arith::MaxUIOp::create(b, location, x, y); }

//===- Conversions ---------------------------------------------------------===//

Value KernelBuilder::zext(Value v, Elem to) { return arith::ExtUIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::sext(Value v, Elem to) { return arith::ExtSIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::trunc(Value v, Elem to) { return arith::TruncIOp::create(b, location, type(to, lanesOf(v)), v); }
Value KernelBuilder::toF32(Value v) { return arith::SIToFPOp::create(b, location, f32Type(lanesOf(v)), v); }

/// The AVX levels have an instruction; SSE2 would call a library function for every lane.
Value KernelBuilder::halfToF32(Value v) {
  int64_t n = lanesOf(v);
  if (hasFma())
    return arith::ExtFOp::create(b, location, f32Type(n), v);
  // Exponent and fraction move to their places in f32, 2^112 corrects the bias; subnormals become right by the same
  // product.
  Value bits = zext(bitcast(v, type(Elem::I16, n)));
  Value magnitude = shl(andi(bits, i32(0x7fff, n)), i32(13, n));
  Value sign = shl(andi(bits, i32(0x8000, n)), i32(16, n));
  Value value = mul(bitcast(magnitude, f32Type(n)), f32(0x1p112, n));
  return bitcast(ori(bitcast(value, i32Type(n)), sign), f32Type(n));
}

Value KernelBuilder::saturateU8(Value v) {
  int64_t n = lanesOf(v);
  return trunc(mins(maxs(v, i32(0, n)), i32(255, n)), Elem::U8);
}

Value KernelBuilder::roundToInt(Value x, int64_t zero, int64_t lo, int64_t hi) {
  int64_t n = lanesOf(x);
  Value clamped = fmin(fmax(x, f32(lo - zero, n)), f32(hi - zero, n));
  // An even zero point keeps ties where they are, so it rides along in the constant.
  int64_t inside = zero % 2 == 0 ? zero : 0;
  Value bits = bitcast(add(clamped, f32(kMagic + float(inside), n)), i32Type(n));
  return subi(bits, i32(kMagicBits - (zero - inside), n));
}

} // namespace tern::cpu
