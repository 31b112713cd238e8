#include "lib/Target/Cpu/Math/VectorMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <cmath>

using namespace mlir;
using arith::CmpFPredicate;

namespace tern::cpu::vmath {

Value polynomial(KernelBuilder &k, Value x, ArrayRef<double> c) {
  int64_t n = KernelBuilder::lanesOf(x);
  Value r = k.f32(c.back(), n);
  for (double a : llvm::reverse(c.drop_back()))
    r = k.fma(r, x, k.f32(a, n));
  return r;
}

namespace {

/// bound <= x, keeping NaN.
Value atLeast(KernelBuilder &k, Value x, double bound) { return k.fmax(k.f32(bound, k.lanesOf(x)), x); }
Value atMost(KernelBuilder &k, Value x, double bound) { return k.fmin(k.f32(bound, k.lanesOf(x)), x); }

Value isNan(KernelBuilder &k, Value x) { return k.compare(CmpFPredicate::UNO, x, x); }

/// exp(x) = 2^(n-1) * 2 exp(r). n = round(x / ln 2) + 126 lies in the low bits of the sum with 1.5 * 2^23, already
/// biased, so the shift makes the power of two; below the lower bound it is 0, at the upper one the product overflows
/// to infinity. A bias of 125 makes half of it.
Value expClamped(KernelBuilder &k, Value x, int64_t bias = 126) {
  const double magic = 12582912.0 + double(bias);
  // exp(r) - 1 - r over r^2: least squares on Chebyshev nodes of |r| <= ln 2 / 2.
  constexpr double tail[] = {0.4999998856149578, 0.1666651816532504, 0.041669538690983776, 0.008368951777481275,
                             0.0013751279109647675};
  int64_t n = k.lanesOf(x);
  Value z = k.fma(x, k.f32(1.4426950408889634, n), k.f32(magic, n));
  Value whole = k.sub(z, k.f32(magic, n));
  Value r = k.fma(whole, k.f32(-0.693145751953125, n), x); // ln 2 in two parts: the first product is exact
  r = k.fma(whole, k.f32(-1.42860682030941723212e-6, n), r);
  SmallVector<double> c{2, 2};
  for (double t : tail)
    c.push_back(2 * double(float(t)));
  Value scale = k.bitcast(k.shl(k.bitcast(z, k.i32Type(n)), k.i32(23, n)), k.f32Type(n));
  return k.mul(polynomial(k, r, c), scale);
}

} // namespace

Value exp(KernelBuilder &k, Value x) { return expClamped(k, atMost(k, atLeast(k, x, -87.33), 89.0)); }
Value halfExp(KernelBuilder &k, Value x) { return expClamped(k, atMost(k, atLeast(k, x, -86.6), 89.7), 125); }
Value expNegative(KernelBuilder &k, Value x) { return expClamped(k, atLeast(k, x, -87.33)); }

/// exp(x) = 2^n 2^r with x / ln 2 = n + r. That the quotient is rounded costs |x| ulp of a result of exp(-|x|).
Value expUnit(KernelBuilder &k, Value x) {
  // 2^r: smallest relative error (2e-8 as floats) over |r| <= 1/2 of the polynomials that are 1 at 0.
  constexpr double c[] = {1,
                          0.6931471824645996,
                          0.24022647738456726,
                          0.055503323674201965,
                          0.00961843691766262,
                          0.0013398873852565885,
                          0.00015353361959569156};
  int64_t n = k.lanesOf(x);
  Value t = k.mul(x, k.f32(1.4426950408889634, n));
  if (k.target().level == 2 && n && n % 16 == 0) {
    t = atLeast(k, t, -151); // 2^-151 is rounded to 0
    return bySixteen(k, t, [&](Value t) -> Value {
      Value whole = k.roundEven(t), p = polynomial(k, k.sub(t, whole), c);
      OpBuilder &b = k.builder();
      Value all = arith::ConstantOp::create(b, k.loc(), b.getI16IntegerAttr(-1)), current = arith::ConstantOp::create(b, k.loc(), b.getI32IntegerAttr(4));
      return LLVM::CallIntrinsicOp::create(b, k.loc(), p.getType(), b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                           ValueRange{p, whole, p, all, current})
          .getResults();
    });
  }
  // As in expClamped: the factor is 2^(n - 1), and 0 at the lower bound.
  constexpr double magic = 12582912.0 + 126;
  t = atLeast(k, t, -126);
  Value z = k.add(t, k.f32(magic, n)), r = k.sub(t, k.sub(z, k.f32(magic, n)));
  SmallVector<double> twice;
  for (double a : c)
    twice.push_back(2 * a);
  return k.mul(polynomial(k, r, twice), k.bitcast(k.shl(k.bitcast(z, k.i32Type(n)), k.i32(23, n)), k.f32Type(n)));
}

/// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt 2): e ln 2 + f - f^2 / 2 + f^3 P(f).
Value log(KernelBuilder &k, Value x) {
  constexpr double c[] = {0.3333331260051127,   -0.2500000961105613,  0.2000211886517885,
                          -0.16667995344162823, 0.14219548293525397,  -0.12405595695450798,
                          0.11888196559248794,  -0.11675623485579176, 0.06746532629050928};
  int64_t n = k.lanesOf(x);
  Type ints = k.i32Type(n), floats = k.f32Type(n);
  Value denormal = k.compare(CmpFPredicate::OLT, x, k.f32(1.17549435e-38, n));
  Value scaled = k.select(denormal, k.mul(x, k.f32(8388608.0, n)), x);
  // Subtracting the bits of sqrt(1/2) puts the exponent of the quotient into the upper nine bits.
  Value root = k.i32(0x3F3504F3, n);
  Value shifted = k.subi(k.bitcast(scaled, ints), root);
  Value e = k.toF32(k.shrs(shifted, k.i32(23, n)));
  e = k.sub(e, k.select(denormal, k.f32(23, n), k.f32(0, n)));
  Value m = k.bitcast(k.addi(k.andi(shifted, k.i32(0x007FFFFF, n)), root), floats);
  Value f = k.sub(m, k.f32(1, n)), square = k.mul(f, f);
  Value r = k.mul(k.mul(polynomial(k, f, c), f), square);
  r = k.fma(e, k.f32(-2.12194440e-4, n), r); // ln 2 = 355/512 - 2.1e-4
  r = k.fma(square, k.f32(-0.5, n), r);
  r = k.fma(e, k.f32(0.693359375, n), k.add(f, r));
  Value infinity = k.f32(INFINITY, n), zero = k.f32(0, n);
  r = k.select(k.compare(CmpFPredicate::OEQ, x, infinity), infinity, r);
  r = k.select(k.compare(CmpFPredicate::OEQ, x, zero), k.f32(-INFINITY, n), r);
  return k.select(k.compare(CmpFPredicate::UGE, x, zero), k.select(isNan(k, x), x, r), k.f32(NAN, n));
}

/// log(u) (x / (u - 1)) with u = 1 + x rounded: the quotient repairs what the sum lost.
Value log1p(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), u = k.add(x, one), lost = k.compare(CmpFPredicate::OEQ, u, one);
  Value d = k.select(lost, one, k.sub(u, one));
  return k.select(lost, x, k.mul(log(k, u), k.div(x, d)));
}

