//===- CodeStore.h - stores of a tile's epilogue --------------------------===//
#ifndef TERN_TARGET_CPU_MATH_CODESTORE_H
#define TERN_TARGET_CPU_MATH_CODESTORE_H

#include "lib/Target/Cpu/Math/ByteTable.h"

namespace tern::cpu {

/// Stores vectors of epilogue results. On AVX-512 VBMI two vectors of i32 codes become bytes by one vpermi2b, which is
/// cheaper than two vpmovdb: results that follow each other are paired, and neighbours in memory become one store.
class CodeStore {
public:
  /// `table`: what the bytes go through before they are stored.
  CodeStore(KernelBuilder &k, Elem elem, mlir::Value memref, ByteTable *table = nullptr)
      : k(k), elem(elem), memref(memref), table(table), pairs(isPaired(k, elem)) {}

  /// The element type that an epilogue must deliver: codes that are paired stay i32.
  static Elem exprElem(KernelBuilder &k, Elem elem) { return isPaired(k, elem) ? Elem::I32 : elem; }

  /// The first `count` lanes of v; `mask` if they are not all.
  void store(mlir::Value v, const Index &at, int64_t count, mlir::Value mask);
  /// Stores what waits for a partner. Call before the code of another block begins.
  void flush();

private:
  static bool isPaired(KernelBuilder &k, Elem elem) {
    return k.target().level == 2 && (elem == Elem::U8 || elem == Elem::S8);
  }
  struct Pending {
    mlir::Value codes;
    Index at;
    int64_t count;
  };
  mlir::Value translate(mlir::Value bytes) { return table ? table->lookup(bytes) : bytes; }
  void storePair(const Pending &a, const Pending &b);

  KernelBuilder &k;
  Elem elem;
  mlir::Value memref;
  ByteTable *table;
  bool pairs;
  std::optional<Pending> waiting;
};

} // namespace tern::cpu
#endif
