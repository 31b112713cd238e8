// Reductions of any axes, and softmax and argmax along any axis. Lanes lie along the innermost dimension, whether it is
// kept (no reduction across lanes) or reduced (one at the end).
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/RowReduce.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <limits>

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace tern::cpu {
namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float largest = std::numeric_limits<float>::max();

int64_t nominalSize(int64_t size) { return isDynamic(size) ? kNominalSize : size; }

class AxesEmitter {
public:
  AxesEmitter(KernelBuilder &k, const AxesReduceProblem &p) : k(k), p(p) {
    int64_t rank = p.sizes.size();
    Index step = 1;
    strides.resize(rank, 0);
    for (int64_t d = rank; d--;) {
      strides[d] = step;
      step = step * k.extent(p.sizes[d]);
    }
    for (int64_t d = 0; d + 1 < rank; d++)
      if (p.reduced[d])
        outerReduced.push_back(d);
    if (p.kind == AxesKind::Mean) {
      Index count = 1;
      for (int64_t d = 0; d < rank; d++)
        if (p.reduced[d])
          count = count * k.extent(p.sizes[d]);
      divisor = count.isConstant() ? k.f32(double(count.constant()))
                                   : k.toF32(arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(count)));
    }
  }

  const Index &stride(int64_t d) const { return strides[d]; }

  /// The elements from `at` on that lie in the reduced dimensions, the innermost one included.
  Value innermostReduced(const Index &at) {
    Index inner = k.extent(p.sizes.back());
    int64_t width = rowWidth(k.target(), inner);
    auto run = [&](AxesKind kind, Value shift) {
      Value acc = nest(0, at, neutral(kind, width), [&](const Index &from, Value carried) {
        return k.forRow(inner, width, carried, [&](Index c, const Piece &piece, ValueRange a) {
          Value v = element(kind, k.load(k.arg(0), from + c, piece.lanes, piece.mask), shift ? k.broadcast(shift, piece.lanes) : Value());
          if (piece.mask)
            v = k.select(piece.mask, v, neutral(kind, piece.lanes));
          Value part = combine(kind, k.slice(a[0], 0, piece.lanes), v);
          return Values{piece.lanes == width ? part : k.insert(part, a[0], 0)};
        })[0];
      });
      return k.reduce(acc, [&](Value x, Value y) { return combine(kind, x, y); });
    };
    if (p.kind != AxesKind::LogSumExp)
      return finish(run(p.kind, {}), 0);
    Value shift = bounded(run(AxesKind::Max, {}));
    return k.add(finish(run(p.kind, shift), 0), shift);
  }

  /// The same for neighbouring kept elements.
  Value innermostKept(const Index &at, const Piece &piece) {
    auto run = [&](AxesKind kind, Value shift) {
      return nest(0, at, neutral(kind, piece.lanes), [&](const Index &from, Value carried) {
        return combine(kind, carried, element(kind, k.load(k.arg(0), from, piece.lanes, piece.mask), shift));
      });
    };
    if (p.kind != AxesKind::LogSumExp)
      return finish(run(p.kind, {}), piece.lanes);
    Value shift = bounded(run(AxesKind::Max, {}));
    return k.add(finish(run(p.kind, shift), piece.lanes), shift);
  }

private:
  /// Loops over the outer reduced dimensions with the accumulator.
  Value nest(size_t level, const Index &at, Value acc, llvm::function_ref<Value(const Index &, Value)> body) {
    if (level == outerReduced.size())
      return body(at, acc);
    int64_t d = outerReduced[level];
    return k.loop(0, k.extent(p.sizes[d]), 1, Values{acc}, [&](Index i, ValueRange a) {
      return Values{nest(level + 1, at + i * strides[d], a[0], body)};
    })[0];
  }

  bool isFloat() const { return p.elem == Elem::F32; }
  Value bounded(Value max) {
    int64_t n = KernelBuilder::lanesOf(max);
    return k.fmin(k.fmax(max, k.f32(-largest, n)), k.f32(largest, n));
  }

  Value neutral(AxesKind kind, int64_t n) {
    bool max = kind == AxesKind::Max;
    if (kind == AxesKind::Max || kind == AxesKind::Min) {
      if (isFloat())
        return k.f32(max ? -infinity : infinity, n);
      if (p.elem == Elem::I64)
        return k.integer(max ? INT64_MIN : INT64_MAX, Elem::I64, n);
      return k.integer(max ? INT32_MIN : INT32_MAX, Elem::I32, n);
    }
    int64_t start = kind == AxesKind::Prod;
    return isFloat() ? k.f32(double(start), n) : k.integer(start, p.elem, n);
  }

  Value element(AxesKind kind, Value v, Value shift) {
    switch (kind) {
    case AxesKind::L1:
      return isFloat() ? k.abs(v) : k.maxs(v, k.subi(k.integer(0, p.elem, KernelBuilder::lanesOf(v)), v));
    case AxesKind::L2:
    case AxesKind::SumSquare:
      return isFloat() ? k.mul(v, v) : k.muli(v, v);
    case AxesKind::LogSumExp:
      return vmath::exp(k, k.sub(v, shift));
    default:
      return v;
    }
  }

  Value combine(AxesKind kind, Value x, Value y) {
    switch (kind) {
    case AxesKind::Max:
      return isFloat() ? vmath::maximum(k, x, y) : k.maxs(x, y);
    case AxesKind::Min:
      return isFloat() ? vmath::minimum(k, x, y) : k.mins(x, y);
    case AxesKind::Prod:
      return isFloat() ? k.mul(x, y) : k.muli(x, y);
    default:
      return isFloat() ? k.add(x, y) : k.addi(x, y);
    }
  }

  Value finish(Value v, int64_t n) {
    switch (p.kind) {
    case AxesKind::Mean:
      return k.div(v, k.broadcast(divisor, n));
    case AxesKind::L2:
      return k.sqrt(v);
    case AxesKind::LogSum:
    case AxesKind::LogSumExp:
      return n ? vmath::log(k, v) : k.extract(vmath::log(k, k.broadcast(v, 1)), 0);
    default:
      return v;
    }
  }

  KernelBuilder &k;
  const AxesReduceProblem &p;
  SmallVector<Index> strides;
  SmallVector<int64_t> outerReduced;
  Value divisor;
};

} // namespace

