// From decisions to changes of the file.
#include "lib/Export/Exporter.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/JSON.h"

using namespace llvm;
using namespace mlir;

namespace tern::exporter {

/// All reads of a value but those of decisions that bypass it and of nodes that are removed.
static std::vector<Use> remaining(const OnnxGraph &graph, Scope *scope, StringRef name,
                                  const std::set<std::pair<Node *, unsigned>> &bypassed,
                                  const SmallPtrSetImpl<Node *> &removed) {
  std::vector<Use> uses = graph.usesOf(scope, name);
  llvm::erase_if(uses, [&](const Use &use) {
    return use.node && (removed.contains(use.node) || bypassed.count({use.node, use.input}));
  });
  return uses;
}

/// A node between the constant and its ops is of no use any more when all that read it read codes.
void Exporter::removeDeadPaths() {
  for (const auto &[root, users] : byRoot)
    for (const Decision *d : users)
      if (d->bypasses())
        bypassed.insert({d->node, d->input});
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto &[root, users] : byRoot)
      for (const Decision *d : users)
        for (Node *step : llvm::reverse(d->view->path)) {
          if (removed.contains(step))
            continue;
          if (!remaining(graph, step->scope, step->outputs[0], bypassed, removed).empty())
            break;
          removed.insert(step);
          edits[step].removed = true;
          changed = true;
        }
  }
}

/// Whether every read of a value ends at an op of the decisions that takes dequantized weights.
bool Exporter::onlyDequantized(Scope *scope, StringRef name, ArrayRef<Decision *> users) const {
  for (const Use &use : remaining(graph, scope, name, bypassed, removed)) {
    if (!use.node)
      return false;
    bool isUser = llvm::any_of(users, [&](const Decision *d) {
      return d->node == use.node && d->input == use.input && d->usesDequantize();
    });
    if (isUser)
      continue;
    bool isStep = llvm::any_of(users, [&](const Decision *d) { return llvm::is_contained(d->view->path, use.node); });
    if (!isStep || !onlyDequantized(use.node->scope, use.node->outputs[0], users))
      return false;
  }
  return true;
}

/// What only removed nodes have read goes with them.
void Exporter::removeInputs(const Node &node) {
  for (StringRef input : node.inputs) {
    Scope *where = input.empty() ? nullptr : graph.definer(node.scope, input);
    if (!where || !remaining(graph, where, input, bypassed, removed).empty())
      continue;
    if (Constant *constant = where->constants.lookup(input)) {
      if (!constant->isOutput && !removedConstants.contains(constant))
        removeConstant(constant);
    } else if (Node *producer = where->producers.lookup(input); producer && producer->outputs.size() == 1) {
      if (removed.insert(producer).second) {
        edits[producer].removed = true;
        removeInputs(*producer);
      }
    }
  }
}

void Exporter::removeConstant(Constant *constant) {
  removedConstants.insert(constant);
  if (constant->node) {
    edits[constant->node].removed = true;
    removed.insert(constant->node);
    if (constant->isDerived)
      removeInputs(*constant->node);
    return;
  }
  patch.replace(constant->scope->around, constant->field.begin, constant->field.end, {});
  // Before IR 4 it was an input as well.
  for (const auto &[name, info] : constant->scope->inputs)
    if (name == constant->name)
      patch.replace(constant->scope->around, info.begin, info.end, {});
}

LogicalResult Exporter::emitRoot(Constant *root, ArrayRef<Decision *> users) {
  std::vector<Use> left = remaining(graph, root->scope, root->name, bypassed, removed);
  bool needsName = llvm::any_of(users, [](const Decision *d) { return d->usesDequantize(); });
  bool takesName =
      needsName && !profile.quantNode && !root->isOutput && onlyDequantized(root->scope, root->name, users);
  bool staysFloat = (!left.empty() && !takesName) || profile.quantNode;
  if (!staysFloat)
    removeConstant(root);
  if (staysFloat && !profile.quantNode)
    for (const Use &use : left) {
      bool isOurs = use.node && llvm::any_of(users, [&](const Decision *d) {
        return (d->node == use.node && d->usesDequantize()) || llvm::is_contained(d->view->path, use.node);
      });
      if (isOurs)
        continue;
      remark(*users.front(), "the weight '" + root->name + "' stays in the file as float too: " +
                                 (use.node ? use.node->op + " '" + use.node->label + "' reads it" : "it is an output"));
      break;
    }
  Stores &stores = stored[root];
  auto is = [&](Form form) { return llvm::any_of(users, [&](const Decision *d) { return d->form == form; }); };
  // Of all users the one with the narrowest format stands for the weight.
  const Decision &first = *users.front();
  if (is(Form::NBits) || is(Form::NBitsGather))
    if (failed(storeNBits(root, first, stores.nbits)))
      return failure();
  bool storesQdq = needsName || is(Form::QdqGather);
  if (storesQdq && failed(storeQdq(root, first, stores.qdq)))
    return failure();
  if (is(Form::Dynamic)) {
    const Decision *d = *llvm::find_if(users, [](const Decision *d) { return d->form == Form::Dynamic; });
    if (storesQdq)
      shareInteger(root, *d, stores.qdq, stores.integer);
    else if (failed(storeInteger(root, *d, stores.integer)))
      return failure();
  }
  if (!needsName)
    return success();
  stores.dequantized = takesName ? root->name.str() : graph.freshName((root->name + "_dequantized").str());
  std::vector<Decision *> readers;
  for (Decision *d : users)
    if (d->usesDequantize())
      readers.push_back(d);
  dequantize(root, first, stores.qdq, stores.dequantized, readers);
  if (takesName)
    return success();
  for (Decision *d : readers) {
    // The steps in between, once more behind the dequantized value.
    std::string value = stores.dequantized;
    for (Node *step : d->view->path) {
      std::string next = graph.freshName((step->outputs[0] + "_dequantized").str());
      NodeEdit same;
      same.inputs[0] = value;
      same.outputs[0] = next;
      edits[d->node].before.push_back(rebuildNode(*step, same));
      value = next;
    }
    edits[d->node].inputs[d->input] = value;
  }
  return success();
}

