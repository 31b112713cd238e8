//===- EmitDepthwise.cpp - depthwise convolution ---------------------------===//
// A tile is some output pixels of a row times one vector of channels; every input vector is loaded once and serves all
// pixels and taps that need it. Bytes of up to four kernel rows are interleaved, so that one dot4 does four taps of a
// column.
//===----------------------------------------------------------------------===//
#include "dialects/Micro/IR/Micro.h"
#include "lib/Target/Cpu/CodeStore.h"
#include "lib/Target/Cpu/ConvPlan.h"
#include "lib/Target/Cpu/Emit.h"
#include "lib/Target/Cpu/ExprVector.h"
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
      : p(p), phase(phasesOf(p).front()), integer(isInteger(p)), k(module, name, argsOf(p), isa), L(isa.lanes),
        // Eight pixels hide the latency of a multiply; without registers for more, SSE2 takes four.
        loops(pixelLoops(p, phase, isa.level == 0 ? 4 : 8)),
        epilogue(p.epilogue, p.out.elem, isa, p.out.pixels() * p.out.c),
        expr(k, epilogue.head, CodeStore::exprElem(k, p.out.elem), integer ? 3 : 2, integer ? Elem::I32 : Elem::F32),
        tailProgram(k, epilogue.tail, p.out.elem, integer ? 3 : 2), in(k.arg(0)), weights(k.arg(1)),
        out(k.arg(argsOf(p).size() - 1)) {
    if (epilogue.isSplit)
      table.emplace(epilogue.table(k, tailProgram));
  }

  Kernel emit();

private:
  using Taps = SmallVector<Values>; ///< [row or group of four rows][column]

  void emitBlock(const Index &channel, int64_t valid, const Index &rowLo, const Index &rowHi);
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
  int64_t wanted = wantedTasks(estimateUs(p, k.target())), blocks = ceilDiv(p.out.c, block);
  // Rows first, but not fewer than four at once, because neighbours share input rows; then channels.
  int64_t rowBlocks = std::clamp<int64_t>(loops.rows() / 4, 1, wanted), rows = ceilDiv(loops.rows(), rowBlocks);
  rowBlocks = ceilDiv(loops.rows(), rows);
  int64_t channelBlocks = std::min(blocks, ceilDiv(wanted, rowBlocks)), perTask = ceilDiv(blocks, channelBlocks);
  channelBlocks = ceilDiv(blocks, perTask);
  Index rowLo = rowBlocks == 1 ? Index(0) : (k.task() % rowBlocks) * rows;
  Index rowHi = loops.rows() % rows ? min(rowLo + rows, Index(loops.rows())) : rowLo + rows;
  Index first = channelBlocks == 1 ? Index(0) : (k.task() / rowBlocks) * perTask;
  int64_t full = p.out.c / block;
  Index last = channelBlocks == 1 ? Index(full) : min(first + perTask, Index(full));
  int64_t group = std::min(rows, cachedRows());
  k.loop(rowLo, rowHi, group, [&](Index lo) {
    Index hi = group == rows ? rowHi : min(lo + group, rowHi);
    k.loop(first, last, 1, [&](Index b) { emitBlock(b * block, block, lo, hi); });
    if (int64_t rest = p.out.c - full * block)
      k.when(k.less(full, first + perTask), [&] { emitBlock(full * block, rest, lo, hi); });
  });
  return {k.finish(), rowBlocks * channelBlocks, 0};
}

/// Output rows whose input lines stay in the first level cache while all channels pass: 16 channels of bytes use a
/// quarter of a line. Those of f32 use whole lines, which nobody needs again.
int64_t DepthwiseEmitter::cachedRows() const {
  if (!integer || loops.columns == 1 || loops.inner > 1)
    return loops.rows();
  int64_t lines = (32 << 10) / 64 / (p.in.left + p.in.w + p.in.right);
  return std::max<int64_t>(1, (lines - (p.kh - 1) * p.dilationH) / p.strideH);
}

