//===- NormTest.cpp - norms with what is fused, group norms -----------------===//
#include "Dynamic.h"
#include "Naive.h"
#include "Speed.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map rows(int64_t w, int64_t c, Elem elem = Elem::F32, int64_t cs = 0) {
  Map m;
  m.elem = elem;
  m.w = w, m.c = c, m.cs = cs ? cs : c;
  return m;
}

ExprInput input(ExprInput::Kind kind, Map map = {}) {
  ExprInput in;
  in.kind = kind;
  in.map = map;
  return in;
}

ExprNode node(ExprOp op, llvm::ArrayRef<int> args) {
  ExprNode e;
  e.op = op;
  e.args.assign(args.begin(), args.end());
  return e;
}

/// The row itself, or the sum of two activations and a bias.
Expr prologue(int64_t w, int64_t c, bool residual) {
  Expr e;
  e.inputs.push_back(input(ExprInput::Tensor, rows(w, c)));
  if (residual) {
    e.inputs.push_back(input(ExprInput::Tensor, rows(w, c, Elem::F32, c + 3)));
    e.inputs.push_back(input(ExprInput::Channel));
    e.nodes.push_back(node(ExprOp::Add, {0, 1}));
    e.nodes.push_back(node(ExprOp::Add, {3, 2}));
  }
  return e;
}

Expr scaleAndBias() {
  Expr e;
  e.inputs = {input(ExprInput::Acc), input(ExprInput::Channel), input(ExprInput::Channel)};
  e.nodes = {node(ExprOp::Mul, {0, 1}), node(ExprOp::Add, {3, 2})};
  return e;
}

void expectNorm(const NormProblem &p, const NormProblem &compiled, ArrayRef<int64_t> sizes) {
  ASSERT_EQ(refuse(compiled), "");
  Random random(11);
  Operands before(p.prologue, p.out, random), after(p.epilogue, p.out, random);
  int64_t w = p.out.w, c = p.out.c, group = p.group ? p.group : c, groups = (c + group - 1) / group;
  Activation wantSum(p.storeSum ? p.sum : rows(1, 1)), wantOut(p.storeOut ? p.out : rows(1, 1)), wantCodes(p.quantize ? p.codes : rows(1, 1, Elem::U8));
  std::vector<float> wantScales(w * groups);
  for (int64_t i = 0; i < w; i++) {
    std::vector<float> x(c), y(c);
    double mean = 0, square = 0;
    for (int64_t j = 0; j < c; j++) {
      x[j] = evaluate(p.prologue, before.at(std::nullopt, 0, 0, i, j)).f;
      mean += x[j] / double(c);
      if (p.storeSum)
        wantSum.set(0, 0, i, j, Number::of(x[j]));
    }
    if (p.kind != NormKind::Layer)
      mean = 0;
    for (int64_t j = 0; j < c; j++)
      square += (x[j] - mean) * (x[j] - mean) / double(c);
    double factor = p.kind == NormKind::None ? 1 : 1 / std::sqrt(square + p.epsilon);
    for (int64_t j = 0; j < c; j++) {
      Number z = Number::of(float((x[j] - mean) * factor));
      y[j] = p.epilogue.nodes.empty() ? z.f : evaluate(p.epilogue, after.at(z, 0, 0, i, j)).f;
      if (p.storeOut)
        wantOut.set(0, 0, i, j, p.out.elem == Elem::U8 ? evaluate(p.epilogue, after.at(z, 0, 0, i, j)) : Number::of(y[j]));
    }
    for (int64_t g = 0; g < groups; g++) {
      float max = 0;
      for (int64_t j = g * group; j < std::min(c, (g + 1) * group); j++)
        max = std::max(max, std::abs(y[j]));
      float scale = max == 0 ? 1 : max / 127;
      wantScales[i * groups + g] = scale;
      for (int64_t j = g * group; p.quantize && j < std::min(c, (g + 1) * group); j++)
        wantCodes.set(0, 0, i, j, Number::code(128 + int64_t(std::nearbyint(y[j] / scale))));
    }
  }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitNorm(m, "norm", compiled, isa); });
    ASSERT_TRUE(kernel.ok());
    Activation sum(wantSum.map), out(wantOut.map), codes(wantCodes.map);
    Buffer scales(wantScales.size() * 4);
    std::vector<Buffer *> args = before.pointers();
    for (Buffer *b : after.pointers())
      args.push_back(b);
    if (p.storeSum)
      args.push_back(&sum.buffer);
    if (p.storeOut)
      args.push_back(&out.buffer);
    if (p.quantize) {
      args.push_back(&codes.buffer);
      args.push_back(&scales);
    }
    kernel.run(args, sizes);
    std::string what = print(compiled) + " " + isa.name.str();
    if (p.storeSum)
      expectEqual(sum, wantSum, 1e-6, what);
    if (p.storeOut && p.out.elem == Elem::F32)
      expectEqual(out, wantOut, 4e-6, what);
    for (int64_t i = 0; p.out.elem == Elem::U8 && i < w * c; i++) // the last bits of the row may move a code
      EXPECT_LE(std::abs(out.get(0, 0, i / c, i % c).i - wantOut.get(0, 0, i / c, i % c).i), 1) << what;
    if (!p.quantize)
      continue;
    for (size_t i = 0; i < wantScales.size(); i++)
      EXPECT_NEAR(scales.data<float>()[i], wantScales[i], 1e-5 * wantScales[i]) << what;
    // The float row differs in its last bits, so a code may be the next one.
    int64_t different = 0;
    for (int64_t i = 0; i < w; i++)
      for (int64_t j = 0; j < c; j++) {
        int64_t distance = std::abs(codes.get(0, 0, i, j).i - wantCodes.get(0, 0, i, j).i);
        EXPECT_LE(distance, 1) << what;
        different += distance;
      }
    EXPECT_LE(different, 1 + w * c / 200) << what;
  }
}

