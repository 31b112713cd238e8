// Nodes that read the codes of a weight.
#include "lib/Export/Exporter.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace tern::exporter {

/// The value that DequantizeLinear makes of the codes, as `output`, before the first of `users`.
void Exporter::dequantize(Constant *root, const Decision &d, const Stored &stored, StringRef output,
                          ArrayRef<Decision *> users) {
  Scope *scope = root->scope;
  Node *first = firstUser(scope, users);
  if (profile.quantNode) {
    addBefore(first, quantNode(root->name.str(), output.str(), stored.scale, stored.zero, d.code.bits,
                               !d.code.asymmetric, d.code.encode().rule == Rule::Absmax));
    return;
  }
  StringRef domain = dequantizeDomain(scope, d);
  if (!domain.empty())
    needMicrosoft(scope);
  bool isDouble = root->type == importer::DOUBLE;
  std::string made = isDouble ? graph.freshName((output + "_float").str()) : output.str();
  std::vector<std::string> inputs{stored.codes, stored.scale};
  if (!stored.zero.empty())
    inputs.push_back(stored.zero);
  NodeBuilder node("DequantizeLinear", domain, inputs, {made}, (root->name + "_DequantizeLinear").str());
  node.integer("axis", stored.axis);
  if (stored.blockSize)
    node.integer("block_size", stored.blockSize);
  addBefore(first, node);
  if (!isDouble)
    return;
  NodeBuilder cast("Cast", "", {made}, {output.str()}, (root->name + "_Cast").str());
  cast.integer("to", importer::DOUBLE);
  addBefore(first, cast);
}

/// Codes stay tied: with blocks to fill up, a Gather reads a slice of those of MatMulNBits.
void Exporter::useNBitsGather(Decision &d, const Stored &stored) {
  Constant *root = d.view->root;
  needMicrosoft(d.node->scope);
  int64_t bits = d.code.bits, columns = root->shape[1], rows = root->shape[0];
  int64_t rowBytes = columns * bits / 8, stride = stored.blocks * stored.blockSize * bits / 8;
  Scope *scope = root->scope;
  Node *at = inScope(d.node, scope);
  auto &rowsOf = gatherRows[root];
  if (rowsOf.codes.empty()) {
    rowsOf = stored;
    std::string base = (root->name + "_rows").str();
    int64_t shape[] = {rows, stride};
    std::string shapeName = addValues<int64_t>(scope, base + "_shape", importer::INT64, {2}, shape, at);
    std::string reshaped = graph.freshName(base);
    addBefore(at, NodeBuilder("Reshape", "", {stored.codes, shapeName}, {reshaped}, reshaped));
    rowsOf.codes = reshaped;
    if (stride != rowBytes) {
      int64_t starts[] = {0}, ends[] = {rowBytes}, axes[] = {1};
      std::string sliced = graph.freshName(base);
      std::vector<std::string> inputs{reshaped, addValues<int64_t>(scope, base + "_start", importer::INT64, {1}, starts, at),
                                      addValues<int64_t>(scope, base + "_end", importer::INT64, {1}, ends, at),
                                      addValues<int64_t>(scope, base + "_axis", importer::INT64, {1}, axes, at)};
      addBefore(at, NodeBuilder("Slice", "", inputs, {sliced}, sliced));
      rowsOf.codes = sliced;
    }
  }
  NodeEdit &edit = edits[d.node];
  edit.op = "GatherBlockQuantized";
  edit.domain = "com.microsoft";
  edit.dropAttributes = true;
  edit.attributes = integerAttribute("bits", bits) + integerAttribute("block_size", stored.blockSize) +
                    integerAttribute("gather_axis", 0) + integerAttribute("quantize_axis", 1);
  edit.inputs[0] = rowsOf.codes;
  edit.inputs[2] = stored.scale;
  if (!stored.zero.empty())
    edit.inputs[3] = stored.zero;
}

