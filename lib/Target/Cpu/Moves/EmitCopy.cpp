// Copies of boxes: the dimensions are sorted and merged first, then the two that matter decide: neighbours on both
// sides are vectors, neighbours on different sides are transposed in registers, the rest moves element by element.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Builder/Transpose.h"

using namespace mlir;

namespace tern::cpu {
namespace {

struct Dim {
  int64_t size, in, out;
};
using Dims = SmallVector<Dim, 6>;

/// The same box with as few dimensions as possible, the one with the smallest output stride last.
Dims normalize(const CopyProblem &p) {
  Dims dims, merged;
  for (auto [size, in, out] : llvm::zip(p.sizes, p.inStrides, p.outStrides))
    if (size != 1)
      dims.push_back({size, in, out});
  llvm::sort(dims, [](const Dim &a, const Dim &b) { return std::abs(a.out) > std::abs(b.out); });
  for (const Dim &d : dims) {
    if (!merged.empty() && merged.back().in == d.in * d.size && merged.back().out == d.out * d.size) {
      merged.back() = {merged.back().size * d.size, d.in, d.out};
      continue;
    }
    merged.push_back(d);
  }
  if (merged.empty())
    merged.push_back({1, 1, 1});
  return merged;
}

enum class Mode { Vector, Splat, Reverse, Transpose, Interleave, Deinterleave, Element };

/// What the inner dimensions are; `across` is the one with neighbouring inputs where that is not the last.
struct Inner {
  Mode mode = Mode::Element;
  Dim last{1, 1, 1}, across{1, 1, 1};
  int64_t elements() const { return last.size * across.size; }
};

Inner takeInner(Dims &dims) {
  Inner inner;
  inner.last = dims.pop_back_val();
  if (inner.last.out != 1)
    return inner;
  if (inner.last.in == 1 || inner.last.in == 0 || inner.last.in == -1) {
    inner.mode = inner.last.in == 1 ? Mode::Vector : inner.last.in == 0 ? Mode::Splat : Mode::Reverse;
    return inner;
  }
  auto *across = llvm::find_if(dims, [](const Dim &d) { return d.in == 1; });
  if (across == dims.end())
    return inner;
  const Dim &l = inner.last;
  if (l.size <= 4 && across->out == l.size)
    inner.mode = Mode::Interleave;
  else if (across->size <= 4 && l.in == across->size)
    inner.mode = Mode::Deinterleave;
  else if (l.size < 3 || across->size < 3)
    return inner;
  else
    inner.mode = Mode::Transpose;
  inner.across = *across;
  dims.erase(across);
  return inner;
}

class CopyEmitter {
public:
  CopyEmitter(KernelBuilder &k, Elem elem) : k(k), bytes(bytesOf(elem)), elem(elem) {}

  void inner(const Inner &p, const Index &in, const Index &out) {
    int64_t width = 16 * k.lanes() / bytes; // four registers
    switch (p.mode) {
    case Mode::Vector:
      return k.forRow(p.last.size, width, [&](Index i, const Piece &piece) {
        k.store(k.load(source(), in + i, piece.lanes, piece.mask), target(), out + i, piece.mask);
      });
    case Mode::Splat: {
      Value v = k.load(source(), in);
      return k.forRow(p.last.size, width, [&](Index i, const Piece &piece) {
        k.store(k.broadcast(v, piece.lanes), target(), out + i, piece.mask);
      });
    }
    case Mode::Reverse:
      return k.forRow(p.last.size, width / 4, [&](Index i, const Piece &piece) {
        // The masked lanes are the last ones of the output, the first ones in memory.
        SmallVector<int64_t> lanes;
        for (int64_t l = piece.count - 1; l >= 0; l--)
          lanes.push_back(l);
        while (int64_t(lanes.size()) < piece.lanes)
          lanes.push_back(lanes.size());
        Value v = k.load(source(), in - i - (piece.count - 1), piece.lanes, piece.mask);
        k.store(k.shuffle(v, v, lanes), target(), out + i, piece.mask);
      });
    case Mode::Transpose:
      return transpose(p, in, out);
    case Mode::Interleave: {
      int64_t lanes = blockLanes(k.target(), bytes), m = p.last.size;
      return forBlocks(k, 0, p.across.size, lanes, [&](Index x, int64_t count) {
        Values rows;
        for (int64_t c = 0; c < m; c++)
          rows.push_back(k.loadPart(source(), in + x + c * p.last.in, lanes, count));
        storeLine(interleave(k, rows), out + x * m, count * m, lanes);
      });
    }
    case Mode::Deinterleave: {
      int64_t lanes = blockLanes(k.target(), bytes), m = p.across.size;
      return forBlocks(k, 0, p.last.size, lanes, [&](Index x, int64_t count) {
        Values line;
        for (int64_t i = 0; i < m; i++) {
          int64_t some = std::min(lanes, std::max<int64_t>(0, count * m - i * lanes));
          line.push_back(some ? k.loadPart(source(), in + x * m + i * lanes, lanes, some) : k.zero(elem, lanes));
        }
        for (auto [c, row] : llvm::enumerate(deinterleave(k, line)))
          k.storePart(row, target(), out + x + int64_t(c) * p.across.out, count);
      });
    }
    case Mode::Element: {
      int64_t full = p.last.size / 4 * 4;
      auto move = [&](const Index &i) {
        k.store(k.load(source(), in + i * p.last.in), target(), out + i * p.last.out);
      };
      k.loop(0, full, 4, [&](Index i) {
        for (int64_t u = 0; u < 4; u++)
          move(i + u);
      });
      for (int64_t i = full; i < p.last.size; i++)
        move(i);
      return;
    }
    }
  }

private:
  Value source() { return k.arg(0); }
  Value target() { return k.arg(1); }

