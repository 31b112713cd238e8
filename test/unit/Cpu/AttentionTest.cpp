//===- AttentionTest.cpp - attention against plain loops -------------------===//
#include "Dynamic.h"
#include "Naive.h"
#include "Speed.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

struct Shape {
  int64_t b, h, g, s, t, d, e;
};

View view(ArrayRef<int64_t> strides, int64_t base = 0) {
  View v;
  v.strides.assign(strides.begin(), strides.end());
  v.base = base;
  return v;
}

enum class Mask { None, Keys, Full, FullHeads, Bits, Query };

/// Heads lie inside rows of a projection: q [b, s, h * d] and so on, as a transformer has them.
AttentionProblem problem(const Shape &n, Mask mask) {
  AttentionProblem p;
  p.batch = n.b, p.heads = n.h, p.groups = n.g, p.queries = n.s, p.keys = n.t, p.depth = n.d, p.width = n.e;
  p.q = view({n.s * n.h * n.d, n.d, n.h * n.d});
  p.k = view({n.g * n.t * n.d, n.t * n.d, n.d}); // dense [b, g, t, d]
  p.v = view({n.t * n.g * n.e, n.e, n.g * n.e});
  p.out = view({n.s * n.h * n.e, n.e, n.h * n.e});
  p.scale = 1 / std::sqrt(double(n.d));
  switch (mask) {
  case Mask::None:
    break;
  case Mask::Keys:
    p.mask = view({n.t, 0, 0, 1});
    break;
  case Mask::Full:
  case Mask::Bits:
    p.mask = view({n.s * n.t, 0, n.t, 1});
    break;
  case Mask::FullHeads:
    p.mask = view({n.h * n.s * n.t, n.s * n.t, n.t, 1});
    break;
  case Mask::Query:
    p.mask = view({n.s, 0, 1, 0});
    break;
  }
  p.maskKind = mask == Mask::None ? AttentionProblem::None : mask == Mask::Bits ? AttentionProblem::Boolean : AttentionProblem::Added;
  p.mask.elem = mask == Mask::Bits ? Elem::I1 : Elem::F32;
  return p;
}

void expectAttention(const AttentionProblem &p, const AttentionProblem &compiled, ArrayRef<int64_t> sizes) {
  Random random(7);
  auto floats = [&](int64_t count, float lo, float hi) {
    std::vector<float> values(count);
    for (float &v : values)
      v = random.real(lo, hi);
    return values;
  };
  std::vector<float> q = floats(p.batch * p.heads * p.queries * p.depth, -2, 2), key = floats(p.batch * p.groups * p.keys * p.depth, -2, 2);
  std::vector<float> v = floats(p.batch * p.groups * p.keys * p.width, -2, 2);
  int64_t maskSize = p.batch * p.heads * p.queries * p.keys;
  std::vector<float> mask = floats(maskSize, -3, 1);
  for (int64_t i = 0; i < maskSize; i += 7)
    mask[i] = -INFINITY;
  for (int64_t i = 0; i < std::min(p.keys, maskSize); i++) // a query that sees nothing
    if (p.maskKind != AttentionProblem::None && p.mask.strides[2] != 0)
      mask[i] = -INFINITY;
  std::vector<uint8_t> bits(maskSize);
  for (int64_t i = 0; i < maskSize; i++)
    bits[i] = mask[i] > -1;
  std::vector<float> want(p.batch * p.heads * p.queries * p.width);
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t h = 0; h < p.heads; h++)
      for (int64_t s = 0; s < p.queries; s++) {
        int64_t g = h / (p.heads / p.groups);
        std::vector<double> scores(p.keys);
        double max = -INFINITY, sum = 0;
        for (int64_t t = 0; t < p.keys; t++) {
          double dot = 0;
          for (int64_t d = 0; d < p.depth; d++)
            dot += double(q[b * p.q.strides[0] + h * p.q.strides[1] + s * p.q.strides[2] + d]) *
                   key[b * p.k.strides[0] + g * p.k.strides[1] + t * p.k.strides[2] + d];
          double score = dot * p.scale;
          if (p.softcap)
            score = p.softcap * std::tanh(score / p.softcap);
          if (p.maskKind != AttentionProblem::None) {
            int64_t at = b * p.mask.strides[0] + h * p.mask.strides[1] + s * p.mask.strides[2] + t * p.mask.strides[3];
            score += p.maskKind == AttentionProblem::Added ? double(mask[at]) : bits[at] ? 0.0 : -INFINITY;
          }
          int64_t position = s + p.keys - p.queries;
          if ((p.causal && t > position) || (p.window && t <= position - p.window))
            score = -INFINITY;
          scores[t] = score;
          max = std::max(max, score);
        }
        for (double &score : scores)
          sum += score = max == -INFINITY ? 0 : std::exp(score - max);
        for (int64_t e = 0; e < p.width; e++) {
          double y = 0;
          for (int64_t t = 0; t < p.keys; t++)
            y += scores[t] * v[b * p.v.strides[0] + g * p.v.strides[1] + t * p.v.strides[2] + e];
          want[b * p.out.strides[0] + h * p.out.strides[1] + s * p.out.strides[2] + e] = sum ? y / sum : 0;
        }
      }
  ASSERT_EQ(refuse(compiled), "");
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitAttention(m, "attention", compiled, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer qb = Buffer::of(q), kb = Buffer::of(key), vb = Buffer::of(v), out(want.size() * 4);
    Buffer mb = p.maskKind == AttentionProblem::Boolean ? Buffer::of(bits) : Buffer::of(mask);
    SmallVector<Buffer *> args{&qb, &kb, &vb};
    if (p.maskKind != AttentionProblem::None)
      args.push_back(&mb);
    args.push_back(&out);
    Buffer partials = Buffer::of(std::vector<float>(p.batch * p.partialFloats(), NAN));
    if (compiled.phase == AttentionProblem::Parts)
      args.push_back(&partials);
    kernel.run(args, sizes);
    if (compiled.phase == AttentionProblem::Parts) {
      AttentionProblem join = compiled;
      join.phase = AttentionProblem::Join;
      CompiledKernel second(isa, [&](ModuleOp m, const Isa &isa) { return emitAttention(m, "join", join, isa); });
      ASSERT_TRUE(second.ok());
      second.run({&partials, &out}, sizes);
    }
    double worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < want.size(); i++) {
      double error = std::abs(double(out.data<float>()[i]) - want[i]);
      if (!(error <= worst)) // NaN counts
        worst = error, where = i;
    }
    EXPECT_LT(worst, 3e-6) << print(compiled) << " " << isa.name.str() << " at " << where << ": " << out.data<float>()[where] << " for " << want[where];
  }
}

