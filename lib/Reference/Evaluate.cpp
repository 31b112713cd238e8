//===- Evaluate.cpp - one op ----------------------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "lib/Reference/Ops.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::reference {

/// Element types that a Tensor can hold.
static bool isSupported(Type element) {
  if (!isa<IntegerType, FloatType>(element))
    return false;
  unsigned bits = element.getIntOrFloatBitWidth();
  return bits <= 8 || bits == 16 || bits == 32 || bits == 64;
}

/// Types of operands and results are tensors of numbers (or quantized), and, unless the op finds out itself, of known
/// sizes.
static LogicalResult checkTypes(Operation *op) {
  bool findsSizes = isa<nn::ReshapeOp, nn::RangeOp>(op);
  for (Type type :
       llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()), SmallVector<Type>(op->getResultTypes()))) {
    if (isa<QuantType>(type))
      continue;
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !isSupported(tensor.getElementType()))
      return op->emitOpError("cannot be evaluated on ") << type << "; only tensors of integers and floats can";
  }
  for (Type type : op->getResultTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && !tensor.hasStaticShape() && !findsSizes)
      return op->emitOpError("cannot be evaluated: the size of ")
             << tensor << " is not known (bind dimensions with --dim)";
  return success();
}

/// The operand values have the types of the operands; a caller's mistake must not become a wild read.
static LogicalResult checkOperands(Operation *op, Operands in) {
  if (in.size() != op->getNumOperands())
    return op->emitOpError("is evaluated with ")
           << in.size() << " values; it has " << op->getNumOperands() << " operands";
  for (auto [value, type] : llvm::zip(in, op->getOperandTypes())) {
    Type given = typeOf(value);
    auto tensor = dyn_cast<RankedTensorType>(given);
    if (given != type && !(tensor && nn::areCompatible({type}, {given})))
      return op->emitOpError("is evaluated on ") << given << "; the operand is " << type;
  }
  return success();
}

static Results single(FailureOr<Tensor> tensor) {
  if (failed(tensor))
    return failure();
  return SmallVector<Value>{*tensor};
}

static Results evaluateGlobal(ml_program::GlobalLoadConstOp op) {
  auto global = SymbolTable::lookupNearestSymbolFrom<ml_program::GlobalOp>(op, op.getGlobalAttr());
  auto value = global ? dyn_cast_or_null<ElementsAttr>(global.getValueAttr()) : ElementsAttr();
  if (!value)
    return op.emitOpError("loads ") << op.getGlobalAttr() << ", which has no value in this module";
  return single(fromAttr(value, [&] { return op.emitOpError(); }));
}

static Results evaluateCall(Operation *op, StringRef callee, Operands in) {
  ModuleOp module = op->getParentOfType<ModuleOp>();
  return Interpreter(module).run(callee, in);
}

