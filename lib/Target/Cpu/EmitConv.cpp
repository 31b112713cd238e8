//===- EmitConv.cpp - convolution and GEMM as one register tile -----------===//
// A tile is some output pixels times one or two vectors of output channels. A GEMM is a convolution of one row; a
// convolution is a GEMM whose row addresses differ; conv_transpose is one convolution per residue of the output
// position (ConvPlan.h).
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/CodeStore.h"
#include "lib/Target/Cpu/ConvStep.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/ExprVector.h"

using namespace mlir;
using namespace tern::cpu;

namespace tern::cpu {
Kernel emitDepthwise(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa);
}

namespace {
/// A reduction over the channels of one tap of at most this many steps leaves no loop.
constexpr int64_t unrolledSteps = 4;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

SmallVector<Elem> argsOf(const ConvProblem &p) {
  bool integer = p.arith == Arith::U8S8 || p.arith == Arith::U8S4;
  SmallVector<Elem> args{p.in.elem, p.arith == Arith::F32 ? Elem::F32 : Elem::S8};
  if (integer)
    args.push_back(p.group ? Elem::F32 : Elem::I32);
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  return args;
}

class ConvEmitter {
public:
  ConvEmitter(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa)
      : p(p), layout(p), k(module, name, argsOf(p), isa), step(k, p.arith), L(isa.lanes),
        expr(k, p.epilogue, CodeStore::exprElem(k, p.out.elem), step.integer() ? 3 : 2,
             p.group ? Elem::F32 : step.accElem()),
        in(k.arg(0)), weights(k.arg(1)), init(step.integer() ? k.arg(2) : Value()), out(k.arg(argsOf(p).size() - 1)) {}

  Kernel emit();

private:
  /// The columns of a panel that one tile covers.
  struct Columns {
    int64_t panelWidth; ///< columns of the packed panel
    Index panel;        ///< where the panel begins in the weights
    Index column;       ///< first column inside the panel
    Index channel;      ///< first output channel
    int64_t vectors;    ///< 1 or 2
    int64_t valid;      ///< channels that exist
  };
  /// Blocks of work of this task.
  struct Blocks {
    const Phase &phase;
    TaskGrid grid;
    Index group, panel, row, chunk;
    Index weights; ///< where the phase begins
  };

  void emitPhase(const Phase &phase, const TaskGrid &grid, const Index &task, int64_t weightsAt);
  void emitGroup(const Blocks &blocks, const Index &group);
  void emitPanels(const Blocks &blocks, const Index &group, llvm::function_ref<void(const Columns &)> body);
  void emitPixels(const Blocks &blocks, const Index &group, const PixelLoops &loops,
                  llvm::function_ref<void(ArrayRef<Index>, int64_t)> body);
  void emitTile(const Phase &phase, const PixelLoops &loops, ArrayRef<Index> bases, int64_t width,
                const Columns &columns);
  Values reduce(const Phase &phase, ArrayRef<Index> pixels, const Columns &columns);
  Values reduceScaleGroups(ArrayRef<Index> pixels, const Columns &columns, const Index &a, const Index &b, Values acc);
  Values reduceSteps(ArrayRef<Index> pixels, const Columns &columns, const Index &a, const Index &b, int64_t steps,
                     bool cut, Values acc, ArrayRef<Value> scales);
  Values combine(Values acc, int64_t n, const Columns &columns);
  /// f32 behind the last channel must not be read, it could be NaN; bytes may be anything, their weights are 0.
  bool endsInStep() const { return !step.integer() && layout.inC % layout.stepChannels; }
  Value loadScale(const Index &at);
  Value halfToF32(Value v);
  void finish(const PixelLoops &loops, ArrayRef<Index> bases, int64_t width, const Columns &columns,
              ArrayRef<Value> acc);

