//===- NestBuilder.cpp - elementwise ops of a kernel -> NdProblem -----------===//
#include "lib/Target/Cpu/Lowering/Programs/NestBuilder.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"
#include "lib/Target/Cpu/Lowering/Sizes/SizeCodes.h"
#include "lib/Target/Cpu/Math/NdVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace tern::cpu {

/// Inputs come in front of the nodes in the problem; until then nodes are known by these numbers.
static constexpr int kFirstNode = 1 << 16;

static Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

std::optional<Elem> programElem(Type type) {
  if (type.isF32())
    return Elem::F32;
  if (type.isInteger(1))
    return Elem::I1;
  // Wide unsigned numbers compare otherwise.
  if (auto integer = dyn_cast<IntegerType>(type)) {
    if (integer.isSignless() && integer.getWidth() == 64)
      return Elem::I64;
    if (integer.isSignless() && (integer.getWidth() == 32 || integer.getWidth() == 16))
      return Elem::I32;
    if (integer.getWidth() == 8)
      return Elem::I32;
  }
  return std::nullopt;
}

int NestBuilder::fail(const Twine &reason) {
  if (why.empty())
    why = reason.str();
  return -1;
}

int NestBuilder::node(NdNode node) {
  for (int arg : node.args)
    if (arg < 0)
      return -1;
  problem.nodes.push_back(std::move(node));
  return kFirstNode + int(problem.nodes.size()) - 1;
}

int NestBuilder::node(NdOp op, Elem elem, ArrayRef<int> args, double a, double b, int64_t i) {
  NdNode n;
  n.op = op;
  n.elem = elem;
  n.args.assign(args.begin(), args.end());
  n.a = a, n.b = b, n.i = i;
  return node(std::move(n));
}

int NestBuilder::floating(ExprOp op, ArrayRef<int> args, double a, double b) {
  NdNode n;
  n.f = op;
  n.args.assign(args.begin(), args.end());
  n.a = a, n.b = b;
  return node(std::move(n));
}

int NestBuilder::constant(Value value, Attribute attr) {
  auto elements = dyn_cast<ElementsAttr>(attr);
  std::optional<Elem> elem = programElem(elementOf(value));
  if (!elements || !elem || elements.getNumElements() != 1)
    return fail("a constant inside the kernel that is not one number");
  std::optional<std::vector<double>> numbers = numbersOf(elements);
  if (!numbers)
    return fail("the data of a constant is gone");
  double number = numbers->front();
  return node(NdOp::Constant, *elem, {}, number, 0, *elem == Elem::F32 ? 0 : int64_t(number));
}

namespace {
struct FloatRow {
  nn::UnaryKind kind;
  ExprOp op;
};
} // namespace

static std::optional<ExprOp> floatUnary(nn::UnaryKind kind) {
  using K = nn::UnaryKind;
  static const FloatRow rows[] = {
      {K::relu, ExprOp::Relu},         {K::leaky_relu, ExprOp::LeakyRelu}, {K::sigmoid, ExprOp::Sigmoid}, {K::hard_sigmoid, ExprOp::HardSigmoid},
      {K::hard_swish, ExprOp::HardSwish}, {K::tanh, ExprOp::Tanh},         {K::exp, ExprOp::Exp},         {K::log, ExprOp::Log},
      {K::sqrt, ExprOp::Sqrt},         {K::rsqrt, ExprOp::Rsqrt},          {K::reciprocal, ExprOp::Reciprocal}, {K::neg, ExprOp::Neg},
      {K::abs, ExprOp::Abs},           {K::floor, ExprOp::Floor},          {K::ceil, ExprOp::Ceil},       {K::round, ExprOp::Round},
      {K::sign, ExprOp::Sign},         {K::erf, ExprOp::Erf},              {K::gelu, ExprOp::Gelu},       {K::gelu_tanh, ExprOp::GeluTanh},
      {K::silu, ExprOp::Silu},         {K::elu, ExprOp::Elu},              {K::softplus, ExprOp::Softplus}};
  for (const FloatRow &row : rows)
    if (row.kind == kind)
      return row.op;
  return std::nullopt;
}

