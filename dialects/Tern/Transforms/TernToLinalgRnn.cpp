//===- TernToLinalgRnn.cpp - recurrent layers as a loop over the steps ----===//
// For each direction: x times w for all steps at once, a loop that carries h (and c) and collects h, and a last step
// that puts the collected rows where y wants them. Sequences shorter than the tensor stop early, and backward ones
// start at their own end.
//===----------------------------------------------------------------------===//
#include "TernToLinalgContract.h"
#include "TernToLinalgLoops.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"

using namespace mlir;

namespace tern::lowering {

static Value activate(const Build &in, nn::RnnActivation kind, Value x, double a, double b) {
  auto number = [&](double v) { return in.number(x.getType(), v); };
  auto negative = [&] { return in.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, number(0)); };
  switch (kind) {
  case nn::RnnActivation::relu:
    return in.max(x, number(0));
  case nn::RnnActivation::tanh:
    return in.create<math::TanhOp>(x);
  case nn::RnnActivation::sigmoid: {
    Value power = in.create<math::ExpOp>(in.create<arith::NegFOp>(x));
    return in.create<arith::DivFOp>(number(1), in.add(number(1), power));
  }
  case nn::RnnActivation::affine:
    return in.add(in.mul(x, number(a)), number(b));
  case nn::RnnActivation::leaky_relu:
    return in.select(negative(), in.mul(x, number(a)), x);
  case nn::RnnActivation::thresholded_relu:
    return in.select(in.create<arith::CmpFOp>(arith::CmpFPredicate::OGT, x, number(a)), x, number(0));
  case nn::RnnActivation::scaled_tanh:
    return in.mul(number(a), in.create<math::TanhOp>(in.mul(x, number(b))));
  case nn::RnnActivation::hard_sigmoid:
    return in.max(in.min(in.add(in.mul(x, number(a)), number(b)), number(1)), number(0));
  case nn::RnnActivation::elu:
    return in.select(negative(), in.mul(in.create<math::ExpM1Op>(x), number(a)), x);
  case nn::RnnActivation::softsign:
    return in.create<arith::DivFOp>(x, in.add(number(1), in.create<math::AbsFOp>(x)));
  case nn::RnnActivation::softplus: {
    Value power = in.create<math::ExpOp>(in.create<arith::NegFOp>(in.create<math::AbsFOp>(x)));
    return in.add(in.max(x, number(0)), in.create<math::Log1pOp>(power));
  }
  }
  llvm_unreachable("unknown activation");
}

namespace {
/// One direction of a layer. Values are in the type that its numbers are computed in.
class Direction {
public:
  Direction(nn::RnnOp op, nn::RnnOp::Adaptor adaptor, const Build &build, int64_t d)
      : op(op), operands(adaptor), build(build), d(d), n(op.getHidden()), gates(op.getGates()),
        state(RankedTensorType::get({}, build.b.getF32Type())) {
    bool batchFirst = op.getLayout() == 1;
    Extents sizes = build.extents(operands.getX());
    steps = sizes[batchFirst], batch = sizes[!batchFirst], inputs = sizes[2];
    backward = d == 1 || op.getDirection() == nn::RnnDirection::reverse;
    wide = build.computeType(elementOf(operands.getX()));
    state = Shaped({batch, build.number(n)}, wide);
    r = part(operands.getR(), {build.number(gates * n), build.number(n)});
  }

