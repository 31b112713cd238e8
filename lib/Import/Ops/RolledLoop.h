// Loop and Scan whose body is imported once, as nn.loop.
#ifndef TERN_IMPORT_OPS_ROLLEDLOOP_H
#define TERN_IMPORT_OPS_ROLLEDLOOP_H

#include "lib/Import/Ops/Compose.h"

namespace tern::importer {

/// What an nn.loop is made of. States and sequences are values of the graph around it.
struct RolledLoop {
  nn::SizeExpr count;   ///< of the steps; null: only trips and condition end it
  mlir::Value trips;    ///< i64, or null
  Known condition;      ///< in front of the first step; a constant true says nothing
  int64_t fewNodes = 0; ///< a loop whose condition turns out to end after so many nodes is better written out: it has no such form
  bool ownsCounter = false; ///< the body takes the number of the step and a condition first, and returns a condition first (Loop)
  llvm::SmallVector<mlir::Value> states, sequences; ///< elements of sequences lie along the first axis
  llvm::SmallVector<bool> reversed;                 ///< of sequences, then of `collected`
  llvm::SmallVector<bool> collected; ///< for each output of the body behind the states: whether anybody wants it
};

/// The results of the loop: last states, then what is collected and wanted. None: it has no such form, `why` says so, and
/// nothing of it is left in the graph.
std::optional<llvm::SmallVector<mlir::Value>> importRolled(Node &n, const onnx::GraphProto &body, const RolledLoop &loop,
                                                           std::string &why);

/// The SSA value of something that a body returned or a name stands for; quantized values give their codes.
mlir::Value valueOf(Node &n, const Known &known);
/// The one number of a constant.
std::optional<int64_t> numberOf(const Importer &importer, const Known &known);
/// Nodes of a body, with those of the graphs in it.
int64_t countNodes(const onnx::GraphProto &body);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_ROLLEDLOOP_H
