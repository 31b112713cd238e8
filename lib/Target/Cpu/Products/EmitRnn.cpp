// Recurrent layers. A task runs all steps of one sequence (or some) of one direction: the projection of the inputs of
// several steps shares its weights, then each step multiplies the state with the recurrent weights. The state never
// leaves the stack.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Math/VectorMath.h"

using namespace mlir;

namespace tern::cpu {
namespace {

/// What decides how a kernel is cut: sequences and steps whose projections are computed together.
struct RnnPlan {
  RnnPlan(const RnnProblem &p, const Isa &isa) {
    int64_t rows = isa.registers >= 32 ? 8 : 4;
    // Sequences of different lengths stay alone.
    if (!isDynamic(p.batch) && !p.lens)
      for (int64_t some : {4, 2})
        if (p.batch % some == 0 && sequences == 1)
          sequences = std::min(some, rows);
    steps = rows / sequences;
    int64_t gates = p.gates() * p.hidden;
    while (steps > 1 && steps * sequences * gates > 1 << 15)
      steps /= 2;
  }
  int64_t sequences = 1, steps = 1;
};

class RnnEmitter {
public:
  RnnEmitter(KernelBuilder &k, const RnnProblem &p, const RnnPlan &plan)
      : k(k), p(p), plan(plan), H(p.hidden), GH(p.gates() * p.hidden), lanes(k.lanes()),
        biasSize(GH + (p.kind == RnnKind::Gru && p.linearBeforeReset ? H : 0)) {
    unsigned at = 0;
    auto next = [&](bool given = true) { return given ? k.arg(at++) : Value(); };
    bool codes = p.weight != Elem::F32;
    x = next(), w = next(), r = next();
    wScale = next(codes), rScale = next(codes);
    bias = next();
    peephole = next(p.peephole);
    lens = next(p.lens);
    h0 = next(p.hasH0), c0 = next(p.hasC0);
    y = next(), yh = next();
    yc = next(p.kind == RnnKind::Lstm);
    gates = k.stack(plan.steps * plan.sequences * GH);
    sums = k.stack(plan.sequences * GH);
    h = k.stack(plan.sequences * H);
    c = k.stack(plan.sequences * H);
    reset = k.stack(plan.sequences * H);
  }

  /// Sequences first .. first + plan.sequences - 1 of direction d, which is known to run backwards or not.
  void run(const Index &first, int64_t d, bool backwards) {
    direction = d;
    Index all = k.extent(p.steps), count = all;
    if (p.lens) {
      Value n = arith::IndexCastOp::create(k.builder(), k.loc(), k.builder().getIndexType(), k.load(lens, first));
      count = max(min(Index(k, n), all), 0);
    }
    forState([&](const Index &i, const Index &at, const Piece &piece) {
      auto start = [&](Value memref, const View &view) {
        return memref ? k.load(memref, place(view, first + i) + at, piece.lanes, piece.mask) : k.f32(0, piece.lanes);
      };
      k.store(start(h0, p.h0), h, i * H + at, piece.mask);
      k.store(start(c0, p.c0), c, i * H + at, piece.mask);
    });
    k.loop(0, count, plan.steps, [&](Index i0) {
      Index some = min(Index(plan.steps), count - i0);
      auto timeOf = [&](const Index &i) { return backwards ? count - 1 - i : i; };
      project(first, i0, count, timeOf);
      k.loop(0, some, 1, [&](Index s) { step(first, s, timeOf(i0 + s)); });
    });
    if (p.lens)
      k.loop(count, all, 1, [&](Index t) {
        k.forRow(H, width(H), [&](Index at, const Piece &piece) { k.store(k.f32(0, piece.lanes), y, yPlace(t, first) + at, piece.mask); });
      });
    forState([&](const Index &i, const Index &at, const Piece &piece) {
      k.store(k.load(h, i * H + at, piece.lanes, piece.mask), yh, place(p.yh, first + i) + at, piece.mask);
      if (yc)
        k.store(k.load(c, i * H + at, piece.lanes, piece.mask), yc, place(p.yc, first + i) + at, piece.mask);
    });
  }

private:
  using Time = llvm::function_ref<Index(const Index &)>;

