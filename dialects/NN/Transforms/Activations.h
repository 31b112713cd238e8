//===- Activations.h - which values become codes, together ----------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_ACTIVATIONS_H
#define TERN_DIALECTS_NN_TRANSFORMS_ACTIVATIONS_H

#include "dialects/NN/Transforms/Constants.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

namespace tern::nn {

/// Attributes on the op (first result) or the function argument that defines a value.
constexpr llvm::StringLiteral kProbe = "tern.probe"; ///< string: the group whose values calibration observes
constexpr llvm::StringLiteral kStats = "tern.stats"; ///< {min, max, lo, hi}: observed and chosen range
constexpr llvm::StringLiteral kCodes =
    "tern.codes"; ///< {format, scale, zero, group}: the value is quantized at its definition

/// An op that only moves elements, so that it can work on codes: reshape, transpose, slice, concat, expand, pad with 0.
bool movesCodes(mlir::Operation *op);
/// An op that yields elements of its input unchanged but is a kernel of its own: max pooling, nearest resize. Its
/// result shares the scale of its input, and quantizing it again changes nothing.
bool keepsCodes(mlir::Operation *op);

/// The operands of an op that are its weights, all in one format: 0 of a gather (the table), 1 and 2 of a recurrent layer, else 1.
llvm::ArrayRef<unsigned> weightOperands(mlir::Operation *op);

/// A gather of rows of a large constant table of floats: an embedding.
bool isEmbedding(mlir::Operation *op);

/// conv, conv_transpose, matmul or rnn whose weights are constant expressions and whose formats a kernel exists for, or an
/// embedding. Empty: quantizable, else why not.
std::string whyNotQuantizable(mlir::Operation *op);

/// Values that are quantized where they are defined, and share one scale and zero point.
struct ActivationGroup {
  std::string name;                               ///< of its first root: the op's name, or that of the argument
  llvm::SmallVector<mlir::Value> roots;           ///< values that get a quantize, in program order
  llvm::SmallVector<mlir::Operation *> consumers; ///< static ops that read them, in program order
};

/// The groups that the static activations of `consumers` form: the value an op reads, followed through moves to its
/// definitions. Also values that several kernels of quantized ops read (kept as codes to halve the traffic).
std::vector<ActivationGroup> findActivations(mlir::func::FuncOp function,
                                             llvm::function_ref<bool(mlir::Operation *)> isStatic);

/// Attribute of the op or argument that defines a value. Values of a loop have theirs in dictionaries of the loop, by number:
/// "<name>.arguments", "<name>.results".
mlir::Attribute getValueAttr(mlir::Value value, llvm::StringRef name);
void setValueAttr(mlir::Value value, llvm::StringRef name, mlir::Attribute attr);
void removeValueAttr(mlir::Value value, llvm::StringRef name);
/// All arguments and results in program order, those of loops included.
void walkValues(mlir::func::FuncOp function, llvm::function_ref<void(mlir::Value)> visit);
/// The name of the op or argument that defines a value.
std::string nameOfValue(mlir::Value value);

/// The function that is compiled: @main, else the first public one with a body; null when there is none.
mlir::func::FuncOp mainFunction(mlir::ModuleOp module);

} // namespace tern::nn
#endif
