//===- Steps.cpp - copies between places, and the keys of kernels ------------===//
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"

using namespace mlir;

namespace tern::cpu {

Step relayoutStep(SizedType type, const Placement &from, const Placement &to) {
  Step step;
  KernelArg in, out;
  in.elem = from.map.elem;
  out.kind = KernelArg::Result;
  out.elem = to.map.elem;
  step.args = {in, out};
  if (from.form != to.form && type.getRank() >= 3) {
    RelayoutProblem problem;
    const Map &plain = from.form == Form::Plain ? from.map : to.map;
    if (isDense(plain)) {
      Map planar = planarMap(type);
      planar.elem = plain.elem;
      problem.in = from.form == Form::Plain ? planar : from.map;
      problem.out = to.form == Form::Plain ? planar : to.map;
      ExprInput input;
      input.kind = ExprInput::Tensor;
      input.map = problem.in;
      problem.expr.inputs.push_back(input);
      if (cpu::refuse(onePicture(problem)).empty()) {
        step.problem = problem;
        step.row = "cpu.relayout";
        return step;
      }
    }
  }
  CopyProblem problem;
  problem.elem = from.map.elem;
  problem.sizes.assign(type.getShape().begin(), type.getShape().end());
  problem.inStrides = stridesOf(type, from);
  problem.outStrides = stridesOf(type, to);
  auto base = [](const Placement &place) { return place.form == Form::Channels ? firstPixelOf(place.map) : place.map.base; };
  problem.inBase = base(from);
  problem.outBase = base(to);
  step.problem = problem;
  step.row = "cpu.copy";
  return step;
}

std::string keyOf(const AnyProblem &problem) {
  if (auto *portable = std::get_if<PortableProblem>(&problem)) {
    // The text of the function without its name and locations.
    std::string text = print(portable->tasks) + " ";
    llvm::raw_string_ostream os(text);
    auto copy = cast<func::FuncOp>(portable->function->clone());
    copy.setName("kernel");
    copy->print(os, OpPrintingFlags().useLocalScope());
    copy->destroy();
    return text;
  }
  return (stemOf(problem) + ":" + std::visit(
                                      [](const auto &p) -> std::string {
                                        using T = std::decay_t<decltype(p)>;
                                        if constexpr (std::is_same_v<T, PortableProblem>)
                                          return "";
                                        else if constexpr (std::is_same_v<T, AbsmaxProblem>)
                                          return print(p.problem);
                                        else
                                          return print(p);
                                      },
                                      problem))
      .str();
}

StringRef stemOf(const AnyProblem &problem) {
  static const char *const stems[] = {"conv",   "gemm", "eltwise", "relayout", "pool",          "reduce", "softmax",
                                      "resize", "copy",    "fill",     "dynamic_quant", "absmax", "portable",
                                      "norm",   "group_norm", "attention", "rope", "nd", "axes_reduce", "axis", "gather", "rnn", "matmul", "sizes", "start", "window_sum", "topk"};
  return stems[problem.index()];
}

} // namespace tern::cpu