  int64_t width(int64_t count) const { return std::min(rowWidth(k.target(), count), 2 * lanes); }
  Index place(const View &view, const Index &sequence) {
    return k.offset(view.base) + k.offset(view.strides[0]) * direction + sequence * k.offset(view.strides[1]);
  }
  Index yPlace(const Index &t, const Index &sequence) {
    return k.offset(p.y.base) + t * k.offset(p.y.strides[0]) + k.offset(p.y.strides[1]) * direction + sequence * k.offset(p.y.strides[2]);
  }
  /// body(sequence, offset, piece) over the state of all sequences of the task.
  void forState(llvm::function_ref<void(const Index &, const Index &, const Piece &)> body) {
    for (int64_t i = 0; i < plan.sequences; i++)
      k.forRow(H, width(H), [&](Index at, const Piece &piece) { body(i, at, piece); });
  }

  /// A vector of a row of weights as f32, without its scale.
  Value weights(Value memref, const Index &at, const Piece &piece) {
    Value v = k.load(memref, at, piece.lanes, piece.mask);
    return p.weight == Elem::F32 ? v : k.toF32(k.sext(v));
  }
  Value scaled(Value scale, Value sum, Value start, const Index &column, const Piece &piece) {
    if (!scale)
      return sum; // the sum began with the start
    return k.fma(sum, k.load(scale, Index(direction * GH) + column, piece.lanes, piece.mask), start);
  }

  /// gates[step][sequence] = bias + x w of the steps from i0 on; steps behind the last one repeat it.
  void project(const Index &first, const Index &i0, const Index &count, Time timeOf) {
    int64_t rows = plan.steps * plan.sequences;
    SmallVector<Index> from;
    for (int64_t s = 0; s < plan.steps; s++) {
      Index t = timeOf(min(i0 + s, count - 1));
      for (int64_t i = 0; i < plan.sequences; i++)
        from.push_back(k.offset(p.x.base) + t * k.offset(p.x.strides[0]) + (first + i) * k.offset(p.x.strides[1]));
    }
    k.forRow(GH, width(GH), [&](Index column, const Piece &piece) {
      int64_t n = piece.lanes;
      Value start = k.load(bias, Index(direction * biasSize) + column, n, piece.mask);
      Values acc(rows, wScale ? k.f32(0, n) : start);
      acc = k.loop(0, p.inputs, 1, acc, [&](Index i, ValueRange a) {
        Value weight = weights(w, (i + direction * p.inputs) * GH + column, piece);
        Values next;
        for (int64_t row = 0; row < rows; row++)
          next.push_back(k.fma(k.broadcast(k.load(x, from[row] + i), n), weight, a[row]));
        return next;
      });
      for (int64_t row = 0; row < rows; row++)
        k.store(scaled(wScale, acc[row], start, column, piece), gates, Index(row * GH) + column, piece.mask);
    });
  }