  /// Few accumulators are split along the reduction: a multiply takes four clocks and two start in each.
  static int64_t waysOf(int64_t accumulators) { return std::clamp<int64_t>(8 / accumulators, 1, 4); }
  /// Weight offsets are bytes, but elements of an f32 memref.
  int64_t unit(int64_t bytes) const { return p.arith == Arith::F32 ? bytes / 4 : bytes; }
  std::pair<Index, Index> range(const Index &block, int64_t blocks, int64_t total) {
    if (blocks == 1)
      return {0, total};
    int64_t size = ceilDiv(total, blocks);
    Index lo = block * size;
    return {lo, size * blocks == total ? lo + size : min(lo + size, Index(total))};
  }

  const ConvProblem &p;
  PanelLayout layout;
  KernelBuilder k;
  ConvStep step;
  int64_t L;
  ExprVector expr;
  Value in, weights, init, out;
};
} // namespace

Kernel ConvEmitter::emit() {
  SmallVector<Phase> phases = phasesOf(p);
  // A small kernel is one task, however many phases it has.
  int64_t wanted = wantedTasks(estimateUs(p, k.target()));
  bool one = wanted == 1;
  wanted = std::max<int64_t>(one ? 1 : 2, wanted / int64_t(phases.size()));
  SmallVector<TaskGrid> grids;
  SmallVector<int64_t> firstTask{0}, weightsAt{0};
  for (const Phase &phase : phases) {
    int64_t vectors = layout.widthOf(0) > L ? 2 : 1;
    grids.push_back(taskGrid(p, layout, pixelLoops(p, phase, tilePixels(p, k.target(), vectors)), wanted));
    firstTask.push_back(firstTask.back() + grids.back().tasks());
    weightsAt.push_back(weightsAt.back() + unit(layout.phaseBytes(phase)));
  }
  std::function<void(size_t)> chain = [&](size_t i) {
    auto emitThis = [&] { emitPhase(phases[i], grids[i], one ? Index(0) : k.task() - firstTask[i], weightsAt[i]); };
    if (one) {
      emitThis();
      if (i + 1 < phases.size())
        chain(i + 1);
    } else if (i + 1 == phases.size()) {
      emitThis();
    } else {
      k.when(k.less(k.task(), firstTask[i + 1]), emitThis, [&] { chain(i + 1); });
    }
  };
  chain(0);
  return {k.finish(), one ? 1 : firstTask.back(), 0};
}

void ConvEmitter::emitPhase(const Phase &phase, const TaskGrid &grid, const Index &task, int64_t weightsAt) {
  Blocks b{phase, grid, 0, 0, 0, 0, weightsAt};
  Index t = task;
  b.chunk = t % grid.chunkBlocks;
  t = t / grid.chunkBlocks;
  b.row = t % grid.rowBlocks;
  t = t / grid.rowBlocks;
  b.panel = t % grid.panelBlocks;
  b.group = t / grid.panelBlocks;
  auto [lo, hi] = range(b.group, grid.groupBlocks, p.groups);
  k.loop(lo, hi, 1, [&](Index group) { emitGroup(b, group); });
}

void ConvEmitter::emitGroup(const Blocks &b, const Index &group) {
  // Panels outside, also where all weights fit the first level cache: the other order was measured to be no faster.
  emitPanels(b, group, [&](const Columns &c) {
    PixelLoops loops = pixelLoops(p, b.phase, tilePixels(p, k.target(), c.vectors));
    emitPixels(b, group, loops,
               [&](ArrayRef<Index> bases, int64_t width) { emitTile(b.phase, loops, bases, width, c); });
  });
}

