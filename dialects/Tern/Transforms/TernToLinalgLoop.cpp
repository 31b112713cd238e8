//===- TernToLinalgLoop.cpp - nn.loop -> scf.for, scf.while ----------------===//
#include "TernToLinalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace tern::lowering {
namespace {

/// On the nn.yield of a body that has moved: what it needs to know of its loop.
constexpr llvm::StringLiteral kCondition = "loop.condition", kStates = "loop.states", kBackwards = "loop.backwards", kCount = "loop.count";

Value sizeOf(const Build &build, StringRef text) {
  if (std::optional<int64_t> size = nn::SizeTable::of(build.b.getContext()).parse(text).constant())
    return build.index(*size);
  return build.create<nn::SizeOp>(build.b.getIndexType(), build.b.getStringAttr(text)).getResult();
}

/// `step`, or the same from behind.
Value placeOf(const Build &build, Value step, Value count, bool backwards) {
  if (!backwards)
    return step;
  return build.create<arith::SubIOp>(build.create<arith::SubIOp>(count, build.index(1)), step);
}

/// Offsets, sizes and strides of element `at` along the first axis of a tensor.
void elementBox(const Build &build, Value whole, Value at, Extents &offsets, Extents &sizes, Extents &strides) {
  sizes = build.extents(whole);
  offsets.assign(sizes.size(), build.number(0));
  strides.assign(sizes.size(), build.number(1));
  offsets.front() = at;
  sizes.front() = build.number(1);
}

Value elementOf(const Build &build, Value whole, Value at, RankedTensorType type) {
  Extents offsets, sizes, strides;
  elementBox(build, whole, at, offsets, sizes, strides);
  return build.create<tensor::ExtractSliceOp>(type, whole, offsets, sizes, strides);
}

/// Without a condition scf.for on states and collected tensors, with one scf.while on the step, the condition and the states.
struct Loop : OpConversionPattern<nn::LoopOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::LoopOp loop, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Location loc = loop.getLoc();
    Build build{rewriter, loc};
    Value count = loop.getCount() ? sizeOf(build, *loop.getCount()) : Value(), most = count;
    if (loop.getTrips()) {
      Value trips = build.create<arith::IndexCastOp>(rewriter.getIndexType(), build.create<tensor::ExtractOp>(adaptor.getTrips(), ValueRange()));
      most = most ? build.create<arith::MinSIOp>(most, trips).getResult() : trips;
    }
    SmallVector<Value> initial(adaptor.getStates());
    for (Value result : loop.collectedResults())
      initial.push_back(build.empty(build.sized(result)));
    Value zero = build.index(0), one = build.index(1);
    Operation *made;
    Block *body;
    Value step;
    ValueRange carried;
    if (!loop.getCondition()) {
      auto counted = scf::ForOp::create(rewriter, loc, zero, most, one, initial);
      made = counted, body = counted.getBody(), step = counted.getInductionVar(), carried = counted.getRegionIterArgs();
      if (!body->empty())
        rewriter.eraseOp(&body->back());
    } else {
      Value first = build.create<tensor::ExtractOp>(adaptor.getCondition(), ValueRange());
      SmallVector<Value> all{zero, first};
      all.append(initial);
      SmallVector<Type> types(ValueRange(all).getTypes());
      SmallVector<Location> locations(types.size(), loc);
      auto conditional = scf::WhileOp::create(rewriter, loc, types, all);
      Block *before = rewriter.createBlock(&conditional.getBefore(), {}, types, locations);
      Value goesOn = before->getArgument(1);
      if (most)
        goesOn = build.create<arith::AndIOp>(goesOn, build.create<arith::CmpIOp>(arith::CmpIPredicate::slt, before->getArgument(0), most));
      scf::ConditionOp::create(rewriter, loc, goesOn, before->getArguments());
      body = rewriter.createBlock(&conditional.getAfter(), {}, types, locations);
      made = conditional, step = body->getArgument(0), carried = body->getArguments().drop_front(2);
    }
    rewriter.setInsertionPointToEnd(body);
    Value number = build.create<arith::IndexCastOp>(rewriter.getI64Type(), step);
    SmallVector<Value> arguments{build.create<tensor::FromElementsOp>(RankedTensorType::get({}, rewriter.getI64Type()), number)};
    llvm::append_range(arguments, carried.take_front(loop.getStates().size()));
    for (auto [i, sequence] : llvm::enumerate(adaptor.getSequences()))
      arguments.push_back(elementOf(build, sequence, placeOf(build, step, count, loop.isReversed(i)),
                                    signless(cast<RankedTensorType>(loop.elementArguments()[i].getType()))));
    llvm::append_range(arguments, adaptor.getCaptures());
    Operation *yield = loop.block().getTerminator();
    yield->setAttr(kCondition, rewriter.getBoolAttr(bool(loop.getCondition())));
    yield->setAttr(kStates, rewriter.getI64IntegerAttr(loop.getStates().size()));
    SmallVector<bool> backwards;
    for (unsigned i = 0; i < loop.collectedResults().size(); ++i)
      backwards.push_back(loop.isCollectedReversed(i));
    yield->setAttr(kBackwards, rewriter.getDenseBoolArrayAttr(backwards));
    yield->setAttr(kCount, rewriter.getStringAttr(loop.getCount().value_or("0")));
    rewriter.mergeBlocks(&loop.block(), body, arguments);
    rewriter.replaceOp(loop, made->getResults().take_back(loop.getNumResults()));
    return success();
  }
};

struct Yield : OpConversionPattern<nn::YieldOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::YieldOp yield, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    auto condition = yield->getAttrOfType<BoolAttr>(kCondition);
    if (!condition)
      return rewriter.notifyMatchFailure(yield, "its loop has not been converted");
    Build build{rewriter, yield.getLoc()};
    Block *body = yield->getBlock();
    size_t states = size_t(yield->getAttrOfType<IntegerAttr>(kStates).getInt());
    ArrayRef<bool> backwards = yield->getAttrOfType<DenseBoolArrayAttr>(kBackwards).asArrayRef();
    ValueRange values = adaptor.getValues();
    SmallVector<Value> next;
    Value step = body->getArgument(0);
    if (condition.getValue()) {
      next.push_back(build.create<arith::AddIOp>(step, build.index(1)));
      next.push_back(build.create<tensor::ExtractOp>(values.front(), ValueRange()));
      values = values.drop_front();
    }
    llvm::append_range(next, values.take_front(states));
    Value count = llvm::is_contained(backwards, true) ? sizeOf(build, yield->getAttrOfType<StringAttr>(kCount).getValue()) : Value();
    for (auto [i, element] : llvm::enumerate(values.drop_front(states))) {
      Value whole = body->getArgument(1 + states + i);
      Extents offsets, sizes, strides;
      elementBox(build, whole, placeOf(build, step, count, backwards[i]), offsets, sizes, strides);
      next.push_back(build.create<tensor::InsertSliceOp>(element, whole, offsets, sizes, strides));
    }
    rewriter.replaceOpWithNewOp<scf::YieldOp>(yield, next);
    return success();
  }
};
} // namespace

void populateLoops(const TypeConverter &types, RewritePatternSet &patterns) { patterns.add<Loop, Yield>(types, patterns.getContext()); }

} // namespace tern::lowering
