// The integer terms of zero points (ZeroPoints.h).
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Products/ZeroPoints.h"

using namespace mlir;

namespace tern::cpu {

void visitSizes(StartProblem &, SizeVisitor) {}
void visitSizes(WindowSumProblem &p, SizeVisitor visit) {
  visitSizes(p.in, visit);
  visit.size(p.h);
  visit.size(p.w);
}

std::string print(const StartProblem &p) { return "start n=" + std::to_string(p.n); }

std::string print(const WindowSumProblem &p) {
  std::string text = "window_sum in=" + print(p.in);
  auto field = [&](StringRef name, int64_t value) { text += (" " + name + "=" + Twine(value)).str(); };
  field("h", p.h), field("w", p.w), field("kh", p.kh), field("kw", p.kw), field("stride_h", p.strideH), field("stride_w", p.strideW);
  field("dilation_h", p.dilationH), field("dilation_w", p.dilationW), field("pad_top", p.padTop), field("pad_left", p.padLeft);
  return text;
}

Kernel emitStart(ModuleOp module, StringRef name, const StartProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {Elem::I32, Elem::I32, Elem::U8, Elem::I32}, isa);
  Value zero = k.atEntry([&] { return k.zext(k.load(k.arg(2), 0)); });
  k.forRow(p.n, rowWidth(isa, p.n), [&](Index i, const Piece &piece) {
    Value start = k.load(k.arg(0), i, piece.lanes, piece.mask), sums = k.load(k.arg(1), i, piece.lanes, piece.mask);
    k.store(k.subi(start, k.muli(sums, k.broadcast(zero, piece.lanes))), k.arg(3), i, piece.mask);
  });
  return {k.finish(), 1};
}

Kernel emitWindowSum(ModuleOp module, StringRef name, const WindowSumProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {Elem::U8, Elem::U8, Elem::I32}, isa, std::nullopt, hasDynamicSizes(p));
  const Map &m = p.in;
  Value zero = k.atEntry([&] { return k.zext(k.load(k.arg(1), 0)); });
  Index h = k.extent(p.h), w = k.extent(p.w), channels = k.extent(m.c), pixel = k.extent(m.cs);
  Index row = k.rowStride(m), image = k.imageStride(m);
  int64_t width = rowWidth(isa, channels);
  Value centre = k.muli(zero, arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(channels * (p.kh * p.kw))));
  double us = double(nominal(p).in.n * nominal(p).h * nominal(p).w * p.kh * p.kw) * 1e-3 * (2 + double(nominal(p).in.c) / double(isa.lanes) / 4);
  Share work = k.share({m.n, p.h, p.w}, us);
  k.loop(work.lo, work.hi, 1, [&](Index i) {
    Index line = i / w, x = i % w, n = line / h, y = line % h;
    Index corner = n * image + (y * p.strideH + (m.top - p.padTop)) * row + (x * p.strideW + (m.left - p.padLeft)) * pixel + k.offset(m.base);
    Values sums{k.i32(0, width)};
    sums = k.loop(0, p.kh, 1, sums, [&](Index ky, ValueRange a) {
      return k.loop(0, p.kw, 1, a, [&](Index kx, ValueRange b) {
        Index at = corner + ky * p.dilationH * row + kx * p.dilationW * pixel;
        return k.forRow(channels, width, b, [&](Index c, const Piece &piece, ValueRange acc) {
          Value codes = k.zext(k.load(k.arg(0), at + c, piece.lanes, piece.mask));
          if (piece.lanes == width)
            return Values{k.addi(acc[0], codes)};
          return Values{k.insert(k.addi(k.slice(acc[0], 0, piece.lanes), codes), acc[0], 0)};
        });
      });
    });
    Value sum = k.reduce(sums[0], [&](Value a, Value b) { return k.addi(a, b); });
    k.store(k.subi(sum, centre), k.arg(2), i);
  });
  return {k.finish(), work.tasks};
}

} // namespace tern::cpu
