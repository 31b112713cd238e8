//===- RunGuards.cpp - steps that run under conditions ----------------------===//
#include "dialects/Tern/Transforms/Conditions.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Run/Guards.h"
#include "lib/Target/Cpu/Lowering/Run/RunPlan.h"

using namespace mlir;

namespace tern::cpu {

/// The values that cpu-guard-calls has numbered. Numbers count in each block on its own.
void RunPlanner::readConditions(Block &block) {
  conditions.clear();
  auto read = [&](ValueRange values, DenseI64ArrayAttr numbers) {
    if (numbers && numbers.size() == int64_t(values.size()))
      for (auto [value, number] : llvm::zip(values, numbers.asArrayRef()))
        if (number > 0)
          conditions[number] = value;
  };
  Operation *parent = block.getParentOp();
  read(block.getArguments(), parent->getAttrOfType<DenseI64ArrayAttr>(kArgumentConditionsAttr));
  for (Operation &op : block)
    read(op.getResults(), op.getAttrOfType<DenseI64ArrayAttr>(kConditionAttr));
}

unsigned RunPlanner::guardFrame(Value condition, bool on) {
  Storage where = storageOf(condition, flatMap(SizedType(condition)));
  for (auto [index, frame] : llvm::enumerate(made->frames))
    if (frame.kind == Frame::Guard && frame.on == on && frame.condition == where)
      return index;
  Frame frame;
  frame.condition = where;
  frame.on = on;
  made->frames.push_back(frame);
  return made->frames.size() - 1;
}

/// The number of frames that were open before.
size_t RunPlanner::enterGuards(Operation *op) {
  size_t outer = open.size();
  if (auto guard = op->getAttrOfType<DenseI64ArrayAttr>(kGuardAttr))
    for (int64_t number : guard.asArrayRef())
      if (Value condition = conditions.lookup(std::abs(number)))
        open.push_back(guardFrame(condition, number > 0));
  return outer;
}

/// A selection by one truth value: the side that is taken is copied, unless it has been computed at the place of the result.
LogicalResult RunPlanner::planBranch(CallOp call, DenseI64ArrayAttr parts) {
  PlacedCall placed;
  placed.call = call;
  placed.kernel = symbols.lookup<func::FuncOp>(call.getCallee());
  placed.name = call.getName().value_or(call.getCallee()).str();
  if (failed(readPlaces(placed)))
    return failure();
  auto embedded = call->getAttrOfType<DenseBoolArrayAttr>("cpu.embedded");
  Value condition = rootOf(call.getIns()[parts[0]]), result = call.getOuts().front();
  Storage to = storageOf(result, placed.results[0].map);
  for (int part : {1, 2}) {
    int64_t side = parts[part];
    if (embedded && embedded[side])
      continue;
    const CallOperand &operand = placed.operands[side];
    size_t outer = open.size();
    open.push_back(guardFrame(condition, part == 1));
    fillHalos(placed, /*loaded=*/false);
    Storage from;
    Placement at = operand.place;
    if (operand.constant) {
      FailureOr<Storage> where = sourceOf(call.getIns()[side]);
      if (failed(where))
        return failure();
      from = *where;
      at = {Form::Plain, plainMap(operand.type)};
    } else {
      from = storageOf(call.getIns()[side], at.map);
    }
    push(relayoutStep(operand.type, at, placed.results[0]), {from, to}, call.getLoc(), placed.name + (part == 1 ? ".then" : ".else"),
         placed.results[0], SizedType(result), to.kind == Storage::Output && to.slices.empty() ? to.index : -1, std::nullopt);
    fillHalos(placed, /*loaded=*/true);
    open.resize(outer);
  }
  return success();
}

} // namespace tern::cpu
