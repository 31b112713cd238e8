// Recurrent layers. A task runs all steps of one sequence (or some) of one direction: the projection of the inputs of
// several steps shares its weights, then each step multiplies the state with the recurrent weights. The state never
// leaves the stack. Recurrent weights that are computed are turned once a task, in its scratch memory.
#include "lib/Target/Cpu/Builder/Transpose.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Products/RnnCell.h"
#include "lib/Target/Cpu/Products/RnnRounded.h"

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
    steps = p.inputs ? rows / sequences : 1;
    int64_t gates = p.gates() * p.hidden;
    while (steps > 1 && steps * sequences * gates > 1 << 15)
      steps /= 2;
  }
  int64_t sequences = 1, steps = 1;
};

class RnnEmitter {
public:
  RnnEmitter(KernelBuilder &k, const RnnProblem &p, const RnnPlan &plan)
      : k(k), p(p), plan(plan), cell{k, p, {}}, H(p.hidden), GH(p.gates() * p.hidden), lanes(k.lanes()) {
    unsigned at = 0;
    auto next = [&](bool given = true) { return given ? k.arg(at++) : Value(); };
    bool codes = p.weight != Elem::F32;
    x = next(), w = next(p.inputs > 0), r = next();
    wScale = next(codes && p.inputs > 0), rScale = next(codes);
    bias = next();
    cell.peephole = next(p.peephole);
    lens = next(p.lens);
    h0 = next(p.hasH0), c0 = next(p.hasC0);
    y = next(), yh = next();
    yc = next(p.kind == RnnKind::Lstm);
    if (p.inputs)
      gates = k.stack(plan.steps * plan.sequences * GH);
    sums = k.stack(plan.sequences * GH);
    h = k.stack(plan.sequences * H);
    c = k.stack(plan.sequences * H);
    reset = k.stack(plan.sequences * H);
  }

