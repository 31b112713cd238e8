#include "lib/Import/Fold.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace tern::importer {

DenseElementsAttr foldSmall(Operation *op) {
  if (!isa<nn::NNDialect>(op->getDialect()) || isa<nn::OnnxOp>(op) || op->getNumResults() != 1 ||
      op->getNumOperands() == 0)
    return {};
  auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (!type || !type.hasStaticShape() || !type.getElementType().isIntOrFloat() ||
      type.getNumElements() > nn::kMaxFoldBytes / nn::elementBytes(type.getElementType()))
    return {};
  if (!llvm::all_of(op->getOperands(), [](Value v) { return matchPattern(v, m_Constant()); }))
    return {};
  return {};
}

} // namespace tern::importer
