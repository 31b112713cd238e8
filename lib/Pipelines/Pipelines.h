//===- Pipelines.h - the stages of a compilation as passes -----------------===//
#ifndef TERN_PIPELINES_PIPELINES_H
#define TERN_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"

namespace tern {

/// nn as imported -> shapes known, batch norms in weights, activations raised, N2.
void buildPrepare(mlir::OpPassManager &pm);
/// nn with tern.choice -> QDQ form.
void buildQuantize(mlir::OpPassManager &pm);
/// QDQ form -> fused ops.
void buildFuse(mlir::OpPassManager &pm);
/// Weights become codes, constant expressions are computed. keepSources: the blobs of the weights are still read by
/// another module.
void buildEncode(mlir::OpPassManager &pm, bool keepSources = false);
/// One function a kernel.
void buildOutline(mlir::OpPassManager &pm);

/// Registers tern-quantize and tern-compile-cpu.
void registerPipelines();

} // namespace tern
#endif