int NestBuilder::opResult(Operation *op, Value value) {
  std::optional<Elem> elem = programElem(elementOf(value));
  if (!elem)
    return fail("'" + op->getName().getStringRef() + "' on an element type that a loop nest does not know");
  bool isFloat = *elem == Elem::F32;
  return TypeSwitch<Operation *, int>(op)
      .Case<arith::ConstantOp>([&](auto c) { return constant(value, c.getValue()); })
      .Case<nn::CastOp>([&](auto cast) {
        std::optional<Elem> from = programElem(elementOf(cast.getX()));
        int x = valueOf(cast.getX());
        if (x < 0 || !from)
          return fail("a cast of an element type that a loop nest does not know");
        return *from == *elem ? x : node(NdOp::Convert, *elem, {x});
      })
      .Case<nn::ClipOp>([&](auto clip) {
        int x = valueOf(clip.getX());
        if (x < 0)
          return -1;
        auto bound = [&](double v) { return node(NdOp::Constant, *elem, {}, v, 0, isFloat ? 0 : int64_t(v)); };
        if (clip.getMin())
          x = node(NdOp::Max, *elem, {x, bound(clip.getMin()->convertToDouble())});
        if (clip.getMax())
          x = node(NdOp::Min, *elem, {x, bound(clip.getMax()->convertToDouble())});
        return x;
      })
      .Case<nn::UnaryOp>([&](nn::UnaryOp unary) {
        using K = nn::UnaryKind;
        int x = valueOf(unary.getX());
        K kind = unary.getKind();
        if (kind == K::logical_not || kind == K::bitwise_not)
          return node(NdOp::Not, *elem, {x});
        if (kind == K::isnan || kind == K::isinf)
          return elementOf(unary.getX()).isF32() ? node(kind == K::isnan ? NdOp::IsNan : NdOp::IsInf, Elem::I1, {x})
                                                 : fail("a test of another type than f32");
        if (isFloat) {
          auto orElse = [](std::optional<llvm::APFloat> v, double otherwise) { return v ? v->convertToDouble() : otherwise; };
          auto number = [&](double v) { return node(NdOp::Constant, Elem::F32, {}, v); };
          switch (kind) {
          case K::sin:
            return node(NdOp::Sin, Elem::F32, {x});
          case K::cos:
            return node(NdOp::Cos, Elem::F32, {x});
          case K::asin:
            return node(NdOp::Asin, Elem::F32, {x});
          case K::acos:
            return node(NdOp::Acos, Elem::F32, {x});
          case K::atan:
            return node(NdOp::Atan, Elem::F32, {x});
          case K::sinh:
            return node(NdOp::Sinh, Elem::F32, {x});
          case K::cosh:
            return node(NdOp::Cosh, Elem::F32, {x});
          case K::asinh:
            return node(NdOp::Asinh, Elem::F32, {x});
          case K::acosh:
            return node(NdOp::Acosh, Elem::F32, {x});
          case K::atanh:
            return node(NdOp::Atanh, Elem::F32, {x});
          case K::tan:
            return node(NdOp::Div, Elem::F32, {node(NdOp::Sin, Elem::F32, {x}), node(NdOp::Cos, Elem::F32, {x})});
          case K::mish:
            return node(NdOp::Mul, Elem::F32, {x, floating(ExprOp::Tanh, {floating(ExprOp::Softplus, {x})})});
          case K::softsign:
            return node(NdOp::Div, Elem::F32, {x, node(NdOp::Add, Elem::F32, {node(NdOp::Abs, Elem::F32, {x}), number(1)})});
          case K::selu:
            return node(NdOp::Mul, Elem::F32, {floating(ExprOp::Elu, {x}, orElse(unary.getAlpha(), 1.67326319217681884765625f)), number(orElse(unary.getBeta(), 1.05070102214813232421875f))});
          case K::celu: { // x = alpha (x / alpha) above 0
            int alpha = number(orElse(unary.getAlpha(), 1));
            return node(NdOp::Mul, Elem::F32, {floating(ExprOp::Elu, {node(NdOp::Div, Elem::F32, {x, alpha})}, 1), alpha});
          }
          case K::thresholded_relu:
            return node(NdOp::Select, Elem::F32, {node(NdOp::Gt, Elem::I1, {x, number(orElse(unary.getAlpha(), 1))}), x, number(0)});
          default:
            break;
          }
          std::optional<ExprOp> f = floatUnary(kind);
          if (!f)
            return fail("nn.unary " + nn::stringifyUnaryKind(kind) + " has no vector form");
          double alpha = kind == K::leaky_relu ? 0.01f : kind == K::hard_sigmoid ? 0.2f : 1;
          return floating(*f, {x}, orElse(unary.getAlpha(), alpha), orElse(unary.getBeta(), 0.5));
        }
        if (kind == K::neg || kind == K::abs || kind == K::sign)
          return node(kind == K::neg ? NdOp::Neg : kind == K::abs ? NdOp::Abs : NdOp::Sign, *elem, {x});
        if (kind == K::relu)
          return node(NdOp::Max, *elem, {x, node(NdOp::Constant, *elem, {})});
        return fail("nn.unary " + nn::stringifyUnaryKind(kind) + " of integers has no vector form");
      })
      .Case<nn::BinaryOp>([&](nn::BinaryOp binary) {
        using K = nn::BinaryKind;
        int x = valueOf(binary.getLhs()), y = valueOf(binary.getRhs());
        K kind = binary.getKind();
        bool wraps = llvm::is_contained({K::add, K::sub, K::mul, K::div}, kind) && !isFloat && elementOf(value).getIntOrFloatBitWidth() < 32;
        if (wraps)
          return fail("arithmetic of integers below 32 bits");
        switch (kind) {
        case K::add:
          return node(NdOp::Add, *elem, {x, y});
        case K::sub:
          return node(NdOp::Sub, *elem, {x, y});
        case K::mul:
          return node(NdOp::Mul, *elem, {x, y});
        case K::div:
          return node(NdOp::Div, *elem, {x, y});
        case K::min:
          return node(NdOp::Min, *elem, {x, y});
        case K::max:
          return node(NdOp::Max, *elem, {x, y});
        case K::mod:
        case K::fmod:
          return node(NdOp::Mod, *elem, {x, y}, 0, 0, kind == K::fmod);
        case K::logical_and:
        case K::bitwise_and:
          return node(NdOp::And, *elem, {x, y});
        case K::logical_or:
        case K::bitwise_or:
          return node(NdOp::Or, *elem, {x, y});
        case K::logical_xor:
        case K::bitwise_xor:
          return node(NdOp::Xor, *elem, {x, y});
        case K::pow:
          if (!isFloat || !elementOf(binary.getRhs()).isF32())
            break;
          if (auto c = binary.getRhs().getDefiningOp<arith::ConstantOp>())
            if (auto dense = dyn_cast<DenseElementsAttr>(c.getValue()); dense && dense.getNumElements() == 1)
              return floating(ExprOp::Pow, {x}, (*dense.getValues<APFloat>().begin()).convertToDouble());
          return floating(ExprOp::Pow, {x, y});
        case K::prelu:
          if (isFloat)
            return floating(ExprOp::Prelu, {x, y});
          break;
        default:
          break;
        }
        return fail("nn.binary " + nn::stringifyBinaryKind(kind) + " has no vector form for this element type");
      })
      .Case<nn::CompareOp>([&](nn::CompareOp compare) {
        static const NdOp ops[] = {NdOp::Eq, NdOp::Lt, NdOp::Le, NdOp::Gt, NdOp::Ge};
        return node(ops[int(compare.getKind())], Elem::I1, {valueOf(compare.getLhs()), valueOf(compare.getRhs())});
      })
      .Case<nn::SelectOp>([&](auto select) {
        return node(NdOp::Select, *elem, {valueOf(select.getCondition()), valueOf(select.getOnTrue()), valueOf(select.getOnFalse())});
      })
      .Case<DequantizeOp>([&](auto dequantize) { return dequantized(dequantize.getQ()); })
      .Case<UnbundleOp>([&](auto) { return quantized(value); })
      .Case<nn::ExpandOp>([&](auto expand) { return valueOf(expand.getX()); })
      .Case<nn::RangeOp>([&](nn::RangeOp range) {
        int position = node(NdOp::Position, Elem::I64, {}, 0, 0, 0);
        if (*elem != Elem::I64)
          position = node(NdOp::Convert, *elem, {position});
        int step = node(NdOp::Mul, *elem, {position, valueOf(range.getDelta())});
        return node(NdOp::Add, *elem, {valueOf(range.getStart()), step});
      })
      .Default([&](Operation *other) { return fail("'" + other->getName().getStringRef() + "' is not elementwise"); });
}

