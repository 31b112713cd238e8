// Symmetric quantization with a scale from the data: u8 = 128 + clamp(round(x / s), -127, 127), s = max |x| / 127, or 1
// where all is zero. Per row in one pass over a row that stays in the cache; per tensor in two kernels. The latter also with a zero point.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/DynamicRange.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/RowReduce.h"

using namespace mlir;

namespace tern::cpu {
namespace {

class QuantEmitter {
public:
  QuantEmitter(KernelBuilder &k, const DynamicQuantProblem &p)
      : k(k), p(p), count(k.extent(p.in.c)),
        width(rowWidth(k.target(), count)) {}

  /// Offsets of pixel i in an activation.
  Index at(const Map &m, const Index &i) const {
    if (!m.hasHalo())
      return i * k.extent(m.cs) + k.offset(m.base);
    Index w = k.extent(m.w), h = k.extent(m.h), r = i / w, x = i - r * w;
    return rowOffset(k, m, m.n == 1 ? Index(0) : r / h, m.n == 1 ? r : r % h) + x * k.extent(m.cs);
  }

  Value absMax(const Index &i) {
    Index from = at(p.in, i);
    return reduceRow(
        k, count, 0,
        [&](Index c, const Piece &piece) { return k.abs(k.load(k.arg(0), from + c, piece.lanes, piece.mask)); },
        [&](Value acc, Value v) { return k.fmax(v, acc); });
  }

  /// Smallest and largest value of a pixel.
  Values range(const Index &i) {
    Index from = at(p.in, i);
    auto element = [&](Index c, const Piece &piece) { return k.load(k.arg(0), from + c, piece.lanes, piece.mask); };
    return {reduceRow(k, count, 0, element, [&](Value acc, Value v) { return k.fmin(v, acc); }),
            reduceRow(k, count, 0, element, [&](Value acc, Value v) { return k.fmax(v, acc); })};
  }

  void quantizeAround(const Index &i, Value scale, Value zero, Value codes) {
    Index from = at(p.in, i), to = at(p.out, i);
    k.forRow(count, width, [&](Index c, const Piece &piece) {
      Value x = k.load(k.arg(0), from + c, piece.lanes, piece.mask);
      k.store(k.saturateU8(dynamicCodes(k, x, scale, zero)), codes, to + c, piece.mask);
    });
  }

  Value scaleOf(Value max) {
    Value zero = k.compare(arith::CmpFPredicate::OEQ, max, k.f32(0));
    return k.select(zero, k.f32(1), k.div(max, k.f32(127)));
  }

