// Static activations: QuantizeLinear and DequantizeLinear with the ranges of calibration.
#include "lib/Export/Exporter.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringSet.h"
#include <cmath>

using namespace llvm;
using namespace mlir;

namespace tern::exporter {

bool Exporter::mayBeStatic(const Decision &d, std::string &why) const {
  if (d.kind == Kind::Gather)
    return false;
  if (d.kind == Kind::Recurrent)
    return why = "no runtime has an integer " + d.node->op.str() + " of QuantizeLinear form: its activations stay float",
           false;
  if (d.node->scope != &graph.scopes.front())
    return why = "it lies in a subgraph, whose values calibration does not see: its activations stay float", false;
  if (d.view->type != importer::FLOAT && d.view->type != importer::FLOAT16)
    return why = "QuantizeLinear is for float32 and float16 here: its activations stay float", false;
  return true;
}

/// The value at the end of an op and what ONNX Runtime folds into it: a batch norm, then Relu or Clip.
std::string Exporter::endOf(const Decision &d) const {
  std::string value = d.norm ? d.norm->outputs[0].str() : d.node->outputs[0].str();
  std::vector<Use> uses = graph.usesOf(&graph.scopes.front(), value);
  if (uses.size() == 1 && uses[0].node && uses[0].scope == &graph.scopes.front() &&
      (uses[0].node->is("Relu") || uses[0].node->is("Clip")) && uses[0].input == 0)
    return uses[0].node->outputs[0].str();
  return value;
}

std::vector<std::string> Exporter::activationNames() {
  findWeights();
  std::vector<std::string> names;
  llvm::StringSet<> seen;
  auto add = [&](const std::string &name) {
    if (!name.empty() && seen.insert(name).second)
      names.push_back(name);
  };
  if (failed(options.plan ? takePlan() : chooseSchemes()))
    return names;
  for (Decision &d : decisions) {
    std::string unused;
    if (!d.view || d.scheme.activationBits != 8 || d.scheme.isFloat() || !mayBeStatic(d, unused))
      continue;
    if (Node *norm = foldableNorm(d))
      d.norm = norm;
    add(d.node->inputs[1 - d.input].str());
    add(endOf(d));
  }
  return names;
}

//===-- batch norms ---------------------------------------------------------===//

/// The batch norm that alone reads a convolution: its factors go into the weight, which no runtime can do once the weight
/// is codes.
Node *Exporter::foldableNorm(const Decision &d) const {
  if (d.kind != Kind::Conv && d.kind != Kind::ConvTranspose)
    return nullptr;
  if (d.kind == Kind::ConvTranspose && graph.integer(*d.node, "group", 1) != 1)
    return nullptr;
  Scope *scope = d.node->scope;
  std::vector<Use> uses = graph.usesOf(scope, d.node->outputs[0]);
  if (uses.size() != 1 || !uses[0].node || uses[0].scope != scope || uses[0].input != 0 ||
      !uses[0].node->is("BatchNormalization") || uses[0].node->inputs.size() != 5)
    return nullptr;
  Node *norm = uses[0].node;
  if (llvm::count_if(norm->outputs, [](StringRef output) { return !output.empty(); }) != 1 ||
      graph.integer(*norm, "training_mode", 0) || graph.integer(*norm, "spatial", 1) == 0)
    return nullptr;
  // The weight must be this op's alone, and all else constant.
  if (!d.view->path.empty() || d.view->root->isDerived || graph.usesOf(d.view->root->scope, d.view->root->name).size() != 1)
    return nullptr;
  int64_t channels = d.view->size(d.channelAxis);
  auto isVector = [&](StringRef name) {
    Constant *constant = graph.constantOf(scope, name);
    return constant && constant->type == importer::FLOAT && constant->elements() == channels;
  };
  for (unsigned i = 1; i < 5; ++i)
    if (!isVector(norm->inputs[i]))
      return nullptr;
  if (d.node->inputs.size() > 2 && !d.node->inputs[2].empty() && !isVector(d.node->inputs[2]))
    return nullptr;
  return norm;
}

FailureOr<std::vector<float>> Exporter::readVector(Scope *scope, StringRef name) {
  FailureOr<importer::TensorData> data = graph.read(*graph.constantOf(scope, name));
  if (failed(data))
    return failure();
  std::vector<float> values(size_t(data->elements));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = loadFloat(data->type->number, data->bytes.data.data(), int64_t(i));
  return values;
}

LogicalResult Exporter::foldNorm(Decision &d) {
  Node *norm = d.norm;
  Scope *scope = d.node->scope;
  std::vector<float> values[4];
  for (unsigned i = 0; i < 4; ++i) {
    FailureOr<std::vector<float>> read = readVector(scope, norm->inputs[i + 1]);
    if (failed(read))
      return failure();
    values[i] = std::move(*read);
  }
  double epsilon = graph.real(*norm, "epsilon", 1e-5);
  bool hasBias = d.node->inputs.size() > 2 && !d.node->inputs[2].empty();
  d.bias.assign(values[0].size(), 0);
  if (hasBias) {
    FailureOr<std::vector<float>> read = readVector(scope, d.node->inputs[2]);
    if (failed(read))
      return failure();
    d.bias = std::move(*read);
  }
  for (size_t i = 0; i < d.bias.size(); ++i) {
    double factor = values[0][i] / std::sqrt(double(values[3][i]) + epsilon);
    d.factor.push_back(float(factor));
    d.bias[i] = float((double(d.bias[i]) - values[2][i]) * factor + values[1][i]);
  }
  edits[norm].removed = true;
  removed.insert(norm);
  edits[d.node].outputs[0] = norm->outputs[0].str();
  // Its parameters go with it, and the old bias.
  SmallVector<StringRef> names(norm->inputs.begin() + 1, norm->inputs.end());
  if (hasBias)
    names.push_back(d.node->inputs[2]);
  for (StringRef name : names) {
    Constant *constant = graph.constantOf(scope, name);
    if (graph.usesOf(constant->scope, name).size() == 1 && !constant->isOutput && !removedConstants.contains(constant))
      removeConstant(constant);
  }
  return success();
}

//===-- codes of activations ------------------------------------------------===//

Exporter::ActivationCodes Exporter::codesOf(const std::string &name) const {
  const ExportRange &range = options.ranges.find(name)->second;
  ActivationCodes codes;
  double lo = std::min(range.lo, 0.0), hi = std::max(range.hi, 0.0);
  if (profile.symmetricOnly) {
    codes.type = importer::INT8;
    codes.scale = float(std::max(-lo, hi) / 127);
  } else {
    codes.scale = float((hi - lo) / 255);
  }
  if (!(codes.scale > 0) || !std::isfinite(codes.scale))
    codes.scale = 1;
  if (!profile.symmetricOnly)
    codes.zero = std::clamp<int64_t>(std::llround(-lo / codes.scale), 0, 255);
  if (profile.signedActivations && !profile.symmetricOnly) {
    codes.type = importer::INT8;
    codes.zero -= 128;
  }
  return codes;
}

/// Which values are rounded, before any node is changed.
void Exporter::planActivations() {
  for (Decision &d : decisions) {
    if (d.form != Form::Static)
      continue;
    std::string end = endOf(d);
    bool isOutput = llvm::any_of(graph.usesOf(&graph.main(), end), [](const Use &use) { return !use.node; });
    bool isConv = d.kind == Kind::Conv || d.kind == Kind::ConvTranspose;
    if (profile.quantizesOutputs && isConv && !isOutput && options.ranges.count(end))
      outputs.insert(end);
  }
  for (Decision &d : decisions)
    if (d.form == Form::Static) {
      std::string x = d.node->inputs[1 - d.input].str();
      if (!outputs.count(x))
        inputs.insert(x);
    }
}

/// Adds the two nodes behind a value; returns the name of the dequantized one.
void Exporter::roundValue(const std::string &from, const std::string &to, const std::string &named, Node *behind,
                          int32_t type) {
  ActivationCodes codes = codesOf(named);
  Scope *scope = &graph.main();
  Node *at = behind ? behind : scope->nodes.front();
  auto add = [&](const NodeBuilder &node) { behind ? addAfter(at, node) : addBefore(at, node); };
  std::string data(reinterpret_cast<const char *>(&codes.scale), 4);
  if (type == importer::FLOAT16) {
    uint16_t half = f32ToF16(codes.scale);
    data.assign(reinterpret_cast<const char *>(&half), 2);
  }
  SmallVector<int64_t> shape;
  if (profile.onesScale)
    shape.push_back(1);
  std::string scale = addTensor(scope, named + "_scale", type, shape, data, nullptr, at);
  if (profile.quantNode) {
    float zero = float(codes.zero);
    std::string zeroName = addTensor(scope, named + "_zero_point", importer::FLOAT, {},
                                     StringRef(reinterpret_cast<const char *>(&zero), 4), nullptr, at);
    add(quantNode(from, to, scale, zeroName, 8, codes.type == importer::INT8, false));
    return;
  }
  char zeroByte = char(codes.zero);
  std::string zero = addTensor(scope, named + "_zero_point", codes.type, shape, StringRef(&zeroByte, 1), nullptr, at);
  std::string quantized = graph.freshName(named + "_quantized");
  // 16-bit floats came with opset 19.
  int64_t needed = type == importer::FLOAT16 ? 19 : 10;
  StringRef domain = opset(scope) < needed && profile.contrib ? "com.microsoft" : "";
  if (!domain.empty())
    needMicrosoft(scope);
  add(NodeBuilder("QuantizeLinear", domain, {from, scale, zero}, {quantized}, named + "_QuantizeLinear"));
  add(NodeBuilder("DequantizeLinear", domain, {quantized, scale, zero}, {to}, named + "_DequantizeLinear"));
}

void Exporter::emitActivations() {
  Scope *scope = &graph.main();
  std::map<std::string, int32_t> typeOf;
  for (const Decision &d : decisions)
    if (d.form == Form::Static) {
      typeOf[d.node->inputs[1 - d.input].str()] = d.view->type;
      typeOf[endOf(d)] = d.view->type;
    }
  std::map<std::string, std::string> rounded; // value -> what reads the rounded one
  // Behind convolutions everybody reads the rounded value: only then it is one integer op.
  for (const std::string &value : outputs) {
    Node *producer = scope->producers.lookup(value);
    Node *writer = producer;
    for (const Decision &d : decisions)
      if (d.norm == producer)
        writer = d.node; // the batch norm is gone
    std::string raw = graph.freshName(value + "_unrounded");
    edits[writer].outputs[0] = raw;
    roundValue(raw, value, value, writer, typeOf[value]);
    rounded[value] = value;
  }
  for (const std::string &value : inputs) {
    std::string name = graph.freshName(value + "_rounded");
    Node *producer = scope->producers.lookup(value);
    roundValue(value, name, value, producer, typeOf[value]);
    rounded[value] = name;
  }
  for (Decision &d : decisions)
    if (d.form == Form::Static) {
      std::string x = d.node->inputs[1 - d.input].str();
      if (rounded[x] != x)
        edits[d.node].inputs[1 - d.input] = rounded[x];
    }
  // Ops between rounded values that have integer kernels read rounded values too.
  for (Node *node : scope->nodes) {
    bool isBetween = llvm::is_contained({"Add", "Mul", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool"}, node->op) &&
                     node->domain.empty() && !edits[node].removed && node->outputs.size() == 1 &&
                     rounded.count(node->outputs[0].str());
    if (!isBetween || !llvm::all_of(node->inputs, [&](StringRef name) { return rounded.count(name.str()) != 0; }))
      continue;
    for (auto [i, name] : llvm::enumerate(node->inputs))
      if (rounded[name.str()] != name)
        edits[node].inputs[unsigned(i)] = rounded[name.str()];
  }
}

/// Whether the bias becomes int32 with the scale of the sum.
static bool hasIntegerBias(const OnnxGraph &graph, const Profile &profile, const Decision &d) {
  bool plain =
      d.kind != Kind::Gemm || (graph.real(*d.node, "alpha", 1) == 1 && graph.real(*d.node, "beta", 1) == 1);
  bool oneScale = d.grouping.perChannel || d.grouping.block >= d.view->root->shape[size_t(d.grouping.axis)];
  return profile.biasInt32 && plain && oneScale && d.view->type == importer::FLOAT && d.input == 1 && !d.bias.empty();
}

/// Before the weight is encoded: its scale must leave the bias room.
LogicalResult Exporter::readBias(Decision &d) {
  Node *node = d.node;
  bool takesBias = d.kind == Kind::Conv || d.kind == Kind::ConvTranspose || d.kind == Kind::Gemm;
  if (takesBias && d.bias.empty() && node->inputs.size() > 2 && !node->inputs[2].empty()) {
    Constant *constant = graph.constantOf(node->scope, node->inputs[2]);
    if (constant && constant->isFloat() && constant->shape.size() == 1 &&
        constant->elements() == d.view->size(d.channelAxis)) {
      FailureOr<std::vector<float>> read = readVector(node->scope, node->inputs[2]);
      if (failed(read))
        return failure();
      d.bias = std::move(*read);
    }
  }
  if (!hasIntegerBias(graph, profile, d) || byRoot[d.view->root].size() != 1)
    return success();
  float xScale = codesOf(node->inputs[0].str()).scale;
  for (float bias : d.bias)
    d.leastScale.push_back(std::fabs(bias) / (xScale * 0x1p30f));
  return success();
}

/// The bias: int32 with the scale of the sum, or float.
LogicalResult Exporter::useStatic(Decision &d, const Stored &stored) {
  if (d.bias.empty())
    return success();
  Node *node = d.node;
  std::string base = node->label + "_bias";
  int64_t channels = int64_t(d.bias.size());
  bool fits = hasIntegerBias(graph, profile, d) && stored.scaleValues.size() == d.bias.size();
  std::vector<int32_t> codes;
  std::vector<float> scales;
  float xScale = codesOf(node->inputs[1 - d.input].str()).scale;
  for (size_t i = 0; fits && i < d.bias.size(); ++i) {
    scales.push_back(xScale * stored.scaleValues[i]);
    double code = std::nearbyint(double(d.bias[i]) / scales.back());
    fits = std::fabs(code) <= 2147483647.0;
    codes.push_back(fits ? int32_t(code) : 0);
  }
  if (!fits) {
    if (d.norm)
      edits[node].inputs[2] = addValues<float>(node->scope, base, importer::FLOAT, {channels}, d.bias, node);
    return success();
  }
  if (!d.norm) {
    Constant *constant = graph.constantOf(node->scope, node->inputs[2]);
    if (graph.usesOf(constant->scope, constant->name).size() == 1 && !constant->isOutput &&
        !removedConstants.contains(constant))
      removeConstant(constant);
  }
  std::string codesName = addValues<int32_t>(node->scope, base + "_quantized", importer::INT32, {channels}, codes, node);
  std::string scaleName = addValues<float>(node->scope, base + "_scale", importer::FLOAT, {channels}, scales, node);
  std::string value = graph.freshName(base);
  StringRef domain = opset(node->scope) < 13 && profile.contrib ? "com.microsoft" : "";
  if (!domain.empty())
    needMicrosoft(node->scope);
  NodeBuilder dequantize("DequantizeLinear", domain, {codesName, scaleName}, {value}, base + "_DequantizeLinear");
  dequantize.integer("axis", 0);
  addBefore(node, dequantize);
  edits[node].inputs[2] = value;
  return success();
}

//===-- QONNX ---------------------------------------------------------------===//

NodeBuilder Exporter::quantNode(const std::string &from, const std::string &to, const std::string &scale,
                                const std::string &zero, unsigned bits, bool isSigned, bool narrow) {
  float width = float(bits);
  Node *at = graph.main().nodes.front();
  std::string widthName = addTensor(&graph.main(), to + "_bits", importer::FLOAT, {},
                                    StringRef(reinterpret_cast<const char *>(&width), 4), nullptr, at);
  NodeBuilder node("Quant", "qonnx.custom_op.general", {from, scale, zero, widthName}, {to}, to + "_Quant");
  node.integer("signed", isSigned);
  node.integer("narrow", narrow);
  std::string inner;
  FieldWriter writer(inner);
  writer.bytes(attribute::name, "rounding_mode");
  writer.bytes(attribute::s, "ROUND");
  writer.number(attribute::type, attribute::kString);
  FieldWriter(node.text).bytes(node::attribute, inner);
  usesQonnx = true;
  return node;
}

} // namespace tern::exporter
