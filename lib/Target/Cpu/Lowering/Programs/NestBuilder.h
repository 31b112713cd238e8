//===- NestBuilder.h - elementwise ops of a kernel -> NdProblem ------------===//
#ifndef TERN_TARGET_CPU_LOWERING_PROGRAMS_NESTBUILDER_H
#define TERN_TARGET_CPU_LOWERING_PROGRAMS_NESTBUILDER_H

#include "lib/Target/Cpu/Problems/RowProblems.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include <optional>

namespace tern::cpu {

/// Collects the program that computes one value of a kernel function at each position of its shape.
class NestBuilder {
public:
  /// What the bytes of an operand are.
  enum class Bytes : uint8_t { Number, SignedCode, UnsignedCode };
  /// `input` answers the view of a block argument that is broadcast to the shape, `bytes` of 8-bit elements; nullopt: it has none.
  using Input = llvm::function_ref<std::optional<View>(mlir::Value, Bytes bytes)>;
  NestBuilder(NdProblem &problem, Input input) : problem(problem), input(input) {}

  /// False: error() says which op has no form.
  bool finish(mlir::Value result);
  /// The block arguments of the problem's inputs, in order.
  llvm::ArrayRef<mlir::Value> inputs() const { return arguments; }
  llvm::StringRef error() const { return why; }

private:
  int fail(const llvm::Twine &reason);
  int valueOf(mlir::Value value);
  int argument(mlir::Value value, Bytes bytes);
  int code(mlir::Value plane, Bytes bytes);
  int dequantized(mlir::Value quantized);
  int quantized(mlir::Value codes);
  int opResult(mlir::Operation *op, mlir::Value value);
  int node(NdNode node);
  int node(NdOp op, Elem elem, llvm::ArrayRef<int> args, double a = 0, double b = 0, int64_t i = 0);
  int floating(ExprOp op, llvm::ArrayRef<int> args, double a = 0, double b = 0);
  int converted(int number, mlir::Type to);
  int constant(mlir::Value value, mlir::Attribute attr);

  NdProblem &problem;
  Input input;
  llvm::SmallVector<mlir::Value> arguments;
  llvm::SmallVector<Elem> nodeElems;
  llvm::DenseMap<mlir::Value, int> known, knownCodes;
  std::string why;
};

/// What a value of a tensor of this element type is inside a program; nullopt: it has no form there.
std::optional<Elem> programElem(mlir::Type type);

/// Joins neighbouring dimensions that every operand walks through alike. Strides are still codes of sizes (SizeCodes.h).
void mergeDimensions(NdProblem &problem);

} // namespace tern::cpu
#endif
