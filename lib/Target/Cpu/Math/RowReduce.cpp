#include "lib/Target/Cpu/Math/RowReduce.h"

using namespace mlir;

namespace tern::cpu {

int64_t rowWidth(const Isa &isa, const Index &count) {
  int64_t width = 4 * isa.lanes;
  while (count.isConstant() && width > 1 && width / 2 >= count.constant())
    width /= 2;
  return width;
}

Value reduceRow(KernelBuilder &k, const Index &total, double neutral,
                llvm::function_ref<Value(Index, const Piece &)> element,
                llvm::function_ref<Value(Value, Value)> combine) {
  int64_t width = rowWidth(k.target(), total);
  Value acc = k.f32(neutral, width);
  if (!total.isConstant()) {
    acc = k.forRow(total, width, acc, [&](Index i, const Piece &piece, ValueRange a) {
      Value v = element(i, piece);
      if (piece.mask)
        v = k.select(piece.mask, v, k.f32(neutral, piece.lanes));
      Value part = combine(k.slice(a[0], 0, piece.lanes), v);
      return Values{piece.lanes == width ? part : k.insert(part, a[0], 0)};
    })[0];
    return k.reduce(acc, combine);
  }
  int64_t count = total.constant(), full = count / width * width;
  if (full)
    acc = k.loop(0, full, width, acc, [&](Index i, ValueRange a) {
      return Values{combine(a[0], element(i, Piece{0, width, width, {}}))};
    })[0];
  for (const Piece &piece : k.pieces(count - full, width)) {
    Value v = element(full + piece.offset, piece);
    if (piece.mask)
      v = k.select(piece.mask, v, k.f32(neutral, piece.lanes));
    Value part = combine(k.slice(acc, 0, piece.lanes), v);
    acc = piece.lanes == width ? part : k.insert(part, acc, 0);
  }
  return k.reduce(acc, combine);
}

} // namespace tern::cpu
