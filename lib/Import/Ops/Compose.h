// Writing a rule as a formula: what ONNX calls a function op, and other ops that are a few nn ops.
#ifndef TERN_IMPORT_OPS_COMPOSE_H
#define TERN_IMPORT_OPS_COMPOSE_H

#include "lib/Import/Ops/Rules.h"

namespace tern::importer {

/// A size as rules write it: a number or an expression over the open dimensions.
struct Extent {
  Extent(int64_t number) : number(number) {}
  Extent(nn::SizeExpr expr) : expr(expr) {}
  int64_t number = 0;
  nn::SizeExpr expr; ///< where it is set, `number` means nothing
};

/// A list of them, out of whatever a rule has.
class Shape : public llvm::SmallVector<Extent, 6> {
public:
  Shape() = default;
  Shape(std::initializer_list<Extent> sizes) : SmallVector(sizes) {}
  Shape(size_t count, Extent size) : SmallVector(count, size) {}
  Shape(llvm::ArrayRef<int64_t> sizes) : SmallVector(sizes.begin(), sizes.end()) {}
  Shape(const Ints &sizes) : Shape(llvm::ArrayRef<int64_t>(sizes)) {}
  Shape(llvm::ArrayRef<nn::SizeExpr> sizes) : SmallVector(sizes.begin(), sizes.end()) {}
  Shape(const nn::Sizes &sizes) : Shape(llvm::ArrayRef<nn::SizeExpr>(sizes)) {}
};

/// Builds nn ops at a node. Every function passes a null value on: a rule checks once, at its end. Only the op that
/// gets a `name` has one.
struct Compose {
  Node &n;
  using Value = mlir::Value;
  using Name = mlir::StringAttr;

  Value unary(nn::UnaryKind kind, Value x, Name name = {}) const;
  Value binary(nn::BinaryKind kind, Value a, Value b, Name name = {}) const;
  Value add(Value a, Value b, Name name = {}) const { return binary(nn::BinaryKind::add, a, b, name); }
  Value sub(Value a, Value b, Name name = {}) const { return binary(nn::BinaryKind::sub, a, b, name); }
  Value mul(Value a, Value b, Name name = {}) const { return binary(nn::BinaryKind::mul, a, b, name); }
  Value div(Value a, Value b, Name name = {}) const { return binary(nn::BinaryKind::div, a, b, name); }
  Value compare(nn::CompareKind kind, Value a, Value b) const;
  Value both(Value a, Value b) const { return binary(nn::BinaryKind::logical_and, a, b); }
  Value select(Value condition, Value yes, Value no, Name name = {}) const;
  Value cast(Value x, mlir::Type element, Name name = {}) const;
  Value reduce(nn::ReduceKind kind, Value x, llvm::ArrayRef<int64_t> axes, bool keepdims = true, Name name = {}) const;
  Value transpose(Value x, llvm::ArrayRef<int64_t> perm, Name name = {}) const;
  Value reshape(Value x, const Shape &shape, Name name = {}) const;
  Value expand(Value x, const Shape &shape, Name name = {}) const;
  /// Elements start, start + step, ... (`size` of them) of one axis.
  Value slice(Value x, int64_t axis, Extent start, Extent size, int64_t step = 1, Name name = {}) const;
  Value pad(Value x, llvm::ArrayRef<int64_t> low, llvm::ArrayRef<int64_t> high, double value = 0, Name name = {}) const;
  Value concat(llvm::ArrayRef<Value> xs, int64_t axis, Name name = {}) const;
  Value gather(Value x, Value indices, int64_t axis, Name name = {}) const;
  Value matmul(Value a, Value b, Name name = {}) const;

  /// A number of the element type of `like`, rank 0.
  Value number(Value like, double value) const;
  Value number(Value like, nn::SizeExpr value) const;
  /// An i64 constant.
  Value ints(llvm::ArrayRef<int64_t> values, llvm::ArrayRef<int64_t> shape) const;
  /// A constant of a float type; another type is an error of the node.
  Value reals(mlir::Type element, llvm::ArrayRef<double> values, llvm::ArrayRef<int64_t> shape) const;
  /// 0, 1, ..., count - 1 in i64 along one axis of a tensor of `rank`.
  Value places(Extent count, int64_t axis = 0, int64_t rank = 1) const;

  /// The sizes of a value; none for null.
  nn::Sizes sizes(Value x) const { return x ? n.importer.sizeAnalysis.shapeOf(x) : nn::Sizes(); }
  nn::SizeTable &table() const { return n.importer.sizeAnalysis.table; }
  nn::SizeExpr size(Extent e) const { return e.expr ? e.expr : table().constant(e.number); }
  nn::Sizes sizes(const Shape &shape) const;
  nn::SizeExpr plus(Extent a, Extent b) const { return table().add(size(a), size(b)); }
  nn::SizeExpr minus(Extent a, Extent b) const { return table().sub(size(a), size(b)); }
  nn::SizeExpr times(Extent a, Extent b) const { return table().mul(size(a), size(b)); }
  /// a / b, rounded down; b is not 0.
  nn::SizeExpr quotient(Extent a, Extent b) const { return table().floorDiv(size(a), size(b)); }
  nn::SizeExpr product(const Shape &shape) const { return table().product(sizes(shape)); }
  /// Whether two sizes may be equal when the program runs; then they count as equal from here on.
  bool unify(Extent a, Extent b) const { return n.importer.sizeAnalysis.unify(size(a), size(b)); }

  static llvm::ArrayRef<int64_t> shapeOf(Value x) { return tensorType(x).getShape(); }
  static mlir::Type elementOf(Value x) { return tensorType(x).getElementType(); }
};

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_COMPOSE_H
