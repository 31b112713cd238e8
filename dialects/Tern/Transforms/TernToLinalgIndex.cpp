//===- TernToLinalgIndex.cpp - arg_reduce, topk, cumulate, gathers and scatters -----===//
#include "TernToLinalgLoops.h"
#include <functional>

using namespace mlir;

namespace tern::lowering {

/// a comes before b: larger (or smaller); NaN is before every number.
static Value isBefore(const Build &in, Value a, Value b, bool smallest, bool isUnsigned) {
  if (!isa<FloatType>(a.getType())) {
    using P = arith::CmpIPredicate;
    P predicate = smallest ? (isUnsigned ? P::ult : P::slt) : (isUnsigned ? P::ugt : P::sgt);
    return in.create<arith::CmpIOp>(predicate, a, b);
  }
  using P = arith::CmpFPredicate;
  Value wins = in.create<arith::CmpFOp>(smallest ? P::OLT : P::OGT, a, b);
  Value isNan = in.create<arith::CmpFOp>(P::UNO, a, a), isNumber = in.create<arith::CmpFOp>(P::ORD, b, b);
  return in.create<arith::OrIOp>(wins, in.create<arith::AndIOp>(isNan, isNumber));
}
static Value negate(const Build &in, Value condition) {
  return in.create<arith::XOrIOp>(condition, in.integer(in.b.getI1Type(), 1));
}

namespace {
/// A reduction whose accumulator is the index of the best element so far; the element is read again.
struct ArgReduce : ResultsPattern<nn::ArgReduceOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::ArgReduceOp op, Adaptor adaptor, const Build &build) const override {
    Value x = adaptor.getX();
    int64_t axis = op.getAxis(), rank = shapeOf(x).size();
    bool unsign = isUnsigned(op.getX().getType().getElementType()), smallest = op.getKind() == nn::ArgKind::min;
    Type i64 = build.b.getI64Type(), index = build.b.getIndexType();
    Value best = build.reduce(x, axis, build.integer(i64, 0), [&](const Build &in, ValueRange s) {
      SmallVector<Value> at;
      for (int64_t d = 0; d < rank; ++d)
        at.push_back(d == axis ? in.create<arith::IndexCastOp>(index, s[1]).getResult()
                               : in.create<linalg::IndexOp>(d).getResult());
      Value candidate = in.widen(s[0]), least = in.widen(in.extract(x, at));
      Value wins = op.getSelectLast() ? negate(in, isBefore(in, least, candidate, smallest, unsign))
                                      : isBefore(in, candidate, least, smallest, unsign);
      return in.select(wins, in.create<arith::IndexCastOp>(i64, in.create<linalg::IndexOp>(axis)), s[1]);
    });
    return {build.reshape(best, build.sized(op.getResult()).sizes)};
  }
};

/// k passes over each row; a pass takes the first element behind the one before. Nothing is moved and no memory needed.
struct Topk : ResultsPattern<nn::TopkOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::TopkOp op, Adaptor adaptor, const Build &build) const override {
    Shaped type = build.sized(op.getValues());
    Extents sizes = build.extents(adaptor.getX());
    int64_t axis = op.getAxis(), k = op.getK();
    OpFoldResult n = sizes[axis], outer = build.product(ArrayRef(sizes).take_front(axis));
    OpFoldResult inner = build.product(ArrayRef(sizes).drop_front(axis + 1));
    Value x = build.reshape(adaptor.getX(), {outer, n, inner});
    Type i64 = build.b.getI64Type();
    Shaped flat({outer, build.number(k), inner}, type.element());
    SmallVector<Value> state{build.empty(flat), build.empty(flat.with(i64))};
    bool unsign = isUnsigned(op.getX().getType().getElementType()), smallest = op.getSmallest();
    auto before = [&](const Build &in, Value a, Value b) {
      return isBefore(in, in.widen(a), in.widen(b), smallest, unsign);
    };
    state = repeat(build, build.times(outer, inner), state, [&](const Build &row, Value at, ValueRange tensors) {
      Value o = row.create<arith::DivUIOp>(at, row.index(inner)), i = row.create<arith::RemUIOp>(at, row.index(inner));
      Value none = row.index(-1);
      auto element = [&](const Build &in, Value j) { return in.extract(x, {o, j, i}); };
      SmallVector<Value> chosen{tensors[0], tensors[1], none, row.number(type.element(), 0)};
      chosen = repeat(row, row.number(k), chosen, [&](const Build &pass, Value r, ValueRange last) {
        SmallVector<Value> best{none, pass.number(type.element(), 0)};
        best = repeat(pass, n, best, [&](const Build &in, Value j, ValueRange top) -> SmallVector<Value> {
          Value value = element(in, j);
          auto cmp = [&](arith::CmpIPredicate p, Value a, Value b) -> Value {
            return in.create<arith::CmpIOp>(p, a, b);
          };
          Value tie = in.create<arith::AndIOp>(negate(in, before(in, value, last[3])),
                                               cmp(arith::CmpIPredicate::sgt, j, last[2]));
          Value behind = in.create<arith::OrIOp>(before(in, last[3], value), tie);
          behind = in.create<arith::OrIOp>(behind, cmp(arith::CmpIPredicate::eq, last[2], none));
          Value better =
              in.create<arith::OrIOp>(cmp(arith::CmpIPredicate::eq, top[0], none), before(in, value, top[1]));
          Value take = in.create<arith::AndIOp>(behind, better);
          return {in.select(take, j, top[0]), in.select(take, value, top[1])};
        });
        Value place = pass.create<arith::IndexCastOp>(i64, best[0]);
        return SmallVector<Value>{pass.create<tensor::InsertOp>(best[1], last[0], ValueRange{o, r, i}),
                                  pass.create<tensor::InsertOp>(place, last[1], ValueRange{o, r, i}), best[0], best[1]};
      });
      return SmallVector<Value>{chosen[0], chosen[1]};
    });
    return {build.reshape(state[0], type.sizes), build.reshape(state[1], type.sizes)};
  }
};

