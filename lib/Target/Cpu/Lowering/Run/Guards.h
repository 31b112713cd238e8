//===- Guards.h - what cpu-guard-calls writes into the IR -------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_RUN_GUARDS_H
#define TERN_TARGET_CPU_LOWERING_RUN_GUARDS_H

#include "llvm/ADT/StringRef.h"

namespace tern::cpu {

/// On an op, one entry a result: the number of the condition that it is; 0: it is none. Each block counts on its own.
constexpr llvm::StringLiteral kConditionAttr = "cpu.conditions";
/// On @main or a loop: the same of the arguments of its body.
constexpr llvm::StringLiteral kArgumentConditionsAttr = "cpu.argument_conditions";
/// On a call: numbers of the conditions under which it runs, negative where they have to be false. All must hold.
constexpr llvm::StringLiteral kGuardAttr = "cpu.guard";
/// On the call of a selection by one truth value: the operands that are the condition and the two sides. `cpu.embedded` says
/// which sides are computed at the place of the result; the others are copied when they are taken.
constexpr llvm::StringLiteral kBranchAttr = "cpu.branch";

} // namespace tern::cpu
#endif
