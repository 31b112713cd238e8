// Node::keep: an ONNX node as nn.onnx, with everything that export needs.
#include "lib/Import/Node.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern::importer {
namespace {

/// Turns ONNX attributes into MLIR ones.
class Attributes {
public:
  Attributes(Node &node) : node(node), builder(node.builder()) {}

  Attribute convert(const onnx::AttributeProto &a) {
    switch (a.type()) {
    case onnx::AttributeProto::FLOAT:
      return builder.getF32FloatAttr(a.f());
    case onnx::AttributeProto::INT:
      return builder.getI64IntegerAttr(a.i());
    case onnx::AttributeProto::STRING:
      return builder.getStringAttr(a.s());
    case onnx::AttributeProto::FLOATS:
      return builder.getDenseF32ArrayAttr(SmallVector<float>(a.floats().begin(), a.floats().end()));
    case onnx::AttributeProto::INTS:
      return builder.getDenseI64ArrayAttr(Ints(a.ints().begin(), a.ints().end()));
    case onnx::AttributeProto::STRINGS:
      return strings(a.strings());
    case onnx::AttributeProto::TENSOR:
      return tensor(a.t(), a.name());
    case onnx::AttributeProto::TENSORS:
      return list(a.tensors(), [&](const onnx::TensorProto &t) { return tensor(t, a.name()); });
    case onnx::AttributeProto::GRAPH:
      return graph(a.g());
    case onnx::AttributeProto::GRAPHS:
      return list(a.graphs(), [&](const onnx::GraphProto &g) { return graph(g); });
    case onnx::AttributeProto::SPARSE_TENSOR:
      return sparse(a.sparse_tensor());
    case onnx::AttributeProto::SPARSE_TENSORS:
      return list(a.sparse_tensors(), [&](const onnx::SparseTensorProto &t) { return sparse(t); });
    case onnx::AttributeProto::TYPE_PROTO:
      return message("type", a.tp());
    case onnx::AttributeProto::TYPE_PROTOS:
      return list(a.type_protos(), [&](const onnx::TypeProto &t) { return message("type", t); });
    default:
      return builder.getUnitAttr();
    }
  }

private:
  template <typename Range> Attribute strings(const Range &range) {
    return builder.getArrayAttr(
        llvm::map_to_vector(range, [&](const std::string &s) -> Attribute { return builder.getStringAttr(s); }));
  }

  template <typename Range, typename Fn> Attribute list(const Range &range, Fn fn) {
    SmallVector<Attribute> all;
    for (const auto &item : range) {
      Attribute attr = fn(item);
      if (!attr)
        return {};
      all.push_back(attr);
    }
    return builder.getArrayAttr(all);
  }

  Attribute dictionary(StringRef key, Attribute value) {
    return builder.getDictionaryAttr(builder.getNamedAttr(key, value));
  }

  /// What MLIR has no attribute for stays serialized: {onnx.KIND = "bytes"}.
  template <typename Message> Attribute message(StringRef kind, const Message &m) {
    return dictionary(("onnx." + kind).str(), builder.getStringAttr(m.SerializePartialAsString()));
  }

  Attribute tensor(const onnx::TensorProto &proto, StringRef name) {
    FailureOr<TensorData> data = readTensor(node.importer.model, proto, node.loc());
    if (failed(data))
      return {};
    if (data->type->number == STRING)
      return dictionary("onnx.strings", strings(proto.string_data()));
    if (int64_t(data->bytes.data.size()) <= kSmallBytes || data->type->bits < 8)
      return toAttribute(*data, builder.getContext());
    return node.importer.blobAttr((node.name().getValue() + "." + name).str(), *data);
  }

  Attribute sparse(onnx::SparseTensorProto proto) {
    return restore(*proto.mutable_values()) && restore(*proto.mutable_indices()) ? message("sparse", proto)
                                                                                 : Attribute();
  }

  Attribute graph(onnx::GraphProto proto) { return restore(proto) ? message("graph", proto) : Attribute(); }

