//===- quant-opt.cpp - mlir-opt with Tern's dialects and passes -----------===//
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "tern/Register.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  tern::registerAll(registry);
  mlir::registerAllPasses();
  tern::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Tern optimizer driver\n", registry));
}
