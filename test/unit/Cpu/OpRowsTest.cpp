//===- OpRowsTest.cpp - rows without weights, printed problems ------------===//
#include "Naive.h"
#include "lib/Target/Cpu/Table/KernelTable.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

Map image(Elem elem, int64_t h, int64_t w, int64_t c) {
  Map m;
  m.elem = elem;
  m.h = h, m.w = w, m.c = m.cs = c;
  return m;
}

Expr unary(ExprOp op, ExprInput::Kind kind, const Map &map) {
  Expr e;
  e.inputs = {{kind, map}};
  ExprNode n{};
  n.op = op, n.args = {0};
  e.nodes = {n};
  return e;
}

/// One problem of every row that has no weights.
std::vector<std::pair<std::string, Problem>> problems() {
  Map f = image(Elem::F32, 5, 7, 13), codes = image(Elem::U8, 5, 7, 16), one = image(Elem::F32, 1, 1, 13), planar = f;
  planar.planar = true;
  PoolProblem pool;
  pool.in = f, pool.out = image(Elem::F32, 4, 6, 13), pool.kh = pool.kw = 2;
  PoolProblem codePool = pool;
  codePool.in = codes, codePool.out = image(Elem::U8, 4, 6, 16);
  GlobalReduceProblem reduce;
  reduce.in = f, reduce.out = one;
  ResizeProblem resize;
  resize.in = f, resize.out = image(Elem::F32, 10, 14, 13), resize.scaleH = resize.scaleW = 2;
  DynamicQuantProblem quant;
  quant.in = f, quant.out = image(Elem::U8, 5, 7, 13);
  return {{"cpu.eltwise", EltwiseProblem{f, unary(ExprOp::Relu, ExprInput::Tensor, f)}},
          {"cpu.relayout", RelayoutProblem{planar, f, {}}},
          {"cpu.pool.f32", pool},
          {"cpu.pool.u8", codePool},
          {"cpu.reduce", reduce},
          {"cpu.softmax", SoftmaxProblem{f, f, false}},
          {"cpu.resize", resize},
          {"cpu.copy", CopyProblem{Elem::F32, {4, 5}, {5, 1}, {1, 4}, 0, 0}},
          {"cpu.fill", FillProblem{f, 1, true}},
          {"cpu.dynamic_quant", quant}};
}

View view(llvm::ArrayRef<int64_t> strides, Elem elem = Elem::F32) {
  View v;
  v.elem = elem;
  v.strides.assign(strides.begin(), strides.end());
  return v;
}

/// The same of RowProblems.h.
std::vector<std::pair<std::string, Problem>> rowProblems() {
  NormProblem norm;
  norm.out = image(Elem::F32, 1, 5, 13);
  norm.prologue.inputs = {{ExprInput::Tensor, norm.out}};
  GroupNormProblem groups;
  groups.channels = 4, groups.groups = 2, groups.size = 9;
  AttentionProblem attention;
  attention.queries = attention.keys = 4, attention.depth = attention.width = 8;
  attention.q = attention.k = attention.v = attention.out = view({32, 32, 8});
  RopeProblem rope;
  rope.sizes = {1, 2, 3}, rope.width = 8, rope.rotated = 8;
  rope.x = rope.out = view({48, 24, 8});
  rope.cos = rope.sin = view({0, 0, 4});
  NdProblem nest;
  nest.sizes = {3, 5};
  nest.inputs = {view({5, 1}, Elem::I64)};
  nest.nodes.resize(1);
  nest.nodes[0].op = NdOp::Neg, nest.nodes[0].elem = Elem::I64, nest.nodes[0].args = {0};
  nest.out = view({5, 1}, Elem::I64);
  AxesReduceProblem axes;
  axes.sizes = {4, 9}, axes.reduced = {false, true};
  AxisProblem axis;
  axis.count = 4, axis.inner = 9;
  CumulateProblem cumulate;
  cumulate.count = 4, cumulate.inner = 9;
  TopkProblem topk;
  topk.outer = 2, topk.count = 9, topk.k = 3;
  GatherProblem gather;
  gather.rows = 10, gather.count = 3, gather.width = 8;
  RnnProblem rnn;
  rnn.inputs = rnn.hidden = 4;
  rnn.x = rnn.yh = rnn.yc = view({4, 4});
  rnn.y = view({4, 4, 4});
  rnn.activations.resize(3);
  MatmulProblem matmul;
  matmul.m = 3, matmul.n = 5, matmul.k = 7;
  matmul.x = view({7, 1}), matmul.w = view({5, 1}), matmul.out = view({5, 1});
  return {{"cpu.norm", norm}, {"cpu.group_norm", groups}, {"cpu.attention", attention}, {"cpu.rope", rope}, {"cpu.nd", nest},
          {"cpu.axes_reduce", axes}, {"cpu.axis", axis}, {"cpu.cumulate", cumulate}, {"cpu.topk", topk}, {"cpu.gather", gather}, {"cpu.rnn", rnn},
          {"cpu.matmul", matmul}};
}

