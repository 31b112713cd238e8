//===- Passes.h - passes of the micro dialect -----------------------------===//
#ifndef TERN_DIALECTS_MICRO_TRANSFORMS_PASSES_H
#define TERN_DIALECTS_MICRO_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace tern::micro {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "dialects/Micro/Transforms/Passes.h.inc"
} // namespace tern::micro
#endif
