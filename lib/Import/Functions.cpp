#include "lib/Import/Functions.h"
#include "lib/Import/Graph.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include <google/protobuf/io/coded_stream.h>
#include <optional>

using namespace mlir;
using llvm::StringRef;
using llvm::Twine;

namespace tern::importer {
namespace {

constexpr int kMaxDepth = 32;
constexpr int kMaxNodes = 1 << 20;
// Fields that are newer than the packaged schema arrive as unknown ones.
constexpr uint32_t kNodeOverload = 8, kFunctionOverload = 13, kAttributeProto = 11;
// A field of our own, beyond any that the schema may get: the version of the operator set that a node was written for.
constexpr uint32_t kNodeVersion = 100000;

/// The contents of all length-delimited fields with this number.
std::vector<std::string> unknownFields(const std::string &unknown, uint32_t number) {
  std::vector<std::string> found;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t *>(unknown.data()), int(unknown.size()));
  while (uint32_t tag = in.ReadTag()) {
    uint64_t value;
    uint32_t fixed, length;
    std::string bytes;
    switch (tag & 7) {
    case 0:
      if (!in.ReadVarint64(&value))
        return found;
      break;
    case 1:
      if (!in.ReadLittleEndian64(&value))
        return found;
      break;
    case 2:
      if (!in.ReadVarint32(&length) || !in.ReadString(&bytes, int(length)))
        return found;
      if (tag >> 3 == number)
        found.push_back(bytes);
      break;
    case 5:
      if (!in.ReadLittleEndian32(&fixed))
        return found;
      break;
    default:
      return found;
    }
  }
  return found;
}

std::string domainOf(const std::string &domain) { return domain == "ai.onnx" ? "" : domain; }

template <typename Message> std::string keyOf(const Message &m, const std::string &name, uint32_t overloadField) {
  std::vector<std::string> overload = unknownFields(m.unknown_fields(), overloadField);
  return domainOf(m.domain()) + "\n" + name + "\n" + (overload.empty() ? "" : overload.back());
}

class Inliner {
public:
  Inliner(onnx::ModelProto &model, Location loc) : model(model), loc(loc) {
    for (const auto &f : model.functions())
      functions[keyOf(f, f.name(), kFunctionOverload)] = &f;
    for (const auto &o : model.opset_import())
      versions[domainOf(o.domain())] = o.version();
    collectNames(model.graph());
    for (const auto &f : model.functions())
      collectNames(f.node());
  }

  LogicalResult run() { return expand(*model.mutable_graph(), 0, 0); }

private:
  using Names = NameMap;
  using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

  /// Names that a new value may not have: those of all graphs, since one in a body would hide it.
  void collectNames(const onnx::GraphProto &graph) {
    for (const auto &i : graph.input())
      values.insert(i.name());
    for (const auto &t : graph.initializer())
      values.insert(t.name());
    for (const auto &t : graph.sparse_initializer())
      values.insert(t.values().name());
    collectNames(graph.node());
  }
  void collectNames(const Nodes &nodes) {
    for (const auto &n : nodes) {
      values.insert(n.output().begin(), n.output().end());
      for (const auto &a : n.attribute()) {
        if (a.has_g())
          collectNames(a.g());
        for (const auto &g : a.graphs())
          collectNames(g);
      }
    }
  }

  /// The nodes of a graph, calls replaced. `version`: of ai.onnx in the function that the graph comes from; 0: that of the model.
  LogicalResult expand(onnx::GraphProto &graph, int64_t version, int depth) {
    Nodes nodes;
    nodes.Swap(graph.mutable_node());
    for (const onnx::NodeProto &n : nodes)
      if (failed(add(n, version, depth, *graph.mutable_node())))
        return failure();
    return success();
  }

  LogicalResult add(const onnx::NodeProto &node, int64_t version, int depth, Nodes &into) {
    auto it = functions.find(keyOf(node, node.op_type(), kNodeOverload));
    // Calls count as well: empty functions that call each other twice would go on for long without any node.
    if (++expanded > kMaxNodes)
      return emitError(loc) << "the functions of the model expand to more than " << kMaxNodes << " nodes";
    std::optional<int64_t> inside = it == functions.end() ? std::nullopt : versionInside(*it->second);
    if (inside) {
      if (depth == kMaxDepth)
        return emitError(loc) << "function '" << node.op_type() << "' is called through more than " << kMaxDepth
                              << " others; functions may not call themselves";
      return expand(node, *it->second, *inside, depth, into);
    }
    onnx::NodeProto &copy = *into.Add();
    copy = node;
    if (version && domainOf(node.domain()).empty())
      setVersion(copy, version);
    for (onnx::AttributeProto &a : *copy.mutable_attribute()) {
      if (a.has_g() && failed(expand(*a.mutable_g(), version, depth)))
        return failure();
      for (onnx::GraphProto &g : *a.mutable_graphs())
        if (failed(expand(g, version, depth)))
          return failure();
    }
    return success();
  }

  /// The version of ai.onnx that the nodes of a function are written for, 0 where it is that of the model. None: the
  /// function needs another version of another operator set than the model, or one that is not read.
  std::optional<int64_t> versionInside(const onnx::FunctionProto &f) {
    int64_t own = 0;
    for (const auto &o : f.opset_import()) {
      auto [it, fresh] = versions.try_emplace(domainOf(o.domain()), o.version());
      if (fresh || it->second == o.version())
        continue;
      if (!domainOf(o.domain()).empty() || o.version() < kOldestOpset)
        return std::nullopt;
      own = o.version();
    }
    for (const auto &o : f.opset_import())
      if (llvm::none_of(model.opset_import(), [&](auto &m) { return domainOf(m.domain()) == domainOf(o.domain()); }))
        *model.add_opset_import() = o;
    return own;
  }

