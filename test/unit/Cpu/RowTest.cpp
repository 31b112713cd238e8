//===- RowTest.cpp - softmax and dynamic quantization ---------------------===//
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

TEST(Softmax, RowsOfAnyLength) {
  for (bool log : {false, true})
    for (auto [in, out] : {std::pair(image(Elem::F32, 1, 1, 3, 10), image(Elem::F32, 1, 1, 3, 10)),
                           std::pair(image(Elem::F32, 2, 3, 4, 2, 1), image(Elem::F32, 2, 3, 4, 2)),
                           std::pair(image(Elem::F32, 1, 1, 130, 1000), image(Elem::F32, 1, 1, 130, 1000)),
                           std::pair(image(Elem::F32, 1, 2, 3, 77), image(Elem::F32, 1, 2, 3, 77, 2)),
                           std::pair(image(Elem::F32, 1, 1, 5, 197), image(Elem::F32, 1, 1, 5, 197))}) {
      SoftmaxProblem p{in, out, log};
      Random random(4);
      Activation x(in, random, -30, 30), want(out);
      for (int64_t i = 0; i < in.pixels(); i++) {
        int64_t n = i / (in.h * in.w), y = i / in.w % in.h, w = i % in.w;
        double max = -INFINITY, sum = 0;
        for (int64_t c = 0; c < in.c; c++)
          max = std::max(max, double(x.get(n, y, w, c).f));
        for (int64_t c = 0; c < in.c; c++)
          sum += std::exp(x.get(n, y, w, c).f - max);
        for (int64_t c = 0; c < in.c; c++) {
          double v = x.get(n, y, w, c).f - max;
          want.set(n, y, w, c, Number::of(log ? v - std::log(sum) : std::exp(v) / sum));
        }
      }
      for (const Isa &isa : hostIsas()) {
        CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitSoftmax(m, "softmax", p, isa); });
        ASSERT_TRUE(kernel.ok());
        Activation got(out);
        kernel.run({&x.buffer, &got.buffer});
        expectEqual(got, want, 5e-7, print(p) + " " + isa.name.str());
      }
    }
}

TEST(Softmax, InfinitiesAndNan) {
  std::vector<float> x{-INFINITY, 1, 2, -INFINITY, /**/ NAN, 1, 2, 3};
  SoftmaxProblem p{image(Elem::F32, 1, 1, 2, 4), image(Elem::F32, 1, 1, 2, 4), false};
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitSoftmax(m, "softmax", p, isa); });
    Buffer in = Buffer::of(x), out(32);
    kernel.run({&in, &out});
    const float *y = out.data<float>();
    EXPECT_EQ(y[0], 0);
    EXPECT_NEAR(y[1] + y[2], 1, 1e-6);
    EXPECT_EQ(y[3], 0);
    for (int i = 4; i < 8; i++)
      EXPECT_TRUE(std::isnan(y[i]));
  }
}

void runQuant(const Map &in, int64_t cs, bool perTensor, bool zeros = false) {
  DynamicQuantProblem p;
  p.in = in;
  p.out = in;
  p.out.elem = Elem::U8;
  p.out.cs = cs;
  p.out.base = 0;
  p.perTensor = perTensor;
  Random random(8);
  Activation x(in, random, zeros ? 0.0f : -3.0f, zeros ? 0.0f : 3.0f), want(p.out);
  std::vector<float> scales(perTensor ? 1 : in.pixels());
  auto pixel = [&](int64_t i, int64_t c) { return x.get(i / (in.h * in.w), i / in.w % in.h, i % in.w, c).f; };
  for (int64_t i = 0; i < in.pixels(); i++)
    for (int64_t c = 0; c < in.c; c++)
      scales[perTensor ? 0 : i] = std::max(scales[perTensor ? 0 : i], std::abs(pixel(i, c)));
  for (float &s : scales)
    s = s == 0 ? 1 : s / 127;
  for (int64_t i = 0; i < in.pixels(); i++)
    for (int64_t c = 0; c < in.c; c++) {
      float q = std::nearbyint(pixel(i, c) / scales[perTensor ? 0 : i]);
      want.set(i / (in.h * in.w), i / in.w % in.h, i % in.w, c,
               Number::code(128 + int64_t(std::min(127.0f, std::max(-127.0f, q)))));
    }
  for (const Isa &isa : hostIsas()) {
    Activation got(p.out);
    Buffer gotScales(scales.size() * 4), partial(partialMaxima(p) * 4);
    CompiledKernel quantize(isa,
                            [&](ModuleOp m, const Isa &isa) { return emitDynamicQuant(m, "quantize", p, isa, true); });
    ASSERT_TRUE(quantize.ok());
    if (perTensor) {
      CompiledKernel absmax(isa,
                            [&](ModuleOp m, const Isa &isa) { return emitDynamicQuant(m, "absmax", p, isa, false); });
      ASSERT_TRUE(absmax.ok());
      ASSERT_EQ(absmax.tasks(), partialMaxima(p));
      absmax.run({&x.buffer, &partial});
      quantize.run({&x.buffer, &partial, &got.buffer, &gotScales});
    } else {
      quantize.run({&x.buffer, &got.buffer, &gotScales});
    }
    expectEqual(got, want, 0, print(p) + " " + isa.name.str());
    for (size_t i = 0; i < scales.size(); i++)
      EXPECT_EQ(gotScales.data<float>()[i], scales[i]);
  }
}

TEST(DynamicQuant, PerRow) {
  runQuant(image(Elem::F32, 1, 1, 7, 83), 84, false);
  runQuant(image(Elem::F32, 2, 5, 9, 37, 1), 40, false);
  runQuant(image(Elem::F32, 1, 1, 128, 384), 384, false);
  runQuant(image(Elem::F32, 1, 1, 3, 5), 8, false, true);
}

TEST(DynamicQuant, PerTensor) {
  runQuant(image(Elem::F32, 1, 9, 11, 37, 1), 40, true);
  runQuant(image(Elem::F32, 1, 61, 67, 24), 24, true);
  runQuant(image(Elem::F32, 1, 61, 67, 3), 4, true);
  runQuant(image(Elem::F32, 1, 1, 3, 5), 8, true, true);
}

} // namespace
