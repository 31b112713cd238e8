//===- Raise.h - what the files of nn-raise share -------------------------===//
// Private to NNRaise.cpp and Raise*.cpp: one file a family.
//===----------------------------------------------------------------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_RAISE_H
#define TERN_DIALECTS_NN_TRANSFORMS_RAISE_H

#include "dialects/NN/Transforms/Constants.h"
#include "dialects/NN/Transforms/CountedPattern.h"

namespace tern::nn {

/// How often each form was recognised.
struct RaiseStatistics {
  mlir::Pass::Statistic &clips, &hardSigmoids, &hardSwishes, &silus, &casts, &sigmoids, &softpluses, &gelus, &mishes,
      &softmaxes, &layerNorms, &rmsNorms, &groupNorms, &attentions, &ropes, &roots;
};

void populateRaiseElementwise(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseActivations(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
/// Roots that no norm took.
void populateRaiseRoots(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseSoftmax(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseNorms(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseGroupNorms(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseRope(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
/// Transposes that only dimensions of size 1 keep apart become one.
void populateRaiseTransposes(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);
void populateRaiseAttention(mlir::RewritePatternSet &patterns, RaiseStatistics &statistics);

/// Remarks on ops that look like a norm or an attention and are none: what differs.
void remarkNearNorms(mlir::Operation *root);
void remarkNearAttentions(mlir::Operation *root);

//===-- remarks -------------------------------------------------------------===//
/// What was recognised, and what nearly was.
void remarkRaised(mlir::Operation *op, llvm::StringRef what);
void remarkMissed(mlir::Operation *op, llvm::StringRef what, llvm::StringRef why);

//===-- numbers -------------------------------------------------------------===//
/// Exporters round 1/6 to 0.16667.
inline bool isNear(double value, double expected) {
  return std::abs(value - expected) <= 1e-4 * std::max(1.0, std::abs(expected));
}
/// The number of a float constant all of whose elements are equal.
std::optional<double> splatOf(mlir::Value value);
/// A constant number on one side of an op whose result has the type of the other side.
struct WithScalar {
  mlir::Value other;
  double number;
  bool scalarIsRight;
};
std::optional<WithScalar> withScalar(BinaryOp op);

/// a * x + b
struct Affine {
  mlir::Value x;
  double a = 1, b = 0;
};
/// Follows sums and products with scalars, down to `stop` if it is on the way.
Affine affineOf(mlir::Value value, mlir::Value stop);
/// Coefficients c[0] + c[1] x + ... of a polynomial in x of at most degree 3.
std::optional<llvm::SmallVector<double, 4>> polynomialOf(mlir::Value value, mlir::Value x);

//===-- values --------------------------------------------------------------===//
inline mlir::RankedTensorType tensorOf(mlir::Value value) { return llvm::cast<mlir::RankedTensorType>(value.getType()); }
inline bool isFloat(mlir::Value value) { return llvm::isa<mlir::FloatType>(tensorOf(value).getElementType()); }
/// The op that defines a value, when it is an elementwise op of this kind.
UnaryOp unaryOf(mlir::Value value, UnaryKind kind);
BinaryOp binaryOf(mlir::Value value, BinaryKind kind);

/// One value, or results of equal ops on equal values (an exporter that shares nothing).
bool isSameValue(mlir::Value a, mlir::Value b);

/// The value behind reshapes that only add or drop dimensions of size 1, and expands.
mlir::Value withoutUnits(mlir::Value value);
/// The value behind expands.
mlir::Value withoutExpand(mlir::Value value);
/// Whether a reshape only adds or drops dimensions of size 1.
bool isUnitReshape(ReshapeOp op);
/// The sizes without those of 1.
llvm::SmallVector<int64_t> withoutOnes(llvm::ArrayRef<int64_t> shape);

/// The sizes of a value as texts, with those that are only known at run time (SizeAnalysis.h); nullopt: not recorded.
std::optional<llvm::SmallVector<std::string>> sizeTexts(mlir::Value value);
/// Two sizes are recorded, and not the same.
bool differInTexts(mlir::Value a, int64_t axisA, mlir::Value b, int64_t axisB);
/// Records the sizes of the reshapes that raising has made.
void completeSizes(mlir::Operation *root);

/// Reductions as exporters write them: reduce, or sum times 1 / n. `axes` of x, ascending; the value's own shape may have
/// kept them or not.
struct Reduced {
  mlir::Value x;
  llvm::SmallVector<int64_t> axes;
};
std::optional<Reduced> meanOf(mlir::Value value);
/// Whether a value of `shape`, broadcast against x, is constant along `axes` of x and has the sizes of x elsewhere.
bool isAlignedWith(llvm::ArrayRef<int64_t> shape, mlir::Value x, llvm::ArrayRef<int64_t> axes);

} // namespace tern::nn
#endif
