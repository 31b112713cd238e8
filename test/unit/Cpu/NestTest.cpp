//===- NestTest.cpp - loop nests, rope, gather, reductions of any axes -------===//
#include "Dynamic.h"
#include "Naive.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

View view(Elem elem, ArrayRef<int64_t> strides, int64_t base = 0) {
  View v;
  v.elem = elem;
  v.strides.assign(strides.begin(), strides.end());
  v.base = base;
  return v;
}

NdNode node(NdOp op, Elem elem, ArrayRef<int> args, double a = 0, int64_t i = 0) {
  NdNode n;
  n.op = op;
  n.elem = elem;
  n.args.assign(args.begin(), args.end());
  n.a = a, n.i = i;
  return n;
}

std::vector<float> floats(int64_t count, uint64_t seed, float lo = -2, float hi = 2) {
  Random random(seed);
  std::vector<float> values(count);
  for (float &v : values)
    v = random.real(lo, hi);
  return values;
}

/// Runs a problem on every level and compares with `want`.
template <typename T, typename P, typename Emit>
void expectKernel(const P &p, Emit emit, std::vector<Buffer *> inputs, const std::vector<T> &want, double tolerance = 0, ArrayRef<int64_t> sizes = {}) {
  ASSERT_EQ(refuse(p), "");
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emit(m, "kernel", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer out(want.size() * sizeof(T));
    std::vector<Buffer *> args = inputs;
    args.push_back(&out);
    kernel.run(args, sizes);
    for (size_t i = 0; i < want.size(); i++)
      ASSERT_NEAR(double(out.data<T>()[i]), double(want[i]), tolerance * std::max(1.0, std::abs(double(want[i])))) << print(p) << " " << isa.name.str() << " at " << i;
  }
}

/// The mask of a decoder: key <= query and the key's token is there, as 0 or the lowest float.
TEST(Nest, MaskArithmetic) {
  for (auto [b, s, t] : {std::tuple<int64_t, int64_t, int64_t>(2, 5, 19), {3, 1, 64}, {1, 33, 7}}) {
    for (bool known : {true, false}) {
      std::vector<int64_t> tokens(b * t), positions(b * s);
      for (int64_t i = 0; i < b * t; i++)
        tokens[i] = i % 3 != 0;
      for (int64_t i = 0; i < b * s; i++)
        positions[i] = i % s + t - s;
      NdProblem p;
      p.sizes = {b, s, t};
      p.inputs = {view(Elem::I64, {t, 0, 1}), view(Elem::I64, {s, 1, 0})};
      p.nodes = {node(NdOp::Position, Elem::I64, {}, 0, 2), node(NdOp::Le, Elem::I1, {2, 1}), node(NdOp::Convert, Elem::I1, {0}),
                 node(NdOp::And, Elem::I1, {3, 4}),         node(NdOp::Constant, Elem::F32, {}, 0), node(NdOp::Constant, Elem::F32, {}, -3e38),
                 node(NdOp::Select, Elem::F32, {5, 6, 7})};
      p.out = view(Elem::F32, {s * t, t, 1});
      std::vector<float> want(b * s * t);
      for (int64_t i = 0; i < b * s * t; i++) {
        int64_t key = i % t, query = i / t % s, batch = i / t / s;
        want[i] = key <= positions[batch * s + query] && tokens[batch * t + key] ? 0.f : -3e38f;
      }
      Buffer tokenBuffer = Buffer::of(tokens), positionBuffer = Buffer::of(positions);
      if (known) {
        expectKernel(p, emitNd, {&tokenBuffer, &positionBuffer}, want);
        continue;
      }
      NdProblem compiled = p;
      compiled.sizes = {dynamicSize(0), dynamicSize(1), dynamicSize(2)};
      compiled.inputs = {view(Elem::I64, {dynamicOffset(2), 0, 1}), view(Elem::I64, {dynamicOffset(1), 1, 0})};
      compiled.out = view(Elem::F32, {dynamicOffset(3), dynamicOffset(2), 1});
      expectKernel(compiled, emitNd, {&tokenBuffer, &positionBuffer}, want, 0, {b, s, t, s * t});
    }
  }
}

