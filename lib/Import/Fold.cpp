#include "lib/Import/Fold.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "lib/Reference/Reference.h"

using namespace mlir;

namespace tern::importer {

DenseElementsAttr foldSmall(Operation *op) {
  if (!isa<nn::NNDialect>(op->getDialect()) || isa<nn::OnnxOp>(op) || op->getNumResults() != 1)
    return {};
  // A splat may claim any size: only constants that are small when written out are evaluated.
  for (Value operand : op->getOperands()) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type || !type.hasStaticShape() || type.getNumElements() > nn::kMaxFoldBytes)
      return {};
  }
  std::optional<SmallVector<Attribute>> results = reference::foldConstants(op);
  return results ? dyn_cast<DenseElementsAttr>(results->front()) : DenseElementsAttr();
}

} // namespace tern::importer
