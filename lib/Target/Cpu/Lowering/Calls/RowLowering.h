//===- RowLowering.h - kernels of transformers -> problems -----------------===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_ROWLOWERING_H
#define TERN_TARGET_CPU_LOWERING_CALLS_ROWLOWERING_H

#include "lib/Target/Cpu/Lowering/Sizes/SizeCodes.h"
#include "lib/Target/Cpu/Lowering/Calls/StepMaker.h"

namespace tern::cpu {

/// Lowers a call of a kernel whose operands and results are plain: norms, attention, rope, gather, reductions of any
/// axes, softmax and argmax of any axis, and elementwise programs of any rank, broadcasting and element type.
class RowLowering : public StepMaker {
public:
  RowLowering(mlir::func::FuncOp kernel, const KernelInfo &info, llvm::ArrayRef<CallOperand> operands,
              llvm::ArrayRef<Placement> results)
      : StepMaker(kernel, operands, results), info(info) {}

  /// False: error() says why no generator serves the kernel.
  bool run();
  /// The kernel as an elementwise program over a loop nest, whatever its class.
  bool nest();

private:
  /// Stands for a dimension of one.
  static constexpr unsigned kOne = ~0u;
  /// A value of the body that is an operand, or a transposed or sliced one. Strides are codes of sizes.
  struct Strided {
    int operand = -1;
    llvm::SmallVector<SizeCode, 4> sizes, strides;
    int64_t base = 0;
    Elem elem = Elem::F32;
  };

  bool plain();
  using StepMaker::operandArg;
  static KernelArg operandArg(const Strided &view) { return operandArg(unsigned(view.operand), view.elem); }

  bool strided(mlir::Value value, Strided &view);
  /// The same, repeated along the dimensions of `shape` that it does not have.
  bool broadcast(mlir::Value value, llvm::ArrayRef<SizeCode> shape, Strided &view);
  /// Strides of `value` in the result that is its only copy, through a transpose.
  bool stridedResult(mlir::Value value, Strided &view);
  /// Result `index` of the kernel.
  Strided resultView(unsigned index);
  /// The strides of some dimensions.
  static View viewOf(const Strided &view, llvm::ArrayRef<unsigned> dims);

  bool norm();
  bool groupNorm();
  bool attention();
  bool rope();
  bool matmul();
  bool gather();
  bool reduce();
  bool axis();
  bool topk();
  bool cumulate();
  bool rnn();
  bool pad();

  const KernelInfo &info;
};

} // namespace tern::cpu
#endif
