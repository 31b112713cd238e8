//===- EmitDepthwise.cpp - depthwise convolution ---------------------------===//
// A tile is some output pixels of a row times one vector of channels; every input vector is loaded once and serves all
// pixels and taps that need it. Bytes of up to four kernel rows are interleaved, so that one dot4 does four taps of a
// column.
//===----------------------------------------------------------------------===//
#include "dialects/Micro/IR/Micro.h"
#include "lib/Target/Cpu/Math/CodeStore.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Windows/PixelLoops.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include <map>

using namespace mlir;
using namespace tern::cpu;

namespace tern::cpu {
Kernel emitDepthwise(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa);
}

namespace {
constexpr int64_t block = 16; ///< channels that lie together in the packed weights

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
bool isInteger(const ConvProblem &p) { return p.arith == Arith::U8S8 || p.arith == Arith::U8S4; }

SmallVector<Elem> argsOf(const ConvProblem &p) {
  SmallVector<Elem> args{p.in.elem, p.arith == Arith::F32 ? Elem::F32 : Elem::S8};
  if (isInteger(p))
    args.push_back(Elem::I32);
  ExprVector::appendArgs(p.epilogue, args);
  args.push_back(p.out.elem);
  return args;
}

class DepthwiseEmitter {
public:
  DepthwiseEmitter(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa)
      : p(p), phase(phasesOf(p).front()), integer(isInteger(p)), k(module, name, argsOf(p), isa, std::nullopt, hasDynamicSizes(p)), L(isa.lanes),
        // Eight pixels hide the latency of a multiply; without registers for more, SSE2 takes four.
        loops(pixelLoops(k, p, phase, isa.level == 0 ? 4 : 8)),
        epilogue(p.epilogue, p.out.elem, isa, nominal(p).out.pixels() * p.out.c),
        expr(k, epilogue.head, CodeStore::exprElem(k, p.out.elem), integer ? 3 : 2, integer ? Elem::I32 : Elem::F32),
        tailProgram(k, epilogue.tail, p.out.elem, integer ? 3 : 2), in(k.arg(0)), weights(k.arg(1)),
        out(k.arg(argsOf(p).size() - 1)) {
    if (epilogue.isSplit)
      table.emplace(epilogue.table(k, tailProgram));
  }

  Kernel emit();

private:
  using Taps = SmallVector<Values>; ///< [row or group of four rows][column]

  /// The rows and, of open sizes, the columns of a task.
  struct Box {
    Index rowLo, rowHi, columnLo = 0, columnHi = 0;
  };
  Kernel emitOpen();
  void emitBlock(const Index &channel, int64_t valid, const Box &box);
  void emitChannels(const Index &first, const Index &last, const Box &box);
  void emitTile(ArrayRef<Index> bases, int64_t width, const Index &channel, int64_t valid,
                llvm::function_ref<Value(int64_t, int64_t)> weight);
  Value loadWeight(const Index &channel, const Index &sub, int64_t tap);
  Taps loadTaps(const Index &channel, const Index &sub);
  Value interleave(ArrayRef<Value> rows);
  Value permute(ArrayRef<Value> rows);

  int64_t cachedRows() const;
  bool fourBits() const { return p.arith == Arith::U8S4 || p.arith == Arith::F32S4; }
  int64_t tapRows() const { return integer ? ceilDiv(p.kh, 4) : p.kh; }

  const ConvProblem &p;
  Phase phase;
  bool integer;
  KernelBuilder k;
  int64_t L;
  PixelLoops loops;
  SplitEpilogue epilogue;
  ExprVector expr; ///< the head of the epilogue
  ExprVector tailProgram;
  std::optional<ByteTable> table; ///< the tail, if there is one
  Value in, weights, out;
};
} // namespace

