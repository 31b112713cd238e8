//===- GemmCase.cpp - one matrix product against plain loops --------------===//
#include "GemmCase.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

static Map rowsOf(Elem elem, int64_t m, int64_t c) {
  Map map;
  map.elem = elem, map.w = m, map.c = map.cs = c;
  return map;
}

static int64_t groupsOf(int64_t k, int64_t group) { return group ? (k + group - 1) / group : 1; }

GemmProblem tern::cpu::test::gemm(const GemmFormats &f, int64_t m, int64_t k, int64_t n) {
  GemmProblem p;
  p.in = rowsOf(f.codes ? Elem::U8 : Elem::F32, m, k);
  p.in.cs = f.codes ? (k + 3) / 4 * 4 : k + 1;
  p.out = rowsOf(Elem::F32, m, n);
  p.bits = f.bits, p.group = f.group, p.xGroup = f.xGroup, p.zeros = f.zeros, p.groupScale = f.groupScale;
  auto node = [](ExprOp op, SmallVector<int, 2> args) {
    ExprNode e;
    e.op = op, e.args = args;
    return e;
  };
  Map residual = p.out, row = rowsOf(Elem::F32, m, 1);
  residual.cs = n + 3;
  p.epilogue.inputs = {{ExprInput::Acc, {}}, {ExprInput::Channel, {}}, {ExprInput::Row, row}, {ExprInput::Tensor, residual}};
  p.epilogue.nodes = {node(ExprOp::IntToF32, {0}), node(ExprOp::Mul, {4, 1}), node(ExprOp::Mul, {5, 2}), node(ExprOp::Add, {6, 3}), node(ExprOp::Relu, {7})};
  return p;
}

GemmProblem tern::cpu::test::gated(const GemmFormats &formats, int64_t m, int64_t k, int64_t n) {
  GemmProblem p = gemm(formats, m, k, n);
  auto node = [](ExprOp op, SmallVector<int, 2> args) {
    ExprNode e;
    e.op = op, e.args = args;
    return e;
  };
  p.paired = true;
  p.epilogue.inputs = {{ExprInput::Acc, {}}, {ExprInput::Acc, {}}, {ExprInput::Channel, {}}, p.epilogue.inputs.back()};
  p.epilogue.nodes = {node(ExprOp::IntToF32, {0}), node(ExprOp::IntToF32, {1}), node(ExprOp::Clip, {4}),
                      node(ExprOp::Mul, {5, 2}),   node(ExprOp::Mul, {6, 7}),   node(ExprOp::Add, {8, 3})};
  p.epilogue.nodes[2].a = -2, p.epilogue.nodes[2].b = 3;
  return p;
}

GemmCase::GemmCase(const GemmProblem &p, int64_t rows, Random &random) : p(p) {
  int64_t n = p.outputs(), k = p.in.c;
  for (int64_t i = 0; i < n * k; ++i)
    if (p.floatWeights())
      values.push_back(random.real());
    else if (p.zeros)
      codes.push_back(int8_t(random.integer(0, (1 << p.bits) - 1)));
    else
      codes.push_back(int8_t(random.integer(-(1 << (p.bits - 1)), (1 << (p.bits - 1)) - 1)));
  for (int64_t i = 0; i < n * groupsOf(k, p.group); ++i) {
    if (p.group)
      scales.push_back(float(random.integer(1, 1000)) / 1024);
    if (p.zeros)
      zeros.push_back(uint8_t(random.integer(0, (1 << p.bits) - 1)));
  }
  for (int64_t i = 0; p.xGroup && i < rows * groupsOf(k, p.xGroup); ++i)
    xScales.push_back(random.real(0.5, 1.5));
}

GemmWeights GemmCase::plain() const {
  auto row = [this](int64_t n, int8_t *to) { std::copy_n(codes.begin() + n * p.in.c, p.in.c, to); };
  return {values, row, scales, zeros, false};
}

double GemmCase::weight(int64_t n, int64_t k) const {
  if (p.floatWeights())
    return values[n * p.in.c + k];
  int64_t at = n * groupsOf(p.in.c, p.group) + (p.group ? k / p.group : 0);
  return (codes[n * p.in.c + k] - (p.zeros ? zeros[at] : 0)) * (p.group ? double(scales[at]) : 1.0);
}

