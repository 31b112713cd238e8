//===- ExprBuilder.cpp - elementwise ops of a kernel function -> Expr -------===//
#include "lib/Target/Cpu/Lowering/Programs/ExprBuilder.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern::cpu {

/// Constants that a broadcast makes as large as the output: more than this stays with the portable kernel.
static constexpr int64_t kMaxExpandedConstant = 1 << 20;
/// Above so many elements a constant that is one number a row or pixel stays one.
static constexpr int64_t kMaxExpandedRows = 1 << 12;

int operandIndex(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? int(argument.getArgNumber()) : -1;
}

std::optional<double> scalarConstant(Value value, bool asUnsigned) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto attr = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!attr || attr.getNumElements() != 1)
    return std::nullopt;
  std::optional<std::vector<double>> numbers = numbersOf(attr, asUnsigned);
  return numbers ? std::optional<double>(numbers->front()) : std::nullopt;
}

std::optional<int64_t> storedZero(BundleOp bundle) {
  Format format = bundle.getResult().getType().getFormat().getFormat();
  bool isSigned = format.elem.hasSignedCodes();
  int64_t zero = isSigned ? 128 : 0;
  for (auto [index, plane] : llvm::enumerate(format.planes))
    if (plane.role == Role::Zero) {
      std::optional<double> value = scalarConstant(bundle.getPlanes()[index + 1], !isSigned);
      if (!value)
        return std::nullopt;
      zero += int64_t(*value);
    }
  return zero;
}

int ExprBuilder::fail(const Twine &reason) {
  if (why.empty())
    why = reason.str();
  return -1;
}

int ExprBuilder::addAccumulator() {
  program.inputs.push_back(ExprInput());
  return int(program.inputs.size()) - 1;
}

int ExprBuilder::halfOf(Value value, Value anchor, int accumulator, int which) {
  int64_t both = 2 * outType.getShape().back();
  SmallVector<Value> halves;
  for (auto [value, number] : known)
    if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() && type.getShape().back() == both)
      halves.push_back(value);
  for (Value value : halves)
    known.erase(value);
  remember(anchor, accumulator);
  half = which;
  int number = valueOf(value);
  half = -1;
  return number;
}

void ExprBuilder::forgetInputs() {
  program.inputs.truncate(1);
  program.nodes.clear();
  inputArgs.clear();
  known.clear();
}

int ExprBuilder::node(ExprOp op, ArrayRef<int> args, double a, double b, int32_t lo, int32_t hi) {
  for (int arg : args)
    if (arg < 0)
      return -1;
  ExprNode node;
  node.op = op;
  node.args.assign(args.begin(), args.end());
  node.a = a;
  node.b = b;
  node.lo = lo;
  node.hi = hi;
  program.nodes.push_back(node);
  return kFirstNode + int(program.nodes.size()) - 1;
}

int ExprBuilder::input(ExprInput::Kind kind, const Map &map, KernelArg arg) {
  ExprInput in;
  in.kind = kind;
  in.map = map;
  program.inputs.push_back(in);
  inputArgs.push_back(std::move(arg));
  return int(program.inputs.size()) - 1;
}

int ExprBuilder::constantInput(const std::vector<double> &numbers) {
  KernelArg arg;
  arg.kind = KernelArg::Constant;
  arg.bytes.resize(numbers.size() * sizeof(float));
  for (size_t i = 0; i < numbers.size(); ++i) {
    float number = float(numbers[i]);
    std::memcpy(arg.bytes.data() + i * sizeof(float), &number, sizeof(float));
  }
  return input(numbers.size() == 1 ? ExprInput::Scalar : ExprInput::Channel, Map(), std::move(arg));
}

int ExprBuilder::tensorInput(unsigned index) {
  KernelArg arg;
  arg.index = index;
  arg.elem = operands[index].place.map.elem;
  return input(ExprInput::Tensor, operands[index].place.map, std::move(arg));
}

/// The one dimension of `shape`, aligned to the right of `rank` dimensions, that is not 1; -1: all are 1, -2: there are
/// several.
static int64_t onlyAxis(ArrayRef<int64_t> shape, int64_t rank) {
  int64_t axis = -1;
  for (auto [index, extent] : llvm::enumerate(shape))
    if (extent != 1) {
      if (axis >= 0)
        return -2;
      axis = rank - int64_t(shape.size()) + int64_t(index);
    }
  return axis;
}

