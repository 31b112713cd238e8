// Pooling on NHWC, vectorized over channels. Pixels whose window lies inside of the picture have a window of constants;
// only the others compute where it starts and ends. The halo is never read, so that padding needs no particular value
// in it.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <limits>

using namespace mlir;

namespace tern::cpu {
namespace {

/// One dimension of the windows; the sizes may be those of a run.
struct Axis {
  Index in, out;
  int64_t kernel, stride, dilation, padLow, padHigh;

  Index first() const { return min(out, (padLow + stride - 1) / stride); } ///< first output inside
  Index last() const {                                                     ///< behind the last output inside
    Index room = in - 1 - dilation * (kernel - 1) + padLow;
    if (room.isConstant() && room.constant() < 0)
      return first();
    return max(first(), min(out, max(room + stride, 0) / stride));
  }
  Index start(const Index &at) const { return at * stride - padLow; }
  /// Taps [lo, hi) that lie inside of the picture.
  std::pair<Index, Index> taps(const Index &at) const {
    Index begin = start(at);
    Index lo = max(0, (max(Index(0) - begin, 0) + (dilation - 1)) / dilation);
    return {lo, until(begin, in)};
  }
  /// Taps in front of position `end`.
  Index until(const Index &begin, const Index &end) const {
    Index left = max(end - begin, 0);
    return min((left + (dilation - 1)) / dilation, kernel);
  }
};

class PoolEmitter {
public:
  PoolEmitter(KernelBuilder &k, const PoolProblem &p, unsigned args)
      : k(k), p(p), expr(k, p.epilogue, p.out.elem, 1, isCode() ? p.in.elem : Elem::F32),
        out(k.arg(args - 1)),
        rows{k.extent(p.in.h), k.extent(p.out.h), p.kh, p.strideH, p.dilationH, p.padTop, p.padBottom},
        cols{k.extent(p.in.w), k.extent(p.out.w), p.kw, p.strideW, p.dilationW, p.padLeft, p.padRight} {
    // Codes stay bytes through a maximum, one register of them; everything else is two registers of 32-bit lanes.
    width = isCode() ? 4 * k.lanes() : 2 * k.lanes();
    if (ExprVector::weight(p.epilogue) > 1)
      width = std::min(width, 2 * k.lanes());
  }

  void row(const Index &n, const Index &y) {
    Row r{n, y, expr.row(n, y), rowOffset(k, p.out, n, y)};
    Value rowInside = inside(rows, y);
    k.loop(0, cols.out, 1, [&](Index x) {
      k.when(
          k.both(rowInside, inside(cols, x)), [&] { pixel(r, x, true); }, [&] { pixel(r, x, false); });
    });
  }

private:
  struct Row {
    Index n, y;
    ExprVector::Row inputs;
    Index out;
  };

  /// Whether the window of `at` has all its taps inside; known where that holds for all or for none.
  Value inside(const Axis &axis, const Index &at) {
    Index first = axis.first(), last = axis.last();
    if (!first.isConstant() || !last.isConstant()) // of sizes of a run
      return k.both(k.less(first - 1, at), k.less(at, last));
    if (first.constant() == last.constant())
      return k.equal(0, 1);
    Value low = first.constant() ? k.less(first.constant() - 1, at) : k.equal(0, 0);
    Value high = last.constant() < axis.out.constant() ? k.less(at, last) : k.equal(0, 0);
    return k.both(low, high);
  }

  bool isCode() const { return p.in.elem != Elem::F32 && p.kind == PoolKind::Max; }
  bool isInteger() const { return p.in.elem != Elem::F32 && p.kind == PoolKind::Average; }

  Value initial(int64_t lanes) {
    if (p.kind != PoolKind::Max)
      return isInteger() ? k.i32(0, lanes) : k.f32(0, lanes);
    if (p.in.elem == Elem::F32)
      return k.f32(-std::numeric_limits<float>::infinity(), lanes);
    return k.integer(p.in.elem == Elem::S8 ? -128 : 0, p.in.elem, lanes);
  }

  Value combine(Value acc, const Index &at, int64_t lanes, Value mask) {
    Value v = k.load(k.arg(0), at, lanes, mask);
    switch (p.kind) {
    case PoolKind::Max:
      if (p.in.elem == Elem::F32)
        return k.fmax(v, acc); // a NaN of the input is dropped
      return p.in.elem == Elem::S8 ? k.maxs(v, acc) : k.maxu(v, acc);
    case PoolKind::Average:
      return isInteger() ? k.addi(acc, expr.widen(v, p.in.elem)) : k.add(acc, v);
    case PoolKind::Lp:
      if (p.in.elem != Elem::F32)
        v = k.toF32(expr.widen(v, p.in.elem));
      if (p.lp == 1)
        return k.add(acc, k.abs(v));
      return p.lp == 2 ? k.fma(v, v, acc) : k.add(acc, vmath::powConstant(k, k.abs(v), double(p.lp)));
    }
    llvm_unreachable("a kind of pooling without code");
  }