TEST(Nest, Integers) {
  std::vector<int64_t> x, y, want;
  for (int64_t a : {-7, -1, 0, 3, 100})
    for (int64_t b : {-3, -1, 0, 2, 7}) {
      x.push_back(a), y.push_back(b);
      int64_t mod = b ? a % b : 0;
      if (mod && (mod < 0) != (b < 0))
        mod += b;
      want.push_back((b ? a / b : 0) * 1000 + mod);
    }
  NdProblem p;
  p.sizes = {int64_t(x.size())};
  p.inputs = {view(Elem::I64, {1}), view(Elem::I64, {1})};
  p.nodes = {node(NdOp::Div, Elem::I64, {0, 1}), node(NdOp::Mod, Elem::I64, {0, 1}), node(NdOp::Constant, Elem::I64, {}, 0, 1000), node(NdOp::Mul, Elem::I64, {2, 4}),
             node(NdOp::Add, Elem::I64, {5, 3})};
  p.out = view(Elem::I64, {1});
  Buffer a = Buffer::of(x), b = Buffer::of(y);
  expectKernel(p, emitNd, {&a, &b}, want);
}

/// Codes of rows with a scale and a zero point each: the division is exact, halves go to the even code, NaN to the lowest.
TEST(Nest, QuantizeAlongAnAxis) {
  for (bool open : {false, true}) {
    int64_t rows = 3, width = 23;
    std::vector<float> x = floats(rows * width, 11, -300, 300), scales{0.5f, 1.0f, 2.0f};
    std::vector<int8_t> zeros{0, 100, -128}, want(x.size());
    x[1] = NAN, x[2] = INFINITY, x[width] = 0.5f, x[width + 1] = 1.5f;
    for (int64_t i = 0; i < rows * width; i++) {
      double code = std::nearbyint(double(x[i] / scales[i / width])) + zeros[i / width];
      want[i] = std::isnan(code) ? -128 : int8_t(std::max(-128.0, std::min(127.0, code)));
    }
    NdProblem p;
    p.sizes = {rows, width};
    p.inputs = {view(Elem::F32, {width, 1}), view(Elem::F32, {1, 0}), view(Elem::S8, {1, 0})};
    NdNode quantize = node(NdOp::Quantize, Elem::I32, {0, 1, 2}, -128);
    quantize.b = 127;
    p.nodes = {quantize};
    p.out = view(Elem::S8, {width, 1});
    std::vector<int64_t> sizes;
    if (open) {
      p.sizes = {dynamicSize(0), dynamicSize(1)};
      p.inputs[0] = view(Elem::F32, {dynamicOffset(1), 1});
      p.out = view(Elem::S8, {dynamicOffset(1), 1});
      sizes = {rows, width};
    }
    Buffer a = Buffer::of(x), s = Buffer::of(scales), z = Buffer::of(zeros);
    expectKernel(p, emitNd, {&a, &s, &z}, want, 0, sizes);
  }
}

TEST(Nest, ConversionsAndBytes) {
  std::vector<float> x{-2.7f, -0.4f, 0, 0.4f, 2.7f, 100, NAN, INFINITY};
  std::vector<uint8_t> bytes{0, 1, 2, 3, 200, 255, 7, 9};
  NdProblem p;
  p.sizes = {8};
  p.inputs = {view(Elem::F32, {1}), view(Elem::U8, {1})};
  p.nodes = {node(NdOp::IsNan, Elem::I1, {0}),          node(NdOp::IsInf, Elem::I1, {0}),      node(NdOp::Or, Elem::I1, {2, 3}),
             node(NdOp::Constant, Elem::F32, {}, 0),    node(NdOp::Select, Elem::F32, {4, 5, 0}), node(NdOp::Convert, Elem::I32, {6}),
             node(NdOp::Add, Elem::I32, {7, 1})};
  p.out = view(Elem::I32, {1});
  std::vector<int32_t> want{-2, 1, 2, 3, 202, 355, 7, 9};
  Buffer a = Buffer::of(x), b = Buffer::of(bytes);
  expectKernel(p, emitNd, {&a, &b}, want);
}

