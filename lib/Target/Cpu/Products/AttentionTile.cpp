#include "lib/Target/Cpu/Products/AttentionTile.h"
#include "lib/Target/Cpu/Builder/Transpose.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <limits>

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace tern::cpu {
namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float largest = std::numeric_limits<float>::max();
int64_t roundUp(int64_t v, int64_t to) { return (v + to - 1) / to * to; }
} // namespace

AttentionPlan::AttentionPlan(const AttentionProblem &p, const Isa &isa)
    : lanes(isa.lanes), queries(2 * isa.lanes), keyTile(isa.registers >= 32 ? 12 : 6), rowTile(isa.registers >= 32 ? 8 : 4) {
  keyBlock = 192;
  if (!isDynamic(p.keys) && p.keys < keyBlock)
    keyBlock = roundUp(roundUp(p.keys, keyTile), lanes);
  transposedMask = p.maskKind != AttentionProblem::None && p.mask.strides[2] != 0;
  widthPadded = roundUp(p.width, lanes);
  q = 0;
  scores = q + p.depth * queries;
  // A clamped tile writes rows behind the last key.
  int64_t block = (keyBlock + keyTile) * queries;
  mask = scores + block;
  out = mask + (transposedMask ? (keyBlock + lanes) * queries : 0);
  factors = out + queries * widthPadded;
  total = factors + roundUp(queries, 16);
}

AttentionTile::AttentionTile(KernelBuilder &k, const AttentionProblem &p, const AttentionPlan &plan, unsigned maskArg,
                             unsigned outArg)
    : k(k), p(p), plan(plan), maskMemref(p.maskKind == AttentionProblem::None ? Value() : k.arg(maskArg)), out(k.arg(outArg)),
      scratch(k.stack(plan.total)), keys(k.extent(p.keys)), lag(k.extent(p.keys) - k.extent(p.queries)),
      L(plan.lanes) {}

Value AttentionTile::toI32(const Index &i) {
  if (i.isConstant())
    return k.i32(i.constant());
  return arith::IndexCastOp::create(k.builder(), k.loc(), k.i32Type(), k.value(i));
}

AttentionTile::Range AttentionTile::visible(const Index &first, const Index &last) {
  Range range{0, keys};
  if (p.causal)
    range.hi = max(min(keys, last + lag + 1), 0);
  if (p.window)
    range.lo = min(max(first + lag - (p.window - 1), 0), range.hi);
  return range;
}

Value AttentionTile::loadMask(const Index &at, int64_t lanes, Value lanesMask) {
  Value v = k.load(maskMemref, at, lanes, lanesMask);
  if (p.maskKind == AttentionProblem::Added)
    return v;
  Value seen = arith::CmpIOp::create(k.builder(), k.loc(), CmpIPredicate::ne, v, k.zero(Elem::U8, lanes));
  return k.select(seen, k.f32(0, lanes), k.f32(-infinity, lanes));
}

Value AttentionTile::cap(Value score) {
  if (p.softcap == 0)
    return score;
  int64_t n = KernelBuilder::lanesOf(score);
  return k.mul(vmath::tanh(k, k.mul(score, k.f32(1 / p.softcap, n))), k.f32(p.softcap, n));
}

/// Keys after the position of the query, or before its window, are not seen.
Value AttentionTile::hide(Value score, Value position, Value key) {
  int64_t n = KernelBuilder::lanesOf(score);
  auto keep = [&](Value seen) { score = k.select(seen, score, k.f32(-infinity, n)); };
  if (p.causal)
    keep(arith::CmpIOp::create(k.builder(), k.loc(), CmpIPredicate::sle, key, position));
  if (p.window)
    keep(arith::CmpIOp::create(k.builder(), k.loc(), CmpIPredicate::sgt, key, k.subi(position, k.i32(p.window, n))));
  return score;
}

//===- Many queries -----------------------------------------------------------===//

