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
    InFlightDiagnostic diag = op->emitOpError("is named \"")
                              << name.getValue() << "\" like another op; names are unique in a module (add a suffix)";
    diag.attachNote(owner->second->getLoc()) << "the other op is here";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

LogicalResult verifyNoUnknownOps(Operation *root, StringRef what) {
  struct Kind {
    int64_t count = 0;
    OnnxOp first;
  };
  llvm::MapVector<StringAttr, Kind> kinds;
  // Ops that are only here because a shape in front of them is unknown come as a number.
  int64_t total = 0, followers = 0;
  root->walk([&](OnnxOp op) {
    if (op->hasAttr("tern.follows")) {
      ++followers;
      return;
    }
    std::string label = op.getDomain().empty() ? op.getOpType().str() : (op.getDomain() + "." + op.getOpType()).str();
    if (auto reason = op->getAttrOfType<StringAttr>("tern.reason"))
      label += (" because " + reason.getValue()).str();
    Kind &kind = kinds[StringAttr::get(root->getContext(), label)];
    if (kind.count++ == 0)
      kind.first = op;
    ++total;
  });
  if (kinds.empty())
    return success();
  InFlightDiagnostic diag = emitError(kinds.front().second.first.getLoc());
  diag << total << (total == 1 ? " op" : " ops") << " cannot be " << what << ": ";
  llvm::interleaveComma(kinds, diag, [&](const auto &entry) {
    diag << entry.second.count << " x " << entry.first.getValue();
    OnnxOp first = entry.second.first;
    if (auto name = first.getNameAttr())
      diag << " (first: " << name.getValue() << ")";
  });
  if (followers)
    diag << "; " << followers << (followers == 1 ? " op" : " ops") << " behind them";
  return diag << "; --inputs and --outputs cut them off";
}

} // namespace tern::nn
