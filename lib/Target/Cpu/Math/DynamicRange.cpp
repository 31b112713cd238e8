//===- DynamicRange.cpp - scale and zero point of a range ------------------===//
#include "lib/Target/Cpu/Math/DynamicRange.h"

using namespace mlir;

namespace tern::cpu {

std::pair<Value, Value> dynamicParameters(KernelBuilder &k, Value least, Value most) {
  // The difference may overflow.
  Value range = k.fmin(k.f32(std::numeric_limits<float>::max()), k.sub(most, least));
  Value isEmpty = k.compare(arith::CmpFPredicate::OEQ, range, k.f32(0));
  Value scale = k.select(isEmpty, k.f32(1), k.div(range, k.f32(255)));
  Value zero = k.roundEven(k.div(k.neg(least), scale));
  return {scale, k.fmin(k.f32(255), k.fmax(k.f32(0), zero))};
}

Value dynamicCodes(KernelBuilder &k, Value values, Value scale, Value zero) {
  int64_t n = KernelBuilder::lanesOf(values);
  Value q = k.roundToInt(k.div(values, k.broadcast(scale, n)), 0, -512, 512);
  return k.addi(q, k.broadcast(zero, n));
}

} // namespace tern::cpu