/// Y = A * W + bias as MatMulNBits. What it does not have (alpha, beta, a transposed A, a bias of more than a row) is made
/// around it.
void Exporter::useNBits(Decision &d, const Stored &stored) {
  Node *node = d.node;
  needMicrosoft(node->scope);
  const WeightView &view = *d.view;
  int64_t k = view.size(d.reduceAxis), n = view.size(d.channelAxis);
  bool isGemm = d.kind == Kind::Gemm;
  double alpha = isGemm || node->op == "FusedMatMul" ? graph.real(*node, "alpha", 1) : 1;
  double beta = isGemm ? graph.real(*node, "beta", 1) : 1;
  bool transposed = isGemm && graph.integer(*node, "transA", 0);
  NodeEdit &edit = edits[node];
  std::string base = node->label;
  if (transposed) {
    std::string x = graph.freshName(base + "_transposed");
    NodeBuilder transpose("Transpose", "", {node->inputs[0].str()}, {x}, x);
    transpose.integers("perm", {1, 0});
    addBefore(node, transpose);
    edit.inputs[0] = x;
  }
  StringRef bias = isGemm && node->inputs.size() > 2 ? node->inputs[2] : StringRef();
  std::string unused;
  auto biasView = bias.empty() ? std::nullopt : viewConstant(graph, node->scope, bias, unused);
  bool direct = !bias.empty() && biasView && biasView->rank() == 1 && biasView->size(0) == n && alpha == 1 && beta == 1;
  edit.op = "MatMulNBits";
  edit.domain = "com.microsoft";
  edit.dropAttributes = true;
  edit.attributes = integerAttribute("K", k) + integerAttribute("N", n) + integerAttribute("bits", d.code.bits) +
                    integerAttribute("block_size", stored.blockSize) + integerAttribute("accuracy_level", 4);
  edit.inputs[1] = stored.codes;
  edit.inputs[2] = stored.scale;
  if (!stored.zero.empty())
    edit.inputs[3] = stored.zero;
  if (direct)
    edit.inputs[5] = bias.str();
  else
    edit.inputCount = 3;
  std::string result = node->outputs[0].str();
  bool adds = !bias.empty() && !direct;
  if (alpha == 1 && !adds)
    return;
  std::string value = graph.freshName(base + "_product");
  edit.outputs[0] = value;
  auto scaled = [&](std::string x, double factor, StringRef output) {
    float number = float(factor);
    std::string data(reinterpret_cast<const char *>(&number), 4);
    int32_t type = view.type;
    if (type == importer::FLOAT16 || type == importer::BFLOAT16) {
      uint16_t half = type == importer::FLOAT16 ? f32ToF16(number) : f32ToBf16(number);
      data.assign(reinterpret_cast<const char *>(&half), 2);
    }
    std::string constant = addTensor(node->scope, base + "_factor", type, {}, data, nullptr, node);
    addAfter(node, NodeBuilder("Mul", "", {x, constant}, {output.str()}, output));
  };
  if (alpha != 1) {
    std::string next = adds ? graph.freshName(base + "_scaled") : result;
    scaled(value, alpha, next);
    value = next;
  }
  if (!adds)
    return;
  std::string addend = bias.str();
  if (beta != 1) {
    std::string next = graph.freshName(base + "_bias");
    scaled(addend, beta, next);
    addend = next;
  }
  addAfter(node, NodeBuilder("Add", "", {value, addend}, {result}, base + "_Add"));
}

/// The rows of codes and of scales are picked, then dequantized: the table stays codes.
void Exporter::useQdqGather(Decision &d, const Stored &stored) {
  Node *node = d.node;
  std::string base = node->outputs[0].str();
  std::string codes = graph.freshName(base + "_quantized"), scale = graph.freshName(base + "_scale");
  NodeEdit &edit = edits[node];
  edit.inputs[0] = stored.codes;
  edit.outputs[0] = codes;
  std::string indices = node->inputs[1].str();
  std::vector<std::string> inputs{codes, scale};
  addAfter(node, NodeBuilder("Gather", "", {stored.scale, indices}, {scale}, scale));
  if (!stored.zero.empty()) {
    std::string zero = graph.freshName(base + "_zero_point");
    addAfter(node, NodeBuilder("Gather", "", {stored.zero, indices}, {zero}, zero));
    inputs.push_back(zero);
  }
  bool isDouble = d.view->root->type == importer::DOUBLE;
  std::string made = isDouble ? graph.freshName(base + "_float") : base;
  NodeBuilder dequantize("DequantizeLinear", "", inputs, {made}, base + "_DequantizeLinear");
  dequantize.integer("axis", -1);
  dequantize.integer("block_size", stored.blockSize);
  addAfter(node, dequantize);
  if (!isDouble)
    return;
  NodeBuilder cast("Cast", "", {made}, {base}, base + "_Cast");
  cast.integer("to", importer::DOUBLE);
  addAfter(node, cast);
}

