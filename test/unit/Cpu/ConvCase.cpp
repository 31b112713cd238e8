//===- ConvCase.cpp - one convolution against plain loops -----------------===//
#include "ConvCase.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
bool isInteger(const ConvProblem &p) { return p.arith == Arith::U8S8 || p.arith == Arith::U8S4; }
bool isFourBits(const ConvProblem &p) { return p.arith == Arith::U8S4 || p.arith == Arith::F32S4; }

/// f32 accumulator: scale, bias, ReLU; i32: a multiplier for each channel.
void addEpilogue(ConvProblem &p) {
  p.epilogue.inputs = {{ExprInput::Acc, {}}, {ExprInput::Channel, {}}};
  if (isInteger(p)) {
    ExprNode requant = node(ExprOp::Requant, {0, 1}, 3);
    requant.lo = 3, requant.hi = 250;
    p.epilogue.nodes = {requant};
    if (p.group)
      p.epilogue.nodes = {node(ExprOp::Mul, {0, 1})};
    p.out.elem = p.group ? Elem::F32 : Elem::U8;
  } else {
    p.epilogue.nodes = {node(ExprOp::Add, {0, 1}), node(ExprOp::Relu, {2})};
  }
}

Map mapOf(Elem elem, Shape s) {
  Map m;
  m.elem = elem, m.n = s[0], m.h = s[1], m.w = s[2], m.c = m.cs = s[3];
  return m;
}

/// Accumulators in double (f32) or exactly, and the sum of the absolute products of the largest one.
struct Sums {
  std::vector<double> value;
  double largest = 0;
};

Sums accumulate(const ConvProblem &p, Activation &in, const ConvWeights &w, const std::vector<double> &init) {
  int64_t inC = p.in.c / p.groups, outC = p.out.c / p.groups, blocks = p.group ? (inC + p.group - 1) / p.group : 1;
  Sums sums;
  auto weight = [&](int64_t o, int64_t i, int64_t kh, int64_t kw) {
    int64_t g = o / outC;
    int64_t row = p.transposed ? (g * inC + i) * outC + o % outC : o * inC + i;
    int64_t at = (row * p.kh + kh) * p.kw + kw;
    if (p.arith == Arith::F32)
      return double(w.values[at]);
    double scale = 1;
    if (p.group) {
      int64_t b = i / p.group, row = p.transposed ? (g * blocks + b) * outC + o % outC : o * blocks + b;
      scale = w.scales[(row * p.kh + kh) * p.kw + kw];
    }
    return w.codes[at] * scale;
  };
  for (int64_t n = 0; n < p.out.n; n++)
    for (int64_t y = 0; y < p.out.h; y++)
      for (int64_t x = 0; x < p.out.w; x++)
        for (int64_t o = 0; o < p.out.c; o++) {
          double sum = init.empty() ? 0 : init[o], size = 0;
          for (int64_t kh = 0; kh < p.kh; kh++)
            for (int64_t kw = 0; kw < p.kw; kw++) {
              int64_t iy = y * p.strideH - p.padTop + kh * p.dilationH,
                      ix = x * p.strideW - p.padLeft + kw * p.dilationW;
              if (p.transposed) {
                iy = y + p.padTop - kh * p.dilationH, ix = x + p.padLeft - kw * p.dilationW;
                if (iy % p.strideH || ix % p.strideW)
                  continue;
                iy /= p.strideH, ix /= p.strideW;
              }
              for (int64_t i = 0; i < inC; i++) {
                double product = double(in.get(n, iy, ix, o / outC * inC + i).real()) * weight(o, i, kh, kw);
                sum += product, size += std::abs(product);
              }
            }
          sums.value.push_back(sum);
          sums.largest = std::max(sums.largest, size);
        }
  return sums;
}
} // namespace

ConvWeights::ConvWeights(const ConvProblem &p, Random &random) {
  int64_t count = p.out.c * (p.in.c / p.groups) * p.kh * p.kw;
  for (int64_t i = 0; i < count; i++)
    if (p.arith == Arith::F32)
      values.push_back(random.real());
    else
      codes.push_back(int8_t(isFourBits(p) ? random.integer(-8, 7) : random.integer(-128, 127)));
  if (p.group)
    for (int64_t i = 0; i < p.out.c * ((p.in.c / p.groups + p.group - 1) / p.group) * p.kh * p.kw; i++)
      scales.push_back(float(random.integer(1, 1000)) / 1024);
}

PlainWeights ConvWeights::plain() const { return {values, codes, scales}; }

ConvProblem tern::cpu::test::conv(Arith arith, Shape in, int64_t outC, int64_t k, int64_t stride, int64_t dilation) {
  ConvProblem p;
  p.arith = arith;
  p.in = mapOf(isInteger(p) ? Elem::U8 : Elem::F32, in);
  if (isInteger(p))
    p.in.cs = (in[3] + 3) / 4 * 4;
  p.kh = p.kw = k, p.strideH = p.strideW = stride, p.dilationH = p.dilationW = dilation;
  p.padTop = p.padLeft = k / 2 * dilation;
  p.in.top = p.in.left = p.in.bottom = p.in.right = p.padTop;
  auto size = [&](int64_t s) { return (s + 2 * p.padTop - (k - 1) * dilation - 1) / stride + 1; };
  p.out = mapOf(Elem::F32, {in[0], size(in[1]), size(in[2]), outC});
  addEpilogue(p);
  return p;
}

