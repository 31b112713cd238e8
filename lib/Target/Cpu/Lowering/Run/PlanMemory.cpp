//===- PlanMemory.cpp - one arena for all buffers ---------------------------===//
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Runtime/Program.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tern::cpu {
#define GEN_PASS_DEF_CPUPLANMEMORY
#include "lib/Target/Cpu/Lowering/Passes.h.inc"

namespace {

struct Lifetime {
  memref::AllocOp alloc;
  int64_t size = 0, first = -1, last = -1, offset = 0; ///< bytes; numbers of the ops of the run function
  int64_t slot = -1; ///< where the size is among the numbers of a program with open sizes
};

/// Ops of a run function in program order, and the loops around them.
class Order {
public:
  explicit Order(func::FuncOp function) { number(function.getBody().front()); }

  /// The first and the last op that need a buffer which these ops use. What lives before or behind a loop lives in all of its
  /// steps; so does what a step finds as an earlier one left it, which is why that is written before the loop (RunLoops.cpp).
  std::pair<int64_t, int64_t> spanOf(ArrayRef<Operation *> users) const {
    int64_t first = INT64_MAX, last = -1;
    for (Operation *user : users) {
      first = std::min(first, numbers.lookup(user));
      last = std::max(last, numbers.lookup(user));
    }
    for (auto [begin, end] : loops) // inner loops come first
      if (first <= end && begin <= last && !(begin <= first && last <= end)) {
        first = std::min(first, begin);
        last = std::max(last, end);
      }
    return {first, last};
  }

private:
  void number(Block &block) {
    for (Operation &op : block) {
      int64_t begin = next++;
      numbers[&op] = begin;
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          number(inner);
      if (isa<scf::ForOp, scf::WhileOp>(op))
        loops.push_back({begin, next - 1});
    }
  }

  DenseMap<Operation *, int64_t> numbers;
  SmallVector<std::pair<int64_t, int64_t>> loops;
  int64_t next = 0;
};

/// Buffers of one run function with their lifetimes, views included.
SmallVector<Lifetime> lifetimesOf(func::FuncOp function) {
  Order order(function);
  SmallVector<Lifetime> lifetimes;
  function.walk([&](memref::AllocOp alloc) {
    Lifetime life;
    life.alloc = alloc;
    if (auto slot = alloc->getAttrOfType<IntegerAttr>("cpu.bytes"))
      life.slot = slot.getInt();
    else
      life.size = llvm::alignTo(alloc.getType().getNumElements(), 64) + TERN_SLACK;
    SmallVector<Operation *> users;
    for (Operation *view : alloc->getUsers())
      llvm::append_range(users, view->getUsers());
    if (!users.empty())
      std::tie(life.first, life.last) = order.spanOf(users);
    lifetimes.push_back(life);
  });
  return lifetimes;
}

/// Greedy best fit, largest first: the smallest gap between the buffers that live at the same time.
int64_t plan(MutableArrayRef<Lifetime> lifetimes) {
  SmallVector<Lifetime *> order;
  for (Lifetime &life : lifetimes)
    if (life.first >= 0)
      order.push_back(&life);
  llvm::sort(order, [](Lifetime *a, Lifetime *b) { return a->size != b->size ? a->size > b->size : a < b; });
  SmallVector<Lifetime *> placed;
  int64_t total = 0;
  for (Lifetime *life : order) {
    SmallVector<std::pair<int64_t, int64_t>> busy;
    for (Lifetime *other : placed)
      if (other->first <= life->last && life->first <= other->last)
        busy.push_back({other->offset, other->offset + other->size});
    llvm::sort(busy);
    int64_t at = 0, best = -1, bestGap = 0;
    for (auto [lo, hi] : busy) {
      if (lo - at >= life->size && (best < 0 || lo - at < bestGap)) {
        best = at;
        bestGap = lo - at;
      }
      at = std::max(at, hi);
    }
    life->offset = best >= 0 ? best : at;
    total = std::max(total, life->offset + life->size);
    placed.push_back(life);
  }
  return total;
}

struct PlanMemoryPass : impl::CpuPlanMemoryBase<PlanMemoryPass> {
  /// The runtime places the buffers once it knows their sizes: their offsets are the numbers behind those of the program.
  void planAtRunTime(ArrayRef<func::FuncOp> functions, int64_t numbers) {
    OpBuilder b(&getContext());
    auto type = MemRefType::get({int64_t(1) << 40}, b.getI8Type());
    for (func::FuncOp function : functions) {
      SmallVector<Lifetime> lifetimes = lifetimesOf(function);
      unsigned position = function.getNumArguments() - 1;
      if (failed(function.insertArgument(position, type, {}, function.getLoc())))
        return signalPassFailure();
      Value base = function.getArgument(position), sizes = function.getArgument(position - 1);
      b.setInsertionPointToStart(&function.getBody().front());
      Value zero = arith::ConstantIndexOp::create(b, function.getLoc(), 0);
      auto indices = MemRefType::get({int64_t(1) << 30}, b.getIndexType());
      Value offsets = memref::ViewOp::create(b, function.getLoc(), indices, sizes, zero, ValueRange());
      SmallVector<int64_t> described;
      for (auto [index, life] : llvm::enumerate(lifetimes)) {
        described.append({life.slot, life.first, life.last});
        b.setInsertionPoint(life.alloc);
        Value at = arith::ConstantIndexOp::create(b, life.alloc.getLoc(), numbers + int64_t(index));
        Value offset = memref::LoadOp::create(b, life.alloc.getLoc(), offsets, at);
        for (Operation *user : llvm::make_early_inc_range(life.alloc->getUsers())) {
          auto view = dyn_cast<memref::ViewOp>(user);
          APInt inner;
          if (!view || life.slot < 0) {
            life.alloc.emitOpError("is used by other ops than memref.view");
            return signalPassFailure();
          }
          Value shift = offset;
          if (!matchPattern(view.getByteShift(), m_ConstantInt(&inner)) || !inner.isZero()) {
            b.setInsertionPoint(view); // of one picture among several
            shift = arith::AddIOp::create(b, view.getLoc(), offset, view.getByteShift());
          }
          view->setOperands({base, shift});
        }
        life.alloc.erase();
      }
      StringRef isa = function.getName().drop_front(StringRef("run_").size());
      getOperation()->setAttr(("cpu.buffers." + isa).str(), b.getDenseI64ArrayAttr(described));
    }
    getOperation()->setAttr("cpu.arena_bytes", b.getI64IntegerAttr(0));
  }

  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.getName().starts_with("run_") && !function.isExternal())
        functions.push_back(function);
    if (auto numbers = getOperation()->getAttrOfType<ArrayAttr>("cpu.sizes"))
      return planAtRunTime(functions, int64_t(numbers.size()));
    SmallVector<SmallVector<Lifetime>> plans;
    int64_t arena = 0;
    for (func::FuncOp function : functions) {
      plans.push_back(lifetimesOf(function));
      arena = std::max(arena, plan(plans.back()));
    }
    OpBuilder b(&getContext());
    auto type = MemRefType::get({std::max<int64_t>(arena, 64)}, b.getI8Type());
    for (auto [function, lifetimes] : llvm::zip(functions, plans)) {
      // Before the weights, which are last.
      unsigned position = function.getNumArguments() - 1;
      if (failed(function.insertArgument(position, type, {}, function.getLoc())))
        return signalPassFailure();
      Value base = function.getArgument(position);
      for (Lifetime &life : lifetimes) {
        for (Operation *user : llvm::make_early_inc_range(life.alloc->getUsers())) {
          auto view = dyn_cast<memref::ViewOp>(user);
          if (!view) {
            life.alloc.emitOpError("is used by other ops than memref.view");
            return signalPassFailure();
          }
          b.setInsertionPoint(view);
          APInt inner;
          bool isConstant = matchPattern(view.getByteShift(), m_ConstantInt(&inner));
          Value shift = arith::ConstantIndexOp::create(b, view.getLoc(), life.offset + (isConstant ? inner.getSExtValue() : 0));
          if (!isConstant) // an element of a sequence
            shift = arith::AddIOp::create(b, view.getLoc(), shift, view.getByteShift());
          view->setOperands({base, shift});
        }
        life.alloc.erase();
      }
    }
    getOperation()->setAttr("cpu.arena_bytes", b.getI64IntegerAttr(type.getNumElements()));
  }
};
} // namespace
} // namespace tern::cpu