TEST(OpRows, EveryRowServesItsProblem) {
  llvm::StringSet<> served;
  std::vector<std::pair<std::string, Problem>> all = problems();
  for (auto &entry : rowProblems())
    all.push_back(entry);
  for (const auto &entry : all) {
    const std::string &name = entry.first;
    const Problem &problem = entry.second;
    const KernelRow *row = rowFor(problem);
    EXPECT_EQ(row->name.str(), name);
    ASSERT_NE(row->emit, nullptr);
    EXPECT_GT(row->analyticUs(problem, hostIsa()), 0);
    CompiledKernel kernel(hostIsa(), [&](ModuleOp m, const Isa &isa) { return row->emit(m, "kernel", problem, isa); });
    EXPECT_TRUE(kernel.ok()) << name;
    if (name != "cpu.group_norm") // a task is a group
      EXPECT_EQ(kernel.tasks(), 1) << name << ": a kernel of a few microseconds is one task";
    served.insert(name);
  }
  for (const KernelRow &row : kernelTable())
    if (row.layoutFamily == "none")
      EXPECT_TRUE(served.count(row.name)) << row.name.str() << " has no test";
}

TEST(OpRows, RefusalsSayWhy) {
  auto why = [](const Problem &p) {
    std::string reason;
    EXPECT_EQ(rowFor(p, &reason)->name, "portable.linalg");
    return reason;
  };
  GlobalReduceProblem reduce;
  reduce.in = image(Elem::F32, 5, 7, 13), reduce.out = image(Elem::F32, 5, 1, 13);
  EXPECT_EQ(why(reduce), "cpu.reduce: an output that is not n x 1 x 1 x c of the input");
  SoftmaxProblem softmax{image(Elem::U8, 5, 7, 13), image(Elem::F32, 5, 7, 13), false};
  EXPECT_EQ(why(softmax), "cpu.softmax: an activation that is not f32");
  EXPECT_EQ(why(CopyProblem{Elem::F32, {4, 5}, {5, 1}, {0, 1}, 0, 0}), "cpu.copy: an output stride below 1");
  DynamicQuantProblem quant;
  quant.in = quant.out = image(Elem::F32, 5, 7, 13);
  EXPECT_EQ(why(quant), "cpu.dynamic_quant: a quantization other than from f32 to u8 codes");
  ResizeProblem resize;
  resize.in = resize.out = image(Elem::F32, 5, 7, 13), resize.scaleH = 0;
  EXPECT_EQ(why(resize), "cpu.resize: a scale that is not positive");
}

/// Changes each field in turn: every change must change what is printed, and no two changes may print alike.
template <typename P> void expectInjective(const P &problem, llvm::ArrayRef<std::function<void(P &)>> changes) {
  llvm::StringSet<> seen;
  seen.insert(print(problem));
  for (auto [i, change] : llvm::enumerate(changes)) {
    P p = problem;
    change(p);
    EXPECT_TRUE(seen.insert(print(p)).second) << "change " << i << " is not in " << print(p);
  }
}

#define SET(P, ...) [](P &p) { p.__VA_ARGS__; }

