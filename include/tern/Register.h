//===- Register.h - dialects and passes of Tern ---------------------------===//
#ifndef TERN_REGISTER_H
#define TERN_REGISTER_H

#include "mlir/IR/DialectRegistry.h"

namespace tern {

/// Adds the dialects nn, tern and micro, and every upstream dialect that Tern's passes create ops of.
void registerAll(mlir::DialectRegistry &registry);

/// Registers all passes and pipelines of Tern by their flags (not those of MLIR).
void registerPasses();

} // namespace tern
#endif
