// QONNX: Quant, BipolarQuant, Trunc, FloatQuant (github.com/fastmachinelearning/qonnx). They quantize and dequantize at
// once; the zero point is added before rounding.
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// How a rounding_mode is done: by the encoder, or by ops before it.
struct Rounding {
  tern::Round round = tern::Round::Rne;
  bool inOps = false;
  std::string mode;
};

std::optional<Rounding> readRounding(Node &n, StringRef otherwise) {
  std::string mode = StringRef(n.string("rounding_mode", otherwise)).upper();
  if (mode == "ROUND" || mode == "HALF_EVEN")
    return Rounding{tern::Round::Rne, false, mode};
  if (mode == "FLOOR")
    return Rounding{tern::Round::Floor, false, mode};
  if (mode == "DOWN")
    return Rounding{tern::Round::Rtz, false, mode};
  if (mode == "HALF_UP")
    return Rounding{tern::Round::Rna, false, mode};
  if (mode == "CEIL" || mode == "UP" || mode == "HALF_DOWN")
    return Rounding{tern::Round::Rne, true, mode};
  n.error() << "rounding_mode is '" << mode
            << "'; ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP and HALF_DOWN are defined";
  return std::nullopt;
}

Value unary(Node &n, UnaryKind kind, Value x) {
  return n.create<UnaryOp>(kind, x, FloatAttr(), FloatAttr(), StringAttr());
}

Value number(Node &n, double value) { return n.scalar(n.builder().getF32Type(), value); }

/// Rounds f32 to integers.
Value rounded(Node &n, Value x, const Rounding &rounding) {
  if (rounding.mode == "CEIL")
    return unary(n, UnaryKind::ceil, x);
  if (rounding.mode == "FLOOR")
    return unary(n, UnaryKind::floor, x);
  if (rounding.mode == "ROUND" || rounding.mode == "HALF_EVEN")
    return unary(n, UnaryKind::round, x);
  // The others round the magnitude.
  Value magnitude = unary(n, UnaryKind::abs, x);
  if (rounding.mode == "UP")
    magnitude = unary(n, UnaryKind::ceil, magnitude);
  else if (rounding.mode == "DOWN")
    magnitude = unary(n, UnaryKind::floor, magnitude);
  else if (rounding.mode == "HALF_UP")
    magnitude = unary(n, UnaryKind::floor, binary(n, BinaryKind::add, magnitude, number(n, 0.5)));
  else
    magnitude = unary(n, UnaryKind::ceil, binary(n, BinaryKind::sub, magnitude, number(n, 0.5)));
  return binary(n, BinaryKind::mul, unary(n, UnaryKind::sign, x), magnitude);
}

/// A parameter that is one constant number; nothing (and no error) when it is something else.
std::optional<double> constantNumber(Node &n, int input) {
  std::optional<SmallVector<double>> values = n.hasInput(input) ? n.constantFloats(input) : std::nullopt;
  return values && values->size() == 1 ? std::optional(values->front()) : std::nullopt;
}

Encode encodeOf(tern::Round round) {
  Encode encode(tern::Rule::Given);
  encode.round = round;
  return encode;
}

/// The smallest and the largest integer of `bits` bits.
std::pair<double, double> integerRange(bool isSigned, bool narrow, double bits) {
  double low = isSigned ? -std::exp2(bits - 1) + (narrow ? 1 : 0) : 0;
  double high = isSigned ? std::exp2(bits - 1) - 1 : std::exp2(bits) - (narrow ? 2 : 1);
  return {low, high};
}

/// Scale and zero point of Quant for codes of an element.
struct QuantParameters {
  Parameters p;
  bool hasZero = false;
  Block scale, zero;

  QuantParameters(Node &n, const Element &element, int zeroInput = 2) {
    ArrayRef<int64_t> shape = n.type(0).getShape();
    std::optional<Block> s = broadcastBlock(n.type(1).getShape(), shape),
                         z = zeroInput < 0 ? Block() : broadcastBlock(n.type(zeroInput).getShape(), shape);
    if (!s || !z) {
      n.error() << "a scale or zero point of type " << n.type(s ? zeroInput : 1) << " does not broadcast to " << n.type(0);
      return;
    }
    scale = *s, zero = *z;
    Type f32 = n.builder().getF32Type();
    p = readParameters(n, shape, element, f32, {1, scale}, {});
    if (n.hasFailed() || !p || zeroInput < 0)
      return;
    std::optional<SmallVector<double>> values = n.constantFloats(zeroInput);
    hasZero = !values || llvm::any_of(*values, [](double v) { return v != 0; });
    if (!hasZero)
      return;
    // Integers of the codes where they are that, else floats.
    bool areCodes = values && element.isInteger() && llvm::all_of(*values, [&](double v) {
      return v == std::floor(v) && v >= double(element.minCode()) && v <= double(element.maxCode());
    });
    Format format = p.type.getFormat().getFormat();
    format.planes.push_back({Role::Zero, areCodes ? element : Element::f32(), zero});
    p.type = QuantType::get(RankedTensorType::get(shape, f32), FormatAttr::get(n.importer.context, format));
    RankedTensorType plane = p.type.getPlaneTypes()[2];
    if (areCodes) {
      SmallVector<int32_t> codes(llvm::map_range(*values, [](double v) { return int32_t(v); }));
      p.planes.push_back(constantPlane(n, codes, element.bits, plane));
    } else {
      Value real = asFloat(n, zeroInput);
      p.planes.push_back(plane.hasStaticShape() ? n.reshape(real, plane.getShape())
                                                : n.reshapeTo(real, planeSizes(n, n.sizes(0), zero)));
    }
  }
};

