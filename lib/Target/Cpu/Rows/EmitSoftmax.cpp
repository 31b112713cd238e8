// Softmax of every pixel over its channels: maximum, exponentials and their sum, scaling. Each exponential is computed
// once and the row stays in the first-level cache.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <limits>

using namespace mlir;

namespace tern::cpu {

Kernel emitSoftmax(ModuleOp module, StringRef name, const SoftmaxProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {Elem::F32, Elem::F32}, isa, std::nullopt, hasDynamicSizes(p));
  Index count = k.extent(p.in.c);
  int64_t width = rowWidth(isa, count);
  Value in = k.arg(0), out = k.arg(1);

  auto row = [&](const Index &from, const Index &to) {
    Value max = reduceRow(
        k, count, -std::numeric_limits<float>::infinity(),
        [&](Index c, const Piece &piece) { return k.load(in, from + c, piece.lanes, piece.mask); },
        [&](Value acc, Value v) { return k.fmax(v, acc); });
    Value sum = reduceRow(
        k, count, 0,
        [&](Index c, const Piece &piece) {
          Value x = k.load(in, from + c, piece.lanes, piece.mask);
          Value e = vmath::expUnit(k, k.sub(x, k.broadcast(max, piece.lanes)));
          if (!p.log)
            k.store(e, out, to + c, piece.mask);
          return e;
        },
        [&](Value acc, Value v) { return k.add(acc, v); });
    if (p.log) {
      Value offset = k.extract(vmath::log(k, k.broadcast(sum, 1)), 0);
      return k.forRow(count, width, [&](Index c, const Piece &piece) {
        Value x = k.load(in, from + c, piece.lanes, piece.mask);
        x = k.sub(x, k.broadcast(max, piece.lanes));
        k.store(k.sub(x, k.broadcast(offset, piece.lanes)), out, to + c, piece.mask);
      });
    }
    Value scale = k.div(k.f32(1), sum);
    k.forRow(count, width, [&](Index c, const Piece &piece) {
      Value e = k.load(out, to + c, piece.lanes, piece.mask);
      k.store(k.mul(e, k.broadcast(scale, piece.lanes)), out, to + c, piece.mask);
    });
  };

  Share work = k.share({p.in.n, p.in.h, p.in.w}, estimateUs(p, isa));
  bool line = !p.in.hasHalo() && !p.out.hasHalo(); // pixels are evenly spaced: no division
  Index fromStep = k.extent(p.in.cs), toStep = k.extent(p.out.cs);
  k.loop(work.lo, work.hi, 1, [&](Index i) {
    if (line)
      return row(i * fromStep + k.offset(p.in.base), i * toStep + k.offset(p.out.base));
    Index w = k.extent(p.in.w), h = k.extent(p.in.h), x = i % w, r = i / w, y = r % h, n = r / h;
    row(rowOffset(k, p.in, n, y) + x * fromStep, rowOffset(k, p.out, n, y) + x * toStep);
  });
  return {k.finish(), work.tasks};
}

double estimateUs(const SoftmaxProblem &problem, const Isa &isa) {
  SoftmaxProblem p = nominal(problem);
  return double(p.in.pixels()) * 1e-3 * (15 + 3.0 * double(p.in.c) / double(isa.lanes));
}

std::string refuse(const SoftmaxProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (softmax reads and writes NHWC)";
  if (p.in.elem != Elem::F32 || p.out.elem != Elem::F32)
    return "an activation that is not f32";
  if (p.in.n != p.out.n || p.in.h != p.out.h || p.in.w != p.out.w || p.in.c != p.out.c)
    return "the sizes of the two sides differ";
  return "";
}

} // namespace tern::cpu
