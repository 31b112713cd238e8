//===- KernelLowering.h - a call of a kernel -> problems of the generators -===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_KERNELLOWERING_H
#define TERN_TARGET_CPU_LOWERING_CALLS_KERNELLOWERING_H

#include "lib/Target/Cpu/Problems/GemmProblem.h"
#include "lib/Target/Cpu/Lowering/Programs/ExprBuilder.h"
#include "lib/Target/Cpu/Lowering/Calls/KernelClass.h"
#include "lib/Target/Cpu/Problems/RowProblems.h"
#include "lib/Target/Cpu/Problems/SizesProblem.h"
#include "lib/Target/Cpu/Problems/TaskCount.h"
#include "lib/Target/Cpu/Products/ZeroPoints.h"
#include <variant>

namespace tern::cpu {

/// A step of a kernel function that went through linalg (Portable.h): loops on buffers.
struct PortableProblem {
  mlir::func::FuncOp function; ///< buffers, [sizes], %task
  llvm::SmallVector<SizeCode> sizes; ///< of its slots
  TaskCount tasks;
};
inline void visitSizes(PortableProblem &problem, SizeVisitor visit) {
  for (SizeCode &size : problem.sizes)
    visit.size(size);
}
/// The first of the two passes of a per-tensor DynamicQuantProblem.
struct AbsmaxProblem {
  DynamicQuantProblem problem;
};

using AnyProblem = std::variant<ConvProblem, GemmProblem, EltwiseProblem, RelayoutProblem, PoolProblem, GlobalReduceProblem, SoftmaxProblem,
                                ResizeProblem, CopyProblem, FillProblem, DynamicQuantProblem, AbsmaxProblem, PortableProblem, NormProblem,
                                GroupNormProblem, AttentionProblem, RopeProblem, NdProblem, AxesReduceProblem, AxisProblem, GatherProblem,
                                RnnProblem, MatmulProblem, SizesProblem, StartProblem, WindowSumProblem, TopkProblem, CumulateProblem>;

/// One generated kernel and its operands in argument order (without scratch and task).
struct Step {
  AnyProblem problem;
  llvm::SmallVector<KernelArg> args;
  llvm::StringLiteral row = "portable.linalg"; ///< of the kernel table
  SizeCode macs = 0;
};

/// The steps that compute a call of `kernel` with these operands and results, in order. Falls back to one portable step when
/// every operand and result is plain and dense; `portable` says why (empty: a generator serves it).
/// dry: nothing is packed, for asking which placements work.
/// Failure: no generator, and a place that the portable kernel cannot read; reported at the kernel.
mlir::FailureOr<std::vector<Step>> lowerKernel(mlir::func::FuncOp kernel, llvm::ArrayRef<CallOperand> operands,
                                                     llvm::ArrayRef<Placement> results, std::string &portable, bool dry = false);

/// The step that copies a value from one place to another.
Step relayoutStep(SizedType type, const Placement &from, const Placement &to);

/// Key under which equal kernels are shared, and the start of the symbol name.
std::string keyOf(const AnyProblem &problem);
llvm::StringRef stemOf(const AnyProblem &problem);

} // namespace tern::cpu
#endif
