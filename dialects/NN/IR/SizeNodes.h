//===- SizeNodes.h - what a size expression is made of ---------------------===//
#ifndef TERN_DIALECTS_NN_IR_SIZENODES_H
#define TERN_DIALECTS_NN_IR_SIZENODES_H

#include "dialects/NN/IR/SizeExpr.h"
#include "llvm/ADT/SmallVector.h"
#include <string>
#include <vector>

namespace tern::nn {

/// A factor of a term.
struct SizeAtom {
  enum Kind : uint8_t { Dim, FloorDiv, Min, Max } kind;
  std::string name;                 ///< of a dimension
  llvm::SmallVector<SizeExpr, 2> args;    ///< of the others
  std::string text;
};

/// coefficient * product of atoms (in the order of their texts)
struct SizeTerm {
  int64_t factor;
  llvm::SmallVector<const SizeAtom *, 2> atoms;
};

struct SizeNode {
  int64_t number;
  std::vector<SizeTerm> terms; ///< in the order of their products, no factor 0
  std::string text;
};

/// Rounded down; b is not 0.
inline int64_t floorDivide(int64_t a, int64_t b) {
  int64_t q = a / b;
  return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}

} // namespace tern::nn
#endif
