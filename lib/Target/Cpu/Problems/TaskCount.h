//===- TaskCount.h - how many tasks a kernel has --------------------------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_TASKCOUNT_H
#define TERN_TARGET_CPU_PROBLEMS_TASKCOUNT_H

#include "lib/Target/Cpu/Problems/Problem.h"
#include "llvm/ADT/ArrayRef.h"

namespace tern::cpu {

/// How many tasks a kernel has: a constant times ceil(product of sizes / chunk) for every factor. The sizes are static
/// or dynamic (Problem.h), so the count may depend on the sizes that the kernel is called with.
struct TaskCount {
  struct Factor {
    llvm::SmallVector<int64_t, 3> sizes;
    int64_t chunk = 1;
  };
  int64_t constant = 1;
  llvm::SmallVector<Factor, 2> factors; ///< with at least one dynamic size each

  TaskCount(int64_t constant = 1) : constant(constant) {}
  /// ceil(product of sizes / chunk); folds when all sizes are static.
  static TaskCount of(llvm::ArrayRef<int64_t> sizes, int64_t chunk = 1);
  friend TaskCount operator*(TaskCount a, const TaskCount &b) {
    a.constant *= b.constant;
    a.factors.append(b.factors.begin(), b.factors.end());
    return a;
  }

  bool isStatic() const { return factors.empty(); }
  /// The number, with `sizes` of the slots.
  int64_t count(llvm::ArrayRef<int64_t> sizes = {}) const;
};
/// "4", "ceil(?0*3/16)", "4*ceil(?1/8)".
std::string print(const TaskCount &);

} // namespace tern::cpu
#endif
