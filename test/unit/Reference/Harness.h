// Runs one op, written as in the IR, on values written in the test.
#ifndef TERN_TEST_UNIT_REFERENCE_HARNESS_H
#define TERN_TEST_UNIT_REFERENCE_HARNESS_H

#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Reference/Reference.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

namespace tern::reference {

class ReferenceTest : public testing::Test {
protected:
  ReferenceTest() {
    context.loadDialect<nn::NNDialect, TernDialect, mlir::func::FuncDialect, mlir::arith::ArithDialect,
                        mlir::ml_program::MLProgramDialect>();
  }

  mlir::RankedTensorType type(llvm::StringRef text) {
    return llvm::cast<mlir::RankedTensorType>(mlir::parseType(text, &context));
  }
  /// A tensor of any element type from numbers.
  Tensor tensor(llvm::StringRef typeText, llvm::ArrayRef<double> values) { return fromReals(type(typeText), values); }
  Tensor iota(llvm::StringRef typeText, double start = 0) {
    std::vector<double> values(type(typeText).getNumElements());
    std::iota(values.begin(), values.end(), start);
    return tensor(typeText, values);
  }

  /// "relu %0" style is not needed: `op` is the right side of one assignment on arguments %0, %1, ...; `result` its
  /// type.
  llvm::SmallVector<Value> run(llvm::StringRef op, llvm::ArrayRef<Tensor> inputs, llvm::StringRef result,
                               llvm::StringRef before = "") {
    std::string text;
    llvm::raw_string_ostream os(text);
    os << "func.func @main(";
    for (auto [i, input] : llvm::enumerate(inputs))
      os << (i ? ", " : "") << "%" << i << ": " << input.getType();
    os << ") -> " << result << " {\n" << before << "%r = " << op << "\nreturn %r : " << result << "\n}";
    return runModule(text, inputs);
  }
  llvm::SmallVector<Value> runModule(llvm::StringRef text, llvm::ArrayRef<Tensor> inputs) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    if (!module)
      return {};
    auto results = Interpreter(*module).run("main", llvm::SmallVector<Value>(inputs.begin(), inputs.end()));
    return succeeded(results) ? *results : llvm::SmallVector<Value>();
  }
  /// The result's elements as numbers; empty when the op does not run.
  std::vector<double> numbers(llvm::StringRef op, llvm::ArrayRef<Tensor> inputs, llvm::StringRef result,
                              llvm::StringRef before = "") {
    llvm::SmallVector<Value> values = run(op, inputs, result, before);
    return values.empty() ? std::vector<double>() : toReals(asTensor(values[0]));
  }
  /// The first error that `action` reports.
  template <typename Fn> std::string errorOf(Fn action) {
    std::string message;
    mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diag) {
      if (message.empty())
        message = diag.str();
      return mlir::success();
    });
    action();
    return message;
  }

  mlir::MLIRContext context;
};

using Numbers = std::vector<double>;

inline void expectNear(const Numbers &actual, const Numbers &expected, double tolerance = 1e-6) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << "element " << i;
}

} // namespace tern::reference
#endif
