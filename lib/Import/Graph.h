// Which nodes of a graph are needed, in which order, and who defines each value.
#ifndef TERN_IMPORT_GRAPH_H
#define TERN_IMPORT_GRAPH_H

#include "OnnxProto.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <string>
#include <vector>

namespace tern::importer {

using NameMap = llvm::StringMap<std::string>;
/// A graph hides the outer names of what it defines itself: takes them out of `names`.
void eraseDefined(NameMap &names, const onnx::GraphProto &graph);

/// A node and its place in the file.
struct GraphNode {
  const onnx::NodeProto *proto;
  int64_t index;
  std::string name;                  ///< N1: the node's own name or <op_type>_<index>, unique in the graph
  std::vector<std::string> captures; ///< values of this graph that its subgraphs read
  mlir::Location loc(mlir::MLIRContext *context) const;
};

class Graph {
public:
  /// Indexes the graph. Duplicate definitions are an error.
  mlir::LogicalResult read(const onnx::GraphProto &graph, mlir::Location loc);

  /// The nodes that `outputs` need, operands first; the search stops at `inputs`. Undefined values and cycles are
  /// errors. `isOuter`: values of the graphs around this one.
  mlir::FailureOr<std::vector<const GraphNode *>>
  schedule(llvm::ArrayRef<std::string> inputs, llvm::ArrayRef<std::string> outputs, mlir::Location loc,
           llvm::function_ref<bool(llvm::StringRef)> isOuter = {}) const;

  const onnx::TensorProto *initializer(llvm::StringRef name) const { return initializers.lookup(name); }
  const onnx::SparseTensorProto *sparseInitializer(llvm::StringRef name) const { return sparse.lookup(name); }
  /// The declaration of an input, output or inner value; null when there is none.
  const onnx::ValueInfoProto *info(llvm::StringRef name) const { return infos.lookup(name); }
  const onnx::ValueInfoProto *input(llvm::StringRef name) const { return inputs.lookup(name); }
  bool isInitializer(llvm::StringRef name) const { return initializers.count(name) || sparse.count(name); }
  /// Whether any node, input or initializer defines the value.
  bool isDefined(llvm::StringRef name) const {
    return inputs.count(name) || isInitializer(name) || producers.count(name);
  }
  /// The defined value with the most similar name, or "".
  std::string nearest(llvm::StringRef name) const;

  /// `base` with a suffix where a node already has that name; the result is taken from then on.
  std::string uniqueName(const std::string &base);

private:
  std::vector<GraphNode> nodes;
  llvm::StringSet<> taken;
  llvm::StringMap<const GraphNode *> producers;
  llvm::StringMap<const onnx::TensorProto *> initializers;
  llvm::StringMap<const onnx::SparseTensorProto *> sparse;
  llvm::StringMap<const onnx::ValueInfoProto *> infos, inputs;
};

/// The candidate with the smallest edit distance, if it is near enough to be what was meant; else "".
std::string nearestName(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_GRAPH_H
