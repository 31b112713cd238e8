//===- NNWidenHalves.cpp - floats of 16 bits are computed in 32 -----------===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNWIDENHALVES
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

static bool isHalf(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && (tensor.getElementType().isF16() || tensor.getElementType().isBF16());
}
static bool touchesHalves(Operation *op) {
  return llvm::any_of(op->getOperandTypes(), isHalf) || llvm::any_of(op->getResultTypes(), isHalf);
}

namespace {
struct NNWidenHalves : tern::nn::impl::NNWidenHalvesBase<NNWidenHalves> {
  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    // Bodies of loops carry values whose types are part of them.
    for (Operation &op : getOperation().getBody().front())
      if (op.getNumRegions() && op.walk([](Operation *inner) { return touchesHalves(inner) ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted())
        return;
    // What is not computed here sees the types it was made for.
    for (Operation &op : getOperation().getBody().front())
      if (!isWidened(&op))
        for (OpOperand &operand : op.getOpOperands())
          if (isHalf(operand.get().getType()))
            asked[&operand] = cast<RankedTensorType>(operand.get().getType());
    SmallVector<Operation *> ops;
    for (Operation &op : getOperation().getBody().front())
      ops.push_back(&op);
    OpBuilder builder(&getContext());
    for (BlockArgument argument : getOperation().getArguments())
      if (isHalf(argument.getType())) {
        builder.setInsertionPointToStart(&getOperation().getBody().front());
        wide[argument] = converted(builder, argument, wideType(argument.getType()));
      }
    for (Operation *op : ops)
      visit(op, builder);
  }

private:
  static RankedTensorType wideType(Type type) { return llvm::cast<RankedTensorType>(type).clone(Float32Type::get(type.getContext())); }
  static bool isWidened(Operation *op) { return isa<NNDialect>(op->getDialect()) && !isa<OnnxOp>(op); }
  static Value converted(OpBuilder &builder, Value x, RankedTensorType type) {
    return CastOp::create(builder, x.getLoc(), type, x, StringAttr());
  }

  /// A cast to halves that are only cast again: the rounding is what it is there for.
  static bool isRounding(Operation *op) {
    return isa<CastOp>(op) && isHalf(op->getResult(0).getType()) && !isHalf(op->getOperand(0).getType()) &&
           llvm::all_of(op->getResult(0).getUsers(), [](Operation *user) { return isa<CastOp>(user); });
  }

  void visit(Operation *op, OpBuilder &builder) {
    if (isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op)) {
      if (!isHalf(op->getResult(0).getType()))
        return;
      builder.setInsertionPointAfter(op);
      wide[op->getResult(0)] = widened(builder, op->getResult(0));
      return;
    }
    if (!isWidened(op)) {
      builder.setInsertionPoint(op);
      for (OpOperand &operand : op->getOpOperands())
        if (RankedTensorType type = asked.lookup(&operand); type && operand.get().getType() != type)
          operand.set(converted(builder, operand.get(), type));
      builder.setInsertionPointAfter(op);
      for (Value result : op->getResults())
        if (isHalf(result.getType()))
          wide[result] = converted(builder, result, wideType(result.getType()));
      return;
    }
    bool rounds = isRounding(op);
    for (OpOperand &operand : op->getOpOperands())
      if (Value value = wide.lookup(operand.get()))
        operand.set(value);
    if (rounds) {
      builder.setInsertionPointAfter(op);
      wide[op->getResult(0)] = converted(builder, op->getResult(0), wideType(op->getResult(0).getType()));
      return;
    }
    for (Value result : op->getResults())
      if (isHalf(result.getType()))
        result.setType(wideType(result.getType()));
    // A cast between what are the same numbers now.
    if (auto same = dyn_cast<CastOp>(op); same && same.getX().getType() == same.getType()) {
      same.getResult().replaceAllUsesWith(same.getX());
      same.erase();
    }
  }

  /// A constant in f32: at once when it is small, so that passes see its numbers.
  static Value widened(OpBuilder &builder, Value constant) {
    RankedTensorType type = wideType(constant.getType());
    auto attr = dyn_cast_or_null<DenseElementsAttr>(constantOf(constant));
    if (!attr || attr.getNumElements() > 1024)
      return converted(builder, constant, type);
    auto widen = [](APFloat value) {
      bool lost;
      value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
      return value.bitcastToAPInt();
    };
    return arith::ConstantOp::create(builder, constant.getLoc(), type, attr.mapValues(type.getElementType(), widen));
  }

  llvm::DenseMap<Value, Value> wide;                  ///< halves that stay -> their numbers in f32
  llvm::DenseMap<OpOperand *, RankedTensorType> asked; ///< the types that ops outside of nn were made for
};
} // namespace
