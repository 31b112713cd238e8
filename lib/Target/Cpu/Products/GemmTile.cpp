//===- GemmTile.cpp - the register tiles of a matrix product --------------===//
#include "lib/Target/Cpu/Products/GemmTile.h"
#include "dialects/Micro/IR/Micro.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace tern::cpu {

/// A block of at most this many multiplies of one vector leaves no loop.
static constexpr int64_t unrolledParts = 8;
/// Channels of a block from which tiles are tall (GemmTile::sumsInBuffer).
static constexpr int64_t tallBlock = 64;
/// Additions of floats in one register: the error of a sum grows with the root of their number (576 in one chain 4e-7 of it, three chains 2.4e-7).
static constexpr int64_t longestChain = 256;
/// Starts of a panel stay in the first level cache.
static constexpr int64_t mostStarts = 4096;
/// Tiles of so many rows have the time to fetch weights ahead; a row of its own reads them as fast as memory gives them.
static constexpr int64_t fetchingRows = 4;

SmallVector<GemmShape, 6> gemmShapes(const GemmProblem &p, const Isa &isa) {
  // Registers hold accumulators, weights as loaded and as multiplied, one x, masks; with blocks the accumulators twice.
  bool blocks = p.integer() && p.block();
  if (isa.level == 2) {
    // Sums of short blocks are scaled too often to lie in memory.
    if (blocks && p.block() < tallBlock)
      return {{6, 2}, {4, 2}, {2, 2}, {1, 2}};
    return {{12, 2}, {8, 2}, {4, 2}, {2, 2}, {1, 2}};
  }
  if (!p.integer()) {
    if (isa.level == 1 && p.floatWeights())
      return {{6, 2}, {4, 2}, {2, 4}, {1, 4}};
    return {{4, 2}, {2, 2}, {1, 4}};
  }
  // Quads are multiplied as even and odd halves, which take registers of their own.
  if (isa.level == 1) {
    if (blocks)
      return {{2, 2}, {1, 2}};
    return {{4, 2}, {2, 2}, {1, 2}};
  }
  if (blocks)
    return {{1, 2}};
  return {{2, 2}, {1, 2}};
}

GemmTile::GemmTile(KernelBuilder &k, const GemmProblem &p, const GemmLayout &layout, Value xScales)
    : k(k), p(p), layout(layout), L(k.lanes()), x(k.arg(0)), weights(k.arg(1)), xScales(xScales) {
  int64_t rows = gemmShapes(p, k.target()).front().rows;
  auto type = MemRefType::get({rows * layout.width}, k.type(p.accElem()));
  auto onStack = [&](MemRefType type) {
    return k.atEntry([&]() -> Value { return memref::AllocaOp::create(k.builder(), k.loc(), type, k.builder().getI64IntegerAttr(64)); });
  };
  buffer = onStack(type);
  if (isShifted() && layout.blocks * layout.width <= mostStarts && rows >= preparedRows)
    starts = onStack(MemRefType::get({layout.blocks * layout.width}, k.i32Type()));
}

void GemmTile::prepare(const Index &panel) {
  GemmShape shape = gemmShapes(p, k.target()).front();
  Index base = panel * unit(layout.panelBytes());
  k.loop(0, layout.width, shape.vectors * L, [&](Index column) {
    Tile tile{0, shape.vectors, 0, 0, base + column * unit(4), column, 0, false};
    auto block = [&](const Index &block, int64_t number) {
      Index at = tile.weights + block * unit(layout.blockBytes(0));
      int64_t channels = std::min(layout.blockK, layout.k - number * layout.blockK);
      Block zeros = parameters(tile, at, number);
      Values sums = steps(tile, at, 0, 0, channels, zeros, Values(shape.vectors, k.i32(0, L)), 1);
      for (int64_t v = 0; v < shape.vectors; ++v)
        k.store(k.subi(k.i32(0, L), sums[v]), starts, block * layout.width + column + v * L);
    };
    int64_t whole = layout.k / layout.blockK;
    k.loop(0, whole, 1, [&](Index b) { block(b, 0); });
    if (whole < layout.blocks)
      block(whole, whole);
  });
}

