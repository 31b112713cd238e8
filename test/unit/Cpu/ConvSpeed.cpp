//===- ConvSpeed.cpp - how fast single kernels are -------------------------===//
// Not part of the test run: CpuTests --gtest_also_run_disabled_tests --gtest_filter=*Speed*
// One thread, tasks in order, best of some repetitions, arithmetic as a share of two multiplies a clock on the machine
// the speeds were tuned on (two 512-bit units a core).
#include "ConvCase.h"
#include <chrono>
#include <cstring>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
double now() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void measure(const char *what, const ConvProblem &p, int level) {
  Random random(3);
  ConvWeights w(p, random);
  std::vector<uint8_t> packed(packedBytes(p));
  packConvWeights(p, w.plain(), packed);
  // COLD=MiB: a ring of copies of the weights, so that they come from memory as in a whole model.
  int64_t copies = getenv("COLD") ? 1 + (atoll(getenv("COLD")) << 20) / int64_t(packed.size()) : 1;
  std::vector<Buffer> weights;
  for (int64_t i = 0; i < copies; i++)
    weights.push_back(Buffer::of(packed));
  Activation in(p.in, random), out(p.out);
  Operands operands(p.epilogue, p.out, random);
  Buffer init(p.out.c * 4);
  if (const char *only = getenv("ONLY"); only && !strstr(what, only))
    return;
  for (const Isa &isa : hostIsas()) {
    if (level >= 0 && isa.level != level)
      continue;
    double begin = now();
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitConv(m, what, p, isa); });
    double compile = now() - begin;
    std::vector<void *> args{in.buffer.data<void>(), weights[0].data<void>()};
    if (p.arith == Arith::U8S8 || p.arith == Arith::U8S4)
      args.push_back(init.data<void>());
    for (Buffer *b : operands.pointers())
      args.push_back(b->data<void>());
    args.push_back(out.buffer.data<void>());
    size_t next = 0;
    auto once = [&] {
      args[1] = weights[next++ % weights.size()].data<void>();
      double t = now();
      for (int64_t task = 0; task < kernel.tasks(); task++)
        kernel.runTask(args, task);
      return now() - t;
    };
    double best = once();
    for (double end = now() + 60e3; now() < end;)
      best = std::min(best, once());
    double gops = 2e-3 * double(macsOf(p)) / best;
    bool integer = p.arith == Arith::U8S8 || p.arith == Arith::U8S4;
    printf("%-28s %-10s %8.1f us (estimate %8.1f) %7.1f GOP/s %5.1f %% of peak, %2d tasks, compiled in %5.1f ms\n",
           what, isa.name.data(), best, estimateUs(p, isa), gops, 100 * gops / (integer ? 1157 : 289),
           int(kernel.tasks()), compile / 1e3);
    fflush(stdout);
  }
}

TEST(Speed, DISABLED_Conv) {
  int level = getenv("LEVEL") ? atoi(getenv("LEVEL")) : -1;
  for (Arith a : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8}) {
    if (getenv("ARITH") && atoi(getenv("ARITH")) != int(a))
      continue;
    measure("56x56x64 3x3", conv(a, {1, 56, 56, 64}, 64, 3, 1), level);
    measure("56x56x64->128 3x3 s2", conv(a, {1, 56, 56, 64}, 128, 3, 2), level);
    measure("56x56x64->256 1x1", conv(a, {1, 56, 56, 64}, 256, 1, 1), level);
    measure("56x56x24->144 1x1", conv(a, {1, 56, 56, 24}, 144, 1, 1), level);
    measure("56x56x144->24 1x1", conv(a, {1, 56, 56, 144}, 24, 1, 1), level);
    measure("112x112x32->16 1x1", conv(a, {1, 112, 112, 32}, 16, 1, 1), level);
    measure("120x160x96->24 3x3", conv(a, {1, 120, 160, 96}, 24, 3, 1), level);
    measure("60x80x96->24 3x3", conv(a, {1, 60, 80, 96}, 24, 3, 1), level);
    measure("240x320x24->1 2x2 transposed", transposed(a, {1, 240, 320, 24}, 1, 2, 2, 0), level);
    measure("120x160x24->24 2x2 transposed", transposed(a, {1, 120, 160, 24}, 24, 2, 2, 0), level);
    measure("14x14x256 3x3", conv(a, {1, 14, 14, 256}, 256, 3, 1), level);
    measure("14x14x480->80 1x1", conv(a, {1, 14, 14, 480}, 80, 1, 1), level);
    measure("7x7x192->1152 1x1", conv(a, {1, 7, 7, 192}, 1152, 1, 1), level);
    measure("7x7x1152->320 1x1", conv(a, {1, 7, 7, 1152}, 320, 1, 1), level);
    measure("7x7x320->1280 1x1", conv(a, {1, 7, 7, 320}, 1280, 1, 1), level);
    measure("224x224x3->32 3x3 s2", conv(a, {1, 224, 224, 3}, 32, 3, 2), level);
    measure("128x384x1536 gemm", conv(a, {1, 1, 128, 384}, 1536, 1, 1), level);
    measure("1x1280x1000 gemm", conv(a, {1, 1, 1, 1280}, 1000, 1, 1), level);
  }
}

