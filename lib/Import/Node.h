// What a rule sees of one ONNX node: checked operands and attributes in, nn ops out.
#ifndef TERN_IMPORT_NODE_H
#define TERN_IMPORT_NODE_H

#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "lib/Import/Importer.h"
#include "mlir/IR/Verifier.h"

namespace tern::importer {

using Ints = llvm::SmallVector<int64_t>;
struct Rule;

/// Errors are sticky: after the first diagnostic every call returns a null value or a default, and the import of the
/// node fails. Rules need not check in between.
class Node {
public:
  Node(Importer &importer, const GraphNode &node);

  //===-- the node ------------------------------------------------------------===//
  llvm::StringRef opType() const { return proto.op_type(); }
  /// "" for ai.onnx.
  llvm::StringRef domain() const {
    return proto.domain() == "ai.onnx" ? llvm::StringRef() : llvm::StringRef(proto.domain());
  }
  int64_t opset() const { return version; }
  mlir::Location loc() const { return location; }
  mlir::StringAttr name() const { return nameAttr; }
  mlir::OpBuilder &builder() { return importer.builder; }
  /// Reports an error of this node.
  mlir::InFlightDiagnostic error();
  bool hasFailed() const { return bad; }

  /// The number of inputs is one that the rule allows.
  mlir::LogicalResult checkInputs(const Rule &rule);

  //===-- inputs --------------------------------------------------------------===//
  int inputCount() const { return proto.input_size(); }
  bool hasInput(int i) const { return i >= 0 && i < proto.input_size() && !proto.input(i).empty(); }
  llvm::StringRef inputName(int i) const { return hasInput(i) ? proto.input(i) : llvm::StringRef(); }
  const Known *known(int i) const { return hasInput(i) ? importer.find(proto.input(i)) : nullptr; }
  /// Null when the input is absent.
  mlir::Value operand(int i);
  mlir::RankedTensorType type(int i) const;
  int64_t rank(int i) const { return type(i).getRank(); }
  /// The constant behind an input, at most 64 KiB; null otherwise.
  mlir::DenseElementsAttr constant(int i) const;
  /// The integers of a constant input; nothing when it is absent, computed, or not integers.
  std::optional<Ints> constantInts(int i) const;
  std::optional<llvm::SmallVector<double>> constantFloats(int i) const;

  /// The sizes of an input.
  nn::Sizes sizes(int i) { return importer.sizesOf(*known(i)); }
  bool isOpen(int i) const { return !type(i).hasStaticShape(); }
  /// The elements of an input of small integers as expressions; nothing when one depends on data.
  std::optional<nn::Sizes> symbols(int i);

  //===-- attributes ----------------------------------------------------------===//
  bool hasAttr(llvm::StringRef name) const { return find(name) != nullptr; }
  int64_t integer(llvm::StringRef name, int64_t otherwise);
  float real(llvm::StringRef name, float otherwise);
  std::string string(llvm::StringRef name, llvm::StringRef otherwise);
  Ints integers(llvm::StringRef name);
  llvm::SmallVector<float> reals(llvm::StringRef name);
  const onnx::AttributeProto *find(llvm::StringRef name) const;
  /// Brings an axis of a tensor of this rank into 0..rank-1 (0..rank where `end` is allowed).
  int64_t axis(int64_t value, int64_t rank);
  /// The same for a list; ascending, duplicates are an error.
  Ints axes(llvm::ArrayRef<int64_t> values, int64_t rank);

