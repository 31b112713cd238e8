// The state of one import: what every value name stands for, and the module being built.
#ifndef TERN_IMPORT_IMPORTER_H
#define TERN_IMPORT_IMPORTER_H

#include "dialects/NN/IR/SizeAnalysis.h"
#include "lib/Import/Graph.h"
#include "lib/Import/Import.h"
#include "lib/Import/ModelFile.h"
#include "lib/Import/TensorData.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/Builders.h"

namespace tern::importer {

class Decisions;

/// Constants of up to this many bytes are folded, and are arith.constant unless they are weights.
constexpr int64_t kSmallBytes = 64 << 10;

/// What a value name stands for: exactly one of the three is set.
struct Known {
  mlir::Value value;                      ///< of the graph; also a !tern.quant, or an unknown type out of nn.onnx
  mlir::DenseElementsAttr attr;           ///< a constant that was computed
  std::shared_ptr<const TensorData> data; ///< a constant of the file
};

/// A weight is an `ml_program.global`: more than 16 elements of a type that is no 32- or 64-bit integer or bool; and
/// whatever exceeds 64 KiB.
bool isWeight(const TensorData &data);

/// The symbol of an open dimension; "" where there is none. Several writers name all unknown sizes '?'.
llvm::StringRef symbolOf(const onnx::TensorShapeProto::Dimension &dim);

class Importer {
public:
  /// typesOnly: weights get globals without data; for asking which types a model computes.
  Importer(ModelFile &model, const ImportOptions &options, mlir::MLIRContext *context, Decisions &decisions, bool typesOnly = false);

  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> run();

  mlir::MLIRContext *context;
  mlir::OpBuilder builder;
  ModelFile &model;
  Graph graph;
  Decisions &decisions;
  /// Some size of an input is not a number.
  bool hasOpenSizes() const { return !openDims.empty(); }

  /// The sizes of all values, where dimensions are open.
  nn::SizeAnalysis sizeAnalysis;
  nn::Sizes sizesOf(const Known &known);
  /// Takes over what the analysis knows into the types and `nn.sizes` of an op.
  void recordSizes(mlir::Operation *op);
  /// A size that was open and has become a number is one in the type of the value, too.
  void settleType(const Known &known);

  /// The version of an operator set ("" is ai.onnx); 0 when the model does not import it.
  int64_t opset(llvm::StringRef domain) const;
  /// Null when nothing has been bound to the name.
  const Known *find(llvm::StringRef name) const;
  void bind(llvm::StringRef name, Known known) { values[name] = std::move(known); }
  /// A name for one more op, unique in the module.
  mlir::StringAttr uniqueName(const llvm::Twine &base) { return builder.getStringAttr(graph.uniqueName(base.str())); }
  /// Whether a scheduled node or the result list reads the value.
  bool isUsed(llvm::StringRef name) const { return used.contains(name); }

  /// The type of a value without making an op; null unless it is a tensor of known rank (a quantized value: its codes).
  mlir::RankedTensorType typeOf(const Known &known) const;
  /// The constant behind a value, if it is one of at most 64 KiB.
  mlir::DenseElementsAttr constantOf(const Known &known) const;
  /// The SSA value: makes a constant or a load of a global where needed. Quantized values give their codes.
  mlir::Value materialize(llvm::StringRef name, mlir::Location loc);
  /// A load of a global that holds `data` under another type of the same bytes.
  mlir::Value loadWeight(llvm::StringRef name, const TensorData &data, mlir::RankedTensorType type, mlir::Location loc);
  /// A dense_resource on the bytes of the file. The name becomes the key of the blob.
  mlir::Attribute blobAttr(llvm::StringRef name, const TensorData &data, mlir::RankedTensorType type = {});
  mlir::Value constant(mlir::DenseElementsAttr attr, mlir::Location loc);

  /// Imports the graph of an attribute at this place with these values of its inputs. The names it defines get `prefix`, its
  /// constants `constants`, in front. The results are in the order of its outputs.
  mlir::FailureOr<llvm::SmallVector<Known>> importSubgraph(const onnx::GraphProto &body, const llvm::Twine &prefix,
                                                           const llvm::Twine &constants,
                                                           llvm::ArrayRef<Known> arguments, mlir::Location loc);
  /// Takes back the ops that were made since a checkpoint. What was bound since then must not be read any more.
  struct Checkpoint {
    mlir::Operation *last;
    int64_t nodes;
  };
  Checkpoint checkpoint();
  void rollback(const Checkpoint &to);

  /// The declared type of a value with all bound sizes, `?` for others; null when there is none or it is not a tensor.
  mlir::Type declaredType(llvm::StringRef name) const;

private:
  mlir::LogicalResult readOpsets();
  mlir::LogicalResult checkCuts();
  mlir::LogicalResult bindConstants(llvm::ArrayRef<const GraphNode *> nodes);
  mlir::FailureOr<llvm::SmallVector<mlir::Type>> bindInputs();
  mlir::FailureOr<mlir::Type> bindInput(llvm::StringRef name, std::vector<std::string> &open,
                                        std::vector<std::string> &assumed);
  mlir::LogicalResult bindSymbols();
  std::string openText(llvm::StringRef flag, llvm::StringRef symbol);
  std::optional<int64_t> hintOf(llvm::StringRef input, int axis, int rank) const;
  mlir::LogicalResult checkDimNames();
  mlir::LogicalResult inferCutInputs();
  mlir::LogicalResult importNode(const GraphNode &node);
  void fold(mlir::Operation *last, const GraphNode &node);
  mlir::LogicalResult finish();
  void removeDeadOps(mlir::Block &block);
  mlir::LogicalResult finishSizes();
  void numbersToSizes(mlir::Block &block);
  void describe();

  // Nodes of bodies that importSubgraph has made, and the bodies, whose names they use.
  static constexpr int64_t kMaxSubgraphNodes = 1 << 17;
  int64_t subgraphNodes = 0;
  std::vector<std::shared_ptr<const onnx::GraphProto>> subgraphs;

  const ImportOptions &options;
  bool typesOnly;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  std::vector<std::string> inputs, outputs;
  llvm::StringMap<Known> values;
  llvm::StringMap<int64_t> opsets;
  llvm::StringMap<int64_t> sizes;       // of dimensions, by symbol
  llvm::StringMap<llvm::SmallVector<std::string>> openDims; // size expressions of an input, "" where it is static
  llvm::StringMap<mlir::Type> cutTypes; // of inputs in the middle of the graph
  llvm::StringMap<mlir::ml_program::GlobalOp> globals;
  /// These values are read: nodes may not leave them out.
  void noteUses(llvm::ArrayRef<const GraphNode *> nodes, llvm::ArrayRef<std::string> outputs);
  llvm::StringSet<> used;
  bool anyOpen = false;      // some dimension that is no batch stays open
  llvm::StringSet<> symbols; // of open dimensions of inputs
};

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_IMPORTER_H