void runStatic(const Shape &n, Mask mask, bool causal = false, int64_t window = 0, double softcap = 0) {
  AttentionProblem p = problem(n, mask);
  p.causal = causal, p.window = window, p.softcap = softcap;
  expectAttention(p, p, {});
}

TEST(Attention, ShapesOfAnyKind) {
  runStatic({1, 3, 3, 64, 64, 32, 32}, Mask::None);
  runStatic({2, 2, 2, 77, 77, 32, 32}, Mask::Keys);
  runStatic({1, 2, 1, 16, 21, 20, 13}, Mask::Full);
  runStatic({1, 4, 2, 5, 9, 64, 64}, Mask::None);
  runStatic({1, 1, 1, 40, 200, 8, 40}, Mask::None); // two blocks of keys
}

TEST(Attention, Masks) {
  for (Mask mask : {Mask::Full, Mask::FullHeads, Mask::Bits, Mask::Query})
    runStatic({2, 2, 2, 37, 43, 16, 16}, mask);
  runStatic({1, 2, 2, 19, 389, 16, 16}, Mask::Bits);
}

TEST(Attention, CausalWindowAndCap) {
  runStatic({1, 2, 1, 50, 50, 16, 16}, Mask::None, true);
  runStatic({1, 2, 1, 50, 300, 16, 16}, Mask::None, true);
  runStatic({1, 2, 2, 50, 30, 16, 16}, Mask::None, true); // the first queries see nothing
  runStatic({1, 1, 1, 70, 250, 16, 16}, Mask::None, true, 33);
  runStatic({1, 1, 1, 20, 20, 16, 16}, Mask::Keys, false, 0, 5);
}

TEST(Attention, FewQueries) {
  runStatic({2, 4, 2, 1, 1, 64, 64}, Mask::None);
  runStatic({1, 4, 2, 1, 300, 64, 64}, Mask::Keys);
  runStatic({1, 9, 3, 1, 517, 64, 64}, Mask::FullHeads); // three heads read the keys of their group together, in blocks
  runStatic({2, 7, 1, 3, 1100, 20, 24}, Mask::Keys, true);
  runStatic({1, 2, 2, 3, 37, 20, 72}, Mask::Bits, true);
  runStatic({1, 1, 1, 2, 6200, 16, 16}, Mask::Full); // two blocks of keys
  runStatic({1, 1, 1, 4, 100, 16, 16}, Mask::Query, true, 9, 3);
}