int NestBuilder::argument(Value value, Bytes bytes) {
  std::optional<View> view = programElem(elementOf(value)) ? input(value, bytes) : std::nullopt;
  if (!view)
    return fail("an operand that a loop nest does not read");
  problem.inputs.push_back(*view);
  arguments.push_back(value);
  return int(problem.inputs.size()) - 1;
}

/// Codes or zero points, as integers.
int NestBuilder::code(Value value, Bytes bytes) {
  if (auto c = value.getDefiningOp<arith::ConstantOp>()) {
    auto elements = dyn_cast<DenseElementsAttr>(c.getValue());
    if (!elements || !elements.isSplat())
      return fail("a constant inside the kernel that is not one number");
    APInt number = elements.getSplatValue<APInt>();
    return node(NdOp::Constant, Elem::I32, {}, 0, 0, bytes == Bytes::UnsignedCode ? int64_t(number.getZExtValue()) : number.getSExtValue());
  }
  if (!isa<BlockArgument>(value))
    return fail("codes that are computed inside the kernel");
  if (auto found = knownCodes.find(value); found != knownCodes.end())
    return found->second;
  int number = argument(value, bytes);
  // What a place holds of a signed activation is the code + 128.
  if (number >= 0 && bytes == Bytes::SignedCode && problem.inputs[number].elem == Elem::U8)
    number = node(NdOp::Sub, Elem::I32, {number, node(NdOp::Constant, Elem::I32, {}, 0, 0, 128)});
  if (number >= 0)
    knownCodes[value] = number;
  return number;
}

