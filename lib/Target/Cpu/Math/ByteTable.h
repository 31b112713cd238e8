//===- ByteTable.h - functions of one byte by table -----------------------===//
#ifndef TERN_TARGET_CPU_MATH_BYTETABLE_H
#define TERN_TARGET_CPU_MATH_BYTETABLE_H

#include "lib/Target/Cpu/Math/ExprVector.h"

namespace tern::cpu {

/// A program of one 8-bit activation with an 8-bit result has 256 results: with AVX-512 VBMI they lie in four
/// registers, and two vpermi2b give 64 of them, however long the program is. The result is that of the program, by
/// construction.
class ByteTable {
public:
  /// Whether the program is one of these on this level.
  static bool serves(const Expr &expr, Elem out, const Isa &isa);

  /// Emits the evaluation of the table at the insertion point; `evaluate` makes 16 results (bytes) of 16 codes (i32).
  ByteTable(KernelBuilder &k, bool isSigned, llvm::function_ref<mlir::Value(mlir::Value)> evaluate);
  /// The table of a program that serves() accepts.
  ByteTable(KernelBuilder &k, const Expr &expr, ExprVector &program);

  /// The results of any number of codes up to 64.
  mlir::Value lookup(mlir::Value codes);

  static constexpr int64_t width = 64;

private:
  KernelBuilder &k;
  Values quarters;
};

/// An epilogue in two parts: `head` ends in a rounding to one byte, `tail` is a function of that byte and of scalars
/// alone, so that it can be a table. Both have the inputs of the whole; the byte is one more input of the tail, its
/// last, of kind Acc.
struct SplitEpilogue {
  Expr head, tail;
  bool isSplit = false, isSigned = false;
  /// Splits where a table pays: `elements` results are computed.
  SplitEpilogue(const Expr &epilogue, Elem out, const Isa &isa, int64_t elements);
  /// The table of the tail, which `program` evaluates.
  ByteTable table(KernelBuilder &k, ExprVector &program) const;
};

} // namespace tern::cpu
#endif
