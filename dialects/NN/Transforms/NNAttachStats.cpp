//===- NNAttachStats.cpp - probes become observed ranges ------------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/NN/Transforms/Planning.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNATTACHSTATS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

namespace {
struct NNAttachStats : tern::nn::impl::NNAttachStatsBase<NNAttachStats> {
  using NNAttachStatsBase::NNAttachStatsBase;

  void runOnOperation() override {
    func::FuncOp function = mainFunction(getOperation());
    if (!function)
      return;
    if (stats.empty()) {
      getOperation().emitError("nn-attach-stats needs a file: nn-attach-stats{stats=FILE.json}");
      return signalPassFailure();
    }
    auto buffer = llvm::MemoryBuffer::getFile(stats, /*IsText=*/true);
    if (!buffer) {
      getOperation().emitError() << "cannot read " << stats << ": " << buffer.getError().message();
      return signalPassFailure();
    }
    llvm::Expected<llvm::json::Value> root = llvm::json::parse((*buffer)->getBuffer());
    const llvm::json::Object *ranges = root ? root->getAsObject() : nullptr;
    if (!ranges) {
      getOperation().emitError() << stats << " is no JSON object of ranges"
                                 << (root ? "" : ": " + toString(root.takeError()));
      return signalPassFailure();
    }
    attachRanges(function, [&](StringRef probe) -> std::optional<ObservedRange> {
      const llvm::json::Object *range = ranges->getObject(probe);
      if (!range)
        return std::nullopt;
      std::optional<double> min = range->getNumber("min"), max = range->getNumber("max");
      return ObservedRange{min.value_or(0), max.value_or(0), range->getNumber("lo").value_or(min.value_or(0)),
                           range->getNumber("hi").value_or(max.value_or(0))};
    });
  }
};
} // namespace
