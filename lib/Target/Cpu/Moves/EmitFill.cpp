// Halos hold one value that convolutions read as padding. The arena is reused, so a halo is written once per run.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"

using namespace mlir;

namespace tern::cpu {
namespace {

Value splat(KernelBuilder &k, Elem elem, double value, int64_t n) {
  if (auto floating = dyn_cast<FloatType>(k.type(elem))) {
    Type t = k.type(elem, n);
    Attribute a = FloatAttr::get(floating, value);
    return k.constant(n ? cast<TypedAttr>(DenseElementsAttr::get(cast<VectorType>(t), a)) : cast<TypedAttr>(a));
  }
  return k.integer(int64_t(value), elem, n);
}

} // namespace

Kernel emitFill(ModuleOp module, StringRef name, const FillProblem &p, const Isa &isa) {
  const Map &m = p.out;
  SmallVector<Elem, 2> args{m.elem};
  if (p.loaded)
    args.push_back(m.elem);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  Value loaded = p.loaded ? k.atEntry([&] { return k.load(k.arg(1), 0); }) : Value();
  int64_t width = 16 * isa.lanes / bytesOf(m.elem); // four registers
  auto run = [&](const Index &at, const Index &count) {
    k.forRow(count, width, [&](Index i, const Piece &piece) {
      k.store(loaded ? k.broadcast(loaded, piece.lanes) : splat(k, m.elem, p.value, piece.lanes), k.arg(0), at + i, piece.mask);
    });
  };
  // Channels that only round up to four belong to nobody else, so a run of pixels is one run of elements.
  int64_t padded = (m.c + 3) / 4 * 4;
  bool dense = isDynamic(m.cs) || isDynamicOffset(m.base) ? m.base == 0 : m.base % m.cs == 0;
  bool whole = dense && (m.cs == m.c || (m.cs == padded && bytesOf(m.elem) == 1));
  Index pixel = k.extent(m.cs), base = k.offset(m.base), width0 = k.extent(m.w);
  auto pixels = [&](const Index &at, const Index &count) {
    if (whole)
      return run(at, count * pixel);
    k.loop(0, count, 1, [&](Index x) { run(at + x * pixel, k.extent(m.c)); });
  };

  if (m.planar) {
    if (p.interior)
      run(base, k.extent(m.n) * k.imageStride(m));
    return {k.finish(), 1};
  }
  Index height = k.extent(m.h) + (m.top + m.bottom), width1 = width0 + (m.left + m.right);
  int64_t units = isDynamic(m.h) ? m.h : m.h + m.top + m.bottom;
  if (isDynamic(m.h) && (m.top || m.bottom)) // the halo rows have no slot of their own: one task a picture
    units = 1;
  Share work = k.share({m.n, units}, estimateUs(p, isa));
  Index each = units == 1 && isDynamic(m.h) ? height : Index(1);
  k.loop(work.lo * each, work.hi * each, 1, [&](Index r) {
    Index at = r * k.rowStride(m) + base;
    if (p.interior)
      return pixels(at, width1);
    Index y = r % height;
    auto sides = [&] {
      pixels(at, m.left);
      pixels(at + (width0 + m.left) * pixel, m.right);
    };
    if (!m.top && !m.bottom)
      return sides();
    Value inside = k.both(k.less(m.top - 1, y), k.less(y, k.extent(m.h) + m.top));
    k.when(inside, sides, [&] { pixels(at, width1); });
  });
  return {k.finish(), work.tasks};
}

double estimateUs(const FillProblem &problem, const Isa &) {
  FillProblem p = nominal(problem);
  const Map &m = p.out;
  int64_t all = m.n * (m.top + m.h + m.bottom) * (m.left + m.w + m.right), filled = p.interior ? all : all - m.pixels();
  return double(filled * m.cs * bytesOf(m.elem)) / 32 * 1e-3;
}

std::string refuse(const FillProblem &p) { return p.loaded && p.out.elem != Elem::U8 ? "a value of another type than a byte" : ""; }

} // namespace tern::cpu
