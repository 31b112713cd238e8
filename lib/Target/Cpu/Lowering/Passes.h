//===- Passes.h - passes of the CPU target --------------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_PASSES_H
#define TERN_TARGET_CPU_LOWERING_PASSES_H
#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
}
namespace tern::cpu {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lib/Target/Cpu/Lowering/Passes.h.inc"
} // namespace tern::cpu
#endif