/// q of the block, scaled, [depth][queries]; rows behind the last query repeat it.
void AttentionTile::packQueries(const AttentionHead &head, const Index &first, int64_t vectors) {
  Index last = k.extent(p.queries) - 1, stride = k.offset(p.q.strides[2]);
  for (int64_t v = 0; v < vectors; v++) {
    SmallVector<Index> rows;
    for (int64_t i = 0; i < L; i++)
      rows.push_back(head.q + min(first + (v * L + i), last) * stride);
    auto turn = [&](const Index &d, int64_t count) {
      Values block;
      for (const Index &row : rows)
        block.push_back(k.mul(k.loadPart(k.arg(0), row + d, L, count), k.f32(p.scale, L)));
      block = transposeBlock(k, block);
      for (int64_t j = 0; j < count; j++)
        k.store(block[j], scratch, scratchAt(plan.q) + (d + j) * plan.queries + v * L);
    };
    int64_t full = p.depth / L * L;
    k.loop(0, full, L, [&](Index d) { turn(d, L); });
    if (full < p.depth)
      turn(full, p.depth - full);
  }
}

/// The mask of the block like the scores: [keys][queries].
void AttentionTile::packMask(const AttentionHead &head, const Index &first, const Range &keys, int64_t vectors) {
  Index last = k.extent(p.queries) - 1, stride = k.offset(p.mask.strides[2]);
  bool flat = p.mask.strides[3] == 0;
  for (int64_t v = 0; v < vectors; v++) {
    SmallVector<Index> rows;
    for (int64_t i = 0; i < L; i++)
      rows.push_back(head.mask + min(first + (v * L + i), last) * stride);
    auto turn = [&](const Index &t, Value lanesMask) {
      Values block;
      for (const Index &row : rows)
        block.push_back(flat ? k.broadcast(k.extract(loadMask(row, 1, {}), 0), L) : loadMask(row + t, L, lanesMask));
      block = transposeBlock(k, block);
      for (int64_t j = 0; j < L; j++)
        k.store(block[j], scratch, scratchAt(plan.mask) + (t - keys.lo + j) * plan.queries + v * L);
    };
    Index count = keys.hi - keys.lo, full = keys.lo + count / L * L;
    k.loop(keys.lo, full, L, [&](Index t) { turn(t, {}); });
    if (!count.isConstant() || count.constant() % L)
      k.loop(full, keys.hi, L, [&](Index t) { turn(t, k.maskOf(keys.hi - t, L)); });
  }
}

/// Scores of keys t .. t + rows - 1; returns the running maxima. Clamped: keys behind the last one repeat it.
Values AttentionTile::scoreTile(const AttentionHead &head, const Range &block, const Index &t, int64_t rows, bool clamped,
                                int64_t vectors, const Values &positions, ValueRange max) {
  Index stride = k.offset(p.k.strides[2]), start = head.k + t * stride;
  SmallVector<Index> number, at;
  for (int64_t i = 0; i < rows; i++) {
    number.push_back(clamped ? min(t + i, block.hi - 1) : t + i);
    at.push_back(clamped ? head.k + number[i] * stride : start + stride * i);
  }
  Values acc(rows * vectors, k.f32(0, L));
  auto step = [&](const Index &d, ValueRange a) {
    Values next(a), q;
    for (int64_t v = 0; v < vectors; v++)
      q.push_back(k.load(scratch, scratchAt(plan.q) + d * plan.queries + v * L, L));
    for (int64_t i = 0; i < rows; i++) {
      Value key = k.broadcast(k.load(k.arg(1), at[i] + d), L);
      for (int64_t v = 0; v < vectors; v++)
        next[i * vectors + v] = k.fma(key, q[v], next[i * vectors + v]);
    }
    return next;
  };
  int64_t even = p.depth / 2 * 2;
  acc = k.loop(0, even, 2, acc, [&](Index d, ValueRange a) { return step(d + 1, step(d, a)); });
  if (even < p.depth)
    acc = step(even, acc);

  Values next(max);
  for (int64_t i = 0; i < rows; i++) {
    Value masked, key;
    if (maskMemref && !plan.transposedMask) {
      Index from = head.mask + (p.mask.strides[3] == 0 ? Index(0) : number[i]);
      masked = k.broadcast(k.extract(loadMask(from, 1, {}), 0), L);
    }
    if (p.causal || p.window)
      key = k.broadcast(toI32(number[i]), L);
    for (int64_t v = 0; v < vectors; v++) {
      Value s = cap(acc[i * vectors + v]);
      if (plan.transposedMask)
        s = k.add(s, k.load(scratch, scratchAt(plan.mask) + (number[i] - block.lo) * plan.queries + v * L, L));
      else if (masked)
        s = k.add(s, masked);
      if (key)
        s = hide(s, positions[v], key);
      next[v] = k.fmax(s, next[v]);
      k.store(s, scratch, scratchAt(plan.scores) + (t - block.lo + i) * plan.queries + v * L);
    }
  }
  return next;
}

