//===- Pack.h - plain weights become the panels that kernels read ---------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_PACK_H
#define TERN_TARGET_CPU_PROBLEMS_PACK_H

#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "llvm/ADT/ArrayRef.h"
#include <vector>

namespace tern::cpu {

/// Weights as the IR has them, codes decoded to one value an element. Shape OIHW with I = in.c / groups; conv_transpose
/// IOHW with I = in.c, O = out.c / groups; a GEMM is [N, K].
struct PlainWeights {
  llvm::ArrayRef<float> values; ///< Arith::F32
  llvm::ArrayRef<int8_t> codes; ///< the others: -128..127, or -8..7
  llvm::ArrayRef<float> scales; ///< problem.group > 0: [O][ceil(I / group)][kh][kw], conv_transpose [ceil(I /
                                ///< group)][O][kh][kw] (I of one group of the convolution)
};

/// Bytes of the packed weights.
int64_t packedBytes(const ConvProblem &problem);
/// Packs; `out` has packedBytes() bytes. One form serves every instruction set. Float scales are stored as
/// problem.groupScale.
void packConvWeights(const ConvProblem &problem, const PlainWeights &weights, llvm::MutableArrayRef<uint8_t> out);
/// The inverse: what was packed, without padding. `values` or `codes` is filled, and `scales` as stored.
struct UnpackedWeights {
  std::vector<float> values;
  std::vector<int8_t> codes;
  std::vector<float> scales;
};
UnpackedWeights unpackConvWeights(const ConvProblem &problem, llvm::ArrayRef<uint8_t> packed);

/// Start of the integer accumulators: bias - zero * sum of the codes of an output channel. `bias` may be empty. For
/// depthwise too.
std::vector<int32_t> accumulatorInit(const ConvProblem &problem, llvm::ArrayRef<int8_t> codes,
                                     llvm::ArrayRef<int32_t> bias, int32_t zero);
/// The same where group scales make the accumulators f32: -zero * sum of scale * code.
std::vector<float> scaledAccumulatorInit(const ConvProblem &problem, const PlainWeights &weights, int32_t zero);

} // namespace tern::cpu
#endif
