//===- NNRaise.cpp - forms spelled out in simpler ops ---------------------===//
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/NN/Transforms/Raise.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNRAISE
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

namespace {
struct NNRaise : tern::nn::impl::NNRaiseBase<NNRaise> {
  void runOnOperation() override {
    RaiseStatistics statistics{clips,     hardSigmoids, hardSwishes, silus,    casts,      sigmoids,   softpluses, gelus,
                               mishes,    softmaxes,    layerNorms,  rmsNorms, groupNorms, attentions, ropes,     roots};
    // Attention is made of softmax, and both of norms' neighbours: from small forms to large ones.
    auto run = [&](ArrayRef<void (*)(RewritePatternSet &, RaiseStatistics &)> families) {
      RewritePatternSet patterns(&getContext());
      for (auto populate : families)
        populate(patterns, statistics);
      return applyPatternsGreedily(getOperation(), std::move(patterns), GreedyRewriteConfig());
    };
    if (failed(run({populateRaiseElementwise, populateRaiseActivations, populateRaiseSoftmax})) ||
        failed(run({populateRaiseNorms, populateRaiseGroupNorms, populateRaiseRope})) ||
        failed(run({populateRaiseTransposes, populateRaiseAttention, populateRaiseRoots})))
      return signalPassFailure();
    completeSizes(getOperation());
    remarkNearNorms(getOperation());
    remarkNearAttentions(getOperation());
  }
};
} // namespace
