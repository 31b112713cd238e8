// ONNX Runtime's fused elementwise ops and products (com.microsoft).
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Products.h"
#include "llvm/ADT/StringSwitch.h"
#include <limits>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static Value unary(Node &n, UnaryKind kind, Value x, StringAttr name = {}) {
  return x ? n.create<UnaryOp>(kind, x, FloatAttr(), FloatAttr(), name) : Value();
}

/// Gelu(x), BiasGelu(x, bias), FastGelu(x, bias): the last one is the tanh form.
static LogicalResult importFusedGelu(Node &n) {
  Value x = n.operand(0);
  if (x && n.hasInput(1))
    x = n.create<BinaryOp>(BinaryKind::add, x, n.operand(1), StringAttr());
  return n.result(unary(n, n.opType() == "FastGelu" ? UnaryKind::gelu_tanh : UnaryKind::gelu, x, n.name()));
}

/// x * sigmoid(alpha * x)
static LogicalResult importQuickGelu(Node &n) {
  Value x = n.operand(0);
  float alpha = n.real("alpha", 1.702f);
  if (alpha == 1)
    return n.result(unary(n, UnaryKind::silu, x, n.name()));
  if (!x)
    return failure();
  Value inner = n.create<BinaryOp>(BinaryKind::mul, x, n.scalar(tensorType(x).getElementType(), alpha), StringAttr());
  Value gate = unary(n, UnaryKind::sigmoid, inner);
  return gate ? n.result(n.create<BinaryOp>(BinaryKind::mul, x, gate, n.name())) : failure();
}

/// transBatch: the first dimension is the second last of the matrices: [m, batch.., k] -> [batch.., m, k].
static Value unbatch(Node &n, Value x, bool yes) {
  int64_t rank = x ? tensorType(x).getRank() : 0;
  if (!yes || rank < 3)
    return x;
  Ints perm;
  for (int64_t i = 1; i + 1 < rank; i++)
    perm.push_back(i);
  perm.append({0, rank - 1});
  return n.create<TransposeOp>(x, perm, StringAttr());
}

/// FusedMatMul<alpha, transA, transB, transBatchA, transBatchB>(a, b)
static LogicalResult importFusedMatMul(Node &n) {
  bool transA = n.integer("transA", 0) && n.rank(0) > 1, transB = n.integer("transB", 0) && n.rank(1) > 1;
  float alpha = n.real("alpha", 1);
  Value x = unbatch(n, n.operand(0), n.integer("transBatchA", 0)), w = unbatch(n, n.operand(1), n.integer("transBatchB", 0));
  return importProduct(n, x, w, [&](Value a, Value b) {
    // As in Gemm: alpha belongs to a constant operand, where it can be folded into the weight.
    Value *factor = !n.known(1)->value ? &b : !n.known(0)->value ? &a : nullptr;
    auto scaled = [&](Value value) {
      return n.create<BinaryOp>(BinaryKind::mul, value, n.scalar(tensorType(value).getElementType(), alpha), StringAttr());
    };
    if (alpha != 1 && factor)
      *factor = scaled(*factor);
    Value y = a && b ? n.create<MatmulOp>(a, b, Value(), transA, transB, n.name()) : Value();
    return y && alpha != 1 && !factor ? scaled(y) : y;
  });
}

/// y after `activation`, whose parameters are `parameters`; null (and `known` false) for one that is not read.
static Value activated(Node &n, Value y, ArrayRef<float> parameters, bool &known) {
  std::string activation = n.string("activation", "");
  auto parameter = [&](size_t i, float otherwise) { return i < parameters.size() ? parameters[i] : otherwise; };
  auto real = [&](float value) { return n.builder().getF32FloatAttr(value); };
  std::optional<UnaryKind> kind = llvm::StringSwitch<std::optional<UnaryKind>>(activation)
                                      .Case("Relu", UnaryKind::relu)
                                      .Case("Sigmoid", UnaryKind::sigmoid)
                                      .Case("Tanh", UnaryKind::tanh)
                                      .Case("HardSwish", UnaryKind::hard_swish)
                                      .Default(std::nullopt);
  known = true;
  if (activation.empty() || !y)
    return y;
  if (kind)
    return unary(n, *kind, y);
  if (activation == "LeakyRelu")
    return n.create<UnaryOp>(UnaryKind::leaky_relu, y, real(parameter(0, 0.01f)), FloatAttr(), StringAttr());
  if (activation == "HardSigmoid")
    return n.create<UnaryOp>(UnaryKind::hard_sigmoid, y, real(parameter(0, 0.2f)), real(parameter(1, 0.5f)), StringAttr());
  if (activation == "Clip")
    return n.create<ClipOp>(y, n.builder().getF64FloatAttr(parameter(0, std::numeric_limits<float>::lowest())),
                            n.builder().getF64FloatAttr(parameter(1, std::numeric_limits<float>::max())), StringAttr());
  known = false;
  return {};
}

/// FusedConv<activation, activation_params>(x, w, b, z) = activation(conv(x, w, b) + z)
static LogicalResult importFusedConv(Node &n) {
  Value y = convolution(n);
  if (y && n.hasInput(3))
    y = Compose{n}.add(y, n.operand(3));
  bool known;
  y = activated(n, y, n.reals("activation_params"), known);
  return known ? n.result(y) : n.keep("its activation is '" + n.string("activation", "") + "'");
}

/// FusedGemm<activation, activation_alpha, activation_beta>(a, b, c) = activation(gemm(a, b, c))
static LogicalResult importFusedGemm(Node &n) {
  SmallVector<float> parameters = n.reals("activation_params");
  for (StringRef name : {"activation_alpha", "activation_beta"})
    if (parameters.size() < 2 && n.hasAttr(name))
      parameters.push_back(n.real(name, 0));
  bool known;
  Value y = activated(n, gemm(n), parameters, known);
  return known ? n.result(y) : n.keep("its activation is '" + n.string("activation", "") + "'");
}

/// Operators on the blocked layout of one machine.
static LogicalResult keepBlocked(Node &n) {
  return n.keep("it works on blocks of channels as one machine likes them; save the model at the extended level of optimization, not with all of it");
}

static constexpr llvm::StringLiteral kBlocked = "com.microsoft.nchwc";
static constexpr Rule kRules[] = {
    {"FusedConv", 1, 2, 4, importFusedConv, "com.microsoft"},
    {"FusedGemm", 1, 2, 3, importFusedGemm, "com.microsoft"},
    {"Conv", 1, 1, -1, keepBlocked, kBlocked},
    {"MaxPool", 1, 1, -1, keepBlocked, kBlocked},
    {"AveragePool", 1, 1, -1, keepBlocked, kBlocked},
    {"GlobalMaxPool", 1, 1, -1, keepBlocked, kBlocked},
    {"GlobalAveragePool", 1, 1, -1, keepBlocked, kBlocked},
    {"Upsample", 1, 1, -1, keepBlocked, kBlocked},
    {"ReorderInput", 1, 1, -1, keepBlocked, kBlocked},
    {"ReorderOutput", 1, 1, -1, keepBlocked, kBlocked},
    {"Gelu", 1, 1, 1, importFusedGelu, "com.microsoft"},
    {"BiasGelu", 1, 2, 2, importFusedGelu, "com.microsoft"},
    {"FastGelu", 1, 1, 2, importFusedGelu, "com.microsoft"},
    {"QuickGelu", 1, 1, 1, importQuickGelu, "com.microsoft"},
    {"FusedMatMul", 1, 2, 2, importFusedMatMul, "com.microsoft"},
};
ArrayRef<Rule> fusedRules() { return kRules; }

} // namespace tern::importer
