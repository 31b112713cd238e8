//===- ConvFuzz.cpp - random convolutions against plain loops --------------===//
// A few of them run in every test; more with TERN_FUZZ=<count>.
#include "ConvCase.h"
#include <cstdlib>

using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
ConvProblem randomProblem(Random &r) {
  const Arith ariths[] = {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4};
  Arith arith = ariths[r.integer(0, 4)];
  bool fourBits = arith == Arith::U8S4 || arith == Arith::F32S4;
  int64_t kind = r.integer(0, 9), groups = r.integer(0, 3) ? 1 : r.integer(2, 4);
  int64_t inC = r.integer(1, 24) * groups * r.integer(1, 3), outC = r.integer(1, 30) * groups * r.integer(1, 2);
  Shape shape{r.integer(1, 2), r.integer(1, 20), r.integer(1, 34), inC};
  ConvProblem p;
  if (kind < 5) {
    p = conv(arith, shape, outC, r.integer(1, 4), r.integer(1, 3), r.integer(0, 3) ? 1 : 2);
    p.groups = groups;
    if (p.out.h < 1 || p.out.w < 1)
      return randomProblem(r);
  } else if (kind < 6) {
    p = conv(arith, {1, 1, r.integer(1, 200), inC}, outC, 1, 1);
  } else if (kind < 8) {
    p = depthwise(arith, shape, r.integer(2, 5), r.integer(1, 2), r.integer(0, 3) ? 1 : 2);
    if (p.out.h < 1 || p.out.w < 1)
      return randomProblem(r);
  } else {
    p = transposed(arith, {1, r.integer(1, 9), r.integer(1, 9), inC}, outC, r.integer(1, 4), r.integer(1, 3), 0, 1,
                   groups);
  }
  if (fourBits && !p.isDepthwise() && r.integer(0, 1))
    p.group = r.integer(1, 4) * 8, p.groupScale = r.integer(0, 1) ? Elem::F16 : Elem::F32;
  // Views and halos of the output.
  if (!r.integer(0, 2))
    p.out.cs += r.integer(0, 20), p.out.base = r.integer(0, 8);
  if (!r.integer(0, 2))
    p.out.top = r.integer(0, 2), p.out.left = r.integer(0, 2), p.out.right = r.integer(0, 2);
  if (!r.integer(0, 2))
    p.in.cs += 4 * r.integer(0, 5), p.in.base = 4 * r.integer(0, 4);
  return p;
}

void runRandom(uint64_t seed, bool isOpen) {
  const char *more = std::getenv("TERN_FUZZ");
  Random random(more ? std::strtoull(more, nullptr, 10) : seed);
  for (int64_t i = 0, e = more ? std::strtoll(more, nullptr, 10) : 20; i < e; i++) {
    ConvProblem last = randomProblem(random);
    Open open;
    if (isOpen) {
      last.in.n = last.out.n = 1;
      open.h = random.integer(0, 2);
      open.w = !open.h || random.integer(0, 2);
    }
    if (more)
      fprintf(stderr, "%d%d %s\n", open.h, open.w, print(last).c_str());
    runConv(last, 2e-5, open);
    ASSERT_FALSE(testing::Test::HasFailure()) << print(last);
  }
}

TEST(Conv, Random) { runRandom(11, false); }
TEST(Conv, RandomOpen) { runRandom(12, true); }
} // namespace
