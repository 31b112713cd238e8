//===- ConvTile.cpp - the register tile of a convolution ------------------===//
#include "lib/Target/Cpu/Windows/ConvTile.h"
#include "lib/Target/Cpu/Math/CodeStore.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace tern::cpu;

/// A reduction over the channels of one tap of at most this many steps leaves no loop.
static constexpr int64_t unrolledSteps = 4;

SmallVector<Elem> ConvTile::argsOf(const ConvProblem &p) {
  SmallVector<Elem> args{p.in.elem, p.arith == Arith::F32 ? Elem::F32 : Elem::S8};
  if (p.arith == Arith::U8S8 || p.arith == Arith::U8S4)
    args.push_back(p.group ? Elem::F32 : Elem::I32);
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  return args;
}

ConvTile::Columns ConvTile::columnsFor(const ConvProblem &p, const Isa &isa, int64_t valid) {
  int64_t L = isa.lanes;
  Columns c{PanelLayout::width, 0, 0, 0, valid, (valid + L - 1) / L, false, false};
  // Registers of AVX-512 are wide enough to lose much and many enough for three more activations.
  c.half = isa.level == 2 && c.vectors == 2 && valid <= L + L / 2 && nominal(p).out.pixels() >= 4;
  return c;
}

ConvTile::ConvTile(KernelBuilder &k, const ConvProblem &p, const PanelLayout &layout)
    : k(k), p(p), layout(layout), step(k, p.arith), L(k.lanes()),
      epilogue(p.epilogue, p.out.elem, k.target(), nominal(p).out.pixels() * p.out.c),
      expr(k, epilogue.head, CodeStore::exprElem(k, p.out.elem), step.integer() ? 3 : 2,
           p.group ? Elem::F32 : step.accElem()),
      tailProgram(k, epilogue.tail, p.out.elem, step.integer() ? 3 : 2), in(k.arg(0)), weights(k.arg(1)),
      init(step.integer() ? k.arg(2) : Value()), out(k.arg(argsOf(p).size() - 1)) {
  if (epilogue.isSplit)
    table.emplace(epilogue.table(k, tailProgram));
}

PixelLoops ConvTile::loopsFor(const Phase &phase, const Columns &c) {
  // Tiles whose pixels are gathered into vectors lie in one row.
  if (layout.merged > 1 || layout.columns < L) {
    PixelLoops oneRow = pixelLoops(k, p, phase, std::max<int64_t>(8, L), /*spanRows=*/false);
    if (layout.merged > 1 || narrowLanes(c, oneRow))
      return oneRow;
  }
  return pixelLoops(k, p, phase, tilePixels(p, k.target(), c.vectors, c.half));
}

void ConvTile::emit(const Phase &phase, const PixelLoops &loops, ArrayRef<Index> bases, int64_t width,
                    const Columns &c) {
  Shape shape{phase, c, {}, {}};
  for (int64_t x = 0; x < width; x++)
    for (int64_t i = 0; i < loops.inner; i++)
      shape.pixels.push_back(bases[0] + (loops.operands[0].column * x + loops.operands[0].inner * i));
  int64_t pixels = shape.pixels.size(), full = c.vectors - c.half;
  for (int64_t i = 0; i < pixels; i++) {
    for (int64_t v = 0; v < full; v++)
      shape.places.push_back({i, -1, v});
    if (c.half && (i % 2 || i + 1 == pixels))
      shape.places.push_back({i - i % 2, i % 2 ? i : -1, full});
  }
  Values acc = reduce(shape);
  if (narrowLanes(c, loops))
    finishNarrow(shape, loops, bases, acc);
  else if (layout.merged > 1)
    finishPhases(shape, loops, bases, acc);
  else
    finish(shape, loops, bases, acc);
}

//===- Reduction ----------------------------------------------------------===//

