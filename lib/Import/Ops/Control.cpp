// If, Loop and Scan. A branch that is known is taken, one that is not lies beside the other and is selected. A loop of a few
// steps is written out, others become nn.loop.
#include "lib/Import/Decisions.h"
#include "lib/Import/Ops/RolledLoop.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
namespace {

// A loop of at most so many nodes, all steps together, is written out: steps can be fused and their numbers are constants.
constexpr int64_t kFewNodes = 256;
// One that has no form as nn.loop is written out up to so many steps.
constexpr int64_t kMaxSteps = 4096;

const onnx::GraphProto *body(Node &n, StringRef name) {
  const onnx::AttributeProto *a = n.find(name);
  if (a && a->has_g())
    return &a->g();
  n.error() << "attribute '" << name << "' is missing; it is the graph that " << n.opType() << " runs";
  return nullptr;
}

/// Imports a body and takes back whatever it added when that fails. `why`: the first error.
std::optional<SmallVector<Known>> attempt(Node &n, const onnx::GraphProto &graph, const Twine &prefix,
                                          std::string &why) {
  Importer::Checkpoint before = n.importer.checkpoint();
  FailureOr<SmallVector<Known>> results = failure();
  {
    ScopedDiagnosticHandler capture(n.importer.context, [&](Diagnostic &diagnostic) {
      if (why.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error)
        why = diagnostic.str();
      return success(diagnostic.getSeverity() == DiagnosticSeverity::Error);
    });
    results = n.importer.importSubgraph(graph, prefix, prefix, {}, n.loc());
  }
  if (succeeded(results))
    return *results;
  n.importer.rollback(before);
  return std::nullopt;
}

LogicalResult bindAll(Node &n, ArrayRef<Known> results) {
  if (int(results.size()) < n.outputCount())
    return n.error() << "its body returns " << results.size() << " values; the node has " << n.outputCount()
                     << " outputs";
  for (int i = 0; i < n.outputCount(); i++)
    if (!n.proto.output(i).empty())
      n.importer.bind(n.proto.output(i), results[size_t(i)]);
  return success();
}

/// The one branch that was decided on; what that means for the sizes is known before its ops are.
LogicalResult takeBranch(Node &n, const onnx::GraphProto &graph, const Decision &decision) {
  if (decision.isSize && !assume(n, n.operand(0), decision.branch))
    return n.error() << "no size within its bounds leads to its " << (decision.branch ? "then" : "else") << " branch";
  emitRemark(n.loc()) << decision.why << "; the " << (decision.branch ? "then" : "else") << " branch is taken"
                      << (decision.isSize ? ", and sizes that lead to the other one are excluded" : "");
  StringRef name = n.name().getValue();
  auto results = n.importer.importSubgraph(graph, name + (decision.branch ? "/then" : "/else"), name + (decision.branch ? "/then" : "/else"), {}, n.loc());
  return failed(results) ? failure() : bindAll(n, *results);
}

/// The branches have different types. When sizes decide, one is chosen: that of the rank that the file declares, else that of large sizes.
/// `large`: which one that is.
LogicalResult chooseBranch(Node &n, std::optional<bool> large, RankedTensorType then, RankedTensorType other, const Twine &types) {
  if (!large || !then || !other)
    return n.keep("its condition is computed from data and its branches give values of different types" + types);
  bool branch = *large;
  if (auto declared = dyn_cast_if_present<RankedTensorType>(n.importer.declaredType(n.proto.output(0))); declared && then.getRank() != other.getRank())
    branch = declared.getRank() == then.getRank() ? true : declared.getRank() == other.getRank() ? false : branch;
  n.importer.decisions.add({n.name().str(), branch, true, true, "its condition is computed from open sizes and its branches give values of different types" + types.str()});
  return failure();
}

/// Both branches are imported: nn ops have no effects. Which kernels run is found out by cpu-guard-calls. A branch that is malformed for the sizes of this
/// program cannot be meant to run.
LogicalResult convertIf(Node &n, const onnx::GraphProto &thenBody, const onnx::GraphProto &elseBody) {
  Decisions &decisions = n.importer.decisions;
  if (const Decision *decision = decisions.find(n.name().getValue()))
    return takeBranch(n, decision->branch ? thenBody : elseBody, *decision);
  Importer::Checkpoint before = n.importer.checkpoint();
  StringRef name = n.name().getValue();
  std::string why[2];
  // Asked before the branches say what sizes have to be.
  std::optional<bool> large = n.importer.hasOpenSizes() ? holdsForLarge(n, n.operand(0)) : std::nullopt;
  auto yes = attempt(n, thenBody, name + "/then", why[0]);
  auto no = decisions.again ? std::nullopt : attempt(n, elseBody, name + "/else", why[1]);
  if (decisions.again)
    return failure();
  if (!yes && !no)
    return n.error() << "neither branch can run: " << why[0] << "; " << why[1];
  if (!yes != !no && n.importer.hasOpenSizes()) {
    // Other sizes may let it run; else nothing of it may remain.
    if (decisions.flip((name + (yes ? "/else" : "/then")).str()))
      decisions.again = true;
    else
      decisions.add({name.str(), bool(yes), false, false, "its other branch cannot run with these sizes: " + why[yes ? 1 : 0]});
    return failure();
  }
  if (!yes || !no) {
    emitRemark(n.loc()) << "the " << (yes ? "else" : "then")
                        << " branch cannot run with these sizes and is left out: " << why[yes ? 1 : 0];
    return bindAll(n, yes ? *yes : *no);
  }
  if (yes->size() != no->size() || int(yes->size()) < n.outputCount())
    return n.error() << "its branches return " << yes->size() << " and " << no->size() << " values; the node has "
                     << n.outputCount() << " outputs";
  for (int i = 0; i < n.outputCount(); i++) {
    RankedTensorType a = n.importer.typeOf((*yes)[size_t(i)]), b = n.importer.typeOf((*no)[size_t(i)]);
    Sizes left = n.importer.sizesOf((*yes)[size_t(i)]), right = n.importer.sizesOf((*no)[size_t(i)]);
    if (!a || !b || a.getElementType() != b.getElementType() || left != right) {
      n.importer.rollback(before);
      return chooseBranch(n, large, a, b, a && b ? ": " + nn::print(left) + " and " + nn::print(right) : std::string());
    }
  }
  Compose c{n};
  Value condition = c.reshape(n.operand(0), {});
  for (int i = 0; i < n.outputCount(); i++) {
    Value a = valueOf(n, (*yes)[size_t(i)]), b = valueOf(n, (*no)[size_t(i)]);
    if (!a || !b)
      return n.error() << "output " << i << " is not a tensor of numbers";
    StringAttr op = n.importer.uniqueName(n.name().getValue() + "." + Twine(i));
    if (failed(n.result(a == b ? a : c.select(condition, a, b, n.outputCount() == 1 ? n.name() : op), i)))
      return failure();
  }
  return success();
}

LogicalResult importIf(Node &n) {
  const onnx::GraphProto *thenBody = body(n, "then_branch"), *elseBody = thenBody ? body(n, "else_branch") : nullptr;
  if (!elseBody)
    return failure();
  if (!n.type(0).getElementType().isInteger(1) || n.type(0).getNumElements() != 1)
    return n.error() << "its condition has type " << n.type(0) << "; it must be one truth value";
  std::optional<int64_t> condition = numberOf(n.importer, *n.known(0));
  if (!condition)
    return convertIf(n, *thenBody, *elseBody);
  auto results = n.importer.importSubgraph(*condition ? *thenBody : *elseBody, n.name().getValue(), n.name().getValue(),
                                           {}, n.loc());
  return failed(results) ? failure() : bindAll(n, *results);
}

/// One value of every step as one tensor with the steps along `axis`; `reverse`: the last step first.
Value stack(Node &n, ArrayRef<Known> steps, int64_t axis, bool reverse, StringAttr name) {
  Compose c{n};
  SmallVector<Value> parts;
  for (const Known &step : steps) {
    Value value = valueOf(n, step);
    if (!value || !isa<RankedTensorType>(value.getType()))
      return {};
    Shape shape(c.sizes(value));
    int64_t at = axis < 0 ? axis + int64_t(shape.size()) + 1 : axis;
    if (at < 0 || at > int64_t(shape.size())) {
      n.error() << "an output of its steps has rank " << shape.size() << "; axis " << axis << " is outside";
      return {};
    }
    shape.insert(shape.begin() + at, Extent(1));
    parts.push_back(c.reshape(value, shape));
    axis = at;
  }
  if (reverse)
    std::reverse(parts.begin(), parts.end());
  return c.concat(parts, axis, name);
}

/// Element `at` along an axis.
Value element(Node &n, Value x, int64_t axis, int64_t at) {
  if (!x)
    return {};
  Compose c{n};
  Shape shape(c.sizes(x));
  shape.erase(shape.begin() + axis);
  return c.reshape(c.slice(x, axis, at, 1), shape);
}

/// The results of a loop as those of the node. `axes`: where the steps of collected ones lie; the loop has them in front.
LogicalResult bindRolled(Node &n, ArrayRef<Value> results, size_t states, ArrayRef<bool> collected, ArrayRef<int64_t> axes) {
  Compose c{n};
  size_t next = states;
  for (int i = 0; i < n.outputCount(); i++) {
    size_t number = size_t(i);
    if (number >= states + collected.size())
      return n.proto.output(i).empty() ? success() : LogicalResult(n.error() << "its body has no output for output " << i);
    if (number >= states && !collected[number - states])
      continue;
    Value value = number < states ? results[number] : results[next++];
    if (number >= states) {
      int64_t rank = Compose::shapeOf(value).size(), axis = axes[number - states];
      axis = n.axis(axis, rank);
      Ints perm;
      for (int64_t d = 1; d < rank; d++)
        perm.push_back(d);
      if (n.hasFailed())
        return failure();
      perm.insert(perm.begin() + axis, 0);
      if (axis != 0)
        value = c.transpose(value, perm);
    }
    if (!n.proto.output(i).empty() && failed(n.result(value, i)))
      return failure();
  }
  return success();
}

/// Inputs from `first` on are all there.
LogicalResult needInputs(Node &n, int first) {
  for (int i = first; i < n.inputCount(); i++)
    if (!n.hasInput(i))
      return n.error() << "input " << i << " of " << n.opType() << " is missing";
  return success();
}

DenseElementsAttr scalarAttr(Node &n, Type element, int64_t value) {
  return DenseElementsAttr::get(RankedTensorType::get({}, element), n.builder().getIntegerAttr(element, value));
}

/// The state of a loop under the name that it has in this graph, so that a weight stays one weight.
Known stateOf(Node &n, int i) {
  const Known &known = *n.known(i);
  return known.data && isWeight(*known.data) ? Known{n.operand(i), {}, {}} : known;
}

/// A loop that is written out.
bool isFew(int64_t steps, const onnx::GraphProto &body) {
  return steps <= kFewNodes && steps * std::max<int64_t>(countNodes(body), 1) <= kFewNodes;
}

/// Loop(M, cond, state...). A condition that is computed from data keeps the state of the steps behind it.
LogicalResult importLoop(Node &n) {
  const onnx::GraphProto *steps = body(n, "body");
  if (!steps || failed(needInputs(n, 2)))
    return failure();
  if (n.hasInput(1) && !n.type(1).getElementType().isInteger(1))
    return n.error() << "its condition has type " << n.type(1) << "; it must be one truth value";
  int states = std::max(0, n.inputCount() - 2), outputs = steps->output_size() - 1;
  if (outputs < states)
    return n.error() << "its body returns " << steps->output_size() << " values; a condition and " << states
                     << " states are needed";
  std::optional<int64_t> most = n.hasInput(0) ? numberOf(n.importer, *n.known(0)) : std::nullopt;
  Type boolean = n.builder().getI1Type();
  Known condition = n.hasInput(1) ? *n.known(1) : Known{{}, scalarAttr(n, boolean, 1), {}};
  bool scansUsed = false;
  for (int i = states; i < n.outputCount(); i++)
    scansUsed |= n.isOutputUsed(i);
  Importer::Checkpoint before = n.importer.checkpoint();
  Compose c{n};
  bool never = numberOf(n.importer, condition) == 0;
  std::string why;
  if (!never && !(most && isFew(*most, *steps))) {
    RolledLoop loop;
    if (n.hasInput(0)) {
      std::optional<Sizes> symbols = n.symbols(0);
      loop.count = symbols && symbols->size() == 1 ? symbols->front() : SizeExpr();
      // A negative number of steps is none.
      if (loop.count)
        loop.count = c.table().max(loop.count, c.table().constant(0));
      else
        loop.trips = c.reshape(c.cast(n.operand(0), n.builder().getI64Type()), {});
    }
    loop.condition = condition;
    loop.fewNodes = kFewNodes;
    loop.ownsCounter = true;
    for (int i = 0; i < states; i++)
      loop.states.push_back(n.operand(i + 2));
    loop.reversed.assign(size_t(outputs - states), false);
    for (int i = states; i < outputs; i++)
      loop.collected.push_back(n.isOutputUsed(i));
    if (n.hasFailed())
      return failure();
    if (std::optional<SmallVector<Value>> results = importRolled(n, *steps, loop, why))
      return bindRolled(n, *results, size_t(states), loop.collected, Ints(size_t(outputs - states), 0));
    n.importer.rollback(before);
  }
  SmallVector<Known> state;
  for (int i = 0; i < states; i++)
    state.push_back(stateOf(n, i + 2));
  std::vector<SmallVector<Known>> scans(size_t(outputs - states));
  Value active; // i1: no step has ended the loop; null: known to be true
  auto keep = [&](const Twine &otherwise) {
    n.importer.rollback(before);
    return why.empty() ? n.keep(otherwise) : n.keep(why);
  };
  if (n.hasInput(0) && !most)
    return keep("its number of steps is computed from data");
  for (int64_t i = 0; !most || i < *most; i++) {
    std::optional<int64_t> goes = numberOf(n.importer, condition);
    if (goes && !*goes)
      break;
    if (!goes) {
      if (!most || scansUsed)
        return keep("its number of steps is computed from data");
      Value go = c.reshape(valueOf(n, condition), {});
      active = active ? c.both(active, go) : go;
    }
    if (i == kMaxSteps)
      return keep("it has more than " + Twine(kMaxSteps) + " steps");
    SmallVector<Known> arguments{{{}, scalarAttr(n, n.builder().getI64Type(), i), {}},
                                 {{}, scalarAttr(n, boolean, 1), {}}};
    llvm::append_range(arguments, state);
    auto results = n.importer.importSubgraph(*steps, n.name().getValue() + "/" + Twine(i), n.name().getValue(),
                                             arguments, n.loc());
    if (failed(results))
      return failure();
    condition = (*results)[0];
    for (int s = 0; s < states; s++) {
      Known next = (*results)[size_t(s) + 1];
      if (active) {
        Value a = valueOf(n, next), b = valueOf(n, state[size_t(s)]);
        if (!a || !b || a.getType() != b.getType())
          return keep("a state changes its type while the number of steps is computed from data");
        next = {c.select(active, a, b), {}, {}};
        if (!next.value)
          return failure();
      }
      state[size_t(s)] = next;
    }
    for (auto [scan, value] : llvm::zip(scans, ArrayRef(*results).drop_front(size_t(states) + 1)))
      scan.push_back(value);
  }
  for (int i = 0; i < n.outputCount(); i++) {
    if (n.proto.output(i).empty() || !n.isOutputUsed(i))
      continue;
    if (i < states) {
      n.importer.bind(n.proto.output(i), state[size_t(i)]);
      continue;
    }
    if (i >= outputs)
      return n.error() << "its body has no output for output " << i;
    if (scans[size_t(i - states)].empty())
      return keep("it has no steps, and the shape of what they collect is not known");
    StringAttr name = n.importer.uniqueName(n.name().getValue() + "." + Twine(i));
    if (failed(n.result(stack(n, scans[size_t(i - states)], 0, false, name), i)))
      return failure();
  }
  return success();
}

/// Scan(state..., sequence...), one step for each element along the sequences' axes.
LogicalResult importScan(Node &n) {
  const onnx::GraphProto *step = body(n, "body");
  if (!step || failed(needInputs(n, 0)))
    return failure();
  int sequences = int(n.integer("num_scan_inputs", 0)), states = n.inputCount() - sequences;
  if (sequences < 1 || states < 0 || step->output_size() < states)
    return n.error() << "num_scan_inputs is " << sequences << "; the node has " << n.inputCount()
                     << " inputs and its body " << step->output_size() << " outputs";
  int scans = step->output_size() - states;
  auto list = [&](StringRef name, int count) {
    Ints values = n.integers(name);
    if (!values.empty() && int(values.size()) != count)
      n.error() << "attribute '" << name << "' has " << values.size() << " entries, " << count << " are needed";
    values.resize(size_t(count), 0);
    return values;
  };
  Ints axes = list("scan_input_axes", sequences), backward = list("scan_input_directions", sequences);
  Ints outAxes = list("scan_output_axes", scans), outBackward = list("scan_output_directions", scans);
  Compose c{n};
  SizeExpr length;
  for (int i = 0; i < sequences && !n.hasFailed(); i++) {
    axes[size_t(i)] = n.axis(axes[size_t(i)], n.rank(states + i));
    SizeExpr size = n.hasFailed() ? SizeExpr() : n.sizes(states + i)[size_t(axes[size_t(i)])];
    if (length && size && !c.unify(length, size))
      return n.error() << "its sequences have " << length.str() << " and " << size.str() << " elements";
    length = size;
  }
  if (n.hasFailed())
    return failure();
  std::optional<int64_t> steps = length.constant();
  std::string why;
  if (!steps || (*steps > 0 && !isFew(*steps, *step))) {
    RolledLoop loop;
    Importer::Checkpoint before = n.importer.checkpoint();
    loop.count = n.importer.sizeAnalysis.resolve(length);
    for (int i = 0; i < states; i++)
      loop.states.push_back(n.operand(i));
    for (int i = 0; i < sequences; i++) {
      Ints perm = allAxes(n.rank(states + i));
      std::rotate(perm.begin(), perm.begin() + axes[size_t(i)], perm.begin() + axes[size_t(i)] + 1);
      loop.sequences.push_back(axes[size_t(i)] == 0 ? n.operand(states + i) : c.transpose(n.operand(states + i), perm));
      loop.reversed.push_back(backward[size_t(i)] != 0);
    }
    for (int i = 0; i < scans; i++) {
      loop.collected.push_back(n.isOutputUsed(states + i));
      loop.reversed.push_back(outBackward[size_t(i)] != 0);
    }
    if (n.hasFailed())
      return failure();
    if (std::optional<SmallVector<Value>> results = importRolled(n, *step, loop, why))
      return bindRolled(n, *results, size_t(states), loop.collected, outAxes);
    n.importer.rollback(before);
  }
  if (!steps)
    return n.keep(why);
  if (*steps > kMaxSteps || *steps == 0)
    return n.keep(!why.empty() ? Twine(why) : *steps ? "it has more than " + Twine(kMaxSteps) + " steps" : Twine("it has no steps"));
  SmallVector<Known> state;
  for (int i = 0; i < states; i++)
    state.push_back(stateOf(n, i));
  std::vector<SmallVector<Known>> collected(static_cast<size_t>(scans));
  for (int64_t t = 0; t < *steps; t++) {
    SmallVector<Known> arguments(state);
    for (int i = 0; i < sequences; i++) {
      int64_t axis = axes[size_t(i)], at = backward[size_t(i)] ? *steps - 1 - t : t;
      arguments.push_back({element(n, n.operand(states + i), axis, at), {}, {}});
      if (!arguments.back().value)
        return failure();
    }
    auto results =
        n.importer.importSubgraph(*step, n.name().getValue() + "/" + Twine(t), n.name().getValue(), arguments, n.loc());
    if (failed(results))
      return failure();
    state.assign(results->begin(), results->begin() + states);
    for (int i = 0; i < scans; i++)
      collected[size_t(i)].push_back((*results)[size_t(states + i)]);
  }
  for (int i = 0; i < n.outputCount(); i++) {
    if (n.proto.output(i).empty() || !n.isOutputUsed(i))
      continue;
    if (i < states) {
      n.importer.bind(n.proto.output(i), state[size_t(i)]);
      continue;
    }
    size_t s = size_t(i - states);
    if (s >= collected.size())
      return n.error() << "its body has no output for output " << i;
    StringAttr name = n.importer.uniqueName(n.name().getValue() + "." + Twine(i));
    if (failed(n.result(stack(n, collected[s], outAxes[s], outBackward[s] != 0, name), i)))
      return failure();
  }
  return success();
}

/// Scan of version 8: sequences and states have a batch in front, every sequence of it is a scan of its own.
LogicalResult importBatchedScan(Node &n) {
  const onnx::GraphProto *step = body(n, "body");
  if (!step || failed(needInputs(n, 1)))
    return failure();
  if (n.hasInput(0))
    return n.keep("its sequences have lengths of their own");
  int sequences = int(n.integer("num_scan_inputs", 0)), states = n.inputCount() - 1 - sequences;
  if (sequences < 1 || states < 0 || step->output_size() < states || n.rank(1 + states) < 2)
    return n.error() << "num_scan_inputs is " << sequences << "; the node has " << n.inputCount() << " inputs";
  int64_t batch = n.type(1 + states).getDimSize(0), length = n.type(1 + states).getDimSize(1);
  for (int i = 1; i < n.inputCount(); i++)
    if (n.rank(i) < (i > states ? 2 : 1) || n.type(i).getDimSize(0) != batch ||
        (i > states && n.type(i).getDimSize(1) != length))
      return n.error() << "input " << i << " has type " << n.type(i) << "; it needs a batch of " << batch
                       << (i > states ? " and the steps of the other sequences" : "");
  Ints backward = n.integers("directions");
  backward.resize(size_t(sequences), 0);
  if (ShapedType::isDynamic(length) || ShapedType::isDynamic(batch))
    return n.keepOpen("its number of steps is only known at run time");
  if (length < 1 || batch < 1 || length * batch > kMaxSteps)
    return n.keep("it has no steps or more than " + Twine(kMaxSteps));
  int outputs = step->output_size();
  std::vector<SmallVector<Known>> rows(static_cast<size_t>(outputs));
  for (int64_t b = 0; b < batch; b++) {
    SmallVector<Known> state;
    for (int i = 0; i < states; i++)
      state.push_back({element(n, n.operand(1 + i), 0, b), {}, {}});
    std::vector<SmallVector<Known>> collected(size_t(outputs - states));
    for (int64_t t = 0; t < length; t++) {
      SmallVector<Known> arguments(state);
      for (int i = 0; i < sequences; i++)
        arguments.push_back(
            {element(n, element(n, n.operand(1 + states + i), 0, b), 0, backward[size_t(i)] ? length - 1 - t : t), {}, {}});
      if (llvm::any_of(arguments, [](const Known &k) { return !k.value && !k.attr && !k.data; }))
        return failure();
      auto results = n.importer.importSubgraph(*step, n.name().getValue() + "/" + Twine(b * length + t),
                                               n.name().getValue(), arguments, n.loc());
      if (failed(results))
        return failure();
      state.assign(results->begin(), results->begin() + states);
      for (int i = states; i < outputs; i++)
        collected[size_t(i - states)].push_back((*results)[size_t(i)]);
    }
    for (int i = 0; i < outputs; i++) {
      Known row = i < states ? state[size_t(i)] : Known{stack(n, collected[size_t(i - states)], 0, false, {}), {}, {}};
      rows[size_t(i)].push_back(row);
    }
  }
  for (int i = 0; i < n.outputCount() && i < outputs; i++)
    if (failed(n.result(stack(n, rows[size_t(i)], 0, false, {}), i)))
      return failure();
  return success();
}

constexpr Rule kRules[] = {
    {"If", 1, 1, 1, importIf},
    {"Loop", 1, 0, -1, importLoop},
    {"Scan", 8, 0, -1, importBatchedScan},
    {"Scan", 9, 1, -1, importScan},
};
} // namespace

ArrayRef<Rule> controlRules() { return kRules; }

} // namespace tern::importer