int ExprBuilder::constant(ElementsAttr attr) {
  auto type = cast<RankedTensorType>(attr.getType());
  if (!type.getElementType().isF32())
    return fail("a constant that is not f32");
  std::optional<std::vector<double>> numbers = numbersOf(attr);
  if (!numbers)
    return fail("the data of a constant is gone");
  int64_t rank = outType.getRank(), axis = onlyAxis(type.getShape(), rank);
  int64_t channel = out.form == Form::Channels ? 1 : rank - 1;
  if (axis == -1 && !numbers->empty())
    return constantInput(*numbers);
  if (axis == channel && int64_t(numbers->size()) == out.map.c && out.map.c == outType.getDimSize(channel))
    return constantInput(*numbers);
  if (axis == channel && half >= 0 && int64_t(numbers->size()) == 2 * out.map.c)
    return constantInput(std::vector<double>(numbers->begin() + half * out.map.c, numbers->begin() + (half + 1) * out.map.c));
  // Any other broadcast: the constant is expanded into the layout of the output, or into that of its rows.
  for (int64_t i = 0; i < std::min(type.getRank(), rank); ++i)
    if (type.getDimSize(type.getRank() - 1 - i) != 1 && type.getDimSize(type.getRank() - 1 - i) != outType.getDimSize(rank - 1 - i))
      return fail("a constant that does not broadcast to the result");
  if (type.getRank() > rank)
    return fail("a constant of a larger rank than the result");
  Placement dense = out;
  dense.map.elem = Elem::F32;
  dense.map.top = dense.map.left = dense.map.bottom = dense.map.right = dense.map.base = 0;
  SmallVector<SizeCode> shape(outType.getShape());
  int64_t inConstant = channel - (rank - type.getRank());
  bool perRow = !dense.map.planar && out.map.c != 1 && (inConstant < 0 || type.getDimSize(inConstant) == 1) &&
                (!outType.hasStaticShape() || outType.getNumElements() > kMaxExpandedRows);
  if (perRow)
    shape[channel] = dense.map.c = 1;
  dense.map.cs = dense.map.planar ? 1 : dense.map.c;
  SizedType target(shape, outType.getElementType());
  if (!target.hasStaticShape())
    return fail("a constant that is broadcast along another dimension than the channels, to a size that is only known at run time");
  if (target.getNumElements() > kMaxExpandedConstant)
    return fail("a large constant that is broadcast along another dimension than the channels");
  SmallVector<int64_t> strides = stridesOf(target, dense), from(rank, 0);
  int64_t step = 1;
  for (int64_t i = type.getRank() - 1; i >= 0; --i) {
    from[rank - type.getRank() + i] = type.getDimSize(i) == 1 ? 0 : step;
    step *= type.getDimSize(i);
  }
  std::vector<double> expanded(target.getNumElements());
  SmallVector<int64_t> at(rank, 0);
  for (int64_t count = 0; count < int64_t(expanded.size()); ++count) {
    int64_t source = 0, place = 0;
    for (int64_t i = 0; i < rank; ++i) {
      source += at[i] * from[i];
      place += at[i] * strides[i];
    }
    expanded[place] = (*numbers)[source];
    for (int64_t i = rank - 1; i >= 0 && ++at[i] == target.getDimSize(i); --i)
      at[i] = 0;
  }
  int result = constantInput(expanded);
  program.inputs[result].kind = perRow ? ExprInput::Row : ExprInput::Tensor;
  program.inputs[result].map = dense.map;
  return result;
}

