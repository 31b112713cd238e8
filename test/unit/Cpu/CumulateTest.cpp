#include "Dynamic.h"
#include <cmath>

using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

template <typename T> constexpr Elem elemOf = std::is_same_v<T, float> ? Elem::F32 : std::is_same_v<T, int32_t> ? Elem::I32 : Elem::I64;

/// Small numbers for sums, numbers around 1 for products.
template <typename T> std::vector<T> numbers(int64_t count, bool product) {
  Random random{uint64_t(count)};
  std::vector<T> x(count);
  for (T &v : x)
    v = std::is_same_v<T, float> ? T(product ? random.real(-1.1f, 1.1f) : random.real(-2, 2)) : T(random.integer(-50, 50));
  return x;
}

template <typename T> void check(CumulateProblem problem, std::initializer_list<int64_t> open = {}) {
  problem.elem = elemOf<T>;
  int64_t count = problem.count, inner = problem.inner;
  std::vector<T> x = numbers<T>(problem.outer * count * inner, problem.product);
  std::vector<double> want(x.size()), reach(x.size());
  for (int64_t row = 0; row < problem.outer * inner; ++row) {
    double reals = problem.product, magnitude = 0;
    uint64_t wraps = problem.product;
    for (int64_t k = 0; k < count; ++k) {
      int64_t j = problem.reverse ? count - 1 - k : k, at = (row / inner * count + j) * inner + row % inner;
      auto now = [&] { return std::is_same_v<T, float> ? reals : double(T(wraps)); };
      double before = now(), reachBefore = problem.product ? std::abs(reals) : magnitude;
      reals = problem.product ? reals * double(x[at]) : reals + double(x[at]);
      wraps = problem.product ? wraps * uint64_t(int64_t(x[at])) : wraps + uint64_t(int64_t(x[at]));
      want[at] = problem.exclusive ? before : now();
      magnitude += std::abs(double(x[at]));
      reach[at] = problem.exclusive ? reachBefore : problem.product ? std::abs(reals) : magnitude;
    }
  }
  Dynamic<CumulateProblem> made = dynamic(problem, open);
  ASSERT_EQ(refuse(made.problem), "");
  for (const Isa &isa : hostIsas()) {
    SCOPED_TRACE(isa.name.str() + " " + print(made.problem));
    CompiledKernel kernel(isa, [&](mlir::ModuleOp module, const Isa &level) { return emitCumulate(module, "cumulate", made.problem, level); });
    ASSERT_TRUE(kernel.ok());
    Buffer in = Buffer::of(x), out(x.size() * sizeof(T));
    kernel.run({&in, &out}, made.sizes);
    const double bound = std::is_same_v<T, float> ? 6e-8 * double(count) : 0; // of the sum of magnitudes
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_LE(std::abs(double(out.data<T>()[i]) - want[i]), bound * (reach[i] + 1e-30)) << "element " << i;
  }
}

CumulateProblem problemOf(int64_t outer, int64_t count, int64_t inner, unsigned flags = 0) {
  CumulateProblem p;
  p.outer = outer, p.count = count, p.inner = inner;
  p.product = flags & 1, p.exclusive = flags & 2, p.reverse = flags & 4;
  return p;
}

TEST(Cumulate, AlongTheInnermostAxis) {
  for (int64_t count : {0, 1, 7, 16, 17, 100})
    for (unsigned flags = 0; flags < 8; ++flags)
      check<float>(problemOf(3, count, 1, flags));
}

TEST(Cumulate, AlongAnOuterAxis) {
  for (int64_t inner : {2, 7, 17, 64, 131})
    for (unsigned flags = 0; flags < 8; ++flags)
      check<float>(problemOf(2, 9, inner, flags));
  check<float>(problemOf(1, 5, 1000));
  check<float>(problemOf(20, 1, 3));
}

TEST(Cumulate, IntegersWrap) {
  for (int64_t inner : {1, 5})
    for (unsigned flags = 0; flags < 8; ++flags) {
      check<int32_t>(problemOf(2, 37, inner, flags));
      check<int64_t>(problemOf(2, 7, inner, flags)); // small enough to be exact in double
    }
}

TEST(Cumulate, OpenSizes) {
  for (unsigned flags = 0; flags < 8; ++flags) {
    check<float>(problemOf(5, 70, 1, flags), {5, 70});
    check<float>(problemOf(3, 11, 37, flags), {3, 11, 37});
    check<int64_t>(problemOf(2, 6, 17, flags), {6, 17});
  }
}

} // namespace
