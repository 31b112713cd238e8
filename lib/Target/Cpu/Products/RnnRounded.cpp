//===- RnnRounded.cpp - an LSTM that rounds its state ----------------------===//
// The sequences of a step share one range of h, so a task runs all of them: range, then for some sequences at a time codes, integer products,
// gates. h and c of a sequence lie in y_h and y_c, so that any number of sequences runs; a step reads them once.
#include "lib/Target/Cpu/Products/RnnRounded.h"
#include "dialects/Micro/IR/Micro.h"
#include "lib/Target/Cpu/Math/DynamicRange.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Products/RnnCell.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace tern::cpu {
namespace {

class RoundedEmitter {
public:
  RoundedEmitter(KernelBuilder &k, const RnnProblem &p)
      : k(k), p(p), cell{k, p, {}}, H(p.hidden), GH(p.gates() * p.hidden), quads((p.hidden + 3) / 4), panels((GH + kRnnPanel - 1) / kRnnPanel),
        most(k.target().level == 2 && !p.lens && (isDynamic(p.batch) || p.batch > 1) ? 4 : 1) {
    unsigned at = 0;
    auto next = [&](bool given = true) { return given ? k.arg(at++) : Value(); };
    x = next(), r = next(), scales = next(), shifts = next(), zeros = next(), bias = next();
    cell.peephole = next(p.peephole);
    lens = next(p.lens);
    h0 = next(p.hasH0), c0 = next(p.hasC0);
    y = next(), yh = next(), yc = next();
    auto onStack = [&](int64_t count, Type element) {
      return k.atEntry([&]() -> Value {
        return memref::AllocaOp::create(k.builder(), k.loc(), MemRefType::get({count}, element), k.builder().getI64IntegerAttr(64));
      });
    };
    codes = onStack(most * quads * 4, k.type(Elem::U8));
    sums = onStack(most * panels * kRnnPanel, k.i32Type());
  }