TEST(Rope, HalvesAndPairs) {
  for (bool interleaved : {false, true})
    for (auto [s, d, r] : {std::tuple<int64_t, int64_t, int64_t>(5, 64, 64), {3, 20, 12}, {7, 6, 2}}) {
      int64_t b = 2, h = 3;
      RopeProblem p;
      p.sizes = {b, h, s};
      p.width = d, p.rotated = r, p.interleaved = interleaved;
      p.x = view(Elem::F32, {s * h * d, d, h * d});
      p.cos = p.sin = view(Elem::F32, {0, 0, r / 2});
      p.out = view(Elem::F32, {h * s * d, s * d, d});
      std::vector<float> x = floats(b * h * s * d, 1), cosine = floats(s * r / 2, 2), sine = floats(s * r / 2, 3), want(x.size());
      for (int64_t n = 0; n < b; n++)
        for (int64_t head = 0; head < h; head++)
          for (int64_t i = 0; i < s; i++) {
            const float *from = &x[n * s * h * d + i * h * d + head * d];
            float *to = &want[((n * h + head) * s + i) * d];
            std::copy(from, from + d, to);
            for (int64_t j = 0; j < r / 2; j++) {
              int64_t first = interleaved ? 2 * j : j, second = interleaved ? 2 * j + 1 : j + r / 2;
              float c = cosine[i * r / 2 + j], w = sine[i * r / 2 + j];
              to[first] = from[first] * c - from[second] * w;
              to[second] = from[second] * c + from[first] * w;
            }
          }
      Buffer xb = Buffer::of(x), cb = Buffer::of(cosine), sb = Buffer::of(sine);
      expectKernel(p, emitRope, {&xb, &cb, &sb}, want, 1e-6);
      if (s == 7)
        continue;
      RopeProblem compiled = p;
      compiled.sizes = {dynamicSize(0), h, dynamicSize(1)};
      compiled.x.strides[0] = dynamicOffset(2);
      compiled.out.strides[0] = dynamicOffset(2);
      compiled.out.strides[1] = dynamicOffset(3);
      expectKernel(compiled, emitRope, {&xb, &cb, &sb}, want, 1e-6, {b, s, s * h * d, s * d});
    }
}

TEST(Gather, RowsOfAnyKind) {
  for (auto [rows, width] : {std::pair<int64_t, int64_t>(10, 384), {7, 5}, {31, 1}}) {
    std::vector<float> table = floats(2 * rows * width, 4);
    std::vector<int64_t> index{0, rows - 1, -1, 3 % rows, -rows};
    for (int64_t outer : {1, 2}) {
      GatherProblem p;
      p.outer = outer, p.rows = rows, p.count = index.size(), p.width = width;
      std::vector<float> want;
      for (int64_t o = 0; o < outer; o++)
        for (int64_t i : index)
          for (int64_t c = 0; c < width; c++)
            want.push_back(table[(o * rows + (i < 0 ? i + rows : i)) * width + c]);
      Buffer t = Buffer::of(table), x = Buffer::of(index);
      expectKernel(p, emitGather, {&t, &x}, want);
      GatherProblem compiled = p;
      compiled.count = dynamicSize(0);
      expectKernel(compiled, emitGather, {&t, &x}, want, 0, {int64_t(index.size())});
    }
  }
}

