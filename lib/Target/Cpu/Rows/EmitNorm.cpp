// Rows that are normalized, with the elementwise work in front of and behind the norm and the quantization of the
// result: one pass over memory, everything else happens on a row that stays in the first-level cache.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/RowReduce.h"

using namespace mlir;

namespace tern::cpu {
namespace {

/// The prologue does nothing but read one f32 activation.
bool isPlainInput(const Expr &e) {
  return e.nodes.empty() && e.inputs.size() == 1 && e.inputs[0].kind == ExprInput::Tensor &&
         e.inputs[0].map.elem == Elem::F32;
}

unsigned countArgs(const Expr &e) {
  return llvm::count_if(e.inputs, [](const ExprInput &in) { return in.kind != ExprInput::Acc; });
}

/// A row of f32 somewhere: what a pass wrote for the next one.
struct Line {
  Value memref;
  Index at;
};

class NormEmitter {
public:
  NormEmitter(KernelBuilder &k, const NormProblem &p, unsigned prologueArgs, unsigned firstResult)
      : k(k), p(p), count(p.out.c), width(rowWidth(k.target(), count)), prologue(k, p.prologue, Elem::F32, 0),
        epilogue(k, p.epilogue, p.quantize ? Elem::F32 : p.out.elem, prologueArgs), prologueRow(prologue.row(0, 0)), epilogueRow(epilogue.row(0, 0)) {
    if (p.storeSum)
      sum = k.arg(firstResult++);
    if (p.storeOut)
      out = k.arg(firstResult++);
    if (p.quantize) {
      codes = k.arg(firstResult++);
      scales = k.arg(firstResult++);
    }
  }

  void row(const Index &i, Value scratch, const Index &scratchAt) {
    Line x;
    Value total = firstPass(i, scratch, scratchAt, x);
    Value mean, factor;
    if (p.kind == NormKind::Layer) {
      mean = k.mul(total, k.f32(1.0 / double(count)));
      Value square = reduceRow(
          k, count, 0,
          [&](Index c, const Piece &piece) {
            Value d = k.sub(load(x, c, piece), k.broadcast(mean, piece.lanes));
            return k.mul(d, d);
          },
          [&](Value acc, Value v) { return k.add(acc, v); });
      factor = inverseRoot(square);
    } else if (p.kind == NormKind::Rms) {
      factor = inverseRoot(total);
    }
    auto y = [&](const Index &c, const Piece &piece) {
      Value z = load(x, c, piece);
      if (mean)
        z = k.sub(z, k.broadcast(mean, piece.lanes));
      if (factor)
        z = k.mul(z, k.broadcast(factor, piece.lanes));
      return p.epilogue.nodes.empty() ? z : epilogue.evaluate(epilogueRow, i, c, piece.lanes, piece.mask, z);
    };
    if (!p.quantize)
      return k.forRow(count, width, [&](Index c, const Piece &piece) {
        k.store(y(c, piece), out, place(p.out, i) + c, piece.mask);
      });
    Line result = p.storeOut ? Line{out, place(p.out, i)} : Line{scratch, scratchAt};
    int64_t group = p.group ? p.group : count, groups = (count + group - 1) / group;
    bool again = p.kind == NormKind::None && p.epilogue.nodes.empty() && x.memref == result.memref && !p.storeOut;
    for (int64_t g = 0; g < groups; g++) {
      // A scale block of at most 4096 groups of one row: unrolled, because its place decides about masks of the last one.
      int64_t first = g * group, some = std::min(group, count - first);
      Value max = reduceRow(
          k, some, 0,
          [&](Index c, const Piece &piece) {
            Value v = again ? load(x, c + first, piece) : y(c + first, piece);
            if (!again)
              k.store(v, result.memref, result.at + first + c, piece.mask);
            return k.abs(v);
          },
          [&](Value acc, Value v) { return k.fmax(v, acc); });
      Value zero = k.compare(arith::CmpFPredicate::OEQ, max, k.f32(0));
      Value scale = k.select(zero, k.f32(1), k.div(max, k.f32(127)));
      k.store(scale, scales, i * groups + g);
      Index to = place(p.codes, i) + first;
      k.forRow(some, rowWidth(k.target(), some), [&](Index c, const Piece &piece) {
        Value v = again ? load(x, c + first, piece) : load(result, c + first, piece);
        Value q = k.roundToInt(k.div(v, k.broadcast(scale, piece.lanes)), 128, 1, 255);
        k.store(k.trunc(q, Elem::U8), codes, to + c, piece.mask);
      });
    }
  }

