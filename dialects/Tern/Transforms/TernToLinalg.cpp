//===- TernToLinalg.cpp - -tern-to-linalg ---------------------------------===//
#include "TernToLinalg.h"
#include "TernToLinalgQuant.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/NN/IR/SizeEmit.h"
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

/// Notes the sizes of all results in the ops (`nn.sizes`), where they are not noted yet: patterns read them there.
static LogicalResult noteSizes(func::FuncOp function) {
  auto isOpen = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && !tensor.hasStaticShape();
  };
  nn::SizeAnalysis sizes(function.getContext());
  if (function.isExternal() || failed(sizes.readArguments(function)))
    return failure(!function.isExternal());
  function.walk([&](Operation *op) {
    if (op->hasAttr(nn::kSizesAttr) || !isa_and_nonnull<nn::NNDialect, TernDialect>(op->getDialect()) ||
        llvm::none_of(op->getResultTypes(), isOpen))
      return;
    SmallVector<nn::Sizes> all;
    for (Value result : op->getResults())
      all.push_back(isa<RankedTensorType>(result.getType()) ? sizes.shapeOf(result) : nn::Sizes());
    nn::setSizes(op, all);
  });
  return success();
}

/// A function's dimension of this name: argument (after conversion) and axis.
using DimPlaces = llvm::StringMap<std::pair<unsigned, int64_t>>;

static DimPlaces dimPlaces(func::FuncOp function, const TypeConverter &types) {
  DimPlaces places;
  nn::SizeAnalysis sizes(function.getContext());
  if (function.isExternal() || failed(sizes.readArguments(function)))
    return places;
  unsigned position = 0;
  for (BlockArgument argument : function.getArguments()) {
    if (isa<RankedTensorType>(argument.getType()))
      for (auto [axis, size] : llvm::enumerate(sizes.shapeOf(argument)))
        if (!size.dim().empty())
          places.try_emplace(size.dim(), position, int64_t(axis));
    SmallVector<Type> converted;
    if (succeeded(types.convertType(argument.getType(), converted)))
      position += converted.size();
  }
  return places;
}

namespace {
/// Arithmetic of a size expression on the sizes of arguments.
struct ArithEmitter : nn::SizeEmitter {
  ArithEmitter(const Build &build, func::FuncOp function, const DimPlaces &places)
      : build(build), function(function), places(places) {}
  void *constant(int64_t value) override { return build.index(value).getAsOpaquePointer(); }
  void *dim(StringRef name) override {
    auto found = places.find(name);
    if (found == places.end()) {
      missing = name;
      return constant(0);
    }
    return build.create<tensor::DimOp>(function.getArgument(found->second.first), found->second.second).getResult().getAsOpaquePointer();
  }
  template <typename OpTy> void *make(void *a, void *b) {
    return build.create<OpTy>(Value::getFromOpaquePointer(a), Value::getFromOpaquePointer(b)).getResult().getAsOpaquePointer();
  }
  void *add(void *a, void *b) override { return make<arith::AddIOp>(a, b); }
  void *mul(void *a, void *b) override { return make<arith::MulIOp>(a, b); }
  void *floorDiv(void *a, void *b) override { return make<arith::FloorDivSIOp>(a, b); }
  void *min(void *a, void *b) override { return make<arith::MinSIOp>(a, b); }
  void *max(void *a, void *b) override { return make<arith::MaxSIOp>(a, b); }

  const Build &build;
  func::FuncOp function;
  const DimPlaces &places;
  std::string missing;
};
} // namespace

