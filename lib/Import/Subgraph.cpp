// Bodies of If, Loop and Scan, imported in place under names of their own.
#include "lib/Import/Importer.h"
#include "lib/Import/Node.h"

using namespace mlir;

namespace tern::importer {
namespace {

/// Renames what a graph defines; everything else it reads belongs to the graphs around it.
class Renamer {
public:
  using Names = NameMap;

  static void rename(onnx::GraphProto &graph, Names names) {
    for (onnx::ValueInfoProto &v : *graph.mutable_input())
      map(*v.mutable_name(), names);
    for (onnx::ValueInfoProto &v : *graph.mutable_output())
      map(*v.mutable_name(), names);
    for (onnx::ValueInfoProto &v : *graph.mutable_value_info())
      map(*v.mutable_name(), names);
    for (onnx::TensorProto &t : *graph.mutable_initializer())
      map(*t.mutable_name(), names);
    for (onnx::SparseTensorProto &t : *graph.mutable_sparse_initializer())
      map(*t.mutable_values()->mutable_name(), names);
    for (onnx::NodeProto &n : *graph.mutable_node()) {
      for (std::string &name : *n.mutable_input())
        map(name, names);
      for (std::string &name : *n.mutable_output())
        map(name, names);
      for (onnx::AttributeProto &a : *n.mutable_attribute()) {
        if (a.has_g())
          rename(*a.mutable_g(), without(a.g(), names));
        for (onnx::GraphProto &g : *a.mutable_graphs())
          rename(g, without(g, names));
      }
    }
  }

private:
  static void map(std::string &name, const Names &names) {
    if (auto it = names.find(name); it != names.end())
      name = it->second;
  }
  /// What an inner graph defines itself hides the outer names.
  static Names without(const onnx::GraphProto &graph, Names names) {
    eraseDefined(names, graph);
    return names;
  }
};

} // namespace

FailureOr<SmallVector<Known>> Importer::importSubgraph(const onnx::GraphProto &body, const Twine &prefix,
                                                       const Twine &constants, ArrayRef<Known> arguments,
                                                       Location loc) {
  if (int64_t(arguments.size()) != body.input_size())
    return emitError(loc) << "its body has " << body.input_size() << " inputs; " << arguments.size() << " are given";
  if ((subgraphNodes += body.node_size()) > kMaxSubgraphNodes)
    return emitError(loc) << "the bodies of If, Loop and Scan expand to more than " << kMaxSubgraphNodes << " nodes";
  // Constants keep one name in all repetitions of a body, so that a weight stays one weight.
  Renamer::Names names;
  for (const auto &n : body.node())
    for (const auto &o : n.output())
      if (!o.empty())
        names[o] = (prefix + "/" + o).str();
  for (const auto &v : body.input())
    names[v.name()] = (prefix + "/" + v.name()).str();
  for (const auto &t : body.initializer())
    names[t.name()] = (constants + "/" + t.name()).str();
  for (const auto &t : body.sparse_initializer())
    names[t.values().name()] = (constants + "/" + t.values().name()).str();
  auto copy = std::make_shared<onnx::GraphProto>(body);
  Renamer::rename(*copy, names);
  subgraphs.push_back(copy);

  for (auto [info, argument] : llvm::zip(copy->input(), arguments))
    bind(info.name(), argument);
  for (const onnx::TensorProto &t : copy->initializer())
    if (!find(t.name())) {
      FailureOr<TensorData> data = readTensor(model, t, loc);
      if (failed(data))
        return failure();
      bind(t.name(), {{}, {}, std::make_shared<TensorData>(std::move(*data))});
    }
  for (const onnx::SparseTensorProto &t : copy->sparse_initializer())
    if (!find(t.values().name())) {
      FailureOr<TensorData> data = readSparse(model, t, loc);
      if (failed(data))
        return failure();
      bind(t.values().name(), {{}, {}, std::make_shared<TensorData>(std::move(*data))});
    }

  Graph inner;
  if (failed(inner.read(*copy, loc)))
    return failure();
  std::vector<std::string> outputs;
  for (const auto &o : copy->output())
    outputs.push_back(o.name());
  auto nodes = inner.schedule({}, outputs, loc, [&](StringRef name) { return find(name) != nullptr; });
  if (failed(nodes))
    return failure();
  noteUses(*nodes, outputs);
  Block &block = *builder.getInsertionBlock();
  for (const GraphNode *n : *nodes) {
    GraphNode renamed = *n;
    renamed.name = graph.uniqueName((prefix + "/" + n->name).str());
    Operation *last = block.empty() ? nullptr : &block.back();
    if (failed(importNode(renamed)))
      return failure();
    fold(last, renamed);
  }
  SmallVector<Known> results;
  for (const std::string &name : outputs) {
    const Known *known = find(name);
    if (!known)
      return emitError(loc) << "its body returns '" << name << "', which is not defined";
    // A weight under the name of this body would be another weight.
    results.push_back(known->data && isWeight(*known->data) ? Known{materialize(name, loc), {}, {}} : *known);
  }
  return results;
}

Importer::Checkpoint Importer::checkpoint() {
  Block &block = *builder.getInsertionBlock();
  return {block.empty() ? nullptr : &block.back(), subgraphNodes};
}

void Importer::rollback(const Checkpoint &to) {
  Block &block = *builder.getInsertionBlock();
  while (!block.empty() && &block.back() != to.last) {
    // The addresses of values may become those of others.
    block.back().walk([&](Operation *op) {
      for (Value result : op->getResults())
        sizeAnalysis.forget(result);
      for (Region &region : op->getRegions())
        for (Value argument : region.getArguments())
          sizeAnalysis.forget(argument);
    });
    block.back().erase();
  }
  builder.setInsertionPointToEnd(&block);
  subgraphNodes = to.nodes;
}

} // namespace tern::importer