void GemmTile::emit(const GemmShape &shape, const Index &row, const Index &panel) {
  Index first = k.offset(p.in.base) + row * p.in.cs, base = panel * unit(layout.panelBytes());
  // Weights come from memory once for each run of a model. Every step of a tile fetches one line of the next panel, half of it: two tiles one below
  // the other, or the two halves of a panel, fetch all of it into the second cache.
  int64_t tall = gemmShapes(p, k.target()).front().rows;
  bool fetches = k.target().level > 0 && shape.rows >= fetchingRows;
  k.loop(0, layout.width, shape.vectors * L, [&](Index column) {
    Index half = shape.vectors * L == layout.width ? row / tall % 2 : column / (layout.width / 2);
    Index ahead = fetches ? (panel + 1) * unit(layout.panelBytes()) + half * unit(layout.panelBytes() / 2) : Index(0);
    Tile tile{shape.rows, shape.vectors, first, row, base + column * unit(4), column, ahead, fetches};
    Values acc = reduce(tile);
    for (int64_t r = 0; r < tile.rows && !acc.empty(); ++r)
      for (int64_t v = 0; v < tile.vectors; ++v)
        k.store(acc[r * tile.vectors + v], buffer, column + (r * layout.width + v * L));
  });
}

Value GemmTile::sums(const Index &row, int64_t at, int64_t lanes, Value mask) {
  return k.load(buffer, row * layout.width + at, lanes, mask);
}

int64_t GemmTile::chainOf(const Tile &tile) const {
  int64_t most = longestChain * waysOf(tile.size());
  if (p.integer() || p.block() || layout.k <= most)
    return 0;
  for (int64_t channels = most; channels >= most / 2; channels -= layout.stepK)
    if (layout.k % channels == 0)
      return channels;
  return most * 3 / 4;
}

/// The sums of each chain are added to the buffer.
void GemmTile::sumChains(const Tile &tile, int64_t channels) {
  int64_t n = tile.size(), ways = waysOf(n), whole = layout.k / channels, blockSteps = channels / layout.stepK;
  auto place = [&](int64_t i) { return tile.column + (i / tile.vectors * layout.width + i % tile.vectors * L); };
  for (int64_t i = 0; i < n; ++i)
    k.store(k.f32(0, L), buffer, place(i));
  Block parameter = parameters(tile, tile.weights, 0);
  auto add = [&](const Index &block, int64_t count) {
    Values acc = steps(tile, tile.weights + block * (blockSteps * unit(layout.width * 4)), tile.x + block * channels,
                       tile.ahead + block * (blockSteps * unit(layout.width * 2)), count, parameter, Values(n * ways, k.f32(0, L)), ways);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t w = 1; w < ways; ++w)
        acc[i] = k.add(acc[i], acc[w * n + i]);
      k.store(k.add(k.load(buffer, place(i), L), acc[i]), buffer, place(i));
    }
  };
  k.loop(0, whole, 1, [&](Index block) { add(block, channels); });
  if (int64_t rest = layout.k - whole * channels)
    add(whole, rest);
}

