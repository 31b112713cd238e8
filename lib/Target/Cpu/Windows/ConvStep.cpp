//===- ConvStep.cpp - one reduction step of a register tile ---------------===//
#include "lib/Target/Cpu/Windows/ConvStep.h"
#include "dialects/Micro/IR/Micro.h"

using namespace mlir;
using namespace tern::cpu;

Value ConvStep::loadWeights(Value memref, const Index &at, bool half) {
  bool quads = arith == Arith::U8S8 || arith == Arith::U8S4;
  Value loaded = k.load(memref, at, (quads ? 4 : 1) * (half ? k.lanes() / 2 : k.lanes()));
  if (half)
    loaded = k.concat({loaded, loaded});
  return arith == Arith::F32S8 || arith == Arith::F32S4 ? k.sext(loaded) : loaded;
}

Value ConvStep::weights(Value loaded, int64_t part, Value scale) {
  int64_t L = k.lanes();
  switch (arith) {
  case Arith::F32:
  case Arith::U8S8:
    return loaded;
  case Arith::U8S4:
    return micro::FieldOp::create(k.builder(), k.loc(), loaded.getType(), loaded, micro::FieldPosition::High,
                                  uint32_t(4 * part), 4u);
  case Arith::F32S4:
    loaded = part ? k.shrs(loaded, k.i32(4, L)) : k.shrs(k.shl(loaded, k.i32(28, L)), k.i32(28, L));
    break;
  case Arith::F32S8:
    break;
  }
  Value w = k.toF32(loaded);
  return scale ? k.mul(w, scale) : w;
}

Value ConvStep::activation(Value memref, const Index &at) {
  int64_t L = k.lanes();
  if (!integer())
    return k.broadcast(k.load(memref, at), L);
  return k.bitcast(k.broadcast(k.loadDwords(memref, at, 0), L), k.type(Elem::U8, 4 * L));
}

Value ConvStep::multiply(Value acc, Value activation, Value weights) {
  if (!integer())
    return k.fma(activation, weights, acc);
  return micro::Dot4Op::create(k.builder(), k.loc(), acc.getType(), acc, activation, weights);
}

int64_t tern::cpu::tilePixels(const ConvProblem &p, const Isa &isa, int64_t vectors, bool half) {
  // {one vector, two vectors} of columns; registers: accumulators + weights + their conversion + one activation.
  struct Row {
    int64_t pixels[3][2], halves;
  };
  static const Row f32{{{8, 5}, {12, 6}, {28, 14}}, 16}, u8s8{{{4, 2}, {8, 4}, {28, 14}}, 16},
      u8s4{{{4, 2}, {6, 3}, {24, 12}}, 14}, u8s4Groups{{{2, 1}, {4, 2}, {12, 6}}, 8},
      f32s8{{{8, 4}, {10, 5}, {24, 13}}, 14}, f32s4{{{6, 3}, {8, 4}, {24, 12}}, 12};
  const Row &row = p.arith == Arith::F32     ? f32
                   : p.arith == Arith::U8S8  ? u8s8
                   : p.arith == Arith::F32S8 ? f32s8
                   : p.arith == Arith::F32S4 ? f32s4
                   : p.group                 ? u8s4Groups
                                             : u8s4;
  return half ? row.halves : row.pixels[isa.level][vectors - 1];
}
