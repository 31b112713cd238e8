// Versions of the standard operators: which a format needs, and what a newer one would change.
#include "lib/Export/Exporter.h"
#include "mlir/IR/Diagnostics.h"

using namespace llvm;
using namespace mlir;

namespace tern::exporter {
namespace {

/// What has to be done to a node when its opset passes a version in which its meaning or its form changed. From the
/// changelog of the operators (onnx/docs/Changelog.md) and the adapters of onnx/version_converter/convert.h; all other
/// versions only added types or optional inputs.
enum class Change : uint8_t {
  Never,          ///< no equal form is known
  HasAttribute,   ///< fine without the attribute
  AxesToInput,    ///< attribute axes -> input 1
  SplitToInput,   ///< attribute split -> input 1
  SplitCount,     ///< without sizes it needs num_outputs
  DropAttribute,  ///< the attribute means nothing at inference
  ClipToInputs,   ///< min, max -> inputs
  PadToInputs,    ///< pads, value -> inputs
  SliceToInputs,  ///< starts, ends, axes -> inputs
  TopKToInput,    ///< k -> input
  FlattenSoftmax, ///< from the product of the dimensions behind axis to one axis
  ManyOutputs,    ///< fine with one output
  SameAutoPad,    ///< fine unless auto_pad is SAME_*
  GridMode,       ///< mode bilinear -> linear, bicubic -> cubic
};
struct Break {
  StringLiteral op;
  int64_t version;
  Change change;
  StringLiteral attribute = "";
};
constexpr Break kBreaks[] = {
    {"BatchNormalization", 9, Change::DropAttribute, "spatial"},
    {"BatchNormalization", 14, Change::ManyOutputs},
    {"Clip", 11, Change::ClipToInputs},
    {"ConvTranspose", 11, Change::SameAutoPad},
    {"DFT", 20, Change::Never},
    {"Dropout", 10, Change::ManyOutputs},
    {"Dropout", 12, Change::DropAttribute, "ratio"},
    {"GridSample", 20, Change::GridMode, "mode"},
    {"GroupNormalization", 21, Change::Never},
    {"Hardmax", 13, Change::FlattenSoftmax},
    {"LogSoftmax", 13, Change::FlattenSoftmax},
    {"MeanVarianceNormalization", 9, Change::HasAttribute, "across_channels"},
    {"Pad", 11, Change::PadToInputs},
    {"ReduceL1", 18, Change::AxesToInput},
    {"ReduceL2", 18, Change::AxesToInput},
    {"ReduceLogSum", 18, Change::AxesToInput},
    {"ReduceLogSumExp", 18, Change::AxesToInput},
    {"ReduceMax", 18, Change::AxesToInput},
    {"ReduceMean", 18, Change::AxesToInput},
    {"ReduceMin", 18, Change::AxesToInput},
    {"ReduceProd", 18, Change::AxesToInput},
    {"ReduceSum", 13, Change::AxesToInput},
    {"ReduceSumSquare", 18, Change::AxesToInput},
    {"Resize", 11, Change::Never},
    {"RoiAlign", 16, Change::Never},
    {"Scan", 9, Change::Never},
    {"Scatter", 11, Change::Never},
    {"Slice", 10, Change::SliceToInputs},
    {"Softmax", 13, Change::FlattenSoftmax},
    {"Split", 13, Change::SplitToInput},
    {"Split", 18, Change::SplitCount},
    {"Squeeze", 13, Change::AxesToInput},
    {"TopK", 10, Change::TopKToInput},
    {"Unsqueeze", 13, Change::AxesToInput},
    {"Upsample", 9, Change::Never},
    {"Upsample", 10, Change::Never},
};

/// IR version that an opset came with (onnx/docs/Versioning.md).
constexpr std::pair<int64_t, int64_t> kIrOfOpset[] = {{25, 12}, {24, 11}, {23, 11}, {21, 10}, {19, 9},
                                                      {15, 8},  {12, 7},  {11, 6},  {10, 5},  {9, 4}};
int64_t irOf(int64_t opset) {
  for (auto [version, ir] : kIrOfOpset)
    if (opset >= version)
      return ir;
  return 3;
}
} // namespace

static bool lies(const Scope *scope, const Scope &root) {
  while (scope->parent)
    scope = scope->parent;
  return scope == &root;
}

/// A float constant takes the type of the model's values, which only a model of one float type tells.
static bool isAllFloat32(const OnnxGraph &graph) {
  return llvm::none_of(graph.constants, [](const Constant &c) {
    return c.type == importer::FLOAT16 || c.type == importer::BFLOAT16 || c.type == importer::DOUBLE;
  });
}

/// Whether the change applies to the node, and if so, whether it can be made.
static bool applies(const OnnxGraph &graph, const Node &node, const Break &change, std::string &obstacle) {
  auto has = [&](StringRef name) { return node.attributeField(name, graph.file).has_value(); };
  auto refuse = [&](const Twine &why) {
    obstacle = why.str();
    return true;
  };
  switch (change.change) {
  case Change::Never:
    return refuse("means something else from opset " + Twine(change.version) + " on");
  case Change::HasAttribute:
    return has(change.attribute) && refuse("has the attribute " + change.attribute);
  case Change::AxesToInput:
    return has("axes");
  case Change::SplitToInput:
    return has("split");
  case Change::SplitCount:
    return node.inputs.size() < 2 && !has("split");
  case Change::DropAttribute:
    if (change.attribute == "spatial" && graph.integer(node, "spatial", 1) == 0)
      return refuse("has spatial = 0");
    return has(change.attribute);
  case Change::ClipToInputs:
    if (!has("min") && !has("max"))
      return false;
    return isAllFloat32(graph) || refuse("clips values of unknown float type");
  case Change::PadToInputs:
    if (graph.real(node, "value", 0) != 0 && !isAllFloat32(graph))
      return refuse("pads values of unknown float type");
    return true;
  case Change::SliceToInputs:
  case Change::TopKToInput:
    return true;
  case Change::FlattenSoftmax:
    return graph.integer(node, "axis", 1) != -1;
  case Change::ManyOutputs:
    return llvm::count_if(node.outputs, [](StringRef o) { return !o.empty(); }) > 1 &&
           refuse("has several outputs");
  case Change::SameAutoPad:
    return graph.text(node, "auto_pad").starts_with("SAME") && refuse("has auto_pad = SAME");
  case Change::GridMode:
    return has("mode") && graph.text(node, "mode") != "nearest";
  }
  return false;
}

Node *Exporter::blocksRaise(const Scope &root, int64_t from, int64_t to, std::string &why) {
  for (Node &node : graph.nodes) {
    if (!node.domain.empty() || !lies(node.scope, root))
      continue;
    for (const Break &change : kBreaks) {
      std::string obstacle;
      if (change.op != node.op || change.version <= from || change.version > to ||
          !applies(graph, node, change, obstacle))
        continue;
      if (!obstacle.empty())
        return why = (node.op + " '" + node.label + "' " + obstacle).str(), &node;
    }
  }
  return nullptr;
}

/// Rewrites a node for the versions that it passes.
void Exporter::convertNode(Node &node, int64_t from, int64_t to) {
  auto input = [&](unsigned index, StringRef what, ArrayRef<int64_t> values) {
    SmallVector<int64_t> shape{int64_t(values.size())};
    edits[&node].inputs[index] =
        addValues<int64_t>(node.scope, node.label + "_" + what.str(), importer::INT64, shape, values, &node);
  };
  auto real = [&](unsigned index, StringRef what, double value) {
    float values[] = {float(value)};
    edits[&node].inputs[index] =
        addValues<float>(node.scope, node.label + "_" + what.str(), importer::FLOAT, {}, values, &node);
  };
  for (const Break &change : kBreaks) {
    std::string obstacle;
    if (change.op != node.op || change.version <= from || change.version > to ||
        !applies(graph, node, change, obstacle))
      continue;
    NodeEdit &edit = edits[&node];
    switch (change.change) {
    case Change::AxesToInput:
      edit.dropped.insert("axes");
      input(1, "axes", graph.integers(node, "axes"));
      break;
    case Change::SplitToInput:
      edit.dropped.insert("split");
      input(1, "split", graph.integers(node, "split"));
      break;
    case Change::SplitCount:
      edit.attributes += integerAttribute("num_outputs", int64_t(node.outputs.size()));
      break;
    case Change::DropAttribute:
      edit.dropped.insert(change.attribute.str());
      break;
    case Change::ClipToInputs:
      for (auto [index, name] : {std::pair(1u, "min"), std::pair(2u, "max")})
        if (node.attributeField(name, graph.file)) {
          edit.dropped.insert(name);
          real(index, name, graph.real(node, name, 0));
        }
      break;
    case Change::PadToInputs:
      edit.dropped.insert({"pads", "value"});
      input(1, "pads", graph.integers(node, "pads"));
      if (double value = graph.real(node, "value", 0))
        real(2, "value", value);
      break;
    case Change::SliceToInputs:
      for (auto [index, name] : {std::pair(1u, "starts"), std::pair(2u, "ends"), std::pair(3u, "axes")})
        if (node.attributeField(name, graph.file)) {
          edit.dropped.insert(name);
          input(index, name, graph.integers(node, name));
        }
      break;
    case Change::TopKToInput:
      edit.dropped.insert("k");
      input(1, "k", {graph.integer(node, "k", 1)});
      break;
    case Change::FlattenSoftmax: {
      // y = Reshape(Softmax(Flatten(x, axis)), Shape(x))
      std::string x = node.inputs[0].str(), y = node.outputs[0].str();
      std::string shape = graph.freshName(y + "_shape"), flat = graph.freshName(y + "_flat"),
                  soft = graph.freshName(y + "_softmax");
      addBefore(&node, NodeBuilder("Shape", "", {x}, {shape}, shape));
      NodeBuilder flatten("Flatten", "", {x}, {flat}, flat);
      flatten.integer("axis", graph.integer(node, "axis", 1));
      addBefore(&node, flatten);
      edit.inputs[0] = flat;
      edit.outputs[0] = soft;
      edit.dropAttributes = true;
      edit.attributes += integerAttribute("axis", -1);
      addAfter(&node, NodeBuilder("Reshape", "", {soft, shape}, {y}, y + "_Reshape"));
      break;
    }
    case Change::GridMode: {
      edit.dropped.insert("mode");
      std::string inner;
      FieldWriter writer(inner);
      writer.bytes(attribute::name, "mode");
      writer.bytes(attribute::s, graph.text(node, "mode") == "bicubic" ? "cubic" : "linear");
      writer.number(attribute::type, attribute::kString);
      FieldWriter(edit.attributes).bytes(node::attribute, inner);
      break;
    }
    default:
      break;
    }
  }
}

/// The version that a form cannot do without.
int64_t Exporter::neededOpset(const Decision &d) const {
  Constant *root = d.view ? d.view->root : nullptr;
  switch (d.form) {
  case Form::Dynamic:
    return 11;
  case Form::QdqGather:
    return 21;
  case Form::Qdq:
  case Form::Static: {
    bool perAxis = isPerAxis(root, d.grouping);
    int64_t needed = d.code.bits == 2 ? 25 : !perAxis ? 21 : d.code.bits < 8 && !profile.contrib ? 21 : 0;
    if (d.code.scale == Element::bf16() || (d.code.scale == Element::f16() && !profile.contrib))
      needed = std::max<int64_t>(needed, 19);
    return std::max<int64_t>(needed, profile.contrib ? 0 : 13);
  }
  default:
    return 0;
  }
}

LogicalResult Exporter::chooseOpset() {
  // Functions go with the graph: ONNX Runtime inlines them, and then reads their nodes by the versions of the model.
  SmallVector<Scope *> roots;
  int64_t from = graph.opsetOf(graph.main()), oldest = from;
  for (Scope &scope : graph.scopes)
    if (!scope.parent) {
      roots.push_back(&scope);
      oldest = std::min(oldest, graph.opsetOf(scope));
    }
  // Without the raise what needs it takes another form; then what is left may need less.
  for (;;) {
    int64_t to = from;
    for (const Decision &d : decisions)
      if (d.form != Form::Float)
        to = std::max(to, std::max(neededOpset(d), neededOpset(d) > graph.opsetOf(*d.node->scope) ? from : 0));
    bool needed = llvm::any_of(decisions, [&](const Decision &d) {
      return d.form != Form::Float && neededOpset(d) > graph.opsetOf(*d.node->scope);
    });
    if (!needed)
      break;
    std::string why;
    for (Scope *root : roots)
      if (why.empty())
        blocksRaise(*root, graph.opsetOf(*root), to, why);
    if (why.empty()) {
      for (Scope *root : roots)
        if (graph.opsetOf(*root) < to)
          raised[root] = to;
      newIr = std::max(newIr, irOf(to));
      break;
    }
    why = "the model's opset " + std::to_string(from) + " cannot be raised to " + std::to_string(to) + ": " + why;
    for (Decision &d : decisions)
      if (d.form != Form::Float && neededOpset(d) > oldest)
        avoidRaise(d, oldest, why);
  }
  for (const auto &[scope, to] : raised)
    for (Node &node : graph.nodes)
      if (node.domain.empty() && lies(node.scope, *scope))
        convertNode(node, graph.opsetOf(*scope), to);
  // 4-bit types came with IR 10.
  for (const Decision &d : decisions)
    if ((d.usesDequantize() || d.form == Form::QdqGather) && d.code.bits < 8)
      newIr = std::max<int64_t>(newIr, d.code.bits == 2 ? 12 : 10);
  report.oldOpset = graph.opsetOf(graph.main());
  report.newOpset = opset(&graph.main());
  return success();
}

/// The nearest form that the model's own opset has.
void Exporter::avoidRaise(Decision &d, int64_t from, const std::string &why) {
  auto leave = [&] {
    d.form = Form::Float;
    d.why = why;
  };
  auto &users = byRoot[d.view->root];
  if (d.form == Form::QdqGather && (d.code.bits == 8 || profile.contrib)) {
    d.form = Form::Qdq;
    remark(d, "its table is dequantized as a whole: " + why);
    if (neededOpset(d) <= from)
      return;
  }
  if (d.form == Form::Dynamic) {
    d.form = Form::Qdq;
    remark(d, "its activations stay float: " + why);
    if (neededOpset(d) <= from)
      return;
  }
  // One scale an output channel needs no blocks.
  if (d.usesDequantize() && profile.contrib && d.code.bits > 2) {
    int64_t channel = d.view->perm[size_t(d.channelAxis)];
    Constant *root = d.view->root;
    Grouping wide{true, channel, root->elements() / root->shape[size_t(channel)]};
    for (Decision *user : users)
      user->grouping = wide;
    if (neededOpset(d) <= from) {
      remark(d, "one scale an output channel instead of groups: " + why, /*isWarning=*/true);
      return;
    }
  }
  leave();
  llvm::erase(users, &d);
}

} // namespace tern::exporter
