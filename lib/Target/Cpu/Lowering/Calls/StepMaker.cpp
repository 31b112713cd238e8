//===- StepMaker.cpp - what all lowerings of calls share --------------------===//
#include "lib/Target/Cpu/Lowering/Calls/StepMaker.h"

using namespace mlir;

namespace tern::cpu {

bool StepMaker::refuse(const Twine &reason) {
  if (why.empty())
    why = reason.str();
  return false;
}

KernelArg StepMaker::operandArg(unsigned index, Elem elem) {
  KernelArg arg;
  arg.index = index;
  arg.elem = elem;
  return arg;
}

KernelArg StepMaker::resultArg(unsigned index) const {
  KernelArg arg = operandArg(index, results[index].map.elem);
  arg.kind = KernelArg::Result;
  return arg;
}

void StepMaker::push(AnyProblem problem, SmallVector<KernelArg> args, StringLiteral row, SizeCode macs) {
  Step step;
  step.problem = std::move(problem);
  step.args = std::move(args);
  step.row = row;
  step.macs = macs;
  steps.push_back(std::move(step));
}

} // namespace tern::cpu