  void storeLine(ArrayRef<Value> line, const Index &at, int64_t count, int64_t lanes) {
    for (auto [i, v] : llvm::enumerate(line))
      if (int64_t rest = count - int64_t(i) * lanes; rest > 0)
        k.storePart(v, target(), at + int64_t(i) * lanes, std::min(rest, lanes));
  }

  void transpose(const Inner &p, const Index &in, const Index &out) {
    int64_t lanes = blockLanes(k.target(), bytes);
    forBlocks(k, 0, p.across.size, lanes, [&](Index x, int64_t columns) {
      forBlocks(k, 0, p.last.size, lanes, [&](Index c, int64_t rows) {
        Values block;
        for (int64_t i = 0; i < lanes; i++)
          block.push_back(i < rows ? k.loadPart(source(), in + x + (c + i) * p.last.in, lanes, columns)
                                   : k.zero(elem, lanes));
        block = transposeBlock(k, block);
        for (int64_t i = 0; i < columns; i++)
          k.storePart(block[i], target(), out + c + (x + i) * p.across.out, rows);
      });
    });
  }

  KernelBuilder &k;
  int64_t bytes;
  Elem elem;
};

/// Loops over dims[i...], then body(in, out).
void nest(KernelBuilder &k, ArrayRef<Dim> dims, const Index &in, const Index &out,
          llvm::function_ref<void(const Index &, const Index &)> body) {
  if (dims.empty())
    return body(in, out);
  const Dim d = dims.front();
  k.loop(0, d.size, 1, [&](Index i) { nest(k, dims.drop_front(), in + i * d.in, out + i * d.out, body); });
}

} // namespace

/// A box of which some size or stride is only known at run time: the last dimension in vectors where both sides are
/// neighbours, the one before it as a loop, and tasks that share all others.
static Kernel emitOpenCopy(ModuleOp module, StringRef name, const CopyProblem &p, const Isa &isa) {
  KernelBuilder k(module, name, {p.elem, p.elem}, isa, std::nullopt, /*dynamicSizes=*/true);
  Dims dims;
  for (auto [size, in, out] : llvm::zip(p.sizes, p.inStrides, p.outStrides))
    if (size != 1)
      dims.push_back({size, in, out});
  // The dimension whose outputs are neighbours is the last one.
  if (auto *at = llvm::find_if(dims, [](const Dim &d) { return d.out == 1; }); at != dims.end())
    std::rotate(at, at + 1, dims.end());
  Dim last = dims.empty() ? Dim{1, 1, 1} : dims.pop_back_val();
  Index base = k.offset(p.inBase), to = k.offset(p.outBase), count = k.extent(last.size);
  bool neighbours = last.out == 1 && (last.in == 1 || last.in == 0);
  auto line = [&](const Index &in, const Index &out) {
    if (!neighbours)
      return k.loop(0, count, 1, [&](Index i) {
        k.store(k.load(k.arg(0), in + i * k.offset(last.in)), k.arg(1), out + i * k.offset(last.out));
      });
    Value one = last.in == 0 ? k.load(k.arg(0), in) : Value();
    k.forRow(count, 16 * isa.lanes / bytesOf(p.elem), [&](Index i, const Piece &piece) {
      Value v = one ? k.broadcast(one, piece.lanes) : k.load(k.arg(0), in + i, piece.lanes, piece.mask);
      k.store(v, k.arg(1), out + i, piece.mask);
    });
  };
  double us = estimateUs(nominal(p), isa);
  if (dims.empty() && neighbours && last.in == 1) {
    Share work = k.share({last.size}, us, 64);
    k.forRow(work.hi - work.lo, 16 * isa.lanes / bytesOf(p.elem), [&](Index i, const Piece &piece) {
      Value v = k.load(k.arg(0), base + work.lo + i, piece.lanes, piece.mask);
      k.store(v, k.arg(1), to + work.lo + i, piece.mask);
    });
    return {k.finish(), work.tasks};
  }
  Dim inner = dims.size() > 1 ? dims.pop_back_val() : Dim{1, 0, 0};
  SmallVector<int64_t> units;
  for (const Dim &d : dims)
    units.push_back(d.size);
  Share work = k.share(units, us);
  k.loop(work.lo, work.hi, 1, [&](Index u) {
    Index in = base, out = to;
    for (size_t i = dims.size(); i--;) {
      Index size = k.extent(dims[i].size), at = i ? u % size : u;
      u = u / size;
      in = in + at * k.offset(dims[i].in);
      out = out + at * k.offset(dims[i].out);
    }
    k.loop(0, k.extent(inner.size), 1, [&](Index i) { line(in + i * k.offset(inner.in), out + i * k.offset(inner.out)); });
  });
  return {k.finish(), work.tasks};
}

Kernel emitCopy(ModuleOp module, StringRef name, const CopyProblem &p, const Isa &isa) {
  if (hasDynamicSizes(p))
    return emitOpenCopy(module, name, p, isa);
  KernelBuilder k(module, name, {p.elem, p.elem}, isa);
  if (llvm::is_contained(p.sizes, 0))
    return {k.finish(), 1};
  CopyEmitter emitter(k, p.elem);
  Dims dims = normalize(p);
  Inner inner = takeInner(dims), rest = inner;
  double us = estimateUs(p, isa);

  // A long inner dimension becomes blocks, so that tasks can share it; what is left over is done by the last task.
  int64_t outer = 1;
  for (const Dim &d : dims)
    outer *= d.size;
  Dim &split = inner.across.size > 1 ? inner.across : inner.last;
  int64_t least = inner.mode == Mode::Transpose ? 64 : 1024, left = 0;
  int64_t block = std::max(least, (split.size / 24 + 63) / 64 * 64);
  Index restIn = p.inBase, restOut = p.outBase;
  if (outer < 16 && us > 10 && split.size >= 2 * block) {
    int64_t blocks = split.size / block;
    left = split.size % block;
    restIn = p.inBase + blocks * block * split.in;
    restOut = p.outBase + blocks * block * split.out;
    (rest.across.size > 1 ? rest.across : rest.last).size = left;
    dims.insert(dims.begin(), Dim{blocks, block * split.in, block * split.out});
    split.size = block;
  }

  // Tasks share the first dimensions; the others stay plain loops without divisions.
  size_t lead = 0;
  int64_t units = 1;
  while (lead < dims.size() && units < 32)
    units *= dims[lead++].size;
  int64_t chunk = KernelBuilder::chunkOf(units, us), tasks = (units + chunk - 1) / chunk;
  auto body = [&](const Index &in, const Index &out) { emitter.inner(inner, in, out); };
  if (tasks == 1) {
    nest(k, dims, p.inBase, p.outBase, body);
  } else {
    auto [lo, hi] = k.taskRange(units, chunk);
    k.loop(lo, hi, 1, [&](Index u) {
      Index in = p.inBase, out = p.outBase;
      for (size_t i = lead; i--;) {
        Index at = i ? u % dims[i].size : u;
        u = u / dims[i].size;
        in = in + at * dims[i].in;
        out = out + at * dims[i].out;
      }
      nest(k, ArrayRef<Dim>(dims).drop_front(lead), in, out, body);
    });
  }
  if (left)
    k.when(tasks == 1 ? k.equal(0, 0) : k.equal(k.task(), tasks - 1), [&] {
      nest(k, ArrayRef<Dim>(dims).drop_front(1), restIn, restOut,
           [&](const Index &in, const Index &out) { emitter.inner(rest, in, out); });
    });
  return {k.finish(), tasks};
}

double estimateUs(const CopyProblem &problem, const Isa &) {
  CopyProblem p = nominal(problem);
  Dims dims = normalize(p);
  double elements = 1;
  for (const Dim &d : dims)
    elements *= double(d.size);
  return elements * 1e-3 * (takeInner(dims).mode == Mode::Element ? 0.5 : double(bytesOf(p.elem)) / 48);
}

std::string refuse(const CopyProblem &p) {
  if (p.sizes.size() != p.inStrides.size() || p.sizes.size() != p.outStrides.size())
    return "sizes and strides of different lengths";
  if (llvm::any_of(p.outStrides, [](int64_t s) { return s < 1 && !isDynamicOffset(s); }))
    return "an output stride below 1";
  return "";
}

} // namespace tern::cpu
