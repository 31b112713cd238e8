//===- PortablePhases.cpp - a bufferized function becomes kernels -----------===//
#include "lib/Target/Cpu/Lowering/Portable/PortablePhases.h"
#include "dialects/NN/IR/NN.h"
#include "lib/Target/Cpu/Lowering/Portable/PortableLoops.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace tern::cpu {

/// As KernelBuilder's: static, so that it becomes a bare pointer.
constexpr int64_t kFlat = int64_t(1) << 30;
/// Scalar operations below which a task does not pay, and tasks beyond which more do not help.
constexpr int64_t kTaskCost = 16384, kMostTasks = 64;

namespace {
/// Operations that become one kernel.
struct Group {
  SmallVector<Operation *> ops;
  std::optional<LoopOrder> order; ///< set: one linalg op whose tasks share the outer loops
};

class PhaseCutter {
public:
  PhaseCutter(func::FuncOp whole, BufferSizes &sizes) : whole(whole), sizes(sizes) {}

  FailureOr<SmallVector<Phase>> run() {
    if (failed(generalize()))
      return failure();
    group();
    SmallVector<Phase> phases;
    Operation *last = whole;
    for (Group &group : groups) {
      FailureOr<Phase> phase = make(group, phases.size(), last);
      if (failed(phase))
        return failure();
      last = phase->function;
      phases.push_back(*phase);
    }
    return phases;
  }

private:
  /// All linalg ops become linalg.generic, copies too: of views that are not dense, LLVM's lowering would call a library.
  LogicalResult generalize() {
    IRRewriter rewriter(whole.getContext());
    SmallVector<memref::CopyOp> copies;
    whole.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
    for (memref::CopyOp copy : copies) {
      rewriter.setInsertionPoint(copy);
      linalg::CopyOp::create(rewriter, copy.getLoc(), copy.getSource(), copy.getTarget());
      copy.erase();
    }
    SmallVector<linalg::LinalgOp> named;
    whole.walk([&](linalg::LinalgOp op) {
      if (!isa<linalg::GenericOp>(op))
        named.push_back(op);
    });
    for (linalg::LinalgOp op : named) {
      rewriter.setInsertionPoint(op);
      if (failed(linalg::generalizeNamedOp(rewriter, op)))
        return op.emitError("has no general form");
    }
    SmallVector<linalg::GenericOp> generics;
    whole.walk([&](linalg::GenericOp op) { generics.push_back(op); });
    for (linalg::GenericOp op : generics)
      flatten(op);
    return success();
  }

  /// An op that treats every element alike, of dense buffers of one shape, is one long row.
  static void flatten(linalg::GenericOp op) {
    bool flat = op.getNumLoops() > 1 && op.getNumParallelLoops() == op.getNumLoops();
    op.getRegion().walk([&](linalg::IndexOp) { flat = false; });
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<MemRefType>(operand.get().getType());
      flat &= type && op.getMatchingIndexingMap(&operand).isIdentity() && type.getLayout().isIdentity();
    }
    if (!flat)
      return;
    OpBuilder b(op);
    auto all = llvm::to_vector<2>(llvm::seq<int64_t>(0, int64_t(op.getNumLoops())));
    SmallVector<Value> inputs, outputs;
    for (OpOperand &operand : op->getOpOperands())
      (op.isDpsInit(&operand) ? outputs : inputs)
          .push_back(memref::CollapseShapeOp::create(b, op.getLoc(), operand.get(), ArrayRef<ReassociationIndices>{all}));
    SmallVector<AffineMap> maps(op->getNumOperands(), b.getMultiDimIdentityMap(1));
    utils::IteratorType parallel = utils::IteratorType::parallel;
    auto row = linalg::GenericOp::create(b, op.getLoc(), TypeRange(), inputs, outputs, maps, ArrayRef(parallel));
    row.getRegion().takeBody(op.getRegion());
    op.erase();
  }

  /// Elements of an op, open sizes counted as a few; the product of the task loops' sizes.
  static int64_t iterations(linalg::GenericOp op, ArrayRef<unsigned> loops) {
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    int64_t all = 1;
    for (unsigned loop : loops)
      all *= ShapedType::isDynamic(ranges[loop]) ? kNominalSize : ranges[loop];
    return all;
  }

