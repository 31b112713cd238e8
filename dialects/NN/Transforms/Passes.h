//===- Passes.h - passes that consume nn ----------------------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_PASSES_H
#define TERN_DIALECTS_NN_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace tern::nn {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn
#endif
