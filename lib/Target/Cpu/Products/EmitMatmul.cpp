// Products of two activations. The right one is read where it lies when its columns are neighbours; when its rows are
// (q k^T), blocks of it are turned on the stack first. One column is a dot product a row.
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Builder/Transpose.h"

using namespace mlir;

namespace tern::cpu {
namespace {

/// Rows of a turned block: with two registers of columns it stays in the first-level cache. And additions of one chain: the error of a sum grows
/// with the root of their number.
constexpr int64_t kBlock = 256;

class MatmulEmitter {
public:
  MatmulEmitter(KernelBuilder &k, const MatmulProblem &p)
      : k(k), p(p), L(k.lanes()), rank(p.outer.size()), turned(p.w.strides[rank + 1] != 1), rows(k.target().registers >= 32 ? 12 : 6),
        out(k.arg(p.bias ? 3 : 2)) {
    if (turned)
      panel = k.stack(kBlock * 2 * L);
  }

  /// Rows lo .. hi of one product whose operands begin at these offsets.
  void run(const Index &x, const Index &w, const Index &to, const Index &lo, const Index &hi) {
    Index n = k.extent(p.n), depth = k.extent(p.k);
    if (p.n == 1 && p.w.strides[rank] == 1 && p.x.strides[rank + 1] == 1)
      return dots(x, w, to, lo, hi);
    int64_t width = 2 * L;
    while (n.isConstant() && width > 1 && width / 2 >= n.constant())
      width /= 2;
    k.forRow(n, width, [&](Index column, const Piece &piece) {
      // Without a sum the result is the bias.
      if (!depth.isConstant() || depth.constant() == 0)
        k.when(k.equal(depth, 0), [&] { tiles(x, k.arg(1), w, 0, 0, 0, to + column, column, lo, hi, piece, true); });
      k.loop(0, depth, kBlock, [&](Index k0) {
        Index k1 = min(k0 + kBlock, depth);
        if (turned)
          turn(w, column, k0, k1, piece);
        auto body = [&](bool first) {
          tiles(x, turned ? panel : k.arg(1), turned ? Index(0) : w + column, turned ? Index(2 * L) : k.offset(p.w.strides[rank]), k0, k1,
                to + column, column, lo, hi, piece, first);
        };
        if (depth.isConstant() && depth.constant() <= kBlock)
          return body(true);
        k.when(k.equal(k0, 0), [&] { body(true); }, [&] { body(false); });
      });
    });
  }

private:
  /// One column whose elements are neighbours, as those of a row: lanes lie along the reduction.
  void dots(const Index &x, const Index &w, const Index &to, const Index &lo, const Index &hi) {
    Index depth = k.extent(p.k), at = lo;
    int64_t width = 2 * L;
    while (depth.isConstant() && width > 1 && width / 2 >= depth.constant())
      width /= 2;
    for (int64_t count : {4, 1}) {
      Index end = at + (hi - at) / count * count;
      k.loop(at, end, count, [&](Index m) {
        Values sums(count, k.f32(0, width));
        sums = k.forRow(depth, width, sums, [&](Index d, const Piece &piece, ValueRange before) {
          Value weight = k.load(k.arg(1), w + d, piece.lanes, piece.mask);
          Values next;
          for (int64_t i = 0; i < count; i++) {
            Value row = k.load(k.arg(0), x + (m + i) * k.offset(p.x.strides[rank]) + d, piece.lanes, piece.mask);
            Value sum = k.fma(row, weight, k.slice(before[i], 0, piece.lanes));
            next.push_back(piece.lanes == width ? sum : k.insert(sum, before[i], 0));
          }
          return next;
        });
        for (int64_t i = 0; i < count; i++) {
          Value sum = k.reduceAdd(sums[i]);
          k.store(p.bias ? k.add(sum, k.load(k.arg(2), 0)) : sum, out, to + (m + i) * k.offset(p.out.strides[rank]));
        }
      });
      at = end;
    }
  }

  /// panel[k - k0][column] of a block: rows of w become columns; those behind the last one repeat it.
  void turn(const Index &w, const Index &column, const Index &k0, const Index &k1, const Piece &piece) {
    Index last = k.extent(p.n) - 1, stride = k.offset(p.w.strides[rank + 1]);
    for (int64_t v = 0; v * L < piece.lanes; v++) {
      SmallVector<Index> from;
      for (int64_t i = 0; i < L; i++)
        from.push_back(w + min(column + (v * L + i), last) * stride);
      auto some = [&](const Index &at, Value mask) {
        Values block;
        for (const Index &row : from)
          block.push_back(k.load(k.arg(1), row + at, L, mask));
        block = transposeBlock(k, block);
        for (int64_t j = 0; j < L; j++)
          k.store(block[j], panel, (at - k0 + j) * (2 * L) + v * L);
      };
      Index full = k0 + (k1 - k0) / L * L;
      k.loop(k0, full, L, [&](Index at) { some(at, {}); });
      k.loop(full, k1, L, [&](Index at) { some(at, k.maskOf(k1 - at, L)); });
    }
  }

