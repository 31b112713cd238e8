// Every function of test/dialects/NN/nn-raise*.mlir gives the same numbers before and after the pass.
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Passes.h"
#include "lib/Reference/Reference.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace tern;

namespace {
class RaiseTest : public testing::TestWithParam<const char *> {
protected:
  RaiseTest() { context.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, ml_program::MLProgramDialect>(); }

  /// Sizes that are not known are 3, and equal ones agree.
  static RankedTensorType known(RankedTensorType type) {
    SmallVector<int64_t> shape(type.getShape());
    for (int64_t &size : shape)
      size = ShapedType::isDynamic(size) ? 3 : size;
    return type.clone(shape);
  }

  reference::Value random(RankedTensorType type) {
    bool isFloat = isa<FloatType>(type.getElementType());
    std::vector<double> values(type.getNumElements());
    for (double &value : values)
      value = isFloat ? double(generator() >> 8) / double(1u << 23) - 0.8 : double(generator() & 1);
    return reference::fromReals(type, values);
  }

  static std::vector<double> numbers(ModuleOp module, func::FuncOp function, ArrayRef<reference::Value> inputs) {
    auto results = reference::Interpreter(module).run(function, inputs);
    EXPECT_TRUE(succeeded(results)) << function.getSymName().str();
    std::vector<double> all;
    if (succeeded(results))
      for (const reference::Value &value : *results)
        llvm::append_range(all, reference::toReals(reference::asTensor(value)));
    return all;
  }

  void run(ModuleOp module, void (*build)(OpPassManager &)) {
    PassManager pm(&context);
    build(pm);
    ASSERT_TRUE(succeeded(pm.run(module)));
  }

  MLIRContext context;
  std::mt19937 generator{7};
};

TEST_P(RaiseTest, SameNumbers) {
  std::string path = std::string(TERN_LIT_FOLDER "/NN/") + GetParam();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(path, &context);
  ASSERT_TRUE(module);
  int count = 0;
  // The sizes are bound first: only values of known size can be run.
  for (func::FuncOp function : llvm::make_early_inc_range(module->getOps<func::FuncOp>())) {
    SmallVector<Type> types;
    for (BlockArgument argument : function.getArguments()) {
      argument.setType(known(cast<RankedTensorType>(argument.getType())));
      types.push_back(argument.getType());
    }
    SmallVector<Type> results(function.getResultTypes());
    function.walk([&](Operation *op) {
      for (Value result : op->getResults())
        if (auto type = dyn_cast<RankedTensorType>(result.getType()))
          result.setType(known(type));
      if (isa<func::ReturnOp>(op))
        results.assign(op->operand_type_begin(), op->operand_type_end());
    });
    function.setType(FunctionType::get(&context, types, results));
  }
  OwningOpRef<ModuleOp> raised = module->clone();
  run(*raised, [](OpPassManager &pm) { pm.nest<func::FuncOp>().addPass(nn::createNNRaise()); });
  for (func::FuncOp function : module->getOps<func::FuncOp>()) {
    SmallVector<reference::Value> inputs;
    for (Type type : function.getArgumentTypes())
      inputs.push_back(random(cast<RankedTensorType>(type)));
    std::vector<double> before = numbers(*module, function, inputs),
                        after = numbers(*raised, raised->lookupSymbol<func::FuncOp>(function.getSymName()), inputs);
    ASSERT_EQ(before.size(), after.size()) << function.getSymName().str();
    for (size_t i = 0; i < before.size(); ++i)
      if (!std::isnan(before[i])) // a row without keys: NaN without a guard, 0 as attention
        ASSERT_NEAR(before[i], after[i], 1e-5 * std::max(1.0, std::abs(before[i]))) << function.getSymName().str() << " " << i;
    ++count;
  }
  EXPECT_GT(count, 5);
}

INSTANTIATE_TEST_SUITE_P(Files, RaiseTest,
                         testing::Values("nn-raise-activations.mlir", "nn-raise-norm.mlir", "nn-raise-rope.mlir",
                                         "nn-raise-attention.mlir"));
} // namespace
