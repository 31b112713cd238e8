//===- InferMatmul.cpp - nn.matmul ----------------------------------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

LogicalResult MatmulOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<MatmulOp>(loc);
  RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
  if (failed(check.numbers(lhs.getElementType(), "lhs")) ||
      failed(check.same(lhs.getElementType(), rhs.getElementType(), "lhs and rhs")))
    return failure();
  // nn_n5
  if (lhs.getRank() < 2 || rhs.getRank() < 2)
    return check.fail("operands of rank ", lhs.getRank(), " and ", rhs.getRank(),
                      "; both need at least 2 (reshape a vector to a row or a column)");
  int64_t m = lhs.getShape().take_back(2)[op.getTransposeA()], kLeft = lhs.getShape().take_back(2)[!op.getTransposeA()];
  int64_t kRight = rhs.getShape().take_back(2)[op.getTransposeB()],
          n = rhs.getShape().take_back(2)[!op.getTransposeB()];
  if (differ(kLeft, kRight)) // nn_n5
    return check.fail("lhs of shape ", shapeString(lhs.getShape()), op.getTransposeA() ? " (transposed)" : "",
                      " sums over ", kLeft, " elements, rhs of shape ", shapeString(rhs.getShape()),
                      op.getTransposeB() ? " (transposed)" : "", " over ", kRight);
  SmallVector<int64_t> shape;
  if (failed(check.broadcast({RankedTensorType::get(lhs.getShape().drop_back(2), lhs.getElementType()),
                              RankedTensorType::get(rhs.getShape().drop_back(2), rhs.getElementType())},
                             shape)))
    return failure();
  if (Value bias = op.getBias()) {
    RankedTensorType type = typeOf(bias);
    if (failed(check.same(lhs.getElementType(), type.getElementType(), "lhs and bias")))
      return failure();
    if (type.getRank() != 1 || differ(type.getDimSize(0), n)) // nn_n5
      return check.fail("bias has shape ", shapeString(type.getShape()), "; it needs one entry for each of the ", shapeString(n),
                        " columns");
  }
  shape.append({m, n});
  return check.result(shape, lhs.getElementType(), types);
}

SmallVector<OperandRole> MatmulOp::getRoles() {
  int64_t a = getLhs().getType().getRank(), b = getRhs().getType().getRank();
  SmallVector<OperandRole> roles = {
      {OperandRole::Activation, 0, {getTransposeA() ? a - 2 : a - 1}, -1},
      {OperandRole::Weight, 1, {getTransposeB() ? b - 1 : b - 2}, getTransposeB() ? b - 2 : b - 1}};
  if (getBias())
    roles.push_back({OperandRole::Bias, 2, {}, 0});
  return roles;
}

int64_t MatmulOp::getMacs() {
  RankedTensorType lhs = getLhs().getType();
  int64_t k = lhs.getShape().take_back(2)[!getTransposeA()];
  std::optional<int64_t> count = countElements(getResult().getType().getShape());
  int64_t macs;
  if (!count || *count < 0 || ShapedType::isDynamic(k) || llvm::MulOverflow(*count, k, macs))
    return 0;
  return macs;
}
