//===- EltwiseTest.cpp - elementwise chains and fills ---------------------===//
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map withHalo(Map m, int64_t halo) {
  m.top = m.left = m.bottom = m.right = halo;
  return m;
}

/// A view of c channels in a wider buffer.
Map view(Map m, int64_t cs, int64_t base) {
  m.cs = cs;
  m.base = base;
  return m;
}

void run(const EltwiseProblem &p, double tolerance) {
  ASSERT_EQ(refuse(p), "");
  Random random(3);
  Operands operands(p.expr, p.out, random);
  Activation want = evaluate(p, operands);
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitEltwise(m, "eltwise", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Activation got(p.out);
    std::vector<Buffer *> args = operands.pointers();
    args.push_back(&got.buffer);
    kernel.run(args);
    expectEqual(got, want, tolerance, print(p) + " " + isa.name.str());
  }
}

EltwiseProblem unary(ExprOp op, Map in, Map out, double a = 0, double b = 0) {
  EltwiseProblem p;
  p.out = out;
  p.expr.inputs.push_back({ExprInput::Tensor, in});
  p.expr.nodes.push_back(node(op, {0}, a, b));
  return p;
}

TEST(Eltwise, EveryUnaryOperator) {
  Map flat = image(Elem::F32, 1, 1, 1, 203);
  for (int op = 0; op <= int(ExprOp::Sign); op++)
    run(unary(ExprOp(op), flat, flat, op == int(ExprOp::Clip) ? -1 : 0.25, 2.5), 2e-6);
}

TEST(Eltwise, EveryBinaryOperator) {
  Map flat = image(Elem::F32, 1, 3, 5, 7);
  for (int op = int(ExprOp::Add); op <= int(ExprOp::Prelu); op++) {
    EltwiseProblem p;
    p.out = flat;
    p.expr.inputs = {{ExprInput::Tensor, flat}, {ExprInput::Tensor, withHalo(flat, 1)}};
    p.expr.nodes = {node(ExprOp(op), {0, 1})};
    run(p, op == int(ExprOp::Pow) ? 1e-6 : 0);
  }
}

TEST(Eltwise, ManyTasks) {
  run(unary(ExprOp::Relu, image(Elem::F32, 1, 61, 67, 33), image(Elem::F32, 1, 61, 67, 33)), 0);
  run(unary(ExprOp::Silu, withHalo(image(Elem::F32, 2, 61, 35, 24), 1), image(Elem::F32, 2, 61, 35, 24)), 2e-6);
  run(unary(ExprOp::Relu, image(Elem::F32, 1, 57, 67, 21), view(image(Elem::F32, 1, 57, 67, 21), 40, 7)), 0);
}

TEST(Eltwise, BroadcastsWithHalosAndViews) {
  for (int64_t c : {1, 5, 24, 83}) {
    EltwiseProblem p;
    p.out = view(withHalo(image(Elem::F32, 2, 5, 7, c), 2), c + 3, 2);
    p.expr.inputs = {{ExprInput::Tensor, withHalo(image(Elem::F32, 2, 5, 7, c), 1)},
                     {ExprInput::Channel, {}},
                     {ExprInput::Pixelwise, image(Elem::F32, 2, 1, 1, c)},
                     {ExprInput::Row, image(Elem::F32, 2, 5, 7, 1)},
                     {ExprInput::Scalar, {}}};
    p.expr.nodes = {node(ExprOp::Add, {0, 1}), node(ExprOp::Mul, {5, 2}), node(ExprOp::Mul, {6, 3}),
                    node(ExprOp::Sub, {7, 4})};
    run(p, 0);
  }
}

/// The residual sum of two quantized branches: two roundings, all integers equal.
TEST(Eltwise, QuantizedAddIsExact) {
  for (int64_t c : {3, 16, 40, 83}) {
    EltwiseProblem p;
    Map codes = view(image(Elem::U8, 1, 4, 9, c), (c + 3) / 4 * 4, 0);
    p.out = withHalo(codes, 1);
    p.expr.inputs = {{ExprInput::Tensor, codes},
                     {ExprInput::Tensor, codes},
                     {ExprInput::Scalar, {}},
                     {ExprInput::Scalar, {}},
                     {ExprInput::Scalar, {}}};
    p.expr.nodes = {node(ExprOp::Dequant, {0, 2}, 128), node(ExprOp::Dequant, {1, 3}, 3),
                    node(ExprOp::Add, {5, 6}),          node(ExprOp::Relu, {7}),
                    node(ExprOp::Quant, {8, 4}, 5),     node(ExprOp::Dequant, {9, 4}, 5),
                    node(ExprOp::Requant, {10, 2}, 17)};
    run(p, 0);
  }
}

TEST(Eltwise, ProgramsOfOneByte) {
  // On AVX-512 a table: dequantize, scale, shift, hard swish, quantize; the scales are a constant of the program and
  // scalars.
  for (Elem in : {Elem::U8, Elem::S8})
    for (Elem out : {Elem::U8, Elem::S8})
      for (Map m :
           {image(out, 1, 30, 17, 16), withHalo(image(out, 2, 30, 17, 7), 1), view(image(out, 1, 24, 30, 20), 32, 8)}) {
        EltwiseProblem p;
        p.out = m;
        Map source = image(in, m.n, m.h, m.w, m.c);
        p.expr.inputs = {{ExprInput::Scalar, {}}, {ExprInput::Tensor, source}, {ExprInput::Scalar, {}}};
        p.expr.nodes = {node(ExprOp::Dequant, {1, 0}, 3), node(ExprOp::HardSwish, {3}), node(ExprOp::Mul, {4, 2}),
                        node(ExprOp::Quant, {5, 0}, out == Elem::U8 ? 100 : -5)};
        p.expr.nodes.back().lo = out == Elem::U8 ? 0 : -128;
        p.expr.nodes.back().hi = out == Elem::U8 ? 255 : 127;
        run(p, 0);
      }
}

