// Constant folding while importing.
#ifndef TERN_IMPORT_FOLD_H
#define TERN_IMPORT_FOLD_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace tern::importer {

/// The value of an nn op on constant operands, computed by lib/Reference; null when an operand is no constant or the
/// result has more than 64 KiB.
mlir::DenseElementsAttr foldSmall(mlir::Operation *op);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_FOLD_H
