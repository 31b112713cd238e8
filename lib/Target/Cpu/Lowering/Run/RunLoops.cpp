//===- RunLoops.cpp - loops of steps ----------------------------------------===//
// A state has one buffer, which is also that of the loop's result: it is written before the loop, and at the end of every
// step, by the kernel that computes it where nothing reads the old state any more. Elements of sequences and of collected
// results are read and written where they lie in the whole.
#include "dialects/Tern/Transforms/Conditions.h"
#include "dialects/Tern/Transforms/Grouping.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Run/RunPlan.h"

using namespace mlir;

namespace tern::cpu {

void RunPlanner::copy(SizedType type, const Storage &from, const Storage &to, Location loc, StringRef name) {
  if (from == to)
    return;
  Placement place{Form::Plain, flatMap(type)};
  Step step = relayoutStep(SizedType({type.getNumElements()}, type.getElementType()), place, place);
  push(std::move(step), {from, to}, loc, name, place, type, to.kind == Storage::Output && to.slices.empty() ? to.index : -1, std::nullopt);
}

LogicalResult RunPlanner::copy(Value value, const Storage &to, StringRef name) {
  FailureOr<Storage> from = sourceOf(value);
  if (failed(from))
    return failure();
  copy(SizedType(value), *from, to, value.getLoc(), name);
  return success();
}

static nn::SizeExpr bytesOf(SizedType type) {
  return SizeScope::table().mul(sizeOf(type.getNumElements()), SizeScope::table().constant(cpu::bytesOf(*elemOf(type.getElementType()))));
}

/// The element that belongs to a step of the loop.
Storage RunPlanner::elementStorage(Value sequence, Storage whole, unsigned frame, nn::SizeExpr count, bool reversed) {
  SizedType type(sequence);
  SizedType element(type.getShape().drop_front(), type.getElementType());
  whole.slices.push_back({frame, bytesOf(element), reversed ? count : nn::SizeExpr()});
  return whole;
}

/// The kernel of the next state may write where the old one lies: neither it nor anything behind it reads that.
bool RunPlanner::isWrittenLast(nn::LoopOp loop, unsigned state) {
  Value next = rootOf(loop.yieldedStates()[state]);
  auto call = next.getDefiningOp<CallOp>();
  if (!call || call->getBlock() != &loop.block() || call->hasAttr("cpu.embedded") || storage.count(next) || embeddedIn.count(next))
    return false;
  SmallVector<Value> old{loop.stateArguments()[state]};
  while (!old.empty())
    for (Operation *user : old.pop_back_val().getUsers()) {
      if (auto reshape = dyn_cast<nn::ReshapeOp>(user))
        old.push_back(reshape.getResult());
      else if (!user->isBeforeInBlock(call))
        return false;
    }
  return true;
}

LogicalResult RunPlanner::plan(nn::LoopOp loop) {
  std::string name = loop.getName().value_or("loop").str();
  nn::SizeTable &table = SizeScope::table();
  Frame frame;
  frame.kind = Frame::Loop;
  frame.count = loop.getCount() ? table.parse(*loop.getCount()) : nn::SizeExpr();
  frame.hasCondition = bool(loop.getCondition());
  for (auto [i, state] : llvm::enumerate(loop.getStates())) {
    Value result = loop.stateResults()[i];
    if (failed(copy(state, storageOf(result, flatMap(SizedType(result))), name + ".state" + std::to_string(i))))
      return failure();
  }
  if (loop.getCondition()) {
    frame.condition = newBuffer(table.constant(1));
    if (failed(copy(loop.getCondition(), frame.condition, name + ".condition")))
      return failure();
  }
  if (loop.getTrips()) {
    FailureOr<Storage> trips = sourceOf(loop.getTrips());
    if (failed(trips))
      return failure();
    frame.trips = *trips;
  }
  if (!loop.stepArgument().use_empty()) {
    frame.step = newBuffer(table.constant(8));
    storage[loop.stepArgument()] = *frame.step;
  }
  unsigned number = made->frames.size();
  made->frames.push_back(frame);
  for (auto [i, argument] : llvm::enumerate(loop.stateArguments())) {
    Storage place = storageOf(loop.stateResults()[i], flatMap(SizedType(argument)));
    storage[argument] = place;
  }
  for (auto [i, argument] : llvm::enumerate(loop.elementArguments())) {
    FailureOr<Storage> whole = sourceOf(loop.getSequences()[i]);
    if (failed(whole))
      return failure();
    storage[argument] = elementStorage(loop.getSequences()[i], *whole, number, frame.count, loop.isReversed(i));
  }
  for (auto [argument, capture] : llvm::zip(loop.captureArguments(), loop.getCaptures())) {
    FailureOr<Storage> where = sourceOf(capture);
    if (failed(where))
      return failure();
    storage[argument] = *where;
  }
  // Results of the body that are computed where they are wanted.
  for (unsigned i = 0; i < loop.getStates().size(); ++i)
    if (isWrittenLast(loop, i)) {
      Storage place = storage[loop.stateArguments()[i]];
      storage[rootOf(loop.yieldedStates()[i])] = place;
    }
  for (auto [i, element] : llvm::enumerate(loop.yieldedElements())) {
    Value value = rootOf(element), result = loop.collectedResults()[i];
    auto call = value.getDefiningOp<CallOp>();
    // Calibration looks at one place.
    if (call && !call->hasAttr(kProbe) && !storage.count(value) && !embeddedIn.count(value))
      storage[value] = elementStorage(result, storageOf(result, flatMap(SizedType(result))), number, frame.count, loop.isCollectedReversed(i));
  }
  open.push_back(number);
  auto outer = std::move(conditions);
  LogicalResult done = plan(loop.block());
  if (succeeded(done))
    done = yield(loop, name, frame);
  conditions = std::move(outer);
  open.pop_back();
  return done;
}

/// What the step leaves behind goes to its place. States that become other states go through buffers of their own.
LogicalResult RunPlanner::yield(nn::LoopOp loop, StringRef name, const Frame &frame) {
  unsigned number = open.back();
  if (loop.getCondition() && failed(copy(loop.yieldedCondition(), frame.condition, (name + ".next_condition").str())))
    return failure();
  for (auto [i, element] : llvm::enumerate(loop.yieldedElements())) {
    Value result = loop.collectedResults()[i], value = rootOf(element);
    Storage to = elementStorage(result, storageOf(result, flatMap(SizedType(result))), number, frame.count, loop.isCollectedReversed(i));
    auto found = storage.find(value);
    bool inPlace = found != storage.end() && found->second.kind == to.kind && found->second.index == to.index &&
                   value.getDefiningOp<CallOp>() && !found->second.slices.empty();
    if (!inPlace && failed(copy(element, to, (name + ".element" + Twine(i)).str())))
      return failure();
  }
  SmallVector<std::pair<unsigned, Storage>> moved;
  for (auto [i, next] : llvm::enumerate(loop.yieldedStates())) {
    Value value = rootOf(next);
    auto argument = dyn_cast<BlockArgument>(value);
    bool isState = argument && llvm::is_contained(loop.stateArguments(), argument);
    if (!isState || argument == loop.stateArguments()[i])
      continue;
    Storage between = newBuffer(bytesOf(SizedType(next)));
    if (failed(copy(next, between, (name + ".old" + Twine(i)).str())))
      return failure();
    moved.push_back({unsigned(i), between});
  }
  for (auto [i, next] : llvm::enumerate(loop.yieldedStates())) {
    Storage to = storage[loop.stateArguments()[i]];
    std::string text = (name + ".next" + Twine(i)).str();
    auto *between = llvm::find_if(moved, [&, i = i](const auto &entry) { return entry.first == i; });
    if (between != moved.end())
      copy(SizedType(next), between->second, to, next.getLoc(), text);
    else if (failed(copy(next, to, text)))
      return failure();
  }
  return success();
}

} // namespace tern::cpu