/// The heads of a group share out the keys: one part, some that are not whole, as many as heads, a part that sees nothing.
TEST(Attention, PartsOfTheKeys) {
  auto run = [](const Shape &n, Mask mask, bool causal = false, int64_t window = 0) {
    AttentionProblem p = problem(n, mask);
    p.causal = causal, p.window = window, p.phase = AttentionProblem::Parts;
    expectAttention(p, p, {});
  };
  run({1, 9, 3, 1, 200, 64, 64}, Mask::None);
  run({1, 9, 3, 1, 517, 64, 64}, Mask::FullHeads);
  run({2, 9, 3, 1, 2049, 64, 64}, Mask::Keys);
  run({2, 7, 1, 3, 1100, 20, 24}, Mask::Bits, true);
  run({1, 8, 1, 4, 5000, 16, 72}, Mask::Full, true, 300);
  run({1, 4, 2, 2, 900, 16, 16}, Mask::Query);
  run({1, 4, 4, 1, 900, 16, 16}, Mask::None); // a head of its own has nobody to share with
}

void runDynamic(const Shape &n, Mask mask, bool causal, AttentionProblem::Phase phase = AttentionProblem::Whole) {
  AttentionProblem p = problem(n, mask);
  p.causal = causal, p.phase = phase;
  std::vector<int64_t> values{n.b, n.s, n.t};
  for (const View *v : {&p.q, &p.k, &p.v, &p.out})
    for (int64_t stride : v->strides)
      if (stride != n.d && stride != n.e && stride != n.h * n.d && stride != n.h * n.e && stride != n.g * n.e)
        values.push_back(stride);
  if (mask != Mask::None)
    for (int64_t stride : p.mask.strides)
      if (stride > 1)
        values.push_back(stride);
  auto [compiled, sizes] = dynamic(p, values);
  expectAttention(p, compiled, sizes);
}

TEST(Attention, SizesOfTheRun) {
  runDynamic({3, 6, 2, 77, 79, 20, 20}, Mask::Keys, false);
  runDynamic({3, 6, 2, 131, 259, 20, 20}, Mask::Full, true);
  runDynamic({5, 4, 2, 9, 9, 20, 20}, Mask::None, true);
  runDynamic({5, 6, 2, 3, 401, 20, 20}, Mask::Keys, true);
  for (auto [queries, keys] : {std::pair<int64_t, int64_t>{3, 401}, {3, 1301}, {3, 9}, {35, 701}, {131, 259}})
    runDynamic({5, 6, 2, queries, keys, 20, 20}, queries == 35 ? Mask::Full : Mask::Keys, true, AttentionProblem::Parts);
}

/// us of one run of one thread; a measurement, not a test.
TEST(Attention, DISABLED_Speed) {
  for (Shape n : {Shape{1, 12, 12, 16, 16, 32, 32}, Shape{1, 12, 12, 77, 77, 32, 32}, Shape{1, 12, 12, 128, 128, 32, 32}, Shape{1, 12, 12, 197, 197, 32, 32},
                  Shape{1, 12, 12, 384, 384, 32, 32}, Shape{1, 9, 3, 128, 128, 64, 64}, Shape{1, 9, 3, 1, 128, 64, 64}, Shape{1, 9, 3, 1, 512, 64, 64}, Shape{1, 9, 3, 1, 2048, 64, 64}, Shape{1, 32, 8, 1, 1024, 128, 128}}) {
    AttentionProblem p = problem(n, Mask::Keys);
    CompiledKernel kernel(hostIsa(), [&](ModuleOp m, const Isa &isa) { return emitAttention(m, "attention", p, isa); });
    Buffer q(n.b * n.h * n.s * n.d * 4), key(n.b * n.g * n.t * n.d * 4), v(n.b * n.g * n.t * n.e * 4), mask(n.b * n.t * 4), out(n.b * n.h * n.s * n.e * 4);
    std::memset(q.data<char>(), 0, q.size()), std::memset(key.data<char>(), 0, key.size());
    std::memset(v.data<char>(), 0, v.size()), std::memset(mask.data<char>(), 0, mask.size());
    double best = fastest([&] {
      for (int64_t t = 0; t < kernel.tasks(); t++)
        kernel.runTask({q.data<void>(), key.data<void>(), v.data<void>(), mask.data<void>(), out.data<void>()}, t);
    });
    double flop = 2.0 * n.b * n.h * n.s * n.t * (n.d + n.e);
    std::printf("[%4ld x %4ld, %2ld heads of %2ld] %8.1f us %6.1f GFLOP/s\n", long(n.s), long(n.t), long(n.h), long(n.d), best, flop / best * 1e-3);
  }
}

} // namespace
