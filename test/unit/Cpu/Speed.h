//===- Speed.h - times of kernels in disabled tests ------------------------===//
#ifndef TERN_TEST_UNIT_CPU_SPEED_H
#define TERN_TEST_UNIT_CPU_SPEED_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <algorithm>
#include <chrono>

namespace tern::cpu::test {

/// Microseconds of the fastest of many runs within about a tenth of a second.
inline double fastest(llvm::function_ref<void()> run) {
  using Clock = std::chrono::steady_clock;
  auto once = [&] {
    auto start = Clock::now();
    run();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  };
  double best = once(), total = 0;
  while (total < 1e5) {
    double us = once();
    total += us;
    best = std::min(best, us);
  }
  return best;
}

} // namespace tern::cpu::test
#endif
