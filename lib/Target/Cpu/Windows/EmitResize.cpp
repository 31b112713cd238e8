// Resize of pictures, vectorized over channels. A whole upscaling factor needs no source positions along the row.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Windows/ResizeAxis.h"

using namespace mlir;

namespace tern::cpu {
Kernel emitResize(ModuleOp module, StringRef name, const ResizeProblem &p, const Isa &isa) {
  SmallVector<Elem> args{p.in.elem};
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  Value in = k.arg(0), out = k.arg(args.size() - 1);
  bool linear = p.mode == ResizeMode::Linear;
  ExprVector expr(k, p.epilogue, p.out.elem, 1, linear ? Elem::F32 : p.in.elem);
  auto ys = resizeAxis(k, module, name.str() + "_y", {p.mode, p.coord, p.scaleH, p.in.h, p.out.h}, k.rowStride(p.in));
  auto xs = resizeAxis(k, module, name.str() + "_x", {p.mode, p.coord, p.scaleW, p.in.w, p.out.w}, p.in.cs);
  int64_t factor = xs->factor;
  Index columns = k.extent(p.out.w), height = k.extent(p.out.h);

  bool moves = p.epilogue.nodes.empty() && !linear;
  int64_t width = moves ? 16 * isa.lanes / bytesOf(p.in.elem) : 2 * isa.lanes;

  auto nearestRow = [&](const ExprVector::Row &row, const Index &from, const Index &to) {
    auto pixel = [&](const Index &source, const Index &x, int64_t copies) {
      k.forRow(p.out.c, width, [&](Index c, const Piece &piece) {
        Value v = k.load(in, source + c, piece.lanes, piece.mask);
        for (int64_t i = 0; i < copies; i++)
          k.store(expr.evaluate(row, x + i, c, piece.lanes, piece.mask, v), out, to + (x + i) * p.out.cs + c,
                  piece.mask);
      });
    };
    if (factor)
      return k.loop(0, k.extent(p.in.w), 1, [&](Index x) { pixel(from + x * p.in.cs, x * factor, factor); });
    k.loop(0, columns, 1, [&](Index x) { pixel(from + xs->at(x).low, x, 1); });
  };
  auto linearRow = [&](const ExprVector::Row &row, const Index &picture, const Index &y, const Index &to) {
    ResizeSource vertical = ys->at(y);
    Index upper = picture + vertical.low, lower = picture + vertical.high;
    k.loop(0, columns, 1, [&](Index x) {
      ResizeSource h = xs->at(x);
      Value weights[] = {k.mul(h.lowWeight, vertical.lowWeight), k.mul(h.highWeight, vertical.lowWeight),
                         k.mul(h.lowWeight, vertical.highWeight), k.mul(h.highWeight, vertical.highWeight)};
      Index corners[] = {upper + h.low, upper + h.high, lower + h.low, lower + h.high};
      k.forRow(p.out.c, width, [&](Index c, const Piece &piece) {
        Value sum;
        for (auto [corner, weight] : llvm::zip(corners, weights)) {
          Value v = expr.widen(k.load(in, corner + c, piece.lanes, piece.mask), p.in.elem);
          if (p.in.elem != Elem::F32)
            v = k.toF32(v);
          Value w = k.broadcast(weight, piece.lanes);
          sum = sum ? k.fma(v, w, sum) : k.mul(v, w);
        }
        Value v = expr.evaluate(row, x, c, piece.lanes, piece.mask, sum);
        k.store(v, out, to + x * p.out.cs + c, piece.mask);
      });
    });
  };

  Share work = k.share({p.out.n, p.out.h}, estimateUs(p, isa));
  k.loop(work.lo, work.hi, 1, [&](Index r) {
    Index n = r / height, y = r % height, picture = rowOffset(k, p.in, n, 0), to = rowOffset(k, p.out, n, y);
    ExprVector::Row row = expr.row(n, y);
    if (linear)
      return linearRow(row, picture, y, to);
    nearestRow(row, picture + ys->at(y).low, to);
  });
  return {k.finish(), work.tasks};
}

double estimateUs(const ResizeProblem &problem, const Isa &isa) {
  ResizeProblem p = nominal(problem);
  double move = p.mode == ResizeMode::Linear ? 1.0 / double(isa.lanes) : double(bytesOf(p.in.elem)) / 100;
  return double(p.out.pixels()) * 1e-3 * (0.5 + double(p.out.c) * (move + ExprVector::nsPerElement(p.epilogue, isa)));
}

std::string refuse(const ResizeProblem &p) {
  if (p.in.planar || p.out.planar)
    return "a planar activation (resize reads and writes NHWC)";
  if (p.in.n != p.out.n || p.in.c != p.out.c)
    return "the output has other channels or another number of pictures than the input";
  auto hasScale = [](double scale, int64_t in, int64_t out) { return scale > 0 || (scale == 0 && (isDynamic(in) || isDynamic(out))); };
  if (!hasScale(p.scaleH, p.in.h, p.out.h) || !hasScale(p.scaleW, p.in.w, p.out.w))
    return "a scale that is not positive";
  if (isDynamic(p.in.c))
    return "a number of channels that is only known at run time";
  if (p.mode == ResizeMode::Linear && p.in.elem != Elem::F32 && p.in.elem != Elem::U8 && p.in.elem != Elem::S8)
    return "a linear resize of something other than f32 or 8-bit codes";
  if (!hasOpenPictures(p) && p.in.imageStride() >= (int64_t(1) << 31))
    return "a picture of 2^31 elements or more";
  if (p.epilogue.nodes.empty())
    return p.out.elem == (p.mode == ResizeMode::Linear ? Elem::F32 : p.in.elem)
               ? ""
               : "the element types differ and the epilogue does not convert";
  return refuseExpr(p.epilogue, p.out.elem, /*accumulators=*/1);
}

} // namespace tern::cpu
