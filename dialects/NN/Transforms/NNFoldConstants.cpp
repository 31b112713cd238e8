//===- NNFoldConstants.cpp - small constant expressions become constants --===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "dialects/NN/Transforms/Passes.h"
#include "lib/Reference/Reference.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNFOLDCONSTANTS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

namespace {
struct NNFoldConstants : tern::nn::impl::NNFoldConstantsBase<NNFoldConstants> {
  using NNFoldConstantsBase::NNFoldConstantsBase;

  void runOnOperation() override {
    if (getOperation().isExternal())
      return;
    knowEmpty();
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<NNDialect>(op->getDialect()) && isPure(op))
        ops.push_back(op);
    });
    for (Operation *op : ops)
      fold(op);
    // Folded ops, and operands that lost their last user.
    ops.clear();
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) { ops.push_back(op); });
    for (Operation *op : llvm::reverse(ops))
      if (isOpTriviallyDead(op))
        op->erase();
  }

private:
  /// A tensor without elements is a constant, whoever computes it. Kernels never see one.
  void knowEmpty() {
    Block &body = getOperation().getBody().front();
    SmallVector<Value> empty;
    auto look = [&](Value value) {
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (type && type.hasStaticShape() && type.getNumElements() == 0 && type.getElementType().isIntOrFloat() &&
          !value.use_empty())
        empty.push_back(value);
    };
    llvm::for_each(body.getArguments(), look);
    for (Operation &op : body)
      if (isa<NNDialect>(op.getDialect()))
        llvm::for_each(op.getResults(), look);
    OpBuilder builder = OpBuilder::atBlockBegin(&body);
    for (Value value : empty) {
      auto attr = DenseElementsAttr::get(cast<RankedTensorType>(value.getType()), ArrayRef<Attribute>());
      value.replaceAllUsesWith(arith::ConstantOp::create(builder, value.getLoc(), attr));
    }
  }

  void fold(Operation *op) {
    int64_t bytes = 0;
    for (Type type : op->getResultTypes()) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !tensor.hasStaticShape() || !tensor.getElementType().isIntOrFloat())
        return;
      bytes += tensor.getNumElements() * elementBytes(tensor.getElementType());
    }
    if (bytes > maxFoldBytes || op->getNumOperands() == 0)
      return;
    std::optional<SmallVector<Attribute>> values = tern::reference::foldConstants(op);
    if (!values)
      return;
    OpBuilder builder(op);
    for (auto [result, value] : llvm::zip(op->getResults(), *values)) {
      auto constant = arith::ConstantOp::create(builder, op->getLoc(), cast<TypedAttr>(value));
      if (constant.getType() != result.getType())
        return constant.erase();
      result.replaceAllUsesWith(constant);
    }
    ++folded;
  }
};
} // namespace
