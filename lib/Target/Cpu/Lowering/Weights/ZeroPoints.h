//===- ZeroPoints.h - terms of zero points beside a product ----------------===//
#ifndef TERN_TARGET_CPU_LOWERING_WEIGHTS_ZEROPOINTS_H
#define TERN_TARGET_CPU_LOWERING_WEIGHTS_ZEROPOINTS_H

#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"
#include "lib/Target/Cpu/Products/ZeroPoints.h"

namespace tern {
class BundleOp;
}

namespace tern::cpu {

/// The zero points of an integer product (lib/Target/Cpu/Products/ZeroPoints.h): that of x, a constant or an operand of the call, and that of weights
/// which are stored as signed bytes.
class ZeroPoints {
public:
  /// The zero point of x. False: why() says what it is instead.
  bool read(BundleOp x, llvm::ArrayRef<CallOperand> operands);
  /// A zero point that all weights share: codes are stored around another one.
  void setWeight(int64_t zero) { weight = zero; }

  bool isRuntime() const { return runtime; }
  /// What constant start values allow for: the stored zero point, 0 where it is only known at run time.
  int64_t known() const { return runtime ? 0 : zero; }
  bool ofWeights() const { return weight != 0; }
  llvm::StringRef why() const { return reason; }

  /// The start of the accumulators: `start` (known() allowed for), with the sums of the weights of each output.
  KernelArg start(const std::vector<int32_t> &start, const std::vector<int32_t> &sums);
  /// acc - zero * sum over the window of x - zero of x: appended to the epilogue of an accumulator, number `value` of the program. `out`: the
  /// place of the result, `problem.in` that of x.
  int uncenter(ExprBuilder &builder, int value, WindowSumProblem problem, unsigned x, const Placement &out);

  /// What has to run before the product.
  std::vector<Step> takeSteps() { return std::move(steps); }

private:
  KernelArg zeroArg() const;
  KernelArg temporary(int64_t bytes);

  int64_t zero = 0, weight = 0;
  bool runtime = false;
  unsigned operand = 0, temporaries = 0;
  std::string reason;
  std::vector<Step> steps;
};

} // namespace tern::cpu
#endif
