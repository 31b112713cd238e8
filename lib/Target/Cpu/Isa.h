//===- Isa.h - the instruction sets that kernels are generated for --------===//
#ifndef TERN_TARGET_CPU_ISA_H
#define TERN_TARGET_CPU_ISA_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace tern::cpu {

/// One level of the clones in an artifact. `level` is the index into tern_program.run.
struct Isa {
  int level;
  llvm::StringLiteral name;     ///< portable, avx2, avx512vnni (TERN_ISA=)
  llvm::StringLiteral features; ///< "+avx2,+fma,...": LLVM features of every function of this level
  int64_t lanes;                ///< f32 lanes of one register: 4, 8, 16
  int64_t registers;            ///< vector registers: 16, 16, 32
  bool dot4;                    ///< has a u8 x s8 quad dot instruction
  bool masks;                   ///< has masked loads and stores that cost nothing
};

/// All levels, weakest first.
llvm::ArrayRef<Isa> isas();
/// The level that this machine runs; `portable` when nothing better is there.
const Isa &hostIsa();

} // namespace tern::cpu
#endif
