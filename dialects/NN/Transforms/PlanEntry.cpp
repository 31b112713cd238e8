//===- PlanEntry.cpp - one decision between plan and IR -------------------===//
#include "dialects/NN/Transforms/PlanEntry.h"
#include "dialects/Tern/IR/Tern.h"

using namespace mlir;

namespace tern::nn {

OpShape::OpShape(Operation *op) {
  for (unsigned operand : weightOperands(op))
    weights.push_back(cast<RankedTensorType>(op->getOperand(operand).getType()));
  if (auto rnn = dyn_cast<RnnOp>(op)) {
    // One output for each row of the gates, of inputs and state together.
    w = weights.front();
    auto x = cast<RankedTensorType>(rnn.getX().getType());
    outAxis = 1, inAxis = 2;
    n = w.getDimSize(0) * w.getDimSize(1), k = (rnn.getW() ? w.getDimSize(2) : 0) + rnn.getHidden();
    m = x.isDynamicDim(0) || x.isDynamicDim(1) ? -1 : x.getDimSize(0) * x.getDimSize(1);
    row = RowOp::Rnn;
    return;
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    // A row of the table is copied for each index: no reduction.
    w = cast<RankedTensorType>(gather.getX().getType());
    auto y = cast<RankedTensorType>(gather.getResult().getType());
    outAxis = 0, inAxis = 1;
    n = w.getDimSize(1), k = 0;
    m = !y.hasStaticShape() ? -1 : n ? y.getNumElements() / n : 0;
    row = RowOp::Gather;
    return;
  }
  auto x = cast<RankedTensorType>(op->getOperand(0).getType()), y = cast<RankedTensorType>(op->getResult(0).getType());
  w = cast<RankedTensorType>(op->getOperand(1).getType());
  if (isa<MatmulOp>(op)) {
    outAxis = w.getRank() - 2, inAxis = w.getRank() - 1;
    n = y.getShape().back(), k = x.getShape().back();
    row = RowOp::Matmul;
  } else {
    bool transposed = isa<ConvTransposeOp>(op);
    outAxis = transposed ? 1 : 0, inAxis = transposed ? 0 : 1;
    int64_t group = op->getAttrOfType<IntegerAttr>("group") ? op->getAttrOfType<IntegerAttr>("group").getInt() : 1;
    n = y.getDimSize(1);
    k = w.getNumElements() / std::max<int64_t>(1, w.getDimSize(outAxis));
    grouped = group > 1;
    if (!transposed && group > 1 && group == x.getDimSize(1) && group == n)
      row = RowOp::Depthwise;
  }
  m = !y.hasStaticShape() ? -1 : n ? y.getNumElements() / n : 0;
}

Format staticActivation() {
  return {Element::ui(8), {{Role::Scale, Element::f32(), {}}, {Role::Zero, Element::ui(8), {}}}};
}

void finishEntry(PlanOp &entry, const OpShape &shape) {
  entry.row = rowFor(shape.row, entry.x, entry.w);
  entry.weightBytes = 0;
  for (RankedTensorType weight : shape.weights) {
    ArrayRef<int64_t> dims = weight.getShape();
    // Packed panels have no gaps at the ends of rows, unlike plain planes.
    double bits = entry.w ? bitsPerElement(*entry.w, {dims.data(), dims.size()}) : 32;
    entry.weightBytes += int64_t(std::ceil(bits * double(weight.getNumElements()) / 8));
  }
}

//===-- the decisions in the IR ---------------------------------------------===//

static FormatAttr formatAttr(MLIRContext *context, const std::optional<Format> &format) {
  return format ? FormatAttr::get(context, *format) : FormatAttr();
}
static EncodeAttr encodeAttr(MLIRContext *context, const std::optional<Encode> &encode) {
  return encode ? EncodeAttr::get(context, *encode) : EncodeAttr();
}

void writeChoice(Operation *op, const PlanOp &entry, const PlanTensor *x) {
  MLIRContext *context = op->getContext();
  Builder builder(context);
  FloatAttr scale = x ? builder.getF32FloatAttr(float(x->scale)) : FloatAttr();
  IntegerAttr zero = x ? builder.getI64IntegerAttr(x->zero) : IntegerAttr();
  SmallVector<KernelUseAttr> kernels;
  if (!entry.row.empty())
    kernels.push_back(KernelUseAttr::get(context, builder.getStringAttr(entry.row), 1, -1));
  op->setAttr("tern.choice", ChoiceAttr::get(context, entry.w ? builder.getStringAttr(entry.method) : StringAttr(),
                                             formatAttr(context, entry.x), encodeAttr(context, entry.xEncode), scale,
                                             zero, formatAttr(context, entry.w), encodeAttr(context, entry.wEncode),
                                             FormatAttr(), Attribute(), kernels));
}

static void writeCodes(const ActivationGroup &group, const PlanTensor &tensor) {
  Builder builder(group.roots.front().getContext());
  auto attr =
      builder.getDictionaryAttr({builder.getNamedAttr("format", FormatAttr::get(builder.getContext(), tensor.format)),
                                 builder.getNamedAttr("group", builder.getStringAttr(group.name)),
                                 builder.getNamedAttr("scale", builder.getF32FloatAttr(float(tensor.scale))),
                                 builder.getNamedAttr("zero", builder.getI64IntegerAttr(tensor.zero))});
  for (Value root : group.roots)
    setValueAttr(root, kCodes, attr);
}

void writeTensors(const std::vector<ActivationGroup> &groups, ArrayRef<PlanTensor> tensors,
                  llvm::DenseMap<Operation *, const PlanTensor *> &xOf) {
  for (auto [group, tensor] : llvm::zip(groups, tensors)) {
    writeCodes(group, tensor);
    for (Operation *consumer : group.consumers)
      xOf[consumer] = &tensor;
  }
}

std::vector<Operation *> plannedOps(func::FuncOp function) {
  std::vector<Operation *> ops;
  function.walk([&](Operation *op) {
    if (isa<ConvOp, ConvTransposeOp, MatmulOp, RnnOp>(op) || isEmbedding(op))
      ops.push_back(op);
  });
  return ops;
}

void clearDecisions(func::FuncOp function) {
  walkValues(function, [](Value value) { removeValueAttr(value, kCodes); });
  function.walk([](Operation *op) { op->removeAttr("tern.choice"); });
}

} // namespace tern::nn