/// The accumulators of a tile, in the order of its places.
Values ConvTile::reduce(const Shape &shape) {
  const Phase &phase = shape.phase;
  const Columns &c = shape.columns;
  int64_t n = shape.size();
  bool scaledSums = step.integer() && p.group; // the integer sum of each scale group is scaled into f32
  int64_t ways = scaledSums ? 1 : waysOf(n);
  Values acc(n * ways, k.zero(scaledSums ? Elem::F32 : step.accElem(), L));
  if (init && (scaledSums || !step.accShift())) {
    Values starts = loadStarts(c);
    for (auto [i, place] : llvm::enumerate(shape.places))
      acc[i] = starts[place.vector];
  }

  int64_t rowTaps = phase.x.taps, steps = layout.tapChannels / layout.stepChannels;
  if (layout.contiguousTaps)
    steps *= rowTaps, rowTaps = std::min<int64_t>(rowTaps, 1);
  int64_t tapBytes = layout.bytesPerTap(c.panelWidth), rowBytes = tapBytes * phase.x.taps;
  // Neighbouring pixels share inputs of different taps; unrolled, LLVM would keep them all and spill.
  bool unroll = phase.taps() == 1;
  auto over = [&](int64_t count, Values acc, llvm::function_ref<Values(Index, Values)> body) {
    if (!unroll)
      return k.loop(0, count, 1, acc, [&](Index i, ValueRange v) { return body(i, Values(v)); });
    for (int64_t i = 0; i < count; i++)
      acc = body(i, acc);
    return acc;
  };
  acc = over(phase.y.taps, acc, [&](Index ty, Values acc) {
    return over(rowTaps, acc, [&](Index tx, Values acc) {
      Index a = ty * (k.rowStride(p.in) * phase.y.inTap) + tx * (phase.x.inTap * p.in.cs);
      Index b = c.panel + ty * unit(rowBytes) + tx * unit(tapBytes);
      return layout.scaleBytes ? reduceScaleGroups(shape, a, b, acc)
                               : reduceSteps(shape, a, b, steps, endsInStep(), acc, {});
    });
  });
  return combine(shape, acc);
}

/// Adds up the ways and brings integer accumulators to their value.
Values ConvTile::combine(const Shape &shape, Values acc) {
  int64_t n = shape.size();
  for (int64_t w = 1, ways = acc.size() / n; w < ways; w++)
    for (int64_t i = 0; i < n; i++)
      acc[i] = step.integer() ? k.addi(acc[i], acc[w * n + i]) : k.add(acc[i], acc[w * n + i]);
  acc.resize(n);
  if (!step.accShift() || p.group)
    return acc;
  Values starts = loadStarts(shape.columns);
  for (auto [i, place] : llvm::enumerate(shape.places))
    acc[i] = k.addi(k.shrs(acc[i], k.i32(step.accShift(), L)), starts[place.vector]);
  return acc;
}

/// Starts of the accumulators, one vector each.
Values ConvTile::loadStarts(const Columns &c) {
  if (layout.merged > 1)
    return {repeat(init, 0, 0, L)};
  Values starts;
  for (int64_t v = 0; v < c.vectors; v++) {
    Value start = k.load(init, c.channel + v * L, isHalf(c, v) ? L / 2 : L);
    starts.push_back(isHalf(c, v) ? k.concat({start, start}) : start);
  }
  return starts;
}

