//===- TernEncodeWeights.cpp - weight expressions become planes -----------===//
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Reference/Reference.h"
#include "lib/Support/GrowingFile.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNENCODEWEIGHTS
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;
using reference::Tensor;

namespace {
struct TernEncodeWeights : tern::impl::TernEncodeWeightsBase<TernEncodeWeights> {
  using TernEncodeWeightsBase::TernEncodeWeightsBase;

  void runOnOperation() override {
    symbols.emplace(getOperation());
    file = std::make_shared<GrowingFile>();
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(encode(function)))
        return signalPassFailure();
    removeUnusedGlobals();
    symbols.reset();
    file.reset();
  }

private:
  LogicalResult encode(func::FuncOp function) {
    // Weights first, each with its own evaluator: at most one lives in f32.
    SmallVector<QuantizeOp> weights;
    nn::ConstantExpressions constants;
    function.walk([&](QuantizeOp op) {
      if (op.getMethod() && constants.contains(op.getX()))
        weights.push_back(op);
    });
    done.clear();
    for (QuantizeOp op : weights)
      if (failed(encodeWeight(op)))
        return failure();
    done.clear();
    return materialize(function);
  }

  //===-- weights -------------------------------------------------------------===//
  LogicalResult encodeWeight(QuantizeOp op) {
    reference::Value weight;
    reference::QuantValue quant;
    {
      reference::ConstantEvaluator evaluator;
      FailureOr<reference::Value> x = evaluator.get(op.getX());
      if (failed(x))
        return failure();
      weight = *x;
    }
    if (failed(checkFinite(op, reference::asTensor(weight))))
      return failure();
    FailureOr<SmallVector<reference::Value>> results = reference::evaluate(op, weight);
    if (failed(results))
      return failure();
    quant = std::get<reference::QuantValue>(results->front());
    if (failed(raiseScales(op, reference::asTensor(weight), quant)))
      return failure();
    std::string name = op.getName() && !op.getName()->empty() ? op.getName()->str() : "weight";
    OpBuilder builder(op);
    SmallVector<Value> planes;
    Format format = op.getResult().getType().getFormat().getFormat();
    if (const Encoded *same = findEncoded(op.getX(), quant)) {
      for (Value load : same->loads)
        planes.push_back(builder.clone(*load.getDefiningOp())->getResult(0));
    } else {
      for (auto [index, plane] : llvm::enumerate(quant.planes))
        planes.push_back(resource(builder, op.getLoc(), plane,
                                  name + ".w." + (index ? str(format.planes[index - 1].role) : "codes")));
      done.push_back({op.getX(), quant.type, hashOf(quant), planes});
    }
    Value bundle = BundleOp::create(builder, op.getLoc(), op.getResult().getType(), planes);
    // What reads a plane of the weight reads it directly.
    for (Operation *user : llvm::make_early_inc_range(op.getResult().getUsers()))
      if (auto unbundle = dyn_cast<UnbundleOp>(user)) {
        for (auto [result, plane] : llvm::zip(unbundle.getPlanes(), planes))
          result.replaceAllUsesWith(plane);
        unbundle.erase();
      }
    op.getResult().replaceAllUsesWith(bundle);
    ++encoded;
    return success();
  }

  /// A weight that has been encoded: its planes are not stored a second time for another op.
  struct Encoded {
    Value x;
    QuantType type;
    uint64_t hash;
    SmallVector<Value> loads;
  };
  std::vector<Encoded> done;

  /// Whether two expressions on constants are the same.
  static bool isSame(Value a, Value b) {
    Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
    if (a == b || !x || !y)
      return a == b;
    return x->getName() == y->getName() && a.getType() == b.getType() &&
           cast<OpResult>(a).getResultNumber() == cast<OpResult>(b).getResultNumber() &&
           x->getPropertiesAsAttribute() == y->getPropertiesAsAttribute() &&
           x->getNumOperands() == y->getNumOperands() && llvm::equal(x->getOperands(), y->getOperands(), isSame);
  }

