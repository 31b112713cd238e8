//===- Tern.h - the tern dialect: quantized values ------------------------===//
#ifndef TERN_DIALECTS_TERN_IR_TERN_H
#define TERN_DIALECTS_TERN_IR_TERN_H

#include "lib/Formats/Format.h"
#include "lib/Formats/Layouts/Layout.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

// clang-format off
#include "dialects/Tern/IR/TernDialect.h.inc"
#include "dialects/Tern/IR/TernEnums.h.inc"
#include "dialects/Tern/IR/TernInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tern/IR/TernAttributes.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Tern/IR/TernTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Tern/IR/TernOps.h.inc"
// clang-format on

namespace tern {
/// The element of lib/Formats that a builtin type or an attribute with ElementInterface spells; nullopt when it is none.
std::optional<Element> elementOf(mlir::Attribute elem);
std::optional<Element> elementOf(mlir::Type type);
/// The attribute (TypeAttr or tern attribute) and the type of a plain element.
mlir::Attribute attrOf(mlir::MLIRContext *context, const Element &element);
mlir::Type typeOf(mlir::MLIRContext *context, const Element &element);
} // namespace tern

#endif