TEST(Eltwise, IntegersOfAllWidths) {
  for (Elem e : {Elem::U8, Elem::S8, Elem::I16, Elem::I32, Elem::I1, Elem::I64}) {
    EltwiseProblem p;
    p.out = image(Elem::F32, 1, 1, 1, 77);
    Map in = p.out;
    in.elem = e;
    p.expr.inputs = {{ExprInput::Tensor, in}};
    p.expr.nodes = {node(ExprOp::IntToF32, {0})};
    run(p, 0);
  }
  for (auto [e, lo, hi] : {std::tuple(Elem::S8, -128, 127), std::tuple(Elem::I16, -32768, 32767),
                           std::tuple(Elem::I32, -2147483647 - 1, 2147483647)}) {
    EltwiseProblem p = unary(ExprOp::Quant, image(Elem::F32, 1, 1, 1, 77), image(e, 1, 1, 1, 77), 1);
    p.expr.inputs.push_back({ExprInput::Scalar, {}});
    p.expr.nodes[0].args = {0, 1};
    p.expr.nodes[0].lo = lo, p.expr.nodes[0].hi = hi;
    run(p, 0);
  }
}

/// As ONNX Runtime: activations keep a NaN, and so do both operands of Min and Max.
TEST(Eltwise, NanGoesThrough) {
  std::vector<float> x{NAN, -1, 2, NAN, 7}, y{1, 1, NAN, NAN, 3};
  auto result = [&](const Isa &isa, ExprNode n) {
    EltwiseProblem p = unary(ExprOp::Relu, image(Elem::F32, 1, 1, 1, 5), image(Elem::F32, 1, 1, 1, 5));
    p.expr.inputs.push_back(p.expr.inputs[0]);
    p.expr.nodes = {n};
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitEltwise(m, "nan", p, isa); });
    Buffer a = Buffer::of(x), b = Buffer::of(y), out(20);
    kernel.run({&a, &b, &out});
    return std::vector<float>(out.data<float>(), out.data<float>() + 5);
  };
  for (const Isa &isa : hostIsas()) {
    for (const ExprNode &n :
         {node(ExprOp::Relu, {0}), node(ExprOp::Clip, {0}, -1, 6), node(ExprOp::LeakyRelu, {0}, 0.5),
          node(ExprOp::HardSwish, {0}), node(ExprOp::Sigmoid, {0})}) {
      std::vector<float> r = result(isa, n);
      EXPECT_TRUE(std::isnan(r[0]) && !std::isnan(r[1]) && !std::isnan(r[2]) && std::isnan(r[3])) << int(n.op);
    }
    for (ExprOp op : {ExprOp::Min, ExprOp::Max}) {
      std::vector<float> r = result(isa, node(op, {0, 1}));
      EXPECT_TRUE(std::isnan(r[0]) && std::isnan(r[2]) && std::isnan(r[3]));
      EXPECT_EQ(r[4], op == ExprOp::Min ? 3 : 7);
    }
  }
}

TEST(Eltwise, RefusalsSayWhy) {
  EltwiseProblem p = unary(ExprOp::Relu, image(Elem::F32, 1, 2, 2, 3), image(Elem::U8, 1, 2, 2, 3));
  EXPECT_EQ(refuse(p), "an integer output of a program that does not end in a quantization");
  p = unary(ExprOp::Relu, image(Elem::F32, 1, 2, 2, 4), image(Elem::F32, 1, 2, 2, 3));
  EXPECT_EQ(refuse(p), "an input whose sizes are not those of the output");
}

TEST(Fill, OnlyTheHalo) {
  struct Case {
    Map map;
    bool interior;
  };
  Map concat = view(withHalo(image(Elem::U8, 1, 4, 5, 10), 1), 24, 8);
  Map uneven = image(Elem::F32, 2, 3, 5, 7);
  uneven.top = 2, uneven.right = 3;
  for (const Case &c :
       {Case{withHalo(image(Elem::F32, 2, 5, 7, 3), 1), false}, Case{uneven, false}, Case{concat, false},
        Case{withHalo(image(Elem::U8, 1, 30, 33, 24), 2), false}, Case{image(Elem::F32, 1, 9, 9, 5), true},
        Case{concat, true}, Case{image(Elem::I64, 1, 1, 1, 13), true}}) {
    FillProblem p{c.map, c.map.elem == Elem::F32 ? -1.5 : 114.0, c.interior};
    for (const Isa &isa : hostIsas()) {
      CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitFill(m, "fill", p, isa); });
      ASSERT_TRUE(kernel.ok());
      Activation got(c.map);
      kernel.run({&got.buffer});
      const Map &m = c.map;
      for (int64_t n = 0; n < m.n; n++)
        for (int64_t y = -m.top; y < m.h + m.bottom; y++)
          for (int64_t x = -m.left; x < m.w + m.right; x++)
            for (int64_t ch = 0; ch < m.c; ch++) {
              bool inside = y >= 0 && y < m.h && x >= 0 && x < m.w;
              Number v = got.get(n, y, x, ch);
              bool filled = v.real() == float(p.value);
              EXPECT_EQ(filled, c.interior || !inside) << print(p) << " " << y << "," << x << "," << ch;
            }
    }
  }
}

} // namespace
