// Lowers a kernel function over open sizes through portable.linalg, runs it at every instruction set of this machine with several
// sizes, and compares with lib/Reference at those sizes.
#ifndef TERN_TEST_UNIT_PORTABLE_HARNESS_H
#define TERN_TEST_UNIT_PORTABLE_HARNESS_H

#include "test/unit/Numbers.h"
#include "mlir/IR/MLIRContext.h"
#include <map>

namespace tern::test {

class PortableTest : public testing::Test, protected RandomTensors {
protected:
  PortableTest();

  using Sizes = std::map<std::string, int64_t>;
  /// `body`: ops on %0, %1, ... that end in `return`; types may have {name} for a size, and stand for what `sizes` says. Each entry
  /// of `runs` is one run of the same code. Integers agree bit by bit, floats within `tolerance` of the largest.
  void check(llvm::StringRef body, llvm::ArrayRef<llvm::StringRef> operands, llvm::ArrayRef<llvm::StringRef> results,
             llvm::ArrayRef<Sizes> runs, double tolerance = 2e-6);
  /// One op with one result.
  void checkOp(llvm::StringRef op, llvm::ArrayRef<llvm::StringRef> operands, llvm::StringRef result, llvm::ArrayRef<Sizes> runs,
               double tolerance = 2e-6);
  /// How many kernels, and the largest number of tasks of one, the last check had.
  size_t kernels = 0;
  int64_t mostTasks = 0;

private:
  mlir::MLIRContext context;
};

} // namespace tern::test
#endif