/// out += p v for all queries of the block: rows of the turned scores are broadcast, v is read where it lies.
void AttentionTile::outputTiles(const AttentionHead &head, const Range &block, int64_t vectors, bool single) {
  Index stride = k.offset(p.v.strides[2]);
  auto tile = [&](const Index &row, int64_t e, int64_t columns) {
    SmallVector<int64_t> counts;
    for (int64_t c = 0; c < columns; c++)
      counts.push_back(std::min(L, p.width - e - c * L));
    Values acc;
    for (int64_t i = 0; i < plan.rowTile; i++)
      for (int64_t c = 0; c < columns; c++) {
        if (single) {
          acc.push_back(k.f32(0, L));
          continue;
        }
        Value factor = k.broadcast(k.load(scratch, scratchAt(plan.factors) + row + i), L);
        acc.push_back(k.mul(factor, k.load(scratch, scratchAt(plan.out) + (row + i) * plan.widthPadded + e + c * L, L)));
      }
    acc = k.loop(block.lo, block.hi, 1, acc, [&](Index t, ValueRange a) {
      Values next(a), v;
      for (int64_t c = 0; c < columns; c++)
        v.push_back(k.loadPart(k.arg(2), head.v + t * stride + e + c * L, L, counts[c]));
      for (int64_t i = 0; i < plan.rowTile; i++) {
        Value weight = k.broadcast(k.load(scratch, scratchAt(plan.scores) + (t - block.lo) * plan.queries + row + i), L);
        for (int64_t c = 0; c < columns; c++)
          next[i * columns + c] = k.fma(weight, v[c], next[i * columns + c]);
      }
      return next;
    });
    for (int64_t i = 0; i < plan.rowTile; i++)
      for (int64_t c = 0; c < columns; c++)
        k.store(acc[i * columns + c], scratch, scratchAt(plan.out) + (row + i) * plan.widthPadded + e + c * L);
  };
  k.loop(0, vectors * L, plan.rowTile, [&](Index row) {
    int64_t e = 0;
    for (; e + L < p.width; e += 2 * L)
      tile(row, e, 2);
    if (e < p.width)
      tile(row, e, 1);
  });
}

