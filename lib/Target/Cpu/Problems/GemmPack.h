//===- GemmPack.h - plain weights of a matrix product -> panels -----------===//
#ifndef TERN_TARGET_CPU_PROBLEMS_GEMMPACK_H
#define TERN_TARGET_CPU_PROBLEMS_GEMMPACK_H

#include "lib/Target/Cpu/Problems/GemmProblem.h"
#include "llvm/ADT/ArrayRef.h"
#include <functional>
#include <vector>

namespace tern::cpu {

/// Weights [n, k] as the IR has them.
struct GemmWeights {
  llvm::ArrayRef<float> values; ///< of float weights
  /// Writes the k codes of one output: two's complement, with zero points the plain codes from 0.
  std::function<void(int64_t n, int8_t *codes)> codes;
  llvm::ArrayRef<float> scales;  ///< [n, ceil(k / group)], with groups
  llvm::ArrayRef<uint8_t> zeros; ///< [n, ceil(k / group)] or [n], with zero points
  bool transposed = false;       ///< the values are [k, n]
};

/// Packs; `out` has GemmLayout::bytes(). One form serves every instruction set.
void packGemm(const GemmProblem &problem, const GemmWeights &weights, llvm::MutableArrayRef<uint8_t> out);
/// The inverse, without padding: values or codes [n, k] as GemmWeights has them; scales and zeros [n, blocks].
struct UnpackedGemm {
  std::vector<float> values, scales;
  std::vector<int8_t> codes;
  std::vector<uint8_t> zeros;
};
UnpackedGemm unpackGemm(const GemmProblem &problem, llvm::ArrayRef<uint8_t> packed);

/// bias - zero * sum(w - zero of w), modulo 2^32; `bias` may be empty.
std::vector<int32_t> gemmInit(const GemmProblem &problem, const GemmWeights &weights, llvm::ArrayRef<int32_t> bias, int32_t zero);
/// -zero * sum of scale * (w - zero of w), with the scales as they are stored.
std::vector<float> scaledGemmInit(const GemmProblem &problem, const GemmWeights &weights, int32_t zero);

} // namespace tern::cpu
#endif
