// DynamicQuantizeLSTM of com.microsoft: the input and, at every step, the state are quantized at run time; the products with
// the weights are integers. Its steps are written out.
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

// Every step is some twenty ops.
constexpr int64_t kMostSteps = 1024;

Value unary(Node &n, UnaryKind kind, Value x) {
  return x ? n.create<UnaryOp>(kind, x, FloatAttr(), FloatAttr(), StringAttr()) : Value();
}

/// Elements [start, start + size) along an axis.
Value part(Node &n, Value x, int64_t axis, int64_t start, int64_t size) {
  if (n.hasFailed() || !x)
    return {};
  nn::SizeAnalysis &analysis = n.importer.sizeAnalysis;
  nn::Sizes box = analysis.shapeOf(x), starts(box.size(), analysis.table.constant(0));
  if (box[size_t(axis)].isConstant(size))
    return x;
  starts[size_t(axis)] = analysis.table.constant(start), box[size_t(axis)] = analysis.table.constant(size);
  return n.sliceTo(x, starts, box, Ints(box.size(), 1), StringAttr());
}

/// The weights of one direction, [D, in, 4 H] codes with one scale and zero point a direction or a column.
struct Weights {
  Value quant, scale; ///< [4 H, in]; f32, one or [4 H]

  Weights(Node &n, int codes, int scaleInput, int zeroInput, int64_t direction, int64_t directions) {
    ArrayRef<int64_t> shape = n.type(codes).getShape();
    int64_t in = shape[1], columns = shape[2];
    Element element = codeElement(n.type(codes).getElementType());
    auto rowOf = [&](int input) -> Value {
      Value row = part(n, n.reshape(n.operand(input), {directions, n.type(input).getNumElements() / directions}), 0,
                       direction, 1);
      int64_t count = n.type(input).getNumElements() / directions;
      return n.reshape(row, count == 1 ? SmallVector<int64_t>() : SmallVector<int64_t>{count});
    };
    for (int input : {scaleInput, zeroInput}) {
      int64_t count = n.hasInput(input) ? n.type(input).getNumElements() : directions;
      if (count != directions && count != directions * columns) {
        n.error() << "a scale or zero point of type " << n.type(input) << "; it has one value a direction, or one a column";
        return;
      }
    }
    scale = castTo(n, rowOf(scaleInput), n.builder().getF32Type());
    Type i8 = n.builder().getI8Type();
    Value plane = castTo(n, part(n, n.operand(codes), 0, direction, 1), i8);
    plane = n.create<TransposeOp>(n.reshape(plane, {in, columns}), Ints{1, 0}, StringAttr());
    Format format;
    format.elem = element;
    format.planes = {{Role::Scale, Element::f32(), {}}};
    SmallVector<Value> planes{plane, n.scalar(n.builder().getF32Type(), 1)};
    if (n.hasInput(zeroInput)) {
      Value zero = castTo(n, rowOf(zeroInput), i8);
      bool whole = zero && tensorType(zero).getRank() == 0;
      format.planes.push_back({Role::Zero, element, whole ? Block() : Block{1, kWhole}});
      planes.push_back(whole ? zero : n.reshape(zero, {columns, 1}));
    }
    if (n.hasFailed())
      return;
    auto type = RankedTensorType::get({columns, in}, n.builder().getF32Type());
    quant = bundle(n, QuantType::get(type, FormatAttr::get(n.importer.context, format)), planes);
  }

  /// x quantized at run time, times the weights: f32 [.., 4 H].
  Value product(Node &n, Value x, StringAttr name) const {
    if (n.hasFailed() || !x)
      return {};
    Value q = quantizeDynamic(n, x);
    nn::Sizes shape = n.importer.sizeAnalysis.shapeOf(x);
    shape.back() = n.importer.sizeAnalysis.table.constant(cast<QuantType>(quant.getType()).getShape()[0]);
    Value acc = n.withSizes(n.createTyped<tern::MatmulOp>(nn::typeOf(shape, n.builder().getI32Type()), q, quant, Value(), ChoiceAttr(), name),
                            shape);
    if (!acc)
      return {};
    Value factor = binary(n, BinaryKind::mul, unbundle(n, q)[1], scale);
    return binary(n, BinaryKind::mul, castTo(n, acc, n.builder().getF32Type()), factor);
  }
};