Value tanh(KernelBuilder &k, Value x) {
  constexpr double p[] = {4.89352455891786e-03,  6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
                          -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16};
  constexpr double q[] = {4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06};
  constexpr double limit = 7.99881172180175781; // tanh rounds to 1
  x = atMost(k, atLeast(k, x, -limit), limit);
  Value t = k.mul(x, x);
  return k.div(k.mul(polynomial(k, t, p), x), polynomial(k, t, q));
}

Value erf(KernelBuilder &k, Value x) {
  constexpr double small[] = {1.1283791657266562,   -0.37612625823856183,   0.1128358514433315,  -0.026853811756154727,
                              0.005188327345316504, -0.0008010190634323566, 7.85385147706319e-05};
  constexpr double big[] = {-0.00018804501425455215, 1.129578445707368,     0.6332198526613294,
                            0.10841861887424581,     -0.025208281849090297, 0.004204570799404228,
                            -0.000441338103630895,   2.1686990130054262e-05};
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), magnitude = k.abs(x);
  Value inner = k.mul(polynomial(k, k.mul(x, x), small), x);
  Value exponent = k.neg(polynomial(k, atMost(k, magnitude, 3.93), big));
  Value outer = k.copysign(k.sub(one, expNegative(k, exponent)), x);
  return k.select(k.compare(CmpFPredicate::OLT, magnitude, one), inner, outer);
}

