//===- PortableLoops.cpp - linalg ops on buffers -> loops --------------------===//
#include "lib/Target/Cpu/Lowering/PortableLoops.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMAttrs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tern::cpu {

//===-- order ---------------------------------------------------------------------===//
namespace {
/// How an access moves when one loop advances.
enum class Access { Same, Next, Far };
} // namespace

static bool isUnitStride(MemRefType type) {
  SmallVector<int64_t> strides;
  int64_t offset;
  return type.getRank() == 0 || (succeeded(type.getStridesAndOffset(strides, offset)) && strides.back() == 1);
}

static Access accessOf(AffineMap map, MemRefType type, unsigned loop) {
  if (!map.isFunctionOfDim(loop))
    return Access::Same;
  for (AffineExpr e : map.getResults().drop_back())
    if (e.isFunctionOfDim(loop))
      return Access::Far;
  // d, or d plus what other loops add.
  AffineExpr last = map.getResults().back(), dim = getAffineDimExpr(loop, map.getContext());
  AffineExpr rest = simplifyAffineExpr(last - dim, map.getNumDims(), 0);
  return !rest.isFunctionOfDim(loop) && isUnitStride(type) ? Access::Next : Access::Far;
}

/// How an index value of the body moves: itself a loop, something that does not depend on it, or anything else.
static Access accessOf(Value index, unsigned loop, Operation *op) {
  if (auto own = index.getDefiningOp<linalg::IndexOp>())
    return own.getDim() == loop ? Access::Next : Access::Same;
  Operation *def = index.getDefiningOp();
  if (!def || !op->isProperAncestor(def))
    return def || isa<BlockArgument>(index) ? (isa<BlockArgument>(index) && cast<BlockArgument>(index).getOwner()->getParentOp() == op ? Access::Far : Access::Same)
                                            : Access::Same;
  if (isa<arith::AddIOp, arith::SubIOp>(def)) {
    Access a = accessOf(def->getOperand(0), loop, op), b = accessOf(def->getOperand(1), loop, op);
    if (a == Access::Same && b == Access::Next && isa<arith::SubIOp>(def))
      return Access::Far;
    return a == Access::Same ? b : b == Access::Same ? a : Access::Far;
  }
  for (Value operand : def->getOperands())
    if (accessOf(operand, loop, op) != Access::Same)
      return Access::Far;
  return Access::Same;
}

static int64_t gain(Access access, bool isWrite, bool isReduction) {
  switch (access) {
  case Access::Same:
    return isWrite ? (isReduction ? 1 : 0) : 1;
  case Access::Next:
    return isWrite ? 5 : 2;
  case Access::Far:
    return isWrite ? -8 : -4;
  }
  return 0;
}

/// What it is worth to have this loop innermost; `vector`: no access moves far.
static int64_t scoreOf(linalg::GenericOp op, unsigned loop, int64_t size, bool &vector) {
  bool isReduction = op.getIteratorTypesArray()[loop] == utils::IteratorType::reduction;
  int64_t score = 0;
  vector = true;
  auto count = [&](Access access, bool isWrite) {
    score += gain(access, isWrite, isReduction);
    vector &= access != Access::Far;
  };
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    bool isRead = op.payloadUsesValueFromOperand(&operand);
    if (type && (isRead || op.isDpsInit(&operand)))
      count(accessOf(op.getMatchingIndexingMap(&operand), type, loop), op.isDpsInit(&operand));
  }
  op.getRegion().walk([&](memref::LoadOp load) {
    Access access = Access::Same;
    for (auto [i, index] : llvm::enumerate(load.getIndices())) {
      Access own = accessOf(index, loop, op);
      bool isLast = i + 1 == load.getIndices().size();
      if (own != Access::Same)
        access = own == Access::Next && isLast && access == Access::Same && isUnitStride(load.getMemRefType()) ? Access::Next : Access::Far;
    }
    count(access, false);
  });
  if (!ShapedType::isDynamic(size) && size < 8)
    score -= size <= 1 ? 1000 : 6;
  return score;
}

int64_t costOf(linalg::GenericOp op) {
  int64_t cost = 1;
  op.getRegion().walk([&](Operation *inner) {
    if (isa<math::MathDialect>(inner->getDialect()))
      cost += isa<math::AbsFOp, math::SqrtOp, math::FloorOp, math::CeilOp, math::RoundEvenOp>(inner) ? 2 : 30;
    else
      cost += isa<arith::ConstantOp, linalg::IndexOp, linalg::YieldOp>(inner) ? 0 : isa<arith::DivFOp, arith::DivSIOp, arith::RemSIOp>(inner) ? 8 : 1;
  });
  return cost;
}

