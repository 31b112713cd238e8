#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace tern::cpu {
namespace {
/// Codes up to here are rounded by an addition (KernelBuilder::roundToInt).
constexpr int64_t kExact = int64_t(1) << 21;

bool isInteger(Value v) { return isa<IntegerType>(getElementTypeOrSelf(v)); }
bool isActivation(ExprInput::Kind kind) {
  return kind == ExprInput::Tensor || kind == ExprInput::Pixelwise || kind == ExprInput::Row;
}
} // namespace

Index rowOffset(KernelBuilder &k, const Map &m, const Index &n, const Index &y) {
  Index stride = k.rowStride(m), base = k.offset(m.base);
  if (m.planar)
    return n * k.imageStride(m) + y * stride + base;
  return n * k.imageStride(m) + y * stride + (base + m.top * stride + m.left * k.extent(m.cs));
}

ExprVector::ExprVector(KernelBuilder &k, const Expr &expr, Elem outElem, unsigned firstArg, Elem accElem)
    : k(k), expr(expr), outElem(outElem), accElem(accElem) {
  for (const ExprInput &input : expr.inputs)
    args.push_back(input.kind == ExprInput::Acc ? Value() : k.arg(firstArg++));
}

void ExprVector::appendArgs(const Expr &expr, SmallVectorImpl<Elem> &args) {
  for (const ExprInput &input : expr.inputs)
    if (input.kind != ExprInput::Acc)
      args.push_back(isActivation(input.kind) ? input.map.elem : Elem::F32);
}

ExprVector::Row ExprVector::row(const Index &n, const Index &y) {
  Row row{n, {}};
  for (const ExprInput &input : expr.inputs) {
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Row)
      row.base.push_back(rowOffset(k, input.map, n, y));
    else if (input.kind == ExprInput::Pixelwise)
      row.base.push_back(rowOffset(k, input.map, n, 0));
    else
      row.base.push_back(0);
  }
  return row;
}

Values ExprVector::hold(const Row &row, const Index &c, int64_t lanes, Value mask) {
  Values held;
  for (auto [i, input] : llvm::enumerate(expr.inputs)) {
    bool fixed = input.kind == ExprInput::Channel || input.kind == ExprInput::Pixelwise;
    Elem elem = input.kind == ExprInput::Channel ? Elem::F32 : input.map.elem;
    held.push_back(fixed ? widen(k.load(args[i], row.base[i] + c, lanes, mask), elem) : Value());
  }
  return held;
}

Value ExprVector::evaluate(const Row &row, const Index &x, const Index &c, int64_t lanes, Value mask, ArrayRef<Value> accs,
                           ArrayRef<Value> held) {
  if (expr.nodes.empty() && expr.inputs.empty())
    return finish(accs.front());
  Values values;
  for (auto [i, input] : llvm::enumerate(expr.inputs)) {
    if (!held.empty() && held[i]) {
      values.push_back(held[i]);
      continue;
    }
    switch (input.kind) {
    case ExprInput::Acc:
      values.push_back(expr.nodes.empty() ? accs.front() : widen(accs.front(), accElem));
      accs = accs.drop_front();
      break;
    case ExprInput::Tensor:
      values.push_back(widen(k.load(args[i], row.base[i] + x * k.extent(input.map.cs) + c, lanes, mask), input.map.elem));
      break;
    case ExprInput::Channel:
      values.push_back(k.load(args[i], c, lanes, mask));
      break;
    case ExprInput::Pixelwise:
      values.push_back(widen(k.load(args[i], row.base[i] + c, lanes, mask), input.map.elem));
      break;
    case ExprInput::Row:
      values.push_back(k.broadcast(widen(k.load(args[i], row.base[i] + x * k.extent(input.map.cs)), input.map.elem), lanes));
      break;
    case ExprInput::Scalar:
      values.push_back(Value());
      break;
    }
  }
  return evaluateWith(values, lanes);
}

Value ExprVector::evaluateWith(ArrayRef<Value> inputs, int64_t lanes) {
  Values values(inputs);
  for (auto [i, v] : llvm::enumerate(values))
    if (!v)
      v = scalar(i, lanes);
  for (const ExprNode &n : expr.nodes) {
    Values operands;
    for (int arg : n.args)
      operands.push_back(values[arg]);
    values.push_back(vectorOp(k, n, operands, lanes));
  }
  return finish(expr.nodes.empty() ? values[0] : values.back());
}

Value ExprVector::scalar(unsigned input, int64_t lanes) {
  int64_t key = int64_t(input) * 4096 + lanes;
  for (auto &[known, v] : splats)
    if (known == key)
      return v;
  Value v = k.atEntry([&] { return k.load(args[input], 0); });
  if (lanes)
    v = k.atEntry([&] { return k.broadcast(v, lanes); });
  splats.push_back({key, v});
  return v;
}