double estimateUs(const AxesReduceProblem &p, const Isa &isa) {
  double elements = 1;
  for (int64_t size : p.sizes)
    elements *= double(nominalSize(size));
  double outputs = 1;
  for (auto [size, reduced] : llvm::zip(p.sizes, p.reduced))
    outputs *= reduced ? 1 : double(nominalSize(size));
  return 1e-3 * (elements * (p.kind == AxesKind::LogSumExp ? 8 : 0.8) / double(isa.lanes) + (p.reduced.back() ? 6 * outputs : 0));
}

Kernel emitAxesReduce(ModuleOp module, StringRef name, const AxesReduceProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {p.elem, p.elem}, isa, std::nullopt, hasDynamicSizes(p));
  AxesEmitter emitter(k, p);
  int64_t rank = p.sizes.size();
  bool innerKept = !p.reduced.back();
  SmallVector<int64_t> kept, sizes; // dimensions of the units, outermost first
  for (int64_t d = 0; d + (innerKept ? 1 : 0) < rank; d++)
    if (!p.reduced[d]) {
      kept.push_back(d);
      sizes.push_back(p.sizes[d]);
    }
  double us = estimateUs(p, isa);
  auto place = [&](Index u) {
    Index from = 0;
    for (size_t i = kept.size(); i--;) {
      Index size = k.extent(sizes[i]);
      from = from + (i ? u % size : u) * emitter.stride(kept[i]);
      u = i ? u / size : u;
    }
    return from;
  };
  if (!innerKept) {
    if (sizes.empty())
      sizes.push_back(1);
    Share work = k.share(sizes, us);
    k.loop(work.lo, work.hi, 1, [&](Index u) { k.store(emitter.innermostReduced(kept.empty() ? Index(0) : place(u)), k.arg(1), u); });
    return {k.finish(), work.tasks};
  }
  Index inner = k.extent(p.sizes.back());
  int64_t width = rowWidth(isa, inner); // several registers: sums side by side
  auto row = [&](const Index &from, const Index &to, const Index &lo, const Index &hi) {
    k.forRow(hi - lo, width, [&](Index c, const Piece &piece) {
      k.store(emitter.innermostKept(from + lo + c, piece), k.arg(1), to + lo + c, piece.mask);
    });
  };
  if (kept.empty()) {
    Share work = k.share({p.sizes.back()}, us, 64);
    row(0, 0, work.lo, work.hi);
    return {k.finish(), work.tasks};
  }
  Share work = k.share(sizes, us);
  k.loop(work.lo, work.hi, 1, [&](Index u) { row(place(u), u * inner, 0, inner); });
  return {k.finish(), work.tasks};
}

