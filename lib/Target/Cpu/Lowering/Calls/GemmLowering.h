//===- GemmLowering.h - matrix products with constant weights -> problem ---===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_GEMMLOWERING_H
#define TERN_TARGET_CPU_LOWERING_CALLS_GEMMLOWERING_H

#include "lib/Target/Cpu/Lowering/Weights/GemmWeights.h"
#include "lib/Target/Cpu/Lowering/Weights/ZeroPoints.h"

namespace tern::cpu {

/// The value of a kernel whose halves meet behind the product `anchor`; null: there is none.
mlir::Value halvedBehind(mlir::Operation *anchor);

/// Fills the GemmProblem of nn.matmul and tern.matmul, and packs the weight.
class GemmLowering {
public:
  /// dry: checks everything but packs nothing.
  GemmLowering(mlir::Operation *anchor, llvm::ArrayRef<CallOperand> operands, const Placement &out, bool dry)
      : anchor(anchor), operands(operands), out(out), dry(dry) {}

  /// False: error() says why no generator serves the op.
  bool run();
  /// The accumulator, its scales and the float bias of the op become the start of the epilogue.
  void prepareEpilogue(ExprBuilder &builder);

  const GemmProblem &problem() const { return gemm; }
  /// in, packed weights, init, x scales: the arguments before the epilogue's inputs.
  llvm::SmallVector<KernelArg> takeArgs() { return std::move(kernelArgs); }
  /// What has to run before the product.
  std::vector<Step> takeSteps() { return zeros.takeSteps(); }
  llvm::StringLiteral row() const;
  /// Multiply-accumulates of one row.
  int64_t macsPerRow() const { return weight.outputs() * weight.channels(); }
  llvm::StringRef error() const { return why; }

private:
  bool refuse(const llvm::Twine &reason);
  bool readActivation(mlir::Value x);
  bool pack();
  std::optional<std::vector<double>> constantBias() const;

  mlir::Operation *anchor;
  llvm::ArrayRef<CallOperand> operands;
  Placement out;
  bool dry;
  GemmProblem gemm;
  std::shared_ptr<WeightReader> reader = std::make_shared<WeightReader>(); ///< the packing happens later
  WeightReader &weight = *reader;
  llvm::SmallVector<KernelArg> kernelArgs;
  std::string why;
  mlir::Value bias;      ///< that the epilogue adds
  mlir::Value xScale;    ///< that the epilogue multiplies
  ZeroPoints zeros;
  int xScales = -1;      ///< operand with the scales of groups of channels
  bool integerResult = false;
};

} // namespace tern::cpu
#endif
