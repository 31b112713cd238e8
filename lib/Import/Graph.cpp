#include "lib/Import/Graph.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using llvm::ArrayRef;
using llvm::StringMap;
using llvm::StringRef;

using llvm::Twine;

namespace tern::importer {

void eraseDefined(NameMap &names, const onnx::GraphProto &graph) {
  for (const auto &i : graph.input())
    names.erase(i.name());
  for (const auto &t : graph.initializer())
    names.erase(t.name());
  for (const auto &t : graph.sparse_initializer())
    names.erase(t.values().name());
  for (const auto &n : graph.node())
    for (const auto &o : n.output())
      names.erase(o);
}

Location GraphNode::loc(MLIRContext *context) const {
  return NameLoc::get(StringAttr::get(
      context, Twine(name) + " (" + (proto->op_type().empty() ? "?" : proto->op_type()) + " #" + Twine(index) + ")"));
}

std::string nearestName(StringRef name, ArrayRef<StringRef> candidates) {
  StringRef best;
  // A third of the name may be wrong, one letter always, but never all of them; case does not count.
  unsigned limit =
      std::min<unsigned>(std::max<unsigned>(1, unsigned(name.size()) / 3), unsigned(name.size()) - !name.empty());
  unsigned distance = limit + 1;
  for (StringRef c : candidates) {
    unsigned d = name.edit_distance_insensitive(c, true, distance);
    if (d < distance) {
      distance = d;
      best = c;
    }
  }
  return best.str();
}

std::string Graph::nearest(StringRef name) const {
  std::vector<StringRef> all;
  for (const auto &e : producers)
    all.push_back(e.getKey());
  for (const auto &e : inputs)
    all.push_back(e.getKey());
  llvm::sort(all);
  return nearestName(name, all);
}

/// Values that a graph reads and does not define itself, in order of first use.
static void collectCaptures(const onnx::GraphProto &graph, std::vector<std::string> &captures,
                            llvm::StringSet<> &seen) {
  llvm::StringSet<> defined;
  for (const auto &i : graph.input())
    defined.insert(i.name());
  for (const auto &i : graph.initializer())
    defined.insert(i.name());
  for (const auto &i : graph.sparse_initializer())
    defined.insert(i.values().name());
  for (const auto &n : graph.node())
    for (const auto &o : n.output())
      defined.insert(o);
  auto use = [&](const std::string &name) {
    if (!name.empty() && !defined.contains(name) && seen.insert(name).second)
      captures.push_back(name);
  };
  for (const auto &n : graph.node()) {
    llvm::for_each(n.input(), use);
    for (const auto &a : n.attribute()) {
      std::vector<std::string> inner;
      llvm::StringSet<> innerSeen;
      if (a.has_g())
        collectCaptures(a.g(), inner, innerSeen);
      for (const auto &g : a.graphs())
        collectCaptures(g, inner, innerSeen);
      llvm::for_each(inner, use);
    }
  }
  for (const auto &o : graph.output())
    use(o.name());
}

std::string Graph::uniqueName(const std::string &base) {
  std::string name = base;
  for (int suffix = 1; !taken.insert(name).second; suffix++)
    name = (Twine(base) + "_" + Twine(suffix)).str();
  return name;
}

LogicalResult Graph::read(const onnx::GraphProto &graph, Location loc) {
  MLIRContext *context = loc.getContext();
  for (const auto &v : graph.value_info())
    infos[v.name()] = &v;
  for (const auto &v : graph.output())
    infos[v.name()] = &v;
  for (const auto &v : graph.input()) {
    infos[v.name()] = &v;
    if (v.name().empty())
      return emitError(loc) << "an input of the graph has no name";
    if (!inputs.try_emplace(v.name(), &v).second)
      return emitError(loc) << "the graph has two inputs named '" << v.name() << "'";
  }
  for (const auto &t : graph.initializer()) {
    if (t.name().empty())
      return emitError(loc) << "an initializer has no name";
    if (!initializers.try_emplace(t.name(), &t).second)
      return emitError(loc) << "the graph has two initializers named '" << t.name() << "'";
  }
  for (const auto &t : graph.sparse_initializer())
    if (isInitializer(t.values().name()) || !sparse.try_emplace(t.values().name(), &t).second)
      return emitError(loc) << "the graph has two initializers named '" << t.values().name() << "'";
  nodes.reserve(size_t(graph.node_size()));
  // Given names first: a made-up one must not be one that a later node has been given.
  std::vector<std::string> names(size_t(graph.node_size()));
  for (bool made : {false, true})
    for (int i = 0; i < graph.node_size(); i++)
      if (const std::string &name = graph.node(i).name(); name.empty() == made)
        names[size_t(i)] = uniqueName(made ? (Twine(graph.node(i).op_type()) + "_" + Twine(i)).str() : name);
  for (int i = 0; i < graph.node_size(); i++) {
    const onnx::NodeProto &n = graph.node(i);
    nodes.push_back({&n, i, names[size_t(i)], {}});
    llvm::StringSet<> seen;
    for (const auto &a : n.attribute()) {
      if (a.has_g())
        collectCaptures(a.g(), nodes.back().captures, seen);
      for (const auto &g : a.graphs())
        collectCaptures(g, nodes.back().captures, seen);
    }
  }
  for (const GraphNode &n : nodes)
    for (const auto &o : n.proto->output()) {
      if (o.empty())
        continue;
      if (inputs.count(o) || isInitializer(o))
        return emitError(n.loc(context)) << "defines '" << o << "', which is already an input or initializer";
      if (auto [it, fresh] = producers.try_emplace(o, &n); !fresh)
        return emitError(n.loc(context)) << "defines '" << o << "', which node '" << it->second->name
                                         << "' defines as well";
    }
  return success();
}

FailureOr<std::vector<const GraphNode *>> Graph::schedule(ArrayRef<std::string> stops, ArrayRef<std::string> outputs,
                                                          Location loc,
                                                          llvm::function_ref<bool(StringRef)> isOuter) const {
  MLIRContext *context = loc.getContext();
  llvm::StringSet<> stop;
  for (const auto &s : stops)
    stop.insert(s);
  enum State : char { New, Open, Done };
  std::vector<State> state(nodes.size(), New);
  std::vector<const GraphNode *> order;
  struct Frame {
    const GraphNode *node;
    size_t next;
  };
  std::vector<Frame> stack;
  auto operand = [](const GraphNode *n, size_t i) -> const std::string * {
    size_t inputs = size_t(n->proto->input_size());
    if (i < inputs)
      return &n->proto->input(int(i));
    return i - inputs < n->captures.size() ? &n->captures[i - inputs] : nullptr;
  };
  // Depth first without recursion: a chain may be as long as the file.
  auto visit = [&](const std::string &value, const GraphNode *user) -> LogicalResult {
    if (value.empty() || stop.contains(value) || isInitializer(value))
      return success();
    auto it = producers.find(value);
    if (it == producers.end()) {
      if ((inputs.count(value) && stops.empty()) || (isOuter && isOuter(value)))
        return success();
      auto diag = emitError(user ? user->loc(context) : loc);
      if (inputs.count(value))
        return diag << "needs the model input '" << value
                    << "', which is not among the inputs that the model is cut at";
      diag << (user ? "reads '" : "the graph returns '") << value << "', which no node, input or initializer defines";
      if (std::string near = nearest(value); !near.empty())
        diag << "; did you mean '" << near << "'?";
      return diag;
    }
    const GraphNode *n = it->second;
    if (state[size_t(n->index)] == Done)
      return success();
    if (state[size_t(n->index)] == Open) {
      auto diag = emitError(n->loc(context)) << "is part of a cycle:";
      size_t from = stack.size();
      while (from > 0 && stack[--from].node != n) {
      }
      for (size_t i = from; i < stack.size() && i < from + 8; i++)
        diag << " '" << stack[i].node->name << "' needs";
      return diag << (stack.size() > from + 8 ? " ... '" : " '") << n->name << "'";
    }
    state[size_t(n->index)] = Open;
    stack.push_back({n, 0});
    return success();
  };
  for (const auto &o : outputs) {
    if (failed(visit(o, nullptr)))
      return failure();
    while (!stack.empty()) {
      const GraphNode *n = stack.back().node;
      if (const std::string *next = operand(n, stack.back().next++)) {
        if (failed(visit(*next, n)))
          return failure();
        continue;
      }
      state[size_t(n->index)] = Done;
      stack.pop_back();
      order.push_back(n);
    }
  }
  // Operands first and otherwise in the order of the file, which is the order that readers expect: the file's own order
  // when it is sorted.
  std::vector<const GraphNode *> byIndex = order;
  llvm::sort(byIndex, [](const GraphNode *a, const GraphNode *b) { return a->index < b->index; });
  llvm::DenseMap<const GraphNode *, size_t> place;
  for (size_t i = 0; i < byIndex.size(); i++)
    place[byIndex[i]] = i;
  for (const GraphNode *n : byIndex)
    for (size_t i = 0; const std::string *value = operand(n, i); i++)
      if (auto it = producers.find(*value);
          it != producers.end() && !stop.contains(*value) && place.lookup(it->second) >= place[n])
        return order;
  return byIndex;
}

} // namespace tern::importer
