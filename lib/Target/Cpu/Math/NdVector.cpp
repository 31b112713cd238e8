#include "lib/Target/Cpu/Math/NdVector.h"
#include "lib/Target/Cpu/Math/ExprVector.h"
#include "lib/Target/Cpu/Math/VectorMath.h"
#include <limits>

using namespace mlir;
using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace tern::cpu {

Elem widened(Elem elem) {
  switch (elem) {
  case Elem::F32:
  case Elem::BF16:
    return Elem::F32;
  case Elem::I64:
  case Elem::I1:
    return elem;
  default:
    return Elem::I32;
  }
}

Type programType(KernelBuilder &k, Elem elem, int64_t lanes) {
  if (elem != Elem::I1)
    return k.type(elem, lanes);
  Type bit = k.builder().getI1Type();
  return lanes ? Type(VectorType::get({lanes}, bit)) : bit;
}

static Value compareInts(KernelBuilder &k, CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(k.builder(), k.loc(), predicate, x, y);
}

Value widenElement(KernelBuilder &k, Value v, Elem elem) {
  int64_t n = KernelBuilder::lanesOf(v);
  switch (elem) {
  case Elem::U8:
    return k.zext(v);
  case Elem::S8:
  case Elem::I16:
    return k.sext(v);
  case Elem::I1:
    return compareInts(k, CmpIPredicate::ne, v, k.zero(Elem::U8, n));
  case Elem::BF16:
    return k.bitcast(k.shl(k.zext(k.bitcast(v, k.type(Elem::I16, n))), k.i32(16, n)), k.f32Type(n));
  default:
    return v;
  }
}

Value narrowElement(KernelBuilder &k, Value v, Elem elem) {
  switch (elem) {
  case Elem::I1:
    return k.zext(v, Elem::U8);
  case Elem::U8:
  case Elem::S8:
  case Elem::I16:
    return k.trunc(v, elem);
  default:
    return v;
  }
}

namespace {

/// f32, i32, i64, i1 -> one of these, by C's rules.
Value convert(KernelBuilder &k, Value v, Elem to) {
  int64_t n = KernelBuilder::lanesOf(v);
  Type from = getElementTypeOrSelf(v), target = programType(k, to, n);
  if (v.getType() == target)
    return v;
  OpBuilder &b = k.builder();
  Location loc = k.loc();
  bool isFloat = from.isF32(), isBit = from.isInteger(1);
  switch (to) {
  case Elem::F32:
    return isBit ? Value(arith::UIToFPOp::create(b, loc, target, v)) : Value(arith::SIToFPOp::create(b, loc, target, v));
  case Elem::I1:
    if (isFloat)
      return k.compare(CmpFPredicate::UNE, v, k.f32(0, n));
    return compareInts(k, CmpIPredicate::ne, v, k.integer(0, from.isInteger(64) ? Elem::I64 : Elem::I32, n));
  default:
    break;
  }
  if (isFloat)
    return arith::FPToSIOp::create(b, loc, target, v);
  if (isBit)
    return arith::ExtUIOp::create(b, loc, target, v);
  if (to == Elem::I64)
    return arith::ExtSIOp::create(b, loc, target, v);
  return arith::TruncIOp::create(b, loc, target, v);
}

Value compare(KernelBuilder &k, NdOp op, Value x, Value y) {
  bool isFloat = getElementTypeOrSelf(x).isF32(), isBit = getElementTypeOrSelf(x).isInteger(1);
  static const CmpFPredicate floats[] = {CmpFPredicate::OEQ, CmpFPredicate::OLT, CmpFPredicate::OLE, CmpFPredicate::OGT, CmpFPredicate::OGE};
  static const CmpIPredicate ints[] = {CmpIPredicate::eq, CmpIPredicate::slt, CmpIPredicate::sle, CmpIPredicate::sgt, CmpIPredicate::sge};
  static const CmpIPredicate bits[] = {CmpIPredicate::eq, CmpIPredicate::ult, CmpIPredicate::ule, CmpIPredicate::ugt, CmpIPredicate::uge};
  int which = int(op) - int(NdOp::Eq);
  if (isFloat)
    return k.compare(floats[which], x, y);
  return compareInts(k, isBit ? bits[which] : ints[which], x, y);
}

/// Quotient or remainder of integers. Divisors of 0 and -1 never reach the instruction: both can trap.
Value divide(KernelBuilder &k, const NdNode &node, Value x, Value y) {
  int64_t n = KernelBuilder::lanesOf(x);
  Value zero = k.integer(0, node.elem, n), one = k.integer(1, node.elem, n), minus = k.integer(-1, node.elem, n);
  Value isZero = compareInts(k, CmpIPredicate::eq, y, zero), isMinus = compareInts(k, CmpIPredicate::eq, y, minus);
  Value safe = k.select(isZero, one, k.select(isMinus, one, y));
  Value r;
  if (node.op == NdOp::Div) {
    r = arith::DivSIOp::create(k.builder(), k.loc(), x, safe);
    r = k.select(isMinus, k.subi(zero, x), r);
  } else {
    r = arith::RemSIOp::create(k.builder(), k.loc(), x, safe);
    r = k.select(isMinus, zero, r);
    if (node.i == 0) {
      Value different = compareInts(k, CmpIPredicate::slt, arith::XOrIOp::create(k.builder(), k.loc(), r, y), zero);
      Value fix = k.andi(different, compareInts(k, CmpIPredicate::ne, r, zero));
      r = k.select(fix, k.addi(r, y), r);
    }
  }
  return k.select(isZero, zero, r);
}

/// x - trunc(x / y) y in f32 loses digits; what common programs divide by is small, so that the quotient is exact.
Value floatMod(KernelBuilder &k, const NdNode &node, Value x, Value y) {
  Value q = k.div(x, y);
  Value whole = node.i ? k.select(k.compare(CmpFPredicate::OLT, q, k.f32(0, KernelBuilder::lanesOf(q))), k.ceil(q), k.floor(q)) : k.floor(q);
  Value rest = k.sub(x, k.mul(whole, y));
  // A finite number is its own remainder of an infinite one, unless it has to take that one's sign.
  Value zero = k.f32(0, KernelBuilder::lanesOf(q)), infinity = k.f32(std::numeric_limits<float>::infinity(), KernelBuilder::lanesOf(q));
  Value isFinite = k.compare(CmpFPredicate::OLT, k.abs(x), infinity), isInfinite = k.compare(CmpFPredicate::OEQ, k.abs(y), infinity);
  Value otherSign = k.compare(CmpFPredicate::OLT, k.mul(x, y), zero);
  return k.select(k.andi(isFinite, isInfinite), node.i ? x : k.select(otherSign, y, x), rest);
}

} // namespace

Value ndNode(KernelBuilder &k, const NdNode &node, ArrayRef<Value> in, int64_t lanes, llvm::function_ref<Value(int64_t)> position) {
  bool isFloat = node.elem == Elem::F32;
  auto ints = [&](int64_t v) {
    return node.elem == Elem::I1 ? k.constant(lanes ? TypedAttr(DenseElementsAttr::get(VectorType::get({lanes}, k.builder().getI1Type()), v != 0))
                                                    : TypedAttr(k.builder().getBoolAttr(v != 0)))
                                 : k.integer(v, node.elem, lanes);
  };
  auto floating = [&](ExprOp op) {
    ExprNode e;
    e.op = op;
    e.a = node.a;
    e.b = node.b;
    return vectorOp(k, e, in, lanes);
  };
  switch (node.op) {
  case NdOp::Float:
    return floating(node.f);
  case NdOp::Constant:
    return isFloat ? k.f32(node.a, lanes) : ints(node.i);
  case NdOp::Convert:
    return convert(k, in[0], node.elem);
  case NdOp::Eq:
  case NdOp::Lt:
  case NdOp::Le:
  case NdOp::Gt:
  case NdOp::Ge:
    return compare(k, node.op, in[0], in[1]);
  case NdOp::Select:
    return k.select(in[0], in[1], in[2]);
  case NdOp::And:
    return k.andi(in[0], in[1]);
  case NdOp::Or:
    return k.ori(in[0], in[1]);
  case NdOp::Xor:
    return arith::XOrIOp::create(k.builder(), k.loc(), in[0], in[1]);
  case NdOp::Not:
    return arith::XOrIOp::create(k.builder(), k.loc(), in[0], ints(-1));
  case NdOp::Add:
    return isFloat ? k.add(in[0], in[1]) : k.addi(in[0], in[1]);
  case NdOp::Sub:
    return isFloat ? k.sub(in[0], in[1]) : k.subi(in[0], in[1]);
  case NdOp::Mul:
    return isFloat ? k.mul(in[0], in[1]) : k.muli(in[0], in[1]);
  case NdOp::Div:
    return isFloat ? k.div(in[0], in[1]) : divide(k, node, in[0], in[1]);
  case NdOp::Mod:
    return isFloat ? floatMod(k, node, in[0], in[1]) : divide(k, node, in[0], in[1]);
  case NdOp::Min:
    return isFloat ? floating(ExprOp::Min) : k.mins(in[0], in[1]);
  case NdOp::Max:
    return isFloat ? floating(ExprOp::Max) : k.maxs(in[0], in[1]);
  case NdOp::Neg:
    return isFloat ? k.neg(in[0]) : k.subi(ints(0), in[0]);
  case NdOp::Abs:
    return isFloat ? k.abs(in[0]) : k.maxs(in[0], k.subi(ints(0), in[0]));
  case NdOp::Sign:
    return isFloat ? floating(ExprOp::Sign) : k.maxs(k.mins(in[0], ints(1)), ints(-1));
  case NdOp::IsNan:
    return k.compare(CmpFPredicate::UNO, in[0], in[0]);
  case NdOp::IsInf: {
    // i bit 0: positive, bit 1: negative infinity counts.
    constexpr float infinity = std::numeric_limits<float>::infinity();
    int64_t n = KernelBuilder::lanesOf(in[0]);
    Value x = node.i == 1 ? in[0] : node.i == 2 ? k.neg(in[0]) : k.abs(in[0]);
    return k.compare(CmpFPredicate::OEQ, x, k.f32(infinity, n));
  }
  case NdOp::Sin:
    return vmath::sin(k, in[0]);
  case NdOp::Cos:
    return vmath::cos(k, in[0]);
  case NdOp::Asin:
    return vmath::asin(k, in[0]);
  case NdOp::Acos:
    return vmath::acos(k, in[0]);
  case NdOp::Atan:
    return vmath::atan(k, in[0]);
  case NdOp::Sinh:
    return vmath::sinh(k, in[0]);
  case NdOp::Cosh:
    return vmath::cosh(k, in[0]);
  case NdOp::Asinh:
    return vmath::asinh(k, in[0]);
  case NdOp::Acosh:
    return vmath::acosh(k, in[0]);
  case NdOp::Atanh:
    return vmath::atanh(k, in[0]);
  case NdOp::Quantize: {
    // Codes are small: the sum is exact where it is not clamped. fmax drops a NaN.
    int64_t n = KernelBuilder::lanesOf(in[0]);
    Value code = k.add(k.roundEven(k.div(in[0], in[1])), k.toF32(in[2]));
    code = k.fmin(k.fmax(code, k.f32(node.a, n)), k.f32(node.b, n));
    return arith::FPToSIOp::create(k.builder(), k.loc(), k.i32Type(n), code);
  }
  case NdOp::Position:
    return position(node.i);
  }
  llvm_unreachable("an operator without vector code");
}

} // namespace tern::cpu
