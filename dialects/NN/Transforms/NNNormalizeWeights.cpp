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

/// Products of a recurrent layer's inputs with weights that are computed, and then the bias, go in front of it: as a matrix product, with as many
/// threads as there are. What is left reads r alone.
static void moveProductsInFront(RnnOp op, ConstantExpressions &constants) {
  if (!op.getW() || constants.contains(op.getW()) || !cast<RankedTensorType>(op.getW().getType()).hasStaticShape())
    return;
  OpBuilder builder(op);
  Location loc = op.getLoc();
  auto weights = cast<RankedTensorType>(op.getW().getType());
  int64_t rows = weights.getDimSize(0) * weights.getDimSize(1);
  auto reshaped = [&](Value x, ArrayRef<int64_t> shape) -> Value {
    return builder.createOrFold<ReshapeOp>(loc, cast<RankedTensorType>(x.getType()).clone(shape), x, StringAttr());
  };
  // A transpose of its own: products of computed factors read rows.
  Value w = transposeLast(builder, loc, reshaped(op.getW(), {rows, weights.getDimSize(2)}));
  Value products = MatmulOp::create(builder, loc, op.getX(), w, Value(), /*transpose_a=*/false, /*transpose_b=*/false, StringAttr());
  // linear_before_reset multiplies a part of the bias.
  bool isComputed = op.getB() && !constants.contains(op.getB()) && !op.getLinearBeforeReset();
  if (isComputed) {
    auto part = [&](int64_t which) -> Value {
      int64_t each = weights.getDimSize(1);
      SmallVector<int64_t> starts{0, which * each}, sizes{weights.getDimSize(0), each}, steps{1, 1};
      return reshaped(SliceOp::create(builder, loc, op.getB(), starts, sizes, steps, StringAttr()), {rows});
    };
    Value bias = BinaryOp::create(builder, loc, BinaryKind::add, part(0), part(1), StringAttr());
    products = BinaryOp::create(builder, loc, BinaryKind::add, products, bias, StringAttr());
    op.getBMutable().clear();
  }
  op.getXMutable().assign(products);
  op.getWMutable().clear();
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
    getOperation().walk([&](RnnOp op) { moveProductsInFront(op, constants); });
  }
};
} // namespace
