//===- TernOutline.cpp - one function per kernel --------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Grouping.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNOUTLINE
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;

/// Values of activations' planes are known where they are quantized: the operands for scale, zero point, ...; empty
/// when they are computed at run time.
static SmallVector<Value> staticPlanes(Operation *op) {
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    return quantize.getPlanes();
  auto requantize = cast<RequantizeOp>(op);
  SmallVector<Value> planes{requantize.getScale()};
  if (requantize.getZero())
    planes.push_back(requantize.getZero());
  return planes;
}

static bool isSmallConstant(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto type = constant ? dyn_cast<RankedTensorType>(constant.getType()) : RankedTensorType();
  return constant && (!type || type.getNumElements() == 1);
}

namespace {
/// Builds the function of one group and its call.
class KernelMaker {
public:
  KernelMaker(const Group &group, SymbolTable &symbols, llvm::DenseMap<Value, SmallVector<Value>> &planesOf)
      : group(group), symbols(symbols), planesOf(planesOf) {}

  LogicalResult run(StringRef name) {
    Location loc = (group.anchor ? group.anchor : group.last())->getLoc();
    OpBuilder builder(loc.getContext());
    function = func::FuncOp::create(loc, ("k." + name).str(), FunctionType::get(loc.getContext(), {}, {}));
    function.setPrivate();
    body = OpBuilder::atBlockEnd(function.addEntryBlock());
    for (Operation *op : group.ops) {
      for (Value operand : op->getOperands())
        if (failed(resolve(operand)))
          return failure();
      Operation *clone = body.clone(*op, mapping);
      for (StringRef attr : {"tern.probe", "tern.stats", "tern.codes"})
        clone->removeAttr(attr);
    }
    SmallVector<Value> results;
    for (Operation *op : exits())
      for (Value result : op->getResults())
        addResult(result, results);
    func::ReturnOp::create(body, loc, results);
    function.setType(FunctionType::get(loc.getContext(), function.getBody().front().getArgumentTypes(),
                                       TypeRange(ValueRange(results))));
    if (group.anchor)
      if (auto choice = group.anchor->getAttrOfType<ChoiceAttr>("choice"))
        function->setAttr("tern.choice", choice);
    symbols.insert(function);
    call(loc);
    return success();
  }

private:
  /// The ops whose results leave the kernel, in program order: the last one, and others that are read outside, too.
  SmallVector<Operation *> exits() const {
    llvm::SmallPtrSet<Operation *, 8> inside(group.ops.begin(), group.ops.end());
    SmallVector<Operation *> all;
    for (Operation *op : group.ops)
      if (op == group.last() || llvm::any_of(op->getUsers(), [&](Operation *user) { return !inside.contains(user); }))
        all.push_back(op);
    return all;
  }

  /// A quantized result crosses the border as its codes, and with the planes that are computed at run time.
  void addResult(Value result, SmallVectorImpl<Value> &results) {
    Value inside = mapping.lookup(result);
    if (!isa<QuantType>(result.getType())) {
      results.push_back(inside);
      return;
    }
    SmallVector<Type> types(llvm::map_range(cast<QuantType>(result.getType()).getPlaneTypes(),
                                            [](RankedTensorType type) -> Type { return type; }));
    auto unbundle = UnbundleOp::create(body, inside.getLoc(), types, inside);
    bool isStatic = !staticPlanes(result.getDefiningOp()).empty();
    for (Value plane : unbundle.getPlanes().take_front(isStatic ? 1 : unbundle.getNumResults()))
      results.push_back(plane);
  }

