// Labels and scores of the classifiers of ai.onnx.ml.
#ifndef TERN_IMPORT_OPS_SCORES_H
#define TERN_IMPORT_OPS_SCORES_H

#include "lib/Import/Ops/Rules.h"

namespace tern::importer {

/// The scores after a `post_transform`; null (and `known` false) for a transform that is not read.
mlir::Value transformedScores(Node &n, mlir::Value scores, llvm::StringRef transform, bool &known);
/// By the attribute of this name.
mlir::Value transformedScores(Node &n, mlir::Value scores, bool &known);

/// The label of each row [N] whose score [N, classes] is the largest, and the scores after `post_transform`.
mlir::LogicalResult classify(Node &n, mlir::Value scores, llvm::ArrayRef<int64_t> labels);

/// Two classes with one score s [N, 1]. `isPositive`: s is a probability, the second class from 0.5 on, scores 1 - s and s. Otherwise
/// the second class is above 0; the scores are -s and s, or their logistic function.
mlir::LogicalResult classifyBinary(Node &n, mlir::Value score, llvm::ArrayRef<int64_t> labels, bool isPositive);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_SCORES_H