/// A loop along the axis; what it carries are the totals so far, wide where floats are narrow.
struct Cumulate : ResultsPattern<nn::CumulateOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::CumulateOp op, Adaptor adaptor, const Build &build) const override {
    Extents sizes = build.extents(adaptor.getX());
    Type element = elementOf(adaptor.getX()), wide = build.computeType(element);
    int64_t axis = op.getAxis();
    OpFoldResult n = sizes[axis], outer = build.product(ArrayRef(sizes).take_front(axis)), one = build.number(1);
    OpFoldResult inner = build.product(ArrayRef(sizes).drop_front(axis + 1)), zero = build.number(0);
    Value x = build.reshape(adaptor.getX(), {outer, n, inner});
    bool isProduct = op.getKind() == nn::CumulateKind::prod;
    SmallVector<Value> state{build.filled(Shaped({outer, one, inner}, wide), build.number(wide, isProduct)),
                             build.empty(Shaped({outer, n, inner}, element))};
    SmallVector<AffineMap> maps(2, build.b.getMultiDimIdentityMap(3));
    SmallVector<utils::IteratorType> loops(3, utils::IteratorType::parallel);
    state = repeat(build, n, state, [&](const Build &in, Value i, ValueRange s) -> SmallVector<Value> {
      Value at = op.getReverse() ? in.create<arith::SubIOp>(in.index(in.plus(n, -1)), i).getResult() : i;
      Extents place{zero, at, zero};
      Value row = in.slice(x, place, {outer, one, inner});
      auto store = [&](Value totals) {
        Value narrow = wide == element ? totals : in.elementwise(Shaped({outer, one, inner}, element), totals, [&](const Build &b, ValueRange v) {
          return b.narrow(v[0], element);
        });
        return in.insert(narrow, s[1], place);
      };
      Value result = op.getExclusive() ? store(s[0]) : Value();
      Value totals = in.generic(row, s[0], maps, loops, [&](const Build &b, ValueRange v) {
        return isProduct ? b.mul(v[1], b.widen(v[0])) : b.add(v[1], b.widen(v[0]));
      });
      return {totals, result ? result : store(totals)};
    });
    return {build.reshape(state[1], sizes)};
  }
};

struct GatherElements : ResultsPattern<nn::GatherElementsOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::GatherElementsOp op, Adaptor adaptor, const Build &build) const override {
    Shaped type(build.extents(adaptor.getIndices()), elementOf(adaptor.getX()));
    OpFoldResult size = build.extent(adaptor.getX(), op.getAxis());
    Type indexType = op.getIndices().getType().getElementType();
    return {build.elementwise(type, adaptor.getIndices(), [&](const Build &in, ValueRange s) {
      SmallVector<Value> at;
      for (int64_t d = 0; d < type.type.getRank(); ++d)
        at.push_back(d == int64_t(op.getAxis()) ? insideIndex(in, s[0], indexType, size)
                                                : in.create<linalg::IndexOp>(d).getResult());
      return in.extract(adaptor.getX(), at);
    })};
  }
};