TEST(Speed, DISABLED_Epilogue) {
  ConvProblem p = conv(Arith::U8S8, {1, 240, 320, 16}, 32, 1, 1);
  measure("requant", p, 2);
  p.epilogue.inputs = {{ExprInput::Acc, {}}, {ExprInput::Channel, {}}, {ExprInput::Scalar, {}}};
  p.epilogue.nodes = {node(ExprOp::Mul, {0, 1}), node(ExprOp::HardSwish, {3}), node(ExprOp::Quant, {4, 2}, 3)};
  measure("hard swish, quant", p, 2);
  p.epilogue.nodes = {node(ExprOp::Mul, {0, 1}), node(ExprOp::HardSwish, {3}), node(ExprOp::Mul, {4, 2}),
                      node(ExprOp::Add, {5, 2}), node(ExprOp::Requant, {6, 2}, 3)};
  measure("hard swish, affine, requant", p, 2);
  p.epilogue.nodes = {node(ExprOp::Requant, {0, 1}, 3), node(ExprOp::Dequant, {3, 2}, 3), node(ExprOp::HardSwish, {4}),
                      node(ExprOp::Quant, {5, 2}, 3)};
  measure("requant, hard swish, quant", p, 2);
}

TEST(Speed, DISABLED_ScaleGroups) {
  for (int64_t group : {0, 32, 128})
    for (Arith a : {Arith::U8S4, Arith::F32S4})
      for (ConvProblem p : {conv(a, {1, 28, 28, 128}, 128, 3, 1), conv(a, {1, 7, 7, 1152}, 320, 1, 1),
                            conv(a, {1, 1, 1, 1280}, 1024, 1, 1)}) {
        p.group = group;
        if (group && a == Arith::U8S4)
          p.epilogue.nodes = {node(ExprOp::Mul, {0, 1})}, p.out.elem = Elem::F32;
        measure(("group " + std::to_string(group)).c_str(), p, 2);
      }
}

TEST(Speed, DISABLED_Depthwise) {
  int level = getenv("LEVEL") ? atoi(getenv("LEVEL")) : -1;
  for (Arith a : {Arith::F32, Arith::U8S8}) {
    measure("dw 112x112x32 3x3", depthwise(a, {1, 112, 112, 32}, 3, 1), level);
    measure("dw 112x112x96 3x3 s2", depthwise(a, {1, 112, 112, 96}, 3, 2), level);
    measure("dw 56x56x144 3x3", depthwise(a, {1, 56, 56, 144}, 3, 1), level);
    measure("dw 56x56x144 5x5 s2", depthwise(a, {1, 56, 56, 144}, 5, 2), level);
    measure("dw 28x28x240 5x5", depthwise(a, {1, 28, 28, 240}, 5, 1), level);
    measure("dw 14x14x480 3x3", depthwise(a, {1, 14, 14, 480}, 3, 1), level);
    measure("dw 14x14x672 5x5", depthwise(a, {1, 14, 14, 672}, 5, 1), level);
    measure("dw 7x7x1152 5x5", depthwise(a, {1, 7, 7, 1152}, 5, 1), level);
  }
}
} // namespace