/// nn.size -> arithmetic on the sizes of the function's arguments.
static LogicalResult computeSizes(func::FuncOp function, const DimPlaces &places) {
  nn::SizeTable &table = nn::SizeTable::of(function.getContext());
  WalkResult result = function.walk([&](nn::SizeOp op) {
    OpBuilder b(op);
    Build build{b, op.getLoc()};
    ArithEmitter emitter(build, function, places);
    nn::SizeExpr e = table.parse(op.getValue());
    if (!e)
      return op.emitOpError() << "'" << op.getValue() << "' is no size", WalkResult::interrupt();
    Value value = Value::getFromOpaquePointer(nn::emitSize(e, emitter));
    if (!emitter.missing.empty()) {
      op.emitOpError() << "'" << op.getValue() << "' depends on '" << emitter.missing << "', which is the size of no argument of '"
                       << function.getName() << "'";
      return WalkResult::interrupt();
    }
    op.replaceAllUsesWith(value);
    op.erase();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// What patterns cannot lower is reported before anything changes.
/// An open size that decides the code; empty: none.
static std::string whyOpenSizesMatter(Operation *op) {
  auto isOpen = [](Value value, int64_t axis) { return ShapedType::isDynamic(shapeOf(value)[axis]); };
  if (auto attention = dyn_cast<nn::AttentionOp>(op))
    if (isOpen(attention.getQ(), 1) || isOpen(attention.getK(), 1))
      return "the number of heads is not known";
  if (auto conv = dyn_cast<nn::ConvTransposeOp>(op))
    for (int64_t axis = 0; axis < conv.getW().getType().getRank(); ++axis)
      if (isOpen(conv.getW(), axis))
        return "the size of the kernel is not known";
  for (Value value : llvm::concat<Value>(SmallVector<Value>(op->getOperands()), SmallVector<Value>(op->getResults()))) {
    auto quant = dyn_cast<QuantType>(value.getType());
    if (quant && quant.getFormat().getFormat().elem.bits < 8 && llvm::is_contained(quant.getShape(), ShapedType::kDynamic))
      return "codes below 8 bits are packed, and their number is not known";
  }
  return "";
}

static LogicalResult checkLowerable(Operation *root) {
  if (failed(nn::verifyNoUnknownOps(root, "lowered")))
    return failure();
  WalkResult result = root->walk([](Operation *op) -> WalkResult {
    if (!isa_and_nonnull<nn::NNDialect, TernDialect>(op->getDialect()))
      return WalkResult::advance();
    // These take the sizes of their operands as they are.
    bool anySize = isa<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::ClipOp, nn::CastOp, nn::BatchNormOp, nn::ShapeOp, CallOp>(op);
    auto isOpen = [](Type type) {
      auto shaped = dyn_cast<RankedTensorType>(type);
      return shaped && !shaped.hasStaticShape();
    };
    for (Type type : op->getResultTypes())
      if (isOpen(type) && !anySize && !op->hasAttr(nn::kSizesAttr))
        return op->emitOpError("cannot be lowered to linalg: the size of ") << type << " is not known (bind dimensions with --dim)";
    if (std::string why = whyOpenSizesMatter(op); !why.empty())
      return op->emitOpError("cannot be lowered to linalg: ") << why << " (bind dimensions with --dim)";
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes()))) {
      auto shaped = dyn_cast<RankedTensorType>(type);
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

LogicalResult tern::lowerToLinalg(Operation *root, bool keepSizes) {
  using namespace lowering;
  SmallVector<func::FuncOp> functions;
  root->walk([&](func::FuncOp function) { functions.push_back(function); });
  for (func::FuncOp function : functions)
    if (failed(noteSizes(function)))
      return failure();
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
  populateResize(types, patterns);
  populateIndex(types, patterns);
  populateRnn(types, patterns);
  populateLoops(types, patterns);
  populateQuantization(types, patterns);
  patterns.add<Constant, LoadConstant, Call>(types, context);
  populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns, types);
  populateCallOpTypeConversionPattern(patterns, types);
  populateReturnOpTypeConversionPattern(patterns, types);

  ConversionTarget target(*context);
  target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
  target.addIllegalDialect<nn::NNDialect, TernDialect>();
  target.addLegalOp<nn::SizeOp>();
  target.addIllegalOp<ml_program::GlobalLoadConstOp>();
  target.addDynamicallyLegalOp<func::FuncOp>(
      [&](func::FuncOp op) { return types.isSignatureLegal(op.getFunctionType()); });
  target.addDynamicallyLegalOp<arith::ConstantOp, func::CallOp, func::ReturnOp>(
      [&](Operation *op) { return types.isLegal(op); });
  SmallVector<DimPlaces> places;
  for (func::FuncOp function : functions)
    places.push_back(dimPlaces(function, types));
  if (failed(applyPartialConversion(root, target, std::move(patterns))))
    return failure();
  for (auto [function, dims] : llvm::zip(functions, places))
    if (!keepSizes && failed(computeSizes(function, dims)))
      return failure();
  return success();
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
