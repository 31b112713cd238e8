// Nodes, tensors and names that the exporter adds.
#include "lib/Export/Exporter.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace mlir;

namespace tern::exporter {

NodeBuilder::NodeBuilder(StringRef op, StringRef domain, ArrayRef<std::string> inputs, ArrayRef<std::string> outputs,
                         StringRef name) {
  FieldWriter writer(text);
  for (const std::string &input : inputs)
    writer.bytes(node::input, input);
  for (const std::string &output : outputs)
    writer.bytes(node::output, output);
  writer.bytes(node::name, name);
  writer.bytes(node::op, op);
  if (!domain.empty())
    writer.bytes(node::domain, domain);
}

static std::string attributeHead(StringRef name) {
  std::string text;
  FieldWriter(text).bytes(attribute::name, name);
  return text;
}

std::string integerAttribute(StringRef name, int64_t value) {
  std::string inner = attributeHead(name), text;
  FieldWriter writer(inner);
  writer.number(attribute::i, uint64_t(value));
  writer.number(attribute::type, attribute::kInt);
  FieldWriter(text).bytes(node::attribute, inner);
  return text;
}

NodeBuilder &NodeBuilder::integer(StringRef name, int64_t value) {
  text += integerAttribute(name, value);
  return *this;
}

NodeBuilder &NodeBuilder::integers(StringRef name, ArrayRef<int64_t> values) {
  std::string inner = attributeHead(name);
  FieldWriter writer(inner);
  for (int64_t value : values)
    writer.number(attribute::ints, uint64_t(value));
  writer.number(attribute::type, attribute::kInts);
  FieldWriter(text).bytes(node::attribute, inner);
  return *this;
}

NodeBuilder &NodeBuilder::tensor(StringRef name, StringRef proto) {
  std::string inner = attributeHead(name);
  FieldWriter writer(inner);
  writer.bytes(attribute::t, proto);
  writer.number(attribute::type, attribute::kTensor);
  FieldWriter(text).bytes(node::attribute, inner);
  return *this;
}

//===-- tensors -------------------------------------------------------------===//

static std::string tensorHead(StringRef name, int32_t type, ArrayRef<int64_t> shape) {
  std::string text;
  FieldWriter writer(text);
  for (int64_t extent : shape)
    writer.number(tensor::dims, uint64_t(extent));
  writer.number(tensor::type, uint64_t(type));
  if (!name.empty())
    writer.bytes(tensor::name, name);
  return text;
}

std::string Exporter::addTensor(Scope *scope, StringRef wanted, int32_t type, ArrayRef<int64_t> shape, StringRef data,
                                Constant *at, Node *user) {
  std::string name = graph.freshName(wanted);
  if (scope->isFunction && !scope->parent) {
    std::string proto = tensorHead("", type, shape);
    FieldWriter(proto).bytes(tensor::raw, data);
    NodeBuilder made("Constant", "", {}, {name}, name);
    made.tensor("value", proto);
    addBefore(inScope(user, scope), made);
    return name;
  }
  NewTensor &made = newTensors.emplace_back();
  made.head = tensorHead(name, type, shape);
  made.scope = scope;
  made.size = data.size();
  made.offset = spool.add(data);
  made.at = at && !at->node ? at : nullptr;
  if (graph.irVersion < 4 && newIr < 4 && scope == &graph.main())
    newInputs.push_back({name, type, SmallVector<int64_t>(shape.begin(), shape.end())});
  return name;
}

/// Tensor data below this stay in the file: a page of the data file would be mostly empty.
constexpr uint64_t kInline = 1024;

void Exporter::emitTensors() {
  for (const NewTensor &made : newTensors) {
    Piece piece;
    std::string contents = made.head;
    FieldWriter writer(contents);
    bool isExternal = spool.isFile() && external && made.size >= kInline;
    if (isExternal) {
      auto entry = [&](StringRef key, const Twine &value) {
        std::string inner;
        FieldWriter inside(inner);
        inside.bytes(entry::key, key);
        inside.bytes(entry::value, value.str());
        writer.bytes(tensor::external, inner);
      };
      entry("location", externalName);
      entry("offset", Twine(made.offset));
      entry("length", Twine(made.size));
      writer.number(tensor::location, 1);
    } else {
      writer.header(tensor::raw, made.size);
      piece.data = spool.at(made.offset, made.size);
    }
    FieldWriter(piece.text).header(graph::initializer, contents.size() + piece.data.size());
    piece.text += contents;
    const Span64 &around = made.scope->around.back();
    uint64_t place = made.at ? made.at->field.begin : around.end;
    patch.insert(made.scope->around, place, {piece});
  }
}

/// Before IR 4 every initializer is an input of the graph as well (onnx/docs/IR.md, "Graphs").
void Exporter::emitInputs() {
  for (const NewInput &made : newInputs) {
    std::string shape, tensorType, type, info, field;
    for (int64_t extent : made.shape) {
      std::string dim;
      FieldWriter(dim).number(1, uint64_t(extent));
      FieldWriter(shape).bytes(1, dim);
    }
    FieldWriter tensorWriter(tensorType);
    tensorWriter.number(1, uint64_t(made.type));
    tensorWriter.bytes(2, shape);
    FieldWriter(type).bytes(1, tensorType);
    FieldWriter infoWriter(info);
    infoWriter.bytes(1, made.name);
    infoWriter.bytes(2, type);
    FieldWriter(field).bytes(graph::input, info);
    patch.insert(graph.main().around, graph.main().around.back().end, {{field, {}}});
  }
}

//===-- nodes ---------------------------------------------------------------===//

Node *Exporter::inScope(Node *node, const Scope *scope) const {
  while (node && node->scope != scope)
    node = node->scope->owner;
  return node;
}

Node *Exporter::firstUser(const Scope *scope, ArrayRef<Decision *> users) const {
  Node *first = nullptr;
  auto consider = [&](Node *node) {
    Node *here = inScope(node, scope);
    if (here && (!first || here->index < first->index))
      first = here;
  };
  for (const Decision *d : users) {
    consider(d->node);
    for (Node *step : d->view->path)
      consider(step);
  }
  return first;
}

/// A node with some of its fields replaced; all others keep their bytes and order.
static std::string rebuild(const Node &node, const NodeEdit &edit, StringRef file) {
  std::string text;
  FieldWriter writer(text);
  unsigned input = 0, output = 0;
  auto extraInputs = [&] {
    unsigned last = edit.inputs.empty() ? 0 : edit.inputs.rbegin()->first + 1;
    for (; input < last; ++input) {
      auto it = edit.inputs.find(input);
      writer.bytes(node::input, it == edit.inputs.end() ? StringRef() : StringRef(it->second));
    }
  };
  FieldReader reader(file, node.field);
  bool inputsDone = node.inputs.empty();
  if (inputsDone)
    extraInputs();
  bool hasDomain = false;
  for (Field f; reader.next(f);) {
    StringRef bytes = file.slice(f.begin, f.end);
    if (f.number == node::input) {
      auto it = edit.inputs.find(input);
      bool kept = !edit.inputCount || input < *edit.inputCount || it != edit.inputs.end();
      if (it != edit.inputs.end())
        writer.bytes(node::input, it->second);
      else if (kept)
        text += bytes;
      ++input;
      if (!inputsDone && input == node.inputs.size()) {
        extraInputs();
        inputsDone = true;
      }
    } else if (f.number == node::output) {
      auto it = edit.outputs.find(output++);
      if (it != edit.outputs.end())
        writer.bytes(node::output, it->second);
      else
        text += bytes;
    } else if (f.number == node::op && edit.op) {
      writer.bytes(node::op, *edit.op);
    } else if (f.number == node::domain && edit.domain) {
      hasDomain = true;
      writer.bytes(node::domain, *edit.domain);
    } else if (f.number == node::attribute) {
      if (edit.dropAttributes)
        continue;
      StringRef name;
      FieldReader inner(file, f);
      for (Field a; inner.next(a);)
        if (a.number == attribute::name)
          name = a.bytes;
      if (!edit.dropped.count(name.str()))
        text += bytes;
    } else {
      text += bytes;
    }
  }
  if (edit.domain && !hasDomain && !edit.domain->empty())
    writer.bytes(node::domain, *edit.domain);
  return text + edit.attributes;
}

std::string Exporter::rebuildNode(const Node &node, const NodeEdit &edit) const {
  return rebuild(node, edit, graph.file);
}

void Exporter::applyNodeEdits() {
  // In the order of the file: the result does not depend on addresses.
  for (Node &node : graph.nodes) {
    auto it = edits.find(&node);
    if (it == edits.end())
      continue;
    const NodeEdit &edit = it->second;
    const Scope &scope = *node.scope;
    uint32_t number = scope.isFunction && !scope.parent ? function::node : graph::node;
    auto wrap = [&](const std::string &contents) {
      std::string text;
      FieldWriter(text).bytes(number, contents);
      return Piece{text, {}};
    };
    std::vector<Piece> before, replaced;
    for (const std::string &made : edit.before)
      before.push_back(wrap(made));
    if (!before.empty())
      patch.insert(scope.around, node.field.begin, before);
    bool changed = !edit.inputs.empty() || !edit.outputs.empty() || edit.op || edit.domain || edit.dropAttributes ||
                   !edit.dropped.empty() || !edit.attributes.empty() || edit.inputCount;
    if (edit.removed || changed || !edit.after.empty()) {
      if (changed && !edit.removed)
        replaced.push_back(wrap(rebuild(node, edit, graph.file)));
      else if (!edit.removed)
        replaced.push_back({graph.file.slice(node.field.begin, node.field.end).str(), {}});
      for (const std::string &made : edit.after)
        replaced.push_back(wrap(made));
      patch.replace(scope.around, node.field.begin, node.field.end, replaced);
    }
  }
}

} // namespace tern::exporter
