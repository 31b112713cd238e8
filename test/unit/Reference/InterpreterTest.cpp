#include "Harness.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace tern::reference;

namespace {
using RefValue = tern::reference::Value;
using InterpreterTest = ReferenceTest;

constexpr const char *kCalls = R"(
  ml_program.global private @w(dense<[10.0, 20.0]> : tensor<2xf32>) : tensor<2xf32>
  func.func private @k(%x: tensor<2xf32>, %w: tensor<2xf32>) -> tensor<2xf32> {
    %0 = nn.binary add %x, %w {name = "add"} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    return %0 : tensor<2xf32>
  }
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %w = ml_program.global_load_const @w : tensor<2xf32>
    %0 = tern.call @k(%x, %w) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %1 = func.call @k(%0, %w) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    return %1 : tensor<2xf32>
  })";

TEST_F(InterpreterTest, CallsAndGlobals) {
  auto result = runModule(kCalls, {tensor("tensor<2xf32>", {1, 2})});
  ASSERT_EQ(result.size(), 1u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({21, 42}));
}

TEST_F(InterpreterTest, ObserverSeesInnerOps) {
  auto module = parseSourceString<ModuleOp>(kCalls, &context);
  Interpreter interpreter(*module);
  std::vector<std::string> seen;
  interpreter.setObserver(
      [&](Operation *op, ArrayRef<RefValue> results) { seen.push_back(op->getName().getStringRef().str()); });
  ASSERT_TRUE(succeeded(interpreter.run("main", RefValue(tensor("tensor<2xf32>", {1, 2})))));
  EXPECT_EQ(seen, std::vector<std::string>(
                      {"ml_program.global_load_const", "nn.binary", "tern.call", "nn.binary", "func.call"}));
}

TEST_F(InterpreterTest, WrongInputs) {
  EXPECT_EQ(errorOf([&] { runModule(kCalls, {}); }), "'func.func' op has 1 arguments; given are 0");
  EXPECT_EQ(errorOf([&] {
              runModule(kCalls, {tensor("tensor<3xf32>", {1, 2, 3})});
            }),
            "'func.func' op has argument 0 of type 'tensor<2xf32>'; given is 'tensor<3xf32>'");
}

TEST_F(InterpreterTest, UnknownOpsInOneMessage) {
  EXPECT_EQ(errorOf([&] {
              runModule(R"(func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
                %0 = nn.onnx "Foo"(%x) {attrs = {}} : (tensor<2xf32>) -> tensor<2xf32>
                %1 = nn.onnx "Bar"(%0) {attrs = {}} : (tensor<2xf32>) -> tensor<2xf32>
                %2 = nn.onnx "Foo"(%1) {attrs = {}} : (tensor<2xf32>) -> tensor<2xf32>
                return %2 : tensor<2xf32>
              })",
                        {tensor("tensor<2xf32>", {1, 2})});
            }),
            "3 ops cannot be evaluated: 2 x Foo, 1 x Bar; --inputs and --outputs cut them off");
}

TEST_F(InterpreterTest, ResourceIsBorrowed) {
  alignas(8) static const float data[] = {1, 2, 3};
  auto blob = UnmanagedAsmResourceBlob::allocateInferAlign(ArrayRef<float>(data));
  auto attr = DenseResourceElementsAttr::get(type("tensor<3xf32>"), "w", std::move(blob));
  auto emitError = [&] { return mlir::emitError(UnknownLoc::get(&context)); };
  FailureOr<Tensor> tensor = fromAttr(attr, emitError);
  ASSERT_TRUE(succeeded(tensor));
  EXPECT_EQ(static_cast<const void *>(tensor->bytes().data()), static_cast<const void *>(data));
}

TEST_F(InterpreterTest, ResourceOfWrongSize) {
  static const float data[] = {1, 2, 3};
  auto blob = UnmanagedAsmResourceBlob::allocateInferAlign(ArrayRef<float>(data));
  auto attr = DenseResourceElementsAttr::get(type("tensor<4xf32>"), "v", std::move(blob));
  EXPECT_EQ(errorOf([&] { (void)fromAttr(attr, [&] { return mlir::emitError(UnknownLoc::get(&context)); }); }),
            "resource \"v\" has 12 bytes; 'tensor<4xf32>' has 16");
}

TEST_F(InterpreterTest, AttributesRoundTrip) {
  for (const char *text :
       {"dense<[true, false, true]> : tensor<3xi1>", "dense<true> : tensor<9xi1>", "dense<[-1, 2]> : tensor<2xi4>",
        "dense<[200, 2]> : tensor<2xui8>", "dense<3> : tensor<2x2xi64>", "dense<[1.5, -2.0]> : tensor<2xf16>",
        "dense<[1.5, -2.0]> : tensor<2xbf16>", "dense<[1.5, -2.0]> : tensor<2xf8E4M3FN>", "dense<0.25> : tensor<3xf64>",
        "dense<[]> : tensor<0xf32>"}) {
    auto attr = cast<ElementsAttr>(parseAttribute(text, &context));
    FailureOr<Tensor> tensor = fromAttr(attr, [&] { return mlir::emitError(UnknownLoc::get(&context)); });
    ASSERT_TRUE(succeeded(tensor)) << text;
    EXPECT_EQ(toAttr(*tensor), attr) << text;
  }
}

TEST_F(InterpreterTest, FoldConstants) {
  auto module = parseSourceString<ModuleOp>(R"(
    func.func @main(%x: tensor<2xi64>) {
      %a = arith.constant dense<[1, 2]> : tensor<2xi64>
      %0 = nn.binary mul %a, %a : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
      %1 = nn.binary mul %a, %x : (tensor<2xi64>, tensor<2xi64>) -> tensor<2xi64>
      %s = arith.constant dense<1> : tensor<1xi64>
      %2 = nn.expand %s : (tensor<1xi64>) -> tensor<8193xi64>
      %i = arith.constant dense<7> : tensor<1xi64>
      %3 = nn.gather %a, %i {axis = 0 : i64} : (tensor<2xi64>, tensor<1xi64>) -> tensor<1xi64>
      return
    })",
                                            &context);
  SmallVector<Operation *> ops;
  module->walk([&](Operation *op) {
    if (isa<tern::nn::NNDialect>(op->getDialect()))
      ops.push_back(op);
  });
  auto folded = foldConstants(ops[0]);
  ASSERT_TRUE(folded.has_value());
  EXPECT_EQ((*folded)[0], parseAttribute("dense<[1, 4]> : tensor<2xi64>", &context));
  EXPECT_FALSE(foldConstants(ops[1]).has_value()) << "an operand is no constant";
  EXPECT_FALSE(foldConstants(ops[2]).has_value()) << "65544 bytes";
  EXPECT_EQ(errorOf([&] { EXPECT_FALSE(foldConstants(ops[3]).has_value()); }), "")
      << "silent when it cannot be evaluated";
}
} // namespace