  void group() {
    bool reads = false; // a value read between the ops may be overwritten by one: they stay in one kernel
    for (Operation &op : whole.getBody().front().without_terminator())
      reads |= isa<memref::LoadOp>(op);
    for (Operation &op : whole.getBody().front().without_terminator()) {
      if (isMemoryEffectFree(&op) || isa<memref::LoadOp, memref::GetGlobalOp>(op))
        continue;
      auto generic = dyn_cast<linalg::GenericOp>(op);
      if (generic && !reads) {
        LoopOrder order = orderLoops(generic, kMostTasks);
        SmallVector<unsigned> all = order.tasks;
        llvm::append_range(all, order.restOfLoops());
        bool isOpen = llvm::any_of(generic.getStaticLoopRanges(), ShapedType::isDynamic); // it may be large
        if (!order.tasks.empty() && (isOpen || iterations(generic, all) * cpu::costOf(generic) > 2 * kTaskCost)) {
          groups.push_back({{&op}, order});
          continue;
        }
      }
      if (groups.empty() || groups.back().order)
        groups.push_back({});
      groups.back().ops.push_back(&op);
    }
  }

  FailureOr<Phase> make(Group &group, size_t number, Operation *after) {
    Phase phase;
    // What the ops read, in the order of the function.
    SetVector<Operation *> needed;
    BackwardSliceOptions options;
    options.omitUsesFromAbove = false;
    options.inclusive = true;
    for (Operation *op : group.ops)
      if (failed(getBackwardSlice(op, &needed, options)))
        return op->emitError("depends on values that cannot be followed");
    SmallVector<Operation *> ordered;
    for (Operation &op : whole.getBody().front().without_terminator())
      if (needed.contains(&op) && (llvm::is_contained(group.ops, &op) || isMemoryEffectFree(&op) || isa<memref::LoadOp, memref::GetGlobalOp>(op)))
        ordered.push_back(&op);
    llvm::SmallSetVector<unsigned, 8> used;
    for (Operation *op : ordered)
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (auto argument = dyn_cast<BlockArgument>(operand); argument && argument.getOwner() == &whole.getBody().front())
            used.insert(argument.getArgNumber());
      });
    phase.arguments.assign(used.begin(), used.end());
    llvm::sort(phase.arguments);

    OpBuilder b(whole.getContext());
    Location loc = whole.getLoc();
    b.setInsertionPointAfter(after);
    SmallVector<Type> types;
    for (unsigned index : phase.arguments) {
      auto type = cast<MemRefType>(whole.getArgument(index).getType());
      types.push_back(type.hasStaticShape() ? type : MemRefType::get({kFlat}, type.getElementType()));
    }
    auto function = func::FuncOp::create(b, loc, (whole.getName() + ".phase" + Twine(number)).str(), b.getFunctionType(types, {}));
    function.setPrivate();
    Block *body = function.addEntryBlock();
    phase.function = function;
    b.setInsertionPointToEnd(body);
    func::ReturnOp::create(b, loc);
    b.setInsertionPoint(body->getTerminator());
    OpBuilder entry(body->getTerminator());
    Value table; // the sizes, made when the first is read
    auto sizeValue = [&](nn::SizeExpr e) -> Value {
      if (std::optional<int64_t> constant = e.constant())
        return arith::ConstantIndexOp::create(b, loc, *constant);
      SizeCode code = SizeScope::table().code(e);
      auto *found = llvm::find(phase.sizes, code);
      int64_t slot = found - phase.sizes.begin();
      if (found == phase.sizes.end())
        phase.sizes.push_back(code);
      if (!table)
        table = body->addArgument(MemRefType::get({kFlat}, b.getIndexType()), loc);
      return memref::LoadOp::create(b, loc, table, arith::ConstantIndexOp::create(b, loc, slot).getResult());
    };
    IRMapping map;
    for (auto [position, index] : llvm::enumerate(phase.arguments)) {
      Value argument = whole.getArgument(index), mine = body->getArgument(position);
      auto type = cast<MemRefType>(argument.getType());
      if (!type.hasStaticShape()) {
        SmallVector<OpFoldResult> extents, strides(size_t(type.getRank()));
        for (nn::SizeExpr e : sizes.shapeOf(argument)) {
          if (!e)
            return whole.emitError() << "has a buffer " << type << " whose size nothing tells";
          std::optional<int64_t> constant = e.constant();
          extents.push_back(constant ? OpFoldResult(b.getIndexAttr(*constant)) : OpFoldResult(sizeValue(e)));
        }
        OpFoldResult step = b.getIndexAttr(1);
        for (size_t d = strides.size(); d--;) {
          strides[d] = step;
          step = product(b, loc, step, extents[d]);
        }
        mine = view(b, loc, type, mine, b.getIndexAttr(0), extents, strides);
      }
      map.map(argument, mine);
    }
    for (Operation *op : ordered) {
      if (auto size = dyn_cast<nn::SizeOp>(op)) {
        nn::SizeExpr e = SizeScope::table().parse(size.getValue());
        map.map(size.getResult(), sizeValue(e));
        continue;
      }
      if (auto expand = dyn_cast<memref::ExpandShapeOp>(op); expand && !expand.getResultType().hasStaticShape()) {
        map.map(expand.getResult(), expanded(b, expand, map));
        continue;
      }
      b.clone(*op, map);
    }
    // Below loops as well.
    SmallVector<Operation *> nested;
    function.walk([&](Operation *op) {
      if (isa<nn::SizeOp, memref::ExpandShapeOp>(op))
        nested.push_back(op);
    });
    for (Operation *op : nested) {
      if (auto size = dyn_cast<nn::SizeOp>(op)) {
        b.setInsertionPoint(op);
        op->getResult(0).replaceAllUsesWith(sizeValue(SizeScope::table().parse(size.getValue())));
        op->erase();
      } else if (auto expand = cast<memref::ExpandShapeOp>(op); !expand.getResultType().hasStaticShape()) {
        b.setInsertionPoint(op);
        op->getResult(0).replaceAllUsesWith(expanded(b, expand, IRMapping()));
        op->erase();
      }
    }
    if (group.order && failed(shareOut(phase, *group.order, cast<linalg::GenericOp>(group.ops.front()), sizeValue)))
      return failure();
    if (!group.order)
      body->addArgument(b.getIndexType(), loc);
    SmallVector<linalg::GenericOp> generics;
    function.walk([&](linalg::GenericOp generic) { generics.push_back(generic); });
    hintLoops(function);
    for (linalg::GenericOp generic : generics)
      makeLoops(generic);
    function.setType(b.getFunctionType(body->getArgumentTypes(), {}));
    // Every buffer is another one; an operand that is passed twice is only read.
    for (unsigned i = 0; i + 1 < body->getNumArguments(); ++i)
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    return phase;
  }

  /// The one op of the function takes the iterations of its task.
  LogicalResult shareOut(Phase &phase, const LoopOrder &order, linalg::GenericOp original, llvm::function_ref<Value(nn::SizeExpr)>) {
    linalg::GenericOp op;
    phase.function.walk([&](linalg::GenericOp generic) { op = generic; });
    int64_t all = iterations(op, order.tasks), rest = iterations(op, order.restOfLoops());
    int64_t chunk = std::max<int64_t>({1, kTaskCost / std::max<int64_t>(1, rest * cpu::costOf(op)), (all + kMostTasks - 1) / kMostTasks});
    if (order.restOfLoops().empty())
      chunk = int64_t(llvm::alignTo(chunk, 64));
    if (order.down >= 0 && order.tasks.size() == 1 && int(order.tasks.front()) == order.down)
      chunk = int64_t(llvm::alignTo(chunk, order.rowsOfTile()));
    // The number of iterations, as slots.
    nn::SizeTable &table = SizeScope::table();
    SmallVector<int64_t> factors;
    for (unsigned loop : order.tasks) {
      nn::SizeExpr e = loopSize(original, loop);
      if (!e)
        return original.emitError("has a loop whose size nothing tells");
      SizeCode code = table.code(e);
      if (isDynamic(code)) {
        auto *found = llvm::find(phase.sizes, code);
        if (found == phase.sizes.end())
          phase.sizes.push_back(code), found = phase.sizes.end() - 1;
        code = dynamicSize(found - phase.sizes.begin());
      }
      factors.push_back(code);
    }
    phase.tasks = TaskCount::of(factors, chunk);
    Block &body = phase.function.getBody().front();
    OpBuilder b(op);
    Location loc = op.getLoc();
    bool hasSizes = body.getNumArguments() > phase.arguments.size();
    if (!hasSizes && !phase.sizes.empty())
      body.addArgument(MemRefType::get({kFlat}, b.getIndexType()), loc);
    Value task = body.addArgument(b.getIndexType(), loc), total = arith::ConstantIndexOp::create(b, loc, 1);
    for (int64_t factor : factors) {
      Value size = isDynamic(factor) ? memref::LoadOp::create(b, loc, body.getArgument(phase.arguments.size()),
                                                              arith::ConstantIndexOp::create(b, loc, slotOf(factor)).getResult())
                                           .getResult()
                                     : arith::ConstantIndexOp::create(b, loc, factor).getResult();
      total = arith::MulIOp::create(b, loc, total, size);
    }
    Value step = arith::ConstantIndexOp::create(b, loc, chunk), begin = arith::MulIOp::create(b, loc, task, step);
    Value end = arith::MinSIOp::create(b, loc, arith::AddIOp::create(b, loc, begin, step), total);
    makeLoops(op, order, begin, end);
    return success();
  }

  nn::SizeExpr loopSize(linalg::GenericOp op, unsigned loop) {
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<MemRefType>(operand.get().getType()))
        continue;
      for (auto [axis, e] : llvm::enumerate(op.getMatchingIndexingMap(&operand).getResults()))
        if (auto dim = dyn_cast<AffineDimExpr>(e); dim && dim.getPosition() == loop)
          if (nn::SizeExpr size = sizes.dim(operand.get(), axis))
            return size;
    }
    return {};
  }

  static OpFoldResult product(OpBuilder &b, Location loc, OpFoldResult x, OpFoldResult y) {
    std::optional<int64_t> a = getConstantIntValue(x), c = getConstantIntValue(y);
    if (a && c)
      return b.getIndexAttr(*a * *c);
    if (a == 1)
      return y;
    if (c == 1)
      return x;
    return arith::MulIOp::create(b, loc, getValueOrCreateConstantIndexOp(b, loc, x), getValueOrCreateConstantIndexOp(b, loc, y)).getResult();
  }

  /// reinterpret_cast to a type whose static parts agree with what is known of sizes, offset and strides.
  static Value view(OpBuilder &b, Location loc, MemRefType type, Value source, OpFoldResult offset, ArrayRef<OpFoldResult> extents,
                    ArrayRef<OpFoldResult> strides) {
    auto number = [](OpFoldResult v) { return getConstantIntValue(v).value_or(ShapedType::kDynamic); };
    SmallVector<int64_t> shape = llvm::map_to_vector(extents, number), steps = llvm::map_to_vector(strides, number);
    SmallVector<OpFoldResult> folded(extents), foldedSteps(strides);
    for (auto &list : {&folded, &foldedSteps})
      for (OpFoldResult &v : *list)
        if (std::optional<int64_t> constant = getConstantIntValue(v))
          v = b.getIndexAttr(*constant);
    auto layout = StridedLayoutAttr::get(b.getContext(), number(offset), steps);
    auto made = MemRefType::get(shape, type.getElementType(), layout);
    Value result = memref::ReinterpretCastOp::create(b, loc, made, source, offset, folded, foldedSteps);
    return made == type ? result : memref::CastOp::create(b, loc, type, result).getResult();
  }

  /// memref.expand_shape of open sizes: upstream's lowering takes one open size in a group only.
  static Value expanded(OpBuilder &b, memref::ExpandShapeOp expand, const IRMapping &map) {
    Location loc = expand.getLoc();
    Value source = map.lookupOrDefault(expand.getSrc());
    auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, source);
    SmallVector<OpFoldResult> extents = expand.getMixedOutputShape(), strides(extents.size());
    for (OpFoldResult &size : extents)
      if (auto value = dyn_cast<Value>(size))
        size = map.lookupOrDefault(value);
    for (auto [axis, group] : llvm::enumerate(expand.getReassociationIndices())) {
      OpFoldResult step = metadata.getConstifiedMixedStrides()[axis];
      for (int64_t d : llvm::reverse(group)) {
        strides[d] = step;
        step = product(b, loc, step, extents[d]);
      }
    }
    if (expand.getReassociationIndices().empty())
      for (OpFoldResult &step : strides)
        step = b.getIndexAttr(1);
    return view(b, loc, expand.getResultType(), metadata.getBaseBuffer(), metadata.getConstifiedMixedOffset(), extents, strides);
  }

  func::FuncOp whole;
  BufferSizes &sizes;
  SmallVector<Group> groups;
};
} // namespace

FailureOr<SmallVector<Phase>> cutPhases(func::FuncOp whole, BufferSizes &sizes) { return PhaseCutter(whole, sizes).run(); }

} // namespace tern::cpu
