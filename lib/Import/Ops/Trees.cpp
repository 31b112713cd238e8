// Tree ensembles of ai.onnx.ml: all trees go down one level at a time, by gathers of what each node says.
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Scores.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

namespace {
enum class Branch { Leq, Lt, Gte, Gt, Eq, Neq, Leaf, Unknown };

/// A node says: go to `yes` when x[feature] <= value, else to `no`; a NaN goes to `yes` where `nanYes`. A leaf goes to itself.
struct TreeNode {
  int64_t feature = 0;
  double value = 0;
  int64_t yes = 0, no = 0;
  bool nanYes = false;
};

struct Ensemble {
  std::vector<TreeNode> nodes;
  Ints roots;
  int64_t outputs = 1;
  std::vector<double> scores; ///< [nodes, outputs], 0 but for leaves
  bool isDouble = false;      ///< compares in f64

  /// Brings a test into the form of TreeNode. Smaller than v is at most the number before v.
  void test(size_t node, Branch mode, double value, int64_t yes, int64_t no, bool nanYes) {
    auto before = [&](double v) {
      return isDouble ? std::nextafter(v, -INFINITY) : double(std::nextafter(float(v), -INFINITY));
    };
    bool swaps = mode == Branch::Gt || mode == Branch::Gte || mode == Branch::Neq;
    if (mode == Branch::Neq)
      nanYes = true;
    if (swaps) {
      std::swap(yes, no);
      nanYes = !nanYes;
    }
    TreeNode &result = nodes[node];
    result.value = mode == Branch::Lt || mode == Branch::Gte ? before(value) : value;
    result.yes = yes, result.no = no, result.nanYes = nanYes;
    if (mode != Branch::Eq && mode != Branch::Neq)
      return;
    // Equal is at most v, and then not less: one more node. A NaN that gets there belongs to `yes`.
    TreeNode notLess = result;
    notLess.value = before(value);
    std::swap(notLess.yes, notLess.no);
    notLess.nanYes = false;
    result.yes = int64_t(nodes.size());
    nodes.push_back(notLess);
  }
};
} // namespace

static Branch branchOf(StringRef mode) {
  return llvm::StringSwitch<Branch>(mode)
      .Case("BRANCH_LEQ", Branch::Leq)
      .Case("BRANCH_LT", Branch::Lt)
      .Case("BRANCH_GTE", Branch::Gte)
      .Case("BRANCH_GT", Branch::Gt)
      .Case("BRANCH_EQ", Branch::Eq)
      .Case("BRANCH_NEQ", Branch::Neq)
      .Case("LEAF", Branch::Leaf)
      .Default(Branch::Unknown);
}

/// The longest way from a root to a leaf; nothing when nodes go round in a circle.
static std::optional<int64_t> depthOf(const Ensemble &ensemble) {
  std::vector<int64_t> level;
  for (int64_t root : ensemble.roots)
    level.push_back(root);
  for (int64_t depth = 0; depth <= int64_t(ensemble.nodes.size()); ++depth) {
    std::vector<int64_t> next;
    for (int64_t at : level) {
      const TreeNode &node = ensemble.nodes[size_t(at)];
      if (node.yes == at && node.no == at)
        continue;
      next.push_back(node.yes);
      next.push_back(node.no);
    }
    // In a tree every node is reached once.
    if (next.size() > 2 * ensemble.nodes.size())
      return std::nullopt;
    if (next.empty())
      return depth;
    level = std::move(next);
  }
  return std::nullopt;
}