  static void setVersion(onnx::NodeProto &node, int64_t version) {
    std::string &fields = *node.mutable_unknown_fields();
    for (uint64_t number : {uint64_t(kNodeVersion) << 3, uint64_t(version)}) {
      for (; number >= 128; number >>= 7)
        fields += char(number | 128);
      fields += char(number);
    }
  }

  LogicalResult expand(const onnx::NodeProto &call, const onnx::FunctionProto &f, int64_t version, int depth, Nodes &into) {
    std::string prefix = call.name().empty() ? (f.name() + "_" + Twine(count++)).str() : call.name();
    Names names;
    for (int i = 0; i < f.input_size(); i++)
      names[f.input(i)] = i < call.input_size() ? call.input(i) : "";
    llvm::StringSet<> results;
    for (int i = 0; i < f.output_size() && i < call.output_size(); i++) {
      if (names.count(f.output(i)) && !call.output(i).empty()) { // an input that is passed on, or an output named twice
        onnx::NodeProto same;
        same.set_op_type("Identity");
        same.add_input(names[f.output(i)]);
        same.add_output(call.output(i));
        *into.Add() = same;
      } else if (!call.output(i).empty()) {
        names[f.output(i)] = call.output(i);
      }
    }
    for (const auto &n : f.node())
      for (const auto &o : n.output())
        if (!o.empty() && !names.count(o))
          names[o] = fresh(prefix + "/" + o);
    for (auto [i, n] : llvm::enumerate(f.node())) {
      onnx::NodeProto copy = n;
      copy.set_name(prefix + "/" + (n.name().empty() ? (n.op_type() + "_" + Twine(i)).str() : n.name()));
      rename(copy, names, call, f);
      if (failed(add(copy, version, depth + 1, into)))
        return failure();
    }
    return success();
  }

  std::string fresh(const std::string &base) {
    std::string name = base;
    for (int suffix = 1; !values.insert(name).second; suffix++)
      name = (Twine(base) + "_" + Twine(suffix)).str();
    return name;
  }

  void rename(onnx::NodeProto &node, const Names &names, const onnx::NodeProto &call, const onnx::FunctionProto &f) {
    auto map = [&](std::string &name) {
      if (auto it = names.find(name); it != names.end())
        name = it->second;
    };
    llvm::for_each(*node.mutable_input(), map);
    llvm::for_each(*node.mutable_output(), map);
    std::vector<onnx::AttributeProto> kept;
    for (onnx::AttributeProto &a : *node.mutable_attribute()) {
      if (!a.ref_attr_name().empty() && !resolve(a, call, f))
        continue; // an optional attribute that the call leaves out
      if (a.has_g())
        rename(*a.mutable_g(), names, call, f);
      for (onnx::GraphProto &g : *a.mutable_graphs())
        rename(g, names, call, f);
      kept.push_back(a);
    }
    node.clear_attribute();
    for (onnx::AttributeProto &a : kept)
      *node.add_attribute() = std::move(a);
  }

  /// Names that the graph does not define itself are those of the function.
  void rename(onnx::GraphProto &graph, Names names, const onnx::NodeProto &call, const onnx::FunctionProto &f) {
    eraseDefined(names, graph);
    for (onnx::NodeProto &n : *graph.mutable_node())
      rename(n, names, call, f);
    for (onnx::ValueInfoProto &o : *graph.mutable_output())
      if (auto it = names.find(o.name()); it != names.end())
        o.set_name(it->second);
  }

  /// Replaces a reference to an attribute of the function by its value: the call's, else the function's default.
  bool resolve(onnx::AttributeProto &a, const onnx::NodeProto &call, const onnx::FunctionProto &f) {
    std::string name = a.name(), reference = a.ref_attr_name();
    for (const auto &given : call.attribute())
      if (given.name() == reference) {
        a = given;
        a.set_name(name);
        return true;
      }
    for (const std::string &bytes : unknownFields(f.unknown_fields(), kAttributeProto)) {
      onnx::AttributeProto given;
      if (given.ParsePartialFromString(bytes) && given.name() == reference) {
        a = given;
        a.set_name(name);
        return true;
      }
    }
    return false;
  }

  onnx::ModelProto &model;
  Location loc;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  llvm::StringMap<int64_t> versions;
  llvm::StringSet<> values;
  int count = 0, expanded = 0;
};

} // namespace

int64_t versionOf(const onnx::NodeProto &node) {
  const std::string &fields = node.unknown_fields();
  if (fields.empty())
    return 0;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t *>(fields.data()), int(fields.size()));
  int64_t version = 0;
  while (uint32_t tag = in.ReadTag()) {
    uint64_t value;
    uint32_t fixed, length;
    bool read = false;
    switch (tag & 7) {
    case 0:
      read = in.ReadVarint64(&value);
      if (read && tag >> 3 == kNodeVersion)
        version = int64_t(value);
      break;
    case 1:
      read = in.ReadLittleEndian64(&value);
      break;
    case 2:
      read = in.ReadVarint32(&length) && in.Skip(int(length));
      break;
    case 5:
      read = in.ReadLittleEndian32(&fixed);
      break;
    }
    if (!read)
      break;
  }
  return version;
}

LogicalResult inlineFunctions(onnx::ModelProto &model, Location loc) {
  return model.functions_size() == 0 ? success() : Inliner(model, loc).run();
}

} // namespace tern::importer
