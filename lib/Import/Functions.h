// Functions that a model defines itself.
#ifndef TERN_LIB_IMPORT_FUNCTIONS_H
#define TERN_LIB_IMPORT_FUNCTIONS_H

#include "OnnxProto.h"
#include "mlir/IR/Diagnostics.h"

namespace tern::importer {

/// Replaces calls of model-local functions in the main graph by their bodies, names prefixed by that of the call. A
/// call stays when the function needs another version of an operator set than the model. Calls nested deeper than 32
/// levels (also recursive ones) and bodies of more than 2^20 nodes together are errors.
mlir::LogicalResult inlineFunctions(onnx::ModelProto &model, mlir::Location loc);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_FUNCTIONS_H