void AttentionTile::block(const AttentionHead &head, const Index &first, const Index &count, int64_t vectors) {
  packQueries(head, first, vectors);
  Range all = visible(first, first + count - 1);
  bool single = all.lo.isConstant() && all.hi.isConstant() && all.hi.constant() <= plan.keyBlock;
  Values positions;
  if (p.causal || p.window)
    for (int64_t v = 0; v < vectors; v++) {
      SmallVector<int32_t> lane;
      for (int64_t i = 0; i < L; i++)
        lane.push_back(v * L + i);
      Value lanes = k.constant(DenseElementsAttr::get(cast<ShapedType>(k.i32Type(L)), ArrayRef<int32_t>(lane)));
      positions.push_back(k.addi(k.broadcast(toI32(first + lag), L), lanes));
    }
  if (!single)
    for (int64_t c = 0; c < plan.widthPadded; c += L)
      k.loop(0, vectors * L, 1,
             [&](Index i) { k.store(k.f32(0, L), scratch, scratchAt(plan.out) + i * plan.widthPadded + c); });

  // Carried from block to block: the maxima, the sums.
  Values state(vectors, k.f32(-infinity, L));
  state.append(vectors, k.f32(0, L));
  state = k.loop(all.lo, all.hi, plan.keyBlock, state, [&](Index lo, ValueRange carried) {
    Range keys{lo, single ? all.hi : min(lo + plan.keyBlock, all.hi)};
    if (plan.transposedMask)
      packMask(head, first, keys, vectors);
    Values max(vectors, k.f32(-infinity, L));
    Index n = keys.hi - keys.lo;
    int64_t tail = n.isConstant() ? n.constant() % plan.keyTile : -1;
    Index full = keys.lo + n / plan.keyTile * plan.keyTile;
    max = k.loop(keys.lo, full, plan.keyTile, max,
                 [&](Index t, ValueRange m) { return scoreTile(head, keys, t, plan.keyTile, false, vectors, positions, m); });
    if (tail > 0)
      max = scoreTile(head, keys, full, tail, false, vectors, positions, max);
    else if (tail < 0)
      max = k.loop(full, keys.hi, 4, max,
                   [&](Index t, ValueRange m) { return scoreTile(head, keys, t, 4, true, vectors, positions, m); });
    Values bound, maxima, sums;
    for (int64_t v = 0; v < vectors; v++) {
      maxima.push_back(single ? max[v] : k.fmax(max[v], carried[v]));
      // Where nothing is seen the maximum is -inf: a finite bound keeps the differences from being NaN.
      bound.push_back(k.fmax(maxima[v], k.f32(-largest, L)));
      if (single) {
        sums.push_back(k.f32(0, L));
        continue;
      }
      Value factor = vmath::expNegative(k, k.sub(carried[v], bound[v]));
      k.store(factor, scratch, scratchAt(plan.factors) + v * L);
      sums.push_back(k.mul(carried[vectors + v], factor));
    }
    sums = k.loop(keys.lo, keys.hi, 1, sums, [&](Index t, ValueRange s) {
      Values more;
      for (int64_t v = 0; v < vectors; v++) {
        Index at = scratchAt(plan.scores) + (t - keys.lo) * plan.queries + v * L;
        Value e = vmath::expUnit(k, k.sub(k.load(scratch, at, L), bound[v]));
        k.store(e, scratch, at);
        more.push_back(k.add(s[v], e));
      }
      return more;
    });
    outputTiles(head, keys, vectors, single);
    maxima.append(sums);
    return maxima;
  });
  for (int64_t v = 0; v < vectors; v++) {
    Value sum = state[vectors + v];
    Value none = k.compare(CmpFPredicate::OEQ, sum, k.f32(0, L));
    k.store(k.select(none, k.f32(0, L), k.div(k.f32(1, L), sum)), scratch, scratchAt(plan.factors) + v * L);
  }
  // A causal block without keys has not written its rows.
  bool written = single && all.hi.constant() > 0;
  if (single && !written)
    for (int64_t c = 0; c < plan.widthPadded; c += L)
      k.loop(0, vectors * L, 1,
             [&](Index i) { k.store(k.f32(0, L), scratch, scratchAt(plan.out) + i * plan.widthPadded + c); });
  Index stride = k.offset(p.out.strides[2]);
  k.loop(0, count, 1, [&](Index i) {
    Value factor = k.broadcast(k.load(scratch, scratchAt(plan.factors) + i), L);
    for (int64_t c = 0; c < p.width; c += L) {
      Value v = k.mul(factor, k.load(scratch, scratchAt(plan.out) + i * plan.widthPadded + c, L));
      k.storePart(v, out, head.out + (first + i) * stride + c, std::min(L, p.width - c));
    }
  });
}

