// Runs a function twice, by lib/Reference and through tern-to-linalg, bufferization and the JIT, and compares the
// results.
#ifndef TERN_TEST_UNIT_TOLINALG_HARNESS_H
#define TERN_TEST_UNIT_TOLINALG_HARNESS_H

#include "lib/Reference/Reference.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <random>

namespace tern::test {

class ToLinalgTest : public testing::Test {
protected:
  ToLinalgTest();

  /// Checks @main of a module on random inputs: integers bit by bit, floats within `tolerance` of the largest
  /// magnitude.
  void check(llvm::StringRef module, double tolerance = 2e-6);
  /// Checks one op: `op` on %0, %1, ... of these types.
  void checkOp(llvm::StringRef op, llvm::ArrayRef<llvm::StringRef> operands, llvm::StringRef result,
               double tolerance = 2e-6);

  /// Inputs are drawn from here; floats from [low, high].
  std::mt19937 random{1};
  double low = -4, high = 4;

private:
  reference::Tensor randomTensor(mlir::RankedTensorType type);
  mlir::MLIRContext context;
};

} // namespace tern::test
#endif
