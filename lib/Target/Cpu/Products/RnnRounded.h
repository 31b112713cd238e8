//===- RnnRounded.h - an LSTM that rounds its state ------------------------===//
#ifndef TERN_TARGET_CPU_PRODUCTS_RNNROUNDED_H
#define TERN_TARGET_CPU_PRODUCTS_RNNROUNDED_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Emit.h"

namespace tern::cpu {

/// The body of a kernel of an RnnProblem with roundState; a task runs one direction.
void emitRounded(KernelBuilder &k, const RnnProblem &p);

} // namespace tern::cpu
#endif
