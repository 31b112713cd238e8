//===- RnnCell.cpp - the functions of recurrent layers ---------------------===//
#include "lib/Target/Cpu/Products/RnnCell.h"
#include "lib/Target/Cpu/Math/VectorMath.h"

using namespace mlir;

namespace tern::cpu {

Value RnnCell::activate(int64_t which, Value v) const {
  const RnnActivation &f = p.activations[direction * p.functions() + which];
  int64_t n = KernelBuilder::lanesOf(v);
  auto number = [&](double c) { return k.f32(c, n); };
  if (p.clip > 0)
    v = k.fmin(number(p.clip), k.fmax(number(-p.clip), v));
  auto negative = [&] { return k.compare(arith::CmpFPredicate::OLT, v, number(0)); };
  switch (f.kind) {
  case RnnActivation::Relu:
    return k.fmax(number(0), v);
  case RnnActivation::Tanh:
    return vmath::tanh(k, v);
  case RnnActivation::Sigmoid:
    return vmath::sigmoid(k, v);
  case RnnActivation::Affine:
    return k.add(k.mul(v, number(f.a)), number(f.b));
  case RnnActivation::LeakyRelu:
    return k.select(negative(), k.mul(v, number(f.a)), v);
  case RnnActivation::ThresholdedRelu:
    return k.select(k.compare(arith::CmpFPredicate::OGT, v, number(f.a)), v, number(0));
  case RnnActivation::ScaledTanh:
    return k.mul(vmath::tanh(k, k.mul(v, number(f.b))), number(f.a));
  case RnnActivation::HardSigmoid:
    return vmath::hardSigmoid(k, v, f.a, f.b);
  case RnnActivation::Elu:
    return k.select(negative(), k.mul(number(f.a), k.sub(vmath::expNegative(k, k.fmin(number(0), v)), number(1))), v);
  case RnnActivation::Softsign:
    return k.div(v, k.add(number(1), k.abs(v)));
  case RnnActivation::Softplus:
    return vmath::softplus(k, v);
  }
  llvm_unreachable("an activation without code");
}

std::pair<Value, Value> RnnCell::lstm(llvm::function_ref<Value(int64_t)> gate, Value c, const Index &at, const Piece &piece) const {
  int64_t n = piece.lanes;
  auto peep = [&](int64_t which, Value v, Value cell) {
    return peephole ? k.fma(k.load(peephole, Index(direction * 3 * p.hidden + which * p.hidden) + at, n, piece.mask), cell, v) : v;
  };
  Value in = activate(0, peep(0, gate(0), c));
  Value forget = p.inputForget ? k.sub(k.f32(1, n), in) : activate(0, peep(2, gate(2), c));
  Value cell = k.add(k.mul(forget, c), k.mul(in, activate(1, gate(3))));
  Value out = activate(0, peep(1, gate(1), cell));
  return {cell, k.mul(out, activate(2, cell))};
}

} // namespace tern::cpu
