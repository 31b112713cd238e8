//===- MatmulTest.cpp - products of two activations -------------------------===//
#include "Dynamic.h"
#include "Naive.h"
#include "Speed.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

MatmulProblem problem(int64_t outer, int64_t m, int64_t n, int64_t depth, bool turned, bool bias, bool shared) {
  MatmulProblem p;
  p.outer = {outer};
  p.m = m, p.n = n, p.k = depth, p.bias = bias;
  p.x.strides = {m * depth, depth, 1};
  p.w.strides = {shared ? 0 : depth * n, turned ? 1 : n, turned ? depth : 1};
  p.out.strides = {m * n, n, 1};
  return p;
}

void expectMatmul(const MatmulProblem &p, const MatmulProblem &compiled, ArrayRef<int64_t> sizes) {
  ASSERT_EQ(refuse(compiled), "");
  Random random(17);
  auto floats = [&](int64_t count) {
    std::vector<float> v(count);
    for (float &f : v)
      f = random.real(-1, 1);
    return v;
  };
  int64_t outer = p.outer[0];
  std::vector<float> x = floats(outer * p.m * p.k), w = floats(outer * p.n * p.k), bias = floats(p.n), want(outer * p.m * p.n);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t m = 0; m < p.m; m++)
      for (int64_t n = 0; n < p.n; n++) {
        double sum = p.bias ? bias[n] : 0;
        for (int64_t d = 0; d < p.k; d++)
          sum += double(x[o * p.x.strides[0] + m * p.x.strides[1] + d * p.x.strides[2]]) * w[o * p.w.strides[0] + d * p.w.strides[1] + n * p.w.strides[2]];
        want[(o * p.m + m) * p.n + n] = float(sum);
      }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitMatmul(m, "matmul", compiled, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer xb = Buffer::of(x), wb = Buffer::of(w), bb = Buffer::of(bias), out(want.size() * 4);
    std::vector<Buffer *> args{&xb, &wb};
    if (p.bias)
      args.push_back(&bb);
    args.push_back(&out);
    kernel.run(args, sizes);
    double error = 0, size = 1e-30;
    for (size_t i = 0; i < want.size(); i++) {
      ASSERT_NEAR(out.data<float>()[i], want[i], 2e-6 * double(p.k)) << print(compiled) << " " << isa.name.str() << " at " << i;
      error += std::pow(double(out.data<float>()[i]) - want[i], 2), size += double(want[i]) * want[i];
    }
    // Of chains of 256 additions; one of 2048 is off by 8e-7.
    EXPECT_LT(std::sqrt(error / size), 4e-7) << print(compiled) << " " << isa.name.str();
  }
}

TEST(Matmul, ShapesAndStrides) {
  for (bool turned : {false, true})
    for (auto [outer, m, n, depth] : {std::tuple<int64_t, int64_t, int64_t, int64_t>(2, 17, 37, 29), {3, 1, 64, 300}, {1, 100, 7, 16}, {2, 24, 32, 513}, {1, 30, 40, 2048}, {1, 14, 18, 0}})
      for (bool known : {true, false}) {
        MatmulProblem p = problem(outer, m, n, depth, turned, turned, outer == 3);
        if (known) {
          expectMatmul(p, p, {});
          continue;
        }
        MatmulProblem compiled = p;
        compiled.outer = {dynamicSize(0)};
        compiled.m = dynamicSize(1), compiled.n = dynamicSize(2), compiled.k = dynamicSize(3);
        compiled.x.strides = {dynamicOffset(4), dynamicOffset(3), 1};
        compiled.w.strides[0] = outer == 3 ? 0 : dynamicOffset(5);
        compiled.w.strides[turned ? 2 : 1] = turned ? dynamicOffset(3) : dynamicOffset(2);
        compiled.out.strides = {dynamicOffset(6), dynamicOffset(2), 1};
        expectMatmul(p, compiled, {outer, m, n, depth, m * depth, depth * n, m * n});
      }
}

TEST(Matmul, OneColumn) {
  for (auto [outer, m, depth] : {std::tuple<int64_t, int64_t, int64_t>(2, 19, 45), {3, 4, 64}, {1, 1, 7}, {1, 6, 1}, {2, 5, 300}})
    for (bool bias : {false, true}) {
      MatmulProblem p = problem(outer, m, 1, depth, false, bias, outer == 3), compiled = p;
      expectMatmul(p, p, {});
      compiled.outer = {dynamicSize(0)};
      compiled.m = dynamicSize(1), compiled.k = dynamicSize(2);
      compiled.x.strides = {dynamicOffset(3), dynamicOffset(2), 1};
      compiled.w.strides = {outer == 3 ? 0 : dynamicOffset(2), 1, 1};
      compiled.out.strides = {dynamicOffset(1), 1, 1};
      expectMatmul(p, compiled, {outer, m, depth, m * depth});
    }
}

TEST(Matmul, DISABLED_Speed) {
  for (auto [outer, m, n, depth, turned] : {std::tuple<int64_t, int64_t, int64_t, int64_t, bool>(12, 128, 128, 32, true), {12, 128, 32, 128, false}, {1, 384, 384, 384, false}, {1, 384, 384, 384, true}}) {
    MatmulProblem p = problem(outer, m, n, depth, turned, false, false);
    CompiledKernel kernel(hostIsa(), [&](ModuleOp m, const Isa &isa) { return emitMatmul(m, "matmul", p, isa); });
    Buffer x(outer * m * depth * 4), w(outer * n * depth * 4), out(outer * m * n * 4);
    std::memset(x.data<char>(), 0, x.size()), std::memset(w.data<char>(), 0, w.size());
    double best = fastest([&] {
      for (int64_t t = 0; t < kernel.tasks(); t++)
        kernel.runTask({x.data<void>(), w.data<void>(), out.data<void>()}, t);
    });
    std::printf("[%2ld of %4ld x %4ld x %4ld%s] %8.1f us %6.1f GFLOP/s\n", long(outer), long(m), long(n), long(depth), turned ? " turned" : "", best,
                2e-3 * double(outer * m * n * depth) / best);
  }
}

} // namespace