LoopOrder orderLoops(linalg::GenericOp op, int64_t maxTasks) {
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  LoopOrder order;
  unsigned count = sizes.size(), innermost = count ? count - 1 : 0;
  int64_t best = INT64_MIN;
  for (unsigned loop = 0; loop < count; ++loop) {
    bool vector;
    int64_t score = scoreOf(op, loop, sizes[loop], vector);
    if (score >= best) {
      best = score;
      innermost = loop;
      order.vector = vector;
    }
  }
  int64_t shared = 1;
  for (unsigned loop = 0; loop < count; ++loop)
    if (loop != innermost && kinds[loop] == utils::IteratorType::parallel) {
      // An open size counts as a few.
      if (shared < maxTasks && order.rest.empty()) {
        order.tasks.push_back(loop);
        shared *= ShapedType::isDynamic(sizes[loop]) ? 8 : sizes[loop];
      } else {
        order.rest.push_back(loop);
      }
    }
  for (unsigned loop = 0; loop < count; ++loop)
    if (loop != innermost && kinds[loop] != utils::IteratorType::parallel)
      order.rest.push_back(loop);
  if (!count)
    return order;
  bool alone = order.tasks.empty() && order.rest.empty() && kinds[innermost] == utils::IteratorType::parallel;
  (alone ? order.tasks : order.rest).push_back(innermost);
  return order;
}

//===-- loops ---------------------------------------------------------------------===//
namespace {
class LoopMaker {
public:
  LoopMaker(linalg::GenericOp op, const LoopOrder &order)
      : op(op), order(order), b(op), loc(op.getLoc()), kinds(op.getIteratorTypesArray()), places(op.getNumLoops()) {
    for (const Range &range : cast<linalg::LinalgOp>(op.getOperation()).createLoopRanges(b, loc))
      sizes.push_back(getValueOrCreateConstantIndexOp(b, loc, range.size));
  }

  void run(Value begin, Value end) {
    if (order.tasks.empty()) {
      nest(0, {});
    } else {
      bool innermost = order.rest.empty();
      loop(begin, end, innermost, {}, [&](Value at, ValueRange) {
        share(at);
        return nest(0, {});
      });
    }
    op.erase();
  }

private:
  using Body = llvm::function_ref<SmallVector<Value>(Value, ValueRange)>;

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

  SmallVector<Value> loop(Value begin, Value end, bool innermost, ValueRange carried, Body body) {
    auto made = scf::ForOp::create(b, loc, begin, end, index(1), carried);
    {
      OpBuilder::InsertionGuard guard(b);
      if (carried.empty()) {
        b.setInsertionPoint(made.getBody()->getTerminator());
        body(made.getInductionVar(), {});
      } else {
        b.setInsertionPointToEnd(made.getBody());
        scf::YieldOp::create(b, loc, body(made.getInductionVar(), made.getRegionIterArgs()));
      }
    }
    if (innermost && order.vector)
      hint(made);
    return SmallVector<Value>(made.getResults());
  }

