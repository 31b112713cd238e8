#include "dialects/NN/IR/NN.h"
#include "lib/Import/Import.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern {

LogicalResult reportUnknownOps(ModuleOp module) {
  struct Kind {
    int64_t count = 0;
    nn::OnnxOp first;
  };
  llvm::MapVector<StringAttr, Kind> kinds;
  // Ops that are only here because a shape in front of them is unknown come as a number.
  int64_t total = 0, followers = 0;
  module.walk([&](nn::OnnxOp op) {
    if (op->hasAttr("tern.follows")) {
      followers++;
      return;
    }
    std::string label = op.getDomain().empty() ? op.getOpType().str() : (op.getDomain() + "." + op.getOpType()).str();
    if (auto reason = op->getAttrOfType<StringAttr>("tern.reason"))
      label += (" because " + reason.getValue()).str();
    Kind &kind = kinds[StringAttr::get(module.getContext(), label)];
    if (kind.count++ == 0)
      kind.first = op;
    total++;
  });
  if (kinds.empty())
    return success();
  auto diag = emitError(kinds.front().second.first.getLoc())
              << total << (total == 1 ? " op cannot" : " ops cannot") << " be compiled: ";
  llvm::interleaveComma(kinds, diag, [&](const auto &entry) {
    diag << entry.second.count << " x " << entry.first.getValue();
    nn::OnnxOp first = entry.second.first;
    if (auto name = first.getNameAttr())
      diag << " (first: " << name.getValue() << ")";
  });
  if (followers)
    diag << "; " << followers << (followers == 1 ? " op" : " ops") << " behind them";
  return diag << "; --inputs and --outputs cut them off";
}

} // namespace tern