//===- One query --------------------------------------------------------------===//

/// Lane i of the result is the sum of the lanes of row i.
Value AttentionTile::foldLanes(Values rows) {
  int64_t n = rows.size();
  for (int64_t half = 1; half < n; half *= 2) {
    // Rows whose numbers differ in this bit share a vector: lanes with the bit clear hold the first one's sums.
    Values next;
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < n; i++) {
      int64_t pair = i & ~half;
      low.push_back(i & half ? n + pair : i);
      high.push_back(i & half ? n + i : i + half);
    }
    for (size_t i = 0; i < rows.size(); i += 2)
      next.push_back(k.add(k.shuffle(rows[i], rows[i + 1], low), k.shuffle(rows[i], rows[i + 1], high)));
    rows = next;
  }
  return rows[0];
}

/// The weighted values in scratch over the sum of their weights; nothing where no key was seen.
void AttentionTile::finish(Value sum, const Index &from, const Index &to) {
  Value none = k.compare(CmpFPredicate::OEQ, sum, k.f32(0));
  Value factor = k.broadcast(k.select(none, k.f32(0), k.div(k.f32(1), sum)), L);
  for (int64_t c = 0; c < p.width; c += L)
    k.storePart(k.mul(factor, k.load(scratch, from + c, L)), out, to + c, std::min(L, p.width - c));
}

