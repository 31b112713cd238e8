//===- EltwiseLowering.cpp - elementwise kernels -> programs on rows and pictures --===//
#include "lib/Target/Cpu/Lowering/Calls/CallLowering.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;

namespace tern::cpu {

bool CallLowering::relayout(unsigned changing) {
  Placement out = results[0];
  RelayoutProblem problem;
  SmallVector<CallOperand> seen(operands.begin(), operands.end());
  bool toChannels = out.form == Form::Channels;
  // The plain side is seen as planar pictures; the program's channels are those of dimension 1 either way.
  Placement view{Form::Channels, toChannels ? out.map : planarMap(resultType())};
  view.map.elem = out.map.elem;
  Map &inMap = seen[changing].place.map;
  if ((!toChannels && !isDense(out.map)) || (toChannels && !isDense(inMap)))
    return refuse("rows with padding that become pictures");
  if (toChannels) {
    Elem elem = inMap.elem;
    inMap = planarMap(operands[changing].type);
    inMap.elem = elem;
  }
  seen[changing].place.form = Form::Channels;
  ExprBuilder builder(seen, resultType(), view);
  builder.remember(kernel.getArgument(changing), builder.tensorInput(changing));
  if (!builder.finish(result()))
    return refuse(builder.error());
  problem.in = inMap;
  problem.out = view.map;
  problem.expr = builder.expr();
  if (std::string reason = cpu::refuse(onePicture(problem)); !reason.empty())
    return refuse(reason);
  SmallVector<KernelArg> args(builder.args());
  args.push_back(resultArg());
  push(problem, args, "cpu.relayout");
  return true;
}

bool CallLowering::eltwise() {
  if (!oneResult())
    return false;
  Placement out = results[0];
  // A picture in ONNX order that becomes NHWC (or back): one tensor changes its layout on the way.
  int changing = -1, tensors = 0;
  for (auto [index, operand] : llvm::enumerate(operands)) {
    if (operand.constant || operand.type.getShape() != resultType().getShape())
      continue;
    ++tensors;
    if (operand.place.form != out.form)
      changing = index;
  }
  if (changing >= 0)
    return tensors == 1 ? relayout(changing) : refuse("several tensors in different layouts");
  EltwiseProblem problem;
  SmallVector<CallOperand> seen(operands.begin(), operands.end());
  // Plain and dense tensors without channels are one long row.
  bool flat = out.form == Form::Plain && isDense(out.map);
  for (const CallOperand &operand : operands) {
    if (operand.constant)
      flat &= operand.type.getNumElements() == 1;
    else
      flat &= operand.type.getNumElements() == 1 || (operand.type.getShape() == resultType().getShape() && isDense(operand.place.map));
  }
  auto flatten = [](Map &map) {
    map.c = map.cs = countOf(map);
    map.n = map.h = map.w = 1;
  };
  if (flat) {
    flatten(out.map);
    for (CallOperand &operand : seen)
      if (!operand.constant)
        flatten(operand.place.map);
  }
  ExprBuilder builder(seen, resultType(), out);
  if (!builder.finish(result()))
    return refuse(builder.error());
  problem.out = out.map;
  problem.expr = builder.expr();
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  SmallVector<KernelArg> args(builder.args());
  args.push_back(resultArg());
  push(problem, args, "cpu.eltwise");
  return true;
}

} // namespace tern::cpu
