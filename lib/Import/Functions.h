// Functions that a model defines itself.
#ifndef TERN_IMPORT_FUNCTIONS_H
#define TERN_IMPORT_FUNCTIONS_H

#include "OnnxProto.h"
#include "mlir/IR/Diagnostics.h"

namespace tern::importer {

/// The oldest version of ai.onnx that is read.
constexpr int64_t kOldestOpset = 7;

/// Replaces calls of model-local functions by their bodies, names prefixed by that of the call: in the main graph, in the
/// bodies of If, Loop and Scan, and in other functions. Nodes of a function that is written for another version of ai.onnx
/// than the model keep it (versionOf). A call stays when the function needs another version of another operator set. Calls
/// nested deeper than 32 levels (also recursive ones) and bodies of more than 2^20 nodes together are errors.
mlir::LogicalResult inlineFunctions(onnx::ModelProto &model, mlir::Location loc);

/// The version of ai.onnx that a node out of a function was written for; 0: that of the model.
int64_t versionOf(const onnx::NodeProto &node);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_FUNCTIONS_H