  static bool needsScratch(const NormProblem &p) {
    return (!isPlainInput(p.prologue) && !p.storeSum) || (p.quantize && !p.storeOut);
  }

private:
  static Index place(const Map &m, const Index &i) { return i * m.cs + m.base; }
  Value load(const Line &line, const Index &c, const Piece &piece) {
    return k.load(line.memref, line.at + c, piece.lanes, piece.mask);
  }

  /// Makes the row that is normalized lie in memory; its sum (Layer) or the sum of its squares (Rms).
  Value firstPass(const Index &i, Value scratch, const Index &scratchAt, Line &x) {
    bool plain = isPlainInput(p.prologue);
    if (plain)
      x = {k.arg(0), place(p.prologue.inputs[0].map, i)};
    else if (p.storeSum)
      x = {sum, place(p.sum, i)};
    else
      x = {scratch, scratchAt};
    auto value = [&](const Index &c, const Piece &piece) {
      if (plain)
        return load(x, c, piece);
      Value v = prologue.evaluate(prologueRow, i, c, piece.lanes, piece.mask, {});
      k.store(v, x.memref, x.at + c, piece.mask);
      return v;
    };
    if (p.kind != NormKind::None)
      return reduceRow(
          k, count, 0,
          [&](Index c, const Piece &piece) {
            Value v = value(c, piece);
            if (plain && p.storeSum)
              k.store(v, sum, place(p.sum, i) + c, piece.mask);
            return p.kind == NormKind::Layer ? v : k.mul(v, v);
          },
          [&](Value acc, Value v) { return k.add(acc, v); });
    if (!plain || p.storeSum)
      k.forRow(count, width, [&](Index c, const Piece &piece) {
        Value v = value(c, piece);
        if (plain)
          k.store(v, sum, place(p.sum, i) + c, piece.mask);
      });
    return {};
  }

  Value inverseRoot(Value squares) {
    Value variance = k.mul(squares, k.f32(1.0 / double(count)));
    return k.div(k.f32(1), k.sqrt(k.add(variance, k.f32(p.epsilon))));
  }

  KernelBuilder &k;
  const NormProblem &p;
  int64_t count, width;
  ExprVector prologue, epilogue;
  ExprVector::Row prologueRow, epilogueRow;
  Value sum, out, codes, scales;
};

} // namespace

double estimateUs(const NormProblem &p, const Isa &isa) {
  int64_t rows = isDynamic(p.out.w) ? kNominalSize : p.out.w;
  double passes = (p.kind == NormKind::None ? 1 : 3) + (p.quantize ? 3 : 0) + double(p.prologue.nodes.size() + p.epilogue.nodes.size()) / 2;
  return double(rows) * 1e-3 * (20 + 0.4 * passes * double(p.out.c) / double(isa.lanes));
}

Kernel emitNorm(ModuleOp module, StringRef name, const NormProblem &p, const Isa &isa) {
  SmallVector<Elem> args;
  ExprVector::appendArgs(p.prologue, args);
  unsigned prologueArgs = countArgs(p.prologue);
  ExprVector::appendArgs(p.epilogue, args);
  unsigned firstResult = args.size();
  if (p.storeSum)
    args.push_back(Elem::F32);
  if (p.storeOut)
    args.push_back(p.out.elem);
  if (p.quantize)
    args.append({Elem::U8, Elem::F32});
  bool scratch = NormEmitter::needsScratch(p);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  NormEmitter emitter(k, p, prologueArgs, firstResult);
  int64_t rowFloats = (p.out.c + 31) / 16 * 16;
  Share work = k.share({p.out.w}, estimateUs(p, isa));
  Value line = scratch ? k.stack(rowFloats) : Value();
  k.loop(work.lo, work.hi, 1, [&](Index i) { emitter.row(i, line, 0); });
  return {k.finish(), work.tasks};
}

std::string refuse(const NormProblem &p) {
  auto rows = [&](const Map &m) { return m.n == 1 && m.h == 1 && m.w == p.out.w && m.c == p.out.c && !m.planar && !m.hasHalo() && !isDynamic(m.cs) && !isDynamicOffset(m.base); };
  if (!isDynamic(p.out.c) && p.out.c > (1 << 16))
    return "rows of more than 65536 elements";
  if (!rows(p.out) || isDynamic(p.out.c) || p.out.c < 1)
    return "rows that are not plain or whose length is only known at run time";
  if ((p.storeSum && !rows(p.sum)) || (p.quantize && !rows(p.codes)))
    return "results of different sizes";
  bool codes = p.out.elem == Elem::U8 && !p.quantize && !p.epilogue.nodes.empty();
  if ((p.storeOut && p.out.elem != Elem::F32 && !codes) || (p.storeSum && p.sum.elem != Elem::F32) || (p.quantize && p.codes.elem != Elem::U8))
    return "a result that is neither f32 nor codes";
  if (!p.storeOut && !p.quantize)
    return "no result";
  if (p.quantize && p.group && p.out.c / p.group > 256)
    return "more than 256 groups in a row";
  for (const Expr *e : {&p.prologue, &p.epilogue})
    for (const ExprInput &in : e->inputs) {
      if (in.kind == ExprInput::Pixelwise)
        return "an input that is broadcast over pictures";
      if (in.kind == ExprInput::Tensor && !rows(in.map))
        return "an input of other sizes";
      if (in.kind == ExprInput::Row && (in.map.n != 1 || in.map.h != 1 || in.map.w != p.out.w || in.map.hasHalo()))
        return "row values of other sizes";
    }
  if (p.prologue.inputs.empty())
    return "a program without inputs";
  if (std::string reason = refuseExpr(p.prologue, Elem::F32, /*accumulators=*/0); !reason.empty())
    return reason;
  return p.epilogue.nodes.empty() ? "" : refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/1);
}

