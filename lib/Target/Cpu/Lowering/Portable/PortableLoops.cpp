//===- PortableLoops.cpp - linalg ops on buffers -> loops --------------------===//
#include "lib/Target/Cpu/Lowering/Portable/PortableLoops.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMAttrs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace tern::cpu {

//===-- order ---------------------------------------------------------------------===//
namespace {
/// How an access moves when one loop advances.
enum class Access { Same, Next, Near, Far };
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
  // d, or a few times d, plus what other loops add.
  AffineExpr last = map.getResults().back(), dim = getAffineDimExpr(loop, map.getContext());
  for (int64_t step = 1; step <= 4; ++step)
    if (isUnitStride(type) && !simplifyAffineExpr(last - dim * step, map.getNumDims(), 0).isFunctionOfDim(loop))
      return step == 1 ? Access::Next : Access::Near;
  return Access::Far;
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
  case Access::Near:
    return isWrite ? -4 : 0;
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
    vector &= access != Access::Far && (access != Access::Near || !isWrite);
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

/// Rows of a register tile: with the 16 registers of AVX2, 12 sums, 2 vectors and a factor.
constexpr int64_t kTileRows = 6;

int64_t LoopOrder::rowsOfTile() { return kTileRows; }

/// The body computes lane by lane: it reads nothing, and no position.
static bool isLanewise(linalg::GenericOp op) {
  for (Operation &inner : op.getRegion().front().without_terminator()) {
    if (isa<arith::ConstantOp>(inner))
      continue;
    if (!OpTrait::hasElementwiseMappableTraits(&inner) || inner.getNumRegions())
      return false;
    for (Type type : llvm::concat<const Type>(SmallVector<Type>(inner.getOperandTypes()), SmallVector<Type>(inner.getResultTypes())))
      if (!type.isIntOrFloat())
        return false;
  }
  return true;
}

/// Lanes of a tile of sums over `innermost`; 0: it is no such op.
static int64_t tileLanes(linalg::GenericOp op, unsigned innermost) {
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  if (kinds[innermost] != utils::IteratorType::parallel || !llvm::is_contained(kinds, utils::IteratorType::reduction) || !isLanewise(op))
    return 0;
  unsigned bytes = 4;
  for (OpOperand &operand : op->getOpOperands()) {
    auto type = dyn_cast<MemRefType>(operand.get().getType());
    if (!type || !type.getElementType().isIntOrFloat() || type.getElementType().isInteger(1))
      return 0;
    bytes = std::max(bytes, type.getElementTypeBitWidth() / 8);
    Access access = accessOf(op.getMatchingIndexingMap(&operand), type, innermost);
    if (op.isDpsInit(&operand) ? access != Access::Next : access != Access::Next && access != Access::Same)
      return 0;
  }
  return 64 / bytes;
}

/// The parallel loop whose iterations share a vector of the tile; -1: none.
static int tileRows(linalg::GenericOp op, unsigned across) {
  SmallVector<utils::IteratorType> kinds = op.getIteratorTypesArray();
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  int best = -1;
  for (unsigned loop = 0; loop < kinds.size(); ++loop) {
    if (loop == across || kinds[loop] != utils::IteratorType::parallel || sizes[loop] == 1)
      continue;
    bool shares = false, changes = false;
    for (OpOperand *operand : op.getDpsInputOperands()) {
      AffineMap map = op.getMatchingIndexingMap(operand);
      shares |= map.isFunctionOfDim(across) && !map.isFunctionOfDim(loop);
      changes |= !map.isFunctionOfDim(across) && map.isFunctionOfDim(loop);
    }
    if (shares && changes)
      best = int(loop);
  }
  return best;
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
  if (count && order.vector)
    order.lanes = tileLanes(op, innermost);
  if (order.lanes) {
    order.across = int(innermost);
    order.down = tileRows(op, innermost);
  }
  int64_t shared = 1;
  for (unsigned loop = 0; loop < count; ++loop)
    if (loop != innermost && int(loop) != order.down && kinds[loop] == utils::IteratorType::parallel) {
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
  if (order.lanes) {
    if (order.tasks.empty() && order.down >= 0 && maxTasks)
      order.tasks.push_back(unsigned(order.down));
    return order;
  }
  bool alone = order.tasks.empty() && order.rest.empty() && kinds[innermost] == utils::IteratorType::parallel;
  (alone ? order.tasks : order.rest).push_back(innermost);
  return order;
}

//===-- loops ---------------------------------------------------------------------===//
/// LLVM vectorizes loops that say so, where it can; it may add up a sum in any order then.
static void hint(scf::ForOp made) {
  bool plain = true;
  made.getBody()->walk([&](Operation *inner) { plain &= inner->getNumRegions() == 0; });
  if (!plain)
    return;
  MLIRContext *context = made.getContext();
  Builder b(context);
  auto vectorize = LLVM::LoopVectorizeAttr::get(context, b.getBoolAttr(false), {}, {}, {}, {}, {}, {});
  made->setAttr("llvm.loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},
                                                                      ArrayRef<LLVM::AccessGroupAttr>()));
}

void hintLoops(Operation *root) {
  root->walk([](scf::ForOp loop) {
    bool neighbours = loop.getInitArgs().empty() && !loop->hasAttr("llvm.loop_annotation");
    auto look = [&](MemRefType type, ValueRange indices) {
      for (auto [i, index] : llvm::enumerate(indices)) {
        bool isOwn = index == loop.getInductionVar(), isOutside = loop.isDefinedOutsideOfLoop(index);
        neighbours &= isOutside || (isOwn && i + 1 == indices.size() && isUnitStride(type));
      }
    };
    for (Operation &op : loop.getBody()->without_terminator()) {
      if (auto load = dyn_cast<memref::LoadOp>(op))
        look(load.getMemRefType(), load.getIndices());
      else if (auto store = dyn_cast<memref::StoreOp>(op))
        look(store.getMemRefType(), store.getIndices());
      else
        neighbours &= isMemoryEffectFree(&op);
    }
    if (neighbours)
      hint(loop);
  });
}

namespace {
class LoopMaker {
public:
  LoopMaker(linalg::GenericOp op, const LoopOrder &order)
      : op(op), order(order), b(op), loc(op.getLoc()), kinds(op.getIteratorTypesArray()), places(op.getNumLoops()) {
    for (const Range &range : cast<linalg::LinalgOp>(op.getOperation()).createLoopRanges(b, loc))
      sizes.push_back(getValueOrCreateConstantIndexOp(b, loc, range.size));
  }

