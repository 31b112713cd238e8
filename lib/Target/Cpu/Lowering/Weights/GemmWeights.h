//===- GemmWeights.h - the constant weight of a matrix product -------------===//
#ifndef TERN_TARGET_CPU_LOWERING_WEIGHTS_GEMMWEIGHTS_H
#define TERN_TARGET_CPU_LOWERING_WEIGHTS_GEMMWEIGHTS_H

#include "lib/Formats/Format.h"
#include "lib/Target/Cpu/Problems/GemmPack.h"
#include "lib/Target/Cpu/Lowering/Programs/ExprBuilder.h"

namespace tern::cpu {

/// A weight [n, k] as a kernel function has it: f32, or planes of any format that are constants. Says how a GemmProblem stores it and reads it
/// for the packer, without a copy of its codes.
class WeightReader {
public:
  /// `weight`: an operand of the anchor, possibly dequantized. False: error() says why no kernel reads it.
  /// `codes`: the activations are codes, so the weights must be, too. Fills bits, group, groupScale and zeros of `problem`; float activations
  /// get f32 weights where no packed form has the format.
  /// transposed: the weight is [k, n]; f32 only.
  bool read(mlir::Value weight, bool transposed, llvm::ArrayRef<CallOperand> operands, bool codes, GemmProblem &problem);
  /// What the packer reads; valid as long as this object and the constants.
  GemmWeights plain(const GemmProblem &problem);
  /// The constants need not stay in memory.
  void release();
  /// One scale for each output (or one for all) that the epilogue multiplies; empty: none.
  const std::vector<double> &outputScales() const { return perOutput; }
  /// The zero point around which codes of 8 bits are stored, that no signed byte could hold without; 0: none.
  int64_t storedZero() const { return weightZero; }
  int64_t outputs() const { return n; }
  int64_t channels() const { return k; }
  llvm::StringRef error() const { return why; }

private:
  bool refuse(const llvm::Twine &reason);
  bool readPlanes(const GemmProblem &problem);
  bool readZeros(GemmProblem &problem, bool codes);
  float entry(size_t plane, int64_t row, int64_t column) const;

  int64_t n = 0, k = 0, group = 0;
  Format format;
  bool quantized = false, transposed = false;
  llvm::SmallVector<llvm::ArrayRef<char>> raw; ///< codes or f32 first, then the planes
  llvm::SmallVector<std::vector<char>> owned;  ///< of constants whose bytes had to be expanded
  llvm::SmallVector<std::vector<float>> planes; ///< decoded, without the codes
  llvm::SmallVector<PlaneShape> shapes;
  int64_t weightZero = 0;
  int shift = 0; ///< added to a code before it is stored
  std::vector<double> perOutput;
  std::vector<float> scales, values;
  std::vector<uint8_t> zeros;
  std::string why;
};

} // namespace tern::cpu
#endif
