//===- SizeExpr.h - sizes that depend on the named dimensions of a model --===//
// A size of a dynamic program is an integer expression over named dimensions ("batch", "seq"). Expressions are
// hash-consed in a SizeTable (one a context, owned by the nn dialect) and canonical: polynomials with integer
// coefficients over atoms, where an atom is a dimension, a floor division, a minimum or a maximum. Two expressions that
// are equal as polynomials are the same object. mod and ceildiv are written with floor division.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_IR_SIZEEXPR_H
#define TERN_DIALECTS_NN_IR_SIZEEXPR_H

#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tern::nn {
struct SizeNode;
struct SizeAtom;

/// A handle; null where a size is unknown or exceeds 64 bits. Arithmetic with a null operand is null.
class SizeExpr {
public:
  SizeExpr() = default;
  explicit SizeExpr(const SizeNode *node) : node(node) {}
  explicit operator bool() const { return node != nullptr; }
  bool operator==(SizeExpr other) const { return node == other.node; }
  bool operator!=(SizeExpr other) const { return node != other.node; }

  std::optional<int64_t> constant() const;
  bool isConstant(int64_t value) const { return constant() == value; }
  /// The name when the expression is one dimension, else "".
  llvm::StringRef dim() const;
  /// Canonical text without spaces: "batch*seq+1", "floordiv(seq+3,4)", "min(seq,512)". A name that is no identifier is
  /// quoted: 'a b'. SizeTable::parse reads it back.
  llvm::StringRef str() const;

  const SizeNode *node = nullptr;
};

class SizeTable {
public:
  SizeTable();
  ~SizeTable();
  static SizeTable &of(mlir::MLIRContext *context);

  SizeExpr constant(int64_t value);
  SizeExpr dim(llvm::StringRef name);
  SizeExpr add(SizeExpr a, SizeExpr b);
  SizeExpr sub(SizeExpr a, SizeExpr b);
  SizeExpr mul(SizeExpr a, SizeExpr b);
  /// Rounded down; the divisor is not 0.
  SizeExpr floorDiv(SizeExpr a, SizeExpr b);
  SizeExpr ceilDiv(SizeExpr a, SizeExpr b);
  SizeExpr mod(SizeExpr a, SizeExpr b);
  SizeExpr min(SizeExpr a, SizeExpr b);
  SizeExpr max(SizeExpr a, SizeExpr b);
  SizeExpr product(llvm::ArrayRef<SizeExpr> sizes);
  /// Null when the text is no expression.
  SizeExpr parse(llvm::StringRef text);

  /// What a dimension may be at run time, both included; simplifications use it. Default: 0 and more.
  void setBounds(llvm::StringRef name, int64_t low, int64_t high);
  std::pair<int64_t, int64_t> bounds(llvm::StringRef name) const;
  /// Bounds of an expression; INT64_MIN and INT64_MAX where there is none. `least`: dimensions count as at least that.
  std::pair<int64_t, int64_t> range(SizeExpr e, int64_t least = 0) const;

  /// The number, with the sizes of the dimensions.
  int64_t evaluate(SizeExpr e, llvm::function_ref<int64_t(llvm::StringRef)> dim) const;
  /// The same expression with other expressions in place of dimensions (null: keeps it).
  SizeExpr substitute(SizeExpr e, llvm::function_ref<SizeExpr(llvm::StringRef)> dim);
  /// The constants that are arguments of minima in it.
  llvm::SmallVector<SizeExpr> constantsOf(SizeExpr e) const;
  /// The dimensions in it, each once, in the order of their names.
  llvm::SmallVector<llvm::StringRef> dimsOf(SizeExpr e) const;

  /// One integer for a size: itself when constant (>= 0), else -(number of the expression + 1), as the size fields of
  /// CPU problems are. And back.
  int64_t code(SizeExpr e) const;
  SizeExpr fromCode(int64_t code);
  int64_t numberOf(SizeExpr e) const;
  SizeExpr byNumber(int64_t number) const;

private:
  friend class SizeParser;
  struct Poly;
  SizeExpr intern(Poly &&poly);
  const SizeAtom *atom(SizeAtom &&atom);
  SizeExpr fromAtom(const SizeAtom *atom);
  SizeExpr divide(SizeExpr a, SizeExpr b, bool exactOnly);
  SizeExpr extreme(SizeExpr a, SizeExpr b, bool isMax);
  void collect(SizeExpr e, llvm::SmallVectorImpl<llvm::StringRef> &dims) const;

  mutable std::recursive_mutex mutex;
  llvm::StringMap<std::unique_ptr<SizeNode>> nodes;
  llvm::StringMap<std::unique_ptr<SizeAtom>> atoms;
  std::vector<const SizeNode *> numbered;
  llvm::StringMap<std::pair<int64_t, int64_t>> limits;
};

} // namespace tern::nn
#endif