Kernel DepthwiseEmitter::emit() {
  if (hasDynamicSizes(p))
    return emitOpen();
  int64_t wanted = wantedTasks(estimateUs(p, k.target())), blocks = ceilDiv(p.out.c, block), all = loops.rows().constant();
  // Rows first, but not fewer than four at once, because neighbours share input rows; then channels.
  int64_t rowBlocks = std::clamp<int64_t>(all / 4, 1, wanted), rows = ceilDiv(all, rowBlocks);
  rowBlocks = ceilDiv(all, rows);
  int64_t channelBlocks = std::min(blocks, ceilDiv(wanted, rowBlocks)), perTask = ceilDiv(blocks, channelBlocks);
  channelBlocks = ceilDiv(blocks, perTask);
  Index rowLo = rowBlocks == 1 ? Index(0) : (k.task() % rowBlocks) * rows;
  Index rowHi = all % rows ? min(rowLo + rows, Index(all)) : rowLo + rows;
  Index first = channelBlocks == 1 ? Index(0) : (k.task() / rowBlocks) * perTask;
  int64_t group = std::min(rows, cachedRows());
  k.loop(rowLo, rowHi, group, [&](Index lo) {
    emitChannels(first, first + perTask, {lo, group == rows ? rowHi : min(lo + group, rowHi)});
  });
  return {k.finish(), rowBlocks * channelBlocks, 0};
}

/// A task does all channels of a box of pixels: as many rows as share input rows in the first level cache.
Kernel DepthwiseEmitter::emitOpen() {
  constexpr double kTask = 10;
  ConvProblem typical = nominal(p);
  double us = estimateUs(p, k.target()) / double(typical.out.h * typical.out.w);
  bool openColumns = !loops.columns.isConstant(), openRows = !loops.rows().isConstant();
  int64_t pixels = std::clamp<int64_t>(int64_t(std::min(kTask / us, 1e6)), 1, 1 << 20);
  int64_t together = openRows ? 4 : std::min<int64_t>(4, loops.rows().constant());
  int64_t columns = openColumns ? std::clamp<int64_t>(ceilDiv(pixels / together, loops.tile), 2, 16) * loops.tile : loops.columns.constant();
  int64_t lines = (32 << 10) / 64 / std::max<int64_t>(1, (columns - 1) * p.strideW + (p.kw - 1) * p.dilationW + 1);
  int64_t rows = std::clamp<int64_t>(pixels / columns, 1, 1 << 20);
  if (integer)
    rows = std::clamp<int64_t>((lines - (p.kh - 1) * p.dilationH) / p.strideH, 1, rows);
  if (!openRows)
    rows = std::min(rows, loops.rows().constant());
  Index columnBlocks = openColumns ? (loops.columns + (columns - 1)) / columns : Index(1);
  Index row = k.task() / columnBlocks * rows, column = k.task() % columnBlocks * columns;
  TaskCount tasks = TaskCount::of(loops.rowSizes, rows);
  if (openColumns)
    tasks = tasks * TaskCount::of(loops.columnSizes, columns);
  emitChannels(0, ceilDiv(p.out.c, block), {row, min(row + rows, loops.rows()), column, min(column + columns, loops.columns)});
  return {k.finish(), tasks, 0};
}

/// Blocks [first, end) of channels.
void DepthwiseEmitter::emitChannels(const Index &first, const Index &end, const Box &box) {
  int64_t full = p.out.c / block;
  k.loop(first, min(end, Index(full)), 1, [&](Index b) { emitBlock(b * block, block, box); });
  if (int64_t rest = p.out.c - full * block)
    k.when(k.less(full, end), [&] { emitBlock(full * block, rest, box); });
}

/// Output rows whose input lines stay in the first level cache while all channels pass: 16 channels of bytes use a
/// quarter of a line. Those of f32 use whole lines, which nobody needs again.
int64_t DepthwiseEmitter::cachedRows() const {
  if (!integer || loops.columns.constant() == 1 || loops.inner > 1)
    return loops.rows().constant();
  int64_t lines = (32 << 10) / 64 / (p.in.left + p.in.w + p.in.right);
  return std::max<int64_t>(1, (lines - (p.kh - 1) * p.dilationH) / p.strideH);
}

/// Up to 16 channels of the rows of a task.
void DepthwiseEmitter::emitBlock(const Index &channel, int64_t valid, const Box &box) {
  auto vector = [&](const Index &sub, int64_t channels) {
    // Weights that fit registers are loaded once; f32 ones otherwise where they are used, as memory operands.
    bool hold = integer || (k.target().registers == 32 && p.kh * p.kw <= 9);
    Taps taps;
    if (hold)
      taps = loadTaps(channel, sub);
    auto weight = [&](int64_t row, int64_t column) {
      return hold ? taps[row][column] : loadWeight(channel, sub, row * p.kw + column);
    };
    k.loop(box.rowLo, box.rowHi, 1, [&](Index row) {
      bool oneImage = loops.images.isConstant() && loops.images.constant() == 1;
      bool oneRow = loops.rowsPerImage.isConstant() && loops.rowsPerImage.constant() == 1;
      Index n = oneImage ? Index(0) : oneRow ? row : row / loops.rowsPerImage;
      Index y = oneImage ? row : oneRow ? Index(0) : row % loops.rowsPerImage;
      forTiles(k, loops, box.columnLo, box.columnHi, [&](Index x, int64_t width) {
        SmallVector<Index> bases;
        for (const Strides &s : loops.operands)
          bases.push_back(n * s.n + y * s.row + x * s.column + s.base);
        emitTile(bases, width, channel + sub, channels, weight);
      });
    });
  };
  // Which half of a byte holds a 4-bit weight must be known here.
  int64_t looped = fourBits() ? 0 : valid / L * L;
  k.loop(0, looped, L, [&](Index sub) { vector(sub, L); });
  for (int64_t sub = looped; sub < valid; sub += L)
    vector(sub, std::min(L, valid - sub));
}

