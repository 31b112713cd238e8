//===- ReduceLowering.cpp - reductions of axes, softmax, argmax -> problems --===//
#include "lib/Target/Cpu/Lowering/Calls/RowLowering.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Emit.h"

using namespace mlir;

namespace tern::cpu {

bool RowLowering::reduce() {
  auto op = cast<nn::ReduceOp>(info.anchor);
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  Strided x;
  if (!strided(op.getX(), x))
    return false;
  AxesReduceProblem problem;
  problem.elem = x.elem;
  problem.kind = AxesKind(int(op.getKind()) == int(nn::ReduceKind::sum)           ? int(AxesKind::Sum)
                          : op.getKind() == nn::ReduceKind::mean        ? int(AxesKind::Mean)
                          : op.getKind() == nn::ReduceKind::max         ? int(AxesKind::Max)
                          : op.getKind() == nn::ReduceKind::min         ? int(AxesKind::Min)
                          : op.getKind() == nn::ReduceKind::prod        ? int(AxesKind::Prod)
                          : op.getKind() == nn::ReduceKind::l1          ? int(AxesKind::L1)
                          : op.getKind() == nn::ReduceKind::l2          ? int(AxesKind::L2)
                          : op.getKind() == nn::ReduceKind::log_sum     ? int(AxesKind::LogSum)
                          : op.getKind() == nn::ReduceKind::log_sum_exp ? int(AxesKind::LogSumExp)
                                                                        : int(AxesKind::SumSquare));
  for (auto [index, size] : llvm::enumerate(x.sizes)) {
    bool reduced = llvm::is_contained(op.getAxes(), int64_t(index));
    if (size == 1)
      continue;
    if (!problem.sizes.empty() && problem.reduced.back() == reduced) {
      problem.sizes.back() = times(problem.sizes.back(), size);
      continue;
    }
    problem.sizes.push_back(size);
    problem.reduced.push_back(reduced);
  }
  if (problem.sizes.empty()) {
    problem.sizes.push_back(1);
    problem.reduced.push_back(true);
  }
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0)}, "cpu.axes_reduce");
  return true;
}

bool RowLowering::topk() {
  auto op = cast<nn::TopkOp>(info.anchor);
  if (terminator()->getNumOperands() != 2 || terminator()->getOperand(0) != op.getValues() || terminator()->getOperand(1) != op.getIndices())
    return refuse("one of the results only, or an epilogue");
  Strided x;
  if (!strided(op.getX(), x))
    return false;
  ArrayRef<int64_t> sizes = x.sizes;
  int64_t axis = op.getAxis();
  TopkProblem problem;
  problem.outer = product(sizes.take_front(axis));
  problem.count = sizes[axis];
  problem.inner = product(sizes.drop_front(axis + 1));
  problem.k = op.getK();
  problem.smallest = op.getSmallest();
  problem.elem = x.elem;
  if (isa<IntegerType>(op.getX().getType().getElementType()) && op.getX().getType().getElementType().isUnsignedInteger())
    return refuse("elements without a sign");
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0), resultArg(1)}, "cpu.topk");
  return true;
}

bool RowLowering::cumulate() {
  auto op = cast<nn::CumulateOp>(info.anchor);
  if (terminator()->getOperand(0) != op.getResult())
    return refuse("an epilogue");
  Strided x;
  if (!strided(op.getX(), x))
    return false;
  ArrayRef<int64_t> sizes = x.sizes;
  CumulateProblem problem;
  problem.outer = product(sizes.take_front(op.getAxis()));
  problem.count = sizes[op.getAxis()];
  problem.inner = product(sizes.drop_front(op.getAxis() + 1));
  problem.elem = x.elem;
  problem.product = op.getKind() == nn::CumulateKind::prod;
  problem.exclusive = op.getExclusive();
  problem.reverse = op.getReverse();
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0)}, "cpu.cumulate");
  return true;
}

bool RowLowering::axis() {
  Operation *op = info.anchor;
  if (isa<nn::TopkOp>(op))
    return topk();
  if (isa<nn::CumulateOp>(op))
    return cumulate();
  if (terminator()->getOperand(0) != op->getResult(0))
    return refuse("an epilogue");
  AxisProblem problem;
  int64_t axis;
  if (auto softmax = dyn_cast<nn::SoftmaxOp>(op)) {
    axis = softmax.getAxis();
    problem.kind = softmax.getLog() ? AxisKind::LogSoftmax : AxisKind::Softmax;
  } else {
    auto arg = cast<nn::ArgReduceOp>(op);
    axis = arg.getAxis();
    problem.kind = arg.getKind() == nn::ArgKind::max ? AxisKind::ArgMax : AxisKind::ArgMin;
    problem.last = arg.getSelectLast();
  }
  Strided x;
  if (!strided(op->getOperand(0), x))
    return false;
  ArrayRef<int64_t> sizes = x.sizes;
  problem.outer = product(sizes.take_front(axis));
  problem.count = sizes[axis];
  problem.inner = product(sizes.drop_front(axis + 1));
  problem.elem = x.elem;
  if (std::string reason = cpu::refuse(problem); !reason.empty())
    return refuse(reason);
  push(problem, {operandArg(x), resultArg(0)}, "cpu.axis");
  return true;
}

} // namespace tern::cpu