  /// sums[sequence][lo .. hi) = start + state r, of columns of the gates.
  void recur(Value state, int64_t lo, int64_t hi, llvm::function_ref<Value(int64_t, const Index &, const Piece &)> start) {
    // Several registers for each sequence: one multiplication after the other would wait for its sum.
    int64_t wide = std::min(rowWidth(k.target(), hi - lo), std::max<int64_t>(1, 4 / plan.sequences) * lanes);
    k.forRow(hi - lo, wide, [&](Index at, const Piece &piece) {
      Index column = at + lo;
      int64_t n = piece.lanes;
      Values begin, acc;
      for (int64_t i = 0; i < plan.sequences; i++) {
        begin.push_back(start(i, column, piece));
        acc.push_back(rScale ? k.f32(0, n) : begin[i]);
      }
      // Even and odd rows in sums of their own, for the same reason.
      acc.append(plan.sequences, k.f32(0, n));
      auto add = [&](const Index &row, MutableArrayRef<Value> sums) {
        Value weight = weights(r, (row + direction * H) * GH + column, piece);
        for (int64_t i = 0; i < plan.sequences; i++)
          sums[i] = k.fma(k.broadcast(k.load(state, row + i * H), n), weight, sums[i]);
      };
      int64_t even = H / 2 * 2;
      acc = k.loop(0, even, 2, acc, [&](Index row, ValueRange a) {
        Values next(a);
        add(row, MutableArrayRef<Value>(next).take_front(plan.sequences));
        add(row + 1, MutableArrayRef<Value>(next).drop_front(plan.sequences));
        return next;
      });
      if (even < H)
        add(even, MutableArrayRef<Value>(acc).take_front(plan.sequences));
      for (int64_t i = 0; i < plan.sequences; i++)
        k.store(scaled(rScale, k.add(acc[i], acc[plan.sequences + i]), begin[i], column, piece), sums, Index(i * GH) + column, piece.mask);
    });
  }

  Value activate(int64_t which, Value v) {
    const RnnActivation &f = p.activations[direction * p.functions() + which];
    int64_t n = KernelBuilder::lanesOf(v);
    auto number = [&](double c) { return k.f32(c, n); };
    if (p.clip > 0)
      v = k.fmin(number(p.clip), k.fmax(number(-p.clip), v));
    auto negative = [&] { return k.compare(arith::CmpFPredicate::OLT, v, number(0)); };
    switch (f.kind) {
    case RnnActivation::Relu:
      return k.fmax(number(0), v);
    case RnnActivation::Tanh:
      return vmath::tanh(k, v);
    case RnnActivation::Sigmoid:
      return vmath::sigmoid(k, v);
    case RnnActivation::Affine:
      return k.add(k.mul(v, number(f.a)), number(f.b));
    case RnnActivation::LeakyRelu:
      return k.select(negative(), k.mul(v, number(f.a)), v);
    case RnnActivation::ThresholdedRelu:
      return k.select(k.compare(arith::CmpFPredicate::OGT, v, number(f.a)), v, number(0));
    case RnnActivation::ScaledTanh:
      return k.mul(vmath::tanh(k, k.mul(v, number(f.b))), number(f.a));
    case RnnActivation::HardSigmoid:
      return vmath::hardSigmoid(k, v, f.a, f.b);
    case RnnActivation::Elu:
      return k.select(negative(), k.mul(number(f.a), k.sub(vmath::expNegative(k, k.fmin(number(0), v)), number(1))), v);
    case RnnActivation::Softsign:
      return k.div(v, k.add(number(1), k.abs(v)));
    case RnnActivation::Softplus:
      return vmath::softplus(k, v);
    }
    llvm_unreachable("an activation without code");
  }

