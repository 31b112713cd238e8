//===- CallLowering.h - one call of a kernel -> steps -----------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_CALLLOWERING_H
#define TERN_TARGET_CPU_LOWERING_CALLS_CALLLOWERING_H

#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Calls/StepMaker.h"

namespace tern::cpu {

/// Lowers one call, by the class of its kernel.
class CallLowering : public StepMaker {
public:
  CallLowering(mlir::func::FuncOp kernel, llvm::ArrayRef<CallOperand> operands, llvm::ArrayRef<Placement> results, bool dry)
      : StepMaker(kernel, operands, results), dry(dry), info(classify(kernel)) {}

  /// False: error() says why no generator serves the kernel.
  bool run();

private:
  bool oneResult() { return terminator()->getNumOperands() == 1 || refuse("more than one result"); }
  mlir::Value result() { return terminator()->getOperand(0); }
  SizedType resultType() { return SizedType(result()); }
  /// The call operand that an operand of the anchor is, looking through a bundle and a dequantize; -1: none.
  int source(mlir::Value value);
  /// The activation the anchor reads; it must be an operand that is no constant.
  const CallOperand *activation(mlir::Value value, int &index);
  /// Epilogue of the anchor: the program from its result to the result of the kernel.
  bool epilogue(Expr &expr, llvm::SmallVectorImpl<KernelArg> &args, llvm::function_ref<void(ExprBuilder &)> prepare);
  /// An anchor whose input is a picture and whose epilogue may quantize.
  template <typename Problem> bool picture(Problem &problem, mlir::Value input, llvm::StringLiteral row);
  /// The accumulator of an anchor that reads codes of a dequantized operand stands for codes; its real value is (acc - zero) * scale.
  template <typename Problem> void startFromCodes(ExprBuilder &builder, mlir::Value input, const Problem &problem);
  /// The kernel ends in a quantization with the scale and zero point of its input: codes pass through unchanged.
  bool requantizesAlike(BundleOp bundle);

  /// Kernels of plain operands (RowLowering.h); `nest`: as an elementwise program over a loop nest.
  bool rows(bool nest = false);
  bool sizes();
  bool eltwise();
  /// One tensor changes between ONNX order and a picture on the way.
  bool relayout(unsigned changing);
  bool conv();
  bool matmul();
  bool pool();
  bool globalReduce();
  bool softmax();
  bool resize();
  bool copy();
  bool concatByParts(nn::ConcatOp concat);
  bool dynamicQuant();

  bool dry; ///< nothing is packed
  KernelInfo info;
};

} // namespace tern::cpu
#endif
