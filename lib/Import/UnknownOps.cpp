#include "dialects/NN/IR/NN.h"
#include "lib/Import/Import.h"

namespace tern {

mlir::LogicalResult reportUnknownOps(mlir::ModuleOp module) { return nn::verifyNoUnknownOps(module, "compiled"); }

} // namespace tern
