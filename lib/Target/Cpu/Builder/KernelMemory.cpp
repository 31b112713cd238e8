//===- KernelMemory.cpp - rows in pieces, masks, loads and stores of kernels ===//
#include "lib/Target/Cpu/Builder/KernelBuilder.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tern::cpu {

//===- Rows ----------------------------------------------------------------===//

SmallVector<Piece> KernelBuilder::pieces(int64_t count, int64_t width) {
  SmallVector<Piece> all;
  int64_t at = 0;
  for (; at + width <= count; at += width)
    all.push_back({at, width, width, {}});
  for (int64_t n = width / 2; at < count; n /= 2) {
    int64_t rest = count - at;
    if (level.masks && rest < level.lanes) {
      // The smallest register that holds the rest.
      for (n = 1; n < rest;)
        n *= 2;
      all.push_back({at, n, rest, n == rest ? Value() : maskOf(rest, n)});
      break;
    }
    if (rest >= n) {
      all.push_back({at, n, n, {}});
      at += n;
    }
  }
  return all;
}

Values KernelBuilder::forRow(const Index &total, int64_t width, ValueRange init,
                             llvm::function_ref<Values(Index, const Piece &, ValueRange)> body) {
  if (!total.isConstant()) {
    Index full = total / width * width;
    Values carried = loop(0, full, width, init, [&](Index i, ValueRange v) {
      return body(i, Piece{0, width, width, {}}, v);
    });
    if (level.masks) {
      // Whole registers, then one with a mask; each loop runs once or never.
      int64_t step = std::min(width, level.lanes);
      Index whole = total / step * step;
      if (step < width)
        carried = loop(full, whole, step, carried, [&](Index i, ValueRange v) {
          return body(i, Piece{0, step, step, {}}, v);
        });
      return loop(whole, total, step, carried, [&](Index i, ValueRange v) {
        return body(i, Piece{0, step, step, maskOf(total - i, step)}, v);
      });
    }
    Index at = full;
    for (int64_t n = width / 2; n >= 1; n /= 2) {
      Index next = total / n * n;
      carried = loop(at, next, n, carried, [&](Index i, ValueRange v) { return body(i, Piece{0, n, n, {}}, v); });
      at = next;
    }
    return carried;
  }
  int64_t count = total.constant(), full = count / width * width;
  Values carried = loop(0, full, width, init, [&](Index i, ValueRange v) {
    return body(i, Piece{0, width, width, {}}, v);
  });
  for (Piece piece : pieces(count - full, width)) {
    piece.offset += full;
    carried = body(piece.offset, piece, carried);
  }
  return carried;
}

void KernelBuilder::forRow(const Index &count, int64_t width, llvm::function_ref<void(Index, const Piece &)> body) {
  forRow(count, width, ValueRange(), [&](Index i, const Piece &piece, ValueRange) -> Values {
    body(i, piece);
    return {};
  });
}

Value KernelBuilder::maskOf(int64_t count, int64_t n) {
  SmallVector<bool> bits;
  for (int64_t i = 0; i < n; i++)
    bits.push_back(i < count);
  return constant(DenseElementsAttr::get(VectorType::get({n}, b.getI1Type()), bits));
}

Value KernelBuilder::maskOf(const Index &count, int64_t n) {
  if (count.isConstant())
    return maskOf(count.constant(), n);
  return vector::CreateMaskOp::create(b, location, VectorType::get({n}, b.getI1Type()), value(count));
}

//===- Memory --------------------------------------------------------------===//

Value KernelBuilder::load(Value memref, const Index &at, int64_t n, Value mask) {
  if (!n)
    return load(memref, at);
  auto t = VectorType::get({n}, cast<MemRefType>(memref.getType()).getElementType());
  if (!mask)
    return vector::LoadOp::create(b, location, t, memref, value(at));
  Value zeros = constant(cast<TypedAttr>(b.getZeroAttr(t)));
  return vector::MaskedLoadOp::create(b, location, t, memref, value(at), mask, zeros);
}

Value KernelBuilder::load(Value memref, const Index &at) {
  return memref::LoadOp::create(b, location, memref, value(at));
}

void KernelBuilder::store(Value v, Value memref, const Index &at, Value mask) {
  if (!lanesOf(v))
    memref::StoreOp::create(b, location, v, memref, value(at));
  else if (mask)
    vector::MaskedStoreOp::create(b, location, memref, value(at), mask, v);
  else
    vector::StoreOp::create(b, location, v, memref, value(at));
}

Value KernelBuilder::loadPart(Value memref, const Index &at, int64_t n, int64_t count) {
  if (count >= n)
    return load(memref, at, n);
  if (level.masks)
    return load(memref, at, n, maskOf(count, n));
  auto t = VectorType::get({n}, cast<MemRefType>(memref.getType()).getElementType());
  Value v = constant(cast<TypedAttr>(b.getZeroAttr(t)));
  for (const Piece &piece : pieces(count, n))
    v = insert(load(memref, at + piece.offset, piece.lanes), v, piece.offset);
  return v;
}

void KernelBuilder::storePart(Value v, Value memref, const Index &at, int64_t count) {
  int64_t n = lanesOf(v);
  if (count >= n)
    return store(v, memref, at);
  if (level.masks)
    return store(v, memref, at, maskOf(count, n));
  for (const Piece &piece : pieces(count, n))
    store(slice(v, piece.offset, piece.lanes), memref, at + piece.offset);
}

Value KernelBuilder::loadDwords(Value memref, const Index &at, int64_t n) {
  Value words = bitcast(load(memref, at, 4 * std::max<int64_t>(n, 1)), i32Type(std::max<int64_t>(n, 1)));
  return n ? words : extract(words, 0);
}

} // namespace tern::cpu