ConvProblem tern::cpu::test::depthwise(Arith arith, Shape in, int64_t k, int64_t stride, int64_t dilation) {
  ConvProblem p = conv(arith, in, in[3], k, stride, dilation);
  p.groups = in[3];
  return p;
}

ConvProblem tern::cpu::test::transposed(Arith arith, Shape in, int64_t outC, int64_t k, int64_t stride, int64_t pad,
                                        int64_t dilation, int64_t groups) {
  ConvProblem p = conv(arith, in, outC, k, stride, dilation);
  p.transposed = true;
  p.groups = groups;
  p.padTop = p.padLeft = pad;
  auto size = [&](int64_t s) { return (s - 1) * stride + (k - 1) * dilation + 1 - 2 * pad; };
  p.out.h = size(in[1]), p.out.w = size(in[2]);
  Halo halo = requiredHalo(p);
  p.in.top = halo.top, p.in.left = halo.left, p.in.bottom = halo.bottom, p.in.right = halo.right;
  return p;
}

void tern::cpu::test::runConv(const ConvProblem &problem, double tolerance, Open open) {
  ConvProblem p = problem;
  if (isInteger(p) && p.group)
    p.out.elem = Elem::F32, p.epilogue.nodes = {node(ExprOp::Mul, {0, 1})};
  auto [emitted, sizes] = dynamicPictures(p, open);
  emitted.behindH = p.in.bottom, emitted.behindW = p.in.right;
  emitted.wholePhases = p.transposed && (open.h || open.w) && (!open.h || p.out.h % p.strideH == 0) && (!open.w || p.out.w % p.strideW == 0);
  ASSERT_EQ(refuse(emitted), "") << print(emitted);
  Random random(7);
  // All of the input, halo too; channels beyond c are garbage that must not matter.
  Activation in(p.in);
  std::memset(in.buffer.data<char>(), 0xff, in.buffer.size()); // NaN
  int64_t zero = 117;
  for (int64_t n = 0; n < p.in.n; n++)
    for (int64_t y = -p.in.top; y < p.in.h + p.in.bottom; y++)
      for (int64_t x = -p.in.left; x < p.in.w + p.in.right; x++)
        for (int64_t c = 0; c < p.in.c; c++) {
          bool halo = y < 0 || x < 0 || y >= p.in.h || x >= p.in.w;
          Number v = isInteger(p) ? Number::code(halo ? zero : random.integer(0, 255))
                                  : Number::of(halo ? 0.0f : random.real());
          in.set(n, y, x, c, v);
        }
  ConvWeights w(p, random);
  std::vector<uint8_t> packed(packedBytes(emitted));
  packConvWeights(emitted, w.plain(), packed);
  Buffer weights = Buffer::of(packed);

  std::vector<int32_t> bias;
  for (int64_t o = 0; o < p.out.c; o++)
    bias.push_back(int32_t(random.integer(-1000, 1000)));
  std::vector<double> start;
  std::vector<int32_t> intInit;
  std::vector<float> floatInit;
  if (isInteger(p) && p.group) {
    floatInit = scaledAccumulatorInit(emitted, w.plain(), int32_t(zero));
    start.assign(floatInit.begin(), floatInit.end());
  } else if (isInteger(p)) {
    intInit = accumulatorInit(emitted, w.codes, bias, int32_t(zero));
    start.assign(intInit.begin(), intInit.end());
  }
  Buffer init = p.group ? Buffer::of(floatInit) : Buffer::of(intInit);

  Sums sums = accumulate(p, in, w, start);
  Operands operands(p.epilogue, p.out, random);
  // Multipliers that bring the sums into the range of the codes.
  if (isInteger(p) && !p.group && p.out.elem == Elem::U8)
    for (int64_t c = 0; c < p.out.c; c++)
      operands.inputs[1]->buffer.data<float>()[c] = float(random.real(0.5f, 1.5f) * 400 / sums.largest);
  Activation want(p.out);
  size_t at = 0;
  for (int64_t n = 0; n < p.out.n; n++)
    for (int64_t y = 0; y < p.out.h; y++)
      for (int64_t x = 0; x < p.out.w; x++)
        for (int64_t c = 0; c < p.out.c; c++) {
          double sum = sums.value[at++];
          Number acc = isInteger(p) && !p.group ? Number::code(int64_t(sum)) : Number::of(float(sum));
          want.set(n, y, x, c, evaluate(p.epilogue, operands.at(acc, n, y, x, c)));
        }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&, &emitted = emitted](ModuleOp m, const Isa &isa) { return emitConv(m, "conv", emitted, isa); });
    ASSERT_TRUE(kernel.ok()) << print(emitted);
    Activation got(p.out);
    std::vector<Buffer *> args{&in.buffer, &weights};
    if (isInteger(p))
      args.push_back(&init);
    for (Buffer *b : operands.pointers())
      args.push_back(b);
    args.push_back(&got.buffer);
    kernel.run(args, sizes);
    expectEqual(got, want, tolerance * std::max(1.0, sums.largest), print(emitted) + " " + isa.name.str());
    if (::testing::Test::HasFailure())
      return;
  }
}