/// dequantize(quantize(x))
LogicalResult roundTrip(Node &n, Value x, const Parameters &p, const Encode &encode) {
  Value q = quantize(n, x, p, n.name(), EncodeAttr::get(n.importer.context, encode));
  return n.result(castTo(n, dequantize(n, q), n.type(0).getElementType()));
}

/// (code - zero) * scale of integers that are computed as floats.
LogicalResult codesToReal(Node &n, Value y, const Parameters &p) {
  Format format = p.type.getFormat().getFormat(), plain;
  plain.elem = format.elem;
  plain.planes = {{Role::Scale, Element::f32(), {}}};
  Parameters unscaled;
  unscaled.type = QuantType::get(p.type.getExpressedTensor(), FormatAttr::get(n.importer.context, plain));
  unscaled.planes = {number(n, 1)};
  SmallVector<Value> planes{};
  Value q = quantize(n, y, unscaled, n.name());
  if (n.hasFailed() || !q)
    return failure();
  planes.push_back(unbundle(n, q)[0]);
  planes.append(p.planes);
  return n.result(castTo(n, dequantize(n, bundle(n, p.type, planes)), n.type(0).getElementType()));
}

/// x / scale + zero
Value scaled(Node &n, const QuantParameters &q, Value x) {
  nn::Sizes shape = n.sizes(0);
  Value y = binary(n, BinaryKind::div, x, spread(n, asFloat(n, 1), q.scale, shape));
  return q.hasZero ? binary(n, BinaryKind::add, y, spread(n, asFloat(n, 2), q.zero, shape)) : y;
}

/// Quant<signed, narrow, rounding_mode>(x, scale, zero point, bits)
///   y = round(clip(x / scale + zero, lo, hi)); (y - zero) * scale
LogicalResult importQuant(Node &n) {
  bool isSigned = n.integer("signed", 1), narrow = n.integer("narrow", 0);
  std::optional<Rounding> rounding = readRounding(n, "ROUND");
  std::optional<double> bits = constantNumber(n, 3);
  if (n.hasFailed())
    return failure();
  if (!bits)
    return n.keep("its bit width is computed");
  if (!(*bits > 0) || *bits > 32)
    return n.error() << "the bit width is " << *bits << "; 1 to 32 are possible";
  Value x = asFloat(n, 0);
  auto [low, high] = integerRange(isSigned, narrow, *bits);
  bool isInteger = *bits == std::floor(*bits) && *bits <= 16 && low <= high;
  if (isSigned && *bits == 1) {
    // One signed bit is -1 or 1.
    QuantParameters q(n, Element::bipolar(1));
    if (n.hasFailed())
      return failure();
    if (q.p && !q.hasZero)
      return roundTrip(n, x, q.p, encodeOf(tern::Round::HalfUp));
    return n.keep(q.p.reason.empty() ? "it has one signed bit and a zero point" : q.p.reason);
  }
  // Planes hold codes of up to 8 bits packed, others as 16 or 32 bits.
  int width = *bits <= 8 ? int(*bits) : 16;
  Element element = isInteger ? isSigned ? Element::si(width) : Element::ui(width) : Element::si(32);
  QuantParameters q(n, element);
  if (n.hasFailed())
    return failure();
  if (!q.p)
    return n.keep(q.p.reason);
  if (isInteger && !rounding->inOps) {
    Encode encode(tern::Rule::Given);
    if (int64_t(low) != element.minCode() || int64_t(high) != element.maxCode())
      encode = Encode(tern::Rule::Given, int64_t(low), int64_t(high));
    encode.round = rounding->round;
    encode.order = q.hasZero ? tern::Order::ZpThenRound : tern::Order::RoundThenZp;
    return roundTrip(n, x, q.p, encode);
  }
  OpBuilder &b = n.builder();
  Value y = n.create<ClipOp>(scaled(n, q, x), b.getF64FloatAttr(float(low)), b.getF64FloatAttr(float(high)), StringAttr());
  return codesToReal(n, rounded(n, y, *rounding), q.p);
}