/// Memory element -> the element that arithmetic uses: i32 or f32.
Value ExprVector::widen(Value v, Elem elem) {
  switch (elem) {
  case Elem::U8:
  case Elem::I1:
    return k.zext(v);
  case Elem::S8:
  case Elem::I16:
    return k.sext(v);
  case Elem::I64:
    return k.trunc(v, Elem::I32);
  case Elem::BF16:
    return k.bitcast(k.shl(k.zext(k.bitcast(v, k.type(Elem::I16, k.lanesOf(v)))), k.i32(16, k.lanesOf(v))),
                     k.f32Type(k.lanesOf(v)));
  case Elem::F32:
  case Elem::I32:
  case Elem::F16:
  case Elem::F64:
    return v;
  }
  llvm_unreachable("an element type without a widening");
}

static Value asFloat(KernelBuilder &k, Value v) { return isInteger(v) ? k.toF32(v) : v; }

Value ExprVector::finish(Value v) {
  switch (outElem) {
  case Elem::U8:
  case Elem::S8:
  case Elem::I1:
  case Elem::I16:
    return v.getType() == k.type(outElem, k.lanesOf(v)) ? v : k.trunc(v, outElem);
  case Elem::F32:
    if (isInteger(v) && getElementTypeOrSelf(v).getIntOrFloatBitWidth() < 32)
      v = widen(v, accElem);
    return asFloat(k, v);
  default:
    return v;
  }
}

Value vectorOp(KernelBuilder &k, const ExprNode &e, ArrayRef<Value> in, int64_t lanes) {
  if (e.op == ExprOp::Uncenter)
    return k.subi(in[0], k.muli(in[1], k.i32(int64_t(e.a), lanes)));
  Value x = e.op == ExprOp::Quant || e.op == ExprOp::Requant || e.op == ExprOp::Dequant || e.op == ExprOp::IntToF32
                ? in[0]
                : asFloat(k, in[0]);
  Value y = in.size() > 1 ? asFloat(k, in[1]) : Value();
  auto constant = [&](double v) { return k.f32(v, lanes); };
  auto codes = [&](Value v) {
    int64_t zero = int64_t(e.a), lo = e.lo, hi = e.hi;
    if (std::max({std::abs(lo), std::abs(hi), std::abs(zero)}) < kExact)
      return k.roundToInt(v, zero, lo, hi);
    // Wide codes: the upper bound of i32 is no float, so the clamp stops at the largest one below.
    Value r = k.roundEven(
        k.fmin(k.fmax(v, constant(double(lo - zero))), constant(std::min(double(hi - zero), 2147483520.0))));
    Value i = arith::FPToSIOp::create(k.builder(), k.loc(), k.i32Type(lanes), r);
    return zero ? k.addi(i, k.i32(zero, lanes)) : i;
  };
  switch (e.op) {
  case ExprOp::Relu:
    return k.fmax(constant(0), x);
  case ExprOp::LeakyRelu:
    return k.select(k.compare(arith::CmpFPredicate::OLT, x, constant(0)), k.mul(x, constant(e.a)), x);
  case ExprOp::Clip:
    return k.fmin(constant(e.b), k.fmax(constant(e.a), x));
  case ExprOp::Sigmoid:
    return vmath::sigmoid(k, x);
  case ExprOp::HardSigmoid:
    return vmath::hardSigmoid(k, x, e.a, e.b);
  case ExprOp::HardSwish:
    return vmath::hardSwish(k, x);
  case ExprOp::Tanh:
    return vmath::tanh(k, x);
  case ExprOp::Exp:
    return vmath::exp(k, x);
  case ExprOp::Log:
    return vmath::log(k, x);
  case ExprOp::Sqrt:
    return k.sqrt(x);
  case ExprOp::Rsqrt:
    return k.div(constant(1), k.sqrt(x));
  case ExprOp::Reciprocal:
    return k.div(constant(1), x);
  case ExprOp::Neg:
    return k.neg(x);
  case ExprOp::Abs:
    return k.abs(x);
  case ExprOp::Floor:
    return k.floor(x);
  case ExprOp::Ceil:
    return k.ceil(x);
  case ExprOp::Round:
    return k.roundEven(x);
  case ExprOp::Erf:
    return vmath::erf(k, x);
  case ExprOp::Gelu:
    return vmath::gelu(k, x);
  case ExprOp::GeluTanh:
    return vmath::geluTanh(k, x);
  case ExprOp::Silu:
    return vmath::silu(k, x);
  case ExprOp::Elu:
    return k.select(k.compare(arith::CmpFPredicate::OLT, x, constant(0)),
                    k.mul(constant(e.a), k.sub(vmath::expNegative(k, k.fmin(constant(0), x)), constant(1))), x);
  case ExprOp::Softplus:
    return vmath::softplus(k, x);
  case ExprOp::Sign:
    return vmath::sign(k, x);
  case ExprOp::Add:
    return k.add(x, y);
  case ExprOp::Sub:
    return k.sub(x, y);
  case ExprOp::Mul:
    return k.mul(x, y);
  case ExprOp::Div:
    return k.div(x, y);
  case ExprOp::Pow:
    return y ? vmath::pow(k, x, y) : vmath::powConstant(k, x, e.a);
  case ExprOp::Min:
    return vmath::minimum(k, x, y);
  case ExprOp::Max:
    return vmath::maximum(k, x, y);
  case ExprOp::Prelu:
    return k.select(k.compare(arith::CmpFPredicate::OLT, x, constant(0)), k.mul(x, y), x);
  case ExprOp::IntToF32:
    return asFloat(k, x);
  case ExprOp::Dequant: {
    Value centred = asFloat(k, x);
    if (e.a != 0)
      centred = k.sub(centred, constant(e.a));
    return k.mul(centred, y);
  }
  case ExprOp::Quant:
    return codes(k.div(asFloat(k, x), y));
  case ExprOp::Requant:
    return codes(y ? k.mul(asFloat(k, x), y) : asFloat(k, x));
  case ExprOp::Uncenter:
    break; // above
  }
  llvm_unreachable("an operator without vector code");
}

