//===- Passes.h - passes of lib/Export --------------------------------------===//
#ifndef TERN_EXPORT_PASSES_H
#define TERN_EXPORT_PASSES_H
#include "mlir/Pass/Pass.h"

namespace mlir {
class ModuleOp;
}
namespace tern::exporter {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "lib/Export/Passes.h.inc"
} // namespace tern::exporter
#endif
