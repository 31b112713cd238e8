//===- NNQuantize.cpp - decisions become quantize and dequantize ----------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/NN/Transforms/Passes.h"
#include "dialects/Tern/IR/Tern.h"

using namespace mlir;

namespace tern::nn {
#define GEN_PASS_DEF_NNQUANTIZE
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace tern::nn

using namespace tern;
using namespace tern::nn;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// arith.constant of rank 0.
static Value scalar(OpBuilder &builder, Location loc, Attribute number) {
  Type element = cast<TypedAttr>(number).getType();
  auto type = RankedTensorType::get({}, element);
  return arith::ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, number));
}

/// Planes of codes with one constant scale and zero point.
static SmallVector<Value> constantPlanes(OpBuilder &builder, Location loc, const Format &format, FloatAttr scale,
                                         int64_t zero) {
  SmallVector<Value> planes{scalar(builder, loc, scale)};
  if (const Plane *plane = format.find(Role::Zero))
    planes.push_back(
        scalar(builder, loc, builder.getIntegerAttr(builder.getIntegerType(plane->type.bits <= 8 ? 8 : 32), zero)));
  return planes;
}

namespace {
struct NNQuantize : tern::nn::impl::NNQuantizeBase<NNQuantize> {
  void runOnOperation() override {
    func::FuncOp function = mainFunction(getOperation());
    if (!function)
      return;
    SmallVector<Value> stored;
    walkValues(function, [&](Value value) {
      auto result = dyn_cast<OpResult>(value);
      bool isSecond = result && result.getResultNumber() > 0 && !isa<nn::LoopOp>(result.getOwner());
      if (!isSecond && getValueAttr(value, kCodes))
        stored.push_back(value);
    });
    SmallVector<Operation *> planned;
    function.walk([&](Operation *op) {
      if (op->getAttrOfType<ChoiceAttr>("tern.choice"))
        planned.push_back(op);
    });
    for (Value value : stored)
      roundOnce(value);
    for (Operation *op : planned)
      if (failed(quantize(op)))
        return signalPassFailure();
  }

private:
  /// x -> dequantize(quantize(x)) for all users but the results of the program and what loops take and hand on
  void roundOnce(Value value) {
    auto codes = cast<DictionaryAttr>(getValueAttr(value, kCodes));
    removeValueAttr(value, kCodes);
    OpBuilder builder(value.getContext());
    builder.setInsertionPointAfterValue(value);
    Location loc = value.getLoc();
    auto format = codes.getAs<FormatAttr>("format");
    SmallVector<Value> planes = constantPlanes(builder, loc, format.getFormat(), codes.getAs<FloatAttr>("scale"),
                                               codes.getAs<IntegerAttr>("zero").getInt());
    StringAttr name = isa<BlockArgument>(value) ? builder.getStringAttr(nameOfValue(value)) : StringAttr();
    auto quantized = QuantizeOp::create(builder, loc, QuantType::get(typeOf(value), format), value, planes,
                                        EncodeAttr(), StringAttr(), name);
    auto restored = DequantizeOp::create(builder, loc, value.getType(), quantized, StringAttr());
    // What the program yields is not rounded for the sake of those who read it inside; nor is the residual stream behind a norm.
    bool isNorm = isa_and_nonnull<nn::LayerNormOp, nn::RmsNormOp>(value.getDefiningOp());
    value.replaceUsesWithIf(restored, [&](OpOperand &use) {
      Operation *reader = use.getOwner();
      if (reader == quantized || isa<func::ReturnOp, nn::YieldOp, nn::LoopOp>(reader))
        return false;
      return !isNorm || nn::movesCodes(reader) || isa<nn::MatmulOp, nn::ConvOp, nn::ConvTransposeOp>(reader);
    });
  }

