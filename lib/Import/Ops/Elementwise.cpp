// Elementwise ops. Those that are a row of dialects/NN/IR/Elementwise.def need nothing here.
#include "dialects/NN/IR/Elementwise.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

static LogicalResult unaryOf(Node &n, UnaryKind kind, FloatAttr alpha = {}, FloatAttr beta = {}) {
  return n.result(n.create<UnaryOp>(kind, n.operand(0), alpha, beta, n.name()));
}

/// Op<alpha, beta>(x) -> nn.unary. Selu calls its second parameter gamma.
static LogicalResult importUnary(Node &n) {
  UnaryKind kind = *unaryKindOf(n.opType());
  const ElementwiseRow &row = rowOf(kind);
  FloatAttr alpha, beta;
  if (row.params > 0)
    alpha = n.builder().getF32FloatAttr(n.real("alpha", row.alpha));
  if (row.params > 1)
    beta = n.builder().getF32FloatAttr(n.real(kind == UnaryKind::selu ? "gamma" : "beta", row.beta));
  return unaryOf(n, kind, alpha, beta);
}

static LogicalResult importBinary(Node &n) {
  return n.result(n.create<BinaryOp>(*binaryKindOf(n.opType()), n.operand(0), n.operand(1), n.name()));
}

static LogicalResult importCompare(Node &n) {
  return n.result(n.create<CompareOp>(*compareKindOf(n.opType()), n.operand(0), n.operand(1), n.name()));
}

const Rule *findElementwise(StringRef opType) {
  static const Rule unary{"", 1, 1, 1, importUnary}, binary{"", 1, 2, 2, importBinary},
      compare{"", 1, 2, 2, importCompare};
  if (unaryKindOf(opType))
    return &unary;
  if (binaryKindOf(opType))
    return &binary;
  return compareKindOf(opType) ? &compare : nullptr;
}

static LogicalResult importGelu(Node &n) {
  return unaryOf(n, n.string("approximate", "none") == "tanh" ? UnaryKind::gelu_tanh : UnaryKind::gelu);
}

static LogicalResult importMod(Node &n) {
  BinaryKind kind = n.integer("fmod", 0) ? BinaryKind::fmod : BinaryKind::mod;
  return n.result(n.create<BinaryOp>(kind, n.operand(0), n.operand(1), n.name()));
}

static LogicalResult importBitShift(Node &n) {
  BinaryKind kind = n.string("direction", "") == "LEFT" ? BinaryKind::shift_left : BinaryKind::shift_right;
  return n.result(n.create<BinaryOp>(kind, n.operand(0), n.operand(1), n.name()));
}

/// PRelu(x, slope): the slope broadcasts to x, never x to the slope.
static LogicalResult importPRelu(Node &n) {
  Value y = n.create<BinaryOp>(BinaryKind::prelu, n.operand(0), n.operand(1), n.name());
  if (y && y.getType() != n.type(0))
    return n.error() << "slope of type " << n.type(1) << " does not broadcast to the input of type " << n.type(0);
  return n.result(y);
}

/// Op(a, b, c, ...) -> op(op(a, b), c). The last op has the name.
static Value chain(Node &n, BinaryKind kind, StringAttr name) {
  Value sum = n.operand(0);
  for (int i = 1; i < n.inputCount(); i++)
    sum = n.create<BinaryOp>(kind, sum, n.operand(i), i + 1 == n.inputCount() ? name : StringAttr());
  return sum;
}

static LogicalResult importVariadic(Node &n) {
  for (int i = 0; i < n.inputCount(); i++)
    if (!n.hasInput(i))
      return n.error() << "input " << i << " of " << n.opType() << " is missing";
  if (n.inputCount() == 1)
    return n.forward();
  if (n.opType() != "Mean")
    return n.result(chain(n, n.opType() == "Sum" ? BinaryKind::add : *binaryKindOf(n.opType()), n.name()));
  Value sum = chain(n, BinaryKind::add, {});
  if (!sum)
    return failure();
  Value count = n.scalar(tensorType(sum).getElementType(), n.inputCount());
  return n.result(n.create<BinaryOp>(BinaryKind::div, sum, count, n.name()));
}

/// Clip<min, max>(x), before version 11. The defaults are the ends of f32: they do not bind.
static LogicalResult importClipAttrs(Node &n) {
  auto bound = [&](StringRef name) {
    return n.hasAttr(name) ? n.builder().getF64FloatAttr(n.real(name, 0)) : FloatAttr();
  };
  FloatAttr min = bound("min"), max = bound("max");
  return n.result(n.create<ClipOp>(n.operand(0), min, max, n.name()));
}

