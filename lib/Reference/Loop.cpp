//===- Loop.cpp - nn.loop, step by step ------------------------------------===//
#include "lib/Reference/Reference.h"

using namespace mlir;

namespace tern::reference {

/// The element of this number along the first axis.
static Tensor elementOf(const Tensor &sequence, int64_t index) {
  ArrayRef<int64_t> shape = sequence.getShape().drop_front();
  auto type = RankedTensorType::get(shape, sequence.getElementType());
  Tensor element(type);
  size_t bytes = element.bytes().size();
  llvm::copy(sequence.bytes().slice(bytes * size_t(index), bytes), element.mutableData().begin());
  return element;
}

/// The number of steps that is known before the first one; -1: only a condition ends the loop.
static FailureOr<int64_t> stepsOf(nn::LoopOp loop, const Tensor *trips, ArrayRef<Value> sequences) {
  int64_t steps = -1;
  auto limit = [&](int64_t most) { steps = steps < 0 ? std::max<int64_t>(most, 0) : std::min(steps, std::max<int64_t>(most, 0)); };
  if (loop.getCount()) {
    std::optional<int64_t> count = nn::SizeTable::of(loop.getContext()).parse(*loop.getCount()).constant();
    if (!count && !sequences.empty())
      count = asTensor(sequences.front()).getShape().front();
    if (!count)
      return loop.emitOpError("cannot be evaluated: its number of steps '") << *loop.getCount() << "' is not known (bind dimensions with --dim)";
    limit(*count);
    for (const Value &sequence : sequences)
      if (asTensor(sequence).getShape().front() != *count)
        return loop.emitOpError("has ") << *count << " steps; a sequence has " << asTensor(sequence).getShape().front() << " elements";
  }
  if (trips)
    limit(toIntegers(*trips).front());
  return steps;
}

FailureOr<SmallVector<Value>> Interpreter::runLoop(nn::LoopOp loop, ArrayRef<Value> operands) {
  auto take = [&](size_t count) {
    ArrayRef<Value> taken = operands.take_front(count);
    operands = operands.drop_front(count);
    return taken;
  };
  ArrayRef<Value> trips = take(bool(loop.getTrips())), condition = take(bool(loop.getCondition())), initial = take(loop.getStates().size()),
                  sequences = take(loop.getSequences().size()), captures = operands;
  FailureOr<int64_t> steps = stepsOf(loop, trips.empty() ? nullptr : &asTensor(trips.front()), sequences);
  if (failed(steps))
    return failure();
  SmallVector<Value> states(initial);
  bool goesOn = condition.empty() || toIntegers(asTensor(condition.front())).front() != 0;
  auto number = RankedTensorType::get({}, IntegerType::get(loop.getContext(), 64));
  size_t collected = loop.collectedResults().size();
  std::vector<SmallVector<Tensor, 0>> parts(collected);
  for (int64_t step = 0; goesOn && (*steps < 0 || step < *steps); ++step) {
    SmallVector<Value> arguments{Tensor::of<int64_t>(number, {step})};
    arguments.append(states);
    for (auto [i, sequence] : llvm::enumerate(sequences))
      arguments.push_back(elementOf(asTensor(sequence), loop.isReversed(i) ? *steps - 1 - step : step));
    arguments.append(captures.begin(), captures.end());
    FailureOr<SmallVector<Value>> yielded = runBlock(loop.block(), arguments);
    if (failed(yielded))
      return failure();
    ArrayRef<Value> rest = *yielded;
    if (!condition.empty()) {
      goesOn = toIntegers(asTensor(rest.front())).front() != 0;
      rest = rest.drop_front();
    }
    states.assign(rest.begin(), rest.begin() + states.size());
    for (auto [part, value] : llvm::zip(parts, rest.drop_front(states.size())))
      part.push_back(asTensor(value));
  }
  for (auto [i, part] : llvm::enumerate(parts)) {
    auto result = cast<RankedTensorType>(loop.collectedResults()[i].getType());
    SmallVector<int64_t> shape{*steps};
    llvm::append_range(shape, part.empty() ? result.getShape().drop_front() : part.front().getShape());
    if (llvm::any_of(shape, ShapedType::isDynamic))
      return loop.emitOpError("cannot be evaluated: the size of ") << result << " is not known (bind dimensions with --dim)";
    Tensor whole(RankedTensorType::get(shape, result.getElementType()));
    char *at = whole.mutableData().data();
    if (loop.isCollectedReversed(i))
      std::reverse(part.begin(), part.end());
    for (const Tensor &element : part)
      at = std::copy(element.bytes().begin(), element.bytes().end(), at);
    states.push_back(whole);
  }
  return states;
}

} // namespace tern::reference
