//===- Elementwise.h - table of the elementwise kinds ---------------------===//
// The rows of Elementwise.def as data and as functions.
//
// The scalar language of the table: + - * /, unary -, comparisons, & | ^ ~, and
//   select maximum minimum abs floor ceil roundEven sqrt exp expm1 log log1p pow erf tanh sin ... atanh
//   floorMod truncMod logicalNot shiftLeft shiftRight
// maximum and minimum propagate NaN. A scalar type that has these (double, Wrapped, the SSA values of tern-to-linalg)
// gives every kind its meaning in that type.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_IR_ELEMENTWISE_H
#define TERN_DIALECTS_NN_IR_ELEMENTWISE_H

#include "dialects/NN/IR/NN.h"

namespace tern::nn {

/// Element types of a row: what goes in and what comes out.
enum class Domain { Float, Number, Integer, Logical, Test };

struct ElementwiseRow {
  llvm::StringLiteral onnx; ///< name of the ONNX op, empty when there is none
  Domain domain;
  unsigned params;   ///< 1: alpha, 2: alpha and beta
  float alpha, beta; ///< their defaults, those of ONNX
};

const ElementwiseRow &rowOf(UnaryKind kind);
const ElementwiseRow &rowOf(BinaryKind kind);

/// The kind of an ONNX op by name ("Relu", "Add", "Equal"); std::nullopt when the table has none.
std::optional<UnaryKind> unaryKindOf(llvm::StringRef onnx);
std::optional<BinaryKind> binaryKindOf(llvm::StringRef onnx);
std::optional<CompareKind> compareKindOf(llvm::StringRef onnx);

/// The value of one element in double precision; the caller rounds to the element type. `test` kinds give 0 or 1.
/// Only for kinds whose domain has floats.
double evaluate(UnaryKind kind, double x, double alpha, double beta);
double evaluate(BinaryKind kind, double x, double y);
bool evaluate(CompareKind kind, double x, double y);

/// The value of one integer element in 64 bits, wrapping; the caller truncates to the element type. Unsigned types are
/// evaluated as uint64_t. Only for kinds whose domain has integers (or i1).
int64_t evaluate(UnaryKind kind, int64_t x);
uint64_t evaluate(UnaryKind kind, uint64_t x);
int64_t evaluate(BinaryKind kind, int64_t x, int64_t y);
uint64_t evaluate(BinaryKind kind, uint64_t x, uint64_t y);
bool evaluate(CompareKind kind, int64_t x, int64_t y);
bool evaluate(CompareKind kind, uint64_t x, uint64_t y);

/// alpha and beta of an op with the defaults of its row filled in.
std::pair<double, double> parametersOf(UnaryOp op);

} // namespace tern::nn
#endif
