//===- NNInferShapes.cpp - unknown sizes that follow from the operands ----===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNINFERSHAPES
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern::nn;

/// The sizes known from either type.
static RankedTensorType merge(RankedTensorType a, RankedTensorType b) {
  if (a.getRank() != b.getRank())
    return a;
  SmallVector<int64_t> shape(a.getShape());
  for (auto [mine, other] : llvm::zip(shape, b.getShape()))
    if (ShapedType::isDynamic(mine))
      mine = other;
  return a.clone(shape);
}

/// reshape: the one unknown size follows from the number of elements.
static RankedTensorType inferReshape(ReshapeOp op) {
  RankedTensorType type = op.getType(), x = op.getX().getType();
  if (!x.hasStaticShape() || type.getNumDynamicDims() != 1)
    return type;
  int64_t known = 1;
  for (int64_t size : type.getShape())
    known *= ShapedType::isDynamic(size) ? 1 : size;
  if (known == 0)
    return type;
  SmallVector<int64_t> shape(type.getShape());
  for (int64_t &size : shape)
    if (ShapedType::isDynamic(size))
      size = x.getNumElements() / known;
  return type.clone(shape);
}

static RankedTensorType inferResize(ResizeOp op) {
  SmallVector<int64_t> shape(op.getType().getShape());
  for (auto [size, from, scale] : llvm::zip(shape, op.getX().getType().getShape(), op.getScales()))
    if (ShapedType::isDynamic(size) && !ShapedType::isDynamic(from))
      size = resizedSize(from, scale);
  return op.getType().clone(shape);
}

namespace {
struct NNInferShapes : tern::nn::impl::NNInferShapesBase<NNInferShapes> {
  void runOnOperation() override {
    auto walked = getOperation().walk([&](Operation *op) { return refine(op); });
    if (walked.wasInterrupted())
      return signalPassFailure();
    updateFunctionType();
  }

private:
  WalkResult refine(Operation *op) {
    bool unknown = llvm::any_of(op->getResultTypes(), [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor && !tensor.hasStaticShape();
    });
    if (!unknown || op->getDialect() != getContext().getLoadedDialect<NNDialect>())
      return WalkResult::advance();
    auto set = [&](RankedTensorType type) { op->getResult(0).setType(type); };
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      set(inferReshape(reshape));
    else if (auto resize = dyn_cast<ResizeOp>(op))
      set(inferResize(resize));
    else if (auto cast = dyn_cast<CastOp>(op))
      set(merge(cast.getType(), cast.getX().getType()));
    else if (auto infer = dyn_cast<InferTypeOpInterface>(op)) {
      SmallVector<Type> types;
      if (failed(infer.inferReturnTypes(&getContext(), op->getLoc(), op->getOperands(), op->getRawDictionaryAttrs(),
                                        op->getPropertiesStorage(), op->getRegions(), types)))
        return WalkResult::interrupt();
      for (auto [result, type] : llvm::zip(op->getResults(), types))
        result.setType(merge(llvm::cast<RankedTensorType>(result.getType()), llvm::cast<RankedTensorType>(type)));
    }
    return WalkResult::advance();
  }

  void updateFunctionType() {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    SmallVector<Type> results(function.getResultTypes());
    function.walk([&](func::ReturnOp op) { results.assign(op.getOperandTypes().begin(), op.getOperandTypes().end()); });
    function.setType(FunctionType::get(&getContext(), function.getArgumentTypes(), results));
  }
};
} // namespace