  /// h of every step in the order of computation [steps, batch, n], the last h and the last c [batch, n].
  SmallVector<Value> run() {
    Value products = inputProducts(), zeros = build.filled(state, build.number(wide, 0));
    Value h = operands.getH0() ? initial(operands.getH0()) : zeros,
          c = operands.getC0() ? initial(operands.getC0()) : zeros;
    bool isLstm = op.getKind() == nn::RnnKind::lstm;
    SmallVector<Value> init{build.filled(Shaped({steps, batch, build.number(n)}, wide), build.number(wide, 0)), h};
    if (isLstm)
      init.push_back(c);
    // Each state is a buffer of its own from the start, also where two start from the same zeros.
    for (Value &value : MutableArrayRef<Value>(init).drop_front())
      value = build.create<bufferization::AllocTensorOp>(cast<RankedTensorType>(value.getType()), ValueRange(), value);
    SmallVector<Value> last = repeat(build, steps, init, [&](const Build &in, Value t, ValueRange carried) {
      Value x = row(in, products, t);
      SmallVector<Value> next = step(in, t, x, carried[1], isLstm ? carried[2] : Value());
      if (operands.getLens())
        for (auto [value, old] : llvm::zip(next, carried.drop_front()))
          value = whileRunning(in, t, value, old);
      Extents offsets{t, in.number(0), in.number(0)}, sizes{in.number(1), batch, in.number(n)}, ones(3, in.number(1));
      Value collected = in.create<tensor::InsertSliceOp>(next[0], carried[0], offsets, sizes, ones);
      // The state stays where it is: a loop must not exchange its buffers.
      for (auto [value, old] : llvm::zip(next, carried.drop_front()))
        value = in.create<bufferization::MaterializeInDestinationOp>(value, old).getResult();
      next.insert(next.begin(), collected);
      return next;
    });
    if (!isLstm)
      last.push_back(c);
    return last;
  }

  /// Where step t of sequence b comes from (or goes to): t, or the place that far before the sequence's end.
  Value placeOf(const Build &in, Value t, Value b) const {
    if (!backward)
      return t;
    Value last = in.create<arith::SubIOp>(length(in, b), in.index(1));
    return in.create<arith::MaxSIOp>(in.create<arith::SubIOp>(last, t), in.index(0));
  }
  /// Steps of sequence b, never more than there are.
  Value length(const Build &in, Value b) const {
    if (!operands.getLens())
      return in.index(steps);
    Value count = in.create<arith::IndexCastOp>(in.b.getIndexType(), in.extract(operands.getLens(), b));
    return in.create<arith::MinSIOp>(in.create<arith::MaxSIOp>(count, in.index(0)), in.index(steps));
  }

private:
  /// Direction d of an operand [D, ...], in these sizes.
  Value part(Value operand, ArrayRef<OpFoldResult> shape) const {
    Extents sizes = build.extents(operand), offsets(sizes.size(), build.number(0));
    sizes[0] = build.number(1), offsets[0] = build.number(d);
    return build.reshape(build.slice(operand, offsets, sizes), shape);
  }

  Value initial(Value operand) const {
    return build.elementwise(state, ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
      Value b = in.create<linalg::IndexOp>(0), j = in.create<linalg::IndexOp>(1), at = in.index(d);
      return in.widen(in.extract(operand, op.getLayout() == 1 ? ValueRange{b, at, j} : ValueRange{at, b, j}));
    });
  }

  /// x w' of every step in the order of computation: [steps, batch, gates * n]. With both biases, except the recurrent
  /// one that linear_before_reset multiplies.
  Value inputProducts() {
    Value bias = gateBias();
    if (!operands.getW())
      return givenProducts(bias);
    Value x = build.elementwise(
        Shaped({steps, batch, inputs}, elementOf(operands.getX())), ValueRange(), ArrayRef<AffineMap>(),
        [&](const Build &in, ValueRange) {
          Value b = in.create<linalg::IndexOp>(1), i = in.create<linalg::IndexOp>(2);
          Value t = placeOf(in, in.create<linalg::IndexOp>(0), b);
          return in.extract(operands.getX(), op.getLayout() == 1 ? ValueRange{b, t, i} : ValueRange{t, b, i});
        });
    OpFoldResult rows = build.times(steps, batch), columns = build.number(gates * n);
    Value w = part(operands.getW(), {columns, inputs});
    Value products = buildMatmul(build, Shaped({rows, columns}, wide), widened(build.reshape(x, {rows, inputs})), widened(w), bias,
                                 /*transposeA=*/false, /*transposeB=*/true);
    return build.reshape(products, {steps, batch, columns});
  }