int64_t ExprVector::weight(const Expr &expr) {
  int64_t most = 1;
  for (const ExprNode &n : expr.nodes)
    switch (n.op) {
    case ExprOp::Pow:
      most = std::max<int64_t>(most, n.args.size() > 1 ? 16 : 2);
      break;
    case ExprOp::Sigmoid:
    case ExprOp::Tanh:
    case ExprOp::Exp:
    case ExprOp::Log:
    case ExprOp::Erf:
    case ExprOp::Gelu:
    case ExprOp::GeluTanh:
    case ExprOp::Silu:
    case ExprOp::Elu:
    case ExprOp::Softplus:
      most = std::max<int64_t>(most, 4);
      break;
    default:
      break;
    }
  return most;
}

double ExprVector::nsPerElement(const Expr &expr, const Isa &isa) {
  return 0.32 * double(weight(expr) * int64_t(expr.nodes.size())) / double(isa.lanes);
}

std::string refuseExpr(const Expr &expr, Elem outElem, int64_t accumulators) {
  auto served = [](Elem e) {
    return e == Elem::F32 || e == Elem::U8 || e == Elem::S8 || e == Elem::I1 || e == Elem::I16 || e == Elem::I32 ||
           e == Elem::I64 || e == Elem::BF16;
  };
  int64_t values = expr.inputs.size();
  for (auto [i, input] : llvm::enumerate(expr.inputs)) {
    if ((input.kind == ExprInput::Acc) != (int64_t(i) < accumulators))
      return accumulators ? "the accumulators must be the first inputs, and only those" : "the program has no accumulator";
    if (isActivation(input.kind) && !served(input.map.elem))
      return "an input of 16-bit or 64-bit floats";
    if (isActivation(input.kind) && input.map.planar)
      return "a planar input inside an elementwise program";
  }
  bool lastIsCode = false;
  for (const ExprNode &n : expr.nodes) {
    size_t least = n.op < ExprOp::Add || n.op == ExprOp::IntToF32 || n.op == ExprOp::Pow || n.op == ExprOp::Requant ? 1 : 2;
    if (n.args.size() < least || n.args.size() > 2)
      return "an operator with a wrong number of operands";
    for (int arg : n.args)
      if (arg < 0 || arg >= values)
        return "an operand that is no earlier value";
    values++;
    lastIsCode = n.op == ExprOp::Quant || n.op == ExprOp::Requant || (n.op == ExprOp::Uncenter && outElem == Elem::I32);
    if (lastIsCode && n.lo > n.hi)
      return "an empty range of codes";
  }
  bool integerOut = outElem == Elem::U8 || outElem == Elem::S8 || outElem == Elem::I16 || outElem == Elem::I32;
  if (!integerOut && outElem != Elem::F32)
    return "an output that is neither f32 nor an integer of at most 32 bits";
  if (!expr.nodes.empty() && integerOut && !lastIsCode)
    return "an integer output of a program that does not end in a quantization";
  return "";
}

} // namespace tern::cpu
