//===- DynamicRange.h - scale and zero point of a range --------------------===//
#ifndef TERN_TARGET_CPU_MATH_DYNAMICRANGE_H
#define TERN_TARGET_CPU_MATH_DYNAMICRANGE_H

#include "lib/Target/Cpu/Builder/KernelBuilder.h"

namespace tern::cpu {

/// Scale and zero point (a whole number, f32) that ONNX's DynamicQuantizeLinear takes from a range that holds 0; f32 scalars.
std::pair<mlir::Value, mlir::Value> dynamicParameters(KernelBuilder &k, mlir::Value least, mlir::Value most);

/// The codes of f32 values under them as i32, to be saturated to a byte; `zero` is an i32 scalar.
mlir::Value dynamicCodes(KernelBuilder &k, mlir::Value values, mlir::Value scale, mlir::Value zero);

} // namespace tern::cpu
#endif