/// [N, outputs]: the sums of the leaves that the rows of x reach. Null after an error.
static Value evaluate(Node &n, const Ensemble &ensemble) {
  if (n.rank(0) < 1 || n.rank(0) > 2) {
    n.error() << "input of rank " << n.rank(0) << "; " << n.opType() << " takes rows";
    return {};
  }
  Compose c{n};
  int64_t columns = n.type(0).getShape().back(), count = int64_t(ensemble.nodes.size());
  SizeExpr rows = n.rank(0) == 2 ? n.sizes(0)[0] : c.size(1);
  if (ShapedType::isDynamic(columns)) {
    n.error() << "the number of columns is open; bind it with --dim";
    return {};
  }
  Ints features, yes, no, missing;
  SmallVector<double> values;
  for (const TreeNode &node : ensemble.nodes) {
    if (node.feature < 0 || node.feature >= columns) {
      n.error() << "a node tests column " << node.feature << "; the input has " << columns;
      return {};
    }
    features.push_back(node.feature);
    values.push_back(node.value);
    yes.push_back(node.yes);
    no.push_back(node.no);
    missing.push_back(node.nanYes);
  }
  std::optional<int64_t> depth = depthOf(ensemble);
  if (!depth) {
    n.error() << "its nodes are no trees: one is reached more than once";
    return {};
  }
  Type element = ensemble.isDouble ? Type(n.builder().getF64Type()) : Type(n.builder().getF32Type());
  int64_t trees = int64_t(ensemble.roots.size());
  Value x = c.reshape(c.cast(n.operand(0), element), {c.times(rows, columns)});
  Value first = c.mul(c.places(rows, 0, 2), c.ints({columns}, {1, 1}));
  Value featureOf = c.ints(features, {count}), valueOf = c.reals(element, values, {count}), yesOf = c.ints(yes, {count}),
        noOf = c.ints(no, {count});
  Value missingOf = llvm::is_contained(missing, 1) ? c.ints(missing, {count}) : Value();
  Value at = c.expand(c.ints(ensemble.roots, {1, trees}), {rows, trees});
  for (int64_t level = 0; level < *depth; ++level) {
    Value tested = c.gather(x, c.add(first, c.gather(featureOf, at, 0)), 0);
    Value goes = c.compare(CompareKind::le, tested, c.gather(valueOf, at, 0));
    if (missingOf) {
      Value takes = c.cast(c.gather(missingOf, at, 0), n.builder().getI1Type());
      goes = c.binary(BinaryKind::logical_or, goes, c.both(c.unary(UnaryKind::isnan, tested), takes));
    }
    at = c.select(goes, c.gather(yesOf, at, 0), c.gather(noOf, at, 0));
  }
  Value table = c.reals(n.builder().getF32Type(), ensemble.scores, {count, ensemble.outputs});
  return c.reduce(ReduceKind::sum, c.gather(table, at, 0), {1}, false);
}

/// The numbers of an attribute, or of its form as a tensor; errors are the node's.
static SmallVector<double> numbers(Node &n, StringRef name) {
  const onnx::AttributeProto *tensor = n.find((name + "_as_tensor").str());
  if (!tensor)
    tensor = n.find(name) && n.find(name)->has_t() ? n.find(name) : nullptr;
  if (!tensor) {
    SmallVector<float> values = n.reals(name);
    return SmallVector<double>(values.begin(), values.end());
  }
  FailureOr<TensorData> data = readTensor(n.importer.model, tensor->t(), n.loc());
  DenseElementsAttr attr = succeeded(data) ? toAttribute(*data, n.importer.context) : DenseElementsAttr();
  SmallVector<double> result;
  if (attr && isa<FloatType>(attr.getElementType()))
    for (APFloat value : attr.getValues<APFloat>()) {
      bool lost;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      result.push_back(value.convertToDouble());
    }
  else if (attr)
    for (APInt value : attr.getValues<APInt>())
      result.push_back(double(value.getZExtValue()));
  else
    n.error() << "attribute '" << name << "' is no tensor of numbers";
  return result;
}

/// Sizes of parallel lists agree.
static LogicalResult checkSize(Node &n, StringRef name, size_t size, size_t wanted) {
  if (size == wanted)
    return success();
  return n.error() << "attribute '" << name << "' has " << size << " entries, " << wanted << " are needed";
}