LogicalResult Exporter::emitWeights() {
  for (Decision &d : decisions) {
    if (d.form != Form::Static)
      continue;
    if ((d.norm = foldableNorm(d)) && failed(foldNorm(d)))
      return failure();
    if (failed(readBias(d)))
      return failure();
  }
  planActivations();
  removeDeadPaths();
  int64_t total = 0, done = 0;
  for (const auto &[root, users] : byRoot)
    total += root->elements();
  for (auto &[root, users] : byRoot) {
    if (options.progress)
      options.progress(total ? double(done) / double(total) : 0);
    if (!users.empty() && failed(emitRoot(root, users)))
      return failure();
    done += root->elements();
  }
  for (Decision &d : decisions) {
    if (d.form == Form::Float)
      continue;
    const Stores &stores = stored[d.view->root];
    switch (d.form) {
    case Form::NBits:
      useNBits(d, stores.nbits);
      break;
    case Form::NBitsGather:
      useNBitsGather(d, stores.nbits);
      break;
    case Form::QdqGather:
      useQdqGather(d, stores.qdq);
      break;
    case Form::Dynamic:
      useDynamic(d, stores.integer);
      break;
    case Form::Static:
      if (failed(useStatic(d, stores.qdq)))
        return failure();
      break;
    case Form::Qdq:
    case Form::Float:
      break;
    }
  }
  emitActivations();
  return success();
}

//===-- the model around ----------------------------------------------------===//

StringRef Exporter::dequantizeDomain(Scope *scope, const Decision &d) const {
  // Standard DequantizeLinear has an axis from 13 on, 16-bit floats from 19 and 4 bits from 21 on; com.microsoft has all.
  int64_t needed = d.code.bits < 8 ? 21 : d.code.scale == Element::f32() ? 13 : 19;
  return opset(scope) < needed && profile.contrib ? "com.microsoft" : "";
}

static const Scope *rootOf(const Scope *scope) {
  while (scope->parent)
    scope = scope->parent;
  return scope;
}

void Exporter::needMicrosoft(const Scope *scope) { microsoft.insert(rootOf(scope)); }

int64_t Exporter::opset(const Scope *scope) const {
  auto it = raised.find(rootOf(scope));
  return it != raised.end() ? it->second : graph.opsetOf(*scope);
}

static std::pair<StringRef, int64_t> readOpset(StringRef file, const Field &field) {
  std::pair<StringRef, int64_t> result{"", 0};
  FieldReader reader(file, field);
  for (Field f; reader.next(f);)
    if (f.number == opset::domain)
      result.first = f.bytes == "ai.onnx" ? StringRef() : f.bytes;
    else if (f.number == opset::version)
      result.second = int64_t(f.value);
  return result;
}