NormProblem problem(NormKind kind, int64_t w, int64_t c, bool residual) {
  NormProblem p;
  p.kind = kind;
  p.prologue = prologue(w, c, residual);
  p.out = rows(w, c);
  p.sum = rows(w, c);
  p.codes = rows(w, c, Elem::U8, (c + 3) / 4 * 4);
  if (kind != NormKind::None)
    p.epilogue = scaleAndBias();
  return p;
}

TEST(Norm, LayerAndRms) {
  for (NormKind kind : {NormKind::Layer, NormKind::Rms})
    for (auto [w, c] : {std::pair<int64_t, int64_t>(5, 7), {33, 384}, {3, 77}, {2, 1000}})
      for (bool residual : {false, true}) {
        NormProblem p = problem(kind, w, c, residual);
        expectNorm(p, p, {});
        p.storeSum = true;
        expectNorm(p, p, {});
      }
}

TEST(Norm, QuantizesItsRows) {
  for (NormKind kind : {NormKind::Layer, NormKind::Rms, NormKind::None})
    for (auto [c, group] : {std::pair<int64_t, int64_t>(37, 0), {96, 32}, {576, 128}})
      for (bool store : {false, true}) {
        NormProblem p = problem(kind, 9, c, true);
        p.quantize = true;
        p.group = group;
        p.storeOut = store;
        p.storeSum = kind != NormKind::None;
        expectNorm(p, p, {});
      }
  NormProblem plain = problem(NormKind::None, 4, 64, false); // blocks of a plain activation
  plain.quantize = true, plain.group = 32, plain.storeOut = false;
  expectNorm(plain, plain, {});
}

TEST(Norm, CodesOfAKnownScale) {
  NormProblem p = problem(NormKind::Layer, 7, 83, true);
  p.epilogue.inputs.push_back(input(ExprInput::Scalar));
  ExprNode quantize = node(ExprOp::Quant, {5, 3});
  quantize.a = 117;
  p.epilogue.nodes = {node(ExprOp::Mul, {0, 1}), node(ExprOp::Add, {4, 2}), quantize};
  p.out = rows(7, 83, Elem::U8, 84);
  expectNorm(p, p, {});
}

