#include "Harness.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;

namespace tern::test {

// Bare pointers: arguments, then results.
static constexpr const char *kPipeline =
    "one-shot-bufferize{bufferize-function-boundaries=1 function-boundary-type-conversion=identity-layout-map},"
    "buffer-results-to-out-params{modify-public-functions=1 add-result-attr=0},"
    "convert-linalg-to-loops,expand-strided-metadata,lower-affine,convert-scf-to-cf,"
    "arith-expand{include-bf16=true},convert-math-to-llvm,convert-math-to-libm,arith-expand{include-bf16=true},convert-"
    "arith-to-llvm,"
    "finalize-memref-to-llvm,convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},convert-cf-to-llvm,convert-index-to-"
    "llvm,"
    "reconcile-unrealized-casts";

ToLinalgTest::ToLinalgTest() {
  static bool once = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    registerAllPasses();
    return true;
  }();
  (void)once;
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registry.insert<nn::NNDialect, TernDialect>();
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
}

void ToLinalgTest::check(StringRef text, double tolerance) {
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module) << text.str();
  auto main = module->lookupSymbol<func::FuncOp>("main");
  SmallVector<reference::Value> inputs;
  for (Type type : main.getArgumentTypes())
    inputs.push_back(randomTensor(cast<RankedTensorType>(type)));
  auto expected = reference::Interpreter(*module).run("main", inputs);
  ASSERT_TRUE(succeeded(expected)) << text.str();

  ASSERT_TRUE(succeeded(lowerToLinalg(*module))) << text.str();
  std::string lowered;
  llvm::raw_string_ostream(lowered) << *module;
  ASSERT_TRUE(succeeded(verify(*module))) << lowered;
  PassManager pm(&context);
  ASSERT_TRUE(succeeded(parsePassPipeline(kPipeline, pm)));
  ASSERT_TRUE(succeeded(pm.run(*module))) << lowered;

  ExecutionEngineOptions options;
  StringRef libraries[] = {TERN_RUNNER_UTILS};
  options.sharedLibPaths = libraries;
  auto engine = ExecutionEngine::create(*module, options);
  ASSERT_TRUE(bool(engine)) << llvm::toString(engine.takeError());
  SmallVector<reference::Tensor> results;
  SmallVector<void *> pointers;
  for (const reference::Value &input : inputs)
    pointers.push_back(const_cast<char *>(reference::asTensor(input).bytes().data()));
  for (const reference::Value &value : *expected) {
    results.push_back(reference::Tensor(reference::asTensor(value).getType()));
    pointers.push_back(results.back().mutableData().data());
  }
  SmallVector<void *> arguments;
  for (void *&pointer : pointers)
    arguments.push_back(&pointer);
  llvm::Error error = (*engine)->invokePacked("main", arguments);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  SCOPED_TRACE(text.str());
  for (auto [want, have] : llvm::zip(*expected, results))
    expectClose(reference::asTensor(want), have, tolerance);
}

void ToLinalgTest::checkOp(StringRef op, ArrayRef<StringRef> operands, StringRef result, double tolerance) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "func.func @main(";
  for (auto [i, type] : llvm::enumerate(operands))
    os << (i ? ", " : "") << "%" << i << ": " << type;
  os << ") -> " << result << " {\n  %r = " << op << " : (" << llvm::join(operands, ", ") << ") -> " << result
     << "\n  return %r : " << result << "\n}";
  check(text, tolerance);
}

} // namespace tern::test