  /// LLVM vectorizes loops that say so; it may add up a sum in any order then.
  static void hint(scf::ForOp made) {
    bool plain = true;
    made.getBody()->walk([&](Operation *inner) { plain &= inner->getNumRegions() == 0; });
    if (!plain)
      return;
    MLIRContext *context = made.getContext();
    Builder b(context);
    auto vectorize = LLVM::LoopVectorizeAttr::get(context, b.getBoolAttr(false), {}, {}, {}, {}, {}, {});
    made->setAttr("llvm.loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, ArrayRef<LLVM::AccessGroupAttr>()));
  }

  /// The places of the task loops at iteration `at` of their product.
  void share(Value at) {
    for (size_t i = order.tasks.size(); i-- > 0;) {
      unsigned loop = order.tasks[i];
      places[loop] = i == 0 ? at : arith::RemUIOp::create(b, loc, at, sizes[loop]).getResult();
      at = i == 0 ? at : arith::DivUIOp::create(b, loc, at, sizes[loop]).getResult();
    }
  }

  bool reducesFrom(size_t level) const {
    return level < order.rest.size() && llvm::all_of(ArrayRef(order.rest).drop_front(level), [&](unsigned loop) {
             return kinds[loop] == utils::IteratorType::reduction;
           });
  }

  /// Loops from `level` on. Below the last parallel loop the outputs are carried in registers.
  SmallVector<Value> nest(size_t level, ValueRange carried) {
    if (level == order.rest.size())
      return element(carried);
    bool starts = carried.empty() && reducesFrom(level) && op.getNumDpsInits();
    SmallVector<Value> init(carried);
    if (starts)
      for (OpOperand &out : op.getDpsInitsMutable())
        init.push_back(load(out));
    unsigned at = order.rest[level];
    SmallVector<Value> result = loop(index(0), sizes[at], level + 1 == order.rest.size(), init, [&](Value place, ValueRange state) {
      places[at] = place;
      return nest(level + 1, state);
    });
    if (!starts)
      return result;
    for (auto [out, value] : llvm::zip(op.getDpsInitsMutable(), result))
      store(out, value);
    return {};
  }

  SmallVector<Value> indicesOf(OpOperand &operand) {
    SmallVector<Value> indices;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (unsigned i = 0; i < map.getNumResults(); ++i)
      indices.push_back(indexOf(map.getResult(i)));
    return indices;
  }
  /// The value of an expression of the loops.
  Value indexOf(AffineExpr e) {
    if (auto dim = dyn_cast<AffineDimExpr>(e))
      return places[dim.getPosition()];
    if (auto constant = dyn_cast<AffineConstantExpr>(e))
      return index(constant.getValue());
    auto binary = cast<AffineBinaryOpExpr>(e);
    Value x = indexOf(binary.getLHS()), y = indexOf(binary.getRHS());
    switch (e.getKind()) {
    case AffineExprKind::Add:
      return arith::AddIOp::create(b, loc, x, y);
    case AffineExprKind::Mul:
      return arith::MulIOp::create(b, loc, x, y);
    case AffineExprKind::FloorDiv:
      return arith::DivUIOp::create(b, loc, x, y); // loops count from 0
    default:
      return arith::RemUIOp::create(b, loc, x, y);
    }
  }
  Value load(OpOperand &operand) {
    if (!isa<MemRefType>(operand.get().getType()))
      return operand.get();
    return memref::LoadOp::create(b, loc, operand.get(), indicesOf(operand));
  }
  void store(OpOperand &out, Value value) { memref::StoreOp::create(b, loc, value, out.get(), indicesOf(out)); }

  /// The body for one element.
  SmallVector<Value> element(ValueRange carried) {
    Block &body = op.getRegion().front();
    IRMapping map;
    for (OpOperand &operand : op->getOpOperands()) {
      BlockArgument argument = body.getArgument(operand.getOperandNumber());
      if (argument.use_empty())
        continue;
      bool isOut = op.isDpsInit(&operand);
      unsigned out = operand.getOperandNumber() - op.getNumDpsInputs();
      map.map(argument, isOut && !carried.empty() ? carried[out] : load(operand));
    }
    for (Operation &inner : body.without_terminator()) {
      if (auto own = dyn_cast<linalg::IndexOp>(inner)) {
        map.map(own.getResult(), places[own.getDim()]);
        continue;
      }
      Operation *clone = b.clone(inner, map);
      clone->walk([&](linalg::IndexOp own) {
        own.replaceAllUsesWith(places[own.getDim()]);
        own.erase();
      });
    }
    SmallVector<Value> results;
    for (Value value : body.getTerminator()->getOperands())
      results.push_back(map.lookupOrDefault(value));
    if (!carried.empty())
      return results;
    for (auto [out, value] : llvm::zip(op.getDpsInitsMutable(), results))
      store(out, value);
    return {};
  }

  linalg::GenericOp op;
  const LoopOrder &order;
  OpBuilder b;
  Location loc;
  SmallVector<utils::IteratorType> kinds;
  SmallVector<Value> places, sizes;
};
} // namespace

void makeLoops(linalg::GenericOp op, const LoopOrder &order, Value begin, Value end) { LoopMaker(op, order).run(begin, end); }

void makeLoops(linalg::GenericOp op) {
  LoopOrder order = orderLoops(op, 0);
  order.rest.insert(order.rest.begin(), order.tasks.begin(), order.tasks.end());
  order.tasks.clear();
  LoopMaker(op, order).run({}, {});
}

} // namespace tern::cpu
