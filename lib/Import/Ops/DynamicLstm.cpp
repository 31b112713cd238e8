// DynamicQuantizeLSTM of com.microsoft: x is quantized at run time as a whole, h at every step over all sequences; products with the
// weights are integers. The products of x are a matrix product in front of a recurrent layer that rounds its state.
// Source: onnxruntime/contrib_ops/cpu/quantization/dynamic_quantize_lstm.cc, with one range for all sequences of a step, as it has with one
// thread (more threads share the sequences out, and each has a range of its own).
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rnn.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// Weights [D, in, 4 H] with a scale and a zero point for each direction or for each column of it.
class Weights {
public:
  Weights(Node &n, int codes, int scale, int zero) : n(n), codes(codes), scale(scale), zero(zero) {
    ArrayRef<int64_t> shape = n.type(codes).getShape();
    directions = shape[0], in = shape[1], columns = shape[2];
    element = codeElement(n.type(codes).getElementType());
    for (auto [input, what] : {std::pair(scale, "scale"), std::pair(zero, "zero point")})
      if (n.hasInput(input) && !n.hasFailed() && !isOneOf(n.type(input)))
        n.error() << "a " << what << " of type " << n.type(input) << " for weights of type " << n.type(codes)
                  << "; it has one value for each direction, or one for each column of it";
    if (n.hasInput(zero) && !n.hasFailed() && n.type(zero).getElementType() != n.type(codes).getElementType())
      n.error() << "a zero point of type " << n.type(zero) << " for weights of type " << n.type(codes);
  }

  /// What they multiply, as f32 [S, B, D 4 H]: integers of the codes times the scales. Zero points stay outside of the product, as
  /// w - z is (w - m) - (z - m) for any m: integer kernels have one for all, 0 or the middle.
  Value product(Value x, StringAttr name) {
    Type f32 = n.builder().getF32Type(), i8 = n.builder().getI8Type();
    Value q = quantizeDynamic(n, x);
    if (n.hasFailed() || !q)
      return {};
    bool isSigned = element.hasSignedCodes();
    SmallVector<Value> planes{n.reshape(plane(), {directions * columns, in}), n.scalar(f32, 1)};
    Format format;
    format.elem = element;
    format.planes = {{Role::Scale, Element::f32(), {}}};
    if (!isSigned) {
      format.planes.push_back({Role::Zero, element, {}});
      planes.push_back(n.scalar(i8, -128)); // the bits of 128
    }
    nn::Sizes shape = n.importer.sizeAnalysis.shapeOf(x);
    shape.back() = n.importer.sizeAnalysis.table.constant(directions * columns);
    Value codes = bundle(n, typeOf({directions * columns, in}, format), planes);
    if (n.hasFailed() || !codes)
      return {};
    Value sums = n.withSizes(n.createTyped<tern::MatmulOp>(nn::typeOf(shape, n.builder().getI32Type()), q, codes, Value(), ChoiceAttr(), name), shape);
    Compose c{n};
    Value scales = ofColumns(scale, f32), result = c.mul(castTo(n, sums, f32), c.mul(unbundle(n, q)[1], scales));
    if (!hasZeros(isSigned ? 0 : 128))
      return result;
    // Numbers of the ONNX type, not planes.
    Value apart = n.hasInput(zero) ? castTo(n, n.operand(zero), f32) : Value();
    Value zeros = apart ? spread(apart) : n.scalar(f32, 0);
    Value rows = c.reduce(ReduceKind::sum, dequantize(n, q), {2});
    return c.sub(result, c.mul(rows, c.mul(scales, isSigned ? zeros : c.sub(zeros, n.scalar(f32, 128)))));
  }