  /// Both biases of the gates [gates * n], except the recurrent one that linear_before_reset multiplies; null: none.
  Value gateBias() {
    if (!operands.getB())
      return {};
    Value both = part(operands.getB(), {build.number(2), build.number(gates), build.number(n)});
    if (op.getLinearBeforeReset())
      resetBias = both;
    return build.elementwise(RankedTensorType::get({gates * n}, wide), ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
      Value row = in.create<linalg::IndexOp>(0), of = in.index(n);
      Value g = in.create<arith::DivUIOp>(row, of), j = in.create<arith::RemUIOp>(row, of);
      Value own = in.widen(in.extract(both, {in.index(0), g, j}));
      Value sum = in.add(own, in.widen(in.extract(both, {in.index(1), g, j})));
      if (!op.getLinearBeforeReset())
        return sum;
      Value isHidden = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, g, in.index(2));
      return in.select(isHidden, own, sum);
    });
  }

  /// The products that x holds already, those of this direction, with the bias.
  Value givenProducts(Value bias) const {
    return build.elementwise(Shaped({steps, batch, build.number(gates * n)}, wide), ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
      Value b = in.create<linalg::IndexOp>(1), i = in.create<linalg::IndexOp>(2);
      Value t = placeOf(in, in.create<linalg::IndexOp>(0), b), column = in.create<arith::AddIOp>(i, in.index(d * gates * n));
      Value x = in.widen(in.extract(operands.getX(), op.getLayout() == 1 ? ValueRange{b, t, column} : ValueRange{t, b, column}));
      return bias ? in.add(x, in.extract(bias, i)) : x;
    });
  }

  Value widened(Value tensor) const {
    auto type = cast<RankedTensorType>(tensor.getType());
    if (type.getElementType() == wide)
      return tensor;
    return build.elementwise(type.clone(wide), tensor, [](const Build &in, ValueRange s) { return in.widen(s[0]); });
  }

  /// Step t of a tensor [steps, batch, m] as [batch, m].
  Value row(const Build &in, Value tensor, Value t) const {
    OpFoldResult m = in.extent(tensor, 2);
    Extents offsets{t, in.number(0), in.number(0)}, sizes{in.number(1), batch, m}, ones(3, in.number(1));
    return in.create<tensor::ExtractSliceOp>(Shaped({batch, m}, wide).type, tensor, offsets, sizes, ones);
  }

  /// h times `count` gates of r', from gate `first` on: [batch, count * n].
  Value recurrent(const Build &in, Value h, int64_t first, int64_t count) {
    auto attrs = [&](ArrayRef<int64_t> values) { return getAsIndexOpFoldResult(in.b.getContext(), values); };
    Value rows = in.create<tensor::ExtractSliceOp>(r, attrs({first * n, 0}), attrs({count * n, n}), attrs({1, 1}));
    Shaped type({batch, in.number(count * n)}, wide);
    AffineExpr b = in.b.getAffineDimExpr(0), j = in.b.getAffineDimExpr(1), k = in.b.getAffineDimExpr(2);
    AffineMap maps[] = {AffineMap::get(3, 0, {b, k}, in.b.getContext()),
                        AffineMap::get(3, 0, {j, k}, in.b.getContext()),
                        AffineMap::get(3, 0, {b, j}, in.b.getContext())};
    utils::IteratorType iterators[] = {utils::IteratorType::parallel, utils::IteratorType::parallel,
                                       utils::IteratorType::reduction};
    return in.generic(
        {h, rows}, in.filled(type, in.number(wide, 0)), maps, iterators,
        [](const Build &body, ValueRange s) { return body.add(s[2], body.mul(body.widen(s[0]), body.widen(s[1]))); });
  }

  /// Elementwise over [batch, n]; the body reads what it needs at (b, j).
  Value map(const Build &in, llvm::function_ref<Value(const Build &, Value, Value)> body) const {
    return in.elementwise(state, ValueRange(), ArrayRef<AffineMap>(), [&](const Build &at, ValueRange) {
      return body(at, at.create<linalg::IndexOp>(0), at.create<linalg::IndexOp>(1));
    });
  }
  /// What DynamicQuantizeLinear and back makes of h; the range is that of the sequences that ran the step before.
  Value rounded(const Build &in, Value t, Value h) const {
    Value zero = in.number(wide, 0);
    if (operands.getLens())
      h = map(in, [&](const Build &at, Value b, Value j) {
        Value ran = at.create<arith::CmpIOp>(arith::CmpIPredicate::sle, t, length(at, b));
        return at.select(ran, at.extract(h, {b, j}), at.number(wide, 0));
      });
    Value least = in.extract(in.reduce(h, {0, 1}, zero, [](const Build &at, ValueRange s) { return at.min(s[0], s[1]); }), {});
    Value most = in.extract(in.reduce(h, {0, 1}, zero, [](const Build &at, ValueRange s) { return at.max(s[0], s[1]); }), {});
    Value range = in.create<arith::SubFOp>(most, least), last = in.number(wide, 255);
    Value isEmpty = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, range, zero);
    Value scale = in.select(isEmpty, in.number(wide, 1), in.create<arith::DivFOp>(range, last));
    auto round = [&](const Build &at, Value v) { return at.create<math::RoundEvenOp>(at.create<arith::DivFOp>(v, scale)).getResult(); };
    Value low = round(in, least), high = in.add(last, low);
    return map(in, [&](const Build &at, Value b, Value j) {
      return at.mul(at.min(at.max(round(at, at.extract(h, {b, j})), low), high), scale);
    });
  }
  /// Column j of gate g of a tensor [batch, gates * n].
  Value gate(const Build &in, Value tensor, int64_t g, Value b, Value j) const {
    return in.extract(tensor, {b, g == 0 ? j : in.create<arith::AddIOp>(j, in.index(g * n)).getResult()});
  }
  Value function(const Build &in, int64_t f, Value x) const {
    if (op.getClipAttr()) {
      double clip = op.getClipAttr().getValueAsDouble();
      x = in.max(in.min(x, in.number(wide, clip)), in.number(wide, -clip));
    }
    int64_t i = d * nn::RnnOp::activationsOf(op.getKind()) + f;
    return activate(in, op.getActivation(i), x, op.getAlpha() ? (*op.getAlpha())[i] : 0,
                    op.getBeta() ? (*op.getBeta())[i] : 0);
  }
  /// Entry j of gate g of the peephole weights times a cell.
  Value peephole(const Build &in, int64_t g, Value j, Value cell, Value sum) const {
    if (!operands.getPeephole())
      return sum;
    Value column = in.create<arith::AddIOp>(j, in.index(g * n));
    Value weight = in.widen(in.extract(operands.getPeephole(), {in.index(d), column}));
    return in.add(sum, in.mul(weight, cell));
  }

  SmallVector<Value> step(const Build &in, Value t, Value x, Value h, Value c) {
    switch (op.getKind()) {
    case nn::RnnKind::rnn: {
      Value sums = recurrent(in, h, 0, 1);
      return {map(in, [&](const Build &at, Value b, Value j) {
        return function(at, 0, at.add(gate(at, x, 0, b, j), gate(at, sums, 0, b, j)));
      })};
    }
    case nn::RnnKind::lstm:
      return lstm(in, x, c, op.getRoundState() ? rounded(in, t, h) : h);
    case nn::RnnKind::gru:
      return {gru(in, x, h)};
    }
    llvm_unreachable("unknown kind");
  }

  /// `factor`: h as r multiplies it.
  SmallVector<Value> lstm(const Build &in, Value x, Value c, Value factor) {
    Value sums = recurrent(in, factor, 0, 4);
    auto sum = [&](const Build &at, int64_t g, Value b, Value j) {
      return at.add(gate(at, x, g, b, j), gate(at, sums, g, b, j));
    };
    Value cell = map(in, [&](const Build &at, Value b, Value j) {
      Value old = at.extract(c, {b, j});
      Value i = function(at, 0, peephole(at, 0, j, old, sum(at, 0, b, j)));
      Value f = op.getInputForget() ? at.create<arith::SubFOp>(at.number(wide, 1), i).getResult()
                                    : function(at, 0, peephole(at, 2, j, old, sum(at, 2, b, j)));
      return at.add(at.mul(f, old), at.mul(i, function(at, 1, sum(at, 3, b, j))));
    });
    Value next = map(in, [&](const Build &at, Value b, Value j) {
      Value value = at.extract(cell, {b, j});
      Value o = function(at, 0, peephole(at, 1, j, value, sum(at, 1, b, j)));
      return at.mul(o, function(at, 2, value));
    });
    return {next, cell};
  }

  Value gru(const Build &in, Value x, Value h) {
    bool linear = op.getLinearBeforeReset();
    Value sums = recurrent(in, h, 0, linear ? 3 : 2), candidates;
    auto sum = [&](const Build &at, int64_t g, Value b, Value j) {
      return at.add(gate(at, x, g, b, j), gate(at, sums, g, b, j));
    };
    if (!linear)
      candidates = recurrent(in,
                             map(in,
                                 [&](const Build &at, Value b, Value j) {
                                   return at.mul(function(at, 0, sum(at, 1, b, j)), at.extract(h, {b, j}));
                                 }),
                             2, 1);
    return map(in, [&](const Build &at, Value b, Value j) {
      Value z = function(at, 0, sum(at, 0, b, j)), hidden;
      if (linear) {
        Value product = gate(at, sums, 2, b, j);
        if (resetBias)
          product = at.add(product, at.widen(at.extract(resetBias, {at.index(1), at.index(2), j})));
        hidden = at.mul(function(at, 0, sum(at, 1, b, j)), product);
      } else {
        hidden = gate(at, candidates, 0, b, j);
      }
      Value candidate = function(at, 1, at.add(gate(at, x, 2, b, j), hidden));
      Value rest = at.create<arith::SubFOp>(at.number(wide, 1), z);
      return at.add(at.mul(rest, candidate), at.mul(z, at.extract(h, {b, j})));
    });
  }

  /// The new state while the sequence lasts, then the old one.
  Value whileRunning(const Build &in, Value t, Value next, Value old) const {
    return map(in, [&](const Build &at, Value b, Value j) {
      Value runs = at.create<arith::CmpIOp>(arith::CmpIPredicate::slt, t, length(at, b));
      return at.select(runs, at.extract(next, {b, j}), at.extract(old, {b, j}));
    });
  }

  mutable nn::RnnOp op;
  mutable nn::RnnOp::Adaptor operands;
  const Build &build;
  int64_t d, n, gates;
  OpFoldResult steps, batch, inputs;
  bool backward;
  Type wide;
  Shaped state;
  Value r, resetBias;
};