TEST(Norm, RowsOfTheRun) {
  for (int64_t w : {1, 5, 130}) {
    NormProblem p = problem(NormKind::Layer, w, 83, true);
    p.storeSum = p.quantize = true;
    Map *maps[] = {&p.out, &p.sum, &p.codes};
    NormProblem compiled = p;
    for (Map *m : {&compiled.out, &compiled.sum, &compiled.codes, &compiled.prologue.inputs[0].map, &compiled.prologue.inputs[1].map})
      m->w = dynamicSize(0);
    (void)maps;
    expectNorm(p, compiled, {w});
  }
}

TEST(GroupNorm, GroupsAndInstances) {
  for (auto [n, channels, groups, size] : {std::tuple<int64_t, int64_t, int64_t, int64_t>(2, 6, 3, 35), {1, 8, 8, 144}, {1, 4, 1, 7}})
    for (bool known : {true, false}) {
      GroupNormProblem p;
      p.n = n, p.channels = channels, p.groups = groups, p.size = size;
      Random random(5);
      std::vector<float> x(n * channels * size), scale(channels), bias(channels), want(x.size());
      for (std::vector<float> *v : {&x, &scale, &bias})
        for (float &f : *v)
          f = random.real(-2, 3);
      int64_t per = channels / groups;
      for (int64_t g = 0; g < n * groups; g++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < per * size; i++)
          mean += x[g * per * size + i] / double(per * size);
        for (int64_t i = 0; i < per * size; i++)
          square += std::pow(x[g * per * size + i] - mean, 2) / double(per * size);
        for (int64_t i = 0; i < per * size; i++) {
          int64_t channel = g % groups * per + i / size;
          want[g * per * size + i] = float((x[g * per * size + i] - mean) / std::sqrt(square + p.epsilon) * scale[channel] + bias[channel]);
        }
      }
      GroupNormProblem compiled = p;
      if (!known)
        compiled.size = dynamicSize(0);
      for (const Isa &isa : hostIsas()) {
        CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitGroupNorm(m, "group_norm", compiled, isa); });
        ASSERT_TRUE(kernel.ok());
        Buffer in = Buffer::of(x), s = Buffer::of(scale), b = Buffer::of(bias), out(x.size() * 4);
        kernel.run({&in, &s, &b, &out}, known ? std::vector<int64_t>{} : std::vector<int64_t>{size});
        for (size_t i = 0; i < want.size(); i++)
          ASSERT_NEAR(out.data<float>()[i], want[i], 4e-6 * std::max(1.f, std::abs(want[i]))) << print(compiled) << " " << isa.name.str();
      }
    }
}

TEST(Norm, DISABLED_Speed) {
  for (auto [w, c] : {std::pair<int64_t, int64_t>(128, 384), {77, 384}, {128, 1024}, {16, 4096}}) {
    NormProblem p = problem(NormKind::Layer, w, c, true);
    p.prologue.inputs[1].map.cs = c;
    p.storeSum = true;
    CompiledKernel kernel(hostIsa(), [&](ModuleOp m, const Isa &isa) { return emitNorm(m, "norm", p, isa); });
    Random random(3);
    Operands before(p.prologue, p.out, random), after(p.epilogue, p.out, random);
    Activation sum(p.sum), out(p.out);
    std::vector<void *> args;
    for (Buffer *b : before.pointers())
      args.push_back(b->data<void>());
    for (Buffer *b : after.pointers())
      args.push_back(b->data<void>());
    args.push_back(sum.buffer.data<void>());
    args.push_back(out.buffer.data<void>());
    double best = fastest([&] {
      for (int64_t t = 0; t < kernel.tasks(); t++)
        kernel.runTask(args, t);
    });
    std::printf("[%4ld x %4ld] %7.1f us, estimated %.1f\n", long(w), long(c), best, estimateUs(p, hostIsa()));
  }
}

} // namespace