  void run(Value begin, Value end) {
    contract();
    bool sharesRows = order.lanes && order.tasks.size() == 1 && int(order.tasks.front()) == order.down;
    if (order.lanes && (order.tasks.empty() || sharesRows)) {
      rows = sharesRows ? std::make_pair(begin, end) : std::make_pair(Value(), Value());
      nest(0, {});
    } else if (order.tasks.empty()) {
      nest(0, {});
    } else {
      bool innermost = order.rest.empty();
      loop(begin, end, innermost && !order.lanes, {}, [&](Value at, ValueRange) {
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

  /// A product that is added to a sum may keep its low bits, as in every other kernel.
  void contract() {
    Block &body = op.getRegion().front();
    for (auto [out, value] : llvm::zip(op.getRegionOutputArgs(), body.getTerminator()->getOperands())) {
      auto sum = value.getDefiningOp<arith::AddFOp>();
      if (!sum || (sum.getLhs() != out && sum.getRhs() != out))
        continue;
      if (auto product = (sum.getLhs() == out ? sum.getRhs() : sum.getLhs()).getDefiningOp<arith::MulFOp>()) {
        sum.setFastmath(sum.getFastmath() | arith::FastMathFlags::contract);
        product.setFastmath(product.getFastmath() | arith::FastMathFlags::contract);
      }
    }
  }

  //===-- tiles of sums -------------------------------------------------------------===//

  Value lessThan(Value a, Value b) { return arith::CmpIOp::create(builder(), loc, arith::CmpIPredicate::slt, a, b); }
  OpBuilder &builder() { return b; }
  Value plus(Value a, int64_t n) { return n ? arith::AddIOp::create(b, loc, a, index(n)).getResult() : a; }
  Value wholePart(Value size, int64_t of) {
    if (std::optional<int64_t> constant = getConstantIntValue(size))
      return index(*constant / of * of);
    return arith::MulIOp::create(b, loc, arith::DivUIOp::create(b, loc, size, index(of)), index(of));
  }
  void steps(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body) {
    std::optional<int64_t> first = getConstantIntValue(begin), last = getConstantIntValue(end);
    if (first && last && *first >= *last)
      return;
    auto made = scf::ForOp::create(b, loc, begin, end, index(step));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(made.getBody()->getTerminator());
    body(made.getInductionVar());
  }

  void tiles() {
    if (order.down < 0)
      return columns({}, 1);
    Value lo = rows.first ? rows.first : index(0), hi = rows.second ? rows.second : sizes[order.down];
    Value whole = rows.first ? arith::AddIOp::create(b, loc, lo, wholePart(arith::SubIOp::create(b, loc, hi, lo), kTileRows)).getResult()
                             : wholePart(hi, kTileRows);
    steps(lo, whole, kTileRows, [&](Value row) { columns(row, kTileRows); });
    steps(whole, hi, 1, [&](Value row) { columns(row, 1); });
  }

  void columns(Value row, int64_t count) {
    Value size = sizes[order.across], whole = wholePart(size, order.lanes);
    steps(index(0), whole, order.lanes, [&](Value at) { tile(row, count, at, {}); });
    std::optional<int64_t> constant = getConstantIntValue(size);
    if (constant && *constant % order.lanes == 0)
      return;
    auto rest = scf::IfOp::create(b, loc, lessThan(whole, size), /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(rest.thenBlock());
    Value left = arith::SubIOp::create(b, loc, size, whole);
    Value mask = vector::CreateMaskOp::create(b, loc, VectorType::get({order.lanes}, b.getI1Type()), left);
    tile(row, count, whole, mask);
  }

  VectorType vectorOf(Type element) { return VectorType::get({order.lanes}, element); }

  /// Lanes of an operand at the places of now: neighbours, or one element for all.
  Value lanesOf(OpOperand &operand, Value mask) {
    auto type = cast<MemRefType>(operand.get().getType());
    VectorType vector = vectorOf(type.getElementType());
    if (!op.getMatchingIndexingMap(&operand).isFunctionOfDim(unsigned(order.across)))
      return vector::BroadcastOp::create(b, loc, vector, load(operand));
    SmallVector<Value> at = indicesOf(operand);
    if (!mask)
      return vector::LoadOp::create(b, loc, vector, operand.get(), at);
    Value zeros = arith::ConstantOp::create(b, loc, b.getZeroAttr(vector));
    return vector::MaskedLoadOp::create(b, loc, vector, operand.get(), at, mask, zeros);
  }

  void tile(Value row, int64_t count, Value column, Value mask) {
    places[order.across] = column;
    auto atRow = [&](int64_t i) {
      if (row)
        places[order.down] = plus(row, i);
    };
    SmallVector<Value> sums;
    for (int64_t i = 0; i < count; ++i) {
      atRow(i);
      for (OpOperand &out : op.getDpsInitsMutable())
        sums.push_back(lanesOf(out, mask));
    }
    SmallVector<unsigned> reductions;
    for (unsigned loop : order.rest)
      if (kinds[loop] == utils::IteratorType::reduction)
        reductions.push_back(loop);
    SmallVector<Value> result = sumUp(reductions, sums, [&](ValueRange state) {
      SmallVector<Value> next, shared(op->getNumOperands());
      size_t outs = op.getNumDpsInits();
      for (int64_t i = 0; i < count; ++i) {
        atRow(i);
        IRMapping map;
        Block &body = op.getRegion().front();
        for (OpOperand &operand : op->getOpOperands()) {
          BlockArgument argument = body.getArgument(operand.getOperandNumber());
          if (argument.use_empty())
            continue;
          if (op.isDpsInit(&operand)) {
            map.map(argument, state[size_t(i) * outs + operand.getOperandNumber() - op.getNumDpsInputs()]);
            continue;
          }
          bool changes = order.down >= 0 && op.getMatchingIndexingMap(&operand).isFunctionOfDim(unsigned(order.down));
          Value &kept = shared[operand.getOperandNumber()];
          Value value = changes || !kept ? lanesOf(operand, mask) : kept;
          kept = changes ? Value() : value;
          map.map(argument, value);
        }
        for (Operation &inner : body.without_terminator()) {
          for (Value operand : inner.getOperands())
            if (!map.contains(operand))
              map.map(operand, vector::BroadcastOp::create(b, loc, vectorOf(operand.getType()), operand));
          Operation *clone = b.clone(inner, map);
          for (auto [own, original] : llvm::zip(clone->getResults(), inner.getResults())) {
            if (isa<arith::ConstantOp>(inner))
              map.map(original, vector::BroadcastOp::create(b, loc, vectorOf(own.getType()), own).getResult());
            else
              own.setType(vectorOf(own.getType()));
          }
        }
        for (Value value : body.getTerminator()->getOperands())
          next.push_back(map.lookup(value));
      }
      return next;
    });
    for (int64_t i = 0; i < count; ++i) {
      atRow(i);
      for (auto [n, out] : llvm::enumerate(op.getDpsInitsMutable())) {
        Value value = result[size_t(i) * op.getNumDpsInits() + n];
        if (mask)
          vector::MaskedStoreOp::create(b, loc, out.get(), indicesOf(out), mask, value);
        else
          vector::StoreOp::create(b, loc, value, out.get(), indicesOf(out));
      }
    }
  }

  SmallVector<Value> sumUp(ArrayRef<unsigned> loops, ValueRange state, llvm::function_ref<SmallVector<Value>(ValueRange)> body) {
    if (loops.empty())
      return body(state);
    return loop(index(0), sizes[loops.front()], false, state, [&](Value at, ValueRange inner) {
      places[loops.front()] = at;
      return sumUp(loops.drop_front(), inner, body);
    });
  }

  //===-- plain loops ---------------------------------------------------------------===//

  /// Loops from `level` on. Below the last parallel loop the outputs are carried in registers.
  SmallVector<Value> nest(size_t level, ValueRange carried) {
    if (order.lanes && (level == order.rest.size() || kinds[order.rest[level]] == utils::IteratorType::reduction)) {
      tiles();
      return {};
    }
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
  std::pair<Value, Value> rows; ///< of a task whose share is rows of tiles
};
} // namespace

void makeLoops(linalg::GenericOp op, const LoopOrder &order, Value begin, Value end) { LoopMaker(op, order).run(begin, end); }

void makeLoops(linalg::GenericOp op) {
  LoopOrder order = orderLoops(op, 0);
  order.rest.insert(order.rest.begin(), order.tasks.begin(), order.tasks.end());
  order.tasks.clear(); // without tasks all rows are taken
  LoopMaker(op, order).run({}, {});
}

} // namespace tern::cpu
