//===- ConvCase.h - one convolution against plain loops -------------------===//
#ifndef TERN_TEST_UNIT_CPU_CONVCASE_H
#define TERN_TEST_UNIT_CPU_CONVCASE_H

#include "Dynamic.h"
#include "Naive.h"
#include "lib/Target/Cpu/Problems/Pack.h"
#include <array>

namespace tern::cpu::test {

/// Random weights of a problem; scales are f16 values, so that nothing is lost by storing them.
struct ConvWeights {
  ConvWeights(const ConvProblem &p, Random &random);
  PlainWeights plain() const;
  std::vector<float> values, scales;
  std::vector<int8_t> codes;
};

using Shape = std::array<int64_t, 4>; ///< n, h, w, c

/// k x k, padded by k / 2 where the input is an image; the epilogue is scale, bias, ReLU (float), or bias and
/// requantization (integer).
ConvProblem conv(Arith arith, Shape in, int64_t outC, int64_t k, int64_t stride, int64_t dilation = 1);
ConvProblem depthwise(Arith arith, Shape in, int64_t k, int64_t stride, int64_t dilation = 1);
ConvProblem transposed(Arith arith, Shape in, int64_t outC, int64_t k, int64_t stride, int64_t pad,
                       int64_t dilation = 1, int64_t groups = 1);

/// Runs the kernel on every level of this machine; integer results must be equal, floats within `tolerance` of the
/// largest sum. `open`: the kernel is generated for any height or width and told those of `p`.
void runConv(const ConvProblem &p, double tolerance = 2e-5, Open open = {});

} // namespace tern::cpu::test
#endif
