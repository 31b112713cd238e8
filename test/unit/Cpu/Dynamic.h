//===- Dynamic.h - problems whose sizes are known at run time only --------===//
#ifndef TERN_TEST_UNIT_CPU_DYNAMIC_H
#define TERN_TEST_UNIT_CPU_DYNAMIC_H

#include "KernelTest.h"
#include "llvm/ADT/STLExtras.h"

namespace tern::cpu::test {

/// A problem whose sizes and offsets of certain values became dynamic, and the sizes it is called with.
template <typename Problem> struct Dynamic {
  Problem problem;
  std::vector<int64_t> sizes;
};

/// Makes every size (offset) of `problem` that is one of `values` dynamic: choose values that nothing else has.
template <typename Problem> Dynamic<Problem> dynamic(Problem problem, llvm::ArrayRef<int64_t> values) {
  auto size = [&](int64_t &v) {
    if (auto *at = llvm::find(values, v); at != values.end())
      v = dynamicSize(at - values.begin());
  };
  auto offset = [&](int64_t &v) {
    if (auto *at = llvm::find(values, v); at != values.end())
      v = dynamicOffset(at - values.begin());
  };
  visitSizes(problem, {size, offset});
  std::vector<int64_t> sizes;
  for (int64_t slot : numberSlots(problem))
    sizes.push_back(values[slot]);
  return {problem, sizes};
}

/// Which sizes of pictures are those of a run.
struct Open {
  bool h = false, w = false;
};
inline Expr &programOf(RelayoutProblem &problem) { return problem.expr; }
inline Expr &programOf(EltwiseProblem &problem) { return problem.expr; }
template <typename Problem> Expr &programOf(Problem &problem) { return problem.epilogue; }

/// Makes the heights and widths of a problem of one picture dynamic, but not those of gates.
template <typename Problem> Dynamic<Problem> dynamicPictures(Problem problem, Open open) {
  std::vector<int64_t> values;
  auto slotOf = [&](int64_t size) {
    auto at = llvm::find(values, size);
    if (at == values.end())
      at = values.insert(at, size);
    return dynamicSize(at - values.begin());
  };
  auto map = [&](Map &m) {
    m.h = open.h ? slotOf(m.h) : m.h;
    m.w = open.w ? slotOf(m.w) : m.w;
  };
  map(problem.in), map(problem.out);
  for (ExprInput &input : programOf(problem).inputs)
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Row)
      map(input.map);
  std::vector<int64_t> sizes;
  for (int64_t slot : numberSlots(problem))
    sizes.push_back(values[slot]);
  return {problem, sizes};
}

} // namespace tern::cpu::test
#endif
