//===- VectorMath.h - functions of f32 as straight-line vector code -------===//
// Every function takes a vector<n x f32> of any n (or a scalar) and has no branch and no call. Errors are in ulp of the
// result against double precision libm, measured by VectorMathTest over the stated range; NaN stays NaN. Results below
// 2^-125 may become 0. On the portable level, which has no fused multiply-add, the bounds double.
//===----------------------------------------------------------------------===//
#ifndef TERN_TARGET_CPU_MATH_VECTORMATH_H
#define TERN_TARGET_CPU_MATH_VECTORMATH_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu::vmath {

/// 1 ulp; exp(-inf) = 0, above 88.72 infinity.
mlir::Value exp(KernelBuilder &k, mlir::Value x);
/// exp for x <= 0: without the upper clamp.
mlir::Value expNegative(KernelBuilder &k, mlir::Value x);
/// exp for x <= 0 to 1e-7 absolute, the numerators of softmax; exp(-inf) = 0.
mlir::Value expUnit(KernelBuilder &k, mlir::Value x);
/// An odd f with f = 1 (to half an ulp) from 5.625 on, to 1e-7 absolute, from a table in registers; null where the target has no registers of
/// sixteen floats and no permutation of them.
mlir::Value oddFromTable(KernelBuilder &k, mlir::Value x, llvm::function_ref<double(double)> f);
/// 2 ulp; log(0) = -inf, of a negative number NaN; denormals are exact.
mlir::Value log(KernelBuilder &k, mlir::Value x);
/// log(1 + x) for finite x > -1, 3 ulp; below NaN.
mlir::Value log1p(KernelBuilder &k, mlir::Value x);
/// 5 ulp: the rational 13/6 of Eigen and MLAS.
mlir::Value tanh(KernelBuilder &k, mlir::Value x);
/// 4 ulp: a polynomial below 1, 1 - exp(polynomial) above.
mlir::Value erf(KernelBuilder &k, mlir::Value x);
/// 1 / (1 + exp(-x)): 3 ulp.
mlir::Value sigmoid(KernelBuilder &k, mlir::Value x);
/// x * sigmoid(x): 4 ulp.
mlir::Value silu(KernelBuilder &k, mlir::Value x);
/// x / 2 (1 + erf(x / sqrt 2)): 5e-7 max(1, |x|) absolute (cancellation in the negative tail).
mlir::Value gelu(KernelBuilder &k, mlir::Value x);
/// The tanh form: 1e-6 absolute.
mlir::Value geluTanh(KernelBuilder &k, mlir::Value x);
/// log(1 + exp(x)): 4 ulp.
mlir::Value softplus(KernelBuilder &k, mlir::Value x);
/// x ^ y: 1 ulp, computed in double; all special cases of C's pow (negative bases with integer exponents, zeros,
/// infinities).
mlir::Value pow(KernelBuilder &k, mlir::Value x, mlir::Value y);
/// x ^ constant: -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4 without pow.
mlir::Value powConstant(KernelBuilder &k, mlir::Value x, double y);
/// x * max(0, min(1, x * (1/6)f + 0.5)), each operation rounded.
mlir::Value hardSwish(KernelBuilder &k, mlir::Value x);
/// max(0, min(1, x * a + b)), each operation rounded.
mlir::Value hardSigmoid(KernelBuilder &k, mlir::Value x, double a, double b);
/// 2 ulp or 1e-7 absolute for |x| < 1e6.
mlir::Value sin(KernelBuilder &k, mlir::Value x);
mlir::Value cos(KernelBuilder &k, mlir::Value x);
/// 3 ulp; NaN outside of -1..1.
mlir::Value asin(KernelBuilder &k, mlir::Value x);
/// 2 ulp.
mlir::Value acos(KernelBuilder &k, mlir::Value x);
/// 2 ulp.
mlir::Value atan(KernelBuilder &k, mlir::Value x);
/// 3 ulp; infinity from where the result is beyond the largest float.
mlir::Value sinh(KernelBuilder &k, mlir::Value x);
mlir::Value cosh(KernelBuilder &k, mlir::Value x);
/// 5 ulp.
mlir::Value asinh(KernelBuilder &k, mlir::Value x);
mlir::Value acosh(KernelBuilder &k, mlir::Value x); ///< NaN below 1
mlir::Value atanh(KernelBuilder &k, mlir::Value x); ///< NaN outside of -1..1
/// 1, -1, 0 or NaN.
mlir::Value sign(KernelBuilder &k, mlir::Value x);
/// The larger (smaller) one; NaN when one of them is NaN.
mlir::Value maximum(KernelBuilder &k, mlir::Value x, mlir::Value y);
mlir::Value minimum(KernelBuilder &k, mlir::Value x, mlir::Value y);

/// c[0] + x c[1] + x^2 c[2] + ..., Horner.
mlir::Value polynomial(KernelBuilder &k, mlir::Value x, llvm::ArrayRef<double> c);
/// exp(x) / 2, which is finite as far as sinh and cosh are.
mlir::Value halfExp(KernelBuilder &k, mlir::Value x);

/// f of every register of sixteen floats of x.
mlir::Value bySixteen(KernelBuilder &k, mlir::Value x, llvm::function_ref<mlir::Value(mlir::Value)> f);

} // namespace tern::cpu::vmath
#endif
