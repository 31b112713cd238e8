// Convolutions and products, for the operators that are one of them and something behind it.
#ifndef TERN_IMPORT_OPS_PRODUCTS_H
#define TERN_IMPORT_OPS_PRODUCTS_H

#include "lib/Import/Ops/Rules.h"

namespace tern::importer {

/// The result of Conv, Gemm with the inputs and attributes of the node; null after an error.
mlir::Value convolution(Node &n);
mlir::Value gemm(Node &n);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_PRODUCTS_H
