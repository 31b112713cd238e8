#include "lib/Export/OnnxGraph.h"
#include "lib/Import/TensorData.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;

namespace tern::exporter {

int64_t Constant::elements() const {
  return importer::elementCount(shape).value_or(0);
}

bool Constant::isFloat() const {
  return type == importer::FLOAT || type == importer::FLOAT16 || type == importer::BFLOAT16 ||
         type == importer::DOUBLE;
}

static StringRef standard(StringRef domain) { return domain == "ai.onnx" ? StringRef() : domain; }

bool Node::is(StringRef wanted, StringRef in) const { return op == wanted && domain == in; }

std::optional<Field> Node::attributeField(StringRef wanted, StringRef file) const {
  for (const Field &field : attributes) {
    FieldReader reader(file, field);
    for (Field inner; reader.next(inner);)
      if (inner.number == attribute::name && inner.bytes == wanted)
        return field;
  }
  return std::nullopt;
}

//===-- reading -------------------------------------------------------------===//

OnnxGraph::OnnxGraph(importer::ModelFile &model) : model(model) {
  ArrayRef<char> bytes = model.bytes();
  file = StringRef(bytes.data(), bytes.size());
  std::vector<Field> functions;
  std::optional<Field> graphField;
  FieldReader reader(file, 0, file.size());
  for (Field field; reader.next(field);) {
    if (field.number == model::irVersion)
      irVersion = int64_t(field.value);
    else if (field.number == model::opset)
      opsets.push_back(field);
    else if (field.number == model::metadata)
      metadata.push_back(field);
    else if (field.number == model::graph)
      graphField = field;
    else if (field.number == model::function)
      functions.push_back(field);
  }
  scopes.emplace_back();
  if (graphField) {
    main().around.push_back({graphField->begin, graphField->contents, graphField->end});
    readGraph(main(), *graphField);
  }
  for (const Field &function : functions)
    readFunction(function);
  StringSet<> taken;
  for (Scope &scope : scopes)
    if (!scope.parent)
      nameNodes(scope, taken, "");
  collectUses();
}

void OnnxGraph::readGraph(Scope &scope, const Field &field) {
  std::vector<Field> nodeFields;
  FieldReader reader(file, field);
  auto named = [&](const Field &info) {
    FieldReader inner(file, info);
    for (Field f; inner.next(f);)
      if (f.number == 1 && f.wire == 2)
        return f.bytes;
    return StringRef();
  };
  for (Field f; reader.next(f);) {
    switch (f.number) {
    case graph::node:
      nodeFields.push_back(f);
      break;
    case graph::initializer:
      readConstant(scope, f);
      break;
    case graph::input:
      scope.inputs.emplace_back(named(f), f);
      break;
    case graph::output:
      scope.outputs.emplace_back(named(f), f);
      break;
    case graph::valueInfo:
      scope.infos.emplace_back(named(f), f);
      break;
    case graph::sparseInitializer: {
      // Its name is that of the tensor of values.
      FieldReader inner(file, f);
      for (Field v; inner.next(v);)
        if (v.number == 1) {
          FieldReader values(file, v);
          for (Field n; values.next(n);)
            if (n.number == tensor::name)
              defined[&scope].insert(n.bytes), names.insert(n.bytes);
        }
      break;
    }
    default:
      break;
    }
  }
  for (const auto &[name, info] : scope.inputs) {
    defined[&scope].insert(name);
    names.insert(name);
    if (auto it = scope.constants.find(name); it != scope.constants.end())
      it->second->isInput = true;
  }
  for (const Field &f : nodeFields)
    readNode(scope, f);
  for (const auto &[name, info] : scope.outputs)
    if (auto it = scope.constants.find(name); it != scope.constants.end())
      it->second->isOutput = true;
}

void OnnxGraph::readFunction(const Field &field) {
  Scope &scope = scopes.emplace_back();
  scope.isFunction = true;
  scope.around.push_back({field.begin, field.contents, field.end});
  FieldReader reader(file, field);
  for (Field f; reader.next(f);) {
    if (f.number == function::node)
      readNode(scope, f);
    else if (f.number == function::opset)
      scope.opsets.push_back(f);
    else if (f.number == function::input)
      scope.inputs.emplace_back(f.bytes, f), defined[&scope].insert(f.bytes), names.insert(f.bytes);
    else if (f.number == function::output)
      scope.outputs.emplace_back(f.bytes, f);
  }
  for (const auto &[name, info] : scope.outputs)
    if (auto it = scope.constants.find(name); it != scope.constants.end())
      it->second->isOutput = true;
}

Constant &OnnxGraph::readConstant(Scope &scope, const Field &field) {
  Constant &constant = constants.emplace_back();
  constant.field = field;
  constant.scope = &scope;
  FieldReader reader(file, field);
  for (Field f; reader.next(f);) {
    if (f.number == tensor::dims)
      readIntegers(f, constant.shape);
    else if (f.number == tensor::type)
      constant.type = int32_t(f.value);
    else if (f.number == tensor::name)
      constant.name = f.bytes;
    else if (f.number == tensor::location)
      constant.isExternal = f.value == 1;
  }
  if (!constant.name.empty()) {
    scope.constants[constant.name] = &constant;
    defined[&scope].insert(constant.name);
    names.insert(constant.name);
  }
  return constant;
}

Node &OnnxGraph::readNode(Scope &scope, const Field &field) {
  Node &node = nodes.emplace_back();
  node.field = field;
  node.scope = &scope;
  node.index = int(scope.nodes.size());
  FieldReader reader(file, field);
  for (Field f; reader.next(f);) {
    switch (f.number) {
    case node::input:
      node.inputs.push_back(f.bytes);
      break;
    case node::output:
      node.outputs.push_back(f.bytes);
      break;
    case node::name:
      node.name = f.bytes;
      break;
    case node::op:
      node.op = f.bytes;
      break;
    case node::domain:
      node.domain = standard(f.bytes);
      break;
    case node::attribute:
      node.attributes.push_back(f);
      break;
    default:
      break;
    }
  }
  scope.nodes.push_back(&node);
  for (StringRef output : node.outputs)
    if (!output.empty()) {
      scope.producers[output] = &node;
      defined[&scope].insert(output);
      names.insert(output);
    }
  if (node.is("Constant") && node.outputs.size() == 1)
    readConstantNode(scope, node);
  readSubgraphs(scope, node);
  return node;
}

void OnnxGraph::readConstantNode(Scope &scope, Node &node) {
  auto value = node.attributeField("value", file);
  if (!value)
    return;
  FieldReader reader(file, *value);
  for (Field f; reader.next(f);)
    if (f.number == attribute::t) {
      Constant &constant = constants.emplace_back();
      constant.field = f;
      constant.scope = &scope;
      constant.node = &node;
      constant.name = node.outputs[0];
      FieldReader inner(file, f);
      for (Field t; inner.next(t);) {
        if (t.number == tensor::dims)
          readIntegers(t, constant.shape);
        else if (t.number == tensor::type)
          constant.type = int32_t(t.value);
        else if (t.number == tensor::location)
          constant.isExternal = t.value == 1;
      }
      scope.constants[constant.name] = &constant;
    }
}

void OnnxGraph::readSubgraphs(Scope &scope, Node &node) {
  for (const Field &attributeField : node.attributes) {
    FieldReader reader(file, attributeField);
    for (Field f; reader.next(f);)
      if ((f.number == attribute::g || f.number == attribute::graphs) && f.wire == 2) {
        Scope &inner = scopes.emplace_back();
        inner.parent = &scope;
        inner.owner = &node;
        inner.isFunction = scope.isFunction;
        inner.around = scope.around;
        inner.around.push_back({node.field.begin, node.field.contents, node.field.end});
        inner.around.push_back({attributeField.begin, attributeField.contents, attributeField.end});
        inner.around.push_back({f.begin, f.contents, f.end});
        readGraph(inner, f);
      }
  }
}

/// As lib/Import/Graph.cpp does it: given names first, then made-up ones.
void OnnxGraph::nameNodes(Scope &scope, StringSet<> &taken, const std::string &prefix) {
  for (bool made : {false, true})
    for (Node *node : scope.nodes) {
      if (node->name.empty() != made)
        continue;
      std::string base = prefix + (made ? (Twine(node->op) + "_" + Twine(node->index)).str() : node->name.str());
      node->label = base;
      for (int suffix = 1; !taken.insert(node->label).second; ++suffix)
        node->label = base + "_" + std::to_string(suffix);
    }
  for (Scope &inner : scopes)
    if (inner.parent == &scope)
      nameNodes(inner, taken, inner.owner->label + "/");
}

//===-- values --------------------------------------------------------------===//

Scope *OnnxGraph::definer(Scope *scope, StringRef name) const {
  for (; scope; scope = scope->parent)
    if (auto it = defined.find(scope); it != defined.end() && it->second.contains(name))
      return scope;
  return nullptr;
}

Constant *OnnxGraph::constantOf(Scope *scope, StringRef name) const {
  Scope *where = definer(scope, name);
  return where ? where->constants.lookup(name) : nullptr;
}

Node *OnnxGraph::producerOf(Scope *scope, StringRef name) const {
  Scope *where = definer(scope, name);
  return where ? where->producers.lookup(name) : nullptr;
}

void OnnxGraph::collectUses() {
  for (Scope &scope : scopes) {
    for (Node *node : scope.nodes)
      for (auto [i, name] : llvm::enumerate(node->inputs))
        if (Scope *where = name.empty() ? nullptr : definer(&scope, name))
          uses[where][name].push_back({node, unsigned(i), &scope});
    for (const auto &[name, info] : scope.outputs)
      if (Scope *where = definer(&scope, name))
        uses[where][name].push_back({nullptr, 0, &scope});
  }
}

std::vector<Use> OnnxGraph::usesOf(Scope *scope, StringRef name) const {
  auto it = uses.find(scope);
  return it == uses.end() ? std::vector<Use>() : it->second.lookup(name);
}

std::string OnnxGraph::freshName(StringRef base) {
  std::string name = base.str();
  for (int suffix = 1; !names.insert(name).second; ++suffix)
    name = (base + "_" + Twine(suffix)).str();
  return name;
}

static int64_t versionOf(StringRef file, ArrayRef<Field> opsets) {
  int64_t version = 0;
  for (const Field &field : opsets) {
    StringRef domain;
    int64_t v = 0;
    FieldReader reader(file, field);
    for (Field f; reader.next(f);)
      if (f.number == opset::domain)
        domain = f.bytes;
      else if (f.number == opset::version)
        v = int64_t(f.value);
    if (standard(domain).empty())
      version = v;
  }
  return version;
}

int64_t OnnxGraph::opsetOf(const Scope &scope) const {
  const Scope *root = &scope;
  while (root->parent)
    root = root->parent;
  int64_t own = root->isFunction ? versionOf(file, root->opsets) : 0;
  return own ? own : std::max<int64_t>(versionOf(file, opsets), 1);
}

//===-- attributes and data -------------------------------------------------===//

static std::optional<Field> valueOf(const OnnxGraph &graph, const Node &node, StringRef name, uint32_t number) {
  auto field = node.attributeField(name, graph.file);
  if (!field)
    return std::nullopt;
  FieldReader reader(graph.file, *field);
  for (Field f; reader.next(f);)
    if (f.number == number)
      return f;
  return std::nullopt;
}

int64_t OnnxGraph::integer(const Node &node, StringRef name, int64_t otherwise) const {
  auto field = valueOf(*this, node, name, attribute::i);
  return field ? int64_t(field->value) : otherwise;
}

double OnnxGraph::real(const Node &node, StringRef name, double otherwise) const {
  auto field = valueOf(*this, node, name, attribute::f);
  return field ? double(field->asFloat()) : otherwise;
}

StringRef OnnxGraph::text(const Node &node, StringRef name) const {
  auto field = valueOf(*this, node, name, attribute::s);
  return field ? field->bytes : StringRef();
}

SmallVector<int64_t> OnnxGraph::integers(const Node &node, StringRef name) const {
  SmallVector<int64_t> values;
  if (auto field = node.attributeField(name, file)) {
    FieldReader reader(file, *field);
    for (Field f; reader.next(f);)
      if (f.number == attribute::ints)
        readIntegers(f, values);
  }
  return values;
}

mlir::FailureOr<importer::TensorData> OnnxGraph::read(const Constant &constant) {
  if (constant.isDerived) {
    SmallVector<int64_t> shape;
    mlir::FailureOr<std::vector<float>> values = evaluate(constant.scope, constant.name, shape);
    if (failed(values))
      return mlir::failure();
    return importer::ownTensor<float>(importer::FLOAT, shape, *values);
  }
  // The message without its raw data, whose place is put there instead, as scanModel does it.
  std::string bytes;
  FieldReader reader(file, constant.field);
  for (Field f; reader.next(f);) {
    if (f.number == tensor::raw && f.wire == 2) {
      char span[16];
      support::endian::write64le(span, f.contents);
      support::endian::write64le(span + 8, f.end - f.contents);
      FieldWriter(bytes).bytes(tensor::raw, StringRef(span, sizeof span));
    } else {
      bytes.append(file.data() + f.begin, f.end - f.begin);
    }
  }
  onnx::TensorProto proto;
  if (!proto.ParsePartialFromString(bytes))
    return mlir::emitError(model.loc()) << "tensor '" << constant.name << "' is damaged";
  return importer::readTensor(model, proto, model.loc());
}

bool OnnxGraph::readsFile(StringRef name) const {
  for (const Constant &constant : constants) {
    if (!constant.isExternal)
      continue;
    FieldReader reader(file, constant.field);
    for (Field f; reader.next(f);) {
      if (f.number != tensor::external)
        continue;
      FieldReader inner(file, f);
      for (Field e; inner.next(e);)
        if (e.number == entry::value && e.bytes == name)
          return true;
    }
  }
  return false;
}

mlir::Location OnnxGraph::loc(const Node &node) const {
  return mlir::NameLoc::get(mlir::StringAttr::get(model.loc().getContext(), node.label + " (" + node.op + ")"));
}

} // namespace tern::exporter
