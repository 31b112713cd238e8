//===- Loop.cpp - nn.loop ---------------------------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"

using namespace mlir;
using namespace tern::nn;

static OperandRange yielded(LoopOp loop) { return loop.block().getTerminator()->getOperands(); }

Value LoopOp::yieldedCondition() { return getCondition() ? yielded(*this).front() : Value(); }
OperandRange LoopOp::yieldedStates() { return yielded(*this).slice(getCondition() ? 1 : 0, getStates().size()); }
OperandRange LoopOp::yieldedElements() { return yielded(*this).drop_front((getCondition() ? 1 : 0) + getStates().size()); }

static bool isScalar(Value value, unsigned bits) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 0 && type.getElementType().isSignlessInteger(bits);
}

/// A sequence without its first axis.
static bool isElementOf(Type element, Type sequence) {
  auto whole = cast<RankedTensorType>(sequence);
  return whole.getRank() > 0 && areCompatible({RankedTensorType::get(whole.getShape().drop_front(), whole.getElementType())}, {element});
}

LogicalResult LoopOp::verify() { // nn_n29
  if (getTrips() && !isScalar(getTrips(), 64))
    return emitOpError() << "trips is " << getTrips().getType() << "; it must be tensor<i64>";
  if (getCondition() && !isScalar(getCondition(), 1))
    return emitOpError() << "the condition is " << getCondition().getType() << "; it must be tensor<i1>";
  if (getCount() && !SizeTable::of(getContext()).parse(*getCount()))
    return emitOpError() << "count \"" << *getCount() << "\" is no size expression";
  if (!getCount() && !getTrips() && !getCondition())
    return emitOpError("never ends; it needs count, trips or a condition");
  if (getNumResults() < getStates().size())
    return emitOpError() << "has " << getStates().size() << " states and " << getNumResults() << " results; every state is a result";
  bool exact = getCount() && !getTrips() && !getCondition();
  if (!exact && (getNumResults() > getStates().size() || !getSequences().empty()))
    return emitOpError("has sequences or collected results, and its number of steps is not exactly count; leave out trips and condition");
  size_t flags = getSequences().size() + getNumResults() - getStates().size();
  if (getReversed() && getReversed()->size() != flags)
    return emitOpError() << "reversed has " << getReversed()->size() << " entries; there are " << flags << " sequences and collected results";
  if (std::optional<int64_t> count = getCount() ? SizeTable::of(getContext()).parse(*getCount()).constant() : std::nullopt)
    for (Value value : llvm::concat<Value>(SmallVector<Value>(getSequences()), SmallVector<Value>(collectedResults()))) {
      auto type = cast<RankedTensorType>(value.getType());
      if (type.getRank() > 0 && !type.isDynamicDim(0) && type.getDimSize(0) != *count)
        return emitOpError() << "has " << *count << " steps; a sequence is " << type;
    }
  return success();
}

LogicalResult LoopOp::verifyRegions() { // nn_n29
  unsigned arguments = 1 + getStates().size() + getSequences().size() + getCaptures().size();
  if (block().getNumArguments() != arguments)
    return emitOpError() << "has a body of " << block().getNumArguments() << " arguments; the step, states, elements and captures are " << arguments;
  for (BlockArgument argument : block().getArguments())
    if (!isa<RankedTensorType>(argument.getType()))
      return emitOpError() << "has a body with an argument of type " << argument.getType() << "; they are tensors";
  if (!isScalar(stepArgument(), 64))
    return emitOpError() << "has a body whose first argument is " << stepArgument().getType() << "; the number of the step is tensor<i64>";
  unsigned values = (getCondition() ? 1 : 0) + getNumResults();
  if (!isa<YieldOp>(block().getTerminator()) || yielded(*this).size() != values)
    return emitOpError() << "has a body that yields " << yielded(*this).size() << " values; condition, states and elements are " << values;
  if (getCondition() && !isScalar(yieldedCondition(), 1))
    return emitOpError() << "has a body that yields a condition of type " << yieldedCondition().getType() << "; it must be tensor<i1>";
  for (auto [i, state] : llvm::enumerate(getStates())) {
    Type type = state.getType();
    for (Type other : {stateArguments()[i].getType(), yieldedStates()[i].getType(), stateResults()[i].getType()})
      if (!areCompatible({type}, {other}))
        return emitOpError() << "state " << i << " is " << type << " and becomes " << other << "; states keep their types";
  }
  for (auto [i, sequence] : llvm::enumerate(getSequences()))
    if (!isElementOf(elementArguments()[i].getType(), sequence.getType()))
      return emitOpError() << "sequence " << i << " is " << sequence.getType() << " and its elements are " << elementArguments()[i].getType();
  for (auto [i, collected] : llvm::enumerate(collectedResults()))
    if (!isElementOf(yieldedElements()[i].getType(), collected.getType()))
      return emitOpError() << "collects " << yieldedElements()[i].getType() << " into " << collected.getType();
  for (auto [i, capture] : llvm::enumerate(getCaptures()))
    if (!areCompatible({capture.getType()}, {captureArguments()[i].getType()}))
      return emitOpError() << "capture " << i << " is " << capture.getType() << " and arrives as " << captureArguments()[i].getType();
  return success();
}