TEST(ProblemPrint, RowsAndHeads) {
  expectInjective<AttentionProblem>({}, {SET(AttentionProblem, batch = 9), SET(AttentionProblem, heads = 9), SET(AttentionProblem, groups = 9),
                                         SET(AttentionProblem, queries = 9), SET(AttentionProblem, keys = 9), SET(AttentionProblem, depth = 9),
                                         SET(AttentionProblem, width = 9), SET(AttentionProblem, scale = 9), SET(AttentionProblem, softcap = 9),
                                         SET(AttentionProblem, causal = true), SET(AttentionProblem, window = 9), SET(AttentionProblem, q.base = 9),
                                         SET(AttentionProblem, k.base = 9), SET(AttentionProblem, v.base = 9), SET(AttentionProblem, out.base = 9),
                                         SET(AttentionProblem, maskKind = AttentionProblem::Added), SET(AttentionProblem, maskKind = AttentionProblem::Boolean),
                                         SET(AttentionProblem, phase = AttentionProblem::Parts), SET(AttentionProblem, phase = AttentionProblem::Join)});
  NormProblem norm;
  norm.storeSum = norm.quantize = true;
  expectInjective<NormProblem>(norm, {SET(NormProblem, kind = NormKind::Rms), SET(NormProblem, epsilon = 9), SET(NormProblem, storeOut = false),
                                      SET(NormProblem, storeSum = false), SET(NormProblem, quantize = false), SET(NormProblem, group = 9), SET(NormProblem, out.w = 9),
                                      SET(NormProblem, sum.w = 9), SET(NormProblem, codes.w = 9), SET(NormProblem, prologue.inputs.resize(1)),
                                      SET(NormProblem, epilogue.inputs.resize(1))});
  expectInjective<GatherProblem>({}, {SET(GatherProblem, outer = 9), SET(GatherProblem, rows = 9), SET(GatherProblem, count = 9), SET(GatherProblem, width = 9),
                                      SET(GatherProblem, elem = Elem::I32), SET(GatherProblem, index = Elem::I32), SET(GatherProblem, bits = 4),
                                      SET(GatherProblem, isSigned = false), SET(GatherProblem, zero = 9), SET(GatherProblem, group = 9), SET(GatherProblem, scale = Elem::F16)});
  expectInjective<RnnProblem>({}, {SET(RnnProblem, kind = RnnKind::Gru), SET(RnnProblem, steps = 9), SET(RnnProblem, batch = 9), SET(RnnProblem, inputs = 9),
                                   SET(RnnProblem, hidden = 9), SET(RnnProblem, directions = 2), SET(RnnProblem, reverse = true), SET(RnnProblem, hasH0 = true),
                                   SET(RnnProblem, hasC0 = true), SET(RnnProblem, lens = true), SET(RnnProblem, peephole = true), SET(RnnProblem, linearBeforeReset = true),
                                   SET(RnnProblem, inputForget = true), SET(RnnProblem, roundState = true), SET(RnnProblem, computed = true), SET(RnnProblem, clip = 9), SET(RnnProblem, weight = Elem::S8), SET(RnnProblem, activations.resize(1))});
}

TEST(ProblemPrint, Gemm) {
  GemmProblem p;
  p.in = image(Elem::F32, 1, 3, 8), p.out = image(Elem::F32, 1, 3, 16);
  expectInjective<GemmProblem>(p, {SET(GemmProblem, in.w = 4), SET(GemmProblem, out.c = 17), SET(GemmProblem, bits = 8),
                                   SET(GemmProblem, group = 32), SET(GemmProblem, groupScale = Elem::F32),
                                   SET(GemmProblem, zeros = true), SET(GemmProblem, xGroup = 32),
                                   SET(GemmProblem, epilogue = unary(ExprOp::Relu, ExprInput::Acc, {}))});
}

TEST(ProblemPrint, Maps) {
  expectInjective<Map>(image(Elem::F32, 2, 3, 4),
                       {SET(Map, elem = Elem::U8), SET(Map, n = 9), SET(Map, h = 9), SET(Map, w = 9), SET(Map, c = 9),
                        SET(Map, cs = 9), SET(Map, top = 9), SET(Map, left = 9), SET(Map, bottom = 9),
                        SET(Map, right = 9), SET(Map, base = 9), SET(Map, planar = true)});
}

TEST(ProblemPrint, Programs) {
  Expr e = unary(ExprOp::Clip, ExprInput::Tensor, image(Elem::F32, 2, 3, 4));
  e.nodes[0].a = -1, e.nodes[0].b = 6;
  e.inputs.push_back({ExprInput::Scalar, {}});
  expectInjective<Expr>(e, {SET(Expr, inputs[0].kind = ExprInput::Row), SET(Expr, inputs[0].map.base = 3),
                            SET(Expr, inputs[1].kind = ExprInput::Channel), SET(Expr, inputs.pop_back()),
                            SET(Expr, nodes[0].op = ExprOp::Quant), SET(Expr, nodes[0].args = {1}),
                            SET(Expr, nodes[0].args.push_back(1)), SET(Expr, nodes[0].a = -1.0000000000000002),
                            SET(Expr, nodes[0].b = 6.25), SET(Expr, nodes[0].lo = 1), SET(Expr, nodes[0].hi = 254),
                            SET(Expr, nodes[0].a = 0), SET(Expr, nodes[0].a = -0.0), SET(Expr, nodes.pop_back())});
}

