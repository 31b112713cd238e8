//===- ZeroPointTest.cpp - zero points of this run, against plain loops ----===//
#include "lib/Target/Cpu/Products/ZeroPoints.h"
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map image(Elem elem, int64_t n, int64_t h, int64_t w, int64_t c, int64_t halo = 0) {
  Map m;
  m.elem = elem;
  m.n = n, m.h = h, m.w = w, m.c = m.cs = c;
  m.top = m.left = m.bottom = m.right = halo;
  return m;
}

/// ONNX's DynamicQuantizeLinear.
void runMinmax(const Map &in, float lo, float hi) {
  DynamicQuantProblem p;
  p.in = p.out = in;
  p.out.elem = Elem::U8;
  p.out.cs = (in.c + 3) / 4 * 4;
  p.perTensor = p.minmax = true;
  ASSERT_EQ(refuse(p), "");
  Random random(5);
  Activation x(in, random, lo, hi), want(p.out);
  auto each = [&](llvm::function_ref<void(int64_t, int64_t, int64_t, int64_t)> body) {
    for (int64_t i = 0; i < in.pixels(); i++)
      for (int64_t c = 0; c < in.c; c++)
        body(i / (in.h * in.w), i / in.w % in.h, i % in.w, c);
  };
  float least = 0, most = 0;
  each([&](int64_t n, int64_t y, int64_t w, int64_t c) {
    least = std::min(least, x.get(n, y, w, c).f);
    most = std::max(most, x.get(n, y, w, c).f);
  });
  float scale = most == least ? 1 : (most - least) / 255, zero = std::nearbyint(-least / scale);
  each([&](int64_t n, int64_t y, int64_t w, int64_t c) {
    float q = std::nearbyint(x.get(n, y, w, c).f / scale) + zero;
    want.set(n, y, w, c, Number::code(int64_t(std::min(std::max(q, 0.0f), 255.0f))));
  });
  for (const Isa &isa : hostIsas()) {
    CompiledKernel first(isa, [&](ModuleOp m, const Isa &isa) { return emitDynamicQuant(m, "range", p, isa, false); });
    CompiledKernel second(isa, [&](ModuleOp m, const Isa &isa) { return emitDynamicQuant(m, "quantize", p, isa, true); });
    ASSERT_TRUE(first.ok() && second.ok());
    Activation got(p.out);
    Buffer partial(8 * partialMaxima(p)), s(4), z(1);
    first.run({&x.buffer, &partial});
    second.run({&x.buffer, &partial, &got.buffer, &s, &z});
    std::string where = print(p) + " " + isa.name.str();
    EXPECT_EQ(*s.data<float>(), scale) << where;
    EXPECT_EQ(*z.data<uint8_t>(), uint8_t(zero)) << where;
    expectEqual(got, want, 0, where);
  }
}

TEST(ZeroPoints, RangesHoldZero) {
  for (auto [lo, hi] : {std::pair(-1.f, 3.f), std::pair(0.5f, 2.f), std::pair(-7.f, -2.f), std::pair(0.f, 0.f)}) {
    runMinmax(image(Elem::F32, 1, 1, 5, 77), lo, hi);
    runMinmax(image(Elem::F32, 2, 7, 9, 10, 1), lo, hi);
  }
  runMinmax(image(Elem::F32, 1, 120, 90, 24), -1, 1);
}

TEST(ZeroPoints, RowsHaveNone) {
  DynamicQuantProblem p;
  p.in = p.out = image(Elem::F32, 1, 1, 5, 77);
  p.out.elem = Elem::U8;
  p.minmax = true;
  EXPECT_EQ(refuse(p), "zero points of rows");
}

TEST(ZeroPoints, StartOfSums) {
  for (int64_t n : {1, 7, 32, 133}) {
    std::vector<int32_t> start, sums;
    Random random(n);
    for (int64_t i = 0; i < n; i++)
      start.push_back(int32_t(random.integer(-(1 << 28), 1 << 28))), sums.push_back(int32_t(random.integer(-(1 << 20), 1 << 20)));
    for (const Isa &isa : hostIsas()) {
      CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitStart(m, "start", StartProblem{n}, isa); });
      ASSERT_TRUE(kernel.ok());
      Buffer a = Buffer::of(start), b = Buffer::of(sums), z = Buffer::of(std::vector<uint8_t>{201}), out(4 * n);
      kernel.run({&a, &b, &z, &out});
      for (int64_t i = 0; i < n; i++)
        EXPECT_EQ(out.data<int32_t>()[i], start[i] - 201 * sums[i]) << n << " " << isa.name.str();
    }
  }
}

