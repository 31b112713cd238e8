//===- Register.cpp - dialects and passes of Tern -------------------------===//
#include "tern/Register.h"
#include "dialects/Micro/IR/Micro.h"
#include "dialects/Micro/Transforms/Passes.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Export/Passes.h"
#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Dialect/Vector/Transforms/BufferizableOpInterfaceImpl.h"

using namespace mlir;

void tern::registerAll(DialectRegistry &registry) {
  registry.insert<nn::NNDialect, TernDialect, micro::MicroDialect>();
  registry.insert<arith::ArithDialect, bufferization::BufferizationDialect, cf::ControlFlowDialect, func::FuncDialect,
                  linalg::LinalgDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
                  ml_program::MLProgramDialect, scf::SCFDialect, tensor::TensorDialect, vector::VectorDialect>();
  // The portable route bufferizes (lib/Target/Cpu/Lowering/Portable/Portable.cpp).
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  vector::registerBufferizableOpInterfaceExternalModels(registry);
}

void tern::registerPasses() {
  nn::registerNNPasses();
  registerTernPasses();
  micro::registerMicroPasses();
  cpu::registerCpuPasses();
  exporter::registerExportPasses();
  registerPipelines();
}
