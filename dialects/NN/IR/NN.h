//===- NN.h - the nn dialect: what to compute -----------------------------===//
#ifndef TERN_DIALECTS_NN_IR_NN_H
#define TERN_DIALECTS_NN_IR_NN_H

#include "dialects/NN/IR/SizeExpr.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace tern::nn {
class SizeAnalysis;
class SizeTable;

/// What an operand is to quantization.
struct OperandRole {
  enum Kind { Activation, Weight, Bias } kind;
  unsigned operand;                        ///< index of the operand
  llvm::SmallVector<int64_t, 4> reduction; ///< axes of the operand that are summed over
  int64_t channel = -1;                    ///< axis of the output channels (weight, bias), -1: none
};
} // namespace tern::nn

// clang-format off
#include "dialects/NN/IR/NNDialect.h.inc"
#include "dialects/NN/IR/NNEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/NN/IR/NNAttributes.h.inc"
#include "dialects/NN/IR/NNInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.h.inc"
// clang-format on

namespace tern::nn {
/// Rule N1: reports the first `name` of an nn or tern op below `root` that is empty or given twice.
llvm::LogicalResult verifyNames(mlir::Operation *root);

/// Reports nn.onnx ops below `root`, if there are any, in one error: all kinds with their counts, the first of each by name
/// and, if the importer recorded one (`tern.reason`), why. Ops that follow from another (`tern.follows`) are only counted.
/// `what` completes "cannot be ...": "lowered", "evaluated".
llvm::LogicalResult verifyNoUnknownOps(mlir::Operation *root, llvm::StringRef what);
} // namespace tern::nn

#endif