  /// As real numbers [D, 4 H, in] behind a dequantization.
  Value numbers() {
    if (n.hasFailed())
      return {};
    Format format;
    format.elem = element;
    format.planes = {{Role::Scale, Element::f32(), Block{1, 1, kWhole}}};
    SmallVector<Value> planes{plane(), n.reshape(ofColumns(scale, n.builder().getF32Type()), {directions, columns, 1})};
    if (hasZeros(0)) {
      format.planes.push_back({Role::Zero, element, Block{1, 1, kWhole}});
      planes.push_back(n.reshape(ofColumns(zero, n.builder().getI8Type()), {directions, columns, 1}));
    }
    return n.hasFailed() ? Value() : dequantize(n, bundle(n, typeOf({directions, columns, in}, format), planes));
  }

private:
  bool isOneOf(RankedTensorType type) const {
    return type.hasStaticShape() && (type.getNumElements() == directions || type.getNumElements() == directions * columns);
  }
  /// Whether zero points may be others than `expected`.
  bool hasZeros(int64_t expected) const {
    if (!n.hasInput(zero))
      return expected != 0;
    std::optional<Ints> all = n.constantInts(zero);
    return !all || llvm::any_of(*all, [&](int64_t z) { return z != expected; });
  }
  QuantType typeOf(ArrayRef<int64_t> shape, const Format &format) const {
    return QuantType::get(RankedTensorType::get(shape, n.builder().getF32Type()), FormatAttr::get(n.importer.context, format));
  }
  /// The codes as [D, 4 H, in].
  Value plane() const {
    return n.create<TransposeOp>(castTo(n, n.operand(codes), n.builder().getI8Type()), Ints{0, 2, 1}, StringAttr());
  }
  /// A parameter with one value a column: [D 4 H].
  Value ofColumns(int input, Type element) const {
    return spread(castTo(n, n.operand(input), element));
  }
  Value spread(Value parameter) const {
    if (n.hasFailed() || !parameter)
      return {};
    Compose c{n};
    int64_t own = tensorType(parameter).getNumElements() / directions;
    return n.reshape(c.expand(n.reshape(parameter, {directions, own}), {directions, columns}), {directions * columns});
  }

  Node &n;
  int codes, scale, zero;
  int64_t directions = 0, in = 0, columns = 0;
  Element element;
};

/// x without the steps that no sequence reaches: they have no part in its range.
Value reachedSteps(Node &n, Value x, Value lens) {
  Compose c{n};
  Value longest = c.reduce(ReduceKind::max, c.cast(lens, n.builder().getI64Type()), {0}, /*keepdims=*/false);
  Value isReached = c.compare(CompareKind::lt, c.places(c.sizes(x).front(), 0, 3), longest);
  return c.select(isReached, x, c.number(x, 0.0));
}

/// DynamicQuantizeLSTM(x, w, r, b, lens, h0, c0, p, s_w, z_w, s_r, z_r): x [S, B, I], w [D, I, 4 H], r [D, H, 4 H]
LogicalResult importDynamicLstm(Node &n) {
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3)
    return n.error() << "X, W and R have ranks " << n.rank(0) << ", " << n.rank(1) << " and " << n.rank(2)
                     << "; all must be 3";
  if (!n.type(1).hasStaticShape() || !n.type(2).hasStaticShape())
    return n.keepOpen("the sizes of its weights are only known at run time");
  ArrayRef<int64_t> x = n.type(0).getShape(), w = n.type(1).getShape(), r = n.type(2).getShape();
  int64_t directions = n.string("direction", "forward") == "bidirectional" ? 2 : 1, hidden = r[1];
  if (w[0] != directions || r[0] != directions || (w[1] != x[2] && !ShapedType::isDynamic(x[2])) || w[2] != 4 * hidden || r[2] != 4 * hidden)
    return n.error() << "weights of type " << n.type(1) << " and " << n.type(2) << " for an input of type " << n.type(0)
                     << " and " << directions << " directions; W is [D, I, 4 H], R is [D, H, 4 H]";
  for (int codes : {1, 2})
    if (!codeElement(n.type(codes).getElementType()).isInteger() || codeElement(n.type(codes).getElementType()).bits != 8 || !n.hasInput(codes == 1 ? 8 : 10))
      return n.error() << "weights must be int8 or uint8 with a scale; " << (codes == 1 ? "W" : "R") << " is of type " << n.type(codes)
                       << (n.hasInput(codes == 1 ? 8 : 10) ? "" : " without one");
  Weights ofInputs(n, 1, 8, 9), ofStates(n, 2, 10, 11);
  Value weights = ofStates.numbers();
  Value gates = ofInputs.product(n.hasInput(4) ? reachedSteps(n, n.operand(0), n.operand(4)) : n.operand(0), n.name());
  return !weights || !gates ? failure() : importLayer(n, RnnKind::lstm, gates, Value(), weights, hidden, /*roundState=*/true);
}

constexpr Rule kRules[] = {
    {"DynamicQuantizeLSTM", 1, 3, 12, importDynamicLstm, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> dynamicLstmRules() { return kRules; }

} // namespace tern::importer