  void step(const Index &first, const Index &s, const Index &t) {
    Index row = s * (plan.sequences * GH);
    auto projected = [&](int64_t i, const Index &column, const Piece &piece) {
      return k.load(gates, row + i * GH + column, piece.lanes, piece.mask);
    };
    bool gru = p.kind == RnnKind::Gru;
    if (gru && p.linearBeforeReset) {
      recur(h, 0, 2 * H, projected);
      recur(h, 2 * H, 3 * H, [&](int64_t, const Index &column, const Piece &piece) {
        return k.load(bias, Index(direction * biasSize + H) + column, piece.lanes, piece.mask); // behind the bias of h
      });
    } else if (gru) {
      recur(h, 0, 2 * H, projected);
      forState([&](const Index &i, const Index &at, const Piece &piece) {
        Value open = activate(0, k.load(sums, i * GH + H + at, piece.lanes, piece.mask));
        k.store(k.mul(open, k.load(h, i * H + at, piece.lanes, piece.mask)), reset, i * H + at, piece.mask);
      });
      recur(reset, 2 * H, 3 * H, projected);
    } else {
      recur(h, 0, GH, projected);
    }
    forState([&](const Index &i, const Index &at, const Piece &piece) {
      int64_t n = piece.lanes;
      auto gate = [&](int64_t g) { return k.load(sums, i * GH + g * H + at, n, piece.mask); };
      Value next;
      if (p.kind == RnnKind::Rnn) {
        next = activate(0, gate(0));
      } else if (gru) {
        Value z = activate(0, gate(0)), old = k.load(h, i * H + at, n, piece.mask), candidate = gate(2);
        if (p.linearBeforeReset)
          candidate = k.fma(activate(0, gate(1)), candidate, k.load(gates, row + i * GH + 2 * H + at, n, piece.mask));
        candidate = activate(1, candidate);
        next = k.add(k.mul(k.sub(k.f32(1, n), z), candidate), k.mul(z, old));
      } else {
        Value old = k.load(c, i * H + at, n, piece.mask);
        auto peep = [&](int64_t which, Value v, Value cell) {
          return peephole ? k.fma(k.load(peephole, Index(direction * 3 * H + which * H) + at, n, piece.mask), cell, v) : v;
        };
        Value in = activate(0, peep(0, gate(0), old));
        Value forget = p.inputForget ? k.sub(k.f32(1, n), in) : activate(0, peep(2, gate(2), old));
        Value cell = k.add(k.mul(forget, old), k.mul(in, activate(1, gate(3))));
        Value out = activate(0, peep(1, gate(1), cell));
        k.store(cell, c, i * H + at, piece.mask);
        next = k.mul(out, activate(2, cell));
      }
      k.store(next, h, i * H + at, piece.mask);
      k.store(next, y, yPlace(t, first + i) + at, piece.mask);
    });
  }

  KernelBuilder &k;
  const RnnProblem &p;
  const RnnPlan &plan;
  int64_t H, GH, lanes, biasSize, direction = 0;
  Value x, w, r, wScale, rScale, bias, peephole, lens, h0, c0, y, yh, yc;
  Value gates, sums, h, c, reset;
};

} // namespace

double estimateUs(const RnnProblem &problem, const Isa &isa) {
  RnnProblem p = nominal(problem);
  double gates = double(p.gates() * p.hidden), rows = double(p.steps * p.batch * p.directions);
  return rows * gates * 1e-3 * (0.3 * double(p.inputs) / 4 + 0.3 * double(p.hidden)) / double(isa.lanes);
}

Kernel emitRnn(ModuleOp module, StringRef name, const RnnProblem &p, const Isa &isa) {
  SmallVector<Elem> args{Elem::F32, p.weight, p.weight};
  if (p.weight != Elem::F32)
    args.append({Elem::F32, Elem::F32});
  args.push_back(Elem::F32);
  if (p.peephole)
    args.push_back(Elem::F32);
  if (p.lens)
    args.push_back(Elem::I32);
  args.append(p.hasH0 + p.hasC0 + 2 + (p.kind == RnnKind::Lstm), Elem::F32);
  RnnPlan plan(p, isa);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  RnnEmitter emitter(k, p, plan);
  if (p.directions == 1) {
    emitter.run(k.task() * plan.sequences, 0, p.reverse);
  } else {
    Index direction = k.task() % 2, first = k.task() / 2 * plan.sequences;
    k.when(
        k.equal(direction, 0), [&] { emitter.run(first, 0, p.reverse); }, [&] { emitter.run(first, 1, true); });
  }
  return {k.finish(), TaskCount::of({p.batch}, plan.sequences) * TaskCount(p.directions)};
}

std::string refuse(const RnnProblem &p) {
  if (isDynamic(p.inputs) || isDynamic(p.hidden) || isDynamic(p.directions) || p.inputs < 1 || p.hidden < 1)
    return "a number of inputs or of hidden values that is only known at run time";
  if (p.hidden > 4096)
    return "more than 4096 hidden values";
  if (p.weight != Elem::F32 && p.weight != Elem::S8)
    return "weights that are neither f32 nor s8";
  if (int64_t(p.activations.size()) != p.directions * p.functions())
    return "another number of activations";
  return "";
}

} // namespace tern::cpu
