// x ^ y in double precision: 2 ^ (y log2 |x|). A product of f32 logarithms would lose as many bits as the exponent has.
#include "lib/Target/Cpu/Math/VectorMath.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include <cmath>

using namespace mlir;
using arith::CmpFPredicate;

namespace tern::cpu::vmath {
namespace {

/// Vectors of f64 and i64 with the lanes of an f32 vector.
struct Doubles {
  KernelBuilder &k;
  int64_t n;
  Value constant(double v) {
    Type t = Float64Type::get(k.builder().getContext());
    Attribute a = FloatAttr::get(t, v);
    return k.constant(n ? cast<TypedAttr>(DenseElementsAttr::get(VectorType::get({n}, t), a)) : cast<TypedAttr>(a));
  }
  Value widen(Value f32) { return arith::ExtFOp::create(k.builder(), k.loc(), k.type(Elem::F64, n), f32); }
  Value narrow(Value f64) { return arith::TruncFOp::create(k.builder(), k.loc(), k.f32Type(n), f64); }
  Value polynomial(Value x, ArrayRef<double> c) {
    Value r = constant(c.back());
    for (double a : llvm::reverse(c.drop_back()))
      r = k.add(k.mul(r, x), constant(a));
    return r;
  }
};

/// log2 of a positive finite f32, in f64; 1e-11 relative.
Value log2Positive(Doubles &d, Value x) {
  KernelBuilder &k = d.k;
  int64_t n = d.n;
  Value denormal = k.compare(CmpFPredicate::OLT, x, k.f32(1.17549435e-38, n));
  x = k.select(denormal, k.mul(x, k.f32(8388608.0, n)), x);
  Value root = k.i32(0x3F3504F3, n), shifted = k.subi(k.bitcast(x, k.i32Type(n)), root);
  Value e = k.subi(k.shrs(shifted, k.i32(23, n)), k.select(denormal, k.i32(23, n), k.i32(0, n)));
  Value m = d.widen(k.bitcast(k.addi(k.andi(shifted, k.i32(0x007FFFFF, n)), root), k.f32Type(n)));
  // log2 m = 2 / ln 2 atanh s, s = (m - 1) / (m + 1), |s| <= 0.172
  Value one = d.constant(1), s = k.div(k.sub(m, one), k.add(m, one));
  SmallVector<double> c;
  for (int i = 0; i < 8; i++)
    c.push_back(2 / (M_LN2 * (2 * i + 1)));
  Value log = k.mul(s, d.polynomial(k.mul(s, s), c));
  return k.add(log, arith::SIToFPOp::create(k.builder(), k.loc(), k.type(Elem::F64, n), e));
}

/// 2^t rounded to f32, for any t; the power of two in two factors, so that denormals and infinity come out of the
/// products.
Value exp2(Doubles &d, Value t) {
  KernelBuilder &k = d.k;
  int64_t n = d.n;
  constexpr double magic = 6755399441055744.0; // 1.5 * 2^52
  t = k.fmin(d.constant(140), k.fmax(d.constant(-160), t));
  Value z = k.add(t, d.constant(magic)), f = k.sub(t, k.sub(z, d.constant(magic)));
  SmallVector<double> c;
  double term = 1;
  for (int i = 0; i < 10; i++) {
    c.push_back(term);
    term *= M_LN2 / (i + 1);
  }
  Value p = d.narrow(d.polynomial(f, c));
  Value whole = k.trunc(k.bitcast(z, k.type(Elem::I64, n)), Elem::I32);
  Value half = k.shrs(whole, k.i32(1, n));
  auto power = [&](Value exponent) {
    return k.bitcast(k.shl(k.addi(exponent, k.i32(127, n)), k.i32(23, n)), k.f32Type(n));
  };
  return k.mul(k.mul(p, power(half)), power(k.subi(whole, half)));
}

} // namespace

Value pow(KernelBuilder &k, Value x, Value y) {
  int64_t n = k.lanesOf(x);
  Doubles d{k, n};
  Value zero = k.f32(0, n), one = k.f32(1, n), infinity = k.f32(INFINITY, n), magnitude = k.abs(x);
  auto is = [&](CmpFPredicate p, Value a, Value c) { return k.compare(p, a, c); };
  // Integer exponents give a negative base a sign; every f32 of 2^24 and more is even.
  Value whole = k.roundEven(y), half = k.mul(y, k.f32(0.5, n));
  Value isInteger = is(CmpFPredicate::OEQ, whole, y);
  Value isOdd = k.andi(isInteger, is(CmpFPredicate::UNE, k.roundEven(half), half));

  Value log = log2Positive(d, magnitude);
  Value bound = d.constant(1e6);
  log = k.select(is(CmpFPredicate::OEQ, magnitude, zero), k.neg(bound), log);
  log = k.select(is(CmpFPredicate::OEQ, magnitude, infinity), bound, log);
  Value r = exp2(d, k.mul(log, d.widen(y)));
  // At 0 and infinity the logarithm stands for any large one: tiny exponents still overflow.
  Value extreme = k.ori(is(CmpFPredicate::OEQ, magnitude, zero), is(CmpFPredicate::OEQ, magnitude, infinity));
  Value grows = k.select(is(CmpFPredicate::OEQ, magnitude, zero), is(CmpFPredicate::OLT, y, zero),
                         is(CmpFPredicate::OGT, y, zero));
  r = k.select(extreme, k.select(grows, infinity, zero), r);
  r = k.select(isOdd, k.copysign(r, x), r);
  Value negative = k.andi(is(CmpFPredicate::OLT, x, zero), is(CmpFPredicate::ONE, magnitude, infinity));
  Value yFinite = is(CmpFPredicate::ONE, k.abs(y), infinity);
  Value undefined = k.andi(k.andi(negative, yFinite), is(CmpFPredicate::UNE, whole, y));
  r = k.select(undefined, k.f32(NAN, n), r);
  r = k.select(is(CmpFPredicate::UNO, x, y), k.add(x, y), r);
  Value isOne = k.ori(is(CmpFPredicate::OEQ, x, one), is(CmpFPredicate::OEQ, y, zero));
  Value minusOne = k.andi(is(CmpFPredicate::OEQ, x, k.f32(-1, n)), is(CmpFPredicate::OEQ, k.abs(y), infinity));
  return k.select(k.ori(isOne, minusOne), one, r);
}

Value powConstant(KernelBuilder &k, Value x, double y) {
  int64_t n = k.lanesOf(x);
  auto inverse = [&](Value v) { return k.div(k.f32(1, n), v); };
  // sqrt(-0) and sqrt(-inf) differ from pow's +0 and +inf.
  auto root = [&] {
    Value positive = k.abs(x);
    Value defined = k.compare(CmpFPredicate::OEQ, k.f32(-INFINITY, n), x);
    return k.select(defined, positive, k.sqrt(k.add(x, k.f32(0, n))));
  };
  if (y == 0)
    return k.f32(1, n);
  if (y == 1)
    return x;
  if (y == 2)
    return k.mul(x, x);
  if (y == 3)
    return k.mul(k.mul(x, x), x);
  if (y == 4)
    return k.mul(k.mul(x, x), k.mul(x, x));
  if (y == -1)
    return inverse(x);
  if (y == -2)
    return inverse(k.mul(x, x));
  if (y == 0.5)
    return root();
  if (y == -0.5)
    return inverse(root());
  return pow(k, x, k.f32(y, n));
}

} // namespace tern::cpu::vmath
