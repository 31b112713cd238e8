//===- quant-opt.cpp - mlir-opt with Tern's dialects and passes -----------===//
#include "dialects/NN/IR/NN.h"
#ifdef TERN_HAS_TERN_IR
#include "dialects/Tern/IR/Tern.h"
#endif
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<tern::nn::NNDialect>();
#ifdef TERN_HAS_TERN_IR
  registry.insert<tern::TernDialect>();
#endif
  mlir::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tern optimizer driver\n", registry));
}
