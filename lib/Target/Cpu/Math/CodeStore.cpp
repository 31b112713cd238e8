//===- CodeStore.cpp - stores of a tile's epilogue ------------------------===//
#include "lib/Target/Cpu/Math/CodeStore.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace tern::cpu;

void CodeStore::store(Value v, const Index &at, int64_t count, Value mask) {
  if (!pairs || k.lanesOf(v) != 16) {
    if (pairs)
      v = translate(k.trunc(v, elem));
    return k.store(v, memref, at, mask);
  }
  Pending next{v, at, count};
  if (!waiting) {
    waiting = next;
    return;
  }
  storePair(*waiting, next);
  waiting.reset();
}

void CodeStore::flush() {
  if (!waiting)
    return;
  Value mask = waiting->count < 16 ? k.maskOf(waiting->count, 16) : Value();
  k.store(translate(k.trunc(waiting->codes, elem)), memref, waiting->at, mask);
  waiting.reset();
}

/// x - c -> x and c: only the low byte counts, so that the subtraction can wait until there are bytes.
static std::pair<Value, int64_t> peel(Value v) {
  APInt c;
  if (auto sub = v.getDefiningOp<arith::SubIOp>(); sub && matchPattern(sub.getRhs(), m_ConstantInt(&c)))
    return {sub.getLhs(), c.getZExtValue() & 0xff};
  return {v, 0};
}

void CodeStore::storePair(const Pending &a, const Pending &b) {
  auto [x, lessX] = peel(a.codes);
  auto [y, lessY] = peel(b.codes);
  if (lessX != lessY)
    x = a.codes, y = b.codes, lessX = 0;
  SmallVector<int8_t> bytes(64);
  for (int i = 0; i < 64; i++)
    bytes[i] = int8_t(i % 32 * 4);
  auto type = cast<VectorType>(k.type(Elem::U8, 64));
  Value index = k.constant(DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
  Value packed = LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), type,
                                               k.builder().getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
                                               ValueRange{k.bitcast(x, type), index, k.bitcast(y, type)})
                     .getResults();
  packed = k.slice(packed, 0, 32);
  if (lessX)
    packed = k.addi(packed, k.integer(-lessX, Elem::S8, 32));
  packed = translate(packed);
  Index distance = b.at - a.at;
  if (a.count == 16 && distance.isConstant() && distance.constant() == 16)
    return k.store(packed, memref, a.at, b.count < 16 ? k.maskOf(16 + b.count, 32) : Value());
  k.store(k.slice(packed, 0, 16), memref, a.at, a.count < 16 ? k.maskOf(a.count, 16) : Value());
  k.store(k.slice(packed, 16, 16), memref, b.at, b.count < 16 ? k.maskOf(b.count, 16) : Value());
}