/// The sums of the tile; nothing where they are in the buffer already.
Values GemmTile::reduce(const Tile &tile) {
  int64_t n = tile.size();
  if (int64_t channels = chainOf(tile)) {
    sumChains(tile, channels);
    return {};
  }
  if (!p.block()) {
    int64_t ways = waysOf(n);
    Values acc = steps(tile, tile.weights, tile.x, tile.ahead, layout.k, parameters(tile, tile.weights, 0),
                       Values(n * ways, k.zero(p.accElem(), L)), ways);
    for (int64_t w = 1; w < ways; ++w)
      for (int64_t i = 0; i < n; ++i)
        acc[i] = p.integer() ? k.addi(acc[i], acc[w * n + i]) : k.add(acc[i], acc[w * n + i]);
    acc.resize(n);
    if (p.integer())
      for (Value &sum : acc)
        sum = widened(sum);
    return acc;
  }
  int64_t whole = layout.k / layout.blockK;
  Values acc(n, k.f32(0, L));
  if (sumsInBuffer(tile)) {
    for (int64_t i = 0; i < n; ++i)
      k.store(acc[i], buffer, tile.column + (i / tile.vectors * layout.width + i % tile.vectors * L));
    acc.clear();
  }
  acc = k.loop(0, whole, 1, acc, [&](Index block, ValueRange v) { return reduceBlock(tile, block, 0, Values(v)); });
  if (whole < layout.blocks)
    acc = reduceBlock(tile, whole, whole, acc);
  return acc;
}

/// Adds the scaled sums of one block; `number`: of a block with as many steps.
Values GemmTile::reduceBlock(const Tile &tile, const Index &block, int64_t number, Values acc) {
  Index at = tile.weights + block * unit(layout.blockBytes(0)), from = tile.x + block * layout.blockK;
  Index ahead = tile.fetches ? tile.ahead + block * unit(layout.blockBytes(0) / 2) : Index(0);
  int64_t channels = std::min(layout.blockK, layout.k - number * layout.blockK), n = tile.size();
  Block parameter = parameters(tile, at, number);
  if (!p.integer()) {
    // Few rows: the sums are scaled; many: the weights, which takes fewer multiplications and no registers.
    if (tile.rows > 2 || !p.group)
      return steps(tile, at, from, ahead, channels, parameter, std::move(acc), 1);
    int64_t ways = std::min<int64_t>(2, waysOf(n));
    Values sums = steps(tile, at, from, ahead, channels, {{}, parameter.zeros, {}}, Values(n * ways, k.f32(0, L)), ways);
    for (int64_t i = 0; i < n; ++i)
      acc[i] = k.fma(ways == 2 ? k.add(sums[i], sums[n + i]) : sums[i], parameter.scales[i % tile.vectors], acc[i]);
    return acc;
  }
  int64_t all = rowsOf(tile) * tile.vectors, ways = channels > 4 * unrolledParts ? std::min<int64_t>(2, waysOf(all)) : 1;
  if (isShifted() && !hasShiftRow(tile))
    for (int64_t v = 0; v < tile.vectors; ++v)
      parameter.starts.push_back(k.load(starts, block * layout.width + tile.column + v * L, L));
  Values sums(all * ways, k.i32(0, L));
  for (int64_t i = 0; i < n && !parameter.starts.empty(); ++i)
    sums[i] = parameter.starts[i % tile.vectors];
  sums = steps(tile, at, from, ahead, channels, parameter, sums, ways);
  for (int64_t w = 1; w < ways; ++w)
    for (int64_t i = 0; i < all; ++i)
      sums[i] = k.addi(sums[i], sums[w * all + i]);
  Index xScale = tile.row * (p.xGroup ? (layout.k + p.xGroup - 1) / p.xGroup : 0);
  if (p.xGroup)
    xScale = xScale + (p.xGroup == layout.blockK ? block : block / (p.xGroup / layout.blockK));
  for (int64_t r = 0; r < tile.rows; ++r) {
    Value row = p.xGroup ? k.broadcast(k.load(xScales, xScale + r * ((layout.k + p.xGroup - 1) / p.xGroup)), L) : Value();
    for (int64_t v = 0; v < tile.vectors; ++v) {
      Value sum = sums[r * tile.vectors + v];
      if (hasShiftRow(tile))
        sum = k.subi(sum, sums[n + v]);
      sum = widened(sum);
      Value factor = !p.group ? row : row ? k.mul(parameter.scales[v], row) : parameter.scales[v];
      if (sumsInBuffer(tile)) {
        Index place = tile.column + (r * layout.width + v * L);
        k.store(k.fma(k.toF32(sum), factor, k.load(buffer, place, L)), buffer, place);
        continue;
      }
      acc[r * tile.vectors + v] = k.fma(k.toF32(sum), factor, acc[r * tile.vectors + v]);
    }
  }
  return acc;
}