Results evaluate(Operation *op, Operands in) {
  if (failed(checkTypes(op)) || failed(checkOperands(op, in)))
    return failure();
  return TypeSwitch<Operation *, Results>(op)
      .Case<nn::UnaryOp, nn::BinaryOp, nn::CompareOp, nn::SelectOp, nn::ClipOp, nn::CastOp>(
          [&](Operation *op) { return single(evaluateElementwise(op, in)); })
      .Case<nn::ReshapeOp, nn::TransposeOp, nn::SliceOp, nn::ConcatOp, nn::PadOp, nn::ExpandOp, nn::GatherOp,
            nn::ShapeOp, nn::RangeOp>([&](Operation *op) { return single(evaluateMovement(op, in)); })
      .Case([&](nn::MatmulOp op) { return single(evaluateMatmul(op, in)); })
      .Case([&](nn::ConvOp op) { return single(evaluateConv(op, in)); })
      .Case([&](nn::ConvTransposeOp op) { return single(evaluateConvTranspose(op, in)); })
      .Case([&](nn::PoolOp op) { return single(evaluatePool(op, in)); })
      .Case([&](nn::ReduceOp op) { return single(evaluateReduce(op, in)); })
      .Case([&](nn::SoftmaxOp op) { return single(evaluateSoftmax(op, in)); })
      .Case([&](nn::BatchNormOp op) { return single(evaluateBatchNorm(op, in)); })
      .Case([&](nn::LayerNormOp op) { return single(evaluateLayerNorm(op, in)); })
      .Case([&](nn::RmsNormOp op) { return single(evaluateRmsNorm(op, in)); })
      .Case([&](nn::GroupNormOp op) { return single(evaluateGroupNorm(op, in)); })
      .Case([&](nn::AttentionOp op) { return single(evaluateAttention(op, in)); })
      .Case([&](nn::RopeOp op) { return single(evaluateRope(op, in)); })
      .Case([&](nn::ResizeOp op) { return single(evaluateResize(op, in)); })
      .Case<nn::ArgReduceOp, nn::TopkOp, nn::CumulateOp, nn::GatherElementsOp, nn::GatherNdOp, nn::ScatterElementsOp, nn::ScatterNdOp>(
          [&](Operation *op) { return evaluateIndex(op, in); })
      .Case([&](nn::RnnOp op) { return evaluateRnn(op, in); })
      .Case([&](nn::OnnxOp op) -> Results {
        return op.emitOpError("\"") << op.getOpType()
                                    << "\" is an ONNX op that Tern does not know; it cannot be evaluated";
      })
      .Case([&](arith::ConstantOp op) -> Results {
        auto elements = dyn_cast<ElementsAttr>(op.getValue());
        if (!elements)
          return op.emitOpError("cannot be evaluated; only tensor constants can");
        return single(fromAttr(elements, [&] { return op.emitOpError(); }));
      })
      .Case([&](ml_program::GlobalLoadConstOp op) { return evaluateGlobal(op); })
      .Case([&](tern::CallOp op) { return evaluateCall(op, op.getCallee(), in); })
      .Case([&](func::CallOp op) { return evaluateCall(op, op.getCallee(), in); })
      .Default([&](Operation *op) -> Results {
        if (op->getName().getDialectNamespace() == "tern")
          return evaluateTern(op, in);
        return op->emitOpError("cannot be evaluated; the reference knows nn, tern, calls and constants");
      });
}

FailureOr<Value> ConstantEvaluator::get(mlir::Value value) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  Operation *op = value.getDefiningOp();
  SmallVector<Value> operands;
  for (mlir::Value operand : op->getOperands()) {
    FailureOr<Value> result = get(operand);
    if (failed(result))
      return failure();
    operands.push_back(*result);
  }
  FailureOr<SmallVector<Value>> results = evaluate(op, operands);
  if (failed(results))
    return failure();
  for (auto [result, computed] : llvm::zip(op->getResults(), *results))
    known.insert({result, computed});
  return known.find(value)->second;
}

std::optional<SmallVector<Attribute>> foldConstants(Operation *op) {
  if (!isa_and_nonnull<nn::NNDialect>(op->getDialect()) || isa<nn::OnnxOp>(op))
    return std::nullopt;
  for (Type type : op->getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !isSupported(tensor.getElementType()))
      return std::nullopt;
    if (tensor.hasStaticShape() &&
        tensor.getNumElements() > nn::kMaxFoldBytes / nn::elementBytes(tensor.getElementType()))
      return std::nullopt;
  }
  // What cannot be evaluated stays in the program, where running it reports why.
  ScopedDiagnosticHandler silence(op->getContext(), [](Diagnostic &) { return success(); });
  SmallVector<Value> operands;
  for (mlir::Value operand : op->getOperands()) {
    ElementsAttr attr;
    if (!matchPattern(operand, m_Constant(&attr)))
      return std::nullopt;
    FailureOr<Tensor> tensor = fromAttr(attr, [&] { return op->emitOpError(); });
    if (failed(tensor))
      return std::nullopt;
    operands.push_back(*tensor);
  }
  Results results = evaluate(op, operands);
  if (failed(results))
    return std::nullopt;
  SmallVector<Attribute> attrs;
  for (const Value &value : *results) {
    if (asTensor(value).bytes().size() > nn::kMaxFoldBytes)
      return std::nullopt;
    attrs.push_back(toAttr(asTensor(value)));
  }
  return attrs;
}

} // namespace tern::reference