/// Versions of the standard operators and com.microsoft, in the model and in functions that read codes.
void Exporter::emitImports() {
  auto import = [](uint32_t number, StringRef domain, int64_t version) {
    std::string inner, text;
    FieldWriter writer(inner);
    writer.bytes(opset::domain, domain);
    writer.number(opset::version, uint64_t(version));
    FieldWriter(text).bytes(number, inner);
    return Piece{text, {}};
  };
  bool anyMicrosoft = !microsoft.empty();
  for (Scope &scope : graph.scopes) {
    if (scope.parent)
      continue;
    bool isMain = &scope == &graph.main();
    ArrayRef<Field> fields = isMain ? ArrayRef(graph.opsets) : ArrayRef(scope.opsets);
    SmallVector<Span64> around;
    if (!isMain)
      around = scope.around;
    uint64_t end = isMain ? graph.file.size() : scope.around.back().end;
    uint32_t number = isMain ? model::opset : function::opset;
    auto it = raised.find(&scope);
    bool hasMicrosoft = false;
    for (const Field &field : fields) {
      auto [domain, version] = readOpset(graph.file, field);
      hasMicrosoft |= domain == "com.microsoft";
      if (it != raised.end() && domain.empty())
        patch.replace(around, field.begin, field.end, {import(number, "", it->second)});
    }
    if (isMain && usesQonnx)
      patch.insert(around, fields.empty() ? end : fields.back().end, {import(number, "qonnx.custom_op.general", 1)});
    if (!hasMicrosoft && (isMain ? anyMicrosoft : microsoft.count(&scope) != 0))
      patch.insert(around, fields.empty() ? end : fields.back().end, {import(number, "com.microsoft", 1)});
  }
  if (newIr > graph.irVersion) {
    FieldReader reader(graph.file, 0, graph.file.size());
    std::string text;
    FieldWriter(text).number(model::irVersion, uint64_t(newIr));
    bool found = false;
    for (Field f; reader.next(f);)
      if (f.number == model::irVersion) {
        patch.replace({}, f.begin, f.end, {{text, {}}});
        found = true;
      }
    if (!found)
      patch.insert({}, 0, {{text, {}}});
    // From IR 4 on an initializer that is an input could be replaced by a caller, and would be no constant.
    if (graph.irVersion < 4)
      for (const auto &[name, info] : graph.main().inputs)
        if (Constant *constant = graph.main().constants.lookup(name); constant && !removedConstants.contains(constant))
          patch.replace(graph.main().around, info.begin, info.end, {});
  }
}

/// `tern.*`: what was done, for those who find the file later. No dates and no paths: the same input gives the same bytes.
void Exporter::emitMetadata() {
  std::string forms = options.qdq && options.nbits ? "onnx-qdq,onnx-nbits" : options.qdq ? "onnx-qdq" : "onnx-nbits";
  std::vector<std::pair<std::string, std::string>> entries{
      {"tern.emit", forms},
      {"tern.profile", options.profile},
      {"tern.scheme", options.plan ? options.plan->scheme : options.scheme.str()},
      {"tern.quantized", std::to_string(report.quantized) + " of " + std::to_string(decisions.size())}};
  if (!options.calibrationNote.empty())
    entries.emplace_back("tern.calibration", options.calibrationNote);
  for (const Field &field : graph.metadata) {
    FieldReader reader(graph.file, field);
    for (Field f; reader.next(f);)
      if (f.number == entry::key && f.bytes.starts_with("tern."))
        patch.replace({}, field.begin, field.end, {});
  }
  std::vector<Piece> pieces;
  for (const auto &[key, value] : entries) {
    std::string inner, text;
    FieldWriter writer(inner);
    writer.bytes(entry::key, key);
    writer.bytes(entry::value, value);
    FieldWriter(text).bytes(model::metadata, inner);
    pieces.push_back({text, {}});
  }
  patch.insert({}, graph.file.size(), pieces);
}

/// Bytes of the result, before anything is encoded: the old file without the weights that go, with those that come.
uint64_t Exporter::estimate() const {
  uint64_t bytes = graph.file.size();
  for (const auto &[root, users] : byRoot) {
    if (users.empty())
      continue;
    const Decision &d = *users.front();
    RowLayout layout(root->shape, d.grouping);
    if (!root->isExternal && !root->isDerived)
      bytes -= root->field.end - root->field.begin;
    uint64_t blocks = uint64_t(layout.rows) * uint64_t((layout.columns + d.grouping.block - 1) / d.grouping.block);
    bytes += uint64_t(root->elements()) * d.code.bits / 8 + blocks * (d.code.scale.bits + (d.code.asymmetric ? d.code.bits : 0)) / 8;
  }
  for (const Constant &constant : graph.constants)
    if (constant.isExternal && !byRoot.count(const_cast<Constant *>(&constant)))
      bytes += uint64_t(constant.elements()) * importer::findDataType(constant.type)->bits / 8;
  return bytes;
}

/// External data that nothing changes lie beside the old file: they move into the new one, or into its data file.
LogicalResult Exporter::moveExternal() {
  for (Constant &constant : graph.constants) {
    if (!constant.isExternal || constant.isDerived || removedConstants.contains(&constant) || constant.node)
      continue;
    FailureOr<importer::TensorData> data = graph.read(constant);
    if (failed(data))
      return failure();
    NewTensor &made = newTensors.emplace_back();
    // All its fields but the place of the data.
    FieldReader reader(graph.file, constant.field);
    for (Field f; reader.next(f);)
      if (f.number != tensor::external && f.number != tensor::location)
        made.head.append(graph.file.data() + f.begin, f.end - f.begin);
    made.scope = constant.scope;
    made.size = data->bytes.data.size();
    made.offset = spool.add({data->bytes.data.data(), data->bytes.data.size()});
    made.at = &constant;
    patch.replace(constant.scope->around, constant.field.begin, constant.field.end, {});
  }
  return success();
}

} // namespace tern::exporter
