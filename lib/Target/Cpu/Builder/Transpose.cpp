#include "lib/Target/Cpu/Builder/Transpose.h"

using namespace mlir;

namespace tern::cpu {
namespace {

int64_t bytesOfLane(Value v) { return getElementTypeOrSelf(v).getIntOrFloatBitWidth() / 8; }

/// Pairs of `unit` neighbouring lanes of a and b, alternating, from the low (high) half of every 16 bytes: punpckl /
/// punpckh.
Value unpack(KernelBuilder &k, Value a, Value b, int64_t unit, bool high) {
  int64_t n = k.lanesOf(a), half = 8 / bytesOfLane(a);
  SmallVector<int64_t> lanes;
  for (int64_t group = 0; group < n; group += 2 * half)
    for (int64_t i = 0; i < half; i += unit)
      for (int64_t source : {int64_t(0), n})
        for (int64_t j = 0; j < unit; j++)
          lanes.push_back(source + group + (high ? half : 0) + i + j);
  return k.shuffle(a, b, lanes);
}

/// Takes lane l of every result from one of the sources: `source(l)` is (vector, lane). One two-source shuffle per
/// further vector.
Value gather(KernelBuilder &k, ArrayRef<Value> vectors,
             llvm::function_ref<std::pair<int64_t, int64_t>(int64_t)> source) {
  int64_t n = k.lanesOf(vectors[0]);
  Value r = vectors[0];
  for (int64_t v = vectors.size() == 1 ? 0 : 1, e = vectors.size(); v < e; v++) {
    SmallVector<int64_t> lanes;
    for (int64_t l = 0; l < n; l++) {
      auto [from, lane] = source(l);
      bool first = v <= 1; // r is still vector 0 itself
      if (from == v)
        lanes.push_back((v ? n : 0) + lane);
      else
        lanes.push_back(first && from == 0 ? lane : l);
    }
    r = k.shuffle(r, vectors[v], lanes);
  }
  return r;
}

} // namespace

int64_t blockLanes(const Isa &isa, int64_t bytes) { return bytes == 4 ? isa.lanes : 16 / bytes; }

Values transposeBlock(KernelBuilder &k, Values rows) {
  int64_t n = rows.size(), bytes = bytesOfLane(rows[0]);
  if (n * bytes <= 16) {
    // Interleaving row i with row i + n / 2, log2(n) times.
    for (int64_t round = 1; round < n; round *= 2) {
      Values next;
      for (int64_t i = 0; i < n / 2; i++)
        for (bool high : {false, true})
          next.push_back(unpack(k, rows[i], rows[i + n / 2], 1, high));
      rows = next;
    }
    return rows;
  }
  // 4 x 4 inside of every 16 bytes, then whole 16-byte groups change places.
  for (int64_t r = 0; r < n; r += 4) {
    Value a = unpack(k, rows[r], rows[r + 1], 1, false), b = unpack(k, rows[r], rows[r + 1], 1, true);
    Value c = unpack(k, rows[r + 2], rows[r + 3], 1, false), d = unpack(k, rows[r + 2], rows[r + 3], 1, true);
    rows[r] = unpack(k, a, c, 2, false);
    rows[r + 1] = unpack(k, a, c, 2, true);
    rows[r + 2] = unpack(k, b, d, 2, false);
    rows[r + 3] = unpack(k, b, d, 2, true);
  }
  for (int64_t step = 4; step < n; step *= 2)
    for (int64_t i = 0; i < n; i++) {
      if (i & step)
        continue;
      SmallVector<int64_t> low, high;
      for (int64_t l = 0; l < n; l++) {
        low.push_back(l & step ? n + l - step : l);
        high.push_back(l & step ? n + l : l + step);
      }
      Value a = rows[i], b = rows[i + step];
      rows[i] = k.shuffle(a, b, low);
      rows[i + step] = k.shuffle(a, b, high);
    }
  return rows;
}

Values interleave(KernelBuilder &k, ArrayRef<Value> rows) {
  int64_t m = rows.size(), n = k.lanesOf(rows[0]);
  Values line;
  for (int64_t i = 0; i < m; i++)
    line.push_back(gather(k, rows, [&](int64_t l) {
      int64_t at = i * n + l;
      return std::pair(at % m, at / m);
    }));
  return line;
}

Values deinterleave(KernelBuilder &k, ArrayRef<Value> line) {
  int64_t m = line.size(), n = k.lanesOf(line[0]);
  Values rows;
  for (int64_t i = 0; i < m; i++)
    rows.push_back(gather(k, line, [&](int64_t l) {
      int64_t at = l * m + i;
      return std::pair(at / n, at % n);
    }));
  return rows;
}

/// One block more than fits, moved back; fewer positions than lanes are cut into powers of two.
static void forOpenBlocks(KernelBuilder &k, Index lo, const Index &size, int64_t lanes, llvm::function_ref<void(Index, int64_t)> body) {
  k.when(
      k.less(size, lanes),
      [&] {
        Index at = 0;
        for (int64_t count = lanes / 2; count; count /= 2) {
          Index end = at + (size - at) / count * count;
          k.loop(at, end, count, [&](Index i) { body(lo + i, count); });
          at = end;
        }
      },
      [&] { k.loop(0, size, lanes, [&](Index i) { body(lo + min(i, size - lanes), lanes); }); });
}

void forBlocks(KernelBuilder &k, Index lo, const Index &open, int64_t lanes, llvm::function_ref<void(Index, int64_t)> body) {
  if (!open.isConstant())
    return forOpenBlocks(k, lo, open, lanes, body);
  int64_t size = open.constant();
  int64_t full = size / lanes * lanes, rest = size - full;
  k.loop(0, full, lanes, [&](Index i) { body(lo + i, lanes); });
  if (!rest)
    return;
  if (full && !k.target().masks)
    body(lo + (size - lanes), lanes);
  else
    body(lo + full, rest);
}

} // namespace tern::cpu
