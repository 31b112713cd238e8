//===- ConvNarrow.cpp - epilogues of few output channels ------------------===//
// A tile of one to eight output channels leaves most lanes of its accumulators empty. Where pixels lie densely in
// memory, the accumulators of neighbouring pixels are gathered into full vectors first; conv_transpose puts the phases
// of a row between each other that way.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Math/CodeStore.h"
#include "lib/Target/Cpu/Windows/ConvTile.h"

using namespace mlir;
using namespace tern::cpu;

/// The activation of an operand of the pixel loops; null for those without pixels.
const Map *ConvTile::mapOf(size_t operand) const {
  if (operand < 2)
    return operand == 0 ? &p.in : &p.out;
  const ExprInput &input = p.epilogue.inputs[operand - 2];
  return input.kind == ExprInput::Tensor || input.kind == ExprInput::Row ? &input.map : nullptr;
}

/// Lanes that one pixel of the tile gives to a row of the output if gathering pays and is possible, else 0.
int64_t ConvTile::narrowLanes(const Columns &c, const PixelLoops &loops) const {
  int64_t rows = layout.merged > 1 ? p.strideH : 1, lanes = c.valid / rows;
  if (c.vectors > 1 || p.groups > 1 || lanes >= L || (lanes & (lanes - 1)) || layout.outC & (layout.outC - 1) ||
      loops.inner != 1 || (loops.columns.isConstant() && loops.columns.constant() * lanes < L))
    return 0;
  // Panels before this one own the other channels of a pixel.
  if (layout.columns != c.valid)
    return 0;
  for (size_t i = 1; i < loops.operands.size(); i++) {
    const Map *map = mapOf(i);
    const Index &column = loops.operands[i].column;
    if (map && (!column.isConstant() || column.constant() != lanes || map->cs != layout.outC || map->c != layout.outC))
      return 0;
    bool served = i < 2 || !map || map->elem == Elem::F32 || map->elem == Elem::U8 || map->elem == Elem::S8 ||
                  map->elem == Elem::I32;
    if (!served)
      return 0;
  }
  return lanes;
}

/// Lanes [first, first + width) of every accumulator behind each other.
Value ConvTile::gather(ArrayRef<Value> acc, int64_t first, int64_t width) {
  Values level(acc);
  for (; width < L; first = 0, width *= 2) {
    Values next;
    for (size_t i = 0; i < level.size(); i += 2) {
      SmallVector<int64_t> lanes(L, -1); // poison
      for (int64_t j = 0; j < width; j++)
        lanes[j] = first + j, lanes[width + j] = L + first + j;
      next.push_back(k.shuffle(level[i], level[std::min(i + 1, level.size() - 1)], lanes));
    }
    level = next;
  }
  return level[0];
}

/// The channels from `at` on, again and again; lane 0 is channel `first`.
Value ConvTile::repeat(Value memref, const Index &at, int64_t first, int64_t lanes) {
  if (layout.outC == 1)
    return k.broadcast(k.load(memref, at), lanes);
  Value v = k.load(memref, at, layout.outC);
  SmallVector<int64_t> order(lanes);
  for (int64_t i = 0; i < lanes; i++)
    order[i] = (first + i) % layout.outC;
  return k.shuffle(v, v, order);
}

/// The inputs of the program for neighbouring elements of the output; `at`: offset of the first in every operand.
Values ConvTile::narrowInputs(ArrayRef<Index> at, Value acc, const Piece &piece) {
  Values values;
  unsigned arg = step.integer() ? 3 : 2;
  for (auto [i, input] : llvm::enumerate(p.epilogue.inputs)) {
    if (input.kind == ExprInput::Acc) {
      values.push_back(acc);
      continue;
    }
    Value memref = k.arg(arg++), v;
    Elem elem = input.map.elem;
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Row)
      v = k.load(memref, at[2 + i] + piece.offset, piece.lanes, piece.mask);
    else if (input.kind == ExprInput::Channel || input.kind == ExprInput::Pixelwise)
      v = repeat(memref, at[2 + i], piece.offset, piece.lanes);
    if (v && input.kind != ExprInput::Channel && (elem == Elem::U8 || elem == Elem::S8))
      v = elem == Elem::U8 ? k.zext(v) : k.sext(v);
    values.push_back(v); // none for a Scalar: the program loads it once
  }
  if (values.empty())
    values.push_back(acc);
  return values;
}

void ConvTile::finishNarrow(const Shape &shape, const PixelLoops &loops, ArrayRef<Index> bases, ArrayRef<Value> acc) {
  int64_t width = narrowLanes(shape.columns, loops), rows = shape.columns.valid / width, together = L / width;
  int64_t pixels = shape.pixels.size();
  CodeStore codes(k, p.out.elem, out, tail());
  for (int64_t row = 0; row < rows; row++)
    for (int64_t first = 0; first < pixels; first += together) {
      int64_t n = std::min(together, pixels - first);
      Value all = gather(acc.slice(first, n), row * width, width);
      SmallVector<Index> at;
      for (size_t i = 0; i < bases.size(); i++) {
        const Map *map = mapOf(i);
        at.push_back(map ? bases[i] + (loops.operands[i].column * first + k.rowStride(*map) * row) : bases[i]);
      }
      for (const Piece &piece : k.pieces(n * width, L)) {
        Values inputs = narrowInputs(at, k.slice(all, piece.offset, piece.lanes), piece);
        codes.store(expr.evaluateWith(inputs, piece.lanes), at[1] + piece.offset, piece.count, piece.mask);
      }
    }
  codes.flush();
}

/// Merged phases whose operands do not lie densely: every phase of every pixel on its own.
void ConvTile::finishPhases(const Shape &shape, const PixelLoops &loops, ArrayRef<Index> bases, ArrayRef<Value> acc) {
  CodeStore codes(k, p.out.elem, out, tail());
  for (int64_t pixel = 0, e = shape.pixels.size(); pixel < e; pixel++)
    for (int64_t phase = 0; phase < layout.merged; phase++) {
      auto at = [&](size_t i) {
        const Map *map = mapOf(i);
        Index inside = map ? k.rowStride(*map) * (phase / p.strideW) + phase % p.strideW * map->cs : Index(0);
        return bases[i] + (loops.operands[i].column * pixel + inside);
      };
      ExprVector::Row row{0, {}};
      for (size_t i = 2; i < bases.size(); i++)
        row.base.push_back(at(i));
      for (const Piece &piece : k.pieces(layout.outC, L)) {
        Value value = k.slice(acc[pixel], phase * layout.outC + piece.offset, piece.lanes);
        value = expr.evaluate(row, 0, piece.offset, piece.lanes, piece.mask, value);
        codes.store(value, at(1) + piece.offset, piece.count, piece.mask);
      }
    }
  codes.flush();
}
