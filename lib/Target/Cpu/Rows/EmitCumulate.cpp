// Sums and products up to each place along an axis. Along an outer axis lanes are neighbouring rows and the axis is a loop; along the
// innermost one a register is totalled by halves (log2 steps of shuffles) and the total of the registers before is added to all of it.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"

using namespace mlir;

namespace tern::cpu {
namespace {

int64_t nominalSize(int64_t size) { return isDynamic(size) ? kNominalSize : size; }

class CumulateEmitter {
public:
  CumulateEmitter(KernelBuilder &k, const CumulateProblem &p) : k(k), p(p) {}

  /// The columns lo .. hi of one [count, inner] from `at` on.
  void columns(const Index &at, const Index &lo, const Index &hi, int64_t width) {
    Index count = k.extent(p.count), inner = k.extent(p.inner);
    k.forRow(hi - lo, width, [&](Index c, const Piece &piece) {
      k.loop(0, count, 1, {neutral(piece.lanes)}, [&](Index j, ValueRange total) {
        Index from = at + lo + c + (p.reverse ? count - 1 - j : j) * inner;
        Value next = combine(total[0], k.load(k.arg(0), from, piece.lanes, piece.mask));
        k.store(p.exclusive ? Value(total[0]) : next, k.arg(1), from, piece.mask);
        return Values{next};
      });
    });
  }

  /// `count` neighbours from `at` on.
  void row(const Index &at) {
    k.forRow(k.extent(p.count), k.lanes(), {neutral(0)}, [&](Index c, const Piece &piece, ValueRange before) {
      int64_t n = piece.lanes;
      Value v = k.load(k.arg(0), at + c, n, piece.mask);
      for (int64_t step = 1; step < n; step *= 2)
        v = combine(v, shifted(v, step));
      Value all = combine(k.broadcast(before[0], n), v);
      k.store(p.exclusive ? combine(k.broadcast(before[0], n), shifted(v, 1)) : all, k.arg(1), at + c, piece.mask);
      return Values{combine(before[0], k.extract(v, n - 1))};
    });
  }

private:
  Value neutral(int64_t n) { return p.elem == Elem::F32 ? k.f32(p.product, n) : k.integer(p.product, p.elem, n); }
  Value combine(Value x, Value y) {
    if (p.elem == Elem::F32)
      return p.product ? k.mul(x, y) : k.add(x, y);
    return p.product ? k.muli(x, y) : k.addi(x, y);
  }
  /// Lane i is lane i - by, the first ones neutral.
  Value shifted(Value v, int64_t by) {
    int64_t n = KernelBuilder::lanesOf(v);
    SmallVector<int64_t> lanes;
    for (int64_t i = 0; i < n; i++)
      lanes.push_back(i < by ? i : n + i - by);
    return k.shuffle(neutral(n), v, lanes);
  }

  KernelBuilder &k;
  const CumulateProblem &p;
};

} // namespace

double estimateUs(const CumulateProblem &p, const Isa &isa) {
  double elements = double(nominalSize(p.outer)) * double(nominalSize(p.count)) * double(nominalSize(p.inner));
  return elements * 1e-3 * (p.inner != 1 ? 2.0 / double(isa.lanes) : p.reverse ? 1.2 : 0.6);
}

Kernel emitCumulate(ModuleOp module, StringRef name, const CumulateProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {p.elem, p.elem}, isa, std::nullopt, hasDynamicSizes(p));
  CumulateEmitter emitter(k, p);
  double us = estimateUs(p, isa);
  Index count = k.extent(p.count), inner = k.extent(p.inner);
  // From the end a row is one column of width 1.
  if (p.inner == 1 && !p.reverse) {
    Share work = k.share({p.outer}, us);
    k.loop(work.lo, work.hi, 1, [&](Index o) { emitter.row(o * count); });
    return {k.finish(), work.tasks};
  }
  // Four registers at once: the next addition of one waits for the last.
  int64_t width = 4 * isa.lanes;
  while (!isDynamic(p.inner) && width > 1 && width / 2 >= p.inner)
    width /= 2;
  int64_t blocks = isDynamic(p.inner) || nominalSize(p.outer) >= 8 ? 1 : std::min<int64_t>(8, (p.inner + width - 1) / width);
  Index perBlock = isDynamic(p.inner) ? inner : Index((p.inner + blocks * width - 1) / (blocks * width) * width);
  Share work = k.share({p.outer, blocks}, us);
  k.loop(work.lo, work.hi, 1, [&](Index u) {
    Index o = u / blocks, b = u % blocks;
    emitter.columns(o * count * inner, min(b * perBlock, inner), min((b + 1) * perBlock, inner), width);
  });
  return {k.finish(), work.tasks};
}

std::string refuse(const CumulateProblem &p) {
  if (p.elem != Elem::F32 && p.elem != Elem::I32 && p.elem != Elem::I64)
    return "elements that are neither f32, i32 nor i64";
  return "";
}

} // namespace tern::cpu