/// BipolarQuant(x, scale): scale * (x / scale >= 0 ? 1 : -1)
LogicalResult importBipolarQuant(Node &n) {
  QuantParameters q(n, Element::bipolar(1), -1);
  if (n.hasFailed())
    return failure();
  return q.p ? roundTrip(n, asFloat(n, 0), q.p, encodeOf(tern::Round::HalfUp)) : n.keep(q.p.reason);
}

/// Trunc<rounding_mode>(x, scale, zero point, bits, bits of the result), version 1:
///   y = round(x / scale + zero) / 2^(bits - bits of the result); (rounding(y) - zero) * scale
/// Trunc<rounding_mode, signed, narrow>(x, scale, zero point, bits, scale of the result, its zero point, its bits),
/// version 2:
///   y = round(x / scale + zero) / t, t = 2^round(log2(scale of the result / scale))
///   (rounding(clip(y, lo, hi)) - zero / t) * scale of the result
LogicalResult importTrunc(Node &n) {
  std::optional<Rounding> rounding = readRounding(n, "FLOOR");
  if (n.hasFailed())
    return failure();
  bool second = n.hasInput(6);
  if (!second && !n.hasInput(4))
    return n.error() << "Trunc has " << n.inputCount() << " inputs; it takes 5 (version 1) or 7 (version 2)";
  std::optional<double> from = constantNumber(n, 3), to = constantNumber(n, second ? 6 : 4);
  if (!from || !to)
    return n.keep("its bit widths are computed");
  if (!(*from >= 1 && *from <= 32 && *to >= 1 && *to <= 32))
    return n.error() << "the bit widths are " << *from << " and " << *to << "; 1 to 32 are possible";
  QuantParameters q(n, Element::si(32));
  if (n.hasFailed())
    return failure();
  if (!q.p)
    return n.keep(q.p.reason);
  ArrayRef<int64_t> shape = n.type(0).getShape();
  Value y = unary(n, UnaryKind::round, scaled(n, q, asFloat(n, 0)));
  Value zero = q.hasZero ? spread(n, asFloat(n, 2), q.zero, n.sizes(0)) : Value();
  if (!second) {
    y = rounded(n, binary(n, BinaryKind::div, y, number(n, std::exp2(*from - *to))), *rounding);
    if (zero)
      y = binary(n, BinaryKind::sub, y, zero);
    y = binary(n, BinaryKind::mul, y, spread(n, asFloat(n, 1), q.scale, n.sizes(0)), n.name());
    return n.result(castTo(n, y, n.type(0).getElementType()));
  }
  std::optional<Block> block = broadcastBlock(n.type(4).getShape(), shape);
  std::optional<SmallVector<double>> old = n.constantFloats(1), now = n.constantFloats(4);
  if (!block || !old || !now || (old->size() != 1 && now->size() != 1 && old->size() != now->size()))
    return n.keep("its scales are computed, or have different shapes");
  // The quotient is one power of two a block.
  SmallVector<float> factors;
  for (size_t i = 0; i < std::max(old->size(), now->size()); i++)
    factors.push_back(float(std::exp2(std::nearbyint(
        std::log2(double(float((*now)[now->size() == 1 ? 0 : i]) / float((*old)[old->size() == 1 ? 0 : i])))))));
  Block factorBlock = old->size() > now->size() ? q.scale : *block;
  SmallVector<int64_t> entries;
  if (!factorBlock.empty())
    entries = planeShape(shape, factorBlock);
  Value factor = n.constantValue(
      DenseElementsAttr::get(RankedTensorType::get(entries, n.builder().getF32Type()), ArrayRef<float>(factors)));
  auto [low, high] = integerRange(n.integer("signed", 1), n.integer("narrow", 0), *to);
  y = binary(n, BinaryKind::div, y, factor);
  y = n.create<ClipOp>(y, n.builder().getF64FloatAttr(low), n.builder().getF64FloatAttr(high), StringAttr());
  y = rounded(n, y, *rounding);
  if (!zero && *to == std::floor(*to) && *to <= 16) {
    int width = *to <= 8 ? int(*to) : 16;
    Element element = n.integer("signed", 1) ? Element::si(width) : Element::ui(width);
    Parameters result = readParameters(n, shape, element, n.builder().getF32Type(), {4, *block}, {});
    if (!n.hasFailed() && result)
      return codesToReal(n, y, result);
  }
  if (zero)
    y = binary(n, BinaryKind::sub, y, binary(n, BinaryKind::div, zero, factor));
  y = binary(n, BinaryKind::mul, y, spread(n, asFloat(n, 4), *block, n.sizes(0)), n.name());
  return n.result(castTo(n, y, n.type(0).getElementType()));
}