  void quantize(const Index &i, Value scale, Value codes) {
    Index from = at(p.in, i), to = at(p.out, i);
    k.forRow(count, width, [&](Index c, const Piece &piece) {
      Value x = k.load(k.arg(0), from + c, piece.lanes, piece.mask);
      Value q = k.roundToInt(k.div(x, k.broadcast(scale, piece.lanes)), 128, 1, 255);
      k.store(k.trunc(q, Elem::U8), codes, to + c, piece.mask);
    });
  }

private:
  KernelBuilder &k;
  const DynamicQuantProblem &p;
  Index count;
  int64_t width;
};

/// One maximum for all: pixels that lie side by side are one long row, where that is known to be short enough for the
/// cache.
DynamicQuantProblem mergePixels(DynamicQuantProblem p) {
  bool dense = !p.in.hasHalo() && !p.out.hasHalo() && p.in.cs == p.in.c && p.out.cs == p.out.c;
  if (p.perTensor && dense && p.in.c < 128 && p.in.h > 1 && !isDynamic(p.in.c) && !isDynamic(p.in.w))
    for (Map *m : {&p.in, &p.out}) {
      m->c = m->cs = m->c * m->w;
      m->w = 1;
    }
  return p;
}

/// Tasks of the absmax kernel, which leave as many partial maxima for the quantizing kernel. A number of pixels that is
/// only known at run time is shared by as many tasks as there may be.
constexpr int64_t kDynamicMaxima = 32;

/// Pixels of a task of the absmax kernel.
int64_t maxChunk(const DynamicQuantProblem &p) {
  return KernelBuilder::chunkOf(p.in.pixels(), estimateUs(p, isas().back()) / 2);
}

bool isShared(const DynamicQuantProblem &p) { return isDynamic(p.in.n) || isDynamic(p.in.h) || isDynamic(p.in.w); }

} // namespace

int64_t partialMaxima(const DynamicQuantProblem &problem) {
  DynamicQuantProblem p = mergePixels(problem);
  if (isShared(p))
    return kDynamicMaxima;
  int64_t chunk = maxChunk(p);
  return (p.in.pixels() + chunk - 1) / chunk;
}

double estimateUs(const DynamicQuantProblem &problem, const Isa &isa) {
  DynamicQuantProblem p = nominal(problem);
  return double(p.in.pixels()) * 1e-3 * (10 + 1.5 * double(p.in.c) / double(isa.lanes));
}

std::string refuse(const DynamicQuantProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (quantization reads and writes NHWC)";
  if (p.in.elem != Elem::F32 || p.out.elem != Elem::U8)
    return "a quantization other than from f32 to u8 codes";
  if (p.minmax && !p.perTensor)
    return "zero points of rows";
  if (p.in.n != p.out.n || p.in.h != p.out.h || p.in.w != p.out.w || p.in.c != p.out.c)
    return "the sizes of the two sides differ";
  return "";
}

Kernel emitDynamicQuant(ModuleOp module, StringRef name, const DynamicQuantProblem &problem, const Isa &isa,
                        bool quantize) {
  DynamicQuantProblem p = mergePixels(problem);
  bool dynamic = hasDynamicSizes(p);
  int64_t units[] = {p.in.n, p.in.h, p.in.w};
  if (!p.perTensor) {
    KernelBuilder k(module, name, {Elem::F32, Elem::U8, Elem::F32}, isa, std::nullopt, dynamic);
    QuantEmitter emitter(k, p);
    Share work = k.share(units, estimateUs(p, isa));
    k.loop(work.lo, work.hi, 1, [&](Index i) {
      Value scale = emitter.scaleOf(emitter.absMax(i));
      k.store(scale, k.arg(2), i);
      emitter.quantize(i, scale, k.arg(1));
    });
    return {k.finish(), work.tasks};
  }
  int64_t pair = p.minmax ? 2 : 1;
  if (!quantize) {
    KernelBuilder k(module, name, {Elem::F32, Elem::F32}, isa, std::nullopt, dynamic);
    QuantEmitter emitter(k, p);
    Index total = k.pixels(p.in), lo = 0, hi = 0;
    if (isShared(p)) {
      Index chunk = (total + (kDynamicMaxima - 1)) / kDynamicMaxima;
      lo = k.task() * chunk;
      hi = min(lo + chunk, total);
    } else {
      std::tie(lo, hi) = k.taskRange(total, maxChunk(p));
    }
    Values found = k.loop(lo, hi, 1, Values(pair, k.f32(0)), [&](Index i, ValueRange a) -> Values {
      if (!p.minmax)
        return {k.fmax(emitter.absMax(i), a[0])};
      Values range = emitter.range(i);
      return {k.fmin(range[0], a[0]), k.fmax(range[1], a[1])};
    });
    for (int64_t j = 0; j < pair; j++)
      k.store(found[j], k.arg(1), k.task() * pair + j);
    return {k.finish(), partialMaxima(p)};
  }
  SmallVector<Elem> args{Elem::F32, Elem::F32, Elem::U8, Elem::F32};
  if (p.minmax)
    args.push_back(Elem::U8);
  KernelBuilder k(module, name, args, isa, std::nullopt, dynamic);
  QuantEmitter emitter(k, p);
  Values found = k.loop(0, partialMaxima(p), 1, Values(pair, k.f32(0)), [&](Index i, ValueRange a) -> Values {
    if (!p.minmax)
      return {k.fmax(k.load(k.arg(1), i), a[0])};
    return {k.fmin(k.load(k.arg(1), i * 2), a[0]), k.fmax(k.load(k.arg(1), i * 2 + 1), a[1])};
  });
  Value scale, zero;
  if (p.minmax) {
    Value point;
    std::tie(scale, point) = dynamicParameters(k, found[0], found[1]);
    zero = arith::FPToSIOp::create(k.builder(), k.loc(), k.i32Type(), point);
  } else {
    scale = emitter.scaleOf(found[0]);
  }
  k.when(k.equal(k.task(), 0), [&] {
    k.store(scale, k.arg(3), 0);
    if (zero)
      k.store(k.trunc(zero, Elem::U8), k.arg(4), 0);
  });
  Share work = k.share(units, estimateUs(p, isa) / 2);
  k.loop(work.lo, work.hi, 1, [&](Index i) {
    if (zero)
      emitter.quantizeAround(i, scale, zero, k.arg(2));
    else
      emitter.quantize(i, scale, k.arg(2));
  });
  return {k.finish(), work.tasks};
}

} // namespace tern::cpu
