//===- ByteTable.h - functions of one byte by table -----------------------===//
#ifndef TERN_TARGET_CPU_BYTETABLE_H
#define TERN_TARGET_CPU_BYTETABLE_H

#include "lib/Target/Cpu/ExprVector.h"

namespace tern::cpu {

/// A program of one 8-bit activation with an 8-bit result has 256 results: with AVX-512 VBMI they lie in four
/// registers, and two vpermi2b give 64 of them, however long the program is. The result is that of the program, by
/// construction.
class ByteTable {
public:
  /// Whether the program is one of these on this level.
  static bool serves(const Expr &expr, Elem out, const Isa &isa);

  /// Emits the evaluation of the table at the insertion point.
  ByteTable(KernelBuilder &k, const Expr &expr, ExprVector &program);
  /// The results of 64 codes.
  mlir::Value lookup(mlir::Value codes);

  static constexpr int64_t width = 64;

private:
  KernelBuilder &k;
  Values quarters;
};

} // namespace tern::cpu
#endif
