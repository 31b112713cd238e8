//===- DynamicTest.cpp - kernels that are told their sizes when they run ---===//
#include "Dynamic.h"
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map rows(int64_t w, int64_t c, Elem elem = Elem::F32) {
  Map m;
  m.elem = elem;
  m.w = w, m.c = m.cs = c;
  return m;
}

Map pictures(int64_t n, int64_t h, int64_t w, int64_t c, int64_t halo = 0, Elem elem = Elem::F32) {
  Map m = rows(w, c, elem);
  m.n = n, m.h = h;
  m.top = m.left = m.bottom = m.right = halo;
  return m;
}

TEST(Dynamic, EqualProblemsPrintAlike) {
  SoftmaxProblem p{rows(40, 50), rows(40, 50), false};
  std::vector<int64_t> sizes;
  auto [a, sa] = dynamic(p, {40, 50});
  auto [b, sb] = dynamic(p, {50, 40});
  EXPECT_EQ(print(a), print(b));
  EXPECT_EQ(print(a), "softmax in=(f32 nhwc=[1,1,?0,?1] cs=?1) out=(f32 nhwc=[1,1,?0,?1] cs=?1)");
  EXPECT_EQ(sa, (std::vector<int64_t>{40, 50}));
  EXPECT_EQ(sb, sa);
  EXPECT_TRUE(hasDynamicSizes(a));
  EXPECT_FALSE(hasDynamicSizes(p));
}

TEST(Dynamic, OffsetsHaveARangeOfTheirOwn) {
  CopyProblem p;
  p.sizes = {5, 7};
  p.inStrides = {-7, 1};
  p.outStrides = {7, 1};
  p.inBase = 28;
  auto d = dynamic(p, {7, 28});
  EXPECT_EQ(print(d.problem), "copy elem=f32 sizes=[5,?0] in=[-7,1] out=[?0,1] in_base=?1");
  EXPECT_EQ(d.sizes, (std::vector<int64_t>{7, 28}));
}

TEST(Dynamic, TaskCounts) {
  EXPECT_EQ(TaskCount::of({3, 5}, 4).count(), 4);
  EXPECT_TRUE(TaskCount::of({3, 5}, 4).isStatic());
  TaskCount tasks = TaskCount::of({dynamicSize(1), 3}, 4) * TaskCount::of({dynamicSize(0), 2}) * TaskCount(2);
  EXPECT_FALSE(tasks.isStatic());
  EXPECT_EQ(tasks.count({5, 9}), 7 * 10 * 2);
  EXPECT_EQ(print(tasks), "4*ceil(?1*3/4)*?0");
  EXPECT_EQ(print(TaskCount(3)), "3");
}

void softmax(int64_t w, int64_t c, ArrayRef<int64_t> unknown) {
  SoftmaxProblem p{rows(w, c), rows(w, c), false};
  auto [problem, sizes] = dynamic(p, unknown);
  Random random(4);
  Activation x(p.in, random, -30, 30), want(p.out);
  for (int64_t i = 0; i < w; i++) {
    double max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < c; j++)
      max = std::max(max, double(x.get(0, 0, i, j).f));
    for (int64_t j = 0; j < c; j++)
      sum += std::exp(x.get(0, 0, i, j).f - max);
    for (int64_t j = 0; j < c; j++)
      want.set(0, 0, i, j, Number::of(std::exp(x.get(0, 0, i, j).f - max) / sum));
  }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&p = problem](ModuleOp m, const Isa &isa) { return emitSoftmax(m, "softmax", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Activation got(p.out);
    kernel.run({&x.buffer, &got.buffer}, sizes);
    expectEqual(got, want, 5e-7, print(problem) + " " + isa.name.str() + " " + std::to_string(c));
  }
}

TEST(Dynamic, SoftmaxOfAnyRowsAndColumns) {
  softmax(131, 20, {131});
  for (int64_t c : {1, 2, 3, 7, 15, 16, 17, 63, 64, 65, 77, 128, 200})
    softmax(5, c, {c});
  softmax(301, 77, {301, 77});
}

void eltwise(const EltwiseProblem &p, ArrayRef<int64_t> unknown, double tolerance) {
  auto [problem, sizes] = dynamic(p, unknown);
  ASSERT_EQ(refuse(problem), "");
  Random random(3);
  Operands operands(p.expr, p.out, random);
  Activation want = evaluate(p, operands);
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&, &problem = problem](ModuleOp m, const Isa &isa) { return emitEltwise(m, "eltwise", problem, isa); });
    ASSERT_TRUE(kernel.ok());
    Activation got(p.out);
    std::vector<Buffer *> args = operands.pointers();
    args.push_back(&got.buffer);
    kernel.run(args, sizes);
    expectEqual(got, want, tolerance, print(problem) + " " + isa.name.str());
  }
}