  /// Sequences first .. first + plan.sequences - 1 of direction d, which is known to run backwards or not.
  void run(const Index &first, int64_t d, bool backwards) {
    direction = cell.direction = d;
    if (p.computed)
      turn();
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
      if (p.inputs)
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

  /// scratch[input][output] = r[output][input] of the direction: rows as those of constant weights.
  void turn() {
    Index from = k.offset(p.r.base) + k.offset(p.r.strides[0]) * direction, row = k.offset(p.r.strides[1]);
    Value to = k.scratch();
    int64_t L = blockLanes(k.target(), 4), wholeRows = GH / L * L, whole = H / L * L;
    k.loop(0, wholeRows, L, [&](Index o) {
      k.loop(0, whole, L, [&](Index i) {
        Values rows;
        for (int64_t lane = 0; lane < L; lane++)
          rows.push_back(k.load(r, from + (o + lane) * row + i, L));
        for (auto [lane, v] : llvm::enumerate(transposeBlock(k, rows)))
          k.store(v, to, (i + int64_t(lane)) * GH + o);
      });
    });
    auto each = [&](Index fromRow, Index toRow, Index fromColumn) {
      k.loop(fromRow, toRow, 1, [&](Index o) {
        k.loop(fromColumn, H, 1, [&](Index i) { k.store(k.load(r, from + o * row + i), to, i * GH + o); });
      });
    };
    each(0, wholeRows, whole);
    each(wholeRows, GH, 0);
  }

  /// What is added to the gates, and with linearBeforeReset the recurrent bias of h behind it.
  Value biasOf(const Index &column, const Piece &piece) {
    return k.load(bias, Index(direction * p.biasSize()) + column, piece.lanes, piece.mask);
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
      Value start = biasOf(column, piece);
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
        Value weight = weights(p.computed ? k.scratch() : r, (p.computed ? row : row + direction * H) * GH + column, piece);
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

  void step(const Index &first, const Index &s, const Index &t) {
    Index row = s * (plan.sequences * GH);
    auto projected = [&](const Index &i, const Index &column, const Piece &piece) {
      if (p.inputs)
        return k.load(gates, row + i * GH + column, piece.lanes, piece.mask);
      Index from = k.offset(p.x.base) + t * k.offset(p.x.strides[0]) + (first + i) * k.offset(p.x.strides[1]) + direction * GH;
      return k.add(k.load(x, from + column, piece.lanes, piece.mask), biasOf(column, piece));
    };
    bool gru = p.kind == RnnKind::Gru;
    if (gru && p.linearBeforeReset) {
      recur(h, 0, 2 * H, projected);
      recur(h, 2 * H, 3 * H, [&](int64_t, const Index &column, const Piece &piece) {
        return biasOf(column + H, piece); // behind the bias of h
      });
    } else if (gru) {
      recur(h, 0, 2 * H, projected);
      forState([&](const Index &i, const Index &at, const Piece &piece) {
        Value open = cell.activate(0, k.load(sums, i * GH + H + at, piece.lanes, piece.mask));
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
        next = cell.activate(0, gate(0));
      } else if (gru) {
        Value z = cell.activate(0, gate(0)), old = k.load(h, i * H + at, n, piece.mask), candidate = gate(2);
        if (p.linearBeforeReset)
          candidate = k.fma(cell.activate(0, gate(1)), candidate, projected(i, at + 2 * H, piece));
        candidate = cell.activate(1, candidate);
        next = k.add(k.mul(k.sub(k.f32(1, n), z), candidate), k.mul(z, old));
      } else {
        Value newCell;
        std::tie(newCell, next) = this->cell.lstm(gate, k.load(c, i * H + at, n, piece.mask), at, piece);
        k.store(newCell, c, i * H + at, piece.mask);
      }
      k.store(next, h, i * H + at, piece.mask);
      k.store(next, y, yPlace(t, first + i) + at, piece.mask);
    });
  }

  KernelBuilder &k;
  const RnnProblem &p;
  const RnnPlan &plan;
  RnnCell cell;
  int64_t H, GH, lanes, direction = 0;
  Value x, w, r, wScale, rScale, bias, lens, h0, c0, y, yh, yc;
  Value gates, sums, h, c, reset;
};

} // namespace

double estimateUs(const RnnProblem &problem, const Isa &isa) {
  RnnProblem p = nominal(problem);
  double gates = double(p.gates() * p.hidden), rows = double(p.steps * p.batch * p.directions);
  return rows * gates * 1e-3 * (0.3 * double(p.inputs) / 4 + 0.3 * double(p.hidden)) / double(isa.lanes);
}

Kernel emitRnn(ModuleOp module, StringRef name, const RnnProblem &p, const Isa &isa) {
  SmallVector<Elem> args{Elem::F32};
  args.append(1 + (p.inputs > 0), p.weight);
  if (p.roundState)
    args.append({Elem::F32, Elem::I32, Elem::I32});
  else if (p.weight != Elem::F32)
    args.append(1 + (p.inputs > 0), Elem::F32);
  args.push_back(Elem::F32);
  if (p.peephole)
    args.push_back(Elem::F32);
  if (p.lens)
    args.push_back(Elem::I32);
  args.append(p.hasH0 + p.hasC0 + 2 + (p.kind == RnnKind::Lstm), Elem::F32);
  RnnPlan plan(p, isa);
  KernelBuilder k(module, name, args, isa, p.computed ? std::optional(Elem::F32) : std::nullopt, hasDynamicSizes(p));
  if (p.roundState) {
    emitRounded(k, p);
    return {k.finish(), TaskCount(p.directions)};
  }
  RnnEmitter emitter(k, p, plan);
  if (p.directions == 1) {
    emitter.run(k.task() * plan.sequences, 0, p.reverse);
  } else {
    Index direction = k.task() % 2, first = k.task() / 2 * plan.sequences;
    k.when(
        k.equal(direction, 0), [&] { emitter.run(first, 0, p.reverse); }, [&] { emitter.run(first, 1, true); });
  }
  return {k.finish(), TaskCount::of({p.batch}, plan.sequences) * TaskCount(p.directions), p.computed ? p.gates() * p.hidden * p.hidden * 4 : 0};
}

std::string refuse(const RnnProblem &p) {
  if (isDynamic(p.inputs) || isDynamic(p.hidden) || isDynamic(p.directions) || p.inputs < 0 || p.hidden < 1)
    return "a number of inputs or of hidden values that is only known at run time";
  if (p.hidden > 4096)
    return "more than 4096 hidden values";
  if (p.weight != Elem::F32 && p.weight != Elem::S8)
    return "weights that are neither f32 nor s8";
  if (p.roundState && (p.kind != RnnKind::Lstm || p.weight != Elem::S8 || p.inputs || p.computed))
    return "rounded states beside recurrent weights that are not constant 8-bit codes, or inputs that are not multiplied yet";
  if (p.computed && (p.weight != Elem::F32 || p.inputs))
    return "computed recurrent weights that are not f32, or inputs that are not multiplied yet";
  if (int64_t(p.activations.size()) != p.directions * p.functions())
    return "another number of activations";
  return "";
}

} // namespace tern::cpu
