//===- Activations.cpp - which values become codes, together --------------===//
#include "dialects/NN/Transforms/Activations.h"
#include "dialects/Tern/IR/Tern.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::nn {

static RankedTensorType typeOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }
static bool isF32(Value value) { return typeOf(value) && typeOf(value).getElementType().isF32(); }

bool movesCodes(Operation *op) {
  if (auto pad = dyn_cast_or_null<PadOp>(op))
    return pad.getMode() != PadMode::constant || pad.getValue().isZero();
  return isa_and_nonnull<ReshapeOp, TransposeOp, SliceOp, ConcatOp, ExpandOp>(op);
}

bool keepsCodes(Operation *op) {
  if (auto pool = dyn_cast_or_null<PoolOp>(op))
    return pool.getKind() == PoolKind::max;
  auto resize = dyn_cast_or_null<ResizeOp>(op);
  return resize && resize.getMode() == ResizeMode::nearest;
}

ArrayRef<unsigned> weightOperands(Operation *op) {
  static constexpr unsigned table[] = {0}, one[] = {1}, recurrent[] = {1, 2};
  auto rnn = dyn_cast<RnnOp>(op);
  return isa<GatherOp>(op) ? ArrayRef(table) : rnn && rnn.getW() ? ArrayRef(recurrent) : ArrayRef(one);
}

/// Smaller tables save nothing.
constexpr int64_t kLargeTable = 1 << 16;

bool isEmbedding(Operation *op) {
  auto gather = dyn_cast<GatherOp>(op);
  if (!gather || gather.getAxis() != 0 || !isF32(gather.getX()) || !isConstantExpression(gather.getX()))
    return false;
  RankedTensorType table = typeOf(gather.getX());
  return table.getRank() == 2 && table.hasStaticShape() && table.getNumElements() >= kLargeTable;
}

/// Weights of all gates, for the inputs and for the state.
static std::string whyNotQuantizable(RnnOp op) {
  for (unsigned operand : weightOperands(op)) {
    Value w = op->getOperand(operand);
    if (!isF32(w) || !isF32(op.getX()))
      return "its tensors are not f32";
    if (w.getDefiningOp<DequantizeOp>())
      return "the model quantizes it already";
    if (!isConstantExpression(w) || !typeOf(w).hasStaticShape())
      return "its weights are not constant";
  }
  if (op.getB() && !isConstantExpression(op.getB()))
    return "its bias is not constant";
  return "";
}

std::string whyNotQuantizable(Operation *op) {
  if (isEmbedding(op))
    return "";
  if (auto rnn = dyn_cast<RnnOp>(op))
    return whyNotQuantizable(rnn);
  if (!isa<ConvOp, ConvTransposeOp, MatmulOp>(op))
    return "only convolutions, matrix products and recurrent layers have integer kernels";
  Value x = op->getOperand(0), w = op->getOperand(1);
  if (!isF32(x) || !isF32(w) || !isF32(op->getResult(0)))
    return "its tensors are not f32";
  if (x.getDefiningOp<DequantizeOp>() || w.getDefiningOp<DequantizeOp>())
    return "the model quantizes it already";
  // The rows of a matrix product may be any number, the pictures of a convolution of any size.
  int64_t channels = isa<MatmulOp>(op) ? typeOf(x).getRank() - 1 : 1;
  bool known = channels >= 0 && channels < typeOf(x).getRank() && !typeOf(x).isDynamicDim(channels);
  if (!known || !typeOf(w).hasStaticShape())
    return "its sizes are not known; bind them with --dim";
  if (!isConstantExpression(w))
    return "its weight is not constant";
  if (op->getNumOperands() > 2 && !isConstantExpression(op->getOperand(2)))
    return "its bias is not constant";
  if (isConstantExpression(x))
    return "its input is constant";
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    if (typeOf(w).getRank() != 2 || !matmul.getTransposeB() || matmul.getTransposeA())
      return "its weight is not one [N, K] matrix";
    return "";
  }
  int64_t rank = typeOf(x).getRank();
  if (rank != 3 && rank != 4)
    return "only one and two spatial dimensions have a kernel";
  int64_t group = op->getAttrOfType<IntegerAttr>("group") ? op->getAttrOfType<IntegerAttr>("group").getInt() : 1;
  if (isa<ConvTransposeOp>(op) && group != 1)
    return "grouped transposed convolutions have no integer kernel";
  return "";
}

//===-- attributes ----------------------------------------------------------===//

static func::FuncOp functionOf(BlockArgument argument) {
  return dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
}