/// One tap whose weights have a scale for every `scaleGroup` channels, which lies behind their codes.
Values ConvTile::reduceScaleGroups(const Shape &shape, const Index &a, const Index &b, Values acc) {
  const Columns &c = shape.columns;
  auto one = [&](const Index &group, int64_t steps, bool cut, Values acc) {
    int64_t codeBytes = c.panelWidth * steps * layout.stepBytes;
    Index at = b + group * (c.panelWidth * (layout.stepsOf(0) * layout.stepBytes + layout.scaleBytes));
    Index from = a + group * layout.scaleGroup;
    Values scales;
    for (int64_t v = 0; v < c.vectors; v++)
      scales.push_back(
          loadScale(at + c.column * layout.scaleBytes + (codeBytes + v * L * layout.scaleBytes), isHalf(c, v)));
    if (!step.integer())
      return reduceSteps(shape, from, at, steps, cut, acc, scales);
    int64_t n = acc.size();
    Values sums = reduceSteps(shape, from, at, steps, cut, Values(n * waysOf(n), k.i32(0, L)), {});
    for (int64_t i = 0; i < n; i++) {
      for (int64_t w = 1; w < waysOf(n); w++)
        sums[i] = k.addi(sums[i], sums[w * n + i]);
      acc[i] = k.fma(k.toF32(sums[i]), scales[shape.places[i].vector], acc[i]);
    }
    return acc;
  };
  // The last group may be short, or end in the middle of a step.
  int64_t last = layout.scaleGroups() - 1;
  bool same = layout.stepsOf(last) == layout.stepsOf(0) && !endsInStep();
  acc = k.loop(0, same ? last + 1 : last, 1, acc,
               [&](Index g, ValueRange v) { return one(g, layout.stepsOf(0), false, Values(v)); });
  return same ? acc : one(last, layout.stepsOf(last), endsInStep(), acc);
}

/// Scales of a vector as f32; those of 4-bit integer sums also undo the place of the codes in their bytes.
Value ConvTile::loadScale(const Index &at, bool half) {
  Value bytes = k.load(weights, at, (half ? L / 2 : L) * layout.scaleBytes);
  if (half)
    bytes = k.concat({bytes, bytes});
  Value scale =
      layout.scaleBytes == 4 ? k.bitcast(bytes, k.f32Type(L)) : k.halfToF32(k.bitcast(bytes, k.type(Elem::F16, L)));
  return step.accShift() ? k.mul(scale, k.f32(1.0 / (1 << step.accShift()), L)) : scale;
}

/// The tile loop: `steps` neighbouring steps of one tap (or row of taps). acc: [way][place]. `cut`: the last step has
/// only its first part.
Values ConvTile::reduceSteps(const Shape &shape, const Index &a, const Index &b, int64_t steps, bool cut, Values acc,
                             ArrayRef<Value> scales) {
  const Columns &c = shape.columns;
  int64_t n = shape.size(), ways = acc.size() / n;
  auto one = [&](const Index &s, int64_t way, int64_t parts, Values &acc) {
    Index bytes = b + s * unit(c.panelWidth * layout.stepBytes) + c.column * unit(layout.stepBytes);
    multiplyStep(shape, a + s * layout.stepChannels, bytes, parts, scales,
                 MutableArrayRef<Value>(acc).slice(way * n, n));
  };
  steps -= cut;
  bool oneTap = steps * layout.stepChannels <= layout.tapChannels;
  int64_t unroll = oneTap && steps <= unrolledSteps ? steps : ways, main = unroll ? steps / unroll * unroll : 0;
  acc = k.loop(0, main, unroll, acc, [&](Index s, ValueRange v) {
    Values next(v);
    for (int64_t u = 0; u < unroll; u++)
      one(s + u, u % ways, step.parts(), next);
    return next;
  });
  for (int64_t s = main; s < steps; s++)
    one(s, s % ways, step.parts(), acc);
  if (cut)
    one(steps, steps % ways, 1, acc);
  return acc;
}