/// Whole bytes with one f32 scale, and perhaps a zero point in the same type, along whole axes.
static bool isPlainBytes(QuantType type) {
  Format format = type.getFormat().getFormat();
  if (!format.elem.isInteger() || format.elem.bits != 8 || format.planes.empty() || format.planes.size() > 2)
    return false;
  const Plane *scale = format.find(Role::Scale), *zero = format.find(Role::Zero);
  return scale == &format.planes[0] && scale->type == Element::f32() && (format.planes.size() == 1 || (zero && zero->type == format.elem));
}

int NestBuilder::dequantized(Value quantized) {
  auto bundle = quantized.getDefiningOp<BundleOp>();
  if (!bundle || !isPlainBytes(bundle.getResult().getType()))
    return fail("a quantized operand that is not 8 bits with one f32 scale for whole axes");
  bool isSigned = bundle.getResult().getType().getFormat().getFormat().elem.hasSignedCodes();
  ValueRange planes = bundle.getPlanes();
  int number = code(planes[0], isSigned ? Bytes::SignedCode : Bytes::UnsignedCode);
  if (planes.size() > 2)
    number = node(NdOp::Sub, Elem::I32, {number, code(planes[2], isSigned ? Bytes::Number : Bytes::UnsignedCode)});
  return node(NdOp::Mul, Elem::F32, {node(NdOp::Convert, Elem::F32, {number}), valueOf(planes[1])});
}

