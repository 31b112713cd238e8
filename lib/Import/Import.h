// ONNX -> nn dialect (the first stage of a compilation).
#ifndef TERN_IMPORT_IMPORT_H
#define TERN_IMPORT_IMPORT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include <string>
#include <vector>

namespace tern {

/// What a user may say about a model. Names are those of the ONNX file.
struct ImportOptions {
  /// Sizes of dimensions, by symbol ("batch") or, where a dimension has no symbol, by place ("image.2").
  llvm::StringMap<int64_t> dims;
  /// Dimensions that stay open, and what they may be at run time (both included).
  llvm::StringMap<std::pair<int64_t, int64_t>> bounds;
  /// Dimensions without a size stay open. False: a batch is 1, others are an error. A model in which only batches are
  /// open gets a batch of 1 as well, unless `bounds` names one.
  bool open = false;
  /// Shapes of inputs in the calibration data: they bind what `dims` leaves open; -1 binds nothing.
  llvm::StringMap<llvm::SmallVector<int64_t>> hints;
  /// Cut the model at these values: they become the arguments, in this order. Empty: the inputs of the model.
  std::vector<std::string> inputs;
  /// Cut the model at these values: they become the results, in this order. Empty: the outputs of the model.
  std::vector<std::string> outputs;
  /// Keep ops without a rule as nn.onnx. False: they are the error of reportUnknownOps at once.
  bool keepUnknown = true;
};

/// Reads a model into a module: one function @main on tensors, weights as `ml_program.global` whose blobs point into the
/// mapped file. The file must not change while the context lives.
///
/// - Arguments and results carry `tern.name` and `tern.dims` (symbols of the file, "" where there is none; the size
///   expression of an open dimension); the module carries `tern.ir_version`, `tern.opsets` and `tern.metadata`.
/// - With open dimensions ops carry `nn.sizes` (dialects/NN/IR/SizeAnalysis.h), the module `tern.bounds`, a dictionary of
///   [least, greatest] by dimension, and `tern.equal`, pairs of expressions that have to be equal at run time.
/// - Locations are `loc("NODE (OP #INDEX)")`.
/// - Blobs have the alignment that the file gives them, which may be less than that of the element type: read them with
///   memcpy or unaligned loads.
/// - Errors: one diagnostic through the context. An open dimension that is taken as 1 is a remark.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(llvm::StringRef path, mlir::MLIRContext &context,
                                                              const ImportOptions &options = {});

/// Fails with one diagnostic that lists all kinds of nn.onnx ops in the module with their counts and first places.
mlir::LogicalResult reportUnknownOps(mlir::ModuleOp module);

} // namespace tern
#endif // TERN_LIB_IMPORT_IMPORT_H
