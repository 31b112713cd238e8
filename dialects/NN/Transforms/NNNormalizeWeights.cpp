//===- NNNormalizeWeights.cpp - constant weights are [out, in] (N2) -------===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNNORMALIZEWEIGHTS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

/// transpose(transpose(w)) of a constant -> w is left to the folder of nn.transpose.
static Value transposeLast(OpBuilder &builder, Location loc, Value value) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::swap(perm[rank - 1], perm[rank - 2]);
  return builder.createOrFold<TransposeOp>(loc, value, builder.getDenseI64ArrayAttr(perm), StringAttr());
}

namespace {
struct NNNormalizeWeights : tern::nn::impl::NNNormalizeWeightsBase<NNNormalizeWeights> {
  void runOnOperation() override {
    ConstantExpressions constants;
    getOperation().walk([&](MatmulOp op) {
      OpBuilder builder(op);
      if (!op.getTransposeB() && constants.contains(op.getRhs())) {
        op.getRhsMutable().assign(transposeLast(builder, op.getLoc(), op.getRhs()));
        op.setTransposeB(true);
      }
      // x^T of a matrix: a transpose of its own, so that every kernel reads rows.
      if (op.getTransposeA() && constants.contains(op.getRhs())) {
        op.getLhsMutable().assign(transposeLast(builder, op.getLoc(), op.getLhs()));
        op.setTransposeA(false);
      }
    });
  }
};
} // namespace
