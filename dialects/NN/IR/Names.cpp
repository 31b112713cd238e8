//===- Names.cpp - rule N1 ------------------------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace tern::nn {

LogicalResult verifyNames(Operation *root) { // nn_n1
  llvm::StringMap<Operation *> owners;
  WalkResult result = root->walk([&](Operation *op) {
    if (!isa_and_nonnull<NNDialect>(op->getDialect()) && op->getName().getDialectNamespace() != "tern")
      return WalkResult::advance();
    auto name = op->getAttrOfType<StringAttr>("name");
    if (!name)
      return WalkResult::advance();
    if (name.getValue().empty()) {
      op->emitOpError("has an empty name; leave the attribute out or make it unique in the module");
      return WalkResult::interrupt();
    }
    auto [owner, isNew] = owners.try_emplace(name.getValue(), op);
    if (isNew)
      return WalkResult::advance();
    op->emitOpError("is named \"") << name.getValue()
                                   << "\" like another op; names are unique in a module (add a suffix)";
    owner->second->emitRemark("the other op is here");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

} // namespace tern::nn