int ExprBuilder::argument(BlockArgument argument) {
  unsigned index = argument.getArgNumber();
  const CallOperand &operand = operands[index];
  if (operand.constant)
    return constant(operand.constant);
  SizedType type(argument);
  if (type.getShape() == outType.getShape())
    return tensorInput(index);
  int64_t rank = outType.getRank();
  KernelArg arg;
  arg.index = index;
  arg.elem = operand.place.map.elem;
  if (type.getNumElements() == 1 && arg.elem == Elem::F32)
    return input(ExprInput::Scalar, Map(), arg);
  if (out.form == Form::Channels && type.getRank() == rank && type.getDimSize(0) == outType.getDimSize(0)) {
    bool gate = type.getDimSize(1) == outType.getDimSize(1), plane = type.getDimSize(1) == 1;
    for (int64_t i = 2; i < rank; ++i) {
      gate &= type.getDimSize(i) == 1;
      plane &= type.getDimSize(i) == outType.getDimSize(i);
    }
    if (gate)
      return input(ExprInput::Pixelwise, operand.place.map, arg);
    if (plane && arg.elem == Elem::F32)
      return input(ExprInput::Row, operand.place.map, arg);
  }
  // One number a column, of this run: the product of run-time and constant scales.
  if (out.form == Form::Plain && arg.elem == Elem::F32 && type.getRank() && rank && onlyAxis(type.getShape(), rank) == rank - 1 &&
      type.getShape().back() == outType.getShape().back() && operand.place.form == Form::Plain && isDense(operand.place.map) &&
      out.map.c == type.getShape().back())
    return input(ExprInput::Channel, Map(), arg);
  if (out.form == Form::Plain && arg.elem == Elem::F32 && type.getRank() == rank &&
      type.getShape().drop_back() == outType.getShape().drop_back() && type.getShape().back() == 1) {
    Map rows = out.map;
    rows.elem = Elem::F32;
    rows.c = rows.cs = 1;
    rows.base = 0;
    return input(ExprInput::Row, rows, arg);
  }
  return fail("an operand that is broadcast along other dimensions than picture or channels");
}

int ExprBuilder::dequantized(BundleOp bundle, std::optional<double> scale) {
  int index = operandIndex(bundle.getPlanes().front());
  std::optional<int64_t> zero = storedZero(bundle);
  Format format = bundle.getResult().getType().getFormat().getFormat();
  if (index < 0 || operands[index].constant || !zero || format.elem.bits != 8 || !format.planes.size())
    return fail("a quantized operand whose zero point is not constant");
  bool isPlain = format.elem.isInteger() && llvm::all_of(format.planes, [](const Plane &plane) {
                   return plane.role == Role::Scale || plane.role == Role::Zero;
                 });
  if (!isPlain || llvm::count_if(format.planes, [](const Plane &plane) { return plane.role == Role::Scale; }) != 1)
    return fail("a quantized operand of format " + format.str() + "; generated kernels read integers with one scale");
  if (operands[index].type.getShape() != outType.getShape())
    return fail("a quantized operand that is broadcast");
  int x = tensorInput(index), s;
  if (scale)
    s = constantInput({*scale});
  else if (std::optional<double> constant = scalarConstant(bundle.getPlanes()[1]))
    s = constantInput({*constant});
  else
    s = valueOf(bundle.getPlanes()[1]);
  return node(ExprOp::Dequant, {x, s}, double(*zero));
}

static std::optional<ExprOp> unaryOp(nn::UnaryKind kind) {
  using K = nn::UnaryKind;
  switch (kind) {
  case K::relu:
    return ExprOp::Relu;
  case K::leaky_relu:
    return ExprOp::LeakyRelu;
  case K::sigmoid:
    return ExprOp::Sigmoid;
  case K::hard_sigmoid:
    return ExprOp::HardSigmoid;
  case K::hard_swish:
    return ExprOp::HardSwish;
  case K::tanh:
    return ExprOp::Tanh;
  case K::exp:
    return ExprOp::Exp;
  case K::log:
    return ExprOp::Log;
  case K::sqrt:
    return ExprOp::Sqrt;
  case K::rsqrt:
    return ExprOp::Rsqrt;
  case K::reciprocal:
    return ExprOp::Reciprocal;
  case K::neg:
    return ExprOp::Neg;
  case K::abs:
    return ExprOp::Abs;
  case K::floor:
    return ExprOp::Floor;
  case K::ceil:
    return ExprOp::Ceil;
  case K::round:
    return ExprOp::Round;
  case K::sign:
    return ExprOp::Sign;
  case K::erf:
    return ExprOp::Erf;
  case K::gelu:
    return ExprOp::Gelu;
  case K::gelu_tanh:
    return ExprOp::GeluTanh;
  case K::silu:
    return ExprOp::Silu;
  case K::elu:
    return ExprOp::Elu;
  case K::softplus:
    return ExprOp::Softplus;
  default:
    return std::nullopt;
  }
}

