// LSTM, GRU, RNN -> nn.rnn.
#include "lib/Import/Ops/Rnn.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
namespace {
/// A function as ONNX names it, and its ONNX defaults for alpha and beta.
struct Activation {
  StringLiteral name;
  RnnActivation kind;
  int parameters;
  float alpha, beta;
};
constexpr Activation kActivations[] = {
    {"relu", RnnActivation::relu, 0, 0, 0},
    {"tanh", RnnActivation::tanh, 0, 0, 0},
    {"sigmoid", RnnActivation::sigmoid, 0, 0, 0},
    {"affine", RnnActivation::affine, 2, 1, 0},
    {"leakyrelu", RnnActivation::leaky_relu, 1, 0.01f, 0},
    {"thresholdedrelu", RnnActivation::thresholded_relu, 1, 1, 0},
    {"scaledtanh", RnnActivation::scaled_tanh, 2, 1, 1},
    {"hardsigmoid", RnnActivation::hard_sigmoid, 2, 0.2f, 0.5f},
    {"elu", RnnActivation::elu, 1, 1, 0},
    {"softsign", RnnActivation::softsign, 0, 0, 0},
    {"softplus", RnnActivation::softplus, 0, 0, 0},
};

/// activations, activation_alpha and activation_beta with the defaults filled in. The lists of alphas and betas have
/// entries only for functions that take them.
struct Functions {
  SmallVector<Attribute> kinds;
  SmallVector<float> alpha, beta;
  bool hasParameters = false;

  LogicalResult read(Node &n, RnnKind kind, int64_t directions) {
    SmallVector<StringRef> names;
    if (const onnx::AttributeProto *given = n.find("activations"))
      names.assign(given->strings().begin(), given->strings().end());
    const StringRef all[] = {"sigmoid", "tanh", "tanh"};
    ArrayRef<StringRef> defaults = all;
    if (kind == RnnKind::rnn)
      defaults = defaults.drop_front();
    for (int64_t d = 0; d < directions && !n.hasAttr("activations"); ++d)
      llvm::append_range(names, defaults.take_front(size_t(RnnOp::activationsOf(kind))));
    SmallVector<float> alphas = n.reals("activation_alpha"), betas = n.reals("activation_beta");
    size_t nextAlpha = 0, nextBeta = 0;
    for (StringRef name : names) {
      std::string lower = name.lower();
      const Activation *row = llvm::find_if(kActivations, [&](const Activation &a) { return a.name == lower; });
      if (row == std::end(kActivations))
        return n.error() << "activation '" << name << "' is not one of ONNX's recurrent ops";
      kinds.push_back(RnnActivationAttr::get(n.importer.context, row->kind));
      bool hasAlpha = row->parameters > 0 && nextAlpha < alphas.size();
      bool hasBeta = row->parameters > 1 && nextBeta < betas.size();
      alpha.push_back(hasAlpha ? alphas[nextAlpha++] : row->alpha);
      beta.push_back(hasBeta ? betas[nextBeta++] : row->beta);
      hasParameters |= row->parameters > 0;
    }
    return success();
  }
};
} // namespace

static LogicalResult importRnn(Node &n, RnnKind kind) {
  if (n.rank(0) != 3 || n.rank(2) != 3)
    return n.error() << "X and R have ranks " << n.rank(0) << " and " << n.rank(2) << "; both must be 3";
  return importLayer(n, kind, n.operand(0), n.operand(1), n.operand(2), n.type(2).getDimSize(2));
}

LogicalResult importLayer(Node &n, RnnKind kind, Value x, Value w, Value r, int64_t hidden, bool roundState) {
  std::string name = n.string("direction", "forward");
  std::optional<RnnDirection> direction = symbolizeRnnDirection(name);
  if (!direction)
    return n.error() << "direction is '" << name << "'; forward, reverse and bidirectional are defined";
  hidden = n.integer("hidden_size", hidden);
  Functions functions;
  if (failed(functions.read(n, kind, *direction == RnnDirection::bidirectional ? 2 : 1)))
    return failure();
  OpBuilder &b = n.builder();
  Value lens = n.operand(4);
  if (lens && !tensorType(lens).getElementType().isInteger(32))
    lens = n.createTyped<CastOp>(tensorType(lens).clone(b.getI32Type()), lens, StringAttr());
  bool isLstm = kind == RnnKind::lstm;
  FloatAttr clip = n.hasAttr("clip") ? b.getF32FloatAttr(n.real("clip", 0)) : FloatAttr();
  auto numbers = [&](ArrayRef<float> values) {
    return functions.hasParameters ? b.getDenseF32ArrayAttr(values) : DenseF32ArrayAttr();
  };
  auto results = n.createAll<RnnOp>(
      isLstm ? 3 : 2, RnnKindAttr::get(n.importer.context, kind), x, w, r,
      n.operand(3), lens, n.operand(5), isLstm ? n.operand(6) : Value(), isLstm ? n.operand(7) : Value(),
      b.getI64IntegerAttr(hidden), RnnDirectionAttr::get(n.importer.context, *direction),
      b.getArrayAttr(functions.kinds), numbers(functions.alpha), numbers(functions.beta),
      kind == RnnKind::gru && n.integer("linear_before_reset", 0) ? b.getUnitAttr() : UnitAttr(),
      isLstm && n.integer("input_forget", 0) ? b.getUnitAttr() : UnitAttr(), roundState ? b.getUnitAttr() : UnitAttr(), clip,
      b.getI64IntegerAttr(n.integer("layout", 0)), n.name());
  for (auto [i, value] : llvm::enumerate(results))
    if (failed(n.result(value, int(i))))
      return failure();
  return success();
}
static LogicalResult importLstm(Node &n) { return importRnn(n, RnnKind::lstm); }
static LogicalResult importGru(Node &n) { return importRnn(n, RnnKind::gru); }
static LogicalResult importPlain(Node &n) { return importRnn(n, RnnKind::rnn); }

static constexpr Rule kRules[] = {
    {"LSTM", 7, 3, 8, importLstm},
    {"GRU", 7, 3, 6, importGru},
    {"RNN", 7, 3, 6, importPlain},
};
ArrayRef<Rule> rnnRules() { return kRules; }

} // namespace tern::importer