TEST(Gather, CodesAreDequantized) {
  for (auto [bits, width, group] : {std::tuple<int64_t, int64_t, int64_t>(8, 77, 0), {8, 96, 32}, {4, 96, 32}, {4, 70, 0}})
    for (bool isSigned : {true, false}) {
      int64_t rows = 9, groups = group ? (width + group - 1) / group : 1;
      Random random(6);
      std::vector<uint8_t> codes(rows * width * bits / 8);
      for (uint8_t &b : codes)
        b = uint8_t(random.next());
      std::vector<float> scales = floats(rows * groups, 7, 0.01f, 0.1f);
      std::vector<int32_t> index{4, 0, 8, -2};
      GatherProblem p;
      p.rows = rows, p.count = index.size(), p.width = width;
      p.elem = Elem::U8, p.index = Elem::I32;
      p.bits = bits, p.isSigned = isSigned, p.zero = isSigned ? 0 : 5, p.group = group;
      std::vector<float> want;
      for (int64_t i : index)
        for (int64_t c = 0; c < width; c++) {
          int64_t row = i < 0 ? i + rows : i, at = row * width + c;
          int64_t code = bits == 8 ? codes[at] : codes[at / 2] >> (4 * (at % 2)) & 15;
          if (isSigned && code >= (int64_t(1) << (bits - 1)))
            code -= int64_t(1) << bits;
          want.push_back(float(code - p.zero) * scales[row * groups + (group ? c / group : 0)]);
        }
      Buffer t = Buffer::of(codes), s = Buffer::of(scales), x = Buffer::of(index);
      expectKernel(p, emitGather, {&t, &s, &x}, want);
    }
}

double reduced(AxesKind kind, const std::vector<double> &v) {
  double r = kind == AxesKind::Prod ? 1 : kind == AxesKind::Max ? -INFINITY : kind == AxesKind::Min ? INFINITY : 0;
  for (double x : v)
    switch (kind) {
    case AxesKind::Max:
      r = std::max(r, x);
      break;
    case AxesKind::Min:
      r = std::min(r, x);
      break;
    case AxesKind::Prod:
      r *= x;
      break;
    case AxesKind::L1:
      r += std::abs(x);
      break;
    case AxesKind::L2:
    case AxesKind::SumSquare:
      r += x * x;
      break;
    case AxesKind::LogSumExp:
      r += std::exp(x);
      break;
    default:
      r += x;
    }
  switch (kind) {
  case AxesKind::Mean:
    return r / double(v.size());
  case AxesKind::L2:
    return std::sqrt(r);
  case AxesKind::LogSum:
  case AxesKind::LogSumExp:
    return std::log(r);
  default:
    return r;
  }
}

TEST(AxesReduce, KindsAndAxes) {
  struct Case {
    llvm::SmallVector<int64_t, 6> sizes;
    llvm::SmallVector<bool, 6> reduced;
  };
  for (const Case &c : {Case{{7, 83}, {false, true}}, Case{{5, 37}, {true, false}}, Case{{3, 4, 70}, {false, true, false}}, Case{{3, 5, 2, 9}, {true, false, true, false}},
                        Case{{4, 3, 21}, {true, false, true}}, Case{{100}, {true}}})
    for (int kind = 0; kind <= int(AxesKind::SumSquare); kind++)
      for (bool known : {true, false}) {
        AxesReduceProblem p;
        p.sizes = c.sizes, p.reduced = c.reduced, p.kind = AxesKind(kind);
        int64_t total = 1, outputs = 1;
        for (auto [size, reduce] : llvm::zip(p.sizes, p.reduced)) {
          total *= size;
          outputs *= reduce ? 1 : size;
        }
        std::vector<float> x = floats(total, 9, p.kind == AxesKind::LogSum ? 0.1f : -1.5f, 1.5f);
        std::vector<std::vector<double>> parts(outputs);
        for (int64_t i = 0; i < total; i++) {
          int64_t rest = i, at = 0, step = 1;
          for (size_t d = p.sizes.size(); d--;) {
            if (!p.reduced[d]) {
              at += rest % p.sizes[d] * step;
              step *= p.sizes[d];
            }
            rest /= p.sizes[d];
          }
          parts[at].push_back(x[i]);
        }
        std::vector<float> want;
        for (const std::vector<double> &part : parts)
          want.push_back(float(reduced(p.kind, part)));
        Buffer in = Buffer::of(x);
        std::vector<int64_t> sizes;
        AxesReduceProblem compiled = p;
        if (!known)
          for (int64_t &size : compiled.sizes) {
            sizes.push_back(size);
            size = dynamicSize(sizes.size() - 1);
          }
        expectKernel(compiled, emitAxesReduce, {&in}, want, 2e-6, sizes);
      }
}