EltwiseProblem gelu(Map in, Map out) {
  EltwiseProblem p;
  p.out = out;
  p.expr.inputs.push_back({ExprInput::Tensor, in});
  p.expr.nodes.push_back(node(ExprOp::Gelu, {0}));
  return p;
}

TEST(Dynamic, EltwiseOfAnyLength) {
  for (int64_t c : {2, 5, 13, 16, 33, 61, 64, 129, 1000, 20011})
    eltwise(gelu(rows(1, c), rows(1, c)), {c}, 2e-6);
}

TEST(Dynamic, EltwiseOfRowsAndPictures) {
  EltwiseProblem p = gelu(rows(77, 33), rows(77, 33)); // a bias and a scale per row
  p.expr.inputs.push_back({ExprInput::Channel, {}});
  p.expr.inputs.push_back({ExprInput::Row, rows(77, 1)});
  p.expr.nodes = {node(ExprOp::Mul, {0, 2}), node(ExprOp::Add, {3, 1})};
  eltwise(p, {77}, 1e-6);
  eltwise(p, {77, 33}, 1e-6);
  eltwise(gelu(pictures(7, 4, 5, 24, 1), pictures(7, 4, 5, 24)), {7}, 2e-6);
  EltwiseProblem gate = gelu(pictures(7, 4, 5, 24), pictures(7, 4, 5, 24)); // squeeze-excite
  gate.expr.inputs.push_back({ExprInput::Pixelwise, pictures(7, 1, 1, 24)});
  gate.expr.nodes = {node(ExprOp::Mul, {0, 1})};
  eltwise(gate, {7}, 1e-6);
}

TEST(Dynamic, EltwiseOnCodes) { // a table of 256 results
  EltwiseProblem p;
  p.out = rows(1, 5003, Elem::U8);
  p.expr.inputs.push_back({ExprInput::Tensor, rows(1, 5003, Elem::U8)});
  ExprInput one;
  one.kind = ExprInput::Scalar;
  p.expr.inputs.push_back(one);
  p.expr.nodes = {node(ExprOp::Dequant, {0, 1}, 7), node(ExprOp::Sigmoid, {2}), node(ExprOp::Quant, {3, 1}, 3)};
  p.expr.nodes.back().hi = 255;
  eltwise(p, {5003}, 1);
}

TEST(Dynamic, QuantizationPerRowAndPerTensor) {
  for (bool perTensor : {false, true}) {
    DynamicQuantProblem p;
    p.in = rows(77, 130);
    p.out = rows(77, 130, Elem::U8);
    p.perTensor = perTensor;
    auto [problem, sizes] = dynamic(p, {77});
    Random random(8);
    Activation x(p.in, random, -3, 3);
    std::vector<float> scales(77);
    float all = 0;
    for (int64_t i = 0; i < 77; i++) {
      float max = 0;
      for (int64_t c = 0; c < 130; c++)
        max = std::max(max, std::fabs(float(x.get(0, 0, i, c).f)));
      scales[i] = max / 127;
      all = std::max(all, max);
    }
    for (const Isa &isa : hostIsas()) {
      Buffer codes(77 * 130), scale((perTensor ? 1 : 77) * 4), partial(partialMaxima(problem) * 4);
      auto kernel = [&, &problem = problem](bool quantize) {
        return std::make_unique<CompiledKernel>(
            isa, [&](ModuleOp m, const Isa &isa) { return emitDynamicQuant(m, "quant", problem, isa, quantize); });
      };
      if (perTensor) {
        // The maxima are as many as the buffer of the lowering holds, whatever the size.
        std::memset(partial.data<char>(), 0, partial.size());
        auto first = kernel(false);
        EXPECT_EQ(first->tasks(sizes), partialMaxima(problem));
        first->run({&x.buffer, &partial}, sizes);
        kernel(true)->run({&x.buffer, &partial, &codes, &scale}, sizes);
      } else {
        kernel(true)->run({&x.buffer, &codes, &scale}, sizes);
      }
      for (int64_t i = 0; i < 77; i++) {
        float s = perTensor ? all / 127 : scales[i];
        EXPECT_EQ(scale.data<float>()[perTensor ? 0 : i], s);
        for (int64_t c = 0; c < 130; c++)
          ASSERT_EQ(codes.data<unsigned char>()[i * 130 + c], 128 + int(std::nearbyint(float(x.get(0, 0, i, c).f) / s))) << i << " " << c;
      }
    }
  }
}

