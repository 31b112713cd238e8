// Reduction over whole pictures, vectorized over channels: tasks share channels, so no sum is split between threads and
// the result does not depend on their number.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include <limits>

using namespace mlir;

namespace tern::cpu {
namespace {

class ReduceEmitter {
public:
  ReduceEmitter(KernelBuilder &k, const GlobalReduceProblem &p, Value out)
      : k(k), p(p), expr(k, p.epilogue, p.out.elem, 1), out(out) {}

  /// Channels c .. of picture n.
  void channels(const Index &n, const Index &c, const Piece &piece) {
    ExprVector::Row row = expr.row(n, 0);
    // Four independent chains over neighbouring pixels hide the latency of the additions.
    constexpr int64_t chains = 4;
    Index w = k.extent(p.in.w), full = w / chains * chains;
    Values acc(chains, initial(piece.lanes));
    acc = k.loop(0, k.extent(p.in.h), 1, acc, [&](Index y, ValueRange a) {
      Index base = rowOffset(k, p.in, n, y) + c;
      Values sums = k.loop(0, full, chains, a, [&](Index x, ValueRange b) {
        Values next;
        for (int64_t i = 0; i < chains; i++)
          next.push_back(combine(b[i], load(base + (x + i) * p.in.cs, piece)));
        return next;
      });
      if (!w.isConstant()) {
        sums[0] = k.loop(full, w, 1, sums[0], [&](Index x, ValueRange b) -> Values {
          return {combine(b[0], load(base + x * p.in.cs, piece))};
        })[0];
        return sums;
      }
      for (int64_t i = 0; i < w.constant() - full.constant(); i++)
        sums[i] = combine(sums[i], load(base + (full + i) * p.in.cs, piece));
      return sums;
    });
    Value v = combine(combine(acc[0], acc[1]), combine(acc[2], acc[3]));
    if (isInteger())
      v = k.toF32(v);
    if (p.kind == ReduceKind::Mean)
      v = k.div(v, pixels(piece.lanes));
    k.store(expr.evaluate(row, 0, c, piece.lanes, piece.mask, v), out, rowOffset(k, p.out, n, 0) + c, piece.mask);
  }

private:
  /// How many pixels a picture has, in all lanes.
  Value pixels(int64_t lanes) {
    Index count = k.extent(p.in.h) * k.extent(p.in.w);
    if (count.isConstant())
      return k.f32(double(count.constant()), lanes);
    Value i = arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(count));
    return k.broadcast(k.toF32(i), lanes);
  }
  bool isInteger() const { return p.in.elem != Elem::F32; }
  bool isSum() const { return p.kind == ReduceKind::Sum || p.kind == ReduceKind::Mean; }

  Value initial(int64_t lanes) {
    bool max = p.kind == ReduceKind::Max;
    if (isSum())
      return isInteger() ? k.i32(0, lanes) : k.f32(0, lanes);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    return isInteger() ? k.i32(max ? -2147483648ll : 2147483647ll, lanes) : k.f32(max ? -infinity : infinity, lanes);
  }

  Value load(const Index &at, const Piece &piece) {
    return expr.widen(k.load(k.arg(0), at, piece.lanes, piece.mask), p.in.elem);
  }

  Value combine(Value acc, Value v) {
    switch (p.kind) {
    case ReduceKind::Sum:
    case ReduceKind::Mean:
      return isInteger() ? k.addi(acc, v) : k.add(acc, v);
    case ReduceKind::Max:
      return isInteger() ? k.maxs(acc, v) : k.fmax(v, acc);
    case ReduceKind::Min:
      return isInteger() ? k.mins(acc, v) : k.fmin(v, acc);
    }
    llvm_unreachable("a reduction without code");
  }

  KernelBuilder &k;
  const GlobalReduceProblem &p;
  ExprVector expr;
  Value out;
};

} // namespace

Kernel emitGlobalReduce(ModuleOp module, StringRef name, const GlobalReduceProblem &p, const Isa &isa) {
  SmallVector<Elem> args{p.in.elem};
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  ReduceEmitter emitter(k, p, k.arg(args.size() - 1));
  int64_t width = 2 * isa.lanes;
  // Whole cache lines of channels to a task; the channels that are left over are a piece of the last one of their
  // picture.
  int64_t blocks = p.in.c / width, rest = p.in.c % width, units = p.in.n * std::max<int64_t>(1, blocks);
  int64_t chunk = KernelBuilder::chunkOf(units, estimateUs(p, isa));
  auto [lo, hi] = k.taskRange(units, chunk);
  k.loop(lo, hi, 1, [&](Index u) {
    Index n = u / std::max<int64_t>(1, blocks), b = u % std::max<int64_t>(1, blocks);
    if (blocks)
      emitter.channels(n, b * width, Piece{0, width, width, {}});
    if (rest)
      k.when(k.equal(b, std::max<int64_t>(1, blocks) - 1), [&] {
        for (const Piece &piece : k.pieces(rest, width))
          emitter.channels(n, blocks * width + piece.offset, piece);
      });
  });
  return {k.finish(), (units + chunk - 1) / chunk};
}

double estimateUs(const GlobalReduceProblem &problem, const Isa &) {
  GlobalReduceProblem p = nominal(problem);
  return double(p.in.pixels() * p.in.c * bytesOf(p.in.elem)) / 64.0 * 1e-3;
}

std::string refuse(const GlobalReduceProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (reductions read and write NHWC)";
  if (p.in.n != p.out.n || p.in.c != p.out.c || p.out.h != 1 || p.out.w != 1)
    return "an output that is not n x 1 x 1 x c of the input";
  if (p.in.elem != Elem::F32 && p.in.elem != Elem::U8 && p.in.elem != Elem::S8)
    return "an input that is neither f32 nor 8-bit codes";
  if (isDynamic(p.in.c))
    return "a number of channels that is only known at run time";
  if (p.in.elem != Elem::F32 && nominal(p).in.h * nominal(p).in.w >= (int64_t(1) << 23))
    return "a picture whose codes overflow a 32-bit sum";
  if (p.epilogue.nodes.empty())
    return p.out.elem == Elem::F32 ? "" : "the output is no f32 and the epilogue does not quantize";
  return refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/1);
}

} // namespace tern::cpu
