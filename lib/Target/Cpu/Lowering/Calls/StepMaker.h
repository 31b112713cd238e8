//===- StepMaker.h - what all lowerings of calls share ----------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_STEPMAKER_H
#define TERN_TARGET_CPU_LOWERING_CALLS_STEPMAKER_H

#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"

namespace tern::cpu {

/// The steps of a call in the making. What cannot be lowered answers false and leaves the first reason in error().
class StepMaker {
public:
  std::vector<Step> steps;
  llvm::StringRef error() const { return why; }

protected:
  StepMaker(mlir::func::FuncOp kernel, llvm::ArrayRef<CallOperand> operands, llvm::ArrayRef<Placement> results)
      : kernel(kernel), operands(operands), results(results) {}

  bool refuse(const llvm::Twine &reason);
  mlir::Operation *terminator() { return kernel.getBody().front().getTerminator(); }
  static KernelArg operandArg(unsigned index, Elem elem);
  KernelArg resultArg(unsigned index = 0) const;
  void addSteps(std::vector<Step> more) { llvm::move(more, std::back_inserter(steps)); }
  void push(AnyProblem problem, llvm::SmallVector<KernelArg> args, llvm::StringLiteral row, SizeCode macs = 0);

  mlir::func::FuncOp kernel;
  llvm::ArrayRef<CallOperand> operands;
  llvm::ArrayRef<Placement> results;
  std::string why;
};

} // namespace tern::cpu
#endif
