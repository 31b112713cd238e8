// Halos hold one value that convolutions read as padding. The arena is reused, so a halo is written once per run.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/ExprVector.h"

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
  KernelBuilder k(module, name, {m.elem}, isa);
  int64_t width = 16 * isa.lanes / bytesOf(m.elem); // four registers
  auto run = [&](const Index &at, int64_t count) {
    k.forRow(count, width, [&](Index i, const Piece &piece) {
      k.store(splat(k, m.elem, p.value, piece.lanes), k.arg(0), at + i, piece.mask);
    });
  };
  // Channels that only round up to four belong to nobody else, so a run of pixels is one run of elements.
  int64_t padded = (m.c + 3) / 4 * 4;
  bool whole = m.base % m.cs == 0 && (m.cs == m.c || (m.cs == padded && bytesOf(m.elem) == 1));
  auto pixels = [&](const Index &at, int64_t count) {
    if (whole)
      return run(at, count * m.cs);
    k.loop(0, count, 1, [&](Index x) { run(at + x * m.cs, m.c); });
  };

  if (m.planar) {
    if (p.interior)
      run(m.base, m.elements());
    return {k.finish(), 1};
  }
  int64_t height = m.top + m.h + m.bottom, width1 = m.left + m.w + m.right, rows = m.n * height;
  int64_t chunk = KernelBuilder::chunkOf(rows, estimateUs(p, isa));
  auto [lo, hi] = k.taskRange(rows, chunk);
  k.loop(lo, hi, 1, [&](Index r) {
    Index at = r * m.rowStride() + m.base;
    if (p.interior)
      return pixels(at, width1);
    Index y = r % height;
    auto sides = [&] {
      pixels(at, m.left);
      pixels(at + (m.left + m.w) * m.cs, m.right);
    };
    if (!m.top && !m.bottom)
      return sides();
    Value inside = k.both(k.less(m.top - 1, y), k.less(y, m.top + m.h));
    k.when(inside, sides, [&] { pixels(at, width1); });
  });
  return {k.finish(), (rows + chunk - 1) / chunk};
}

double estimateUs(const FillProblem &p, const Isa &) {
  const Map &m = p.out;
  int64_t all = m.n * (m.top + m.h + m.bottom) * (m.left + m.w + m.right), filled = p.interior ? all : all - m.pixels();
  return double(filled * m.cs * bytesOf(m.elem)) / 32 * 1e-3;
}

std::string refuse(const FillProblem &) { return ""; }

} // namespace tern::cpu