void DepthwiseEmitter::emitTile(ArrayRef<Index> bases, int64_t width, const Index &channel, int64_t valid,
                                llvm::function_ref<Value(int64_t, int64_t)> weight) {
  struct Use {
    int64_t pixel, row, column;
  };
  int64_t perRow = integer ? 4 : 1;
  // Where an input vector lies, from the first pixel on -> the taps that need it. Rows count as rows where their stride is
  // only known at run time; a tile of several rows knows it, so that equal places meet.
  std::map<std::pair<int64_t, int64_t>, SmallVector<Use>> uses;
  const Strides &s = loops.operands[0];
  Index stride = k.rowStride(p.in);
  bool openColumn = !s.column.isConstant(); // one column: a tile is pixels below each other
  for (int64_t row = 0; row < tapRows(); row++)
    for (int64_t pixel = 0; pixel < width * loops.inner; pixel++)
      for (int64_t column = 0; column < p.kw; column++) {
        int64_t down = row * perRow * p.dilationH, right = column * p.dilationW * p.in.cs + pixel % loops.inner * s.inner.constant();
        if (openColumn)
          down += pixel * p.strideH;
        else
          right += pixel / loops.inner * s.column.constant();
        if (stride.isConstant())
          right += down * stride.constant(), down = 0;
        uses[{down, right}].push_back({pixel, row, column});
      }
  Value start = integer ? k.load(k.arg(2), channel, L) : k.zero(Elem::F32, L);
  Values acc(width * loops.inner, start);
  SmallVector<bool> begun(acc.size(), integer);
  llvm::SmallDenseMap<int64_t, Value> weights;
  for (auto &[place, list] : uses) {
    auto at = [&, from = place](int64_t rows) { return bases[0] + channel + stride * (from.first + rows) + from.second; };
    // A tile of several rows can need the same input vector as another row of the kernel, which is another group of
    // four.
    llvm::SmallDenseMap<int64_t, Value> loaded;
    for (const Use &use : list) {
      Value &x = loaded[integer ? std::min<int64_t>(4, p.kh - use.row * 4) : 1];
      if (!x && !integer)
        x = k.load(in, at(0), L);
      if (!x) {
        Values rows;
        for (int64_t r = 0; r < std::min<int64_t>(4, p.kh - use.row * 4); r++)
          rows.push_back(k.load(in, at(r * p.dilationH), L));
        x = interleave(rows);
      }
      Value &w = weights[use.row * p.kw + use.column], &y = acc[use.pixel];
      if (!w)
        w = weight(use.row, use.column);
      if (integer)
        y = tern::micro::Dot4Op::create(k.builder(), k.loc(), y.getType(), y, x, w);
      else
        y = begun[use.pixel] ? k.fma(x, w, y) : k.mul(x, w);
      begun[use.pixel] = true;
    }
  }
  CodeStore codes(k, p.out.elem, out, table ? &*table : nullptr);
  for (const Piece &piece : k.pieces(valid, L)) {
    Values held;
    for (int64_t pixel = 0; pixel < width * loops.inner; pixel++) {
      ExprVector::Row row{0, {}};
      for (size_t i = 2; i < bases.size(); i++)
        row.base.push_back(loops.at(bases, i, pixel));
      Index c = channel + piece.offset;
      if (held.empty())
        held = expr.hold(row, c, piece.lanes, piece.mask);
      Value value = k.slice(acc[pixel], piece.offset, piece.lanes);
      value = expr.evaluate(row, 0, c, piece.lanes, piece.mask, value, held);
      codes.store(value, loops.at(bases, 1, pixel) + c, piece.count, piece.mask);
    }
  }
  codes.flush();
}