struct Rnn : ResultsPattern<nn::RnnOp> {
  using ResultsPattern::ResultsPattern;
  SmallVector<Value> lower(nn::RnnOp op, Adaptor adaptor, const Build &build) const override {
    bool batchFirst = op.getLayout() == 1;
    SmallVector<Direction, 2> directions;
    SmallVector<SmallVector<Value>> runs;
    for (int64_t d = 0; d < op.getDirections(); ++d) {
      directions.emplace_back(op, adaptor, build, d);
      runs.push_back(directions.back().run());
    }
    // Elements of [direction, ...] come from one of two tensors.
    auto pick = [&](const Build &in, Value d, unsigned which, ValueRange at) {
      Value first = in.extract(runs[0][which], at);
      if (runs.size() == 1)
        return first;
      Value isFirst = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, d, in.index(0));
      return in.select(isFirst, first, in.extract(runs[1][which], at));
    };
    Shaped yType = build.sized(op.getY());
    Type element = yType.element();
    Value y = build.elementwise(yType, ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
      SmallVector<Value> i;
      for (int64_t k = 0; k < 4; ++k)
        i.push_back(in.create<linalg::IndexOp>(k));
      Value t = i[batchFirst ? 1 : 0], d = i[batchFirst ? 2 : 1], b = i[batchFirst ? 0 : 2];
      auto value = [&](size_t k) { return in.extract(runs[k][0], {directions[k].placeOf(in, t, b), b, i[3]}); };
      Value result = value(0);
      if (runs.size() == 2) {
        Value isFirst = in.create<arith::CmpIOp>(arith::CmpIPredicate::eq, d, in.index(0));
        result = in.select(isFirst, result, value(1));
      }
      if (adaptor.getLens()) {
        Value runs = in.create<arith::CmpIOp>(arith::CmpIPredicate::slt, t, directions[0].length(in, b));
        result = in.select(runs, result, in.number(result.getType(), 0));
      }
      return in.narrow(result, element);
    });
    auto last = [&](unsigned which) {
      return build.elementwise(build.sized(op->getResult(which)), ValueRange(), ArrayRef<AffineMap>(), [&](const Build &in, ValueRange) {
        Value d = in.create<linalg::IndexOp>(batchFirst), b = in.create<linalg::IndexOp>(!batchFirst);
        return in.narrow(pick(in, d, which, {b, in.create<linalg::IndexOp>(2)}), element);
      });
    };
    SmallVector<Value> results{y, last(1)};
    if (op.getYC())
      results.push_back(last(2));
    return results;
  }
};
} // namespace

void populateRnn(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Rnn>(types, patterns.getContext());
}

} // namespace tern::lowering
