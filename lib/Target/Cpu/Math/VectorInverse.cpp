// The inverse trigonometric functions, and the hyperbolic ones with their inverses. Polynomials: smallest relative error of the result as
// floats, by iterated least squares (Lawson) over the range that is named.
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <cmath>

using namespace mlir;
using arith::CmpFPredicate;

namespace tern::cpu::vmath {
namespace {

/// v + v^3 P(v^2)
Value oddPolynomial(KernelBuilder &k, Value v, ArrayRef<double> c) {
  Value square = k.mul(v, v);
  return k.fma(k.mul(square, v), polynomial(k, square, c), v);
}

/// asin of 0 <= v <= 1/2.
Value asinSmall(KernelBuilder &k, Value v) {
  return oddPolynomial(k, v, {0.16666753590106964, 0.07495241612195969, 0.04547709599137306, 0.02414761111140251, 0.04221854731440544});
}

/// sqrt((1 - a) / 2): asin(a) = pi / 2 - 2 asin of it.
Value halfAngle(KernelBuilder &k, Value a) {
  int64_t n = k.lanesOf(a);
  return k.sqrt(k.mul(k.sub(k.f32(1, n), a), k.f32(0.5, n)));
}

/// log(1 + t), or log(x) + ln 2 for what is too large to be squared; both from one logarithm.
Value logOfSum(KernelBuilder &k, Value t, Value x, Value isLarge) {
  int64_t n = k.lanesOf(x);
  Value infinity = k.f32(INFINITY, n), zero = k.f32(0, n);
  Value r = k.add(log1p(k, k.select(isLarge, x, t)), k.select(isLarge, k.f32(M_LN2, n), zero));
  return k.select(k.compare(CmpFPredicate::OEQ, x, infinity), infinity, r);
}

/// An angle minus v, the angle in two parts: what a float of it lacks is as large as the error of the polynomial.
Value angleMinus(KernelBuilder &k, double angle, Value v) {
  int64_t n = k.lanesOf(v);
  return k.add(k.sub(k.f32(angle, n), v), k.f32(angle - double(float(angle)), n));
}

} // namespace

Value asin(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value a = k.abs(x), isLarge = k.compare(CmpFPredicate::OGT, a, k.f32(0.5, n));
  Value r = asinSmall(k, k.select(isLarge, halfAngle(k, a), a));
  Value outer = angleMinus(k, M_PI_2, k.add(r, r));
  return k.copysign(k.select(isLarge, outer, r), x);
}

Value acos(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value a = k.abs(x), isLarge = k.compare(CmpFPredicate::OGT, a, k.f32(0.5, n));
  Value isNegative = k.compare(CmpFPredicate::OLT, x, k.f32(0, n));
  Value r = asinSmall(k, k.select(isLarge, halfAngle(k, a), a)), twice = k.add(r, r);
  Value outer = k.select(isNegative, angleMinus(k, M_PI, twice), twice);
  return k.select(isLarge, outer, angleMinus(k, M_PI_2, k.copysign(r, x)));
}

Value atan(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), a = k.abs(x), isLarge = k.compare(CmpFPredicate::OGT, a, one);
  Value r = oddPolynomial(k, k.select(isLarge, k.div(one, a), a),
                          {-0.33333301544189453, 0.19998638331890106, -0.1426524519920349, 0.10957571864128113, -0.08419445902109146,
                           0.0582343190908432, -0.03145546838641167, 0.011064315214753151, -0.0018271846929565072}); // up to 1
  return k.copysign(k.select(isLarge, angleMinus(k, M_PI_2, r), r), x);
}

Value sinh(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value a = k.abs(x), half = halfExp(k, a), outer = k.sub(half, k.div(k.f32(0.25, n), half));
  Value inner = oddPolynomial(k, a, {0.1666666716337204, 0.008333350531756878, 0.0001983606634894386, 2.817439735736116e-06}); // up to 1
  return k.copysign(k.select(k.compare(CmpFPredicate::OLT, a, k.f32(1, n)), inner, outer), x);
}

Value cosh(KernelBuilder &k, Value x) {
  Value half = halfExp(k, k.abs(x));
  return k.add(half, k.div(k.f32(0.25, k.lanesOf(x)), half));
}

/// log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1)))
Value asinh(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), a = k.abs(x), square = k.mul(a, a);
  Value t = k.add(a, k.div(square, k.add(one, k.sqrt(k.add(square, one)))));
  return k.copysign(logOfSum(k, t, a, k.compare(CmpFPredicate::OGT, a, k.f32(1e9, n))), x);
}

/// log(x + sqrt(x^2 - 1)) = log1p(t + sqrt(t (t + 2))), t = x - 1
Value acosh(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), t = k.sub(x, one);
  Value r = logOfSum(k, k.add(t, k.sqrt(k.mul(t, k.add(t, k.f32(2, n))))), x, k.compare(CmpFPredicate::OGT, x, k.f32(1e9, n)));
  return k.select(k.compare(CmpFPredicate::ULT, x, one), k.f32(NAN, n), r);
}

/// log1p(2 a / (1 - a)) / 2
Value atanh(KernelBuilder &k, Value x) {
  int64_t n = k.lanesOf(x);
  Value one = k.f32(1, n), a = k.abs(x), infinity = k.f32(INFINITY, n);
  Value r = k.mul(log1p(k, k.div(k.add(a, a), k.sub(one, a))), k.f32(0.5, n));
  return k.copysign(k.select(k.compare(CmpFPredicate::OEQ, a, one), infinity, r), x);
}

} // namespace tern::cpu::vmath
