#include "lib/Target/Cpu/RowReduce.h"

using namespace mlir;

namespace tern::cpu {

int64_t rowWidth(const Isa &isa, int64_t count) {
  int64_t width = 4 * isa.lanes;
  while (width > 1 && width / 2 >= count)
    width /= 2;
  return width;
}

Value reduceRow(KernelBuilder &k, int64_t count, double neutral,
                llvm::function_ref<Value(Index, const Piece &)> element,
                llvm::function_ref<Value(Value, Value)> combine) {
  int64_t width = rowWidth(k.target(), count), full = count / width * width;
  Value acc = k.f32(neutral, width);
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