/// Up to 16 channels of the rows of a task.
void DepthwiseEmitter::emitBlock(const Index &channel, int64_t valid, const Index &rowLo, const Index &rowHi) {
  auto vector = [&](const Index &sub, int64_t channels) {
    // Weights that fit registers are loaded once; f32 ones otherwise where they are used, as memory operands.
    bool hold = integer || (k.target().registers == 32 && p.kh * p.kw <= 9);
    Taps taps;
    if (hold)
      taps = loadTaps(channel, sub);
    auto weight = [&](int64_t row, int64_t column) {
      return hold ? taps[row][column] : loadWeight(channel, sub, row * p.kw + column);
    };
    k.loop(rowLo, rowHi, 1, [&](Index row) {
      Index n = loops.images == 1 ? Index(0) : loops.rowsPerImage == 1 ? row : row / loops.rowsPerImage;
      Index y = loops.images == 1 ? row : loops.rowsPerImage == 1 ? Index(0) : row % loops.rowsPerImage;
      auto chunks = [&](int64_t lo, int64_t hi, int64_t width, int64_t shift) {
        k.loop(lo, hi, 1, [&](Index chunk) {
          SmallVector<Index> bases;
          for (const Strides &s : loops.operands)
            bases.push_back(n * s.n + y * s.row + (chunk * width + shift) * s.column + s.base);
          emitTile(bases, width, channel + sub, channels, weight);
        });
      };
      chunks(0, loops.wide, loops.chunk + 1, 0);
      chunks(loops.wide, loops.chunks, loops.chunk, loops.wide);
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
  // Offset of an input vector from the first pixel -> the taps that need it.
  std::map<int64_t, SmallVector<Use>> uses;
  const Strides &s = loops.operands[0];
  for (int64_t row = 0; row < tapRows(); row++)
    for (int64_t pixel = 0; pixel < width * loops.inner; pixel++)
      for (int64_t column = 0; column < p.kw; column++)
        uses[pixel / loops.inner * s.column + pixel % loops.inner * s.inner +
             row * perRow * p.dilationH * p.in.rowStride() + column * p.dilationW * p.in.cs]
            .push_back({pixel, row, column});
  Value start = integer ? k.load(k.arg(2), channel, L) : k.zero(Elem::F32, L);
  Values acc(width * loops.inner, start);
  SmallVector<bool> begun(acc.size(), integer);
  llvm::SmallDenseMap<int64_t, Value> weights;
  for (auto &[offset, list] : uses) {
    // A tile of several rows can need the same input vector as another row of the kernel, which is another group of
    // four.
    llvm::SmallDenseMap<int64_t, Value> loaded;
    for (const Use &use : list) {
      Value &x = loaded[integer ? std::min<int64_t>(4, p.kh - use.row * 4) : 1];
      if (!x && !integer)
        x = k.load(in, bases[0] + channel + offset, L);
      if (!x) {
        Values rows;
        for (int64_t r = 0; r < std::min<int64_t>(4, p.kh - use.row * 4); r++)
          rows.push_back(k.load(in, bases[0] + channel + (offset + r * p.dilationH * p.in.rowStride()), L));
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
      auto at = [&](size_t operand) {
        const Strides &s = loops.operands[operand];
        return bases[operand] + (pixel / loops.inner * s.column + pixel % loops.inner * s.inner);
      };
      ExprVector::Row row{0, {}};
      for (size_t i = 2; i < bases.size(); i++)
        row.base.push_back(at(i));
      Index c = channel + piece.offset;
      if (held.empty())
        held = expr.hold(row, c, piece.lanes, piece.mask);
      Value value = k.slice(acc[pixel], piece.offset, piece.lanes);
      value = expr.evaluate(row, 0, c, piece.lanes, piece.mask, value, held);
      codes.store(value, at(1) + c, piece.count, piece.mask);
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