/// FloatQuant<rounding_mode, saturation, has_inf, has_nan>(x, scale, exponent bits, mantissa bits, bias, largest value):
/// the nearest of the numbers with these digits, subnormal ones included, to x / scale; times scale.
LogicalResult importFloatQuant(Node &n) {
  std::optional<Rounding> rounding = readRounding(n, "ROUND");
  if (n.hasFailed())
    return failure();
  std::optional<double> digits[3];
  for (int i = 0; i < 3; i++)
    digits[i] = constantNumber(n, 2 + i);
  if (!digits[0] || !digits[1] || !digits[2])
    return n.keep("its format is computed");
  double e = *digits[0], m = *digits[1], bias = *digits[2];
  if (e != std::floor(e) || m != std::floor(m) || bias != std::floor(bias) || e < 1 || m < 0 || 1 + e + m > 8 ||
      std::abs(bias) > 1000)
    return n.keep("its format has no code of at most 8 bits");
  std::optional<double> most = constantNumber(n, 5);
  if (n.hasInput(5) && !most)
    return n.keep("its largest value is computed");
  // The kind of special codes that leaves this largest value.
  double largest = std::exp2(std::exp2(e) - 1 - bias) * (2 - std::exp2(-m));
  double wanted = most ? std::min(largest, *most) : largest;
  std::optional<Element> element;
  for (tern::Special special : {tern::Special::Finite, tern::Special::Fn, tern::Special::Ieee}) {
    Element candidate = Element::minifloat(int(e), int(m), int(bias), special);
    if (!element && verify(candidate).empty() && candidate.maxValue() == wanted)
      element = candidate;
  }
  if (!element)
    return n.keep("its largest value is not that of a format");
  QuantParameters q(n, *element, -1);
  if (n.hasFailed())
    return failure();
  if (!q.p)
    return n.keep(q.p.reason);
  Value x = asFloat(n, 0);
  if (n.integer("saturation", 1)) {
    if (rounding->mode != "CEIL")
      return rounding->inOps ? n.keep("it rounds by " + rounding->mode) : roundTrip(n, x, q.p, encodeOf(rounding->round));
    // ceil(x) = -floor(-x), and the numbers are symmetric.
    Value code = quantize(n, unary(n, UnaryKind::neg, x), q.p, n.name(),
                          EncodeAttr::get(n.importer.context, encodeOf(tern::Round::Floor)));
    return n.result(castTo(n, unary(n, UnaryKind::neg, dequantize(n, code)), n.type(0).getElementType()));
  }
  // What is too large is infinite or NaN, as a cast to the builtin type makes it.
  Type type = typeOf(n.importer.context, *element);
  bool infinite = n.integer("has_inf", 0);
  bool fits = type && type.getIntOrFloatBitWidth() == 8 && rounding->round == tern::Round::Rne && !rounding->inOps &&
              (isa<Float8E5M2Type>(type) ? infinite : isa<Float8E4M3FNType>(type) && !infinite && n.integer("has_nan", 0));
  if (!fits)
    return n.keep("its values overflow");
  Value scale = spread(n, asFloat(n, 1), q.scale, n.sizes(0));
  Value y = binary(n, BinaryKind::div, x, scale);
  if (n.hasFailed())
    return failure();
  y = n.createTyped<CastOp>(tensorType(y).clone(type), y, StringAttr(), /*overflow=*/true);
  y = binary(n, BinaryKind::mul, castTo(n, y, n.builder().getF32Type()), scale, n.name());
  return n.result(castTo(n, y, n.type(0).getElementType()));
}

constexpr Rule kRules[] = {
    {"Quant", 1, 4, 4, importQuant, "qonnx.custom_op.general"},
    {"IntQuant", 1, 4, 4, importQuant, "qonnx.custom_op.general"},
    {"BipolarQuant", 1, 2, 2, importBipolarQuant, "qonnx.custom_op.general"},
    {"Trunc", 1, 5, 7, importTrunc, "qonnx.custom_op.general"},
    {"FloatQuant", 1, 5, 6, importFloatQuant, "qonnx.custom_op.general"},
    {"Quant", 1, 4, 4, importQuant, "onnx.brevitas"},
    {"BipolarQuant", 1, 2, 2, importBipolarQuant, "onnx.brevitas"},
    {"Trunc", 1, 5, 7, importTrunc, "onnx.brevitas"},
    {"FloatQuant", 1, 5, 6, importFloatQuant, "onnx.brevitas"},
    {"Quant", 1, 4, 4, importQuant, "finn.custom_op.general"},
    {"BipolarQuant", 1, 2, 2, importBipolarQuant, "finn.custom_op.general"},
    {"Trunc", 1, 5, 7, importTrunc, "finn.custom_op.general"},
};
} // namespace

ArrayRef<Rule> qonnxRules() { return kRules; }

} // namespace tern::importer