  /// The accumulator of a finished window -> the value of the epilogue's Acc. `count` is null where the window is
  /// whole.
  Value finish(Value acc, Value count) {
    int64_t lanes = k.lanesOf(acc);
    if (p.kind == PoolKind::Average) {
      Value sum = isInteger() ? k.toF32(acc) : acc;
      return k.div(sum, count ? k.broadcast(count, lanes) : k.f32(double(p.kh * p.kw), lanes));
    }
    if (p.kind == PoolKind::Lp && p.lp == 2)
      return k.sqrt(acc);
    return p.kind == PoolKind::Lp && p.lp > 2 ? vmath::powConstant(k, acc, 1.0 / double(p.lp)) : acc;
  }

  void pixel(const Row &r, const Index &x, bool whole) {
    Index yStart = rows.start(r.y), xStart = cols.start(x), yLo = 0, yHi = p.kh, xLo = 0, xHi = p.kw;
    Value count, padding; // padding: the codes outside of the picture that count
    if (!whole) {
      std::tie(yLo, yHi) = rows.taps(r.y);
      std::tie(xLo, xHi) = cols.taps(x);
      if (p.kind == PoolKind::Average) {
        // With countIncludePad a window ends where the padding ends, which matters in ceil mode.
        Index taps = p.countIncludePad
                         ? rows.until(yStart, rows.in + p.padBottom) * cols.until(xStart, cols.in + p.padRight)
                         : (yHi - yLo) * (xHi - xLo);
        auto word = [&](const Index &i) -> Value { return arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(i)); };
        count = k.toF32(word(taps));
        if (isInteger() && p.countIncludePad && p.padCode)
          padding = word((taps - (yHi - yLo) * (xHi - xLo)) * p.padCode);
      }
    }
    Index corner = rowOffset(k, p.in, r.n, 0) + yStart * k.rowStride(p.in) + xStart * p.in.cs;
    Index down = k.rowStride(p.in) * p.dilationH, right = p.dilationW * p.in.cs;
    bool unrolled = whole && p.kh * p.kw <= 25;
    k.forRow(p.out.c, width, [&](Index c, const Piece &piece) {
      Value acc = initial(piece.lanes);
      if (unrolled) {
        for (int64_t i = 0; i < p.kh; i++)
          for (int64_t j = 0; j < p.kw; j++)
            acc = combine(acc, corner + c + (down * i + right * j), piece.lanes, piece.mask);
      } else {
        acc = k.loop(yLo, yHi, 1, acc, [&](Index i, ValueRange a) {
          return k.loop(xLo, xHi, 1, a, [&](Index j, ValueRange b) {
            return Values{combine(b[0], corner + c + i * down + j * right, piece.lanes, piece.mask)};
          });
        })[0];
      }
      if (padding)
        acc = k.addi(acc, k.broadcast(padding, piece.lanes));
      Value v = expr.evaluate(r.inputs, x, c, piece.lanes, piece.mask, finish(acc, count));
      k.store(v, out, r.out + x * p.out.cs + c, piece.mask);
    });
  }

  KernelBuilder &k;
  const PoolProblem &p;
  ExprVector expr;
  Value out;
  Axis rows, cols;
  int64_t width;
};

} // namespace

Kernel emitPool(ModuleOp module, StringRef name, const PoolProblem &p, const Isa &isa) {
  SmallVector<Elem> args{p.in.elem};
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  PoolEmitter emitter(k, p, args.size());
  Share work = k.share({p.out.n, p.out.h}, estimateUs(p, isa));
  Index height = k.extent(p.out.h);
  k.loop(work.lo, work.hi, 1, [&](Index r) { emitter.row(r / height, r % height); });
  return {k.finish(), work.tasks};
}

double estimateUs(const PoolProblem &problem, const Isa &isa) {
  PoolProblem p = nominal(problem);
  double registers = double(p.out.c * bytesOf(p.in.elem)) / double(4 * isa.lanes);
  double taps = 0.25 * registers * double(p.kh * p.kw),
         rest = double(p.out.c) * ExprVector::nsPerElement(p.epilogue, isa);
  return double(p.out.pixels()) * 1e-3 * (1 + taps + rest);
}

std::string refuse(const PoolProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (pooling reads and writes NHWC)";
  if (p.in.n != p.out.n || p.in.c != p.out.c)
    return "the output has other channels or another number of pictures than the input";
  if (isDynamic(p.in.c))
    return "a number of channels that is only known at run time";
  if (p.in.elem != Elem::F32 && p.in.elem != Elem::U8 && p.in.elem != Elem::S8)
    return "an input that is neither f32 nor 8-bit codes";
  if (p.kh < 1 || p.kw < 1 || p.strideH < 1 || p.strideW < 1 || p.dilationH < 1 || p.dilationW < 1)
    return "a window, stride or dilation below 1";
  if (p.kind == PoolKind::Lp && p.lp < 1)
    return "an Lp pooling with p below 1";
  if (p.epilogue.nodes.empty()) {
    Elem acc = p.kind == PoolKind::Max ? p.in.elem : Elem::F32;
    return p.out.elem == acc || p.out.elem == Elem::F32 ? ""
                                                        : "the output is no f32 and the epilogue does not quantize";
  }
  return refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/1);
}

} // namespace tern::cpu
