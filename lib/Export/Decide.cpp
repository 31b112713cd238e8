// Which weights there are, and what becomes of each.
#include "lib/Export/Exporter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Regex.h"

using namespace llvm;
using namespace mlir;

namespace tern::exporter {

const char *str(Form form) {
  switch (form) {
  case Form::Float:
    return "float";
  case Form::Qdq:
  case Form::QdqGather:
    return "onnx.DequantizeLinear";
  case Form::NBits:
    return "onnx.MatMulNBits";
  case Form::NBitsGather:
    return "onnx.GatherBlockQuantized";
  case Form::Dynamic:
    return "onnx.DynamicQuantizeLinear";
  case Form::Static:
    return "onnx.QuantizeLinear";
  }
  return "";
}

void Exporter::remark(const Decision &d, const Twine &text, bool isWarning) {
  report.remarks.push_back({d.name, d.node->op.str(), text.str(), isWarning});
}

//===-- weights -------------------------------------------------------------===//

/// Ops without a float constant are listed only when they are of a kind that has weights.
void Exporter::addWeight(Node *node, unsigned input, Kind kind, int64_t channelAxis, int64_t reduceAxis,
                         StringRef suffix) {
  Decision &d = decisions.emplace_back();
  d.node = node;
  d.input = input;
  d.kind = kind;
  d.name = node->label + suffix.str();
  d.view = viewConstant(graph, node->scope, node->inputs[input], d.why);
  if (!d.view)
    return;
  int64_t rank = d.view->rank();
  auto wrap = [&](int64_t axis) { return axis < 0 ? axis + rank : axis; };
  d.channelAxis = wrap(channelAxis), d.reduceAxis = wrap(reduceAxis);
  if (rank < 2 || d.channelAxis < 0 || d.reduceAxis < 0 || d.channelAxis >= rank || d.reduceAxis >= rank) {
    d.why = "its weight has " + std::to_string(rank) + " dimension" + (rank == 1 ? "" : "s") + "; a matrix has two";
    d.view.reset();
  } else if (d.view->root->elements() == 0) {
    d.why = "its weight is empty";
    d.view.reset();
  }
}

/// Ops on codes, of ONNX and of com.microsoft.
constexpr StringLiteral kIntegerOps[] = {"ConvInteger",      "MatMulInteger",         "QLinearConv",
                                         "QLinearMatMul",    "QGemm",                 "MatMulNBits",
                                         "MatMulBnb4",       "GatherBlockQuantized",  "DynamicQuantizeMatMul",
                                         "DynamicQuantizeLSTM", "MatMulIntegerToFloat", "QAttention"};

void Exporter::findWeights() {
  std::map<std::string, int64_t> others;
  for (Node &node : graph.nodes) {
    size_t inputs = node.inputs.size();
    std::string unused;
    auto isConstant = [&](unsigned i) {
      return i < inputs && viewConstant(graph, node.scope, node.inputs[i], unused).has_value();
    };
    if ((node.is("MatMul") || node.is("FusedMatMul", "com.microsoft")) && inputs >= 2) {
      bool fused = node.op == "FusedMatMul";
      bool left = isConstant(0) && !isConstant(1);
      bool transposed = fused && graph.integer(node, left ? "transA" : "transB", 0);
      bool swapped = left != transposed;
      addWeight(&node, left ? 0 : 1, Kind::MatMul, swapped ? -2 : -1, swapped ? -1 : -2);
    } else if (node.is("Gemm") && inputs >= 2) {
      bool left = isConstant(0) && !isConstant(1);
      bool transposed = graph.integer(node, left ? "transA" : "transB", 0);
      bool swapped = left != transposed;
      addWeight(&node, left ? 0 : 1, Kind::Gemm, swapped ? 0 : 1, swapped ? 1 : 0);
    } else if (node.is("Conv") && inputs >= 2) {
      addWeight(&node, 1, Kind::Conv, 0, 1);
    } else if (node.is("ConvTranspose") && inputs >= 2) {
      addWeight(&node, 1, Kind::ConvTranspose, 1, 0);
    } else if (node.is("Gather") && inputs >= 2) {
      // Most Gathers pick sizes; those of float tables are embeddings.
      auto view = viewConstant(graph, node.scope, node.inputs[0], unused);
      if (!view || view->rank() < 2) {
        ++others[node.op.str()];
        continue;
      }
      addWeight(&node, 0, Kind::Gather, 0, -1);
      Decision &d = decisions.back();
      int64_t axis = graph.integer(node, "axis", 0);
      if (d.view && axis != 0 && axis != -view->rank()) {
        d.why = "it gathers along axis " + std::to_string(axis) + ", not rows";
        d.view.reset();
      }
    } else if ((node.is("LSTM") || node.is("GRU") || node.is("RNN")) && inputs >= 3) {
      addWeight(&node, 1, Kind::Recurrent, 1, 2, "");
      addWeight(&node, 2, Kind::Recurrent, 1, 2, ".r");
    } else if (llvm::is_contained(kIntegerOps, node.op)) {
      Decision &d = decisions.emplace_back();
      d.node = &node;
      d.name = node.label;
      d.why = "it is quantized already";
    } else if (!node.is("Constant")) {
      ++others[(node.domain.empty() ? node.op : StringRef((node.domain + "." + node.op).str())).str()];
    }
  }
  report.withoutWeight.assign(others.begin(), others.end());
  llvm::sort(report.withoutWeight,
             [](const auto &a, const auto &b) { return std::pair(-a.second, a.first) < std::pair(-b.second, b.first); });
}

//===-- schemes -------------------------------------------------------------===//

LogicalResult Exporter::chooseSchemes() {
  std::vector<std::string> names;
  for (const Decision &d : decisions)
    names.push_back(d.name);
  auto match = [&](StringRef flag, StringRef pattern, const Scheme &scheme) -> LogicalResult {
    Regex regex(("^(" + pattern + ")$").str());
    std::string error;
    if (!regex.isValid(error))
      return emitError(graph.model.loc()) << flag << " '" << pattern << "' is not a regular expression: " << error;
    bool any = false;
    for (Decision &d : decisions)
      if (regex.match(d.name)) {
        d.scheme = scheme;
        d.isNamed = true;
        any = true;
      }
    if (any)
      return success();
    auto diag = emitError(graph.model.loc()) << flag << " '" << pattern << "' matches no op that has a weight";
    std::vector<std::string> near = nearestNames(pattern, names);
    if (!near.empty()) {
      diag << "; near names: ";
      llvm::interleaveComma(near, diag, [&](const std::string &name) { diag << "'" << name << "'"; });
    }
    return diag;
  };
  for (Decision &d : decisions)
    d.scheme = options.scheme;
  for (const Override &rule : options.overrides)
    if (failed(match("--override", rule.pattern, rule.scheme)))
      return failure();
  for (const std::string &pattern : options.excludes)
    if (failed(match("--exclude", pattern, Scheme{})))
      return failure();
  return success();
}

/// The scheme that a plan gives an op.
static Scheme schemeOf(const PlanOp &op) {
  Scheme scheme;
  if (!op.w)
    return scheme;
  scheme.weightBits = op.w->elem.bits;
  scheme.activationBits = op.x ? 8 : 16;
  scheme.asymmetric = op.w->find(Role::Zero) != nullptr;
  const Plane *scale = op.w->find(Role::Scale);
  // Blocks of [out, in...]: [1, B] of a matrix, [1, B, 1, 1] of a convolution.
  if (scale)
    for (int64_t block : scale->block)
      scheme.group = std::max(scheme.group, block == kWhole || block == 1 ? 0 : block);
  return scheme;
}

LogicalResult Exporter::takePlan() {
  llvm::StringMap<Decision *> byName;
  std::vector<std::string> names;
  for (Decision &d : decisions) {
    d.scheme = Scheme{};
    d.code.method.clear();
    if (d.why.empty())
      d.why = "the plan does not name it";
    byName[d.name] = &d;
    names.push_back(d.name);
  }
  for (const PlanOp &op : options.plan->ops) {
    Decision *d = byName.lookup(op.name);
    if (!d && options.partialPlan)
      continue;
    if (!d) {
      auto diag = emitError(graph.model.loc()) << "the plan names the op '" << op.name << "', which the model does not have";
      std::vector<std::string> near = nearestNames(op.name, names, 1);
      if (!near.empty())
        diag << "; did you mean '" << near.front() << "'?";
      return diag;
    }
    if (op.w && !d->view)
      return emitError(graph.loc(*d->node)) << "the plan quantizes '" << op.name << "', but " << d->why;
    if (op.w && (!op.w->elem.isInteger() || (op.w->elem.bits != 2 && op.w->elem.bits != 4 && op.w->elem.bits != 8)))
      return emitError(graph.loc(*d->node))
             << "the plan gives '" << op.name << "' weights of format " << op.w->str()
             << "; ONNX files hold integers of 2, 4 or 8 bits";
    d->scheme = schemeOf(op);
    d->isNamed = true;
    d->code.method = op.method;
    if (d->view)
      d->why = op.w ? "" : op.why.empty() ? "the plan leaves it float" : op.why;
  }
  return success();
}

//===-- forms ---------------------------------------------------------------===//

/// MatMulNBits: Y = A * dequantize(B)^T + bias, B [N, K] (ONNX Runtime docs/ContribOperators.md).
bool Exporter::canNBits(const Decision &d, std::string &why) const {
  const Node &node = *d.node;
  if (d.kind != Kind::MatMul && d.kind != Kind::Gemm)
    return why = "MatMulNBits and GatherBlockQuantized are no " + node.op.str() + "; --emit=onnx-qdq has a form for it",
           false;
  if (d.input != 1)
    return why = "MatMulNBits takes its weight on the right, this one is on the left", false;
  if (d.view->rank() != 2)
    return why = "MatMulNBits takes a matrix, this weight has " + std::to_string(d.view->rank()) + " dimensions", false;
  if (node.op == "FusedMatMul" && (graph.integer(node, "transA", 0) || graph.integer(node, "transBatchA", 0) ||
                                   graph.integer(node, "transBatchB", 0)))
    return why = "it transposes its input", false;
  if (d.view->type == importer::DOUBLE)
    return why = "MatMulNBits has no float64", false;
  return true;
}

bool Exporter::canDynamic(const Decision &d, std::string &why) const {
  const Node &node = *d.node;
  if (d.scheme.weightBits != 8)
    return why = "ONNX has no product of int8 with " + std::to_string(d.scheme.weightBits) +
                 "-bit codes: its activations stay float",
           false;
  if (!profile.dynamic)
    return why = "--qdq-profile=" + options.profile + " has no activations quantized at run time: they stay float", false;
  if (d.kind == Kind::ConvTranspose || d.kind == Kind::Recurrent)
    return why = "ONNX has no integer " + node.op.str() + ": its activations stay float", false;
  if (d.kind == Kind::Gather)
    return false;
  if (d.input != 1 || (d.kind != Kind::Conv && d.view->rank() != 2))
    return why = "MatMulInteger with one scale a column takes a matrix on the right: its activations stay float", false;
  if (node.op == "FusedMatMul")
    return why = "there is no integer FusedMatMul: its activations stay float", false;
  if (d.view->type != importer::FLOAT)
    return why = "DynamicQuantizeLinear takes float32 only: its activations stay float", false;
  if (opset(node.scope) < 10)
    return why = "DynamicQuantizeLinear needs opset 11, the model has " + std::to_string(opset(node.scope)) +
                 ": its activations stay float",
           false;
  // A group with few channels is a short sum: integers save no time there and the rounding of x costs accuracy.
  if (d.kind == Kind::Conv && graph.integer(node, "group", 1) > 1)
    return why = "a grouped convolution gains nothing from integers here: its activations stay float", false;
  return true;
}

/// Input channels below which a group of 4-bit weights saves nothing and costs accuracy; as nn-plan has it.
constexpr int64_t kFewChannels = 16;

void Exporter::chooseGrouping(Decision &d) {
  const WeightView &view = *d.view;
  int64_t channel = view.perm[size_t(d.channelAxis)], reduce = view.perm[size_t(d.reduceAxis)];
  int64_t length = view.root->shape[size_t(reduce)];
  d.code.bits = d.scheme.weightBits;
  d.code.asymmetric = d.scheme.asymmetric;
  d.code.scale = scaleElement(view.type);
  bool isConv = d.kind == Kind::Conv || d.kind == Kind::ConvTranspose;
  if (isConv && d.code.bits < 8 && length < kFewChannels) {
    remark(d, "8 bits instead of " + Twine(d.code.bits) + ": it has fewer than " + Twine(kFewChannels) +
                  " input channels a group");
    d.code.bits = 8;
    d.scheme.group = 0;
  }
  // Gather has no types below 8 bits (onnx/docs/Operators.md), and dequantizing a table for a few rows is slow.
  bool gathersCodes = d.kind == Kind::Gather && !(options.nbits && profile.contrib);
  if (gathersCodes && d.code.bits < 8 && graph.usesOf(view.root->scope, view.root->name).size() == 1) {
    remark(d, "8 bits instead of " + Twine(d.code.bits) + ": Gather has no narrower types");
    d.code.bits = 8;
    d.scheme.group = 0;
  } else if (d.kind == Kind::Gather && d.code.bits < 8 && !d.isNamed) {
    // A table is looked up, not multiplied: its bits cost no time, and often it is the last matrix too.
    remark(d, "8 bits instead of " + Twine(d.code.bits) + ": it is a table; --override='" + d.name + "=" + d.scheme.str() +
                  "' takes " + Twine(d.code.bits));
    d.code.bits = 8;
    d.scheme.group = 0;
  }
  if (profile.quantNode && d.scheme.group) {
    remark(d, "one scale an output channel: Quant has no groups");
    d.scheme.group = 0;
  }
  // In groups of 4 bits a clipped largest weight can cost more than the finer step gains: SmolLM2 has perplexity 64.5 with rtn in groups of
  // 32, 72.9 and 81.2 (rtn-mse) in groups of 128; ocr_rec g128 is the exception (0.905 and 0.933). With few codes, or one scale a
  // channel, the search is better.
  bool searches = d.code.bits < 4 || (d.code.bits == 4 && !d.scheme.group);
  if (d.code.method.empty())
    d.code.method = options.method != "auto" ? options.method : searches ? "rtn-mse" : "rtn";
  if (d.scheme.group)
    d.grouping = {false, reduce, std::min(d.scheme.group, length)};
  else if (view.rank() == 2 || (d.kind == Kind::Recurrent && view.root->shape[0] > 1) || d.kind == Kind::Gather)
    d.grouping = {false, reduce, length};
  else
    d.grouping = {true, channel, view.root->elements() / std::max<int64_t>(1, view.root->shape[size_t(channel)])};
}

void Exporter::chooseWeightForm(Decision &d) {
  std::string why;
  if (options.nbits && profile.contrib) {
    if (d.kind == Kind::Gather) {
      // uint8 data are packed along the last axis, which has no room for a gap (ONNX Runtime, GatherBlockQuantized).
      int64_t row = d.view->size(1);
      bool rows = d.view->rank() == 2 && d.view->perm[0] == 0;
      if (rows && row % (8 / int64_t(d.code.bits)) == 0 && d.view->type != importer::DOUBLE) {
        d.form = Form::NBitsGather;
        return;
      }
      why = "GatherBlockQuantized takes a matrix whose rows are whole bytes; --emit=onnx-qdq has a form for it";
    } else if (canNBits(d, why)) {
      d.form = Form::NBits;
      return;
    }
  } else if (options.nbits) {
    why = "--qdq-profile=" + options.profile + " does not read com.microsoft";
  }
  if (!options.qdq) {
    d.why = why;
    return;
  }
  // Gather has no types below 8 bits (Operators.md): then the table is dequantized as a whole.
  bool gathersCodes = d.kind == Kind::Gather && d.view->path.empty() && d.code.bits == 8 && !d.grouping.perChannel;
  d.form = gathersCodes ? Form::QdqGather : Form::Qdq;
}

void Exporter::chooseForm(Decision &d) {
  if (!d.view)
    return;
  if (d.scheme.isFloat()) {
    if (d.why.empty())
      d.why = options.plan ? "the plan leaves it float" : "it is excluded";
    return;
  }
  Constant *root = d.view->root;
  if (root->isInput && graph.irVersion >= 4) {
    d.why = "its weight is an input of the model with a default value, which a caller may replace";
    return;
  }
  if (root->node && root->scope->isFunction && options.nbits && !options.qdq && d.kind == Kind::Gather)
    return void(d.why = "a function has no initializers");
  if (profile.symmetricOnly && d.scheme.asymmetric) {
    remark(d, "symmetric weights: --qdq-profile=" + options.profile + " has no zero points");
    d.scheme.asymmetric = false;
  }
  chooseGrouping(d);
  bool activations = d.scheme.activationBits == 8;
  std::string why;
  if (activations && options.qdq && !options.ranges.empty() && mayBeStatic(d, why) &&
      !(options.nbits && canNBits(d, why))) {
    if (options.ranges.count(d.node->inputs[1 - d.input])) {
      d.form = Form::Static;
      return;
    }
    why = "calibration has seen no values of its input: its activations stay float";
  }
  if (activations && options.qdq && !options.nbits && options.ranges.empty() && canDynamic(d, why)) {
    d.form = Form::Dynamic;
    // One scale an output channel: the sum of products is of integers.
    int64_t channel = d.view->perm[size_t(d.channelAxis)], reduce = d.view->perm[size_t(d.reduceAxis)];
    d.code.asymmetric = false;
    d.grouping = d.kind == Kind::Conv
                     ? Grouping{true, channel, d.view->root->elements() / std::max<int64_t>(1, root->shape[size_t(channel)])}
                     : Grouping{false, reduce, root->shape[size_t(reduce)]};
    return;
  }
  chooseWeightForm(d);
  if (d.form == Form::Float)
    return;
  if (activations && d.form == Form::NBits)
    return;
  if (activations && !why.empty())
    remark(d, why);
}

/// A tied weight is quantized once: the first op decides, all others read its codes.
void Exporter::tieWeights() {
  for (Decision &d : decisions)
    if (d.form != Form::Float)
      byRoot[d.view->root].push_back(&d);
  for (auto &[root, users] : byRoot) {
    if (users.size() < 2)
      continue;
    // A tied matrix has the bits of the table.
    auto table = llvm::find_if(users, [](const Decision *d) { return d->kind == Kind::Gather && d->code.bits == 8; });
    if (table != users.end())
      for (Decision *d : users)
        if (d->code.bits < 8 && !d->isNamed && d->grouping.axis == (*table)->grouping.axis && !d->grouping.perChannel) {
          d->code = (*table)->code;
          d->grouping = (*table)->grouping;
        }
    // Integer products have the narrowest choice of formats, MatMulNBits the next.
    auto rank = [](const Decision *d) {
      return d->form == Form::Dynamic ? 0 : d->form == Form::NBits ? 1 : d->kind == Kind::Gather ? 3 : 2;
    };
    Decision *first = *std::min_element(users.begin(), users.end(),
                                        [&](Decision *a, Decision *b) { return rank(a) < rank(b); });
    std::vector<Decision *> kept;
    for (Decision *d : users) {
      if (d == first || (d->grouping == first->grouping && d->code.bits == first->code.bits &&
                         d->code.asymmetric == first->code.asymmetric)) {
        kept.push_back(d);
        continue;
      }
      bool isRows = first->grouping.axis == d->grouping.axis && !first->grouping.perChannel;
      if (d->usesDequantize() || (isRows && d->form != Form::Dynamic)) {
        d->grouping = first->grouping;
        d->code = first->code;
        if (d->form == Form::QdqGather && d->code.bits < 8)
          d->form = Form::Qdq;
        kept.push_back(d);
        continue;
      }
      // Gather of rows wants blocks along the row.
      if (d->form == Form::QdqGather || (d->form == Form::NBitsGather && options.qdq)) {
        d->form = Form::Qdq;
        d->grouping = first->grouping;
        d->code = first->code;
        kept.push_back(d);
        continue;
      }
      d->form = Form::Float;
      d->why = "its weight is that of '" + first->name + "' too, whose codes have another layout";
    }
    users = std::move(kept);
    if (users.size() < 2)
      continue;
    for (Decision *d : users)
      if (d != users.front())
        remark(*d, "shares the codes of '" + Twine(users.front()->name) + "': the weight '" + root->name +
                       "' is tied and stays tied");
  }
}

LogicalResult Exporter::decide() {
  findWeights();
  if (failed(options.plan ? takePlan() : chooseSchemes()))
    return failure();
  for (const Decision &d : decisions)
    if (auto it = options.rangesByOp.find(d.name); it != options.rangesByOp.end())
      options.ranges[d.node->inputs[1 - std::min(d.input, 1u)]] = it->second;
  for (Decision &d : decisions)
    chooseForm(d);
  tieWeights();
  return success();
}

Element Exporter::scaleElement(int32_t type) {
  return type == importer::FLOAT16 ? Element::f16() : type == importer::BFLOAT16 ? Element::bf16() : Element::f32();
}

//===-- the plan ------------------------------------------------------------===//

void Exporter::writePlan() {
  Plan &plan = report.plan;
  plan.ops.clear();
  for (const Decision &d : decisions) {
    PlanOp op;
    op.name = d.name;
    op.op = d.node->op.str();
    if (d.view) {
      op.n = d.view->size(d.channelAxis);
      op.k = op.n ? d.view->root->elements() / op.n : 0;
      op.weightBytes = d.view->root->elements() * int64_t(importer::findDataType(d.view->root->type)->bits) / 8;
    }
    op.row = str(d.form);
    if (d.form == Form::Float) {
      op.why = d.why;
      ++report.left;
    } else {
      // As nn has it: [out, in], the reduction last.
      int64_t columns = RowLayout(d.view->root->shape, d.grouping).columns;
      op.w = d.code.format(d.grouping.block, columns);
      op.wEncode = d.code.encode();
      op.method = d.code.method;
      op.weightBytes = d.view->root->elements() * int64_t(d.code.bits) / 8 +
                       d.view->root->elements() / columns * ((columns + d.grouping.block - 1) / d.grouping.block) *
                           (d.code.scale.bits / 8);
      ++report.quantized;
      if (d.form == Form::Dynamic) {
        op.x = Format{Element::ui(8), {{Role::Scale, Element::f32(), {}}, {Role::Zero, Element::ui(8), {}}}};
        op.xEncode = Encode(Rule::Minmax, 0, 255);
        ++report.dynamic;
      }
      if (d.form == Form::Static) {
        op.x = Format{Element::ui(8), {{Role::Scale, Element::f32(), {}}, {Role::Zero, Element::ui(8), {}}}};
        op.xStatic = true;
        ++report.fixed;
      }
    }
    plan.ops.push_back(std::move(op));
  }
}

} // namespace tern::exporter
