// Open dimensions: rules with sizes that are expressions, and what happens to shape arithmetic.
#ifndef TERN_IMPORT_OPENSIZES_H
#define TERN_IMPORT_OPENSIZES_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// Windows fit: the results of the node have at least one element along every axis. Sizes that are too small for it are
/// excluded by the bounds of their dimension, or by a check at run time.
mlir::LogicalResult requireWindows(Node &node);
/// The value of an op whose result is shape arithmetic with known numbers.
mlir::DenseElementsAttr foldSizes(nn::SizeAnalysis &sizes, mlir::Operation *op);

/// Reshape, Expand, ConstantOfShape, Slice, Pad, Split to sizes that are expressions.
mlir::LogicalResult openReshape(Node &n);
mlir::LogicalResult openExpand(Node &n);
mlir::LogicalResult openConstantOfShape(Node &n, mlir::DenseElementsAttr value);
mlir::LogicalResult openRange(Node &n);
mlir::LogicalResult openSlice(Node &n, const nn::Sizes &starts, const nn::Sizes &ends, const Ints &axes, const Ints &steps);
mlir::LogicalResult openPad(Node &n, const nn::Sizes &low, const nn::Sizes &high, nn::PadMode mode, double value);
/// x with so many elements of `value` before and behind; fewer than 0 are cropped.
mlir::Value padTo(Node &n, mlir::Value x, const nn::Sizes &low, const nn::Sizes &high, double value);
mlir::LogicalResult openSplit(Node &n, int64_t axis, const nn::Sizes &sizes);

} // namespace tern::importer
#endif