std::string refuse(const AxesReduceProblem &p) {
  if (p.sizes.empty() || p.sizes.size() != p.reduced.size())
    return "no dimensions";
  if (p.elem != Elem::F32 && p.elem != Elem::I32 && p.elem != Elem::I64)
    return "elements that are neither f32, i32 nor i64";
  bool floatOnly = p.kind == AxesKind::Mean || p.kind == AxesKind::L2 || p.kind == AxesKind::LogSum || p.kind == AxesKind::LogSumExp;
  if (p.elem != Elem::F32 && floatOnly)
    return "a mean, root or logarithm of integers";
  return "";
}

//===- One axis -------------------------------------------------------------------===//

double estimateUs(const AxisProblem &p, const Isa &isa) {
  double elements = double(nominalSize(p.outer)) * double(nominalSize(p.count)) * double(nominalSize(p.inner));
  bool soft = p.kind == AxisKind::Softmax || p.kind == AxisKind::LogSoftmax;
  return elements * 1e-3 * (soft ? 4 : 1) / double(std::min<int64_t>(isa.lanes, nominalSize(p.inner) * nominalSize(p.count)));
}

namespace {
class AxisEmitter {
public:
  AxisEmitter(KernelBuilder &k, const AxisProblem &p) : k(k), p(p), count(k.extent(p.count)), inner(k.extent(p.inner)) {}

  /// Softmax of neighbouring columns: lanes are columns.
  void softmax(const Index &at, const Piece &piece) {
    int64_t n = piece.lanes;
    Value in = k.arg(0), out = k.arg(1);
    auto load = [&](const Index &i) { return k.load(in, at + i * inner, n, piece.mask); };
    Value max = k.loop(0, count, 1, Values{k.f32(-infinity, n)}, [&](Index i, ValueRange a) { return Values{k.fmax(load(i), a[0])}; })[0];
    Value sum = k.loop(0, count, 1, Values{k.f32(0, n)}, [&](Index i, ValueRange a) {
      Value e = vmath::expUnit(k, k.sub(load(i), max));
      if (p.kind == AxisKind::Softmax)
        k.store(e, out, at + i * inner, piece.mask);
      return Values{k.add(a[0], e)};
    })[0];
    Value change = p.kind == AxisKind::Softmax ? k.div(k.f32(1, n), sum) : vmath::log(k, sum);
    k.loop(0, count, 1, [&](Index i) {
      Value v = p.kind == AxisKind::Softmax ? k.mul(k.load(out, at + i * inner, n, piece.mask), change) : k.sub(k.sub(load(i), max), change);
      k.store(v, out, at + i * inner, piece.mask);
    });
  }

  struct Best {
    Value value, index; ///< index: i32
  };

  /// The better one of two; of equal ones the first (the last with `p.last`).
  Best better(const Best &a, const Best &b) {
    Value win = compare(a.value, b.value, true), equal = compare(a.value, b.value, false);
    Value nearer = arith::CmpIOp::create(k.builder(), k.loc(), p.last ? CmpIPredicate::sgt : CmpIPredicate::slt, a.index, b.index);
    Value take = k.ori(win, k.andi(equal, nearer));
    return {k.select(take, a.value, b.value), k.select(take, a.index, b.index)};
  }

  Best worst(int64_t n) {
    bool max = p.kind == AxisKind::ArgMax;
    Value value = p.elem == Elem::F32 ? k.f32(max ? -infinity : infinity, n)
                  : p.elem == Elem::I64 ? k.integer(max ? INT64_MIN : INT64_MAX, Elem::I64, n)
                                        : k.integer(max ? INT32_MIN : INT32_MAX, Elem::I32, n);
    return {value, k.i32(p.last ? -1 : INT32_MAX, n)};
  }

  Value number(const Index &i) {
    if (i.isConstant())
      return k.i32(i.constant());
    return arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(i));
  }

  void argColumns(const Index &at, const Index &to, const Piece &piece) {
    int64_t n = piece.lanes;
    Best start = worst(n);
    Values best = k.loop(0, count, 1, Values{start.value, start.index}, [&](Index i, ValueRange a) {
      Best r = better({k.load(k.arg(0), at + i * inner, n, piece.mask), k.broadcast(number(i), n)}, {a[0], a[1]});
      return Values{r.value, r.index};
    });
    k.store(k.sext(best[1], Elem::I64), k.arg(1), to, piece.mask);
  }

