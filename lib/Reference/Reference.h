//===- Reference.h - slow, readable evaluator of nn and tern --------------===//
// The arbiter of numeric tests. What it computes, bit by bit:
//
// - Elementwise: the expression of Elementwise.def in double precision, rounded once to the element type. For + - * /
// and
//   sqrt on f32 this is the correctly rounded result.
// - Sums (matmul, conv, pool, reduce, softmax, norms): products and sums in double precision in the order of the
// operand's
//   memory, bias last, rounded once. Kernels that sum in f32 differ by their own rounding.
// - Narrow floats: rounded to f32, from there to f16, bf16 or 8 bits.
// - Integers: exact, 64 bits, then the low bits of the element type. Division truncates, by zero gives 0.
// - tern: decode and encode are those of lib/Formats. Integer products are exact and wrap to i32; requantize is
//   clamp(zero + roundeven(f32(t0) * m0 + f32(t1) * m1)) with every operation rounded to f32.
//===----------------------------------------------------------------------===//
#ifndef TERN_REFERENCE_REFERENCE_H
#define TERN_REFERENCE_REFERENCE_H

#include "lib/Reference/Tensor.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include <functional>

namespace tern::reference {

/// The results of one nn or tern op, arith.constant, ml_program.global_load_const or call. What cannot be evaluated (an
/// unknown op, an index out of range, sizes that are not known) is reported at the op.
llvm::FailureOr<llvm::SmallVector<Value>> evaluate(mlir::Operation *op, llvm::ArrayRef<Value> operands);

/// Evaluates constant expressions; every value lives as long as the evaluator.
class ConstantEvaluator {
public:
  llvm::FailureOr<Value> get(mlir::Value value);

private:
  llvm::DenseMap<mlir::Value, Value> known;
};

/// Runs functions of a module op by op. Values are freed after their last use.
class Interpreter {
public:
  explicit Interpreter(mlir::ModuleOp module) : module(module) {}

  /// Called after each op with its results (also inside called functions).
  using Observer = std::function<void(mlir::Operation *, llvm::ArrayRef<Value>)>;
  void setObserver(Observer function) { observer = std::move(function); }

  /// The results of `function` on inputs of its argument types. nn.onnx ops are reported in one message before anything
  /// runs.
  llvm::FailureOr<llvm::SmallVector<Value>> run(llvm::StringRef function, llvm::ArrayRef<Value> inputs);
  llvm::FailureOr<llvm::SmallVector<Value>> run(mlir::func::FuncOp function, llvm::ArrayRef<Value> inputs);

private:
  llvm::FailureOr<llvm::SmallVector<Value>> runBody(mlir::func::FuncOp function, llvm::ArrayRef<Value> inputs);
  llvm::FailureOr<llvm::SmallVector<Value>> runBlock(mlir::Block &block, llvm::ArrayRef<Value> inputs);
  llvm::FailureOr<llvm::SmallVector<Value>> runLoop(nn::LoopOp loop, llvm::ArrayRef<Value> operands);
  llvm::FailureOr<llvm::SmallVector<Value>> runOp(mlir::Operation *op, llvm::ArrayRef<Value> operands);

  mlir::ModuleOp module;
  Observer observer;
  llvm::StringMap<Tensor> globals;
};

/// The constant results of an nn op whose operands are all constants; std::nullopt when one is not, a result is larger
/// than nn::kMaxFoldBytes, or the op cannot be evaluated (silently).
std::optional<llvm::SmallVector<mlir::Attribute>> foldConstants(mlir::Operation *op);

inline const Tensor &asTensor(const Value &value) { return std::get<Tensor>(value); }
inline mlir::Type typeOf(const Value &value) {
  if (auto *quant = std::get_if<QuantValue>(&value))
    return quant->type;
  return std::get<Tensor>(value).getType();
}

} // namespace tern::reference
#endif