/// The loop whose argument or result a value is, and the attribute of the loop that describes such values: a dictionary by
/// number.
static std::pair<LoopOp, std::string> loopOf(Value value, StringRef name) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return {dyn_cast<LoopOp>(argument.getOwner()->getParentOp()), (name + ".arguments").str()};
  return {value.getDefiningOp<LoopOp>(), (name + ".results").str()};
}
static std::string numberOf(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return std::to_string(argument ? argument.getArgNumber() : cast<OpResult>(value).getResultNumber());
}

Attribute getValueAttr(Value value, StringRef name) {
  if (auto [loop, all] = loopOf(value, name); loop) {
    auto known = loop->getAttrOfType<DictionaryAttr>(all);
    return known ? known.get(numberOf(value)) : Attribute();
  }
  if (Operation *op = value.getDefiningOp())
    return op->getAttr(name);
  auto argument = cast<BlockArgument>(value);
  func::FuncOp function = functionOf(argument);
  return function ? function.getArgAttr(argument.getArgNumber(), name) : Attribute();
}

void setValueAttr(Value value, StringRef name, Attribute attr) {
  if (auto [loop, all] = loopOf(value, name); loop) {
    NamedAttrList known(loop->getAttrOfType<DictionaryAttr>(all));
    known.set(numberOf(value), attr);
    loop->setAttr(all, known.getDictionary(loop.getContext()));
    return;
  }
  if (Operation *op = value.getDefiningOp())
    return op->setAttr(name, attr);
  auto argument = cast<BlockArgument>(value);
  if (func::FuncOp function = functionOf(argument))
    function.setArgAttr(argument.getArgNumber(), name, attr);
}

void removeValueAttr(Value value, StringRef name) {
  if (auto [loop, all] = loopOf(value, name); loop) {
    NamedAttrList known(loop->getAttrOfType<DictionaryAttr>(all));
    known.erase(numberOf(value));
    if (known.empty())
      loop->removeAttr(all);
    else
      loop->setAttr(all, known.getDictionary(loop.getContext()));
    return;
  }
  if (Operation *op = value.getDefiningOp()) {
    op->removeAttr(name);
    return;
  }
  auto argument = cast<BlockArgument>(value);
  if (func::FuncOp function = functionOf(argument))
    function.removeArgAttr(argument.getArgNumber(), name);
}

void walkValues(func::FuncOp function, function_ref<void(Value)> visit) {
  for (BlockArgument argument : function.getArguments())
    visit(argument);
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto loop = dyn_cast<LoopOp>(op);
    if (loop)
      llvm::for_each(loop.block().getArguments(), visit);
    llvm::for_each(op->getResults(), visit);
  });
}

std::string nameOfValue(Value value) {
  if (auto loop = value.getDefiningOp<LoopOp>())
    return (loop.getName().value_or("loop") + ".result" + Twine(cast<OpResult>(value).getResultNumber())).str();
  if (Operation *op = value.getDefiningOp()) {
    if (StringRef name = nameOf(op); !name.empty())
      return name.str();
    // Unnamed ops are counted in the block: the same program gives the same name.
    int64_t index = 0;
    for (Operation &other : *op->getBlock()) {
      if (&other == op)
        break;
      index += other.getName() == op->getName();
    }
    return (op->getName().stripDialect() + "_" + Twine(index)).str();
  }
  auto argument = cast<BlockArgument>(value);
  if (auto loop = dyn_cast<LoopOp>(argument.getOwner()->getParentOp()))
    return (loop.getName().value_or("loop") + ".argument" + Twine(argument.getArgNumber())).str();
  if (func::FuncOp function = functionOf(argument))
    if (auto name = function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), "tern.name"))
      return name.str();
  return "input_" + std::to_string(argument.getArgNumber());
}

func::FuncOp mainFunction(ModuleOp module) {
  if (auto main = module.lookupSymbol<func::FuncOp>("main"))
    return main;
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      return function;
  return {};
}

//===-- groups --------------------------------------------------------------===//

namespace {
class Finder {
public:
  Finder(func::FuncOp function, function_ref<bool(Operation *)> isStatic) : function(function), isStatic(isStatic) {}

  std::vector<ActivationGroup> run() {
    function.walk([&](Operation *op) {
      if (isa<ConvOp, ConvTransposeOp, MatmulOp>(op) && isStatic(op)) {
        integer.insert(op);
        Value first;
        follow(op->getOperand(0), first);
        if (first)
          readers.push_back({op, first});
      }
    });
    function.walk([&](Operation *op) {
      if (op->getNumResults() == 1 && crossesKernels(op->getResult(0))) {
        Value first;
        follow(op->getResult(0), first);
      }
    });
    return collect();
  }

private:
  /// Makes the definitions behind `value` roots of the group of `first`.
  void follow(Value value, Value &first) {
    Operation *op = value.getDefiningOp();
    if (isConstantExpression(value) || !isF32(value))
      return;
    if (op && movesCodes(op) && llvm::none_of(op->getOperands(), isConstantExpression)) {
      for (Value operand : op->getOperands())
        follow(operand, first);
      return;
    }
    bool isNew = roots.insert(value);
    if (!first)
      first = value;
    else
      unite(first, value);
    if (isNew && op && keepsCodes(op))
      follow(op->getOperand(0), first);
  }

