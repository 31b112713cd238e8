//===- Checks.cpp - checks of whole modules -------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "llvm/ADT/MapVector.h"
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

LogicalResult verifyNoUnknownOps(Operation *root, StringRef what) {
  llvm::MapVector<StringRef, SmallVector<Operation *>> kinds;
  root->walk([&](OnnxOp op) { kinds[op.getOpType()].push_back(op); });
  if (kinds.empty())
    return success();
  Operation *first = kinds.front().second.front();
  size_t count = 0;
  for (const auto &[kind, ops] : kinds)
    count += ops.size();
  InFlightDiagnostic diag = first->emitError();
  diag << count << (count == 1 ? " op is" : " ops are") << " unknown to Tern and cannot be " << what << ": ";
  llvm::interleaveComma(kinds, diag, [&](const auto &entry) { diag << entry.first << " x" << entry.second.size(); });
  for (const auto &[kind, ops] : kinds)
    diag.attachNote(ops.front()->getLoc()) << "first " << kind;
  return diag;
}

} // namespace tern::nn