  static uint64_t hashOf(const reference::QuantValue &quant) {
    uint64_t hash = 0;
    for (const Tensor &plane : quant.planes) {
      ArrayRef<char> bytes = plane.bytes();
      hash = hash * 31 + llvm::xxh3_64bits({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
    }
    return hash;
  }

  const Encoded *findEncoded(Value x, const reference::QuantValue &quant) const {
    uint64_t hash = hashOf(quant);
    auto same = llvm::find_if(done, [&](const Encoded &other) {
      return other.type == quant.type && other.hash == hash && isSame(other.x, x);
    });
    return same == done.end() ? nullptr : &*same;
  }

  static LogicalResult checkFinite(QuantizeOp op, const Tensor &weight) {
    if (!weight.getElementType().isF32())
      return success();
    int64_t bad = countNonFinite(weight.data<float>().data(), weight.size());
    if (bad)
      return op.emitError("the weight of '")
             << op.getName().value_or("") << "' has " << bad
             << " elements that are NaN or infinite; keep it float (--exclude='" << op.getName().value_or("") << "')";
    return success();
  }

  /// The int32 bias of a channel is bias / (s_x * s_w): a channel of tiny weights would push it out of range. Its scale
  /// is raised until the bias fits in 30 bits; its codes, small as they were, become smaller.
  LogicalResult raiseScales(QuantizeOp op, const Tensor &weight, reference::QuantValue &quant) {
    SmallVector<std::pair<Value, Value>> biases; // bias, product of the other scale
    for (Operation *user : op.getResult().getUsers())
      if (auto unbundle = dyn_cast<UnbundleOp>(user))
        findBiases(unbundle.getPlanes()[1], biases);
    Format format = op.getResult().getType().getFormat().getFormat();
    if (biases.empty() || quant.planes.size() != 2 || !(format.planes[0].type == Element::f32()))
      return success();
    Tensor scales(quant.planes[1].getType());
    llvm::copy(quant.planes[1].data<float>(), scales.mutableData<float>().begin());
    MutableArrayRef<float> raised = scales.mutableData<float>();
    bool changed = false;
    for (auto [bias, factor] : biases) {
      reference::ConstantEvaluator evaluator;
      FailureOr<reference::Value> b = evaluator.get(bias), s = evaluator.get(factor);
      if (failed(b) || failed(s))
        return failure();
      ArrayRef<float> values = reference::asTensor(*b).data<float>(), x = reference::asTensor(*s).data<float>();
      if (values.size() != raised.size() || x.size() != 1)
        continue;
      for (size_t i = 0; i < values.size(); ++i) {
        float least = std::abs(values[i]) / (x[0] * 0x1p30f);
        if (std::abs(raised[i]) >= least)
          continue;
        raised[i] = std::copysign(least, raised[i]);
        changed = true;
      }
    }
    if (!changed)
      return success();
    quant.planes[1] = scales;
    Tensor codes(quant.planes[0].getType());
    SmallVector<Bytes> planes;
    for (Tensor *plane : {&codes, &scales})
      planes.push_back({plane->mutableData<uint8_t>().data(), plane->bytes().size()});
    ArrayRef<int64_t> shape = op.getResult().getType().getShape();
    std::string error =
        encodeCodes(format, op.getByAttr() ? op.getByAttr().getEncode() : Encode(Rule::Given),
                    {shape.data(), shape.size()}, weight.data<float>().data(), {planes.data(), planes.size()});
    if (!error.empty())
      return op.emitError() << error;
    quant.planes[0] = codes;
    return success();
  }

  /// quantize(bias, reshape(scale) * factor)
  static void findBiases(Value scale, SmallVectorImpl<std::pair<Value, Value>> &biases) {
    for (Operation *user : scale.getUsers()) {
      if (isa<nn::ReshapeOp, nn::CastOp>(user))
        findBiases(user->getResult(0), biases);
      auto product = dyn_cast<nn::BinaryOp>(user);
      if (!product || product.getKind() != nn::BinaryKind::mul || product.getLhs() != scale)
        continue;
      for (Operation *consumer : product.getResult().getUsers())
        if (auto bias = dyn_cast<QuantizeOp>(consumer))
          if (bias.getPlanes().size() == 1 && bias.getPlanes()[0] == product.getResult())
            biases.push_back({bias.getX(), product.getRhs()});
    }
  }

  //===-- everything else that is constant --------------------------------------===//
  LogicalResult materialize(func::FuncOp function) {
    nn::ConstantExpressions constants;
    function.walk([](nn::MatmulOp op) { readAsStored(op); });
    SmallVector<std::pair<OpOperand *, std::string>> wanted;
    llvm::StringMap<unsigned> unnamed;
    function.walk([&](Operation *op) {
      bool isConstant = op->getNumResults() && constants.contains(op->getResult(0));
      if (isConstant || (op->getNumOperands() == 0 && !isa<func::ReturnOp>(op)))
        return;
      for (OpOperand &operand : op->getOpOperands()) {
        Operation *producer = operand.get().getDefiningOp();
        if (!producer || !constants.contains(operand.get()) || isPlain(producer))
          continue;
        wanted.push_back({&operand, nameFor(op, operand.getOperandNumber(), unnamed)});
      }
    });
    // Results of one expression that several ops read are computed once.
    llvm::DenseMap<Value, Value> done;
    for (auto [operand, name] : wanted) {
      Value value = operand->get();
      // Recurrent layers read codes: only these are computed.
      auto dequantize = value.getDefiningOp<DequantizeOp>();
      bool staysCodes = dequantize && isa<nn::RnnOp>(operand->getOwner());
      if (staysCodes)
        value = dequantize.getQ();
      Value &constant = done[value];
      if (!constant) {
        reference::ConstantEvaluator evaluator;
        FailureOr<reference::Value> result = evaluator.get(value);
        if (failed(result))
          return failure();
        OpBuilder builder(operand->getOwner());
        builder.setInsertionPointAfterValue(value);
        constant = asConstant(builder, value.getLoc(), *result, name);
      }
      OpBuilder builder(operand->getOwner());
      operand->set(staysCodes ? DequantizeOp::create(builder, value.getLoc(), operand->get().getType(), constant, StringAttr()).getResult() : constant);
    }
    SmallVector<Operation *> all;
    function.walk([&](Operation *op) { all.push_back(op); });
    for (Operation *op : llvm::reverse(all))
      if (isOpTriviallyDead(op))
        op->erase();
    return success();
  }

  /// matmul(x, transpose(w)) {transpose_b} -> matmul(x, w): kernels pack a float weight from either order, a copy of it is not needed.
  static void readAsStored(nn::MatmulOp op) {
    auto transpose = op.getRhs().getDefiningOp<nn::TransposeOp>();
    if (!op.getTransposeB() || !transpose || !transpose.getX().getDefiningOp<ml_program::GlobalLoadConstOp>() ||
        cast<RankedTensorType>(op.getRhs().getType()).getRank() != 2 || transpose.getPerm() != ArrayRef<int64_t>{1, 0})
      return;
    op.getRhsMutable().assign(transpose.getX());
    op.setTransposeB(false);
  }

  /// A constant as it stays, or the bundle of such constants.
  static bool isPlain(Operation *op) {
    if (isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op))
      return true;
    auto bundleOf = [](BundleOp bundle) {
      return bundle && llvm::all_of(bundle.getPlanes(), [](Value plane) {
               return plane.getDefiningOp() &&
                      isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(plane.getDefiningOp());
             });
    };
    if (auto dequantize = dyn_cast<DequantizeOp>(op))
      return bundleOf(dequantize.getQ().getDefiningOp<BundleOp>());
    return bundleOf(dyn_cast<BundleOp>(op));
  }

  static std::string nameFor(Operation *op, unsigned operand, llvm::StringMap<unsigned> &unnamed) {
    std::string name = nn::nameOf(op).str();
    if (name.empty())
      name = (op->getName().stripDialect() + "_" + Twine(unnamed[op->getName().getStringRef()]++)).str();
    bool product = isa<nn::ConvOp, nn::ConvTransposeOp, nn::MatmulOp, ConvOp, MatmulOp>(op);
    static const char *const roles[] = {"x", "w", "bias"};
    return name + "." + (product && operand < 3 ? std::string(roles[operand]) : "c" + std::to_string(operand));
  }

  Value asConstant(OpBuilder &builder, Location loc, const reference::Value &value, const std::string &name) {
    if (auto *quant = std::get_if<reference::QuantValue>(&value)) {
      SmallVector<Value> planes;
      for (auto [index, plane] : llvm::enumerate(quant->planes))
        planes.push_back(asConstant(builder, loc, plane, name + "." + std::to_string(index)));
      return BundleOp::create(builder, loc, quant->type, planes);
    }
    const Tensor &tensor = reference::asTensor(value);
    if (int64_t(tensor.bytes().size()) <= nn::kMaxFoldBytes)
      return arith::ConstantOp::create(builder, loc, reference::toAttr(tensor));
    return resource(builder, loc, tensor, name);
  }

  //===-- globals ---------------------------------------------------------------===//
  /// A private global whose blob holds the tensor, and its load. The blob's key comes from the name of the op, not from
  /// a counter (W4).
  Value resource(OpBuilder &builder, Location loc, const Tensor &tensor, std::string name) {
    std::string unique = name;
    for (unsigned i = 1; symbols->lookup(unique) || isTaken(unique); ++i)
      unique = name + "_" + std::to_string(i);
    RankedTensorType type = tensor.getType();
    ArrayRef<char> bytes = tensor.bytes();
    AsmResourceBlob blob = stored(bytes);
    auto attr = DenseResourceElementsAttr::get(type, unique, std::move(blob));
    OpBuilder top = OpBuilder::atBlockBegin(getOperation().getBody());
    if (lastGlobal)
      top.setInsertionPointAfter(lastGlobal);
    auto global =
        ml_program::GlobalOp::create(top, loc, unique, type, /*is_mutable=*/false, attr, top.getStringAttr("private"));
    symbols->insert(global);
    lastGlobal = global;
    return ml_program::GlobalLoadConstOp::create(builder, loc, type,
                                                 FlatSymbolRefAttr::get(builder.getContext(), unique));
  }

  /// Large data lie in a file: only the weight at hand is in memory (W3).
  AsmResourceBlob stored(ArrayRef<char> bytes) {
    char *to = bytes.size() >= 64 << 10 ? file->append(bytes.size()) : nullptr;
    if (!to)
      return HeapAsmResourceBlob::allocateAndCopyWithAlign(bytes, 64, /*dataIsMutable=*/false);
    llvm::copy(bytes, to);
    file->release(to, bytes.size());
    return AsmResourceBlob(ArrayRef<char>(to, bytes.size()), 64, [file = file](void *, size_t, size_t) {}, /*dataIsMutable=*/false);
  }

  bool isTaken(StringRef key) {
    return DenseResourceElementsHandle::getManagerInterface(&getContext()).getBlobManager().lookup(key) != nullptr;
  }

  /// Globals that nothing loads any more go, and their blobs with them.
  void removeUnusedGlobals() {
    llvm::StringSet<> loaded;
    getOperation().walk([&](Operation *op) {
      if (auto load = dyn_cast<ml_program::GlobalLoadConstOp>(op))
        loaded.insert(load.getGlobal().getLeafReference());
      else if (op->getDialect() && op->getDialect()->getNamespace() == "ml_program" && !isa<ml_program::GlobalOp>(op))
        if (auto symbol = op->getAttrOfType<SymbolRefAttr>("global"))
          loaded.insert(symbol.getLeafReference());
    });
    llvm::StringSet<> kept, dropped;
    auto keyOf = [](ml_program::GlobalOp global) {
      auto attr = dyn_cast_or_null<DenseResourceElementsAttr>(global.getValueAttr());
      return attr ? attr.getRawHandle().getKey() : StringRef();
    };
    for (auto global : llvm::make_early_inc_range(getOperation().getOps<ml_program::GlobalOp>())) {
      if (loaded.contains(global.getSymName()) || global.isPublic()) {
        kept.insert(keyOf(global));
        continue;
      }
      dropped.insert(keyOf(global));
      global.erase();
    }
    if (keepSources)
      return;
    auto &manager = DenseResourceElementsHandle::getManagerInterface(&getContext()).getBlobManager();
    for (const auto &entry : dropped)
      if (!entry.getKey().empty() && !kept.contains(entry.getKey()) && manager.lookup(entry.getKey()))
        manager.update(entry.getKey(), AsmResourceBlob());
  }

  std::optional<SymbolTable> symbols;
  std::shared_ptr<GrowingFile> file;
  Operation *lastGlobal = nullptr;
};
} // namespace
