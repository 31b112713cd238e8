//===- Libm.h - functions of the C library that portable kernels may call --===//
#ifndef TERN_TARGET_CPU_MATH_LIBM_H
#define TERN_TARGET_CPU_MATH_LIBM_H

#include "llvm/ADT/StringRef.h"

namespace tern::cpu {

/// Names in libm, each for double and, with an f behind it, for float. Generated kernels have code of their own; these serve
/// portable.linalg, and make libmodel.so depend on libm.so.6 when one of them is called.
inline constexpr llvm::StringLiteral kLibm[] = {"acos", "acosh", "asin",  "asinh", "atan",  "atan2", "atanh", "cbrt",  "ceil", "cos",  "cosh",
                                                "erf",  "erfc",  "exp",   "exp2",  "expm1", "floor", "fma",   "fmax",  "fmin", "fmod", "log",
                                                "log10", "log1p", "log2", "pow",   "rint",  "round", "roundeven", "sin", "sinh", "sqrt", "tan",
                                                "tanh", "trunc"};

inline bool isLibm(llvm::StringRef symbol) {
  for (llvm::StringRef name : kLibm)
    if (symbol == name || (symbol.ends_with("f") && symbol.drop_back() == name))
      return true;
  return false;
}

/// Conversions of 16-bit floats that the runtime has for levels without instructions for them (lib/Runtime/Half.c).
inline bool isHalfConversion(llvm::StringRef symbol) {
  return symbol == "__extendhfsf2" || symbol == "__truncsfhf2" || symbol == "__truncdfhf2" || symbol == "__truncsfbf2" || symbol == "__truncdfbf2";
}

} // namespace tern::cpu
#endif