/// The columns of the panels of this task.
void ConvEmitter::emitPanels(const Blocks &b, const Index &group, llvm::function_ref<void(const Columns &)> body) {
  // All columns of the full panels exist; the last panel, if some are missing, is a piece of code of its own.
  int64_t full = layout.outC / PanelLayout::width;
  int64_t rest = layout.outC - full * PanelLayout::width;
  Index groupWeights = b.weights + group * unit(layout.groupBytes(p));
  auto panelAt = [&](const Index &panel) {
    return groupWeights + panel * unit(b.phase.taps() * layout.bytesPerTap(PanelLayout::width));
  };
  int64_t most = 2 * L;
  auto [lo, hi] = range(b.panel, b.grid.panelBlocks, layout.panels);
  k.loop(lo, b.grid.panelBlocks == 1 ? Index(full) : min(hi, Index(full)), 1, [&](Index panel) {
    k.loop(0, PanelLayout::width, most, [&](Index column) {
      body({PanelLayout::width, panelAt(panel), column, group * layout.outC + panel * PanelLayout::width + column, 2,
            most});
    });
  });
  if (!rest)
    return;
  auto last = [&] {
    int64_t width = layout.widthOf(layout.panels - 1);
    for (int64_t column = 0; column < rest; column += most) {
      int64_t valid = std::min(most, rest - column);
      body({width, panelAt(full), column, group * layout.outC + (full * PanelLayout::width + column), ceilDiv(valid, L),
            valid});
    }
  };
  if (b.grid.panelBlocks == 1)
    last();
  else
    k.when(k.less(full, hi), last);
}

/// The tiles of this task: body(offset of the first pixel in every operand, columns of the tile).
void ConvEmitter::emitPixels(const Blocks &b, const Index &group, const PixelLoops &loops,
                             llvm::function_ref<void(ArrayRef<Index>, int64_t)> body) {
  auto rowRange = range(b.row, b.grid.rowBlocks, loops.rows());
  auto [chunkLo, chunkHi] = range(b.chunk, b.grid.chunkBlocks, loops.chunks);
  k.loop(rowRange.first, rowRange.second, 1, [&, chunkLo = chunkLo, chunkHi = chunkHi](Index row) {
    Index n = loops.images == 1 ? Index(0) : loops.rowsPerImage == 1 ? row : row / loops.rowsPerImage;
    Index y = loops.images == 1 ? row : loops.rowsPerImage == 1 ? Index(0) : row % loops.rowsPerImage;
    SmallVector<Index> bases;
    for (const Strides &s : loops.operands)
      bases.push_back(n * s.n + y * s.row + s.base);
    bases[0] = bases[0] + group * layout.inC;
    auto chunks = [&](Index lo, Index hi, int64_t width, int64_t shift) {
      k.loop(lo, hi, 1, [&](Index chunk) {
        Index x = chunk * width + shift;
        SmallVector<Index> at;
        for (auto [base, s] : llvm::zip(bases, loops.operands))
          at.push_back(base + x * s.column);
        body(at, width);
      });
    };
    if (b.grid.chunkBlocks == 1) {
      chunks(0, loops.wide, loops.chunk + 1, 0);
      chunks(loops.wide, loops.chunks, loops.chunk, loops.wide);
      return;
    }
    if (loops.wide)
      chunks(chunkLo, min(chunkHi, Index(loops.wide)), loops.chunk + 1, 0);
    chunks(loops.wide ? max(chunkLo, Index(loops.wide)) : chunkLo, chunkHi, loops.chunk, loops.wide);
  });
}

void ConvEmitter::emitTile(const Phase &phase, const PixelLoops &loops, ArrayRef<Index> bases, int64_t width,
                           const Columns &columns) {
  SmallVector<Index> pixels;
  for (int64_t c = 0; c < width; c++)
    for (int64_t i = 0; i < loops.inner; i++)
      pixels.push_back(bases[0] + (c * loops.operands[0].column + i * loops.operands[0].inner));
  finish(loops, bases, width, columns, reduce(phase, pixels, columns));
}

