//===- Micro.cpp - the micro dialect: registration and verifiers ----------===//
#include "dialects/Micro/IR/Micro.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tern::micro;

// clang-format off
#include "dialects/Micro/IR/MicroDialect.cpp.inc"
#include "dialects/Micro/IR/MicroEnums.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Micro/IR/MicroOps.cpp.inc"
// clang-format on

void MicroDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Micro/IR/MicroOps.cpp.inc"
      >();
}

LogicalResult Dot4Op::verify() {
  // micro_m1
  int64_t lanes = getAcc().getType().getDimSize(0), bytes = getUnsigned_().getType().getDimSize(0);
  if (bytes != 4 * lanes)
    return emitOpError("multiplies ") << bytes << " bytes into " << lanes << " lanes; " << lanes << " lanes take "
                                      << 4 * lanes << " bytes";
  return success();
}

LogicalResult FieldOp::verify() {
  // micro_m2
  int64_t lsb = getLsb(), bits = getBits();
  if (bits < 1 || lsb < 0 || lsb + bits > 8)
    return emitOpError("takes bits [") << lsb << ", " << lsb + bits << ") of a byte; a byte has the bits [0, 8)";
  // micro_m3
  int64_t bytes = getBytes().getType().getDimSize(0);
  if (bytes % 2)
    return emitOpError("has ") << bytes << " bytes; their number must be even";
  return success();
}