std::array<std::string, 3> Exporter::dynamicInput(Node *node, const std::string &x) {
  auto [it, fresh] = dynamicInputs.try_emplace({node->scope, x});
  if (fresh) {
    it->second = {graph.freshName(x + "_quantized"), graph.freshName(x + "_scale"), graph.freshName(x + "_zero_point")};
    addBefore(node, NodeBuilder("DynamicQuantizeLinear", "", {x}, {it->second[0], it->second[1], it->second[2]},
                                it->second[0] + "_DynamicQuantizeLinear"));
  }
  return it->second;
}

/// DynamicQuantizeLinear - MatMulInteger or ConvInteger - Cast - Mul (- Add): what ONNX Runtime fuses into
/// DynamicQuantizeMatMul and MatMulIntegerToFloat.
void Exporter::useDynamic(Decision &d, const Stored &stored) {
  Node *node = d.node;
  NodeEdit &edit = edits[node];
  std::string base = node->label;
  std::string x = node->inputs[0].str();
  bool isGemm = d.kind == Kind::Gemm, isConv = d.kind == Kind::Conv;
  if (isGemm && graph.integer(*node, "transA", 0)) {
    std::string transposed = graph.freshName(base + "_transposed");
    NodeBuilder transpose("Transpose", "", {x}, {transposed}, transposed);
    transpose.integers("perm", {1, 0});
    addBefore(node, transpose);
    x = transposed;
  }
  std::array<std::string, 3> codes = dynamicInput(node, x);
  std::string sum = graph.freshName(base + "_integer"), real = graph.freshName(base + "_sum");
  std::string factor = graph.freshName(base + "_factor");
  edit.op = isConv ? "ConvInteger" : "MatMulInteger";
  if (!isConv)
    edit.dropAttributes = true;
  edit.inputs[0] = codes[0];
  edit.inputs[1] = stored.codes;
  edit.inputs[2] = codes[2];
  edit.outputs[0] = sum;
  NodeBuilder cast("Cast", "", {sum}, {real}, real);
  cast.integer("to", importer::FLOAT);
  addAfter(node, cast);
  addBefore(node, NodeBuilder("Mul", "", {codes[1], stored.scale}, {factor}, factor));
  std::string result = node->outputs[0].str(), value = real;
  StringRef bias = node->inputs.size() > 2 ? node->inputs[2] : StringRef();
  double alpha = isGemm ? graph.real(*node, "alpha", 1) : 1, beta = isGemm ? graph.real(*node, "beta", 1) : 1;
  auto times = [&](const std::string &a, double number, const std::string &output, bool before) {
    float constant = float(number);
    std::string name = addTensor(node->scope, base + "_constant", importer::FLOAT, {},
                                 StringRef(reinterpret_cast<const char *>(&constant), 4), nullptr, node);
    NodeBuilder mul("Mul", "", {a, name}, {output}, output);
    before ? addBefore(node, mul) : addAfter(node, mul);
  };
  if (alpha != 1) {
    std::string scaled = graph.freshName(base + "_factor");
    times(factor, alpha, scaled, true);
    factor = scaled;
  }
  std::string product = bias.empty() ? result : graph.freshName(base + "_product");
  addAfter(node, NodeBuilder("Mul", "", {real, factor}, {product}, base + "_Mul"));
  if (bias.empty())
    return;
  std::string addend = bias.str();
  if (beta != 1) {
    std::string scaled = graph.freshName(base + "_bias");
    times(addend, beta, scaled, true);
    addend = scaled;
  }
  if (isConv) {
    // [O] -> [1, O, 1, ...]
    SmallVector<int64_t> shape(d.view->root->shape.size(), 1);
    shape[1] = -1;
    std::string shapeName = addValues<int64_t>(node->scope, base + "_bias_shape", importer::INT64,
                                               {int64_t(shape.size())}, shape, node);
    std::string reshaped = graph.freshName(base + "_bias");
    addBefore(node, NodeBuilder("Reshape", "", {addend, shapeName}, {reshaped}, reshaped));
    addend = reshaped;
  }
  addAfter(node, NodeBuilder("Add", "", {product, addend}, {result}, base + "_Add"));
}

} // namespace tern::exporter
