// Parses a function of the tern dialect and prints it back.
#include "dialects/Tern/IR/Tern.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"

int main() {
  mlir::DialectRegistry registry;
  registry.insert<tern::TernDialect, mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry);
  const char *text = R"(
    func.func @f(%x: !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<4x8xf32> {
      %y = tern.dequantize %x : (!tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<4x8xf32>
      return %y : tensor<4x8xf32>
    })";
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return 1;
  module->print(llvm::outs());
  return 0;
}
