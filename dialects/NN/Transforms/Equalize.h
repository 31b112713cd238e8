//===- Equalize.h - activations whose channels get one range --------------===//
#ifndef TERN_DIALECTS_NN_TRANSFORMS_EQUALIZE_H
#define TERN_DIALECTS_NN_TRANSFORMS_EQUALIZE_H

#include "dialects/NN/Transforms/Activations.h"
#include "lib/Search/Plan.h"

namespace tern::nn {

/// A value that only static ops read, and those along one axis of channels: they compute the same from x / s and w * s.
struct Equalizable {
  std::string name; ///< of its activation group
  mlir::Value value;
  llvm::SmallVector<mlir::Operation *> readers; ///< conv and matmul, in program order
  int64_t axis = 0, channels = 0;
};

/// All of them, in program order.
std::vector<Equalizable> findEqualizable(mlir::func::FuncOp function,
                                         llvm::function_ref<bool(mlir::Operation *)> isStatic);

/// The channels of x as a reader's weight is divided into groups of them; 1 but for grouped convolutions.
int64_t channelGroups(mlir::Operation *reader);

/// For each: an nn.mul NAME.equalized in front of the readers, and a factor on their weights. Names that are no such value
/// and another number of channels are errors. The results are the quotients, in the order of `equalizations`.
llvm::FailureOr<llvm::SmallVector<mlir::Value>> equalize(mlir::func::FuncOp function,
                                                         llvm::ArrayRef<PlanEqualization> equalizations);

} // namespace tern::nn
#endif
