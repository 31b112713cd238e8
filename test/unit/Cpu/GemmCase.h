//===- GemmCase.h - one matrix product against plain loops ----------------===//
#ifndef TERN_TEST_UNIT_CPU_GEMMCASE_H
#define TERN_TEST_UNIT_CPU_GEMMCASE_H

#include "Naive.h"
#include "lib/Target/Cpu/Products/EmitGemm.h"
#include "lib/Target/Cpu/Problems/GemmPack.h"

namespace tern::cpu::test {

/// Formats of a product; see GemmProblem.
struct GemmFormats {
  bool codes = false;
  int64_t bits = 32, group = 0, xGroup = 0;
  bool zeros = false;
  Elem groupScale = Elem::F16;
};

/// m x k times n x k; the epilogue is scale of the output, scale of the row (codes), bias, residual, ReLU. `m` may be dynamic.
GemmProblem gemm(const GemmFormats &formats, int64_t m, int64_t k, int64_t n);

/// Gated: the sum of the first half, as a sigmoid, times that of the second one, both with a scale for each output.
GemmProblem gated(const GemmFormats &formats, int64_t m, int64_t k, int64_t n);

/// Random weights of a problem; scales are f16 values, so that nothing is lost by storing them.
struct GemmCase {
  GemmCase(const GemmProblem &p, int64_t rows, Random &random);
  GemmWeights plain() const;
  double weight(int64_t n, int64_t k) const; ///< with group scale, without zero point
  double xScale(int64_t m, int64_t k) const;

  const GemmProblem &p;
  std::vector<float> values, scales, xScales;
  std::vector<int8_t> codes;
  std::vector<uint8_t> zeros;
};

/// Runs the kernel on every level of this machine for each number of rows; integer sums must be equal, floats within `tolerance` of the
/// sum of absolute products.
void runGemm(const GemmProblem &p, llvm::ArrayRef<int64_t> rows, double tolerance = 1e-6);

} // namespace tern::cpu::test
#endif
