//===- SizeAnalysis.h - the sizes of all values of a function -------------===//
// Sizes come from the named dimensions of the arguments (`tern.dims`), from the attribute `nn.sizes` of an op (one text
// for every `?` of its results, in order), and from one rule an op. Small integer tensors are followed element by
// element, so that shapes that a graph computes with Shape, Gather, Concat, ... are expressions. Ops without a rule of
// their own are asked by their type inference: it runs on sizes that stand for the unknown ones, and what it answers is
// read back.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_IR_SIZEANALYSIS_H
#define TERN_DIALECTS_NN_IR_SIZEANALYSIS_H

#include "dialects/NN/IR/SizeExpr.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

namespace tern::nn {

using Sizes = llvm::SmallVector<SizeExpr, 6>;

class SizeAnalysis {
public:
  explicit SizeAnalysis(mlir::MLIRContext *context) : table(SizeTable::of(context)), context(context) {}

  SizeTable &table;

  /// Sizes of the arguments from `tern.dims`; a `?` without a text is a dimension of its own, "<name>.<axis>". Reports
  /// a text that is no expression.
  mlir::LogicalResult readArguments(mlir::FunctionOpInterface function);
  void setShape(mlir::Value value, llvm::ArrayRef<SizeExpr> sizes) { shapes[value].assign(sizes.begin(), sizes.end()); }

  /// Finds out which sizes of the operands have to be equal, also where the results are known without.
  void relate(mlir::Operation *op);
  /// The sizes of a tensor (or quantized tensor), null where they are not known. Empty also for other types.
  Sizes shapeOf(mlir::Value value);
  /// All sizes are known.
  bool isKnown(mlir::Value value) { return !llvm::is_contained(shapeOf(value), SizeExpr()); }
  SizeExpr elementCount(mlir::Value value) { return table.product(shapeOf(value)); }
  /// The elements of a small tensor of integers (at most 1024); nullopt when one is not an expression. `blame` is the
  /// value that decides it.
  std::optional<Sizes> elementsOf(mlir::Value value);
  mlir::Value blame;

  /// Sizes that have to be equal at run time. A dimension that stands alone is replaced by the other one everywhere, other
  /// pairs are remembered in `equalities`. False: they never are.
  bool unify(SizeExpr a, SizeExpr b);
  /// With all replacements done.
  SizeExpr resolve(SizeExpr e);
  llvm::StringMap<SizeExpr> replaced;
  llvm::SmallVector<std::pair<SizeExpr, SizeExpr>> equalities;
  /// Dimensions that decisions took to be at least 1, and those that got an upper bound because a size says so.
  llvm::StringSet<> positive, limited;

  /// numpy broadcasting; nullopt when the sizes never agree.
  std::optional<Sizes> broadcast(llvm::ArrayRef<Sizes> shapes);
  /// a < b, a == b as far as the bounds decide it; dimensions count as at least 1 where nothing else does.
  std::optional<bool> less(SizeExpr a, SizeExpr b);
  std::optional<bool> equal(SizeExpr a, SizeExpr b);

  /// Forgets what was found out about a value (its op was changed).
  void forget(mlir::Value value) { shapes.erase(value), elements.erase(value); }

private:
  void infer(mlir::Operation *op);
  bool inferByProbing(mlir::Operation *op);
  Sizes ofArgument(mlir::BlockArgument argument, Sizes sizes);
  Sizes fromType(mlir::Type type);
  std::optional<Sizes> follow(mlir::Value value);
  bool limit(SizeExpr e, SizeExpr smallest);
  bool isOne(SizeExpr e);
  /// Writes all sizes anew: bounds have changed.
  void simplify();

  mlir::MLIRContext *context;
  llvm::DenseMap<mlir::Value, Sizes> shapes;
  llvm::DenseMap<mlir::Value, std::optional<Sizes>> elements;
};

/// Name of the attribute with the unknown sizes of an op's results.
constexpr llvm::StringLiteral kSizesAttr = "nn.sizes";
/// Name of the attribute with the starts of a slice that are `?`, in order.
constexpr llvm::StringLiteral kStartsAttr = "nn.starts";
/// Sets it from the types and `sizes` of the results; removes it where all are static. Null sizes are not recorded: then
/// the op has no attribute.
void setSizes(mlir::Operation *op, llvm::ArrayRef<Sizes> sizes);
/// The tensor type with `?` for sizes that are not constant.
mlir::RankedTensorType typeOf(llvm::ArrayRef<SizeExpr> sizes, mlir::Type element);
/// "[batch, seq, 384]"
std::string print(llvm::ArrayRef<SizeExpr> sizes);

} // namespace tern::nn
#endif
