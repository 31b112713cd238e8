//===- ZeroPoints.cpp - terms of zero points beside a product --------------===//
#include "lib/Target/Cpu/Lowering/Weights/ZeroPoints.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

bool ZeroPoints::read(BundleOp x, ArrayRef<CallOperand> operands) {
  if (std::optional<int64_t> constant = storedZero(x)) {
    zero = *constant;
    return true;
  }
  Format format = x.getResult().getType().getFormat().getFormat();
  for (auto [index, plane] : llvm::enumerate(format.planes)) {
    if (plane.role != Role::Zero)
      continue;
    int argument = operandIndex(x.getPlanes()[index + 1]);
    if (format.elem.hasSignedCodes() || !plane.block.empty() || argument < 0 || operands[argument].constant ||
        operands[argument].place.form != Form::Plain) {
      reason = "a zero point that is neither constant nor one of unsigned codes";
      return false;
    }
    operand = unsigned(argument), runtime = true;
  }
  return runtime;
}

KernelArg ZeroPoints::zeroArg() const {
  KernelArg arg;
  arg.elem = Elem::U8;
  arg.index = operand;
  if (!runtime) {
    arg.kind = KernelArg::Constant;
    arg.bytes.assign(1, char(uint8_t(zero)));
  }
  return arg;
}

KernelArg ZeroPoints::temporary(int64_t bytes) {
  KernelArg arg;
  arg.kind = KernelArg::Temporary;
  arg.elem = Elem::I32;
  arg.index = temporaries++;
  arg.size = bytes;
  return arg;
}

KernelArg ZeroPoints::start(const std::vector<int32_t> &start, const std::vector<int32_t> &sums) {
  if (!runtime)
    return arrayArg(Elem::I32, start);
  KernelArg made = temporary(int64_t(start.size()) * 4);
  Step step;
  step.problem = StartProblem{int64_t(start.size())};
  step.args = {arrayArg(Elem::I32, start), arrayArg(Elem::I32, sums), zeroArg(), made};
  step.row = "cpu.dynamic_quant";
  steps.push_back(std::move(step));
  return made;
}

int ZeroPoints::uncenter(ExprBuilder &builder, int value, WindowSumProblem problem, unsigned x, const Placement &out) {
  if (!weight)
    return value;
  problem.h = out.map.h, problem.w = out.map.w;
  Map sums = out.map;
  sums.elem = Elem::I32;
  sums.c = sums.cs = 1;
  sums.top = sums.left = sums.bottom = sums.right = sums.base = 0;
  KernelArg made = temporary(times(product({sums.n, sums.h, sums.w}), 4)), in;
  in.index = x;
  in.elem = Elem::U8;
  Step step;
  step.problem = problem;
  step.args = {in, zeroArg(), made};
  step.row = "cpu.dynamic_quant";
  steps.push_back(std::move(step));
  return builder.node(ExprOp::Uncenter, {value, builder.rowInput(sums, made)}, double(weight));
}

} // namespace tern::cpu
