//===- VectorTable.cpp - functions from tables in registers ---------------===//
#include "lib/Target/Cpu/Math/VectorMath.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <array>
#include <cmath>

using namespace mlir;

namespace tern::cpu::vmath {
namespace {
/// A polynomial of this degree in each segment.
constexpr int degree = 5;
using Polynomial = std::array<double, degree + 1>;

/// Interpolates f at the Chebyshev nodes of |r| <= half around `center`. An odd f keeps being odd around 0.
Polynomial interpolate(llvm::function_ref<double(double)> f, double center, double half) {
  Polynomial node, difference, sum{}, basis{1};
  for (int i = 0; i <= degree; ++i) {
    node[i] = half * std::cos(M_PI * (2 * i + 1) / (2 * degree + 2));
    difference[i] = f(center + node[i]);
  }
  // Newton's divided differences, then their products multiplied out.
  for (int step = 1; step <= degree; ++step)
    for (int i = degree; i >= step; --i)
      difference[i] = (difference[i] - difference[i - 1]) / (node[i] - node[i - step]);
  for (int i = 0; i <= degree; ++i) {
    for (int j = 0; j <= i; ++j)
      sum[j] += difference[i] * basis[j];
    for (int j = std::min(i + 1, degree); j >= 0; --j)
      basis[j] = (j ? basis[j - 1] : 0) - node[i] * basis[j];
  }
  return sum;
}

Value permute(KernelBuilder &k, Value table, Value index) {
  return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), table.getType(), k.builder().getStringAttr("llvm.x86.avx512.permvar.sf.512"),
                                       ValueRange{table, index})
      .getResults();
}
} // namespace

Value bySixteen(KernelBuilder &k, Value x, llvm::function_ref<Value(Value)> f) {
  int64_t n = k.lanesOf(x);
  if (n == 16)
    return f(x);
  Values parts;
  for (int64_t i = 0; i < n; i += 16)
    parts.push_back(f(k.slice(x, i, 16)));
  return k.concat(parts);
}

/// Sixteen segments, each centered at a multiple of 3/8; the last one is its center alone, so that f is 1 from there on.
Value oddFromTable(KernelBuilder &k, Value x, llvm::function_ref<double(double)> f) {
  constexpr int64_t lanes = 16;
  constexpr double width = 0.375, magic = 12582912;
  if (k.target().level != 2 || !k.lanesOf(x) || k.lanesOf(x) % lanes)
    return {};
  std::array<std::array<float, lanes>, degree + 1> tables;
  for (int64_t i = 0; i < lanes; ++i) {
    Polynomial p = interpolate(f, double(i) * width, width / 2);
    // The value at 0 is exact: small results keep their relative accuracy.
    p[0] = f(double(i) * width);
    for (int j = 0; j <= degree; ++j)
      tables[j][i] = float(p[j]);
  }
  auto table = [&](int j) { return k.constant(DenseElementsAttr::get(cast<ShapedType>(k.f32Type(lanes)), ArrayRef<float>(tables[j]))); };
  return bySixteen(k, x, [&](Value x) {
    Value y = k.fmin(k.f32(width * (lanes - 1), lanes), k.abs(x));
    // The low bits of the sum are the number of the segment; the permutation reads four of them.
    Value z = k.fma(y, k.f32(1 / width, lanes), k.f32(magic, lanes)), segment = k.bitcast(z, k.i32Type(lanes));
    Value r = k.fma(k.sub(z, k.f32(magic, lanes)), k.f32(-width, lanes), y), sum = permute(k, table(degree), segment);
    for (int j = degree; j-- > 0;)
      sum = k.fma(sum, r, permute(k, table(j), segment));
    return k.copysign(sum, x);
  });
}

} // namespace tern::cpu::vmath