/// An input [D, ...] of direction d, without that dimension; null when it is absent.
Value ofDirection(Node &n, int input, int64_t direction) {
  if (!n.hasInput(input))
    return {};
  Value row = part(n, n.operand(input), 0, direction, 1);
  return row ? n.reshapeTo(row, nn::Sizes(ArrayRef(n.importer.sizeAnalysis.shapeOf(row)).drop_front())) : Value();
}

/// Names of the functions of one direction: gates, cell, hidden state.
std::optional<std::array<UnaryKind, 3>> functionsOf(ArrayRef<std::string> names) {
  std::array<UnaryKind, 3> kinds = {UnaryKind::sigmoid, UnaryKind::tanh, UnaryKind::tanh};
  for (auto [kind, name] : llvm::zip(kinds, names)) {
    std::string lower = StringRef(name).lower();
    if (lower == "sigmoid")
      kind = UnaryKind::sigmoid;
    else if (lower == "tanh")
      kind = UnaryKind::tanh;
    else if (lower == "relu")
      kind = UnaryKind::relu;
    else
      return std::nullopt;
  }
  return kinds;
}

/// DynamicQuantizeLSTM(x, w, r, b, lens, h0, c0, p, s_w, z_w, s_r, z_r): x [S, B, I], w [D, I, 4 H], r [D, H, 4 H]
LogicalResult importDynamicLstm(Node &n) {
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3)
    return n.error() << "X, W and R have ranks " << n.rank(0) << ", " << n.rank(1) << " and " << n.rank(2)
                     << "; all must be 3";
  std::string direction = n.string("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return n.error() << "direction is '" << direction << "'; forward, reverse and bidirectional are defined";
  ArrayRef<int64_t> x = n.type(0).getShape(), w = n.type(1).getShape(), r = n.type(2).getShape();
  int64_t steps = x[0], directions = direction == "bidirectional" ? 2 : 1, hidden = r[1];
  if (llvm::any_of(ArrayRef{steps, x[2]}, ShapedType::isDynamic) || !n.type(1).hasStaticShape() || !n.type(2).hasStaticShape())
    return n.keepOpen("the number of its steps is only known at run time");
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  nn::SizeExpr one = table.constant(1), batch = n.sizes(0)[1], cells = table.constant(hidden);
  if (w[0] != directions || r[0] != directions || w[1] != x[2] || w[2] != 4 * hidden || r[2] != 4 * hidden)
    return n.error() << "weights of type " << n.type(1) << " and " << n.type(2) << " for an input of type " << n.type(0)
                     << " and " << directions << " directions; W is [D, I, 4 H], R is [D, H, 4 H]";
  if (!codeElement(n.type(1).getElementType()).isInteger() || !codeElement(n.type(2).getElementType()).isInteger() ||
      !n.hasInput(8) || !n.hasInput(10))
    return n.error() << "weights and their scales must be quantized";
  std::optional<Ints> lens = n.constantInts(4);
  if (n.hasInput(4) && (!lens || llvm::any_of(*lens, [&](int64_t length) { return length != steps; })))
    return n.keep("its sequences have different lengths");
  if (n.hasInput(7) || n.integer("input_forget", 0) || n.hasAttr("clip"))
    return n.keep("it has peepholes, coupled gates or a clip");
  if (steps * directions > kMostSteps)
    return n.keep("its sequence is too long to be written out");
  std::vector<std::string> names;
  if (const onnx::AttributeProto *given = n.find("activations"))
    names.assign(given->strings().begin(), given->strings().end());
  OpBuilder &b = n.builder();
  Type f32 = b.getF32Type();
  SmallVector<Value> ofDirections, lastH, lastC; // [S, 1, B, H]; [1, B, H]
  for (int64_t d = 0; d < directions && !n.hasFailed(); d++) {
    std::optional<std::array<UnaryKind, 3>> functions =
        functionsOf(names.size() >= size_t(3 * d + 3) ? ArrayRef(names).slice(size_t(3 * d), 3) : ArrayRef<std::string>());
    if (!functions)
      return n.keep("of its activations only Sigmoid, Tanh and Relu are known");
    auto nameOf = [&](const Twine &what) { return n.importer.uniqueName(n.name().getValue() + "." + what); };
    Weights input(n, 1, 8, 9, d, directions), state(n, 2, 10, 11, d, directions);
    Value gates = input.product(n, n.operand(0), d == 0 ? n.name() : nameOf("x" + Twine(d)));
    Value bias = ofDirection(n, 3, d);
    if (bias)
      bias = binary(n, BinaryKind::add, part(n, bias, 0, 0, 4 * hidden), part(n, bias, 0, 4 * hidden, 4 * hidden));
    Value h = ofDirection(n, 5, d), c = ofDirection(n, 6, d);
    SmallVector<Value> all(static_cast<size_t>(steps));
    for (int64_t i = 0; i < steps && !n.hasFailed(); i++) {
      int64_t t = d == 1 || direction == "reverse" ? steps - 1 - i : i;
      Value sum = n.reshapeTo(part(n, gates, 0, t, 1), {batch, table.constant(4 * hidden)});
      if (h)
        sum = binary(n, BinaryKind::add, sum, state.product(n, h, nameOf("h" + Twine(d) + "." + Twine(t))));
      if (bias)
        sum = binary(n, BinaryKind::add, sum, bias);
      // Input, output, forget, cell.
      auto gate = [&](int64_t g, UnaryKind f) { return unary(n, f, part(n, sum, 1, g * hidden, hidden)); };
      Value fresh = binary(n, BinaryKind::mul, gate(0, (*functions)[0]), gate(3, (*functions)[1]));
      c = c ? binary(n, BinaryKind::add, binary(n, BinaryKind::mul, gate(2, (*functions)[0]), c), fresh) : fresh;
      h = binary(n, BinaryKind::mul, gate(1, (*functions)[0]), unary(n, (*functions)[2], c));
      if (n.hasFailed() || !h)
        return failure();
      all[size_t(t)] = n.reshapeTo(h, {one, one, batch, cells});
    }
    Value nothing = n.scalar(f32, 0);
    if (!h)
      h = c = n.expandTo(nothing, {batch, cells});
    if (n.hasFailed())
      return failure();
    lastH.push_back(n.reshapeTo(h, {one, batch, cells}));
    lastC.push_back(n.reshapeTo(c, {one, batch, cells}));
    ofDirections.push_back(all.size() == 1 ? all[0] : n.create<ConcatOp>(all, int64_t(0), StringAttr()));
  }
  if (n.hasFailed())
    return failure();
  auto joined = [&](ArrayRef<Value> parts, int64_t axis) -> Value {
    return parts.size() == 1 ? parts[0] : n.create<ConcatOp>(parts, axis, StringAttr());
  };
  if (failed(n.result(joined(ofDirections, 1), 0)))
    return failure();
  if (n.isOutputUsed(1) && failed(n.result(joined(lastH, 0), 1)))
    return failure();
  return n.isOutputUsed(2) ? n.result(joined(lastC, 0), 2) : success();
}

constexpr Rule kRules[] = {
    {"DynamicQuantizeLSTM", 1, 3, 12, importDynamicLstm, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> dynamicLstmRules() { return kRules; }

} // namespace tern::importer