/// Loops: the result's dimensions. The index tuple is read in the body.
struct GatherNd : ResultsPattern<nn::GatherNdOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::GatherNdOp op, Adaptor adaptor, const Build &build) const override {
    Shaped type = build.sized(op.getResult());
    Extents sizes = build.extents(adaptor.getX());
    Type indexType = op.getIndices().getType().getElementType();
    int64_t batch = op.getBatchDims(), tupleRank = int64_t(shapeOf(adaptor.getIndices()).size()) - 1;
    int64_t k = shapeOf(adaptor.getIndices()).back(), rank = shapeOf(adaptor.getX()).size();
    return {build.elementwise(type, ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
      SmallVector<Value> tuple, at;
      for (int64_t d = 0; d < tupleRank; ++d)
        tuple.push_back(in.create<linalg::IndexOp>(d));
      tuple.push_back(Value());
      for (int64_t d = 0; d < rank; ++d) {
        if (d < batch) {
          at.push_back(tuple[d]);
        } else if (d < batch + k) {
          tuple.back() = in.index(d - batch);
          at.push_back(insideIndex(in, in.extract(adaptor.getIndices(), tuple), indexType, sizes[d]));
        } else {
          at.push_back(in.create<linalg::IndexOp>(tupleRank + d - batch - k));
        }
      }
      return in.extract(adaptor.getX(), at);
    })};
  }
};

/// The new element of a scatter.
Value combine(const Build &in, nn::ScatterMode mode, Value old, Value update, bool isUnsigned) {
  if (mode == nn::ScatterMode::replace)
    return update;
  Type element = old.getType();
  Value a = in.widen(old), b = in.widen(update), result;
  switch (mode) {
  case nn::ScatterMode::add:
    result = in.add(a, b);
    break;
  case nn::ScatterMode::mul:
    result = in.mul(a, b);
    break;
  case nn::ScatterMode::max:
    result = in.max(a, b, isUnsigned);
    break;
  default:
    result = in.min(a, b, isUnsigned);
  }
  return isa<FloatType>(element) ? in.narrow(result, element) : result;
}

/// x with update e at the position `place` gives, for e in row-major order: a loop a dimension of the updates. `place` is asked in the
/// first `known` loops and gives the leading indices; the others are those of the update.
Value scatter(const Build &build, Value x, Value updates, int64_t known, nn::ScatterMode mode, bool isUnsigned,
              llvm::function_ref<SmallVector<Value>(const Build &, ValueRange)> place) {
  Extents sizes = build.extents(updates);
  SmallVector<Value> at, leading;
  std::function<Value(const Build &, Value)> nest = [&](const Build &in, Value state) -> Value {
    if (int64_t(at.size()) == known)
      leading = place(in, at);
    if (at.size() == sizes.size()) {
      SmallVector<Value> to = leading;
      llvm::append_range(to, ArrayRef(at).drop_front(known));
      Value value = combine(in, mode, in.extract(state, to), in.extract(updates, at), isUnsigned);
      return in.create<tensor::InsertOp>(value, state, to);
    }
    return repeat(in, sizes[at.size()], state, [&](const Build &inner, Value i, ValueRange tensors) {
      at.push_back(i);
      Value result = nest(inner, tensors[0]);
      at.pop_back();
      return SmallVector<Value>{result};
    })[0];
  };
  return nest(build, x);
}

struct ScatterElements : ResultsPattern<nn::ScatterElementsOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::ScatterElementsOp op, Adaptor adaptor, const Build &build) const override {
    Type indexType = op.getIndices().getType().getElementType();
    bool unsign = isUnsigned(op.getX().getType().getElementType());
    OpFoldResult size = build.extent(adaptor.getX(), op.getAxis());
    int64_t rank = shapeOf(adaptor.getX()).size();
    return {scatter(build, adaptor.getX(), adaptor.getUpdates(), rank, op.getMode(), unsign, [&](const Build &in, ValueRange at) {
      SmallVector<Value> to(at);
      to[op.getAxis()] = insideIndex(in, in.extract(adaptor.getIndices(), at), indexType, size);
      return to;
    })};
  }
};

struct ScatterNd : ResultsPattern<nn::ScatterNdOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::ScatterNdOp op, Adaptor adaptor, const Build &build) const override {
    Type indexType = op.getIndices().getType().getElementType();
    bool unsign = isUnsigned(op.getX().getType().getElementType());
    ArrayRef<int64_t> indices = shapeOf(adaptor.getIndices());
    Extents sizes = build.extents(adaptor.getX());
    int64_t tupleRank = int64_t(indices.size()) - 1, k = indices.back();
    return {scatter(build, adaptor.getX(), adaptor.getUpdates(), tupleRank, op.getMode(), unsign, [&](const Build &in, ValueRange at) {
      SmallVector<Value> tuple(at), to;
      tuple.push_back(Value());
      for (int64_t d = 0; d < k; ++d) {
        tuple.back() = in.index(d);
        to.push_back(insideIndex(in, in.extract(adaptor.getIndices(), tuple), indexType, sizes[d]));
      }
      return to;
    })};
  }
};
} // namespace

void populateIndex(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<ArgReduce, Topk, Cumulate, GatherElements, GatherNd, ScatterElements, ScatterNd>(types, patterns.getContext());
}

} // namespace tern::lowering