void copy(const CopyProblem &p, ArrayRef<int64_t> unknown, int64_t inSize, int64_t outSize) {
  auto [problem, sizes] = dynamic(p, unknown);
  ASSERT_EQ(refuse(problem), "");
  std::vector<float> x(inSize), want(outSize, -1);
  for (int64_t i = 0; i < inSize; i++)
    x[i] = float(i);
  std::vector<int64_t> at(p.sizes.size(), 0);
  for (bool more = true; more;) {
    int64_t in = p.inBase, out = p.outBase;
    for (size_t d = 0; d < at.size(); d++)
      in += at[d] * p.inStrides[d], out += at[d] * p.outStrides[d];
    want[out] = x[in];
    more = false;
    for (size_t d = at.size(); d-- > 0 && !more;)
      (more = ++at[d] < p.sizes[d]) || (at[d] = 0);
  }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&, &problem = problem](ModuleOp m, const Isa &isa) { return emitCopy(m, "copy", problem, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer in = Buffer::of(x), got = Buffer::of(std::vector<float>(outSize, -1));
    kernel.run({&in, &got}, sizes);
    for (int64_t i = 0; i < outSize; i++)
      ASSERT_EQ(got.data<float>()[i], want[i]) << print(problem) << " " << isa.name.str() << " at " << i;
  }
}

TEST(Dynamic, CopiesOfBoxes) {
  CopyProblem heads; // [5, 77, 3, 8] -> [5, 3, 77, 8]
  heads.sizes = {5, 77, 3, 8};
  heads.inStrides = {77 * 24, 24, 8, 1};
  heads.outStrides = {77 * 24, 8, 77 * 8, 1};
  copy(heads, {5, 77, 77 * 24, 77 * 8}, 5 * 77 * 24, 5 * 77 * 24);
  CopyProblem concat; // [2, 13, 6] into [2, 13 + 29, 6] behind the first 29
  concat.sizes = {2, 13, 6};
  concat.inStrides = {13 * 6, 6, 1};
  concat.outStrides = {42 * 6, 6, 1};
  concat.outBase = 29 * 6;
  copy(concat, {13, 13 * 6, 42 * 6, 29 * 6}, 2 * 13 * 6, 2 * 42 * 6);
  CopyProblem line;
  line.sizes = {5003};
  line.inStrides = line.outStrides = {1};
  copy(line, {5003}, 5003, 5003);
  CopyProblem expand; // [7, 1] -> [7, 19]
  expand.sizes = {7, 19};
  expand.inStrides = {1, 0};
  expand.outStrides = {19, 1};
  copy(expand, {7, 19}, 7, 7 * 19);
  CopyProblem transposed; // the last two dimensions
  transposed.sizes = {19, 7};
  transposed.inStrides = {1, 19};
  transposed.outStrides = {7, 1};
  copy(transposed, {7, 19}, 7 * 19, 7 * 19);
}

TEST(Dynamic, HalosOfAnyBatchAndFilledRows) {
  for (bool interior : {false, true}) {
    FillProblem p;
    p.out = interior ? rows(77, 33) : pictures(7, 4, 5, 24, 1);
    p.value = 3;
    p.interior = interior;
    auto [problem, sizes] = dynamic(p, {7, 77});
    for (const Isa &isa : hostIsas()) {
      CompiledKernel kernel(isa, [&, &problem = problem](ModuleOp m, const Isa &isa) { return emitFill(m, "fill", problem, isa); });
      ASSERT_TRUE(kernel.ok());
      Buffer got = Buffer::of(std::vector<float>(p.out.elements(), 1));
      kernel.run({&got}, sizes);
      const Map &m = p.out;
      for (int64_t n = 0; n < m.n; n++)
        for (int64_t y = -m.top; y < m.h + m.bottom; y++)
          for (int64_t x = -m.left; x < m.w + m.right; x++)
            for (int64_t c = 0; c < m.c; c++) {
              bool inside = y >= 0 && y < m.h && x >= 0 && x < m.w;
              ASSERT_EQ(got.data<float>()[offsetOf(m, n, y, x, c)], inside && !interior ? 1 : 3);
            }
    }
  }
}

} // namespace