  /// Makes `value` of the outer function known inside the kernel.
  LogicalResult resolve(Value value) {
    if (mapping.contains(value))
      return success();
    Operation *op = value.getDefiningOp();
    if (op && isSmallConstant(value)) {
      OpBuilder::InsertionGuard guard(body);
      body.setInsertionPointToStart(&function.getBody().front());
      body.clone(*op, mapping);
      return success();
    }
    if (op && isView(op)) {
      for (Value operand : op->getOperands())
        if (failed(resolve(operand)))
          return failure();
      body.clone(*op, mapping);
      return success();
    }
    auto quant = dyn_cast<QuantType>(value.getType());
    if (!quant) {
      mapping.map(value, function.getBody().front().addArgument(value.getType(), value.getLoc()));
      operands.push_back(value);
      return success();
    }
    auto planes = planesOf.find(value);
    if (planes == planesOf.end())
      return emitError(value.getLoc())
             << "a quantized value that no kernel before this one computes cannot be an operand of a kernel; "
                "pass its planes and bundle them";
    SmallVector<Value> inside;
    for (Value plane : SmallVector<Value>(planes->second)) {
      if (failed(resolve(plane)))
        return failure();
      inside.push_back(mapping.lookup(plane));
    }
    mapping.map(value, BundleOp::create(body, value.getLoc(), quant, inside).getResult());
    return success();
  }

  void call(Location loc) {
    Operation *last = group.last();
    OpBuilder builder(last);
    builder.setInsertionPointAfter(last);
    auto call = CallOp::create(builder, loc, function.getFunctionType().getResults(),
                               FlatSymbolRefAttr::get(function.getSymNameAttr()), operands, StringAttr(),
                               builder.getStringAttr(function.getSymName().drop_front(2)), ArrayAttr(), ArrayAttr());
    if (Attribute probe = last->getAttr(kProbe))
      call->setAttr(kProbe, probe);
    unsigned next = 0;
    SmallVector<Value> leaving;
    for (Operation *op : exits())
      leaving.append(op->result_begin(), op->result_end());
    llvm::SmallPtrSet<Operation *, 8> inside(group.ops.begin(), group.ops.end());
    for (Value result : leaving) {
      auto quant = dyn_cast<QuantType>(result.getType());
      if (!quant) {
        result.replaceUsesWithIf(call.getResult(next++), [&](OpOperand &use) { return !inside.contains(use.getOwner()); });
        continue;
      }
      SmallVector<Value> planes{call.getResult(next++)};
      SmallVector<Value> known = staticPlanes(result.getDefiningOp());
      for (size_t i = 1; known.empty() && i < quant.getPlaneTypes().size(); ++i)
        planes.push_back(call.getResult(next++));
      planes.append(known);
      // Moves of codes between kernels see the codes themselves.
      for (Operation *user : llvm::make_early_inc_range(result.getUsers()))
        if (auto unbundle = dyn_cast<UnbundleOp>(user)) {
          for (auto [from, to] : llvm::zip(unbundle.getPlanes(), planes))
            from.replaceAllUsesWith(to);
          unbundle.erase();
        }
      planesOf[result] = planes;
    }
  }

  const Group &group;
  SymbolTable &symbols;
  llvm::DenseMap<Value, SmallVector<Value>> &planesOf;
  func::FuncOp function;
  OpBuilder body{(MLIRContext *)nullptr};
  IRMapping mapping;
  SmallVector<Value> operands;
};

struct TernOutline : tern::impl::TernOutlineBase<TernOutline> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    for (func::FuncOp function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (function.isPublic() && !function.isExternal() && failed(outline(function, symbols)))
        return signalPassFailure();
  }

private:
  LogicalResult outline(func::FuncOp function, SymbolTable &symbols) {
    if (!function.getBody().hasOneBlock())
      return function.emitError("has more than one block; kernels can only be outlined of straight-line programs");
    llvm::StringMap<unsigned> unnamed;
    return outline(function.getBody().front(), symbols, unnamed);
  }

  /// The function, or the body of a loop in it.
  LogicalResult outline(Block &block, SymbolTable &symbols, llvm::StringMap<unsigned> &unnamed) {
    removeDead(block);
    for (Operation &op : block) {
      auto loop = dyn_cast<nn::LoopOp>(op);
      if (op.getNumRegions() && !loop)
        return op.emitError("has a region; kernels can only be outlined of straight-line programs and of nn.loop");
      if (loop && failed(outline(loop.block(), symbols, unnamed)))
        return failure();
      if (loop)
        observe(loop, symbols);
    }
    splitDequantizes(block);
    std::vector<std::unique_ptr<Group>> groups = groupOps(block);
    llvm::DenseMap<Value, SmallVector<Value>> planesOf;
    for (const auto &group : groups)
      if (failed(KernelMaker(*group, symbols, planesOf).run(nameOf(*group, unnamed))))
        return failure();
    for (const auto &group : groups)
      grouped.insert(group->ops.begin(), group->ops.end());
    removeDead(block);
    grouped.clear();
    return success();
  }

