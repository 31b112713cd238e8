// What the exporter knows of a model file: the nodes and constants of every graph with their places in the file.
#ifndef TERN_EXPORT_ONNXGRAPH_H
#define TERN_EXPORT_ONNXGRAPH_H

#include "lib/Export/Patch.h"
#include "lib/Export/Wire.h"
#include "lib/Import/ModelFile.h"
#include "lib/Import/TensorData.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <deque>
#include <map>
#include <optional>

namespace tern::exporter {

struct Scope;
struct Node;

/// A tensor that is a constant of the file: an initializer, or the value of a Constant node.
struct Constant {
  llvm::StringRef name;
  Field field;            ///< the TensorProto
  Scope *scope = nullptr;
  Node *node = nullptr;   ///< the Constant node; null: an initializer
  int32_t type = 0;       ///< TensorProto.DataType
  llvm::SmallVector<int64_t> shape;
  bool isExternal = false;
  bool isInput = false;   ///< also an input of the graph
  bool isOutput = false;  ///< also an output of its graph
  bool isDerived = false; ///< what `node`, arithmetic on constants, computes; float32

  int64_t elements() const;
  /// float, float16, bfloat16 or double.
  bool isFloat() const;
};

struct Node {
  Field field;
  llvm::StringRef name, op, domain;
  llvm::SmallVector<llvm::StringRef, 4> inputs, outputs;
  llvm::SmallVector<Field, 4> attributes;
  Scope *scope = nullptr;
  int index = 0;
  /// As the importer calls the op of a node of the main graph (N1); in other graphs with the node around as prefix.
  std::string label;

  bool is(llvm::StringRef op, llvm::StringRef domain = "") const;
  std::optional<Field> attributeField(llvm::StringRef name, llvm::StringRef file) const;
};

/// A graph: that of the model, one in an attribute of a node, or the body of a function.
struct Scope {
  Scope *parent = nullptr; ///< whose values are visible; null for the main graph and functions
  Node *owner = nullptr;   ///< the node that holds a subgraph
  bool isFunction = false;
  llvm::SmallVector<Span64> around; ///< messages around a field of this graph, outermost first, this graph last
  std::vector<Node *> nodes;
  llvm::StringMap<Constant *> constants;
  llvm::StringMap<Node *> producers;
  std::vector<std::pair<llvm::StringRef, Field>> inputs, outputs, infos;
  std::vector<Field> opsets; ///< of a function
};

/// One place where a value is read.
struct Use {
  Node *node;   ///< null: an output of a graph
  unsigned input;
  Scope *scope; ///< that reads it
};

class OnnxGraph {
public:
  OnnxGraph(importer::ModelFile &model);

  importer::ModelFile &model;
  llvm::StringRef file;
  int64_t irVersion = 0;
  /// Version of the standard operators, in the main graph and of a function.
  int64_t opsetOf(const Scope &scope) const;
  std::vector<Field> opsets, metadata;
  std::deque<Scope> scopes; ///< the main graph first, then in the order of the file
  std::deque<Node> nodes;
  std::deque<Constant> constants;

  Scope &main() { return scopes.front(); }
  /// What a name means in a graph: its own values, then those of the graphs around.
  Constant *constantOf(Scope *scope, llvm::StringRef name) const;
  Node *producerOf(Scope *scope, llvm::StringRef name) const;
  /// The graph that defines a name; null for unknown ones.
  Scope *definer(Scope *scope, llvm::StringRef name) const;
  /// All reads of the value that `scope` defines as `name`, in the order of the file.
  std::vector<Use> usesOf(Scope *scope, llvm::StringRef name) const;

  /// A value name that the file does not have: `base`, or with a number.
  std::string freshName(llvm::StringRef base);

  int64_t integer(const Node &node, llvm::StringRef attribute, int64_t otherwise) const;
  double real(const Node &node, llvm::StringRef attribute, double otherwise) const;
  llvm::SmallVector<int64_t> integers(const Node &node, llvm::StringRef attribute) const;
  llvm::StringRef text(const Node &node, llvm::StringRef attribute) const;

  /// The value of a node that computes from constants alone, by Cast, Mul, Div, Add, Sub: how weights are stored as integers
  /// without DequantizeLinear. Null when it is not of this kind.
  Constant *derive(Scope *scope, llvm::StringRef name);
  /// The importer's view of a constant, for reading its values.
  mlir::FailureOr<importer::TensorData> read(const Constant &constant);
  mlir::Location loc(const Node &node) const;
  /// Some tensor lies in this external file.
  bool readsFile(llvm::StringRef name) const;

private:
  void readGraph(Scope &scope, const Field &graph);
  void readFunction(const Field &function);
  Node &readNode(Scope &scope, const Field &field);
  Constant &readConstant(Scope &scope, const Field &field);
  void readConstantNode(Scope &scope, Node &node);
  void readSubgraphs(Scope &scope, Node &node);
  void nameNodes(Scope &scope, llvm::StringSet<> &taken, const std::string &prefix);
  void collectUses();
  std::optional<llvm::SmallVector<int64_t>> derivedShape(Scope *scope, llvm::StringRef name, int depth) const;
  mlir::FailureOr<std::vector<float>> evaluate(Scope *scope, llvm::StringRef name, llvm::SmallVectorImpl<int64_t> &shape);

  llvm::StringSet<> names;
  std::map<const Node *, Constant *> derived;
  /// By the defining graph, then by name.
  std::map<const Scope *, llvm::StringMap<std::vector<Use>>> uses;
  std::map<const Scope *, llvm::StringSet<>> defined;
};

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_ONNXGRAPH_H