double GemmCase::xScale(int64_t m, int64_t k) const {
  return p.xGroup ? double(xScales[m * groupsOf(p.in.c, p.xGroup) + k / p.xGroup]) : 1.0;
}

void tern::cpu::test::runGemm(const GemmProblem &problem, ArrayRef<int64_t> rowCounts, double tolerance) {
  ASSERT_EQ(refuse(problem), "") << print(problem);
  std::vector<std::unique_ptr<CompiledKernel>> kernels;
  std::vector<Isa> levels = hostIsas();
  for (const Isa &isa : levels) {
    kernels.push_back(std::make_unique<CompiledKernel>(isa, [&](ModuleOp m, const Isa &isa) { return emitGemm(m, "gemm", problem, isa); }));
    ASSERT_TRUE(kernels.back()->ok()) << print(problem);
  }
  for (int64_t rows : rowCounts) {
    Random random(7 + rows);
    GemmProblem p = problem;
    for (Map *map : {&p.in, &p.out})
      map->w = rows;
    for (ExprInput &input : p.epilogue.inputs)
      input.map.w = rows;
    GemmCase c(p, rows, random);
    GemmLayout layout(p);
    std::vector<uint8_t> packed(layout.bytes());
    packGemm(p, c.plain(), packed);
    Buffer weights = Buffer::of(packed);
    int32_t zero = p.xGroup ? 128 : 117;

    Activation in(p.in);
    std::memset(in.buffer.data<char>(), 0xff, in.buffer.size()); // NaN behind the rows
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t k = 0; k < p.in.c; ++k)
        in.set(0, 0, m, k, p.integer() ? Number::code(random.integer(0, 255)) : Number::of(random.real()));
    std::vector<int32_t> bias;
    for (int64_t n = 0; n < p.outputs(); ++n)
      bias.push_back(int32_t(random.integer(-1000, 1000)));
    std::vector<int32_t> intInit;
    std::vector<float> floatInit;
    if (p.hasInit() && p.accElem() == Elem::I32)
      intInit = gemmInit(p, c.plain(), bias, zero);
    else if (p.hasInit())
      floatInit = scaledGemmInit(p, c.plain(), zero);
    Buffer init = intInit.empty() ? Buffer::of(floatInit) : Buffer::of(intInit), xScales = Buffer::of(c.xScales);
    Operands operands(p.epilogue, p.out, random);
    Activation want(p.out);
    double largest = 0;
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < p.out.c; ++n) {
        double size = 0;
        auto accumulator = [&](int64_t n) {
          double sum = intInit.empty() ? 0 : bias[n];
          for (int64_t k = 0; k < p.in.c; ++k) {
            double x = in.get(0, 0, m, k).real();
            double product = (x - (p.integer() ? zero : 0)) * c.xScale(m, k) * c.weight(n, k);
            sum += product, size += std::abs(product);
          }
          return p.accElem() == Elem::I32 ? Number::code(int64_t(sum)) : Number::of(float(sum));
        };
        Number acc = accumulator(n);
        std::optional<Number> partner = p.paired ? std::optional(accumulator(p.out.c + n)) : std::nullopt;
        want.set(0, 0, m, n, evaluate(p.epilogue, operands.at(acc, 0, 0, m, n, partner)));
        largest = std::max(largest, p.accElem() == Elem::I32 ? 0.0 : 16 * size);
      }
    for (auto [isa, kernel] : llvm::zip(levels, kernels)) {
      Activation got(p.out);
      std::vector<Buffer *> args{&in.buffer, &weights};
      if (p.hasInit())
        args.push_back(&init);
      if (p.xGroup)
        args.push_back(&xScales);
      for (Buffer *b : operands.pointers())
        args.push_back(b);
      args.push_back(&got.buffer);
      kernel->run(args, hasDynamicSizes(problem) ? SmallVector<int64_t>{rows} : SmallVector<int64_t>{});
      expectEqual(got, want, tolerance * largest, print(problem) + " rows " + std::to_string(rows) + " " + isa.name.str());
      if (::testing::Test::HasFailure())
        return;
    }
  }
}
