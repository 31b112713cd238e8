//===- CountedPattern.h - rewriting that a pass counts ---------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_COUNTEDPATTERN_H
#define TERN_DIALECTS_NN_TRANSFORMS_COUNTEDPATTERN_H

#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace tern::nn {

/// A pattern that adds 1 to a statistic of its pass for every op that it rewrites.
template <typename OpT> struct CountedPattern : mlir::OpRewritePattern<OpT> {
  CountedPattern(mlir::MLIRContext *context, mlir::Pass::Statistic &count) : mlir::OpRewritePattern<OpT>(context), count(count) {}
  mlir::Pass::Statistic &count;
};

} // namespace tern::nn
#endif
