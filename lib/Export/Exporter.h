// The parts of one export. Private to lib/Export.
#ifndef TERN_EXPORT_EXPORTER_H
#define TERN_EXPORT_EXPORTER_H

#include "lib/Export/Export.h"
#include "lib/Export/OnnxGraph.h"
#include "lib/Export/Profile.h"
#include "lib/Export/Spool.h"
#include "lib/Export/Weights.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <array>
#include <set>

namespace tern::exporter {

/// How the file says that a weight is quantized.
enum class Form : uint8_t {
  Float,       ///< not at all
  Qdq,         ///< DequantizeLinear in front of the op
  QdqGather,   ///< Gather of codes and scales, DequantizeLinear behind
  NBits,       ///< com.microsoft.MatMulNBits
  NBitsGather, ///< com.microsoft.GatherBlockQuantized
  Dynamic,     ///< DynamicQuantizeLinear, MatMulInteger or ConvInteger
  Static,      ///< Qdq, and QuantizeLinear, DequantizeLinear on the activations
};
const char *str(Form form);

/// The kinds of ops that have weights, and where.
enum class Kind : uint8_t { MatMul, Gemm, Conv, ConvTranspose, Gather, Recurrent };

/// What becomes of one weight of one node.
struct Decision {
  Node *node = nullptr;
  unsigned input = 1; ///< of the weight
  Kind kind = Kind::MatMul;
  std::string name; ///< of the op, with a suffix for the second weight of one
  std::optional<WeightView> view;
  int64_t channelAxis = 0, reduceAxis = 0; ///< of the view
  Form form = Form::Float;
  Grouping grouping; ///< on the root of the view
  CodeFormat code;
  Scheme scheme;
  bool isNamed = false; ///< the scheme was given for this op, by an override or a plan
  std::string why; ///< of Float; else a remark, or empty
  // With static activations.
  Node *norm = nullptr;      ///< the batch norm that goes into the weight
  std::vector<float> factor; ///< of each output channel, by the norm
  std::vector<float> bias;   ///< of each output channel, where it is constant
  std::vector<float> leastScale; ///< of the weight, so that the bias fits in 32 bits

  /// The op reads the codes and not the constant's name.
  bool bypasses() const {
    return form == Form::QdqGather || form == Form::NBits || form == Form::NBitsGather || form == Form::Dynamic;
  }
  bool usesDequantize() const { return form == Form::Qdq || form == Form::Static; }
};

/// Changes of one node; inputs and outputs by index.
struct NodeEdit {
  std::map<unsigned, std::string> inputs;
  std::map<unsigned, std::string> outputs;
  std::optional<std::string> op, domain;
  bool dropAttributes = false;
  std::set<std::string> dropped; ///< attributes by name
  std::string attributes;        ///< serialized fields that are added
  std::optional<unsigned> inputCount; ///< inputs from here on are left out
  std::vector<std::string> before, after; ///< serialized nodes
  bool removed = false;
};

/// A node that is made: serialized contents of a NodeProto.
class NodeBuilder {
public:
  NodeBuilder(llvm::StringRef op, llvm::StringRef domain, llvm::ArrayRef<std::string> inputs,
              llvm::ArrayRef<std::string> outputs, llvm::StringRef name);
  NodeBuilder &integer(llvm::StringRef name, int64_t value);
  NodeBuilder &integers(llvm::StringRef name, llvm::ArrayRef<int64_t> values);
  NodeBuilder &tensor(llvm::StringRef name, llvm::StringRef proto);
  std::string text;
};
std::string integerAttribute(llvm::StringRef name, int64_t value);

class Exporter {
public:
  Exporter(OnnxGraph &graph, const ExportOptions &options, ExportReport &report)
      : graph(graph), options(options), report(report), patch(graph.file),
        profile(*findProfile(options.profile)) {}

  mlir::LogicalResult decide();
  mlir::LogicalResult run();
  /// Values whose ranges static activations take.
  std::vector<std::string> activationNames();

private:
  // Decide.cpp
  void findWeights();
  void addWeight(Node *node, unsigned input, Kind kind, int64_t channelAxis, int64_t reduceAxis,
                 llvm::StringRef suffix = "");
  mlir::LogicalResult chooseSchemes();
  mlir::LogicalResult takePlan();
  void chooseForm(Decision &d);
  void chooseWeightForm(Decision &d);
  void chooseGrouping(Decision &d);
  void tieWeights();
  bool canDynamic(const Decision &d, std::string &why) const;
  bool canNBits(const Decision &d, std::string &why) const;
  void writePlan();
  void remark(const Decision &d, const llvm::Twine &text, bool isWarning = false);

  // Opset.cpp
  mlir::LogicalResult chooseOpset();
  /// The first node whose meaning changes between the versions; null: none.
  Node *blocksRaise(const Scope &root, int64_t from, int64_t to, std::string &why);
  void convertNode(Node &node, int64_t from, int64_t to);
  void avoidRaise(Decision &d, int64_t from, const std::string &why);
  int64_t neededOpset(const Decision &d) const;

  // Emit.cpp
  mlir::LogicalResult emitWeights();
  mlir::LogicalResult emitRoot(Constant *root, llvm::ArrayRef<Decision *> users);
  void removeDeadPaths();
  bool onlyDequantized(Scope *scope, llvm::StringRef name, llvm::ArrayRef<Decision *> users) const;
  void removeConstant(Constant *constant);
  void removeInputs(const Node &node);
  mlir::LogicalResult moveExternal();
  void applyNodeEdits();
  std::string rebuildNode(const Node &node, const NodeEdit &edit) const;
  void emitImports();
  void emitMetadata();
  void emitInputs();
  void emitTensors();
  uint64_t estimate() const;