  //===-- outputs -------------------------------------------------------------===//
  int outputCount() const { return proto.output_size(); }
  bool isOutputUsed(int i) const { return i < outputCount() && importer.isUsed(proto.output(i)); }
  mlir::LogicalResult result(mlir::Value value, int i = 0);
  mlir::LogicalResult result(mlir::DenseElementsAttr constant, int i = 0);
  /// The output is another name of the input.
  mlir::LogicalResult forward(int input = 0, int output = 0);
  /// Imports the node as nn.onnx, because of `reason` (empty: there is no rule for it). `follows`: another nn.onnx is
  /// to blame.
  mlir::LogicalResult keep(const llvm::Twine &reason = "", bool follows = false);
  /// The same because of sizes that are open; the reason goes on with the --dim flags of the inputs' dimensions.
  mlir::LogicalResult keepOpen(const llvm::Twine &reason);

  //===-- ops -----------------------------------------------------------------===//
  /// An op whose result type is inferred.
  template <typename OpT, typename... Args> mlir::Value create(Args &&...args) {
    if (bad)
      return {};
    auto op = nn::createChecked<OpT>(importer.builder, location, std::forward<Args>(args)...);
    return succeeded(op) ? op->getResult() : fail();
  }
  /// An op of several results whose types are inferred; one null value when it fails.
  template <typename OpT, typename... Args> llvm::SmallVector<mlir::Value> createAll(size_t results, Args &&...args) {
    mlir::OperationState state(location, OpT::getOperationName());
    if (bad)
      return llvm::SmallVector<mlir::Value>(results);
    llvm::SmallVector<mlir::Type> types(results, importer.builder.getNoneType());
    OpT::build(importer.builder, state, mlir::TypeRange(types), std::forward<Args>(args)...);
    types.clear();
    if (failed(OpT::inferReturnTypes(importer.context, location, state.operands,
                                     state.attributes.getDictionary(importer.context), state.getRawProperties(),
                                     state.regions, types))) {
      fail();
      return llvm::SmallVector<mlir::Value>(results);
    }
    state.types.assign(types.begin(), types.end());
    if (!finish(state))
      return llvm::SmallVector<mlir::Value>(results);
    return llvm::SmallVector<mlir::Value>(importer.builder.getInsertionBlock()->back().getResults());
  }
  /// An op with a given result type.
  template <typename OpT, typename... Args> mlir::Value createTyped(mlir::Type type, Args &&...args) {
    if (bad)
      return {};
    mlir::OperationState state(location, OpT::getOperationName());
    OpT::build(importer.builder, state, type, std::forward<Args>(args)...);
    return finish(state);
  }
  mlir::Value constantValue(mlir::DenseElementsAttr attr) { return importer.constant(attr, location); }
  /// A rank-0 tensor of this element type.
  mlir::Value scalar(mlir::Type element, double value);
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape, mlir::StringAttr name = {});
  // To sizes that are expressions.
  mlir::Value reshapeTo(mlir::Value value, const nn::Sizes &shape, mlir::StringAttr name = {});
  mlir::Value expandTo(mlir::Value value, const nn::Sizes &shape, mlir::StringAttr name = {});
  mlir::Value sliceTo(mlir::Value value, const nn::Sizes &starts, const nn::Sizes &shape, llvm::ArrayRef<int64_t> steps, mlir::StringAttr name);
  /// Tells the op of a value its sizes.
  mlir::Value withSizes(mlir::Value value, const nn::Sizes &sizes);

  Importer &importer;
  const GraphNode &node;
  const onnx::NodeProto &proto;

private:
  mlir::Value fail();
  mlir::Value finish(mlir::OperationState &state);
  const onnx::AttributeProto *find(llvm::StringRef name, onnx::AttributeProto::AttributeType type);

  mlir::Location location;
  mlir::StringAttr nameAttr;
  int64_t version;
  bool bad = false;
};

/// 0, 1, ..., rank - 1.
inline Ints allAxes(int64_t rank) {
  Ints axes;
  for (int64_t i = 0; i < rank; i++)
    axes.push_back(i);
  return axes;
}

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// int64 values as a rank-1 constant.
mlir::DenseElementsAttr intsAttr(llvm::ArrayRef<int64_t> values, mlir::MLIRContext *context);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_NODE_H
