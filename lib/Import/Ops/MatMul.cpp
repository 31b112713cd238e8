// MatMul and Gemm.
#include "lib/Import/Ops/Products.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

LogicalResult importProduct(Node &n, Value a, Value b, function_ref<Value(Value, Value)> multiply) {
  if (n.rank(0) == 0 || n.rank(1) == 0)
    return n.error() << n.proto.op_type() << " does not take scalars";
  bool row = n.rank(0) == 1, column = n.rank(1) == 1;
  if (row)
    a = n.reshapeTo(a, {n.importer.sizeAnalysis.table.constant(1), n.sizes(0)[0]});
  if (column)
    b = n.reshapeTo(b, {n.sizes(1)[0], n.importer.sizeAnalysis.table.constant(1)});
  Value y = a && b ? multiply(a, b) : Value();
  if (!y || (!row && !column))
    return n.result(y);
  nn::Sizes shape = n.importer.sizeAnalysis.shapeOf(y);
  if (column)
    shape.pop_back();
  if (row)
    shape.erase(shape.end() - (column ? 1 : 2));
  return n.result(n.reshapeTo(y, shape));
}

static LogicalResult importMatMul(Node &n) {
  return importProduct(n, n.operand(0), n.operand(1),
                       [&](Value a, Value b) { return n.create<MatmulOp>(a, b, Value(), false, false, n.name()); });
}

static Value scaled(Node &n, Value value, float factor) {
  if (!value || factor == 1)
    return value;
  return n.create<BinaryOp>(BinaryKind::mul, value, n.scalar(tensorType(value).getElementType(), factor), StringAttr());
}

/// Gemm<alpha, beta, transA, transB>(a, b, c) = alpha a' b' + beta c. One value a column is the bias of the product.
/// alpha belongs to an operand that is a constant, so that it can be folded into the weight, or to the product.
Value gemm(Node &n) {
  bool transA = n.integer("transA", 0), transB = n.integer("transB", 0);
  float alpha = n.real("alpha", 1), beta = n.real("beta", 1);
  Value a = n.operand(0), b = n.operand(1), c = beta == 0 ? Value() : n.operand(2);
  if (n.rank(0) != 2 || n.rank(1) != 2) {
    n.error() << "operands of rank " << n.rank(0) << " and " << n.rank(1) << "; Gemm takes matrices";
    return {};
  }
  int64_t columns = n.type(1).getDimSize(transB ? 0 : 1);
  bool isBias = c && tensorType(c).hasStaticShape() && tensorType(c).getNumElements() == columns && tensorType(c).getRank() >= 1 &&
                tensorType(c).getShape().back() == columns;
  c = scaled(n, c, beta);
  bool isConstant = !n.known(0)->value || !n.known(1)->value;
  if (isConstant || isBias) {
    Value &factor = n.known(0)->value ? b : a;
    factor = scaled(n, factor, alpha);
    alpha = 1;
  }
  if (isBias && tensorType(c).getRank() != 1)
    c = n.reshape(c, {columns});
  Value y = scaled(n, n.create<MatmulOp>(a, b, isBias ? c : Value(), transA, transB, n.name()), alpha);
  if (!y || !c || isBias)
    return y;
  Value sum = n.create<BinaryOp>(BinaryKind::add, y, c, StringAttr());
  if (sum && sum.getType() != y.getType()) {
    n.error() << "C of type " << n.type(2) << " does not broadcast to the product of type " << y.getType();
    return {};
  }
  return sum;
}

static LogicalResult importGemm(Node &n) { return n.result(gemm(n)); }

static constexpr Rule kRules[] = {
    {"MatMul", 1, 2, 2, importMatMul},
    {"Gemm", 7, 2, 3, importGemm},
};
ArrayRef<Rule> matmulRules() { return kRules; }

} // namespace tern::importer