/// The nodes of versions 1 and 3, and the scores of the leaves: `prefix`_treeids, _nodeids, _ids, _weights.
static LogicalResult readTrees(Node &n, StringRef prefix, Ensemble &ensemble) {
  Ints trees = n.integers("nodes_treeids"), ids = n.integers("nodes_nodeids"), features = n.integers("nodes_featureids"),
       yes = n.integers("nodes_truenodeids"), no = n.integers("nodes_falsenodeids"),
       missing = n.integers("nodes_missing_value_tracks_true");
  SmallVector<double> values = numbers(n, "nodes_values");
  const onnx::AttributeProto *modes = n.find("nodes_modes");
  size_t count = ids.size();
  if (n.hasFailed() || failed(checkSize(n, "nodes_treeids", trees.size(), count)) || failed(checkSize(n, "nodes_featureids", features.size(), count)) ||
      failed(checkSize(n, "nodes_truenodeids", yes.size(), count)) || failed(checkSize(n, "nodes_falsenodeids", no.size(), count)) ||
      failed(checkSize(n, "nodes_values", values.size(), count)) || failed(checkSize(n, "nodes_modes", modes ? size_t(modes->strings_size()) : 0, count)) ||
      (!missing.empty() && failed(checkSize(n, "nodes_missing_value_tracks_true", missing.size(), count))))
    return failure();
  llvm::DenseMap<std::pair<int64_t, int64_t>, int64_t> places;
  for (size_t i = 0; i < count; ++i)
    if (!places.try_emplace({trees[i], ids[i]}, int64_t(i)).second)
      return n.error() << "tree " << trees[i] << " has two nodes " << ids[i];
  ensemble.isDouble = n.type(0).getElementType().isF64();
  ensemble.nodes.resize(count);
  std::vector<bool> isChild(count, false);
  for (size_t i = 0; i < count; ++i) {
    Branch mode = branchOf(modes->strings(int(i)));
    if (mode == Branch::Unknown)
      return n.error() << "mode '" << modes->strings(int(i)) << "' of a node is not defined";
    if (mode == Branch::Leaf) {
      ensemble.nodes[i].yes = ensemble.nodes[i].no = int64_t(i);
      continue;
    }
    auto toYes = places.find({trees[i], yes[i]}), toNo = places.find({trees[i], no[i]});
    if (toYes == places.end() || toNo == places.end())
      return n.error() << "tree " << trees[i] << " has no node " << (toYes == places.end() ? yes[i] : no[i]);
    ensemble.nodes[i].feature = features[i];
    isChild[size_t(toYes->second)] = isChild[size_t(toNo->second)] = true;
    ensemble.test(i, mode, values[i], toYes->second, toNo->second, !missing.empty() && missing[i]);
  }
  for (size_t i = 0; i < count; ++i)
    if (!isChild[i])
      ensemble.roots.push_back(int64_t(i));
  Ints leafTrees = n.integers((prefix + "_treeids").str()), leafIds = n.integers((prefix + "_nodeids").str()),
       outputs = n.integers((prefix + "_ids").str());
  SmallVector<double> weights = numbers(n, (prefix + "_weights").str());
  std::string listed = (prefix + "_weights").str();
  if (n.hasFailed() || failed(checkSize(n, listed, weights.size(), outputs.size())) || failed(checkSize(n, listed, weights.size(), leafTrees.size())) ||
      failed(checkSize(n, listed, weights.size(), leafIds.size())))
    return failure();
  ensemble.scores.assign(ensemble.nodes.size() * size_t(ensemble.outputs), 0);
  for (size_t i = 0; i < weights.size(); ++i) {
    auto leaf = places.find({leafTrees[i], leafIds[i]});
    if (leaf == places.end() || outputs[i] < 0 || outputs[i] >= ensemble.outputs)
      return n.error() << "a score is given to output " << outputs[i] << " of node " << leafIds[i] << " in tree " << leafTrees[i]
                       << ", which is not there";
    ensemble.scores[size_t(leaf->second * ensemble.outputs + outputs[i])] += weights[i];
  }
  return success();
}

/// Sum or mean of the trees, plus the base values. False: another aggregate, which is kept.
static bool aggregated(Node &n, Value &scores, const Ensemble &ensemble, StringRef function) {
  Compose c{n};
  if (function != "SUM" && function != "AVERAGE")
    return false;
  if (function == "AVERAGE")
    scores = c.div(scores, c.number(scores, double(ensemble.roots.size())));
  return true;
}

