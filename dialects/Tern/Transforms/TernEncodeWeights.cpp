//===- TernEncodeWeights.cpp - expressions on weights become data -----------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Quantize/Method.h"
#include "lib/Reference/Reference.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNENCODEWEIGHTS
#include "dialects/Tern/Transforms/Passes.h.inc"

namespace {

/// Results with at most this many elements become arith.constant, larger ones a global with a resource.
constexpr int64_t kMaxInline = 16;

bool isLeaf(Operation *op) {
  if (isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
    return true;
  // Planes that are data already, e.g. imported codes.
  return isa<BundleOp>(op) && llvm::all_of(op->getOperands(), [](Value plane) {
           Operation *source = plane.getDefiningOp();
           return source && isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(source);
         });
}

class Encoder {
public:
  Encoder(ModuleOp module) : module(module), symbols(module) {}

  LogicalResult run(func::FuncOp function) {
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      if (isExpression(&op))
        continue;
      for (OpOperand &operand : op.getOpOperands()) {
        Operation *source = operand.get().getDefiningOp();
        if (!source || isLeaf(source) || !isExpression(source))
          continue;
        if (failed(materialize(cast<OpResult>(operand.get()))))
          return failure();
      }
    }
    return success();
  }

  /// Erases ops without readers and globals that nobody loads; the blobs of the latter go with them.
  void sweep(func::FuncOp function) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (op.use_empty() && (isLeaf(&op) || isExpression(&op)))
        op.erase();
  }

  void sweepGlobals() {
    for (auto global : llvm::make_early_inc_range(module.getOps<ml_program::GlobalOp>()))
      if (global.isPrivate() && SymbolTable::symbolKnownUseEmpty(global, module)) {
        if (auto resource = dyn_cast_or_null<DenseResourceElementsAttr>(global.getValueAttr()))
          resource.getRawHandle().getResource()->setBlob(AsmResourceBlob());
        symbols.erase(global);
      }
  }

private:
  /// Only constants go in, and the value is known when the model is compiled. A dequantize is where codes are read: it stays.
  bool isExpression(Operation *op) {
    auto [it, isNew] = expressions.try_emplace(op, false);
    if (!isNew)
      return it->second;
    bool result = isLeaf(op);
    if (!result && isPure(op) && op->getNumOperands() && !isa<DequantizeOp, CallOp, nn::OnnxOp>(op))
      result = llvm::all_of(op->getOperands(), [&](Value v) { return v.getDefiningOp() && isExpression(v.getDefiningOp()); });
    return expressions[op] = result;
  }

  FailureOr<reference::Value> evaluate(Value value) {
    Operation *op = value.getDefiningOp();
    SmallVector<reference::Value> operands;
    for (Value operand : op->getOperands()) {
      auto part = evaluate(operand);
      if (failed(part))
        return failure();
      operands.push_back(std::move(*part));
    }
    if (auto quantize = dyn_cast<QuantizeOp>(op); quantize && quantize.getPlanes().empty())
      return encode(quantize, reference::asTensor(operands[0]));
    auto results = reference::evaluate(op, operands);
    if (failed(results))
      return failure();
    return std::move((*results)[cast<OpResult>(value).getResultNumber()]);
  }

  FailureOr<reference::Value> encode(QuantizeOp op, const reference::Tensor &weight) {
    QuantType type = op.getResult().getType();
    if (!weight.getElementType().isF32())
      return LogicalResult(op.emitOpError() << "encodes a weight of type " << weight.getType() << "; only f32 weights are encoded");
    ArrayRef<float> values = weight.data<float>();
    if (int64_t bad = countNonFinite(values.data(), values.size()))
      return LogicalResult(op.emitOpError() << "encodes a weight with " << bad << " values that are NaN or infinite; keep this op in float (--exclude)");
    reference::QuantValue result{type, {}};
    SmallVector<Bytes> planes;
    for (RankedTensorType plane : type.getPlaneTypes())
      result.planes.push_back(reference::Tensor(plane));
    for (reference::Tensor &plane : result.planes) {
      MutableArrayRef<uint8_t> bytes = plane.mutableData<uint8_t>();
      planes.push_back(Bytes(bytes.data(), bytes.size()));
    }
    std::string error = quantizeWeight(op.getMethod().value_or("rtn").str(), values.data(), Span<const int64_t>(type.getShape().data(), type.getShape().size()),
                                       type.getFormat().getFormat(), op.getByAttr().getEncode(), Span<const Bytes>(planes.data(), planes.size()));
    if (!error.empty())
      return LogicalResult(op.emitOpError() << error);
    return reference::Value(std::move(result));
  }

