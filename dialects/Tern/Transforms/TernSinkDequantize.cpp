//===- TernSinkDequantize.cpp - moves work on codes -----------------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "dialects/Tern/Transforms/Planes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNSINKDEQUANTIZE
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;

/// Both values are the same codes' parameters.
static bool samePlanes(Value a, Value b) {
  if (cast<QuantType>(a.getType()).getFormat() != cast<QuantType>(b.getType()).getFormat())
    return false;
  std::optional<ScaleZero> left = constantScale(a), right = constantScale(b);
  return left && right && left->scale == right->scale && left->zero == right->zero;
}

static Value codesOf(OpBuilder &builder, Value q) {
  if (auto bundle = q.getDefiningOp<BundleOp>())
    return bundle.getPlanes().front();
  SmallVector<Type> types(llvm::map_range(cast<QuantType>(q.getType()).getPlaneTypes(),
                                          [](RankedTensorType type) -> Type { return type; }));
  return UnbundleOp::create(builder, q.getLoc(), types, q).getPlanes().front();
}

namespace {
/// move(dequantize(q)) -> dequantize(bundle(move(codes of q))), for 8-bit codes with one scale
struct SinkThroughMove : RewritePattern {
  SinkThroughMove(MLIRContext *context, Pass::Statistic &count)
      : RewritePattern(MatchAnyOpTypeTag(), 1, context), count(count) {}

  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!nn::movesCodes(op))
      return failure();
    SmallVector<Value> quants;
    for (Value operand : op->getOperands()) {
      auto dequantize = operand.getDefiningOp<DequantizeOp>();
      if (!dequantize || !isPerTensor(dequantize.getQ().getType()))
        return rewriter.notifyMatchFailure(op, "an operand that is no 8-bit code with one scale");
      quants.push_back(dequantize.getQ());
      if (!samePlanes(quants.front(), quants.back()))
        return rewriter.notifyMatchFailure(op, quants.size() == 1 ? "a scale that is not constant"
                                                                  : "operands with different scales");
    }
    SmallVector<Value> codes;
    for (Value q : quants)
      codes.push_back(codesOf(rewriter, q));
    auto expressed = cast<RankedTensorType>(op->getResult(0).getType());
    auto type = QuantType::get(expressed, cast<QuantType>(quants.front().getType()).getFormat());
    OperationState state(op->getLoc(), op->getName());
    state.addOperands(codes);
    state.addTypes(expressed.clone(rewriter.getI8Type()));
    state.addAttributes(op->getAttrs());
    // The padding of the real number 0 is the code of the zero point, as a signless byte.
    if (isa<nn::PadOp>(op))
      state.attributes.set("value", rewriter.getF64FloatAttr(int8_t(constantScale(quants.front())->zero)));
    Operation *move = rewriter.create(state);
    SmallVector<Value> planes{move->getResult(0)};
    planes.append(knownPlanes(quants.front()));
    Value bundle = BundleOp::create(rewriter, op->getLoc(), type, planes);
    rewriter.replaceOpWithNewOp<DequantizeOp>(op, expressed, bundle, StringAttr());
    ++count;
    return success();
  }
  Pass::Statistic &count;
};

struct TernSinkDequantize : tern::impl::TernSinkDequantizeBase<TernSinkDequantize> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<SinkThroughMove>(&getContext(), moved);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