  LogicalResult quantize(Operation *op) {
    auto choice = op->getAttrOfType<ChoiceAttr>("tern.choice");
    // The decision of the formats is done; what is left to say is the kernel.
    MLIRContext *context = op->getContext();
    op->setAttr("tern.choice",
                ChoiceAttr::get(context, StringAttr(), FormatAttr(), EncodeAttr(), FloatAttr(), IntegerAttr(),
                                FormatAttr(), EncodeAttr(), FormatAttr(), Attribute(), choice.getKernels()));
    if (!choice.getW())
      return success();
    OpBuilder builder(op);
    Location loc = op->getLoc();
    std::string name = nameOfValue(op->getResult(0));
    QuantizeOp quantized;
    for (unsigned operand : nn::weightOperands(op)) {
      Value w = op->getOperand(operand);
      // A recurrent layer has two: NAME for the inputs, NAME.r for the state.
      auto text = builder.getStringAttr(isa<nn::RnnOp>(op) && operand == 2 ? name + ".r" : name);
      quantized = QuantizeOp::create(builder, loc, QuantType::get(typeOf(w), choice.getW()), w, ValueRange(),
                                     choice.getWEncode(), choice.getMethod(), text);
      op->setOperand(operand, DequantizeOp::create(builder, loc, w.getType(), quantized, StringAttr()));
    }
    if (!choice.getX())
      return success();
    if (!choice.getXScale()) {
      quantizeAtRunTime(builder, op, choice);
      return success();
    }
    if (op->getNumOperands() > 2 && isPerChannel(choice.getW().getFormat(), quantized.getResult().getType()))
      quantizeBias(builder, op, quantized, choice.getXScale());
    return success();
  }

  /// Users that read the same value in the same format share the codes.
  void quantizeAtRunTime(OpBuilder &builder, Operation *op, ChoiceAttr choice) {
    Value x = op->getOperand(0);
    for (Operation *user : x.getUsers())
      if (auto known = dyn_cast<QuantizeOp>(user))
        if (known.getPlanes().empty() && known.getResult().getType().getFormat() == choice.getX() &&
            known.getByAttr() == choice.getXEncode() && known->getBlock() == op->getBlock() &&
            known->isBeforeInBlock(op)) {
          op->setOperand(0, DequantizeOp::create(builder, op->getLoc(), x.getType(), known, StringAttr()));
          return;
        }
    auto name = builder.getStringAttr(nameOfValue(op->getResult(0)) + ".x");
    auto quantized = QuantizeOp::create(builder, op->getLoc(), QuantType::get(typeOf(x), choice.getX()), x,
                                        ValueRange(), choice.getXEncode(), StringAttr(), name);
    op->setOperand(0, DequantizeOp::create(builder, op->getLoc(), x.getType(), quantized, StringAttr()));
  }

  /// One scale an output channel: the accumulator stays an integer (T1).
  static bool isPerChannel(const Format &format, QuantType type) {
    auto planes = type.getPlaneTypes();
    int64_t most = 1;
    for (int64_t size : planes[1].getShape())
      most = std::max(most, size);
    return format.planes.size() == 1 && planes[1].getNumElements() == most &&
           llvm::is_contained(format.planes[0].block, kWhole);
  }

  /// int32 with scale s_x * s_w of its channel
  void quantizeBias(OpBuilder &builder, Operation *op, QuantizeOp weight, FloatAttr xScale) {
    Location loc = op->getLoc();
    Value bias = op->getOperand(2);
    SmallVector<Type> planeTypes(llvm::map_range(weight.getResult().getType().getPlaneTypes(),
                                                 [](RankedTensorType type) -> Type { return type; }));
    Value scale = UnbundleOp::create(builder, loc, planeTypes, weight.getResult()).getPlanes()[1];
    scale = reshapeTo(builder, loc, scale, {typeOf(scale).getNumElements()});
    if (!typeOf(scale).getElementType().isF32())
      scale = CastOp::create(builder, loc, typeOf(scale).clone(builder.getF32Type()), scale, StringAttr());
    Value product = BinaryOp::create(builder, loc, BinaryKind::mul, scale, scalar(builder, loc, xScale), StringAttr());
    Format format{Element::si(32), {{Role::Scale, Element::f32(), {1}}}};
    auto type = QuantType::get(typeOf(bias), FormatAttr::get(builder.getContext(), format));
    auto quantized =
        QuantizeOp::create(builder, loc, type, bias, ValueRange(product), EncodeAttr(), StringAttr(), StringAttr());
    op->setOperand(2, DequantizeOp::create(builder, loc, bias.getType(), quantized, StringAttr()));
  }
};
} // namespace