static std::optional<ExprOp> binaryOp(nn::BinaryKind kind) {
  using K = nn::BinaryKind;
  switch (kind) {
  case K::add:
    return ExprOp::Add;
  case K::sub:
    return ExprOp::Sub;
  case K::mul:
    return ExprOp::Mul;
  case K::div:
    return ExprOp::Div;
  case K::pow:
    return ExprOp::Pow;
  case K::min:
    return ExprOp::Min;
  case K::max:
    return ExprOp::Max;
  case K::prelu:
    return ExprOp::Prelu;
  default:
    return std::nullopt;
  }
}

static double orElse(std::optional<llvm::APFloat> value, double otherwise) {
  return value ? value->convertToDouble() : otherwise;
}

std::optional<double> ExprBuilder::splatConstant(Value value) const {
  int index = operandIndex(value);
  ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(value);
  std::optional<std::vector<double>> numbers = attr && attr.getNumElements() == 1 ? numbersOf(attr) : std::nullopt;
  return numbers ? std::optional<double>(numbers->front()) : std::nullopt;
}

int ExprBuilder::opResult(Operation *op, Value value) {
  if (!isa<QuantType>(value.getType())) {
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    if (!element.isF32() && !isa<UnbundleOp>(op))
      return fail("elementwise arithmetic on " + op->getName().getStringRef() + " of another type than f32");
  }
  return TypeSwitch<Operation *, int>(op)
      .Case<arith::ConstantOp>([&](auto c) { return constant(cast<ElementsAttr>(c.getValue())); })
      .Case<nn::CastOp>([&](auto cast) {
        Type from = mlir::cast<RankedTensorType>(cast.getX().getType()).getElementType();
        int x = valueOf(cast.getX());
        return from.isF32()         ? x
               : from.isInteger(32) ? node(ExprOp::IntToF32, {x})
                                    : fail("a cast that has no vector form");
      })
      .Case<nn::ClipOp>([&](auto clip) {
        return node(ExprOp::Clip, {valueOf(clip.getX())}, orElse(clip.getMin(), -INFINITY),
                    orElse(clip.getMax(), INFINITY));
      })
      .Case<nn::UnaryOp>([&](auto unary) {
        std::optional<ExprOp> kind = unaryOp(unary.getKind());
        if (!kind)
          return fail("nn.unary " + nn::stringifyUnaryKind(unary.getKind()) + " has no vector form");
        double alpha = unary.getKind() == nn::UnaryKind::leaky_relu     ? 0.01f
                       : unary.getKind() == nn::UnaryKind::hard_sigmoid ? 0.2f
                                                                        : 1;
        return node(*kind, {valueOf(unary.getX())}, orElse(unary.getAlpha(), alpha), orElse(unary.getBeta(), 0.5));
      })
      .Case<nn::BinaryOp>([&](auto binary) {
        std::optional<ExprOp> kind = binaryOp(binary.getKind());
        if (!kind)
          return fail("nn.binary " + nn::stringifyBinaryKind(binary.getKind()) + " has no vector form");
        if (*kind == ExprOp::Pow)
          if (std::optional<double> exponent = splatConstant(binary.getRhs()))
            return node(ExprOp::Pow, {valueOf(binary.getLhs())}, *exponent);
        int lhs = valueOf(binary.getLhs()), rhs = valueOf(binary.getRhs());
        return node(*kind, {lhs, rhs});
      })
      .Case<DequantizeOp>([&](auto dequantize) {
        auto bundle = dequantize.getQ().template getDefiningOp<BundleOp>();
        return bundle ? dequantized(bundle, std::nullopt) : valueOf(dequantize.getQ());
      })
      .Case<QuantizeOp>([&](auto quantize) {
        Format format = quantize.getResult().getType().getFormat().getFormat();
        bool isSigned = format.elem.hasSignedCodes();
        std::optional<double> scale = scalarConstant(quantize.getPlanes().front());
        std::optional<double> zero =
            quantize.getPlanes().size() > 1 ? scalarConstant(quantize.getPlanes()[1], !isSigned) : 0.0;
        if (!format.elem.isInteger() || format.elem.bits != 8 || !scale || !zero || quantize.getPlanes().size() > 2)
          return fail("a quantization that is not 8 bits with one constant scale");
        Encode by = quantize.getByAttr() ? quantize.getByAttr().getEncode() : Encode(Rule::Given);
        if (by.round != Round::Rne || by.order != Order::RoundThenZp || by.sat != Sat::Clamp)
          return fail("a quantization with another rounding than to nearest even");
        int shift = isSigned ? 128 : 0;
        return node(ExprOp::Quant, {valueOf(quantize.getX()), constantInput({*scale})}, *zero + shift, 0,
                    int32_t(by.low(format.elem)) + shift, int32_t(by.high(format.elem)) + shift);
      })
      .Case<RequantizeOp>([&](RequantizeOp requantize) {
        Format format = requantize.getResult().getType().getFormat().getFormat();
        bool isSigned = format.elem.hasSignedCodes();
        int shift = isSigned ? 128 : 0;
        std::optional<double> zero = requantize.getZero() ? scalarConstant(requantize.getZero(), !isSigned) : 0.0;
        if (!zero || format.elem.bits != 8)
          return fail("a requantization that is not 8 bits with a constant zero point");
        SmallVector<int> products;
        for (auto [term, multiplier] : llvm::zip(requantize.getTerms(), requantize.getMultipliers())) {
          if (isa<QuantType>(term.getType())) {
            std::optional<double> factor = scalarConstant(multiplier);
            auto bundle = term.getDefiningOp<BundleOp>();
            if (!factor || !bundle)
              return fail("a residual term whose multiplier is not one constant");
            products.push_back(dequantized(bundle, factor));
            continue;
          }
          int x = valueOf(term), m = valueOf(multiplier);
          if (requantize.getTerms().size() == 1)
            return node(ExprOp::Requant, {x, m}, *zero + shift, 0, int32_t(requantize.getLo()) + shift,
                        int32_t(requantize.getHi()) + shift);
          if (mlir::cast<RankedTensorType>(term.getType()).getElementType().isInteger(32))
            x = node(ExprOp::IntToF32, {x});
          products.push_back(node(ExprOp::Mul, {x, m}));
        }
        int sum = products.size() == 1 ? products[0] : node(ExprOp::Add, products);
        return node(ExprOp::Requant, {sum}, *zero + shift, 0, int32_t(requantize.getLo()) + shift,
                    int32_t(requantize.getHi()) + shift);
      })
      .Case<UnbundleOp>([&](auto unbundle) {
        if (value != unbundle.getPlanes().front())
          return fail("a parameter plane as a result");
        if (auto bundle = unbundle.getQ().template getDefiningOp<BundleOp>())
          return valueOf(bundle.getPlanes().front());
        return valueOf(unbundle.getQ());
      })
      .Default([&](Operation *other) { return fail("'" + other->getName().getStringRef() + "' is not elementwise"); });
}

int ExprBuilder::valueOf(Value value) {
  auto found = known.find(value);
  if (found != known.end())
    return found->second;
  int number =
      isa<BlockArgument>(value) ? argument(cast<BlockArgument>(value)) : opResult(value.getDefiningOp(), value);
  if (number >= 0)
    known[value] = number;
  return number;
}

bool ExprBuilder::finish(Value result) {
  int number = valueOf(result);
  if (number < 0) {
    fail("a value that is no elementwise program");
    return false;
  }
  int inputs = program.inputs.size();
  // The program's value is its last node, or input 0 when there is none.
  bool isLast = number == kFirstNode + int(program.nodes.size()) - 1 || (program.nodes.empty() && number == 0);
  if (!isLast) {
    fail("the result is not the last value of the program");
    return false;
  }
  for (ExprNode &node : program.nodes)
    for (int &arg : node.args)
      if (arg >= kFirstNode)
        arg += inputs - kFirstNode;
  return true;
}

} // namespace tern::cpu