//===- Groups of channels ---------------------------------------------------===//

double estimateUs(const GroupNormProblem &p, const Isa &isa) {
  int64_t size = isDynamic(p.size) ? kNominalSize : p.size, n = isDynamic(p.n) ? 1 : p.n;
  return 1.2e-3 * double(n * p.channels * size) / double(isa.lanes);
}

Kernel emitGroupNorm(ModuleOp module, StringRef name, const GroupNormProblem &p, const Isa &isa) {
  SmallVector<Elem> args{Elem::F32};
  unsigned scale = p.scale ? args.size() : 0;
  if (p.scale)
    args.push_back(Elem::F32);
  unsigned bias = p.bias ? args.size() : 0;
  if (p.bias)
    args.push_back(Elem::F32);
  args.push_back(Elem::F32);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  Value in = k.arg(0), out = k.arg(args.size() - 1);
  int64_t perGroup = p.channels / p.groups;
  Index size = k.extent(p.size), whole = size * perGroup;
  k.loop(k.task(), k.task() + 1, 1, [&](Index t) {
    Index from = t * whole, channel = t % p.groups * perGroup;
    Value count = k.toF32(arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(whole)));
    auto add = [&](Value a, Value b) { return k.add(a, b); };
    Value mean = k.div(reduceRow(k, whole, 0, [&](Index c, const Piece &piece) { return k.load(in, from + c, piece.lanes, piece.mask); }, add), count);
    Value square = reduceRow(
        k, whole, 0,
        [&](Index c, const Piece &piece) {
          Value d = k.sub(k.load(in, from + c, piece.lanes, piece.mask), k.broadcast(mean, piece.lanes));
          return k.mul(d, d);
        },
        add);
    Value factor = k.div(k.f32(1), k.sqrt(k.add(k.div(square, count), k.f32(p.epsilon))));
    k.loop(0, perGroup, 1, [&](Index c) {
      Value a = p.scale ? k.mul(factor, k.load(k.arg(scale), channel + c)) : factor;
      Value b = p.bias ? k.load(k.arg(bias), channel + c) : k.f32(0);
      Index at = from + c * size;
      k.forRow(size, rowWidth(isa, size), [&](Index i, const Piece &piece) {
        Value d = k.sub(k.load(in, at + i, piece.lanes, piece.mask), k.broadcast(mean, piece.lanes));
        k.store(k.add(k.mul(d, k.broadcast(a, piece.lanes)), k.broadcast(b, piece.lanes)), out, at + i, piece.mask);
      });
    });
  });
  return {k.finish(), TaskCount::of({p.n, p.groups})};
}

std::string refuse(const GroupNormProblem &p) {
  if (isDynamic(p.channels) || isDynamic(p.groups) || p.groups < 1 || p.channels % p.groups)
    return "channels that the groups do not divide";
  return "";
}

} // namespace tern::cpu
