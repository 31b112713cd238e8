#include "Dynamic.h"
#include <algorithm>
#include <cmath>
#include <numeric>

using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

/// NaN before every number, then by value, the first of equal ones first.
template <typename T> bool isBefore(T a, T b, bool smallest) {
  if (a != a || b != b)
    return a != a && b == b;
  return smallest ? a < b : a > b;
}

template <typename T> void check(const TopkProblem &problem, const std::vector<T> &x, std::initializer_list<int64_t> open = {}) {
  int64_t outer = problem.outer, count = problem.count, inner = problem.inner, k = problem.k;
  std::vector<T> values(outer * k * inner);
  std::vector<int64_t> indices(values.size());
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      auto at = [&](int64_t j) { return x[(o * count + j) * inner + i]; };
      std::vector<int64_t> order(count);
      std::iota(order.begin(), order.end(), 0);
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return isBefore(at(a), at(b), problem.smallest) || (!isBefore(at(b), at(a), problem.smallest) && a < b);
      });
      for (int64_t r = 0; r < k; ++r) {
        values[(o * k + r) * inner + i] = at(order[r]);
        indices[(o * k + r) * inner + i] = order[r];
      }
    }
  Dynamic<TopkProblem> made = dynamic(problem, open);
  ASSERT_EQ(refuse(made.problem), "");
  for (const Isa &isa : hostIsas()) {
    SCOPED_TRACE(isa.name.str() + " " + print(made.problem));
    CompiledKernel kernel(isa, [&](mlir::ModuleOp module, const Isa &level) { return emitTopk(module, "topk", made.problem, level); });
    Buffer in = Buffer::of(x), out(values.size() * sizeof(T)), places(indices.size() * 8);
    kernel.run({&in, &out, &places}, made.sizes);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(places.data<int64_t>()[i], indices[i]) << "element " << i;
      T have = out.data<T>()[i];
      ASSERT_TRUE(have == values[i] || (have != have && values[i] != values[i])) << "element " << i;
    }
  }
}

std::vector<float> reals(int64_t n, int64_t distinct) {
  Random random(uint64_t(n + distinct));
  std::vector<float> x(n);
  for (float &v : x)
    v = float(random.integer(-distinct, distinct)) / 4;
  return x;
}

TopkProblem problemOf(int64_t outer, int64_t count, int64_t inner, int64_t k, bool smallest = false) {
  TopkProblem problem;
  problem.outer = outer, problem.count = count, problem.inner = inner, problem.k = k, problem.smallest = smallest;
  return problem;
}

TEST(Topk, Rows) {
  for (int64_t count : {1, 5, 16, 37, 300})
    for (int64_t k : {int64_t(1), std::min<int64_t>(count, 7), count})
      check(problemOf(3, count, 1, k, count % 2), reals(3 * count, 1000));
}

TEST(Topk, EqualElementsKeepTheirOrder) { check(problemOf(2, 200, 1, 50), reals(400, 3)); }

TEST(Topk, AlongAnInnerAxis) {
  check(problemOf(2, 40, 5, 9), reals(400, 100));
  check(problemOf(1, 33, 3, 33, true), reals(99, 10));
}

TEST(Topk, NaNAndInfinities) {
  std::vector<float> x = reals(64, 100);
  x[5] = x[40] = NAN;
  x[6] = -NAN;
  x[7] = INFINITY;
  x[8] = -INFINITY;
  x[9] = -0.0f;
  x[10] = 0.0f;
  check(problemOf(1, 64, 1, 64), x);
  check(problemOf(1, 64, 1, 64, true), x);
}

TEST(Topk, Integers) {
  Random random(3);
  std::vector<int32_t> x(500);
  for (int32_t &v : x)
    v = int32_t(random.next());
  x[17] = INT32_MIN, x[18] = INT32_MAX, x[401] = INT32_MAX;
  TopkProblem problem = problemOf(1, 500, 1, 100);
  problem.elem = Elem::I32;
  check(problem, x);
  problem.smallest = true;
  check(problem, x);
}

TEST(Topk, OpenSizes) {
  check(problemOf(6, 70, 1, 8), reals(420, 1000), {6, 70});
  check(problemOf(6, 70, 4, 8), reals(1680, 1000), {6, 70, 4});
}

} // namespace