  void argRow(const Index &at, const Index &to) {
    int64_t width = std::min(rowWidth(k.target(), count), k.target().lanes);
    SmallVector<int32_t> lanes;
    for (int64_t i = 0; i < width; i++)
      lanes.push_back(i);
    Best start = worst(width);
    Values best = k.forRow(count, width, Values{start.value, start.index}, [&](Index c, const Piece &piece, ValueRange a) {
      int64_t n = piece.lanes;
      Value steps = k.constant(DenseElementsAttr::get(cast<ShapedType>(k.i32Type(n)), ArrayRef<int32_t>(lanes).take_front(n)));
      Best next{k.load(k.arg(0), at + c, n, piece.mask), k.addi(k.broadcast(number(c), n), steps)};
      if (piece.mask) {
        Best none = worst(n);
        next = {k.select(piece.mask, next.value, none.value), k.select(piece.mask, next.index, none.index)};
      }
      Best r = better(next, {k.slice(a[0], 0, n), k.slice(a[1], 0, n)});
      if (n == width)
        return Values{r.value, r.index};
      return Values{k.insert(r.value, a[0], 0), k.insert(r.index, a[1], 0)};
    });
    Best r{best[0], best[1]};
    for (int64_t n = width; n > 1; n /= 2)
      r = better({k.slice(r.value, 0, n / 2), k.slice(r.index, 0, n / 2)}, {k.slice(r.value, n / 2, n / 2), k.slice(r.index, n / 2, n / 2)});
    k.store(k.sext(k.extract(r.index, 0), Elem::I64), k.arg(1), to);
  }

private:
  Value compare(Value a, Value b, bool strict) {
    bool max = p.kind == AxisKind::ArgMax;
    if (p.elem == Elem::F32)
      return k.compare(!strict ? CmpFPredicate::OEQ : max ? CmpFPredicate::OGT : CmpFPredicate::OLT, a, b);
    return arith::CmpIOp::create(k.builder(), k.loc(), !strict ? CmpIPredicate::eq : max ? CmpIPredicate::sgt : CmpIPredicate::slt, a, b);
  }

  KernelBuilder &k;
  const AxisProblem &p;
  Index count, inner;
};
} // namespace

Kernel emitAxis(ModuleOp module, StringRef name, const AxisProblem &p, const Isa &isa) {
  bool soft = p.kind == AxisKind::Softmax || p.kind == AxisKind::LogSoftmax;
  KernelBuilder k(module, name, {p.elem, soft ? Elem::F32 : Elem::I64}, isa, std::nullopt, hasDynamicSizes(p));
  AxisEmitter emitter(k, p);
  Index count = k.extent(p.count), inner = k.extent(p.inner);
  double us = estimateUs(p, isa);
  if (p.inner == 1 && !soft) {
    Share work = k.share({p.outer}, us);
    k.loop(work.lo, work.hi, 1, [&](Index o) { emitter.argRow(o * count, o); });
    return {k.finish(), work.tasks};
  }
  int64_t width = std::min(rowWidth(isa, inner), 2 * isa.lanes);
  auto columns = [&](const Index &o, const Index &lo, const Index &hi) {
    k.forRow(hi - lo, width, [&](Index c, const Piece &piece) {
      Index at = o * count * inner + lo + c;
      soft ? emitter.softmax(at, piece) : emitter.argColumns(at, o * inner + lo + c, piece);
    });
  };
  if (p.outer == 1) {
    Share work = k.share({p.inner}, us, 64);
    columns(0, work.lo, work.hi);
    return {k.finish(), work.tasks};
  }
  Share work = k.share({p.outer}, us);
  k.loop(work.lo, work.hi, 1, [&](Index o) { columns(o, 0, inner); });
  return {k.finish(), work.tasks};
}

std::string refuse(const AxisProblem &p) {
  bool soft = p.kind == AxisKind::Softmax || p.kind == AxisKind::LogSoftmax;
  if (p.elem != Elem::F32 && (soft || (p.elem != Elem::I32 && p.elem != Elem::I64)))
    return "elements that have no vector form";
  if (!isDynamic(p.count) && p.count >= INT32_MAX)
    return "an axis of more than 2^31 elements";
  return "";
}

} // namespace tern::cpu