  /// What calibration looks at is the result of a kernel: arguments and results of loops are copied by one.
  static void observe(nn::LoopOp loop, SymbolTable &symbols) {
    auto copy = [&](OpBuilder builder, Value value, StringRef kind, NamedAttribute probe) {
      Location loc = loop.getLoc();
      std::string name = ("k." + loop.getName().value_or("loop") + "." + kind + probe.getName().getValue()).str();
      auto kernel = func::FuncOp::create(loc, name, builder.getFunctionType(value.getType(), value.getType()));
      kernel.setPrivate();
      auto body = OpBuilder::atBlockEnd(kernel.addEntryBlock());
      auto scalar = RankedTensorType::get({}, cast<RankedTensorType>(value.getType()).getElementType());
      Value one = arith::ConstantOp::create(body, loc, DenseElementsAttr::get(scalar, body.getFloatAttr(scalar.getElementType(), 1)));
      Value same = nn::BinaryOp::create(body, loc, value.getType(), nn::BinaryKind::mul, kernel.getArgument(0), one, StringAttr());
      func::ReturnOp::create(body, loc, same);
      symbols.insert(kernel);
      auto call = CallOp::create(builder, loc, value.getType(), FlatSymbolRefAttr::get(kernel.getSymNameAttr()), value, StringAttr(),
                                 builder.getStringAttr(kernel.getSymName().drop_front(2)), ArrayAttr(), ArrayAttr());
      call->setAttr(kProbe, probe.getValue());
    };
    auto probes = [&](StringRef suffix) { return loop->getAttrOfType<DictionaryAttr>((kProbe + suffix).str()); };
    unsigned number;
    if (DictionaryAttr arguments = probes(".arguments"))
      for (NamedAttribute probe : arguments)
        if (!probe.getName().getValue().getAsInteger(10, number) && number < loop.block().getNumArguments())
          copy(OpBuilder::atBlockBegin(&loop.block()), loop.block().getArgument(number), "argument", probe);
    OpBuilder behind(loop);
    behind.setInsertionPointAfter(loop);
    if (DictionaryAttr results = probes(".results"))
      for (NamedAttribute probe : results)
        if (!probe.getName().getValue().getAsInteger(10, number) && number < loop.getNumResults())
          copy(behind, loop.getResult(number), "result", probe);
  }

  /// Users that stay outside get a dequantize of their own, which becomes a kernel; kernels go on reading the codes.
  static void splitDequantizes(Block &block) {
    for (auto dequantize : llvm::make_early_inc_range(block.getOps<DequantizeOp>())) {
      if (isOutsideDequantize(dequantize) || llvm::none_of(dequantize->getUsers(), staysOutside))
        continue;
      OpBuilder builder(dequantize);
      Operation *own = builder.clone(*dequantize);
      own->moveAfter(dequantize);
      dequantize.getResult().replaceUsesWithIf(own->getResult(0),
                                               [](OpOperand &use) { return staysOutside(use.getOwner()); });
    }
  }

  /// The name of the anchor, else of the last named op, else its kind and a number in program order.
  static std::string nameOf(const Group &group, llvm::StringMap<unsigned> &unnamed) {
    auto name = [](Operation *op) { return op->getAttrOfType<StringAttr>("name"); };
    if (group.anchor && name(group.anchor))
      return name(group.anchor).str();
    for (Operation *op : llvm::reverse(group.ops))
      if (name(op))
        return name(op).str();
    StringRef kind = (group.anchor ? group.anchor : group.last())->getName().stripDialect();
    return (kind + "_" + Twine(unnamed[kind]++)).str();
  }

  /// Ops without users, and those that now live in kernels.
  void removeDead(Block &block) {
    SmallVector<Operation *> ops;
    for (Operation &op : block.without_terminator())
      ops.push_back(&op);
    for (Operation *op : llvm::reverse(ops))
      if (isOpTriviallyDead(op) || grouped.contains(op))
        op->erase();
  }

  llvm::SmallPtrSet<Operation *, 32> grouped;
};
} // namespace