void AttentionTile::query(const AttentionHead &head, const Index &query, int64_t heads, const AttentionShare &share) {
  Index keyStride = k.offset(p.k.strides[2]), valueStride = k.offset(p.v.strides[2]);
  bool masked = p.maskKind != AttentionProblem::None;
  auto maskAt = [&](int64_t h) { return head.mask + query * k.offset(p.mask.strides[2]) + k.offset(p.mask.strides[1]) * h; };
  SmallVector<Values> q(heads);
  SmallVector<int64_t> counts;
  for (int64_t d = 0; d < p.depth; d += L)
    counts.push_back(std::min(L, p.depth - d));
  for (int64_t h = 0; h < heads; h++) {
    Index at = head.q + query * k.offset(p.q.strides[2]) + k.offset(p.q.strides[1]) * h;
    for (auto [j, count] : llvm::enumerate(counts))
      q[h].push_back(k.mul(k.loadPart(k.arg(0), at + int64_t(j) * L, L, count), k.f32(p.scale, L)));
  }
  auto outAt = [&](int64_t h) { return scratchAt(plan.out + h * plan.widthPadded); };
  for (int64_t h = 0; h < heads; h++)
    for (int64_t c = 0; c < plan.widthPadded; c += L)
      k.store(k.f32(0, L), scratch, outAt(h) + c);
  Range all = visible(query, query);
  if (share.partials) {
    Index some = ((all.hi - all.lo + share.parts - 1) / share.parts + (L - 1)) / L * L;
    all.lo = min(all.lo + share.part * some, all.hi);
    all.hi = min(all.lo + some, all.hi);
  }
  int64_t blockKeys = plan.keyBlock * plan.queries / heads / L * L;
  auto scoresAt = [&](int64_t h) { return scratchAt(plan.scores + h * blockKeys); };
  // Carried from block to block: the maxima, the sums.
  Values start(heads, k.f32(-infinity));
  start.append(heads, k.f32(0));
  Values state = k.loop(all.lo, all.hi, blockKeys, start, [&](Index lo, ValueRange carried) {
    Range keys{lo, min(lo + blockKeys, all.hi)};
    // Some keys for all heads of a group: the others find them in the nearest cache.
    auto scores = [&](const Index &t, bool clamped, ValueRange max) {
      Value inside = clamped ? k.maskOf(keys.hi - t, L) : Value();
      Values next;
      for (int64_t h = 0; h < heads; h++) {
        Values rows;
        for (int64_t i = 0; i < L; i++) {
          Index at = clamped ? head.k + min(t + i, keys.hi - 1) * keyStride : head.k + t * keyStride + keyStride * i;
          Value acc;
          for (auto [j, qv] : llvm::enumerate(q[h])) {
            Value key = k.loadPart(k.arg(1), at + int64_t(j) * L, L, counts[j]);
            acc = acc ? k.fma(key, qv, acc) : k.mul(key, qv);
          }
          rows.push_back(acc);
        }
        Value s = cap(foldLanes(rows));
        if (masked)
          s = k.add(s, p.mask.strides[3] == 0 ? k.broadcast(k.extract(loadMask(maskAt(h), 1, {}), 0), L) : loadMask(maskAt(h) + t, L, inside));
        if (inside)
          s = k.select(inside, s, k.f32(-infinity, L));
        k.store(s, scratch, scoresAt(h) + (t - keys.lo));
        next.push_back(k.fmax(s, max[h]));
      }
      return next;
    };
    Index full = keys.lo + (keys.hi - keys.lo) / L * L;
    Values max = k.loop(keys.lo, full, L, Values(heads, k.f32(-infinity, L)), [&](Index t, ValueRange m) { return scores(t, false, m); });
    max = k.loop(full, keys.hi, L, max, [&](Index t, ValueRange m) { return scores(t, true, m); });
    Values next, sums, factors;
    for (int64_t h = 0; h < heads; h++) {
      Value most = k.fmax(k.reduceMax(max[h]), carried[h]), bound = k.fmax(most, k.f32(-largest));
      factors.push_back(k.extract(vmath::expNegative(k, k.broadcast(k.sub(carried[h], bound), 1)), 0));
      Value sum = k.loop(keys.lo, keys.hi, L, Values{k.f32(0, L)}, [&](Index t, ValueRange s) {
        Index at = scoresAt(h) + (t - keys.lo);
        Value e = vmath::expUnit(k, k.sub(k.load(scratch, at, L), k.broadcast(bound, L)));
        k.store(e, scratch, at);
        return Values{k.add(s[0], e)};
      })[0];
      next.push_back(most);
      sums.push_back(k.add(k.mul(carried[heads + h], factors[h]), k.reduceAdd(sum)));
    }
    // Several keys at once, so that the sums are chains side by side.
    int64_t columns = std::clamp<int64_t>(k.target().registers / 2 / heads, 1, std::min<int64_t>(4, plan.widthPadded / L));
    int64_t unroll = k.target().registers / 2 / (columns * heads) >= 4 ? 4 : 1;
    for (int64_t e = 0; e < plan.widthPadded; e += columns * L) {
      int64_t some = std::min(columns, (plan.widthPadded - e) / L), chains = heads * some;
      auto add = [&](const Index &t, MutableArrayRef<Value> acc) {
        Values v;
        for (int64_t c = 0; c < some; c++)
          v.push_back(k.loadPart(k.arg(2), head.v + t * valueStride + e + c * L, L, std::min(L, p.width - e - c * L)));
        for (int64_t h = 0; h < heads; h++) {
          Value weight = k.broadcast(k.load(scratch, scoresAt(h) + (t - keys.lo)), L);
          for (int64_t c = 0; c < some; c++)
            acc[h * some + c] = k.fma(weight, v[c], acc[h * some + c]);
        }
      };
      Values acc;
      for (int64_t h = 0; h < heads; h++)
        for (int64_t c = 0; c < some; c++)
          acc.push_back(k.mul(k.broadcast(factors[h], L), k.load(scratch, outAt(h) + e + c * L, L)));
      acc.append((unroll - 1) * chains, k.f32(0, L));
      Index even = keys.lo + (keys.hi - keys.lo) / unroll * unroll;
      acc = k.loop(keys.lo, even, unroll, acc, [&](Index t, ValueRange a) {
        Values next(a);
        for (int64_t u = 0; u < unroll; u++)
          add(t + u, MutableArrayRef<Value>(next).slice(u * chains, chains));
        return next;
      });
      for (int64_t u = 1; u < unroll; u++)
        for (int64_t i = 0; i < chains; i++)
          acc[i] = k.add(acc[i], acc[u * chains + i]);
      acc.resize(chains);
      acc = k.loop(even, keys.hi, 1, acc, [&](Index t, ValueRange a) {
        Values next(a);
        add(t, next);
        return next;
      });
      for (int64_t i = 0; i < chains; i++)
        k.store(acc[i], scratch, outAt(i / some) + e + i % some * L);
    }
    next.append(sums);
    return next;
  });
  auto whole = [&] {
    for (int64_t h = 0; h < heads; h++)
      finish(state[heads + h], outAt(h), head.out + query * k.offset(p.out.strides[2]) + k.offset(p.out.strides[1]) * h);
  };
  if (!share.partials)
    return whole();
  k.when(k.equal(share.parts, 1), whole, [&] {
    for (int64_t h = 0; h < heads; h++) {
      Index to = share.at + h * share.headStride;
      for (int64_t c = 0; c < plan.widthPadded; c += L)
        k.storePart(k.load(scratch, outAt(h) + c, L), share.partials, to + c, std::min(L, p.width - c));
      k.store(state[h], share.partials, to + (p.partFloats() - 16));
      k.store(state[heads + h], share.partials, to + (p.partFloats() - 15));
    }
  });
}