TEST(AxesReduce, Integers) {
  std::vector<int64_t> x{5, -3, 9, 2, 2, 7};
  AxesReduceProblem p;
  p.sizes = {2, 3}, p.reduced = {false, true}, p.elem = Elem::I64;
  Buffer in = Buffer::of(x);
  expectKernel(p, emitAxesReduce, {&in}, std::vector<int64_t>{11, 11});
  p.kind = AxesKind::Max;
  expectKernel(p, emitAxesReduce, {&in}, std::vector<int64_t>{9, 7});
}

TEST(Axis, SoftmaxOfColumns) {
  for (auto [outer, count, inner] : {std::tuple<int64_t, int64_t, int64_t>(2, 9, 37), {1, 5, 70}, {3, 64, 3}})
    for (bool log : {false, true}) {
      AxisProblem p;
      p.outer = outer, p.count = count, p.inner = inner, p.kind = log ? AxisKind::LogSoftmax : AxisKind::Softmax;
      std::vector<float> x = floats(outer * count * inner, 5, -9, 9), want(x.size());
      for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
          double max = -INFINITY, sum = 0;
          auto at = [o, i, count = count, inner = inner](int64_t c) { return (o * count + c) * inner + i; };
          for (int64_t c = 0; c < count; c++)
            max = std::max(max, double(x[at(c)]));
          for (int64_t c = 0; c < count; c++)
            sum += std::exp(x[at(c)] - max);
          for (int64_t c = 0; c < count; c++)
            want[at(c)] = float(log ? x[at(c)] - max - std::log(sum) : std::exp(x[at(c)] - max) / sum);
        }
      Buffer in = Buffer::of(x);
      expectKernel(p, emitAxis, {&in}, want, 1e-6);
      AxisProblem compiled = p;
      compiled.outer = dynamicSize(0), compiled.count = dynamicSize(1), compiled.inner = dynamicSize(2);
      expectKernel(compiled, emitAxis, {&in}, want, 1e-6, {outer, count, inner});
    }
}

TEST(Axis, PositionsOfTheLargest) {
  for (auto [outer, count, inner] : {std::tuple<int64_t, int64_t, int64_t>(4, 83, 1), {2, 9, 37}, {1, 5, 3}})
    for (AxisKind kind : {AxisKind::ArgMax, AxisKind::ArgMin})
      for (bool last : {false, true}) {
        AxisProblem p;
        p.outer = outer, p.count = count, p.inner = inner, p.kind = kind, p.last = last;
        Random random(13);
        std::vector<float> x(outer * count * inner);
        for (float &v : x)
          v = float(random.integer(-5, 5)); // many equal ones
        std::vector<int64_t> want;
        for (int64_t o = 0; o < outer; o++)
          for (int64_t i = 0; i < inner; i++) {
            int64_t best = 0;
            for (int64_t c = 1; c < count; c++) {
              float a = x[(o * count + c) * inner + i], b = x[(o * count + best) * inner + i];
              if ((kind == AxisKind::ArgMax ? a > b : a < b) || (last && a == b))
                best = c;
            }
            want.push_back(best);
          }
        Buffer in = Buffer::of(x);
        expectKernel(p, emitAxis, {&in}, want);
        AxisProblem compiled = p;
        compiled.count = dynamicSize(0);
        expectKernel(compiled, emitAxis, {&in}, want, 0, {count});
      }
}

} // namespace