void runWindow(WindowSumProblem p, bool dynamic) {
  Random random(3);
  Activation x(p.in, random, 0, 255);
  WindowSumProblem asked = p;
  std::vector<int64_t> sizes;
  if (dynamic) {
    sizes = {p.in.n, p.h, p.w};
    asked.in.n = dynamicSize(0), asked.h = dynamicSize(1), asked.w = dynamicSize(2);
  }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitWindowSum(m, "window", asked, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer z = Buffer::of(std::vector<uint8_t>{19}), out(4 * p.in.n * p.h * p.w);
    kernel.run({&x.buffer, &z, &out}, sizes);
    for (int64_t i = 0; i < p.in.n * p.h * p.w; i++) {
      int64_t n = i / (p.h * p.w), y = i / p.w % p.h, w = i % p.w, sum = 0;
      for (int64_t ky = 0; ky < p.kh; ky++)
        for (int64_t kx = 0; kx < p.kw; kx++)
          for (int64_t c = 0; c < p.in.c; c++)
            sum += x.buffer.data<uint8_t>()[offsetOf(p.in, n, y * p.strideH + ky * p.dilationH - p.padTop, w * p.strideW + kx * p.dilationW - p.padLeft, c)] - 19;
      EXPECT_EQ(out.data<int32_t>()[i], sum) << print(p) << " " << isa.name.str();
    }
  }
}

TEST(ZeroPoints, SumsOfWindows) {
  for (bool dynamic : {false, true}) {
    WindowSumProblem rows;
    rows.in = image(Elem::U8, 1, 1, 9, 133);
    rows.w = 9;
    runWindow(rows, dynamic);
    for (int64_t c : {1, 5, 64}) {
      WindowSumProblem p;
      p.in = image(Elem::U8, 2, 6, 7, c, 2);
      p.in.cs = (c + 3) / 4 * 4;
      p.kh = 3, p.kw = 2, p.strideH = 2, p.dilationW = 2, p.padTop = 1, p.padLeft = 2;
      p.h = 3, p.w = 7;
      runWindow(p, dynamic);
    }
  }
}

TEST(ZeroPoints, PaddingOfThisRun) {
  FillProblem p;
  p.out = image(Elem::U8, 2, 3, 5, 7, 1);
  p.loaded = true;
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitFill(m, "fill", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer out(p.out), z = Buffer::of(std::vector<uint8_t>{77});
    uint8_t inside = out.data<uint8_t>()[offsetOf(p.out, 0, 0, 0, 0)];
    kernel.run({&out, &z});
    for (int64_t y = -1; y <= 3; y++)
      for (int64_t x = -1; x <= 5; x++) {
        bool halo = y < 0 || y == 3 || x < 0 || x == 5;
        EXPECT_EQ(out.data<uint8_t>()[offsetOf(p.out, 1, y, x, 6)], halo ? 77 : inside) << y << " " << x;
      }
  }
  p.out.elem = Elem::F32;
  EXPECT_EQ(refuse(p), "a value of another type than a byte");
}

TEST(ZeroPoints, EpiloguesUncenterIntegers) {
  EltwiseProblem p;
  p.out = image(Elem::I32, 1, 1, 6, 21);
  ExprInput acc{ExprInput::Tensor, p.out}, row{ExprInput::Row, image(Elem::I32, 1, 1, 6, 1)};
  p.expr.inputs = {acc, row};
  p.expr.nodes.push_back({ExprOp::Uncenter, {0, 1}, 113});
  ASSERT_EQ(refuse(p), "");
  std::vector<int32_t> x, rows{1 << 20, -(1 << 20), 3, 0, -5, 77777};
  for (int32_t i = 0; i < 6 * 21; i++)
    x.push_back((1 << 27) + i * 1000003);
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitEltwise(m, "uncenter", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer a = Buffer::of(x), b = Buffer::of(rows), out(4 * 6 * 21);
    kernel.run({&a, &b, &out});
    for (int32_t i = 0; i < 6 * 21; i++)
      EXPECT_EQ(out.data<int32_t>()[i], x[i] - 113 * rows[i / 21]) << i << " " << isa.name.str();
  }
}

} // namespace