//===- Parts of the keys ------------------------------------------------------===//

Index AttentionTile::parts() {
  Index queries = k.extent(p.queries);
  Index parts = max(min((keys + (p.keysOfPart - 1)) / p.keysOfPart, p.together()), 1);
  if (queries.isConstant())
    return queries.constant() <= p.few ? parts : Index(1);
  return Index(k, k.select(k.less(queries, p.few + 1), k.value(parts), k.value(1)));
}

Index AttentionTile::partialAt(const Index &picture, const Index &head, const Index &query, const Index &part) {
  return (((picture * p.heads + head) * p.few + query) * p.together() + part) * p.partFloats();
}

void AttentionTile::join(Value partials, const Index &picture) {
  Index count = parts();
  auto at = [&](const Index &h, const Index &i, const Index &part) { return partialAt(picture, h, i, part); };
  k.when(k.less(1, count), [&] {
    k.loop(0, p.heads, 1, [&](Index h) {
      k.loop(0, k.extent(p.queries), 1, [&](Index i) {
        Value most = k.loop(0, count, 1, Values{k.f32(-infinity)}, [&](Index part, ValueRange m) {
          return Values{k.fmax(k.load(partials, at(h, i, part) + (p.partFloats() - 16)), m[0])};
        })[0];
        Value bound = k.fmax(most, k.f32(-largest));
        for (int64_t c = 0; c < plan.widthPadded; c += L)
          k.store(k.f32(0, L), scratch, scratchAt(plan.out) + c);
        Value sum = k.loop(0, count, 1, Values{k.f32(0)}, [&](Index part, ValueRange s) {
          Index from = at(h, i, part);
          Value less = k.sub(k.load(partials, from + (p.partFloats() - 16)), bound);
          Value factor = k.extract(vmath::expNegative(k, k.broadcast(less, 1)), 0), wide = k.broadcast(factor, L);
          for (int64_t c = 0; c < plan.widthPadded; c += L) {
            Value v = k.loadPart(partials, from + c, L, std::min(L, p.width - c));
            k.store(k.fma(wide, v, k.load(scratch, scratchAt(plan.out) + c, L)), scratch, scratchAt(plan.out) + c);
          }
          return Values{k.fma(factor, k.load(partials, from + (p.partFloats() - 15)), s[0])};
        })[0];
        finish(sum, scratchAt(plan.out),
               picture * k.offset(p.out.strides[0]) + h * k.offset(p.out.strides[1]) + i * k.offset(p.out.strides[2]) + k.offset(p.out.base));
      });
    });
  });
}

} // namespace tern::cpu
