//===- Artifact.h - the outlined module becomes a folder --------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_ARTIFACT_ARTIFACT_H
#define TERN_TARGET_CPU_LOWERING_ARTIFACT_ARTIFACT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include <string>
#include <vector>

namespace tern::cpu {

struct ArtifactOptions {
  std::string out;                      ///< folder, e.g. resnet18.tern; replaced as a whole when everything is written
  std::string name;                     ///< of the model; any text, becomes a C identifier
  std::string isas = "portable,avx2,avx512vnni";
  unsigned jobs = 2;                    ///< threads of code generation
  std::vector<std::pair<std::string, std::string>> files; ///< further files of the folder: name, contents
  bool object = false;                  ///< also keep model.o, the relocatable object of everything
};

/// What keeps `folder` from being replaced by a program: a file that no program has; "" when it holds an earlier program, or nothing.
std::string foreignFile(llvm::StringRef folder);

/// cpu-assign-layouts (without it: it has run), cpu-emit-kernels, cpu-plan-memory.
void buildCpuPipeline(mlir::OpPassManager &pm, const std::string &isas, bool layouts = true);

/// Writes manifest.json, model.h, libmodel.so, weights.bin and `files` from a module after buildCpuPipeline (which it consumes). The folder is
/// written beside `out` and renamed: after a failure nothing is left. Errors are reported at the module.
mlir::LogicalResult writeArtifact(mlir::ModuleOp module, const ArtifactOptions &options);

/// The two together, from the outlined module.
mlir::LogicalResult emitCpuArtifact(mlir::ModuleOp outlined, const ArtifactOptions &options);

} // namespace tern::cpu
#endif
