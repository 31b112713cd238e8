//===- GemmSpeed.cpp - how fast matrix products are ------------------------===//
// Not part of the test run: CpuTests --gtest_also_run_disabled_tests --gtest_filter=Speed.DISABLED_Gemm
// One thread, tasks in order, the sum of the best times of the tasks. MS=: of repetitions. One row: also GB/s of weights. COLD=MiB: a ring of copies of the weights. LEVEL=,
// ONLY= pick instruction set and formats.
#include "GemmCase.h"
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
double now() { return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void measure(const char *what, const GemmFormats &formats, int64_t k, int64_t n, ArrayRef<int64_t> rowCounts) {
  if (const char *only = getenv("ONLY"); only && strcmp(what, only))
    return;
  int64_t level = getenv("LEVEL") ? atoll(getenv("LEVEL")) : hostIsa().level, most = *llvm::max_element(rowCounts);
  GemmProblem p = gemm(formats, -1, k, n);
  GemmProblem sized = gemm(formats, most, k, n);
  for (GemmProblem *q : {&p, &sized}) {
    q->epilogue.inputs.resize(3);
    q->epilogue.nodes.resize(3);
    q->out.cs += getenv("PAD") ? atoll(getenv("PAD")) : 0;
    for (ExprNode &node : q->epilogue.nodes)
      for (int &arg : node.args)
        arg -= arg >= 4;
  }
  Random random(3);
  GemmCase c(sized, most, random);
  std::vector<uint8_t> packed(GemmLayout(p).bytes());
  packGemm(p, c.plain(), packed);
  int64_t copies = getenv("COLD") ? 1 + (atoll(getenv("COLD")) << 20) / int64_t(packed.size()) : 1;
  std::vector<Buffer> weights;
  for (int64_t i = 0; i < copies; ++i)
    weights.push_back(Buffer::of(packed));
  Activation in(sized.in, random), out(sized.out);
  Operands operands(sized.epilogue, sized.out, random);
  Buffer init(n * 4), xScales = Buffer::of(c.xScales);
  for (const Isa &isa : hostIsas()) {
    if (isa.level != level)
      continue;
    double begin = now();
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitGemm(m, "gemm", p, isa); });
    double compile = now() - begin;
    for (int64_t rows : rowCounts) {
      int64_t sizes[] = {rows};
      std::vector<void *> args{in.buffer.data<void>(), nullptr};
      if (p.hasInit())
        args.push_back(init.data<void>());
      if (p.xGroup)
        args.push_back(xScales.data<void>());
      for (Buffer *b : operands.pointers())
        args.push_back(b->data<void>());
      args.push_back(out.buffer.data<void>());
      args.push_back(sizes);
      size_t next = 0;
      // The best time of each task: a loaded machine interrupts no task of a few us in all repetitions.
      std::vector<double> times(kernel.tasks(sizes), INFINITY);
      for (double end = now() + (getenv("MS") ? atof(getenv("MS")) : 60) * 1e3; now() < end || times.back() == INFINITY;) {
        args[1] = weights[next++ % weights.size()].data<void>();
        for (auto [task, time] : llvm::enumerate(times)) {
          double begin = now();
          kernel.runTask(args, int64_t(task));
          time = std::min(time, now() - begin);
        }
      }
      double best = std::accumulate(times.begin(), times.end(), 0.0);
      double gops = 2e-3 * double(rows * n * k) / best;
      printf("%-14s %5d x %5d -> %5d %-10s %9.1f us %7.1f GOP/s %5.1f %% of peak %6.1f GB/s, %3d tasks, compiled in %5.1f ms\n", what, int(rows), int(k),
             int(n), isa.name.data(), best, gops, 100 * gops / (p.integer() ? 1157 : 289), double(packed.size()) * 1e-3 / best, int(kernel.tasks(sizes)),
             compile / 1e3);
      fflush(stdout);
    }
  }
}

/// A vocabulary: the rows of the result lie in other pages, PAD=elements apart from their length.
TEST(Speed, DISABLED_GemmWide) {
  for (int64_t rows : {1, 12, 128}) {
    measure("wide u8s4", {true, 4, 32, 32}, 576, 49152, {rows});
    measure("wide u8s8", {true, 8, 0, 32}, 576, 49152, {rows});
    measure("wide f32", {}, 576, 49152, {rows});
  }
}

TEST(Speed, DISABLED_Gemm) {
  for (auto [k, n] : {std::pair<int64_t, int64_t>{384, 384}, {384, 1536}, {1536, 384}, {1536, 576}}) {
    std::vector<int64_t> rows{1, 2, 16, 128};
    measure("f32", {}, k, n, rows);
    measure("u8s8", {true, 8}, k, n, rows);
    measure("u8s8 x128", {true, 8, 0, 128}, k, n, rows);
    measure("u8s4", {true, 4}, k, n, rows);
    measure("u8s4 g32", {true, 4, 32}, k, n, rows);
    measure("u8s4 g32 x32", {true, 4, 32, 32}, k, n, rows);
    measure("u8s4 g128", {true, 4, 128}, k, n, rows);
    measure("f32s8", {false, 8}, k, n, rows);
    measure("f32s4", {false, 4}, k, n, rows);
    measure("f32s4 g32", {false, 4, 32}, k, n, rows);
  }
}
} // namespace
