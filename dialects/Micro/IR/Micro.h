//===- Micro.h - the micro dialect ----------------------------------------===//
#ifndef TERN_DIALECTS_MICRO_IR_MICRO_H
#define TERN_DIALECTS_MICRO_IR_MICRO_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

// clang-format off
#include "dialects/Micro/IR/MicroDialect.h.inc"
#include "dialects/Micro/IR/MicroEnums.h.inc"
#define GET_OP_CLASSES
#include "dialects/Micro/IR/MicroOps.h.inc"
// clang-format on

#endif
