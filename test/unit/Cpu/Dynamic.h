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

} // namespace tern::cpu::test
#endif