/// TreeEnsembleRegressor<...>(x)
static LogicalResult importRegressor(Node &n) {
  Ensemble ensemble;
  ensemble.outputs = n.integer("n_targets", 1);
  if (ensemble.outputs < 1 || ensemble.outputs > (1 << 20))
    return n.error() << "n_targets is " << ensemble.outputs;
  std::string function = n.string("aggregate_function", "SUM");
  if (function == "MIN" || function == "MAX")
    return n.keep("it takes the smallest or largest tree");
  if (failed(readTrees(n, "target", ensemble)))
    return failure();
  Value scores = evaluate(n, ensemble);
  if (!aggregated(n, scores, ensemble, function))
    return n.error() << "aggregate_function '" << function << "' is not defined";
  Compose c{n};
  SmallVector<double> base = numbers(n, "base_values");
  if (!base.empty()) {
    if (failed(checkSize(n, "base_values", base.size(), size_t(ensemble.outputs))))
      return failure();
    scores = c.add(scores, c.reals(n.builder().getF32Type(), base, {ensemble.outputs}));
  }
  bool known;
  scores = transformedScores(n, scores, known);
  return known ? n.result(scores) : n.keep("its post_transform is neither NONE, SOFTMAX nor LOGISTIC");
}

/// TreeEnsembleClassifier<...>(x): labels and scores. As ONNX Runtime has it, one score is enough for two classes.
static LogicalResult importClassifier(Node &n) {
  Ints labels = n.integers("classlabels_int64s");
  if (labels.empty())
    return n.keep("its labels are strings");
  Ensemble ensemble;
  ensemble.outputs = int64_t(labels.size());
  if (failed(readTrees(n, "class", ensemble)))
    return failure();
  Ints ids = n.integers("class_ids");
  llvm::DenseSet<int64_t> distinct(ids.begin(), ids.end());
  bool isBinary = labels.size() == 2 && distinct.size() == 1;
  if (isBinary && ids.front() != 0)
    return n.keep("its one score is that of the second class");
  SmallVector<double> base = numbers(n, "base_values");
  if (!base.empty() && base.size() != labels.size() && !(isBinary && base.size() == 1))
    return n.error() << "attribute 'base_values' has " << base.size() << " entries for " << labels.size() << " classes";
  if (isBinary && base.size() == 2)
    return n.keep("it has two base values for one score");
  Compose c{n};
  Value scores = evaluate(n, ensemble);
  Type f32 = n.builder().getF32Type();
  if (!isBinary) {
    if (!base.empty())
      scores = c.add(scores, c.reals(f32, base, {ensemble.outputs}));
    return classify(n, scores, labels);
  }
  scores = c.slice(scores, 1, 0, 1);
  if (!base.empty())
    scores = c.add(scores, c.reals(f32, base, {1}));
  bool isPositive = llvm::all_of(ensemble.scores, [](double score) { return score >= 0; });
  return classifyBinary(n, scores, labels, isPositive);
}

