//===- Interpreter.cpp - whole functions ----------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "lib/Reference/Reference.h"

using namespace mlir;

namespace tern::reference {

FailureOr<SmallVector<Value>> Interpreter::run(StringRef function, ArrayRef<Value> inputs) {
  auto callee = module.lookupSymbol<func::FuncOp>(function);
  if (!callee)
    return module.emitError() << "has no function @" << function;
  return run(callee, inputs);
}

FailureOr<SmallVector<Value>> Interpreter::run(func::FuncOp function, ArrayRef<Value> inputs) {
  if (failed(nn::verifyNoUnknownOps(module, "evaluated")))
    return failure();
  return runBody(function, inputs);
}

static LogicalResult checkInputs(func::FuncOp function, ArrayRef<Value> inputs) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return function.emitOpError("cannot be evaluated; it needs a body of one block");
  if (inputs.size() != function.getNumArguments())
    return function.emitOpError("has ") << function.getNumArguments() << " arguments; given are " << inputs.size();
  for (auto [i, input, type] : llvm::enumerate(inputs, function.getArgumentTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(typeOf(input));
    if (typeOf(input) != type && !(tensor && nn::areCompatible({type}, {tensor})))
      return function.emitOpError("has argument ") << i << " of type " << type << "; given is " << typeOf(input);
  }
  return success();
}

FailureOr<SmallVector<Value>> Interpreter::runBody(func::FuncOp function, ArrayRef<Value> inputs) {
  if (failed(checkInputs(function, inputs)))
    return failure();
  return runBlock(function.getBody().front(), inputs);
}

FailureOr<SmallVector<Value>> Interpreter::runBlock(Block &block, ArrayRef<Value> inputs) {
  // How many operands still read each value; at zero it is freed.
  DenseMap<mlir::Value, int64_t> uses;
  for (Operation &op : block)
    for (mlir::Value operand : op.getOperands())
      ++uses[operand];
  DenseMap<mlir::Value, Value> values;
  for (auto [argument, input] : llvm::zip(block.getArguments(), inputs))
    if (uses.count(argument))
      values[argument] = input;
  for (Operation &op : block) {
    SmallVector<Value> operands;
    for (mlir::Value operand : op.getOperands()) {
      auto it = values.find(operand);
      if (it == values.end())
        return op.emitOpError("reads a value of another region; the reference evaluates flat functions");
      operands.push_back(it->second);
    }
    for (mlir::Value operand : op.getOperands())
      if (--uses[operand] == 0)
        values.erase(operand);
    if (isa<func::ReturnOp, nn::YieldOp>(op))
      return operands;
    FailureOr<SmallVector<Value>> results = runOp(&op, operands);
    if (failed(results))
      return failure();
    if (observer)
      observer(&op, *results);
    for (auto [result, value] : llvm::zip(op.getResults(), *results))
      if (uses.count(result))
        values[result] = value;
  }
  return block.getParentOp()->emitOpError("does not end in func.return; it cannot be evaluated");
}

FailureOr<SmallVector<Value>> Interpreter::runOp(Operation *op, ArrayRef<Value> operands) {
  if (auto call = dyn_cast<CallOpInterface>(op)) {
    auto callee = dyn_cast_or_null<func::FuncOp>(call.resolveCallable());
    if (!callee)
      return op->emitOpError("calls no function of this module");
    return runBody(callee, operands);
  }
  if (auto loop = dyn_cast<nn::LoopOp>(op))
    return runLoop(loop, operands);
  // One tensor a global, however often it is loaded.
  if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(op)) {
    auto [it, isNew] = globals.try_emplace(load.getGlobal().getLeafReference().getValue());
    if (isNew) {
      FailureOr<SmallVector<Value>> loaded = evaluate(op, {});
      if (failed(loaded))
        return failure();
      it->second = asTensor(loaded->front());
    }
    return SmallVector<Value>{it->second};
  }
  return evaluate(op, operands);
}

} // namespace tern::reference