Value sigmoid(KernelBuilder &k, Value x) {
  Value one = k.f32(1, k.lanesOf(x));
  return k.div(one, k.add(one, exp(k, k.neg(x))));
}

Value silu(KernelBuilder &k, Value x) {
  // Beyond -88 the quotient is below 2^-120; without the bound -inf / inf would be NaN.
  x = atLeast(k, x, -88.0);
  return k.div(x, k.add(k.f32(1, k.lanesOf(x)), exp(k, k.neg(x))));
}

/// h + h erf(y), where erf(y) -> -1 must not meet an infinite h.
static Value halfTimesOnePlus(KernelBuilder &k, Value x, llvm::function_ref<Value(Value)> odd) {
  int64_t n = k.lanesOf(x);
  x = atLeast(k, x, -30.0); // the result is -0 or below 1e-7 from -5.5 on
  Value h = k.mul(x, k.f32(0.5, n));
  return k.fma(h, odd(x), h);
}

/// GELU needs erf to an absolute error only, so 1 - exp(-y P(y)) serves all y; erf itself spends a second polynomial on
/// small y.
Value gelu(KernelBuilder &k, Value x) {
  constexpr double c[] = {1.1283797501256638,     0.636609473966284,     0.1028354730881938,
                          -0.01931227995875312,   7.728770977863397e-05, 0.001465403366136403,
                          -0.0005361368291359192, 9.333286357693371e-05, -6.7778104409499385e-06};
  return halfTimesOnePlus(k, x, [&](Value v) {
    if (Value e = oddFromTable(k, v, [](double t) { return std::erf(t * M_SQRT1_2); }))
      return e;
    int64_t n = k.lanesOf(v);
    Value y = atMost(k, k.abs(k.mul(v, k.f32(0.7071067811865476, n))), 3.93);
    Value e = k.sub(k.f32(1, n), expNegative(k, k.mul(k.neg(y), polynomial(k, y, c))));
    return k.copysign(e, v);
  });
}

Value geluTanh(KernelBuilder &k, Value x) {
  return halfTimesOnePlus(k, x, [&](Value y) {
    if (Value t = oddFromTable(k, y, [](double t) { return std::tanh(0.7978845608028654 * (t + 0.044715 * t * t * t)); }))
      return t;
    int64_t n = k.lanesOf(y);
    Value cubic = k.fma(k.mul(y, y), k.f32(0.044715, n), k.f32(1, n));
    return tanh(k, k.mul(k.mul(y, k.f32(0.7978845608028654, n)), cubic));
  });
}

Value softplus(KernelBuilder &k, Value x) {
  Value small = log1p(k, expNegative(k, k.neg(k.abs(x))));
  return k.add(atLeast(k, x, 0), small);
}

Value hardSigmoid(KernelBuilder &k, Value x, double a, double b) {
  int64_t n = k.lanesOf(x);
  return atLeast(k, atMost(k, k.add(k.mul(x, k.f32(a, n)), k.f32(b, n)), 1), 0);
}

Value hardSwish(KernelBuilder &k, Value x) { return k.mul(x, hardSigmoid(k, x, 1.0 / 6, 0.5)); }

Value sign(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value unit = k.copysign(k.f32(1, n), x);
  // Not less and not greater than 0: x itself, which is a zero or NaN.
  return k.select(k.compare(CmpFPredicate::ONE, x, k.f32(0, n)), unit, x);
}

Value maximum(KernelBuilder &k, Value x, Value y) { return k.select(isNan(k, x), x, k.fmax(x, y)); }
Value minimum(KernelBuilder &k, Value x, Value y) { return k.select(isNan(k, x), x, k.fmin(x, y)); }

} // namespace tern::cpu::vmath