int NestBuilder::quantized(Value codes) {
  auto unbundle = codes.getDefiningOp<UnbundleOp>();
  auto quantize = unbundle && codes == unbundle.getPlanes()[0] ? unbundle.getQ().getDefiningOp<QuantizeOp>() : QuantizeOp();
  if (!quantize || quantize.getPlanes().empty() || !isPlainBytes(quantize.getResult().getType()))
    return fail("a quantization that is not 8 bits with one f32 scale for whole axes");
  Format format = quantize.getResult().getType().getFormat().getFormat();
  bool isSigned = format.elem.hasSignedCodes();
  double low = isSigned ? -128 : 0, high = low + 255;
  if (quantize.getByAttr()) {
    Encode by = quantize.getByAttr().getEncode();
    if (by.round != Round::Rne || by.order != Order::RoundThenZp || by.sat != Sat::Clamp)
      return fail("a quantization that does not round to the nearest code and clamp");
    low = double(by.low(format.elem)), high = double(by.high(format.elem));
  }
  ValueRange planes = quantize.getPlanes();
  int zero = planes.size() > 1 ? code(planes[1], isSigned ? Bytes::Number : Bytes::UnsignedCode) : node(NdOp::Constant, Elem::I32, {});
  int number = node(NdOp::Quantize, Elem::I32, {valueOf(quantize.getX()), valueOf(planes[0]), zero}, low, high);
  return isSigned ? node(NdOp::Add, Elem::I32, {number, node(NdOp::Constant, Elem::I32, {}, 0, 0, 128)}) : number;
}

int NestBuilder::valueOf(Value value) {
  if (auto found = known.find(value); found != known.end())
    return found->second;
  int number = isa<BlockArgument>(value) ? argument(value, Bytes::Number) : opResult(value.getDefiningOp(), value);
  if (number >= 0)
    known[value] = number;
  return number;
}

bool NestBuilder::finish(Value result) {
  int number = valueOf(result);
  if (number < 0) {
    fail("a value that is no elementwise program");
    return false;
  }
  // The last node is what is stored.
  if (number != kFirstNode + int(problem.nodes.size()) - 1) {
    std::optional<Elem> elem = programElem(elementOf(result));
    node(NdOp::Convert, *elem, {number});
  }
  int inputs = problem.inputs.size();
  for (NdNode &node : problem.nodes)
    for (int &arg : node.args)
      if (arg >= kFirstNode)
        arg += inputs - kFirstNode;
  return true;
}

void mergeDimensions(NdProblem &p) {
  SmallVector<View *> views{&p.out};
  for (View &input : p.inputs)
    views.push_back(&input);
  bool counts = llvm::any_of(p.nodes, [](const NdNode &node) { return node.op == NdOp::Position; });
  auto erase = [&](size_t d) {
    p.sizes.erase(p.sizes.begin() + d);
    for (View *view : views)
      view->strides.erase(view->strides.begin() + d);
  };
  if (counts)
    return; // positions name dimensions
  for (size_t d = p.sizes.size(); d-- > 0 && p.sizes.size() > 1;)
    if (p.sizes[d] == 1)
      erase(d);
  for (size_t d = p.sizes.size(); d-- > 1;) {
    bool alike = llvm::all_of(views, [&](View *view) { return view->strides[d - 1] == times(view->strides[d], p.sizes[d]); });
    if (!alike)
      continue;
    p.sizes[d] = times(p.sizes[d], p.sizes[d - 1]);
    erase(d - 1);
  }
  // A dimension of one has any stride; what is left must say neighbours.
  for (View *view : views)
    if (p.sizes.back() == 1 && view->strides.back() != 0)
      view->strides.back() = 1;
  if (p.sizes.back() == 1)
    p.out.strides.back() = 1;
}

} // namespace tern::cpu
