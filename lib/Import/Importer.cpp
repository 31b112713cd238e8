#include "lib/Import/Importer.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "lib/Import/Fold.h"
#include "lib/Import/Functions.h"
#include "lib/Import/Node.h"
#include "lib/Import/OpenSizes.h"
#include "lib/Import/Ops/Rules.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;

namespace tern::importer {

// The version whose changes the rules have been read against.
constexpr int64_t kNewestOpset = 28;

Importer::Importer(ModelFile &model, const ImportOptions &options, MLIRContext *context, Decisions &decisions, bool typesOnly)
    : context(context), builder(context), model(model), decisions(decisions), sizeAnalysis(context), options(options), typesOnly(typesOnly) {}

int64_t Importer::opset(StringRef domain) const { return opsets.lookup(domain); }

const Known *Importer::find(StringRef name) const {
  auto it = values.find(name);
  return it == values.end() ? nullptr : &it->second;
}

void Importer::noteUses(ArrayRef<const GraphNode *> nodes, ArrayRef<std::string> outputs) {
  for (const GraphNode *n : nodes) {
    used.insert(n->proto->input().begin(), n->proto->input().end());
    used.insert(n->captures.begin(), n->captures.end());
  }
  used.insert(outputs.begin(), outputs.end());
}

FailureOr<OwningOpRef<ModuleOp>> Importer::run() {
  if (failed(readOpsets()) || failed(graph.read(model.proto().graph(), model.loc())) || failed(checkCuts()))
    return failure();
  auto nodes = graph.schedule(options.inputs, outputs, model.loc());
  if (failed(nodes))
    return failure();
  noteUses(*nodes, outputs);

  module = ModuleOp::create(model.loc());
  auto types = bindInputs();
  if (failed(types) || failed(bindConstants(*nodes)))
    return failure();
  builder.setInsertionPointToEnd(module->getBody());
  function = func::FuncOp::create(builder, model.loc(), "main", builder.getFunctionType(*types, {}));
  Block *entry = function.addEntryBlock();
  for (auto [name, argument] : llvm::zip(inputs, entry->getArguments())) {
    argument.setLoc(NameLoc::get(builder.getStringAttr(name)));
    bind(name, {argument, {}, {}});
    if (auto open = openDims.find(name); open != openDims.end()) {
      nn::Sizes known;
      for (auto [text, size] : llvm::zip(open->second, cast<RankedTensorType>(argument.getType()).getShape()))
        known.push_back(text.empty() ? sizeAnalysis.table.constant(size) : sizeAnalysis.table.parse(text));
      sizeAnalysis.setShape(argument, known);
    }
  }
  builder.setInsertionPointToEnd(entry);
  for (const GraphNode *n : *nodes) {
    Operation *last = entry->empty() ? nullptr : &entry->back();
    if (failed(importNode(*n)))
      return failure();
    fold(last, *n);
  }
  if (failed(finish()))
    return failure();
  return std::move(module);
}

LogicalResult Importer::readOpsets() {
  for (const auto &o : model.proto().opset_import())
    opsets[o.domain() == "ai.onnx" ? "" : o.domain()] = o.version();
  // Files before IR version 3 do not say; they mean version 1.
  if (opsets.empty())
    opsets[""] = 1;
  auto version = opsets.find("");
  if (version != opsets.end() && version->second < kOldestOpset)
    return emitError(model.loc()) << "the model uses version " << version->second << " of the ONNX operators, "
                                  << kOldestOpset
                                  << " is the oldest that is read; convert it with onnx.version_converter";
  if (version != opsets.end() && version->second > kNewestOpset && !typesOnly)
    emitRemark(model.loc()) << "the model uses version " << version->second
                            << " of the ONNX operators; it is read as version " << kNewestOpset
                            << ", the newest that is known";
  return success();
}

LogicalResult Importer::checkCuts() {
  auto check = [&](ArrayRef<std::string> names, StringRef flag) -> LogicalResult {
    for (const std::string &name : names) {
      if (graph.isDefined(name))
        continue;
      auto diag = emitError(model.loc()) << flag << ": the model has no value '" << name << "'";
      if (std::string near = graph.nearest(name); !near.empty())
        diag << "; did you mean '" << near << "'?";
      return diag;
    }
    return success();
  };
  if (failed(check(options.inputs, "--inputs")) || failed(check(options.outputs, "--outputs")))
    return failure();
  llvm::StringSet<> seen;
  for (const std::string &name : options.inputs) {
    if (!seen.insert(name).second)
      return emitError(model.loc()) << "--inputs names '" << name << "' twice";
    if (graph.isInitializer(name))
      return emitError(model.loc()) << "--inputs: '" << name << "' is a constant of the model";
  }
  const onnx::GraphProto &g = model.proto().graph();
  inputs = options.inputs;
  if (inputs.empty())
    for (const auto &i : g.input()) // before IR version 4 initializers are inputs as well
      if (!graph.isInitializer(i.name()))
        inputs.push_back(i.name());
  outputs = options.outputs;
  if (outputs.empty())
    for (const auto &o : g.output())
      outputs.push_back(o.name());
  if (outputs.empty())
    return emitError(model.loc()) << "the graph has no outputs";
  return success();
}

LogicalResult Importer::bindConstants(ArrayRef<const GraphNode *> nodes) {
  auto bindOne = [&](StringRef name) -> LogicalResult {
    if (values.contains(name) || !graph.isInitializer(name))
      return success();
    Location loc = NameLoc::get(StringAttr::get(context, name + " (initializer)"));
    const onnx::TensorProto *dense = graph.initializer(name);
    FailureOr<TensorData> data =
        dense ? readTensor(model, *dense, loc) : readSparse(model, *graph.sparseInitializer(name), loc);
    if (failed(data))
      return failure();
    bind(name, {{}, {}, std::make_shared<TensorData>(std::move(*data))});
    return success();
  };
  for (const GraphNode *n : nodes) {
    for (const std::string &name : n->proto->input())
      if (failed(bindOne(name)))
        return failure();
    for (const std::string &name : n->captures)
      if (failed(bindOne(name)))
        return failure();
  }
  for (const std::string &name : outputs)
    if (failed(bindOne(name)))
      return failure();
  return success();
}

LogicalResult Importer::importNode(const GraphNode &graphNode) {
  Node node(*this, graphNode);
  const onnx::NodeProto &proto = *graphNode.proto;
  if (node.opset() == 0)
    return node.error() << "operator set '" << (node.domain().empty() ? "ai.onnx" : node.domain())
                        << "' is not among the imports of the model";
  const Rule *rule = findRule(node.domain(), proto.op_type(), node.opset());
  if (!rule)
    return node.keep();
  if (failed(node.checkInputs(*rule)))
    return failure();
  for (int i = 0; i < proto.input_size(); i++) {
    if (!node.hasInput(i))
      continue;
    settleType(*node.known(i));
    RankedTensorType type = node.type(i);
    if (!type || llvm::is_contained(sizesOf(*node.known(i)), nn::SizeExpr()))
      return node.keep("the shape of '" + Twine(proto.input(i)) + "' is not known", /*follows=*/true);
    if (isa<ComplexType>(type.getElementType()))
      return node.keep("'" + Twine(proto.input(i)) + "' has complex numbers");
  }
  if (failed(rule->import(node)) || node.hasFailed() || failed(requireWindows(node)))
    return failure();
  for (const std::string &name : proto.output())
    if (!name.empty() && isUsed(name) && !find(name))
      return node.error() << "output '" << name << "' is used, but " << proto.op_type()
                          << " does not have so many outputs";
  return success();
}

/// Replaces new ops on small constants by their values, so that the shape operands of later nodes are constants.
void Importer::fold(Operation *last, const GraphNode &node) {
  Block &block = *builder.getInsertionBlock();
  SmallVector<Operation *> created;
  for (auto it = last ? std::next(Block::iterator(last)) : block.begin(); it != block.end(); ++it)
    created.push_back(&*it);
  for (Operation *op : created) {
    recordSizes(op);
    DenseElementsAttr attr = foldSmall(op);
    if (!attr)
      attr = foldSizes(sizeAnalysis, op);
    if (!attr)
      continue;
    builder.setInsertionPoint(op);
    Value result = op->getResult(0);
    result.replaceAllUsesWith(constant(attr, op->getLoc()));
    sizeAnalysis.forget(result); // its address may become that of another value
    for (const std::string &name : node.proto->output())
      if (auto it = values.find(name); it != values.end() && it->second.value == result)
        it->second = {{}, attr, {}};
    op->erase();
  }
  builder.setInsertionPointToEnd(&block);
}

LogicalResult Importer::finish() {
  SmallVector<Value> results;
  for (const std::string &name : outputs) {
    Value value = materialize(name, NameLoc::get(builder.getStringAttr(name + " (output)")));
    if (!value)
      return emitError(model.loc()) << "output '" << name << "' is not a tensor";
    results.push_back(value);
  }
  func::ReturnOp::create(builder, model.loc(), results);
  function.setType(builder.getFunctionType(function.getArgumentTypes(), ValueRange(results).getTypes()));
  removeDeadOps(function.getBody().front());
  llvm::StringSet<> loaded;
  function.walk([&](ml_program::GlobalLoadConstOp load) { loaded.insert(load.getGlobal().getLeafReference()); });
  for (auto global : llvm::make_early_inc_range(module->getOps<ml_program::GlobalOp>()))
    if (!loaded.contains(global.getSymName()))
      global.erase();
  if (failed(finishSizes()))
    return failure();
  describe();
  return verify(*module);
}

void Importer::removeDeadOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
    if (auto loop = dyn_cast<nn::LoopOp>(op))
      removeDeadOps(loop.block());
    if (isOpTriviallyDead(&op)) {
      for (Value result : op.getResults())
        sizeAnalysis.forget(result);
      op.erase();
    }
  }
}

