//===- RowLowering.h - kernels of transformers -> problems -----------------===//
#ifndef TERN_TARGET_CPU_LOWERING_ROWLOWERING_H
#define TERN_TARGET_CPU_LOWERING_ROWLOWERING_H

#include "lib/Target/Cpu/Lowering/KernelLowering.h"
#include "lib/Target/Cpu/Lowering/SizeCodes.h"

namespace tern::cpu {

/// Lowers a call of a kernel whose operands and results are plain: norms, attention, rope, gather, reductions of any
/// axes, softmax and argmax of any axis, and elementwise programs of any rank, broadcasting and element type.
class RowLowering {
public:
  RowLowering(mlir::func::FuncOp kernel, const KernelInfo &info, llvm::ArrayRef<CallOperand> operands,
              llvm::ArrayRef<Placement> results);

  /// False: error() says why no generator serves the kernel.
  bool run();
  /// The kernel as an elementwise program over a loop nest, whatever its class.
  bool nest();

  std::vector<Step> steps;
  llvm::StringRef error() const { return why; }

private:
  /// A value of the body that is an operand, or a transposed or sliced one. Strides are codes of sizes.
  struct Strided {
    int operand = -1;
    llvm::SmallVector<SizeCode, 4> sizes, strides;
    int64_t base = 0;
    Elem elem = Elem::F32;
  };

  bool refuse(const llvm::Twine &reason);
  mlir::Operation *terminator();
  bool plain();
  KernelArg operandArg(const Strided &view) const;
  KernelArg resultArg(unsigned index) const;
  void push(AnyProblem problem, llvm::SmallVector<KernelArg> args, llvm::StringLiteral row, int64_t macs = 0);

  bool strided(mlir::Value value, Strided &view);
  /// The same, repeated along the dimensions of `shape` that it does not have.
  bool broadcast(mlir::Value value, llvm::ArrayRef<SizeCode> shape, Strided &view);
  /// Strides of `value` in the result that is its only copy, through a transpose.
  bool stridedResult(mlir::Value value, Strided &view);
  /// Result `index` of the kernel.
  Strided resultView(unsigned index);
  static View viewOf(const Strided &view, llvm::ArrayRef<unsigned> dims);

  bool norm();
  bool groupNorm();
  bool attention();
  bool rope();
  bool matmul();
  bool gather();
  bool reduce();
  bool axis();
  bool rnn();
  bool pad();

  mlir::func::FuncOp kernel;
  const KernelInfo &info;
  llvm::ArrayRef<CallOperand> operands;
  llvm::ArrayRef<Placement> results;
  std::string why;
};

} // namespace tern::cpu
#endif