/// TreeEnsemble<...>(x), version 5: inner nodes and leaves are numbered apart, modes and aggregates are numbers.
static LogicalResult importEnsemble(Node &n) {
  constexpr Branch kModes[] = {Branch::Leq, Branch::Lt, Branch::Gte, Branch::Gt, Branch::Eq, Branch::Neq};
  constexpr StringRef kTransforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  constexpr StringRef kFunctions[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  Ints features = n.integers("nodes_featureids"), yes = n.integers("nodes_truenodeids"), no = n.integers("nodes_falsenodeids"),
       yesLeaf = n.integers("nodes_trueleafs"), noLeaf = n.integers("nodes_falseleafs"), outputs = n.integers("leaf_targetids"),
       missing = n.integers("nodes_missing_value_tracks_true");
  SmallVector<double> splits = numbers(n, "nodes_splits"), modes = numbers(n, "nodes_modes"), weights = numbers(n, "leaf_weights");
  size_t count = features.size();
  if (n.hasFailed() || failed(checkSize(n, "nodes_truenodeids", yes.size(), count)) || failed(checkSize(n, "nodes_falsenodeids", no.size(), count)) ||
      failed(checkSize(n, "nodes_trueleafs", yesLeaf.size(), count)) || failed(checkSize(n, "nodes_falseleafs", noLeaf.size(), count)) ||
      failed(checkSize(n, "nodes_splits", splits.size(), count)) || failed(checkSize(n, "nodes_modes", modes.size(), count)) ||
      failed(checkSize(n, "leaf_targetids", outputs.size(), weights.size())) ||
      (!missing.empty() && failed(checkSize(n, "nodes_missing_value_tracks_true", missing.size(), count))))
    return failure();
  int64_t function = n.integer("aggregate_function", 1), transform = n.integer("post_transform", 0);
  if (function < 0 || function > 3 || transform < 0 || transform > 4)
    return n.error() << "aggregate_function " << function << " or post_transform " << transform << " is not defined";
  if (function > 1)
    return n.keep("it takes the smallest or largest tree");
  Ensemble ensemble;
  ensemble.outputs = n.integer("n_targets", 1);
  ensemble.roots = n.integers("tree_roots");
  ensemble.isDouble = n.type(0).getElementType().isF64();
  size_t all = count + weights.size();
  if (ensemble.outputs < 1 || ensemble.outputs > (1 << 20) || ensemble.roots.empty() || all > (size_t(1) << 32))
    return n.error() << "it has " << ensemble.outputs << " targets and " << ensemble.roots.size() << " trees";
  ensemble.nodes.resize(all);
  for (size_t i = count; i < all; ++i)
    ensemble.nodes[i].yes = ensemble.nodes[i].no = int64_t(i);
  auto place = [&](int64_t id, bool isLeaf) {
    bool inside = id >= 0 && id < int64_t(isLeaf ? weights.size() : count);
    return inside ? id + int64_t(isLeaf ? count : 0) : int64_t(-1);
  };
  for (size_t i = 0; i < count; ++i) {
    int64_t toYes = place(yes[i], yesLeaf[i]), toNo = place(no[i], noLeaf[i]);
    if (toYes < 0 || toNo < 0)
      return n.error() << "node " << i << " leads to a node that is not there";
    if (modes[i] == 6)
      return n.keep("a node asks for membership in a set");
    if (modes[i] > 6)
      return n.error() << "mode " << int64_t(modes[i]) << " of node " << i << " is not defined";
    ensemble.nodes[i].feature = features[i];
    ensemble.test(i, kModes[size_t(modes[i])], splits[i], toYes, toNo, !missing.empty() && missing[i]);
  }
  for (int64_t root : ensemble.roots)
    if (root < 0 || root >= int64_t(count))
      return n.error() << "there is no node " << root << " to be a root";
  ensemble.scores.assign(ensemble.nodes.size() * size_t(ensemble.outputs), 0);
  for (size_t i = 0; i < weights.size(); ++i) {
    if (outputs[i] < 0 || outputs[i] >= ensemble.outputs)
      return n.error() << "leaf " << i << " gives to target " << outputs[i] << ", which is not there";
    ensemble.scores[(count + i) * size_t(ensemble.outputs) + size_t(outputs[i])] += weights[i];
  }
  Value scores = evaluate(n, ensemble);
  aggregated(n, scores, ensemble, kFunctions[function]);
  Compose c{n};
  if (scores && ensemble.isDouble)
    scores = c.cast(scores, n.builder().getF64Type());
  bool known;
  scores = transformedScores(n, scores, kTransforms[transform], known);
  return known ? n.result(scores) : n.keep("its post_transform is SOFTMAX_ZERO or PROBIT");
}

static constexpr llvm::StringLiteral kMl = "ai.onnx.ml";
static constexpr Rule kRules[] = {
    {"TreeEnsembleRegressor", 1, 1, 1, importRegressor, kMl},
    {"TreeEnsembleClassifier", 1, 1, 1, importClassifier, kMl},
    {"TreeEnsemble", 5, 1, 1, importEnsemble, kMl},
};
ArrayRef<Rule> treeRules() { return kRules; }

} // namespace tern::importer