/// Keeps what the file says about the borders of the model, for data files, the runtime and export.
void Importer::describe() {
  auto dimsOf = [&](StringRef name, Type type) {
    SmallVector<StringRef> dims;
    const onnx::ValueInfoProto *info = graph.info(name);
    if (info && info->type().tensor_type().has_shape())
      for (const auto &dim : info->type().tensor_type().shape().dim())
        dims.push_back(symbolOf(dim));
    auto tensor = dyn_cast<RankedTensorType>(type);
    dims.resize(tensor ? size_t(tensor.getRank()) : 0);
    return dims;
  };
  // An open dimension is an expression; the symbol of a size that is known is only a comment.
  auto textsOf = [&](SmallVector<StringRef> dims, Value value) {
    auto tensor = dyn_cast<RankedTensorType>(value.getType());
    if (!tensor || tensor.hasStaticShape())
      return builder.getStrArrayAttr(dims);
    for (auto [text, size, known] : llvm::zip(dims, tensor.getShape(), sizeAnalysis.shapeOf(value)))
      if (ShapedType::isDynamic(size))
        text = known.str();
    return builder.getStrArrayAttr(dims);
  };
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [i, name] : llvm::enumerate(inputs)) {
    function.setArgAttr(unsigned(i), "tern.name", builder.getStringAttr(name));
    function.setArgAttr(unsigned(i), "tern.dims", textsOf(dimsOf(name, function.getArgumentTypes()[i]), function.getArgument(i)));
  }
  for (auto [i, name] : llvm::enumerate(outputs)) {
    function.setResultAttr(unsigned(i), "tern.name", builder.getStringAttr(name));
    function.setResultAttr(unsigned(i), "tern.dims", textsOf(dimsOf(name, function.getResultTypes()[i]), terminator->getOperand(i)));
  }
  const onnx::ModelProto &proto = model.proto();
  ModuleOp m = *module;
  m->setAttr("tern.ir_version", builder.getI64IntegerAttr(proto.ir_version()));
  NamedAttrList sets, metadata;
  for (const auto &entry : opsets)
    sets.set(entry.getKey().empty() ? "ai.onnx" : entry.getKey(), builder.getI64IntegerAttr(entry.getValue()));
  for (const auto &entry : proto.metadata_props())
    if (!entry.key().empty())
      metadata.set(entry.key(), builder.getStringAttr(entry.value()));
  m->setAttr("tern.opsets", sets.getDictionary(context));
  if (!metadata.empty())
    m->setAttr("tern.metadata", metadata.getDictionary(context));
}

} // namespace tern::importer