  void tiles(const Index &x, Value w, const Index &wAt, const Index &wStep, const Index &k0, const Index &k1, const Index &to, const Index &column,
             const Index &lo, const Index &hi, const Piece &piece, bool first) {
    Index at = lo;
    for (int64_t count : {rows, int64_t(4), int64_t(1)}) {
      Index end = lo + (hi - lo) / count * count;
      if (count < rows)
        end = at + (hi - at) / count * count;
      k.loop(at, end, count, [&](Index m) { tile(x, w, wAt, wStep, k0, k1, to, column, m, count, piece, first); });
      at = end;
    }
  }

  void tile(const Index &x, Value w, const Index &wAt, const Index &wStep, const Index &k0, const Index &k1, const Index &to, const Index &column,
            const Index &m, int64_t count, const Piece &piece, bool first) {
    int64_t lanes = piece.lanes;
    SmallVector<Index> from, target;
    for (int64_t i = 0; i < count; i++) {
      from.push_back(x + (m + i) * k.offset(p.x.strides[rank]));
      target.push_back(to + (m + i) * k.offset(p.out.strides[rank]));
    }
    Values acc;
    Value start = first && p.bias ? k.load(k.arg(2), column, lanes, piece.mask) : k.f32(0, lanes);
    acc.assign(count, first ? start : k.f32(0, lanes));
    Index xStep = k.offset(p.x.strides[rank + 1]);
    acc = k.loop(k0, k1, 1, acc, [&](Index d, ValueRange a) {
      // A turned block has whole registers in every row.
      Value weight = k.load(w, wAt + (d - (turned ? k0 : Index(0))) * wStep, lanes, turned ? Value() : piece.mask);
      Values next;
      for (int64_t i = 0; i < count; i++)
        next.push_back(k.fma(k.broadcast(k.load(k.arg(0), from[i] + d * xStep), lanes), weight, a[i]));
      return next;
    });
    for (int64_t i = 0; i < count; i++)
      k.store(first ? acc[i] : k.add(acc[i], k.load(out, target[i], lanes, piece.mask)), out, target[i], piece.mask);
  }

  KernelBuilder &k;
  const MatmulProblem &p;
  int64_t L;
  size_t rank;
  bool turned;
  int64_t rows;
  Value out, panel;
};

} // namespace

double estimateUs(const MatmulProblem &problem, const Isa &isa) {
  MatmulProblem p = nominal(problem);
  double outer = 1;
  for (int64_t size : p.outer)
    outer *= double(size);
  return outer * double(p.m) * double(p.n) * double(p.k) * 0.2e-3 / double(isa.lanes);
}

Kernel emitMatmul(ModuleOp module, StringRef name, const MatmulProblem &p, const Isa &isa) {
  SmallVector<Elem> args(p.bias ? 4 : 3, Elem::F32);
  KernelBuilder k(module, name, args, isa, std::nullopt, hasDynamicSizes(p));
  MatmulEmitter emitter(k, p);
  // Rows of a task: enough of them to be worth a turned block, few enough for all threads.
  int64_t chunk = 96, outer = 1;
  for (int64_t size : p.outer)
    outer *= isDynamic(size) ? kNominalSize : size;
  if (!isDynamic(p.m) && outer < 4 && p.m <= 4 * chunk)
    chunk = std::max<int64_t>(12, (p.m / 4 + 11) / 12 * 12);
  Index m = k.extent(p.m), perProduct = (m + (chunk - 1)) / chunk, part = k.task() % perProduct, u = k.task() / perProduct;
  SmallVector<Index> index(p.outer.size(), 0);
  for (size_t d = p.outer.size(); d--;) {
    Index size = k.extent(p.outer[d]);
    index[d] = d ? u % size : u;
    u = d ? u / size : u;
  }
  auto start = [&](const View &view) {
    Index at = k.offset(view.base);
    for (size_t d = 0; d < p.outer.size(); d++)
      if (view.strides[d] != 0)
        at = at + index[d] * k.offset(view.strides[d]);
    return at;
  };
  emitter.run(start(p.x), start(p.w), start(p.out), part * chunk, min(part * chunk + chunk, m));
  TaskCount tasks = TaskCount::of({p.m}, chunk);
  for (int64_t size : p.outer)
    tasks = tasks * TaskCount::of({size});
  return {k.finish(), tasks};
}

std::string refuse(const MatmulProblem &p) {
  size_t rank = p.outer.size();
  for (const View *view : {&p.x, &p.w, &p.out})
    if (view->strides.size() != rank + 2 || view->elem != Elem::F32)
      return "an operand that is not f32 with a stride for each dimension";
  if (p.w.strides[rank] != 1 && p.w.strides[rank + 1] != 1)
    return "a right operand of which neither rows nor columns are neighbours";
  if (p.out.strides[rank + 1] != 1)
    return "a result whose columns are not neighbours";
  return "";
}

} // namespace tern::cpu