  /// The result of a quantized op's elementwise tail that more than one kernel reads, or one that is no elementwise op:
  /// as codes it is a quarter of the traffic. Gates and vectors stay float.
  bool crossesKernels(Value value) {
    RankedTensorType type = typeOf(value);
    if (!isF32(value) || roots.contains(value) || type.getRank() < 3 || value.use_empty())
      return false;
    if (llvm::all_of(type.getShape().drop_front(2), [](int64_t size) { return size == 1; }) ||
        !endsIntegerKernel(value))
      return false;
    if (meetInOneOp(value))
      return false;
    bool single = value.hasOneUse();
    for (Operation *user : value.getUsers()) {
      if (isReadAsFloats(user))
        return false;
      bool elementwise = isa<UnaryOp, BinaryOp, ClipOp>(user);
      bool reads = isa<ReduceOp, PoolOp, ResizeOp>(user) || movesCodes(user) || integer.contains(user);
      if ((single && elementwise) || (!elementwise && !reads))
        return false;
    }
    return true;
  }

  /// Behind its moves the value meets an op that has no kernel for codes: heads of an attention stay floats.
  bool isReadAsFloats(Operation *user) {
    if (isa<AttentionOp, RopeOp, SoftmaxOp, LayerNormOp, RmsNormOp, GroupNormOp, RnnOp>(user) || (isa<MatmulOp>(user) && !integer.contains(user)))
      return true;
    return movesCodes(user) && llvm::any_of(user->getUsers(), [&](Operation *next) { return isReadAsFloats(next); });
  }

  /// x * f(x): all readers are elementwise and end in one of them; they share the kernel of the value.
  static bool meetInOneOp(Value value) {
    auto isElementwise = [](Operation *op) { return isa<UnaryOp, BinaryOp, ClipOp>(op); };
    Operation *last = nullptr;
    for (Operation *user : value.getUsers()) {
      if (!isElementwise(user) || user->getResult(0).getType() != value.getType())
        return false;
      last = !last || last->isBeforeInBlock(user) ? user : last;
    }
    for (Operation *user : value.getUsers())
      for (Operation *op = user; op != last; op = *op->getResult(0).getUsers().begin())
        if (!isElementwise(op) || !op->getResult(0).hasOneUse())
          return false;
    return true;
  }

  bool endsIntegerKernel(Value value) {
    for (int depth = 0; depth < 16; ++depth) {
      Operation *op = value.getDefiningOp();
      if (!op)
        return false;
      if (integer.contains(op))
        return true;
      if (!isa<UnaryOp, BinaryOp, ClipOp>(op))
        return false;
      // A residual sum ends the kernel of its later operand; either one will do here.
      Value next;
      for (Value operand : op->getOperands())
        if (!isConstantExpression(operand) && operand.getType() == op->getResult(0).getType() &&
            (!next || operand.hasOneUse()))
          next = operand;
      if (!next)
        return false;
      value = next;
    }
    return false;
  }

  Value leader(Value value) {
    auto found = parent.find(value);
    return found == parent.end() || found->second == value ? value : leader(found->second);
  }
  void unite(Value a, Value b) {
    a = leader(a), b = leader(b);
    if (a != b)
      parent[b] = a;
  }

  std::vector<ActivationGroup> collect() {
    // Program order: arguments first.
    SmallVector<Value> ordered;
    walkValues(function, [&](Value value) {
      if (roots.contains(value))
        ordered.push_back(value);
    });
    llvm::MapVector<Value, ActivationGroup> groups;
    for (Value root : ordered) {
      ActivationGroup &group = groups[leader(root)];
      if (group.roots.empty())
        group.name = nameOfValue(root);
      group.roots.push_back(root);
    }
    for (auto [op, root] : readers)
      groups[leader(root)].consumers.push_back(op);
    std::vector<ActivationGroup> result;
    for (auto &[key, group] : groups)
      result.push_back(std::move(group));
    return result;
  }

  func::FuncOp function;
  function_ref<bool(Operation *)> isStatic;
  llvm::SmallPtrSet<Operation *, 32> integer;
  SmallVector<std::pair<Operation *, Value>> readers;
  llvm::SetVector<Value> roots;
  llvm::DenseMap<Value, Value> parent;
};
} // namespace

std::vector<ActivationGroup> findActivations(func::FuncOp function, function_ref<bool(Operation *)> isStatic) {
  return Finder(function, isStatic).run();
}

} // namespace tern::nn