/// Clip(x, min, max): constant bounds are attributes, others a maximum and a minimum.
static LogicalResult importClip(Node &n) {
  FloatAttr bounds[2];
  bool constant = true;
  for (int i : {1, 2}) {
    if (!n.hasInput(i))
      continue;
    if (n.type(i).getNumElements() != 1)
      return n.error() << "a bound has type " << n.type(i) << "; it must be a scalar";
    if (auto value = n.constantFloats(i); value && !std::isnan(value->front()))
      bounds[i - 1] = n.builder().getF64FloatAttr(value->front());
    else
      constant = false;
  }
  Value x = n.operand(0);
  if (constant)
    return bounds[0] || bounds[1] ? n.result(n.create<ClipOp>(x, bounds[0], bounds[1], n.name())) : n.forward();
  for (int i : {1, 2})
    if (n.hasInput(i)) {
      Value bound = n.rank(i) == 0 ? n.operand(i) : n.reshape(n.operand(i), {});
      bool last = i == 2 || !n.hasInput(2);
      x = n.create<BinaryOp>(i == 1 ? BinaryKind::max : BinaryKind::min, x, bound, last ? n.name() : StringAttr());
    }
  return n.result(x);
}

static LogicalResult castTo(Node &n, Type element) {
  if (!element)
    return n.keep("it casts to strings or an unknown type");
  if (element == n.type(0).getElementType())
    return n.forward();
  if (isa<ComplexType>(element))
    return n.keep("it casts to complex numbers");
  bool isSmallFloat = isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 8;
  bool overflow = isSmallFloat && !n.integer("saturate", 1);
  CastRound round = CastRound::nearest;
  if (isa<Float8E8M0FNUType>(element)) {
    std::string mode = n.string("round_mode", "up");
    std::optional<CastRound> known = symbolizeCastRound(mode);
    if (!known)
      return n.error() << "round_mode is '" << mode << "'; up, down and nearest are defined";
    round = *known;
  }
  return n.result(
      n.createTyped<CastOp>(n.type(0).clone(element), n.operand(0), n.name(), overflow, round));
}

static LogicalResult importCast(Node &n) {
  if (!n.hasAttr("to"))
    return n.error() << "attribute 'to' is missing";
  return castTo(n, elementType(int32_t(n.integer("to", 0)), n.importer.context));
}

static LogicalResult importCastLike(Node &n) { return castTo(n, n.type(1).getElementType()); }

/// BitCast between integers of one width is a cast that changes no bit; nn has no op that reads the bits of floats.
static LogicalResult importBitCast(Node &n) {
  Type from = n.type(0).getElementType(), to = elementType(int32_t(n.integer("to", 0)), n.importer.context);
  if (!to || !to.isIntOrFloat())
    return n.keep("its element type is no number");
  if (from == to)
    return n.forward();
  if (to.getIntOrFloatBitWidth() != from.getIntOrFloatBitWidth() && !from.isInteger(1))
    return n.error() << "an element of " << from << " has not the bits of " << to;
  if (!isa<IntegerType>(from) || !isa<IntegerType>(to) || to.isInteger(1))
    return n.keep("it reads the bits of floats");
  return castTo(n, to);
}

static LogicalResult importWhere(Node &n) {
  return n.result(n.create<SelectOp>(n.operand(0), n.operand(1), n.operand(2), n.name()));
}

static constexpr Rule kRules[] = {
    {"Gelu", 20, 1, 1, importGelu},         {"Mod", 10, 2, 2, importMod},       {"BitShift", 11, 2, 2, importBitShift},
    {"PRelu", 1, 2, 2, importPRelu},        {"Min", 1, 1, -1, importVariadic},  {"Max", 1, 1, -1, importVariadic},
    {"Sum", 1, 1, -1, importVariadic},      {"Mean", 1, 1, -1, importVariadic}, {"Clip", 6, 1, 1, importClipAttrs},
    {"Clip", 11, 1, 3, importClip},         {"Cast", 6, 1, 1, importCast},      {"CastLike", 15, 2, 2, importCastLike},
    {"Where", 9, 3, 3, importWhere},        {"BitCast", 26, 1, 1, importBitCast},
};
ArrayRef<Rule> elementwiseRules() { return kRules; }

} // namespace tern::importer
