//===- TernToLinalgContract.h - products and convolutions on plain tensors ===//
#ifndef TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGCONTRACT_H
#define TERN_DIALECTS_TERN_TRANSFORMS_TERNTOLINALGCONTRACT_H

#include "TernToLinalg.h"

namespace tern::lowering {

struct ConvAttrs {
  ArrayRef<int64_t> strides, pads, dilations; ///< pads: begins, then ends; negative ones crop
  int64_t group = 1;
};

/// Result of `type` (signless), operands as in nn.matmul, nn.conv and nn.conv_transpose; `bias` may be null.
Value buildMatmul(const Build &build, const Shaped &type, Value lhs, Value rhs, Value bias, bool transposeA,
                  bool transposeB);
Value buildConv(const Build &build, const Shaped &type, Value x, Value w, Value bias, const ConvAttrs &attrs);
Value buildConvTranspose(const Build &build, const Shaped &type, Value x, Value w, Value bias,
                         const ConvAttrs &attrs, ArrayRef<int64_t> outputPadding);

} // namespace tern::lowering
#endif
