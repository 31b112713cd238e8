//===- ConvStep.h - one reduction step of a register tile -----------------===//
#ifndef TERN_TARGET_CPU_WINDOWS_CONVSTEP_H
#define TERN_TARGET_CPU_WINDOWS_CONVSTEP_H

#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// What a reduction step loads and how it accumulates, in the arithmetic of the problem. A step has one or two parts:
/// the codes of two neighbouring steps share the bytes of a 4-bit weight.
class ConvStep {
public:
  ConvStep(KernelBuilder &k, Arith arith) : k(k), arith(arith) {}

  bool integer() const { return arith == Arith::U8S8 || arith == Arith::U8S4; }
  Elem accElem() const { return integer() ? Elem::I32 : Elem::F32; }
  int64_t parts() const { return arith == Arith::U8S4 || arith == Arith::F32S4 ? 2 : 1; }
  /// Elements of the activation between two parts: one f32, or one quad of bytes.
  int64_t partStride() const { return integer() ? 4 : 1; }
  /// Bits by which integer accumulators are too large: 4-bit codes stay in the high half of their byte.
  int64_t accShift() const { return arith == Arith::U8S4 ? 4 : 0; }

  /// One vector of weights, as loaded: codes of L columns, or those of L / 2 columns twice.
  mlir::Value loadWeights(mlir::Value memref, const Index &at, bool half);
  /// The operand of multiply() for one part; `scale`, if given, is multiplied in (f32 arithmetic with group scales).
  mlir::Value weights(mlir::Value loaded, int64_t part, mlir::Value scale);
  /// One pixel's activation in all lanes.
  mlir::Value activation(mlir::Value memref, const Index &at);
  mlir::Value multiply(mlir::Value acc, mlir::Value activation, mlir::Value weights);

private:
  KernelBuilder &k;
  Arith arith;
};

/// Pixels in a register tile of `vectors` vectors of columns, so that accumulators, weights and activations fit the
/// registers. `half`: the second vector serves two pixels.
int64_t tilePixels(const ConvProblem &problem, const Isa &isa, int64_t vectors, bool half);

} // namespace tern::cpu
#endif
