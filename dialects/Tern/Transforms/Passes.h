//===- Passes.h - passes that consume tern --------------------------------===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_PASSES_H
#define TERN_DIALECTS_TERN_TRANSFORMS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace tern {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "dialects/Tern/Transforms/Passes.h.inc"

/// What tern-to-linalg does, below `root`: a module, or a function whose callees need no change. Reports what cannot be lowered.
llvm::LogicalResult lowerToLinalg(mlir::Operation *root, bool keepSizes = false);
} // namespace tern
#endif