  // Forms/*.cpp
  struct Stored { ///< a weight's codes in the file
    std::string codes, scale, zero;
    int64_t blocks = 0, blockSize = 0, axis = 0;
    std::vector<float> scaleValues; ///< of one scale an output channel
  };
  struct Stores {
    Stored qdq, nbits, integer;
    std::string dequantized;
  };
  mlir::LogicalResult encode(Constant *root, const Decision &d, llvm::ArrayRef<float> factor,
                             const std::function<void(const CodeRows &)> &sink);
  static bool isPerAxis(const Constant *root, const Grouping &grouping);
  static int64_t nbitsBlock(int64_t block, int64_t columns);
  mlir::LogicalResult storeQdq(Constant *root, const Decision &d, Stored &stored);
  mlir::LogicalResult storeNBits(Constant *root, const Decision &d, Stored &stored);
  mlir::LogicalResult storeInteger(Constant *root, const Decision &d, Stored &stored);
  void shareInteger(Constant *root, const Decision &d, const Stored &qdq, Stored &stored);
  void dequantize(Constant *root, const Decision &d, const Stored &stored, llvm::StringRef output,
                  llvm::ArrayRef<Decision *> users);
  void useNBits(Decision &d, const Stored &stored);
  void useNBitsGather(Decision &d, const Stored &stored);
  void useQdqGather(Decision &d, const Stored &stored);
  void useDynamic(Decision &d, const Stored &stored);
  mlir::LogicalResult useStatic(Decision &d, const Stored &stored);
  // Static.cpp
  struct ActivationCodes {
    float scale = 1;
    int64_t zero = 0;
    int32_t type = importer::UINT8;
  };
  bool mayBeStatic(const Decision &d, std::string &why) const;
  std::string endOf(const Decision &d) const;
  Node *foldableNorm(const Decision &d) const;
  mlir::LogicalResult foldNorm(Decision &d);
  mlir::FailureOr<std::vector<float>> readVector(Scope *scope, llvm::StringRef name);
  ActivationCodes codesOf(const std::string &name) const;
  void planActivations();
  mlir::LogicalResult readBias(Decision &d);
  void roundValue(const std::string &from, const std::string &to, const std::string &named, Node *behind, int32_t type);
  void emitActivations();
  NodeBuilder quantNode(const std::string &from, const std::string &to, const std::string &scale,
                        const std::string &zero, unsigned bits, bool isSigned, bool narrow);
  /// The codes of x, made once a graph: names of codes, scale and zero point.
  std::array<std::string, 3> dynamicInput(Node *node, const std::string &x);

  // Making things.
  /// Adds an initializer to the graph of `scope` (a Constant node in a function). `at`: the constant whose place it
  /// takes, or null. Returns its name.
  std::string addTensor(Scope *scope, llvm::StringRef name, int32_t type, llvm::ArrayRef<int64_t> shape,
                        llvm::StringRef data, Constant *at = nullptr, Node *user = nullptr);
  template <typename T>
  std::string addValues(Scope *scope, llvm::StringRef name, int32_t type, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<T> values, Node *user) {
    return addTensor(scope, name, type, shape,
                     llvm::StringRef(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)), nullptr,
                     user);
  }
  void addBefore(Node *node, const NodeBuilder &made) { edits[node].before.push_back(made.text); }
  void addAfter(Node *node, const NodeBuilder &made) { edits[node].after.push_back(made.text); }
  /// The node of `scope` in which `node` lies.
  Node *inScope(Node *node, const Scope *scope) const;
  Node *firstUser(const Scope *scope, llvm::ArrayRef<Decision *> users) const;
  /// The DequantizeLinear that the file may have: standard, or com.microsoft where the opset is too old.
  llvm::StringRef dequantizeDomain(Scope *scope, const Decision &d) const;
  void needMicrosoft(const Scope *scope);
  int64_t opset(const Scope *scope) const;
  /// The type that a scale has beside values of an ONNX type.
  static Element scaleElement(int32_t type);

  OnnxGraph &graph;
  ExportOptions options;
  ExportReport &report;
  Patch patch;
  const Profile &profile;
  Spool spool;
  std::deque<Decision> decisions;
  llvm::MapVector<Constant *, std::vector<Decision *>> byRoot;
  std::map<Node *, NodeEdit> edits;
  std::set<const Scope *> microsoft; ///< the main graph or functions that use com.microsoft
  std::set<std::pair<Node *, unsigned>> bypassed;
  llvm::SmallPtrSet<Node *, 16> removed;
  std::map<Constant *, Stores> stored;
  std::map<Constant *, Stored> gatherRows;
  std::map<std::pair<const Scope *, std::string>, std::array<std::string, 3>> dynamicInputs;
  struct NewInput {
    std::string name;
    int32_t type;
    llvm::SmallVector<int64_t> shape;
  };
  struct NewTensor {
    std::string head; ///< of the TensorProto: all but the data
    Scope *scope;
    uint64_t offset, size; ///< in the spool
    Constant *at;          ///< before it, or null: at the end
  };
  std::vector<NewTensor> newTensors;
  bool external = false;    ///< tensor data go to a file of their own
  std::string externalName; ///< of that file, without folder
  std::vector<NewInput> newInputs; ///< of models before IR 4, where initializers are inputs
  llvm::SmallPtrSet<Constant *, 16> removedConstants;
  std::map<const Scope *, int64_t> raised; ///< new opset of the main graph or a function
  int64_t newIr = 0;
  std::set<std::string> inputs, outputs; ///< values that are rounded, in front of ops and behind them
  bool usesQonnx = false;
};

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_EXPORTER_H
