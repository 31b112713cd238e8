// sin and cos. The argument is reduced in double precision, because positions of long sequences times a frequency are
// large: n = round(x 2 / pi), r = x - n pi / 2 in two parts; the low bits of n choose the polynomial and the sign.
#include "lib/Target/Cpu/Math/VectorMath.h"

using namespace mlir;

namespace tern::cpu::vmath {

static Value trigonometric(KernelBuilder &k, Value x, int64_t quarter) {
  int64_t n = KernelBuilder::lanesOf(x);
  Type real = Float64Type::get(k.builder().getContext());
  auto constant = [&](double v) {
    Attribute a = FloatAttr::get(real, v);
    return k.constant(n ? cast<TypedAttr>(DenseElementsAttr::get(VectorType::get({n}, real), a)) : cast<TypedAttr>(a));
  };
  constexpr double magic = 6755399441055744.0; // 1.5 * 2^52: the sum holds n in its low bits
  Value wide = arith::ExtFOp::create(k.builder(), k.loc(), k.type(Elem::F64, n), x);
  Value sum = k.add(k.mul(wide, constant(0.63661977236758134308)), constant(magic));
  Value turns = k.sub(sum, constant(magic));
  Value reduced = k.sub(wide, k.mul(turns, constant(1.57079632673412561417))); // 33 bits of pi / 2: exact for n < 2^20
  reduced = k.sub(reduced, k.mul(turns, constant(6.07710050650619224932e-11)));
  Value r = arith::TruncFOp::create(k.builder(), k.loc(), k.f32Type(n), reduced), square = k.mul(r, r);
  Value q = k.addi(k.trunc(k.bitcast(sum, k.type(Elem::I64, n)), Elem::I32), k.i32(quarter, n));
  auto polynomial = [&](ArrayRef<double> c) {
    Value p = k.f32(c.back(), n);
    for (double a : llvm::reverse(c.drop_back()))
      p = k.fma(p, square, k.f32(a, n));
    return p;
  };
  // Minimax on |r| <= pi / 4 (Cephes).
  Value sine = k.fma(k.mul(square, r), polynomial({-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4}), r);
  Value cosine = k.fma(k.mul(square, square), polynomial({4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5}),
                       k.fma(square, k.f32(-0.5, n), k.f32(1, n)));
  Value odd = arith::CmpIOp::create(k.builder(), k.loc(), arith::CmpIPredicate::ne, k.andi(q, k.i32(1, n)), k.i32(0, n));
  Value sign = k.shl(k.andi(q, k.i32(2, n)), k.i32(30, n));
  Value bits = k.bitcast(k.select(odd, cosine, sine), k.i32Type(n));
  return k.bitcast(arith::XOrIOp::create(k.builder(), k.loc(), bits, sign), k.f32Type(n));
}

Value sin(KernelBuilder &k, Value x) { return trigonometric(k, x, 0); }
Value cos(KernelBuilder &k, Value x) { return trigonometric(k, x, 1); }

} // namespace tern::cpu::vmath
