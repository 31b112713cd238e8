// Runs a function twice, by lib/Reference and through tern-to-linalg, bufferization and the JIT, and compares the
// results.
#ifndef TERN_TEST_UNIT_TOLINALG_HARNESS_H
#define TERN_TEST_UNIT_TOLINALG_HARNESS_H

#include "test/unit/Numbers.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"

namespace tern::test {

class ToLinalgTest : public testing::Test, protected RandomTensors {
protected:
  ToLinalgTest();

  /// Checks @main of a module on random inputs: integers bit by bit, floats within `tolerance` of the largest
  /// magnitude.
  void check(llvm::StringRef module, double tolerance = 2e-6);
  /// Checks one op: `op` on %0, %1, ... of these types.
  void checkOp(llvm::StringRef op, llvm::ArrayRef<llvm::StringRef> operands, llvm::StringRef result,
               double tolerance = 2e-6);

private:
  mlir::MLIRContext context;
};

} // namespace tern::test
#endif
