//===- Conditions.h - when the ops of a straight-line program matter -------===//
// Both branches of an If lie in one block, and nn.select takes the result of one of them. What only one side of a
// selection by a single truth value reads matters only when the condition says so.
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_CONDITIONS_H
#define TERN_DIALECTS_TERN_TRANSFORMS_CONDITIONS_H

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/DenseMap.h"
#include <optional>

namespace tern {

/// A truth value of one element, or its negation.
struct Literal {
  mlir::Value condition; ///< reshapes looked through
  bool on = true;
  bool operator==(const Literal &other) const { return condition == other.condition && on == other.on; }
};

/// What a selection by a single truth value reads: operand numbers, -1 where the kernel itself holds the constant.
struct Branch {
  int condition = -1, yes = -1, no = -1;
};

/// The operands of an nn.select, or of a tern.call whose kernel is one and nothing else; nullopt: the op is neither, its
/// condition has several elements, or an operand plays two parts. symbols: of the module; without, calls are none.
std::optional<Branch> branchOf(mlir::Operation *op, mlir::SymbolTable *symbols = nullptr);

/// The value whose bytes a reshape shares.
mlir::Value rootOf(mlir::Value value);

/// Literals that hold wherever a result of an op is read: those of its readers, and one more for each side of a selection;
/// several readers leave what they have in common. Whenever the literals of an op hold, the op that computes the condition
/// of each of them matters, too.
class Conditions {
public:
  explicit Conditions(mlir::Block &block, mlir::SymbolTable *symbols = nullptr);
  /// Outermost first; empty: the op always matters.
  llvm::ArrayRef<Literal> of(mlir::Operation *op) const;

private:
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<Literal, 2>> needs;
};

} // namespace tern
#endif
