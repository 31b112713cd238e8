//===- InferRnn.cpp - recurrent layers ------------------------------------===//
#include "dialects/NN/IR/Infer.h"

using namespace mlir;
using namespace tern::nn;

namespace {
/// The sizes of a layer; `?` where no operand knows one.
struct RnnSizes {
  int64_t steps, batch, inputs, hidden, directions, gates;
};

struct RnnCheck {
  const Check &check;
  RnnOp::Adaptor op;
  RnnSizes n;

  /// nn_n26: an operand has the element type of x (lens: i32) and this shape.
  LogicalResult operand(Value value, StringRef name, ArrayRef<int64_t> shape, Type element) const {
    if (!value)
      return success();
    RankedTensorType type = typeOf(value);
    bool agrees = type.getRank() == int64_t(shape.size());
    for (int64_t d = 0; agrees && d < type.getRank(); ++d)
      agrees = !differ(type.getDimSize(d), shape[d]);
    if (!agrees)
      return check.fail(name, " has shape ", shapeString(type.getShape()), "; this layer needs ", shapeString(shape));
    if (type.getElementType() != element)
      return check.fail(name, " has element type ", type.getElementType(), "; it must be ", element);
    return success();
  }

  LogicalResult attributes();
};
} // namespace

/// nn_n26: attributes belong to the kind, and there are as many activations as it has.
LogicalResult RnnCheck::attributes() {
  StringRef kind = stringifyRnnKind(op.getKind());
  int64_t functions = RnnOp::activationsOf(op.getKind()) * n.directions;
  if (int64_t(op.getActivations().size()) != functions)
    return check.fail("has ", op.getActivations().size(), " activations; ", kind, " in ", n.directions,
                      " directions has ", functions);
  for (auto [values, name] : {std::pair(op.getAlpha(), "alpha"), std::pair(op.getBeta(), "beta")})
    if (values && int64_t(values->size()) != functions)
      return check.fail(name, " has ", values->size(), " entries; there are ", functions, " activations");
  if (op.getLinearBeforeReset() && op.getKind() != RnnKind::gru)
    return check.fail("linear_before_reset is of gru; this layer is ", kind);
  bool isLstm = op.getKind() == RnnKind::lstm;
  if (!isLstm && (op.getInputForget() || op.getRoundState() || op.getC0() || op.getPeephole()))
    return check.fail(op.getInputForget() ? "input_forget" : op.getRoundState() ? "round_state" : op.getC0() ? "c0" : "peephole",
                      " is of lstm; this layer is ", kind);
  if (op.getClipAttr() && !(op.getClipAttr().getValueAsDouble() > 0))
    return check.fail("clip is ", op.getClipAttr().getValueAsDouble(), "; it must be positive");
  if (op.getLayout() < 0 || op.getLayout() > 1)
    return check.fail("layout is ", op.getLayout(), "; 0 (steps first) and 1 (batch first) are defined");
  return success();
}

LogicalResult RnnOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc, Adaptor op,
                                      SmallVectorImpl<Type> &types) {
  Check check = Check::of<RnnOp>(loc);
  RankedTensorType x = typeOf(op.getX());
  Type element = x.getElementType();
  if (failed(check.floats(element, "x")))
    return failure();
  if (x.getRank() != 3) // nn_n26
    return check.fail("x has rank ", x.getRank(), "; a recurrent layer takes [steps, batch, inputs]");
  int64_t hidden = op.getHidden();
  if (hidden < 1 || hidden > (int64_t(1) << 40)) // nn_n26
    return check.fail("hidden is ", hidden, "; it must be at least 1");
  bool batchFirst = op.getLayout() == 1;
  RnnSizes n{x.getDimSize(batchFirst),
             x.getDimSize(!batchFirst),
             x.getDimSize(2),
             hidden,
             op.getDirection() == RnnDirection::bidirectional ? 2 : 1,
             gatesOf(op.getKind())};
  RnnCheck layer{check, op, n};
  int64_t rows = n.gates * hidden;
  SmallVector<int64_t> state{n.directions, n.batch, hidden}, y{n.steps, n.directions, n.batch, hidden};
  if (batchFirst) {
    state = {n.batch, n.directions, hidden};
    y = {n.batch, n.steps, n.directions, hidden};
  }
  if (!op.getW() && differ(n.inputs, n.directions * rows)) // nn_n26
    return check.fail("x has ", n.inputs, " columns and there is no w; products with w of ", n.directions, " directions have ", n.directions * rows);
  if (failed(layer.attributes()) || failed(layer.operand(op.getW(), "w", {n.directions, rows, n.inputs}, element)) ||
      failed(layer.operand(op.getR(), "r", {n.directions, rows, hidden}, element)) ||
      failed(layer.operand(op.getB(), "bias", {n.directions, 2 * rows}, element)) ||
      failed(layer.operand(op.getLens(), "lens", {n.batch}, IntegerType::get(context, 32))) ||
      failed(layer.operand(op.getH0(), "h0", state, element)) ||
      failed(layer.operand(op.getC0(), "c0", state, element)) ||
      failed(layer.operand(op.getPeephole(), "peephole", {n.directions, 3 * hidden}, element)))
    return failure();
  if (failed(check.result(y, element, types)) || failed(check.result(state, element, types)))
    return failure();
  return op.getKind() == RnnKind::lstm ? check.result(state, element, types) : success();
}