/// The accumulators of a tile, [pixel][vector].
Values ConvEmitter::reduce(const Phase &phase, ArrayRef<Index> pixels, const Columns &c) {
  int64_t n = pixels.size() * c.vectors;
  bool scaledSums = step.integer() && p.group; // the integer sum of each scale group is scaled into f32
  int64_t ways = scaledSums ? 1 : waysOf(n);
  Values acc(n * ways, k.zero(scaledSums ? Elem::F32 : step.accElem(), L));
  bool startWithInit = init && (scaledSums || !step.accShift());
  for (int64_t v = 0; startWithInit && v < c.vectors; v++) {
    Value start = k.load(init, c.channel + v * L, L);
    for (size_t i = 0; i < pixels.size(); i++)
      acc[i * c.vectors + v] = start;
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
      Index a = ty * (phase.y.inTap * p.in.rowStride()) + tx * (phase.x.inTap * p.in.cs);
      Index b = c.panel + ty * unit(rowBytes) + tx * unit(tapBytes);
      return layout.scaleBytes ? reduceScaleGroups(pixels, c, a, b, acc)
                               : reduceSteps(pixels, c, a, b, steps, endsInStep(), acc, {});
    });
  });
  return combine(acc, n, c);
}

/// Adds up the ways and brings integer accumulators to their value.
Values ConvEmitter::combine(Values acc, int64_t n, const Columns &c) {
  for (int64_t w = 1, ways = acc.size() / n; w < ways; w++)
    for (int64_t i = 0; i < n; i++)
      acc[i] = step.integer() ? k.addi(acc[i], acc[w * n + i]) : k.add(acc[i], acc[w * n + i]);
  acc.resize(n);
  if (!step.accShift() || p.group)
    return acc;
  for (int64_t v = 0; v < c.vectors; v++) {
    Value start = k.load(init, c.channel + v * L, L);
    for (int64_t i = v; i < n; i += c.vectors)
      acc[i] = k.addi(k.shrs(acc[i], k.i32(step.accShift(), L)), start);
  }
  return acc;
}

