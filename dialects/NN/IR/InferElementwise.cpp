//===- InferElementwise.cpp - unary, binary, compare, select, clip, cast --===//
#include "dialects/NN/IR/Elementwise.h"
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

/// nn_n3: an element type that the row of a kind has a meaning for.
static LogicalResult verifyDomain(const Check &check, StringRef kind, Domain domain, Type element) {
  bool isFloat = isa<FloatType>(element), isInt = isNumber(element) && !isFloat, isBool = element.isInteger(1);
  auto expect = [&](bool ok, StringRef allowed) -> LogicalResult {
    if (ok)
      return success();
    return check.fail("kind ", kind, " computes on ", allowed, "; the operand has element type ", element,
                      " (cast first)");
  };
  switch (domain) {
  case Domain::Float:
  case Domain::Test:
    return expect(isFloat, "floats");
  case Domain::Number:
    return expect(isFloat || isInt, "floats and integers of more than one bit");
  case Domain::Integer:
    return expect(isInt, "integers of more than one bit");
  case Domain::Logical:
    return expect(isBool, "i1");
  }
  llvm_unreachable("unknown domain");
}

LogicalResult UnaryOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                        SmallVectorImpl<Type> &types) {
  Check check = Check::of<UnaryOp>(loc);
  const ElementwiseRow &row = rowOf(op.getKind());
  StringRef kind = stringifyUnaryKind(op.getKind());
  RankedTensorType x = typeOf(op.getX());
  if (failed(verifyDomain(check, kind, row.domain, x.getElementType())))
    return failure();
  // nn_n19
  if ((op.getAlphaAttr() && row.params < 1) || (op.getBetaAttr() && row.params < 2))
    return check.fail("kind ", kind, " has no ", op.getAlphaAttr() && row.params < 1 ? "alpha" : "beta");
  return check.result(x.getShape(), row.domain == Domain::Test ? IntegerType::get(context, 1) : x.getElementType(),
                      types);
}

LogicalResult BinaryOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<BinaryOp>(loc);
  const ElementwiseRow &row = rowOf(op.getKind());
  RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
  StringRef kind = stringifyBinaryKind(op.getKind());
  SmallVector<int64_t> shape;
  if (failed(verifyDomain(check, kind, row.domain, lhs.getElementType())) ||
      failed(verifyDomain(check, kind, row.domain, rhs.getElementType())))
    return failure();
  if (op.getKind() != BinaryKind::pow && failed(check.same(lhs.getElementType(), rhs.getElementType(), "lhs and rhs")))
    return failure();
  if (failed(check.broadcast({lhs, rhs}, shape)))
    return failure();
  return check.result(shape, lhs.getElementType(), types);
}

LogicalResult CompareOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                          SmallVectorImpl<Type> &types) {
  Check check = Check::of<CompareOp>(loc);
  RankedTensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
  SmallVector<int64_t> shape;
  if (failed(check.same(lhs.getElementType(), rhs.getElementType(), "lhs and rhs")) ||
      failed(check.broadcast({lhs, rhs}, shape)))
    return failure();
  if (op.getKind() != CompareKind::eq && failed(check.numbers(lhs.getElementType(), "lhs")))
    return failure();
  return check.result(shape, IntegerType::get(context, 1), types);
}

LogicalResult SelectOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                         SmallVectorImpl<Type> &types) {
  Check check = Check::of<SelectOp>(loc);
  RankedTensorType condition = typeOf(op.getCondition()), yes = typeOf(op.getOnTrue()), no = typeOf(op.getOnFalse());
  if (!condition.getElementType().isInteger(1)) // nn_n3
    return check.fail("condition has element type ", condition.getElementType(), "; it must be i1");
  SmallVector<int64_t> shape;
  if (failed(check.same(yes.getElementType(), no.getElementType(), "on_true and on_false")) ||
      failed(check.broadcast({condition, yes, no}, shape)))
    return failure();
  return check.result(shape, yes.getElementType(), types);
}

LogicalResult ClipOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc, Adaptor op,
                                       SmallVectorImpl<Type> &types) {
  Check check = Check::of<ClipOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  if (failed(check.numbers(x.getElementType(), "x")))
    return failure();
  for (FloatAttr bound : {op.getMinAttr(), op.getMaxAttr()}) // nn_n19
    if (bound && bound.getValue().isNaN())
      return check.fail("a bound is NaN; leave it out when it does not bind");
  return check.result(x.getShape(), x.getElementType(), types);
}

LogicalResult CastOp::verify() {
  RankedTensorType x = getX().getType(), result = getResult().getType();
  Check check(getLoc(), getOperationName());
  auto isScalar = [](Type type) { return isa<FloatType, IntegerType>(type); };
  if (!isScalar(x.getElementType()) || !isScalar(result.getElementType())) // nn_n3
    return check.fail("casts ", x.getElementType(), " to ", result.getElementType(),
                      "; only floats and integers have a meaning");
  bool isSmallFloat = isa<FloatType>(result.getElementType()) && result.getElementTypeBitWidth() <= 8;
  if ((getOverflow() && !isSmallFloat) ||
      (getRound() != CastRound::nearest && !isa<Float8E8M0FNUType>(result.getElementType()))) // nn_n19
    return check.fail("casts to ", result.getElementType(),
                      "; 'overflow' is of floats of at most 8 bits, 'round' of f8E8M0FNU");
  if (!areCompatible(x.clone(result.getElementType()), result)) // nn_n21
    return check.fail("result has shape ", shapeString(result.getShape()), "; a cast keeps the operand's ",
                      shapeString(x.getShape()));
  return success();
}