GemmTile::Block GemmTile::parameters(const Tile &tile, const Index &at, int64_t number) {
  Block block;
  // `at` is that of the codes of the tile's first column: 4 bytes a column.
  Index behind = at - tile.column * unit(4) + unit(layout.codeBytes(number));
  for (int64_t v = 0; v < tile.vectors; ++v) {
    if (layout.scaleBytes) {
      Value bytes = k.load(weights, behind + tile.column * layout.scaleBytes + v * L * layout.scaleBytes, L * layout.scaleBytes);
      block.scales.push_back(layout.scaleBytes == 4 ? k.bitcast(bytes, k.f32Type(L)) : k.halfToF32(k.bitcast(bytes, k.type(Elem::F16, L))));
    }
    if (layout.zeroBytes) {
      Value zero = k.zext(k.load(weights, behind + layout.width * layout.scaleBytes + tile.column + v * L, L));
      block.zeros.push_back(p.integer() ? k.bitcast(k.muli(zero, k.i32(0x01010101, L)), k.type(Elem::U8, 4 * L)) : k.toF32(zero));
    }
    if (layout.startBytes) {
      Index start = behind + layout.width * (layout.scaleBytes + layout.zeroBytes) + tile.column * 4 + v * L * 4;
      Value value = k.bitcast(k.load(weights, start, 4 * L), k.i32Type(L));
      block.starts.push_back(isNarrow() && p.accShift() ? k.shrs(value, k.i32(p.accShift(), L)) : value);
    }
  }
  return block;
}

/// `channels` neighbouring channels; acc: [way][row][vector].
Values GemmTile::steps(const Tile &tile, const Index &at, const Index &from, const Index &ahead, int64_t channels, const Block &block, Values acc,
                       int64_t ways) {
  int64_t n = rowsOf(tile) * tile.vectors, whole = channels / layout.stepK;
  auto one = [&](const Index &s, int64_t count, int64_t way, Values &acc) {
    step(tile, at + s * unit(layout.width * 4), from + s * layout.stepK, count, block, MutableArrayRef<Value>(acc).slice(way * n, n));
  };
  int64_t parts = p.integer() ? layout.stepK / 4 : layout.stepK;
  int64_t unroll = whole * parts <= unrolledParts ? std::max<int64_t>(whole, 1) : ways, main = whole / unroll * unroll;
  acc = k.loop(0, main, unroll, acc, [&](Index s, ValueRange v) {
    Values next(v);
    for (int64_t u = 0; u < unroll; ++u) {
      if (tile.fetches)
        fetch(ahead + (s + u) * unit(layout.width * 2));
      one(s + u, layout.stepK, u % ways, next);
    }
    return next;
  });
  for (int64_t s = main; s < whole; ++s)
    one(s, layout.stepK, s % ways, acc);
  if (int64_t rest = channels % layout.stepK)
    one(whole, rest, whole % ways, acc);
  return acc;
}

void GemmTile::fetch(const Index &at) {
  memref::PrefetchOp::create(k.builder(), k.loc(), weights, k.value(at), /*isWrite=*/false, /*localityHint=*/2u, /*isDataCache=*/true);
}