/// One tap whose weights have a scale for every `scaleGroup` channels, which lies behind their codes.
Values ConvEmitter::reduceScaleGroups(ArrayRef<Index> pixels, const Columns &c, const Index &a, const Index &b,
                                      Values acc) {
  auto one = [&](const Index &group, int64_t steps, bool cut, Values acc) {
    int64_t codeBytes = c.panelWidth * steps * layout.stepBytes;
    Index at = b + group * (c.panelWidth * (layout.stepsOf(0) * layout.stepBytes + layout.scaleBytes));
    Index from = a + group * layout.scaleGroup;
    Values scales;
    for (int64_t v = 0; v < c.vectors; v++)
      scales.push_back(loadScale(at + c.column * layout.scaleBytes + (codeBytes + v * L * layout.scaleBytes)));
    if (!step.integer())
      return reduceSteps(pixels, c, from, at, steps, cut, acc, scales);
    int64_t n = acc.size();
    Values sums = reduceSteps(pixels, c, from, at, steps, cut, Values(n * waysOf(n), k.i32(0, L)), {});
    for (int64_t i = 0; i < n; i++) {
      for (int64_t w = 1; w < waysOf(n); w++)
        sums[i] = k.addi(sums[i], sums[w * n + i]);
      acc[i] = k.fma(k.toF32(sums[i]), scales[i % c.vectors], acc[i]);
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

/// L scales as f32; those of 4-bit integer sums also undo the place of the codes in their bytes.
Value ConvEmitter::loadScale(const Index &at) {
  Value bytes = k.load(weights, at, L * layout.scaleBytes);
  Value scale;
  if (layout.scaleBytes == 4)
    scale = k.bitcast(bytes, k.f32Type(L));
  else
    scale = halfToF32(k.bitcast(bytes, k.type(Elem::F16, L)));
  return step.accShift() ? k.mul(scale, k.f32(1.0 / (1 << step.accShift()), L)) : scale;
}

/// The AVX levels have an instruction; SSE2 would call a library function for every lane.
Value ConvEmitter::halfToF32(Value v) {
  if (k.hasFma())
    return arith::ExtFOp::create(k.builder(), k.loc(), k.f32Type(L), v);
  // Exponent and fraction move to their places in f32, 2^112 corrects the bias; subnormals become right by the same
  // product.
  Value bits = k.zext(k.bitcast(v, k.type(Elem::I16, L)));
  Value magnitude = k.shl(k.andi(bits, k.i32(0x7fff, L)), k.i32(13, L)),
        sign = k.shl(k.andi(bits, k.i32(0x8000, L)), k.i32(16, L));
  Value value = k.mul(k.bitcast(magnitude, k.f32Type(L)), k.f32(0x1p112, L));
  return k.bitcast(k.ori(k.bitcast(value, k.i32Type(L)), sign), k.f32Type(L));
}

/// The tile loop: `steps` neighbouring steps of one tap (or row of taps). acc: [way][pixel][vector]. `cut`: the last
/// step has only its first part.
Values ConvEmitter::reduceSteps(ArrayRef<Index> pixels, const Columns &c, const Index &a, const Index &b, int64_t steps,
                                bool cut, Values acc, ArrayRef<Value> scales) {
  int64_t n = pixels.size() * c.vectors, ways = acc.size() / n;
  auto one = [&](const Index &s, int64_t way, int64_t parts, Values &acc) {
    Index bytes = b + s * unit(c.panelWidth * layout.stepBytes) + c.column * unit(layout.stepBytes);
    Index from = a + s * layout.stepChannels;
    Values loaded;
    for (int64_t v = 0; v < c.vectors; v++)
      loaded.push_back(step.loadWeights(weights, bytes + v * L * unit(layout.stepBytes)));
    for (int64_t part = 0; part < parts; part++) {
      Values w;
      for (int64_t v = 0; v < c.vectors; v++)
        w.push_back(step.weights(loaded[v], part, scales.empty() ? Value() : scales[v]));
      for (auto [i, pixel] : llvm::enumerate(pixels)) {
        Value x = step.activation(in, pixel + from + part * step.partStride());
        for (int64_t v = 0; v < c.vectors; v++) {
          Value &y = acc[way * n + i * c.vectors + v];
          y = step.multiply(y, x, w[v]);
        }
      }
    }
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

/// The epilogue of a tile and its stores.
void ConvEmitter::finish(const PixelLoops &loops, ArrayRef<Index> bases, int64_t width, const Columns &c,
                         ArrayRef<Value> acc) {
  CodeStore codes(k, p.out.elem, out);
  // Pieces of the vectors of a pixel, and the inputs that all pixels share.
  SmallVector<std::pair<Piece, Values>> pieces;
  for (int64_t v = 0; v < c.vectors; v++)
    for (Piece piece : k.pieces(std::min(L, c.valid - v * L), L)) {
      piece.offset += v * L;
      pieces.push_back({piece, {}});
    }
  for (int64_t pixel = 0; pixel < width * loops.inner; pixel++) {
    auto at = [&](size_t operand) {
      const Strides &s = loops.operands[operand];
      return bases[operand] + (pixel / loops.inner * s.column + pixel % loops.inner * s.inner);
    };
    ExprVector::Row row{0, {}};
    for (size_t i = 2; i < bases.size(); i++)
      row.base.push_back(at(i));
    Index to = at(1) + c.channel;
    for (auto &[piece, held] : pieces) {
      Index channel = c.channel + piece.offset;
      if (pixel == 0)
        held = expr.hold(row, channel, piece.lanes, piece.mask);
      Value value = k.slice(acc[pixel * c.vectors + piece.offset / L], piece.offset % L, piece.lanes);
      value = expr.evaluate(row, 0, channel, piece.lanes, piece.mask, value, held);
      codes.store(value, to + piece.offset, piece.count, piece.mask);
    }
  }
  codes.flush();
}

Kernel tern::cpu::emitConv(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa) {
  if (p.isDepthwise())
    return emitDepthwise(module, name, p, isa);
  return ConvEmitter(module, name, p, isa).emit();
}
