//===- TernToLinalg.cpp - -tern-to-linalg ---------------------------------===//
#include "TernToLinalg.h"
#include "TernToLinalgQuant.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNTOLINALG
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

namespace tern::lowering {
namespace {
/// `!tern.quant` becomes its planes, integers lose their sign.
class PlainTypes : public TypeConverter {
public:
  PlainTypes() {
    addConversion([](Type type) { return type; });
    addConversion([](RankedTensorType type) -> Type { return signless(type); });
    addConversion([](QuantType type, SmallVectorImpl<Type> &planes) -> std::optional<LogicalResult> {
      llvm::append_range(planes, type.getPlaneTypes());
      return success();
    });
  }
};

/// The attribute with signless elements.
ElementsAttr signlessAttr(ElementsAttr attr) {
  auto type = cast<RankedTensorType>(attr.getType()), plain = signless(type);
  if (type == plain)
    return attr;
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (dense && isByteCode(type.getElementType())) {
    bool unsign = isUnsigned(type.getElementType()) || isa<FloatType>(type.getElementType());
    SmallVector<APInt> bytes;
    if (isa<FloatType>(type.getElementType()))
      for (APFloat value : dense.getValues<APFloat>())
        bytes.push_back(value.bitcastToAPInt().zext(8));
    else
      for (APInt value : dense.getValues<APInt>())
        bytes.push_back(unsign ? value.zext(8) : value.sext(8));
    return DenseElementsAttr::get(plain, bytes);
  }
  if (dense)
    return dense.bitcast(plain.getElementType());
  return DenseResourceElementsAttr::get(plain, cast<DenseResourceElementsAttr>(attr).getRawHandle());
}

struct Constant : OpConversionPattern<arith::ConstantOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(arith::ConstantOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(op,
                                                   cast<TypedAttr>(signlessAttr(cast<ElementsAttr>(op.getValue()))));
    return success();
  }
};

/// A load of a constant global -> arith.constant of its value: bufferization knows only the latter.
struct LoadConstant : OpConversionPattern<ml_program::GlobalLoadConstOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(ml_program::GlobalLoadConstOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    auto global = SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(op, op.getGlobalAttr());
    auto value = global ? dyn_cast_or_null<ElementsAttr>(global.getValueAttr()) : ElementsAttr();
    if (!value)
      return op.emitOpError("loads a global without a value; it cannot be lowered");
    rewriter.replaceOpWithNewOp<arith::ConstantOp>(op, cast<TypedAttr>(signlessAttr(value)));
    return success();
  }
};

/// tern.call -> func.call
struct Call : OpConversionPattern<CallOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(CallOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> operands;
    for (ValueRange values : adaptor.getIns())
      llvm::append_range(operands, values);
    SmallVector<Type> types;
    SmallVector<size_t> counts;
    for (Type type : op.getResultTypes()) {
      size_t before = types.size();
      if (failed(getTypeConverter()->convertType(type, types)))
        return failure();
      counts.push_back(types.size() - before);
    }
    auto call = func::CallOp::create(rewriter, op.getLoc(), op.getCallee(), types, operands);
    SmallVector<SmallVector<Value>> results;
    auto next = call.result_begin();
    for (size_t count : counts) {
      results.emplace_back(next, next + count);
      next += count;
    }
    rewriter.replaceOpWithMultiple(op, results);
    return success();
  }
};
} // namespace

/// Whether an op needs more of its elements than their bytes, and is no conversion.
static bool computesOnElements(Operation *op) {
  if (!isa_and_nonnull<nn::NNDialect>(op->getDialect()))
    return false;
  return !isa<nn::CastOp, nn::SelectOp, nn::ReshapeOp, nn::TransposeOp, nn::SliceOp, nn::ConcatOp, nn::PadOp, nn::ExpandOp, nn::GatherOp,
              nn::GatherElementsOp, nn::GatherNdOp, nn::ShapeOp>(op);
}

/// What patterns cannot lower is reported before anything changes.
static LogicalResult checkLowerable(Operation *root) {
  if (failed(nn::verifyNoUnknownOps(root, "lowered")))
    return failure();
  WalkResult result = root->walk([](Operation *op) -> WalkResult {
    if (!isa_and_nonnull<nn::NNDialect, TernDialect>(op->getDialect()))
      return WalkResult::advance();
    bool anySize = isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::ClipOp, nn::CastOp, nn::BatchNormOp,
                       nn::ShapeOp, CallOp>(op);
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes()))) {
      auto shaped = dyn_cast<RankedTensorType>(type);
      if (shaped && !shaped.hasStaticShape() && !anySize)
        return op->emitOpError("cannot be lowered to linalg: the size of ")
               << type << " is not known (bind dimensions with --dim)";
      if (shaped && isByteCode(shaped.getElementType()) && computesOnElements(op))
        return op->emitOpError("computes on ") << shaped.getElementType() << "; elements below 8 bits and 8-bit floats can be "
                                               << "moved and cast (cast first)";
      auto quant = dyn_cast<QuantType>(type);
      std::string why = quant ? whyNotLowered(quant) : "";
      if (!why.empty())
        return op->emitOpError("cannot be lowered to linalg: ") << why;
    }
    auto quantize = dyn_cast<QuantizeOp>(op);
    std::string why = quantize ? whyNotLowered(quantize) : "";
    if (!why.empty())
      return op->emitOpError("cannot be lowered to linalg: ") << why;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
} // namespace tern::lowering

LogicalResult tern::lowerToLinalg(Operation *root) {
  using namespace lowering;
  if (failed(checkLowerable(root)))
    return failure();
  MLIRContext *context = root->getContext();
  PlainTypes types;
  RewritePatternSet patterns(context);
  populateElementwise(types, patterns);
  populateContractions(types, patterns);
  populateReductions(types, patterns);
  populateNorms(types, patterns);
  populateAttention(types, patterns);
  populateMovement(types, patterns);
  populateIndex(types, patterns);
  populateRnn(types, patterns);
  populateQuantization(types, patterns);
  patterns.add<Constant, LoadConstant, Call>(types, context);
  populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns, types);
  populateCallOpTypeConversionPattern(patterns, types);
  populateReturnOpTypeConversionPattern(patterns, types);

  ConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  target.addIllegalDialect<nn::NNDialect, TernDialect>();
  target.addIllegalOp<ml_program::GlobalLoadConstOp>();
  target.addDynamicallyLegalOp<func::FuncOp>(
      [&](func::FuncOp op) { return types.isSignatureLegal(op.getFunctionType()); });
  target.addDynamicallyLegalOp<arith::ConstantOp, func::CallOp, func::ReturnOp>(
      [&](Operation *op) { return types.isLegal(op); });
  return applyPartialConversion(root, target, std::move(patterns));
}

namespace {
struct TernToLinalg : tern::impl::TernToLinalgBase<TernToLinalg> {
  void runOnOperation() override {
    if (failed(tern::lowerToLinalg(getOperation())))
      return signalPassFailure();
    // The constants took the values along.
    SymbolTableCollection symbols;
    for (auto global : llvm::make_early_inc_range(getOperation().getOps<mlir::ml_program::GlobalOp>()))
      if (global.isPrivate() && mlir::SymbolTable::symbolKnownUseEmpty(global, getOperation()))
        global.erase();
  }
};
} // namespace