  /// "conv2.weight": the op that reads the value, and what the value is to it.
  std::string nameOf(Value value) {
    for (OpOperand &use : value.getUses()) {
      Operation *user = use.getOwner();
      if (auto name = user->getAttrOfType<StringAttr>("name")) {
        bool takesWeight = isa<nn::ConvOp, nn::ConvTransposeOp, nn::MatmulOp, ConvOp, MatmulOp>(user);
        const char *const roles[] = {"input", "weight", "bias"};
        std::string role = takesWeight && use.getOperandNumber() < 3 ? roles[use.getOperandNumber()] : "operand" + std::to_string(use.getOperandNumber());
        return name.str() + "." + role;
      }
      if (isa<DequantizeOp, QuantizeOp, BundleOp>(user))
        return nameOf(user->getResult(0));
    }
    return "constant";
  }

  /// The data as a value: a small constant, or a load of a new global.
  Value constant(OpBuilder &b, Location loc, const reference::Tensor &tensor, StringRef name) {
    if (tensor.size() <= kMaxInline)
      return arith::ConstantOp::create(b, loc, reference::toAttr(tensor));
    RankedTensorType type = tensor.getType();
    std::string unique = name.str();
    for (int i = 1; symbols.lookup(unique); ++i)
      unique = (name + "." + Twine(i)).str();
    AsmResourceBlob blob = HeapAsmResourceBlob::allocateAndCopyWithAlign(tensor.bytes(), 64, /*dataIsMutable=*/false);
    auto attr = DenseResourceElementsAttr::get(type, unique, std::move(blob));
    OpBuilder top = OpBuilder::atBlockBegin(module.getBody());
    auto global = ml_program::GlobalOp::create(top, loc, unique, type, /*is_mutable=*/false, attr, top.getStringAttr("private"));
    symbols.insert(global);
    return ml_program::GlobalLoadConstOp::create(b, loc, type, SymbolRefAttr::get(global));
  }

  LogicalResult materialize(OpResult value) {
    auto result = evaluate(value);
    if (failed(result))
      return failure();
    OpBuilder b(value.getOwner());
    Location loc = value.getLoc();
    std::string name = nameOf(value);
    Value data;
    if (auto *quant = std::get_if<reference::QuantValue>(&*result)) {
      SmallVector<Value> planes{constant(b, loc, quant->planes[0], name + ".codes")};
      Format format = quant->type.getFormat().getFormat();
      for (auto [plane, tensor] : llvm::zip(format.planes, ArrayRef(quant->planes).drop_front()))
        planes.push_back(constant(b, loc, tensor, name + "." + str(plane.role)));
      data = BundleOp::create(b, loc, quant->type, planes);
    } else {
      data = constant(b, loc, std::get<reference::Tensor>(*result), name);
    }
    value.replaceAllUsesWith(data);
    return success();
  }

  ModuleOp module;
  SymbolTable symbols;
  DenseMap<Operation *, bool> expressions;
};

struct EncodeWeightsPass : impl::TernEncodeWeightsBase<EncodeWeightsPass> {
  void runOnOperation() override {
    Encoder encoder(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      if (failed(encoder.run(function)))
        return signalPassFailure();
      encoder.sweep(function);
    }
    encoder.sweepGlobals();
  }
};
} // namespace
} // namespace tern
