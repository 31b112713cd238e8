//===- RaiseGroupNorm.cpp - group and instance norms ----------------------===//
// Exporters reshape the groups into rows (or one channel each), normalize those, and reshape back.
#include "dialects/NN/Transforms/Raise.h"

using namespace mlir;
using namespace tern::nn;

/// All elements of a constant parameter are `number`; absent ones count as that.
static bool isAll(Value value, double number) {
  if (!value)
    return true;
  if (auto expand = value.getDefiningOp<ExpandOp>())
    return isAll(expand.getX(), number);
  if (auto reshape = value.getDefiningOp<ReshapeOp>())
    return isAll(reshape.getX(), number);
  if (std::optional<double> splat = splatOf(value))
    return *splat == number;
  std::optional<std::vector<double>> all = numbersOf(value);
  return all && llvm::all_of(*all, [&](double n) { return n == number; });
}

/// A constant that differs along axis 1 of a value of `rank` dimensions only, as [C]; null.
static Value channelParameter(OpBuilder &builder, Location loc, Value value, RankedTensorType x) {
  RankedTensorType type = tensorOf(value);
  if (!isConstantExpression(value) || !type.hasStaticShape() || !isFloat(value) || x.isDynamicDim(1))
    return {};
  std::optional<int64_t> axis = broadcastAxis(type.getShape(), x.getRank());
  if (!axis || (*axis != 1 && *axis != -1))
    return {};
  if (*axis == 1)
    return reshapeTo(builder, loc, value, {x.getDimSize(1)});
  return ExpandOp::create(builder, loc, type.clone({x.getDimSize(1)}), reshapeTo(builder, loc, value, {1}), StringAttr());
}

namespace {
/// reshape(norm(reshape(x))) with rows of whole groups of channels -> group_norm(x)
struct RaiseGroupNorm : CountedPattern<ReshapeOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    Operation *norm = op.getX().getDefiningOp();
    if (!norm || !isa<LayerNormOp, GroupNormOp>(norm) || !op.getX().hasOneUse())
      return rewriter.notifyMatchFailure(op, "no norm");
    auto split = norm->getOperand(0).getDefiningOp<ReshapeOp>();
    if (!split || split.getX().getType() != op.getType())
      return rewriter.notifyMatchFailure(op, "not reshaped back");
    RankedTensorType x = op.getType(), rows = tensorOf(split.getResult());
    auto layer = dyn_cast<LayerNormOp>(norm);
    auto group = dyn_cast<GroupNormOp>(norm);
    // Rows [N, G, ...]: each group is normalized as a whole.
    bool byGroup = layer ? layer.getAxis() == 2 : int64_t(group.getGroups()) == rows.getDimSize(1);
    bool plain = layer ? isAll(layer.getScale(), 1) && isAll(layer.getBias(), 0)
                       : isAll(group.getScale(), 1) && isAll(group.getBias(), 0);
    if (!byGroup || !plain || x.getRank() < 3 || rows.getRank() < 3 || rows.isDynamicDim(1) || x.isDynamicDim(1))
      return rewriter.notifyMatchFailure(op, "rows are not groups of channels");
    bool sameBatch = rows.getDimSize(0) == x.getDimSize(0);
    int64_t groups = rows.getDimSize(1);
    if (!sameBatch || groups < 1 || x.getDimSize(1) % groups || (x.getNumDynamicDims() > 1 && !x.isDynamicDim(0)))
      return rewriter.notifyMatchFailure(op, "groups do not divide the channels");
    APFloat epsilon = layer ? layer.getEpsilon() : group.getEpsilon();
    remarkRaised(norm, "group_norm");
    auto y = GroupNormOp::create(rewriter, norm->getLoc(), split.getX(), Value(), Value(), groups, epsilon,
                                 norm->getAttrOfType<StringAttr>("name"));
    rewriter.replaceOp(op, y.getResult());
    ++count;
    return success();
  }
};

/// group_norm(x) * scale[c] -> group_norm(x, scale), the same for the bias; layer_norm over the positions of each channel, times
/// a number a channel -> group_norm with one channel a group
struct AbsorbChannelParameter : CountedPattern<BinaryOp> {
  using CountedPattern::CountedPattern;
  LogicalResult matchAndRewrite(BinaryOp op, PatternRewriter &rewriter) const override {
    bool isScale = op.getKind() == BinaryKind::mul;
    if (!isScale && op.getKind() != BinaryKind::add)
      return rewriter.notifyMatchFailure(op, "neither product nor sum");
    for (bool swap : {false, true}) {
      Value y = swap ? op.getRhs() : op.getLhs(), parameter = swap ? op.getLhs() : op.getRhs();
      if (y.getType() != op.getType() || !y.hasOneUse())
        continue;
      RankedTensorType type = op.getType();
      auto group = y.getDefiningOp<GroupNormOp>();
      auto layer = y.getDefiningOp<LayerNormOp>();
      bool isInstance = layer && layer.getAxis() == 2 && type.getRank() >= 3 && !layer.getScale() && !layer.getBias() &&
                        !type.isDynamicDim(1) && type.getDimSize(1) > 1;
      if (!(group || isInstance) || (group && (isScale ? !isAll(group.getScale(), 1) || !isAll(group.getBias(), 0)
                                                       : !isAll(group.getBias(), 0))))
        continue;
      Value vector = channelParameter(rewriter, op.getLoc(), parameter, type);
      if (!vector)
        continue;
      Operation *norm = y.getDefiningOp();
      if (isInstance) {
        remarkRaised(norm, "group_norm");
        ++count;
      }
      Value merged = GroupNormOp::create(
          rewriter, norm->getLoc(), norm->getOperand(0), isScale ? vector : group ? group.getScale() : Value(),
          isScale ? Value() : vector, group ? int64_t(group.getGroups()) : type.getDimSize(1),
          group ? group.getEpsilon() : layer.getEpsilon(), norm->getAttrOfType<StringAttr>("name"));
      rewriter.replaceOp(op, merged);
      return success();
    }
    return rewriter.notifyMatchFailure(op, "no parameter of a group norm");
  }
};
} // namespace

namespace tern::nn {
void populateRaiseGroupNorms(RewritePatternSet &patterns, RaiseStatistics &statistics) {
  MLIRContext *context = patterns.getContext();
  patterns.add<RaiseGroupNorm>(context, statistics.groupNorms);
  patterns.add<AbsorbChannelParameter>(context, statistics.groupNorms);
}
} // namespace tern::nn