TEST(ProblemPrint, Problems) {
  Expr e = unary(ExprOp::Relu, ExprInput::Acc, {});
  ConvProblem conv;
  expectInjective<ConvProblem>(
      conv, {SET(ConvProblem, in.h = 3), SET(ConvProblem, out.h = 3), SET(ConvProblem, arith = Arith::U8S8),
             SET(ConvProblem, kh = 3), SET(ConvProblem, kw = 3), SET(ConvProblem, strideH = 3),
             SET(ConvProblem, strideW = 3), SET(ConvProblem, dilationH = 3), SET(ConvProblem, dilationW = 3),
             SET(ConvProblem, padTop = 3), SET(ConvProblem, padLeft = 3), SET(ConvProblem, groups = 3),
             SET(ConvProblem, group = 32), SET(ConvProblem, transposed = true),
             SET(ConvProblem, groupScale = Elem::F32), [&](ConvProblem &p) { p.epilogue = e; }});
  expectInjective<PoolProblem>(
      {},
      {SET(PoolProblem, in.h = 3), SET(PoolProblem, out.h = 3), SET(PoolProblem, kind = PoolKind::Lp),
       SET(PoolProblem, kh = 3), SET(PoolProblem, kw = 3), SET(PoolProblem, strideH = 3), SET(PoolProblem, strideW = 3),
       SET(PoolProblem, dilationH = 3), SET(PoolProblem, dilationW = 3), SET(PoolProblem, padTop = 3),
       SET(PoolProblem, padLeft = 3), SET(PoolProblem, padBottom = 3), SET(PoolProblem, padRight = 3),
       SET(PoolProblem, countIncludePad = true), SET(PoolProblem, lp = 3), [&](PoolProblem &p) { p.epilogue = e; }});
  expectInjective<ResizeProblem>(
      {}, {SET(ResizeProblem, in.h = 3), SET(ResizeProblem, out.h = 3), SET(ResizeProblem, mode = ResizeMode::Linear),
           SET(ResizeProblem, coord = ResizeCoord::Asymmetric), SET(ResizeProblem, scaleH = 3),
           SET(ResizeProblem, scaleW = 3), [&](ResizeProblem &p) { p.epilogue = e; }});
  expectInjective<GlobalReduceProblem>({}, {SET(GlobalReduceProblem, in.h = 3), SET(GlobalReduceProblem, out.h = 3),
                                            SET(GlobalReduceProblem, kind = ReduceKind::Max),
                                            [&](GlobalReduceProblem &p) { p.epilogue = e; }});
  expectInjective<EltwiseProblem>({}, {SET(EltwiseProblem, out.h = 3), [&](EltwiseProblem &p) { p.expr = e; }});
  expectInjective<RelayoutProblem>(
      {}, {SET(RelayoutProblem, in.h = 3), SET(RelayoutProblem, out.h = 3), [&](RelayoutProblem &p) { p.expr = e; }});
  expectInjective<SoftmaxProblem>(
      {}, {SET(SoftmaxProblem, in.h = 3), SET(SoftmaxProblem, out.h = 3), SET(SoftmaxProblem, log = true)});
  expectInjective<DynamicQuantProblem>({}, {SET(DynamicQuantProblem, in.h = 3), SET(DynamicQuantProblem, out.h = 3),
                                            SET(DynamicQuantProblem, perTensor = true), SET(DynamicQuantProblem, minmax = true)});
  expectInjective<FillProblem>(
      {}, {SET(FillProblem, out.h = 3), SET(FillProblem, value = 3), SET(FillProblem, interior = true), SET(FillProblem, loaded = true)});
  CopyProblem copy{Elem::F32, {1, 23}, {1, 2}, {1, 2}, 0, 0};
  expectInjective<CopyProblem>(copy, {SET(CopyProblem, elem = Elem::U8), SET(CopyProblem, sizes = {12, 3}),
                                      SET(CopyProblem, inStrides = {1, 3}), SET(CopyProblem, outStrides = {1, 3}),
                                      SET(CopyProblem, inBase = 3), SET(CopyProblem, outBase = 3)});
}

} // namespace