/// One step: every weight is loaded once, every activation is loaded into all lanes once.
void ConvTile::multiplyStep(const Shape &shape, const Index &a, const Index &b, int64_t parts, ArrayRef<Value> scales,
                            MutableArrayRef<Value> acc) {
  const Columns &c = shape.columns;
  if (c.prefetch) {
    Index next = b + unit(shape.phase.taps() * layout.bytesPerTap(c.panelWidth));
    for (int64_t byte = 0; byte < c.vectors * L * layout.stepBytes; byte += 64)
      memref::PrefetchOp::create(k.builder(), k.loc(), weights, k.value(next + unit(byte)), /*isWrite=*/false,
                                 /*localityHint=*/2u,
                                 /*isDataCache=*/true);
  }
  Values loaded;
  for (int64_t v = 0; v < c.vectors; v++)
    loaded.push_back(step.loadWeights(weights, b + v * L * unit(layout.stepBytes), isHalf(c, v)));
  for (int64_t part = 0; part < parts; part++) {
    Values w, x(shape.pixels.size());
    for (int64_t v = 0; v < c.vectors; v++)
      w.push_back(step.weights(loaded[v], part, scales.empty() ? Value() : scales[v]));
    auto activation = [&](int64_t pixel) {
      if (!x[pixel])
        x[pixel] = hide(step.activation(in, shape.pixels[pixel] + a + part * step.partStride()), c.half);
      return x[pixel];
    };
    for (auto [place, y] : llvm::zip(shape.places, acc)) {
      Value factor = activation(place.pixel);
      if (place.partner >= 0)
        factor = mix(factor, activation(place.partner));
      y = step.multiply(y, factor, w[place.vector]);
    }
  }
}

/// Keeps LLVM from seeing that a float activation is the same in all lanes: it would mix two of them by vpermt2ps,
/// which takes places of multiplies; of registers it knows nothing about it takes halves.
Value ConvTile::hide(Value v, bool half) {
  if (!half || step.integer())
    return v;
  return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), v.getType(),
                                       k.builder().getStringAttr("llvm.arithmetic.fence"), ValueRange{v})
      .getResults();
}

/// The lower half of one register and the upper half of another.
Value ConvTile::mix(Value low, Value high) {
  Type type = low.getType(), words = k.type(Elem::F64, L / 2);
  return k.bitcast(k.shuffle(k.bitcast(low, words), k.bitcast(high, words), {0, 1, 2, 3, 8, 9, 10, 11}), type);
}

//===- Epilogue -----------------------------------------------------------===//

void ConvTile::finish(const Shape &shape, const PixelLoops &loops, ArrayRef<Index> bases, ArrayRef<Value> acc) {
  const Columns &c = shape.columns;
  CodeStore codes(k, p.out.elem, out, tail());
  // Pieces of the vectors of a pixel, and the inputs that all pixels share.
  SmallVector<std::pair<Piece, Values>> pieces;
  for (int64_t v = 0; v < c.vectors; v++)
    for (Piece piece : k.pieces(std::min(L, c.valid - v * L), isHalf(c, v) ? L / 2 : L)) {
      piece.offset += v * L;
      pieces.push_back({piece, {}});
    }
  // Where the vectors of a pixel are: accumulator and first lane.
  llvm::SmallDenseMap<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>> where;
  for (auto [i, place] : llvm::enumerate(shape.places)) {
    where[{place.pixel, place.vector}] = {i, 0};
    if (place.partner >= 0)
      where[{place.partner, place.vector}] = {i, L / 2};
  }
  for (int64_t pixel = 0, e = shape.pixels.size(); pixel < e; pixel++) {
    ExprVector::Row row{0, {}};
    for (size_t i = 2; i < bases.size(); i++)
      row.base.push_back(loops.at(bases, i, pixel));
    Index to = loops.at(bases, 1, pixel) + c.channel;
    for (auto &[piece, held] : pieces) {
      Index channel = c.channel + piece.offset;
      if (pixel == 0)
        held = expr.hold(row, channel, piece.lanes, piece.mask);
      auto [accumulator, lane] = where[{pixel, piece.offset / L}];
      Value value = k.slice(acc[accumulator], lane + piece.offset % L, piece.lanes);
      value = expr.evaluate(row, 0, channel, piece.lanes, piece.mask, value, held);
      codes.store(value, to + piece.offset, piece.count, piece.mask);
    }
  }
  codes.flush();
}