  /// Puts the bytes back that the scan took out.
  bool restore(onnx::TensorProto &tensor) {
    if (!tensor.has_raw_data())
      return true;
    FailureOr<Bytes> bytes = node.importer.model.raw(tensor.raw_data(), node.loc());
    if (failed(bytes))
      return false;
    total += bytes->data.size();
    if (total > 0x7fffffff) {
      node.error() << "a subgraph has more than 2 GiB of constants";
      return false;
    }
    tensor.set_raw_data(bytes->data.data(), bytes->data.size());
    return true;
  }

  bool restore(onnx::GraphProto &graph) {
    auto all = [&](auto &range) { return llvm::all_of(range, [&](auto &item) { return restore(item); }); };
    auto sparse = [&](onnx::SparseTensorProto &t) {
      return restore(*t.mutable_values()) && restore(*t.mutable_indices());
    };
    if (!all(*graph.mutable_initializer()) || !llvm::all_of(*graph.mutable_sparse_initializer(), sparse))
      return false;
    for (onnx::NodeProto &n : *graph.mutable_node())
      for (onnx::AttributeProto &a : *n.mutable_attribute())
        if ((a.has_t() && !restore(*a.mutable_t())) || (a.has_g() && !restore(*a.mutable_g())) ||
            !all(*a.mutable_tensors()) || !all(*a.mutable_graphs()) ||
            (a.has_sparse_tensor() && !sparse(*a.mutable_sparse_tensor())) ||
            !llvm::all_of(*a.mutable_sparse_tensors(), sparse))
          return false;
    return true;
  }

  Node &node;
  OpBuilder &builder;
  uint64_t total = 0;
};

} // namespace

LogicalResult Node::keep(const Twine &reason, bool follows) {
  if (bad)
    return failure();
  SmallVector<Value> operands;
  Ints absent;
  for (int i = 0; i < inputCount(); i++) {
    Value value = operand(i);
    if (value)
      operands.push_back(value);
    else
      absent.push_back(i);
  }
  NamedAttrList attrs;
  Attributes convert(*this);
  for (const auto &a : proto.attribute()) {
    if (a.name().empty())
      return error() << "an attribute has no name";
    Attribute attr = convert.convert(a);
    if (!attr)
      return failure();
    attrs.set(a.name(), attr);
  }
  if (!node.captures.empty()) {
    SmallVector<StringRef> names(node.captures.begin(), node.captures.end());
    attrs.set("onnx.captures", builder().getStrArrayAttr(names));
    for (const std::string &name : node.captures)
      if (Value value = importer.materialize(name, location))
        operands.push_back(value);
      else
        return error() << "a subgraph reads '" << name << "', which is not a tensor of numbers";
  }
  SmallVector<Type> types;
  for (const std::string &name : proto.output()) {
    Type type = name.empty() ? Type() : importer.declaredType(name);
    types.push_back(type ? type : builder().getNoneType());
  }
  auto op = nn::OnnxOp::create(builder(), location, types, proto.op_type(), operands, domain(), opset(),
                               attrs.getDictionary(importer.context),
                               absent.empty() ? DenseI64ArrayAttr() : builder().getDenseI64ArrayAttr(absent), nameAttr);
  if (!reason.isTriviallyEmpty())
    op->setAttr("tern.reason", builder().getStringAttr(reason));
  if (follows)
    op->setAttr("tern.follows", builder().getUnitAttr());
  for (auto [i, value] : llvm::enumerate(op.getOutputs()))
    if (failed(result(value, int(i))))
      return failure();
  return success();
}

LogicalResult Node::keepOpen(const Twine &reason) {
  std::string text = reason.str() + "; bind";
  llvm::StringSet<> seen;
  for (int i = 0; i < inputCount() && !bad; i++)
    for (nn::SizeExpr size : hasInput(i) && type(i) ? sizes(i) : nn::Sizes())
      for (StringRef dim : size ? importer.sizeAnalysis.table.dimsOf(size) : SmallVector<StringRef>())
        if (seen.insert(dim).second)
          text += (" --dim " + dim + "=N").str();
  return keep(text);
}

} // namespace tern::importer