/// One step: every weight is loaded once, every x is loaded into all lanes once.
void GemmTile::step(const Tile &tile, const Index &at, const Index &from, int64_t channels, const Block &block, MutableArrayRef<Value> acc) {
  int64_t bytes = p.floatWeights() ? 1 : 4, inPart = p.integer() ? 4 : 1;
  Values loaded;
  for (int64_t v = 0; v < tile.vectors; ++v) {
    Value w = k.load(weights, at + v * unit(4 * L), bytes * L);
    loaded.push_back(p.integer() || p.floatWeights() ? w : k.bitcast(w, k.i32Type(L)));
  }
  auto parameter = [](const Values &values, int64_t v) { return values.empty() ? Value() : values[v]; };
  for (int64_t part = 0; part * inPart < channels; ++part) {
    Values w;
    for (int64_t v = 0; v < tile.vectors; ++v)
      w.push_back(p.integer()        ? integerWeights(loaded[v], part, parameter(block.zeros, v))
                  : p.floatWeights() ? loaded[v]
                                     : floatWeights(loaded[v], part, parameter(block.zeros, v), parameter(block.scales, v)));
    for (int64_t r = 0; r < rowsOf(tile); ++r) {
      Index offset = from + (r * p.in.cs + part * inPart);
      Value factor;
      if (!p.integer())
        factor = k.broadcast(k.load(x, offset), L);
      else if (r == tile.rows)
        factor = k.integer(128, Elem::U8, 4 * L);
      else
        factor = k.bitcast(k.broadcast(k.loadDwords(x, offset, 0), L), k.type(Elem::U8, 4 * L));
      for (int64_t v = 0; v < tile.vectors; ++v) {
        Value &sum = acc[r * tile.vectors + v];
        sum = p.integer() ? Value(micro::Dot4Op::create(k.builder(), k.loc(), sum.getType(), sum, factor, w[v], isNarrow())) : k.fma(factor, w[v], sum);
      }
    }
  }
}

/// Codes of four channels, with their sign; without zero points in the high end of the byte.
Value GemmTile::integerWeights(Value loaded, int64_t part, Value zero) {
  if (p.bits == 8)
    return loaded;
  auto position = zero || isNarrow() ? micro::FieldPosition::Low : micro::FieldPosition::High;
  Value field = micro::FieldOp::create(k.builder(), k.loc(), loaded.getType(), loaded, position, uint32_t(p.bits * part), uint32_t(p.bits));
  if (isNarrow() && !zero) {
    // The sign of a code in the low bits: flip its highest bit, then subtract it.
    Value sign = k.integer(int64_t(1) << (p.bits - 1), Elem::U8, k.lanesOf(field));
    return k.subi(arith::XOrIOp::create(k.builder(), k.loc(), field, sign), sign);
  }
  return zero ? k.subi(field, zero) : field;
}

/// The values of codes in the low bits of 16 lanes: from 0, or in two's complement.
Value GemmTile::lookUp(Value index, bool fromZero) {
  SmallVector<float> values;
  for (int64_t i = 0, count = int64_t(1) << p.bits; i < 16; ++i)
    values.push_back(float(fromZero || i % count < count / 2 ? i % count : i % count - count));
  auto type = cast<VectorType>(k.f32Type(16));
  Value table = k.constant(DenseElementsAttr::get(type, ArrayRef<float>(values)));
  return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), type, k.builder().getStringAttr("llvm.x86.avx512.permvar.sf.512"),
                                       ValueRange{table, index})
      .getResults();
}

/// The weight of one channel as f32.
Value GemmTile::floatWeights(Value loaded, int64_t channel, Value zero, Value scale) {
  int64_t at = 8 * (channel % 4) + p.bits * (channel / 4), above = 32 - at - p.bits;
  Value w = loaded;
  if (k.target().level == 2 && p.bits <= 4) {
    // One permutation reads the value of a code from a register: its low four bits are the index.
    w = lookUp(at ? k.shru(w, k.i32(at, L)) : w, bool(zero));
    w = zero ? k.sub(w, zero) : w;
  } else if (zero) {
    w = at ? k.shru(w, k.i32(at, L)) : w;
    w = above ? k.andi(w, k.i32((1 << p.bits) - 1, L)) : w;
    w = k.sub(k.toF32(w), zero);
  } else {
    w = above ? k.shl(w, k.i32(above, L)) : w;
    w = k.toF32(k.shrs(w, k.i32(32 - p.bits, L)));
  }
  return scale ? k.mul(w, scale) : w;
}

} // namespace tern::cpu
