//===- KernelClass.h - what kind of kernel an outlined function is --------===//
#ifndef TERN_TARGET_CPU_LOWERING_CALLS_KERNELCLASS_H
#define TERN_TARGET_CPU_LOWERING_CALLS_KERNELCLASS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace tern {
class QuantizeOp;
}

namespace tern::cpu {

/// The family of generators that serves an outlined kernel function. It depends on the function alone, not on layouts.
enum class KernelClass : uint8_t { Eltwise, Conv, Matmul, Pool, GlobalReduce, Softmax, Resize, Copy, DynamicQuant, Norm, GroupNorm, Attention, Rope, Gather, Product,
                                   AxesReduce, Axis, Rnn, Pad, Nest, Sizes, Portable };

struct KernelInfo {
  KernelClass kind = KernelClass::Portable;
  mlir::Operation *anchor = nullptr; ///< the op that is not elementwise; null for Eltwise
  std::string why;                   ///< of Portable: what no generator serves
};

KernelInfo classify(mlir::func::FuncOp kernel);

/// Served by RowLowering alone: every operand and result is plain.
bool isRowKernel(KernelClass kind);

/// Run-time quantization of rows: <si8, scale<f32>> with a scale for each row or each block along it, by absmax.
bool isRowQuantization(mlir::Operation *op);

/// Run-time quantization as ONNX's DynamicQuantizeLinear: <ui8, scale<f32>, zero<ui8>> by minmax.
bool isMinmaxQuantization(QuantizeOp op);

/// An op that an elementwise program can hold, or that only changes the view of codes (bundle, unbundle).
bool isElementwise(mlir::Operation *op);

} // namespace tern::cpu
#endif
