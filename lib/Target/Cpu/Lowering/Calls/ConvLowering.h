//===- ConvLowering.h - convolutions and matrix products -> ConvProblem ----===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_CONVLOWERING_H
#define TERN_TARGET_CPU_LOWERING_CALLS_CONVLOWERING_H

#include "lib/Target/Cpu/Problems/ConvPlan.h"
#include "lib/Target/Cpu/Lowering/Weights/ZeroPoints.h"

namespace tern::cpu {
struct PlainWeights;

/// Fills the ConvProblem of nn.conv, nn.conv_transpose, nn.matmul, tern.conv and tern.matmul, and packs their weights.
class ConvLowering {
public:
  /// dry: checks everything but packs nothing.
  ConvLowering(mlir::Operation *anchor, llvm::ArrayRef<CallOperand> operands, const Placement &out, bool dry)
      : anchor(anchor), operands(operands), out(out), dry(dry) {}

  /// The pixels around its input that the op of `anchor` reads, from its attributes and types alone.
  static Halo haloOf(mlir::Operation *anchor);

  /// False: error() says why no generator serves the op.
  bool run();
  /// The accumulator, its scales and the float bias of the op become the start of the epilogue.
  void prepareEpilogue(ExprBuilder &builder);

  const ConvProblem &problem() const { return conv; }
  /// in, packed weights, init: the arguments before the epilogue's inputs.
  const llvm::SmallVector<KernelArg> &args() const { return kernelArgs; }
  /// What has to run before the convolution.
  std::vector<Step> takeSteps() { return zeros.takeSteps(); }
  llvm::StringLiteral row() const;
  int64_t macs() const { return multiplyAccumulates; }
  llvm::StringRef error() const { return why; }

private:
  bool refuse(const llvm::Twine &reason);
  void readShape();
  bool readWeight(mlir::Value weight);
  bool packInteger(mlir::Value bias);
  bool readWeightZero(BundleOp bundle);
  bool packFloat();
  void addBias(std::vector<float> &start);
  std::vector<float> groupScales() const;
  KernelArg packedWeights(const PlainWeights &weights) const;

  mlir::Operation *anchor;
  llvm::ArrayRef<CallOperand> operands;
  Placement out;
  bool dry;
  ConvProblem conv;
  mlir::Value x, weight, biasValue;
  bool matrix = false, integer = false;
  llvm::SmallVector<KernelArg> kernelArgs;
  int64_t multiplyAccumulates = 0;
  std::string why;

  // The weight as it is stored: codes or f32 in ONNX order, and the scales of the format.
  mlir::RankedTensorType weightType;
  std::vector<char> weightBytes;
  std::vector<double> weightScales; ///< one a channel, or one a group of input channels
  int weightBits = 32;
  bool shifted = false;             ///< unsigned codes: stored as code - 128
  ZeroPoints zeros;
  mlir::Value bias;                 ///< of a float result
  mlir::Value xScale;               ///< f32 accumulators of integer arithmetic (group scales): still to be multiplied
};

} // namespace tern::cpu
#endif