  /// All sequences of direction d, which is known to run backwards or not.
  void run(int64_t d, bool backwards) {
    direction = cell.direction = d;
    Index all = k.extent(p.steps), batch = k.extent(p.batch), longest = all;
    // The codes behind the last one meet weights of 0.
    for (int64_t s = 0; s < most; s++)
      for (int64_t i = H; i < quads * 4; i++)
        k.store(k.zero(Elem::U8), codes, s * quads * 4 + i);
    k.loop(0, batch, 1, [&](Index b) {
      k.forRow(H, width(), [&](Index at, const Piece &piece) {
        auto start = [&](Value memref, const View &view) {
          return memref ? k.load(memref, place(view, b) + at, piece.lanes, piece.mask) : k.f32(0, piece.lanes);
        };
        k.store(start(h0, p.h0), yh, place(p.yh, b) + at, piece.mask);
        k.store(start(c0, p.c0), yc, place(p.yc, b) + at, piece.mask);
      });
    });
    if (lens) {
      Values found = k.loop(0, batch, 1, {k.value(0)}, [&](Index b, ValueRange v) -> Values { return {k.value(max(Index(k, v[0]), length(b)))}; });
      longest = Index(k, found[0]);
    }
    k.loop(0, longest, 1, [&](Index i) {
      range(i, batch);
      Index whole = batch / most * most;
      auto some = [&](const Index &first, int64_t count) {
        Index length = lens ? this->length(first) : all;
        auto body = [&] { step(first, count, backwards ? length - 1 - i : i); };
        lens ? k.when(k.less(i, length), body) : body();
      };
      if (most > 1)
        k.loop(0, whole, most, [&](Index first) { some(first, most); });
      k.loop(most > 1 ? whole : Index(0), batch, 1, [&](Index first) { some(first, 1); });
    });
    if (lens)
      k.loop(0, batch, 1, [&](Index b) {
        k.loop(length(b), all, 1, [&](Index t) {
          k.forRow(H, width(), [&](Index at, const Piece &piece) { k.store(k.f32(0, piece.lanes), y, yPlace(t, b) + at, piece.mask); });
        });
      });
  }

private:
  int64_t width() const { return std::min(rowWidth(k.target(), H), 2 * k.lanes()); }
  Index place(const View &view, const Index &sequence) {
    return k.offset(view.base) + k.offset(view.strides[0]) * direction + sequence * k.offset(view.strides[1]);
  }
  Index yPlace(const Index &t, const Index &sequence) {
    return k.offset(p.y.base) + t * k.offset(p.y.strides[0]) + k.offset(p.y.strides[1]) * direction + sequence * k.offset(p.y.strides[2]);
  }
  Index length(const Index &sequence) {
    Value n = arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), k.load(lens, sequence));
    return max(min(Index(k, n), k.extent(p.steps)), 0);
  }

  /// scale and zero of h of the sequences that ran the step before step i.
  void range(const Index &i, const Index &batch) {
    Values found = k.loop(0, batch, 1, {k.f32(0), k.f32(0)}, [&](Index b, ValueRange v) -> Values {
      auto element = [&](Index at, const Piece &piece) { return k.load(yh, place(p.yh, b) + at, piece.lanes, piece.mask); };
      Value least = k.fmin(v[0], reduceRow(k, H, 0, element, [&](Value acc, Value h) { return k.fmin(h, acc); }));
      Value largest = k.fmax(v[1], reduceRow(k, H, 0, element, [&](Value acc, Value h) { return k.fmax(h, acc); }));
      if (!lens)
        return {least, largest};
      Value ran = k.less(i, length(b) + 1);
      return {k.select(ran, least, v[0]), k.select(ran, largest, v[1])};
    });
    Value point;
    std::tie(scale, point) = dynamicParameters(k, found[0], found[1]);
    zero = arith::FPToSIOp::create(k.builder(), k.loc(), k.i32Type(), point);
  }

  /// codes[sequence][hidden]; yields the sum of each sequence's.
  Values quantize(const Index &first, int64_t count) {
    Values totals;
    for (int64_t s = 0; s < count; s++) {
      Value total = k.f32(0);
      // Whole numbers below 2^24: their sum is exact.
      total = reduceRow(
          k, H, 0,
          [&](Index at, const Piece &piece) {
            Value h = k.load(yh, place(p.yh, first + s) + at, piece.lanes, piece.mask);
            Value bytes = k.saturateU8(dynamicCodes(k, h, scale, zero));
            k.store(bytes, codes, Index(s * quads * 4) + at, piece.mask);
            return k.toF32(k.zext(bytes));
          },
          [&](Value acc, Value v) { return k.add(acc, v); });
      totals.push_back(arith::FPToSIOp::create(k.builder(), k.loc(), k.i32Type(), total));
    }
    return totals;
  }

  /// sums[sequence][column] = codes r.
  void multiply(int64_t count) {
    int64_t L = k.lanes(), vectors = k.target().level == 0 ? 2 : 4, n = count * vectors;
    // Sums of one sequence alone would wait for each other.
    int64_t ways = k.target().level == 2 && n <= 4 && quads > 1 ? 2 : 1;
    k.loop(0, panels, 1, [&](Index panel) {
      k.loop(0, kRnnPanel, vectors * L, [&](Index column) {
        Index from = (panel + direction * panels) * (quads * kRnnPanel * 4) + column * 4;
        auto add = [&](const Index &quad, MutableArrayRef<Value> acc) {
          Values weights;
          for (int64_t v = 0; v < vectors; v++)
            weights.push_back(k.load(r, from + quad * (kRnnPanel * 4) + v * L * 4, 4 * L));
          for (int64_t s = 0; s < count; s++) {
            Value code = k.bitcast(k.broadcast(k.loadDwords(codes, quad * 4 + s * quads * 4, 0), L), k.type(Elem::U8, 4 * L));
            for (int64_t v = 0; v < vectors; v++) {
              Value &sum = acc[s * vectors + v];
              sum = micro::Dot4Op::create(k.builder(), k.loc(), sum.getType(), sum, code, weights[v], false);
            }
          }
        };
        int64_t whole = quads / ways * ways;
        Values acc = k.loop(0, whole, ways, Values(n * ways, k.i32(0, L)), [&](Index quad, ValueRange v) {
          Values next(v);
          for (int64_t w = 0; w < ways; w++)
            add(quad + w, MutableArrayRef<Value>(next).slice(w * n, n));
          return next;
        });
        if (whole < quads)
          add(whole, MutableArrayRef<Value>(acc).take_front(n));
        for (int64_t i = 0; i < n; i++)
          k.store(ways == 2 ? k.addi(acc[i], acc[n + i]) : acc[i], sums,
                  panel * kRnnPanel + column + (i / vectors * panels * kRnnPanel + i % vectors * L));
      });
    });
  }

  void step(const Index &first, int64_t count, const Index &t) {
    Values totals = quantize(first, count);
    multiply(count);
    for (int64_t s = 0; s < count; s++) {
      Index sequence = first + s, from = k.offset(p.x.base) + t * k.offset(p.x.strides[0]) + sequence * k.offset(p.x.strides[1]) + direction * GH;
      k.forRow(H, width(), [&](Index at, const Piece &piece) {
        int64_t n = piece.lanes;
        auto gate = [&](int64_t g) {
          Index column = at + g * H, own = column + direction * GH;
          auto load = [&](Value memref, const Index &i) { return k.load(memref, i, n, piece.mask); };
          Value shift = k.muli(load(shifts, own), k.broadcast(zero, n)), ofZero = k.muli(load(zeros, own), k.broadcast(totals[s], n));
          Value sum = k.subi(k.subi(load(sums, Index(s * panels * kRnnPanel) + column), shift), ofZero);
          return k.fma(k.toF32(sum), k.mul(load(scales, own), k.broadcast(scale, n)), k.add(load(x, from + column), load(bias, own)));
        };
        auto [c, h] = cell.lstm(gate, k.load(yc, place(p.yc, sequence) + at, n, piece.mask), at, piece);
        k.store(c, yc, place(p.yc, sequence) + at, piece.mask);
        k.store(h, yh, place(p.yh, sequence) + at, piece.mask);
        k.store(h, y, yPlace(t, sequence) + at, piece.mask);
      });
    }
  }

  KernelBuilder &k;
  const RnnProblem &p;
  RnnCell cell;
  int64_t H, GH, quads, panels, most, direction = 0; ///< most: sequences that are multiplied at once
  Value x, r, scales, shifts, zeros, bias, lens, h0, c0, y, yh, yc, codes, sums;
  Value scale, zero; ///< of the step: f32, i32
};

} // namespace

void emitRounded(KernelBuilder &k, const RnnProblem &p) {
  RoundedEmitter emitter(k, p);
  if (p.directions == 1)
    emitter.run(0, p.reverse);
  else
    k.when(k.equal(k.task(), 0), [&] { emitter.run(0, p.reverse); }, [&] { emitter.run(1, true); });
}

} // namespace tern::cpu