/// The weights of L channels for one tap: f32, or s8 codes of integer arithmetic. `channel` is the first of a block
/// of 16.
Value DepthwiseEmitter::loadWeight(const Index &channel, const Index &sub, int64_t tap) {
  Index first = channel * (p.kh * p.kw) + sub + tap * block; // [block][tap][16]
  if (p.arith == Arith::F32)
    return k.load(weights, first, L);
  Value codes;
  if (!fourBits()) {
    codes = k.load(weights, first, L);
  } else {
    // A byte holds channel j in its low and j + 8 in its high half.
    int64_t half = block / 2, n = std::min(L, half);
    Value bytes = k.load(weights, (channel / block) * (p.kh * p.kw * half) + (tap * half + sub.constant() % half), n);
    Value four = k.integer(4, Elem::S8, n), low = k.shrs(k.shl(bytes, four), four), high = k.shrs(bytes, four);
    codes = L > half ? k.concat({low, high}) : sub.constant() < half ? low : high;
  }
  return integer ? codes : k.toF32(k.sext(codes));
}

DepthwiseEmitter::Taps DepthwiseEmitter::loadTaps(const Index &channel, const Index &sub) {
  Taps taps;
  for (int64_t row = 0; row < tapRows(); row++) {
    Values columns;
    for (int64_t column = 0; column < p.kw; column++) {
      if (!integer) {
        columns.push_back(loadWeight(channel, sub, row * p.kw + column));
        continue;
      }
      Values rows;
      for (int64_t r = 4 * row; r < std::min(p.kh, 4 * row + 4); r++)
        rows.push_back(loadWeight(channel, sub, r * p.kw + column));
      while (rows.size() < 4) // here missing rows must be 0
        rows.push_back(k.zero(Elem::S8, L));
      columns.push_back(interleave(rows));
    }
    taps.push_back(columns);
  }
  return taps;
}

/// Up to four vectors of L bytes -> 4 L bytes, the first of each, the second of each, ...; what stands for missing ones
/// is unspecified (their weights are 0).
Value DepthwiseEmitter::interleave(ArrayRef<Value> rows) {
  if (rows.size() == 1) // vpmovzxbd from memory
    return k.bitcast(k.zext(rows[0]), k.type(Elem::U8, 4 * L));
  if (k.target().level == 2)
    return permute(rows);
  Value none = rows[0];
  SmallVector<int64_t> lanes(4 * L), pair(2 * L);
  for (int64_t i = 0; i < 2 * L; i++)
    pair[i] = i % 2 * L + i / 2;
  for (int64_t i = 0; i < 4 * L; i++)
    lanes[i] = (i / 2) % 2 * 2 * L + i / 4 * 2 + i % 2;
  Value low = k.shuffle(rows[0], rows[1], pair);
  Value high = rows.size() > 2 ? k.shuffle(rows[2], rows.size() > 3 ? rows[3] : none, pair) : low;
  return k.shuffle(low, high, lanes);
}

/// The same by one permutation of two registers, into whose low halves the rows are loaded.
Value DepthwiseEmitter::permute(ArrayRef<Value> rows) {
  size_t first = rows.size() > 2 ? 2 : 1; // rows in the first register
  auto widen = [&](ArrayRef<Value> parts) {
    Value v = k.concat(parts);
    SmallVector<int64_t> lanes(64, -1); // poison
    for (int64_t i = 0; i < k.lanesOf(v); i++)
      lanes[i] = i;
    return k.shuffle(v, v, lanes);
  };
  SmallVector<int8_t> index(64);
  for (int i = 0; i < 64; i++) {
    size_t row = i % 4 < int(rows.size()) ? i % 4 : 0;
    index[i] = int8_t(row < first ? row * L + i / 4 : 64 + (row - first) * L + i / 4);
  }
  auto type = cast<VectorType>(k.type(Elem::U8, 64));
  return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), type,
                                       k.builder().getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
                                       ValueRange{widen(rows.take_front(first)),
                                                  k.constant(DenseElementsAttr::get(type, ArrayRef<int8_t>(index))),
                                                  widen(rows.drop_front(first))})
      .getResults();
}

Kernel tern::cpu::emitDepthwise(ModuleOp module, StringRef name, const ConvProblem &p, const Isa &isa) {
  return DepthwiseEmitter(module, name, p, isa).emit();
}
