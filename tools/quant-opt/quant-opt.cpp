//===- quant-opt.cpp - mlir-opt with Tern's dialects and passes -----------===//
#include "OnnxInput.h"
#include "lib/Target/Cpu/Table/FormatRows.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "tern/Register.h"
#include "llvm/Support/CommandLine.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  tern::registerAll(registry);
  mlir::registerAllPasses();
  tern::registerPasses();
  tern::registerOnnxOptions();
  llvm::cl::opt<bool> printKernels("tern-print-kernels",
                                   llvm::cl::desc("Print the kernel table of the CPU target and stop"));
  llvm::cl::opt<bool> printFormats("tern-print-formats",
                                   llvm::cl::desc("Print the number formats with their bits and kernels and stop"));
  auto [input, output] = mlir::registerAndParseCLIOptions(argc, argv, "Tern optimizer driver\n", registry);
  if (printKernels) {
    tern::cpu::printKernelTable(llvm::outs());
    return 0;
  }
  if (printFormats) {
    tern::cpu::printFormats(llvm::outs());
    return 0;
  }
  if (llvm::StringRef(input).ends_with_insensitive(".onnx"))
    return tern::runOnnx(input, output, registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
}
