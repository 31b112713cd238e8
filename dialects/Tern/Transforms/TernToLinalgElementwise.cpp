//===- TernToLinalgElementwise.cpp - unary, binary, compare, select, clip, cast, batch_norm -===//
// The arith and math ops of a kind are its expression in Elementwise.def, evaluated on SSA values.
//===----------------------------------------------------------------------===//
#include "TernToLinalg.h"
#include "TernToLinalgQuant.h"
#include "dialects/NN/IR/Elementwise.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tern::lowering {

//===-- the scalar language on SSA values -----------------------------------------===//
namespace {
/// A scalar of the language: an SSA value, or a literal that takes the type of what it meets.
struct E {
  const Build *build = nullptr;
  Value value;
  bool isUnsigned = false;
  double literal = 0;

  E(double literal) : literal(literal) {}
  E(const Build &build, Value value, bool isUnsigned) : build(&build), value(value), isUnsigned(isUnsigned) {}
  bool isFloat() const { return isa<FloatType>(value.getType()); }
  /// The value, in the type of `other` when this is a literal.
  Value as(const E &other) const { return value ? value : other.build->number(other.value.getType(), literal); }
  E with(Value result) const { return E(*build, result, isUnsigned); }
};

/// The one of two that is a value.
const E &valueOf(const E &x, const E &y) { return x.value ? x : y; }

template <typename FloatOp, typename IntOp> E arithmetic(const E &x, const E &y) {
  const E &v = valueOf(x, y);
  Value lhs = x.as(v), rhs = y.as(v);
  return v.with(v.isFloat() ? v.build->create<FloatOp>(lhs, rhs).getResult()
                            : v.build->create<IntOp>(lhs, rhs).getResult());
}
E operator+(const E &x, const E &y) { return arithmetic<arith::AddFOp, arith::AddIOp>(x, y); }
E operator-(const E &x, const E &y) { return arithmetic<arith::SubFOp, arith::SubIOp>(x, y); }
E operator*(const E &x, const E &y) { return arithmetic<arith::MulFOp, arith::MulIOp>(x, y); }
template <typename IntOp> E bitwise(const E &x, const E &y) {
  const E &v = valueOf(x, y);
  return v.with(v.build->create<IntOp>(x.as(v), y.as(v)));
}
E operator&(const E &x, const E &y) { return bitwise<arith::AndIOp>(x, y); }
E operator|(const E &x, const E &y) { return bitwise<arith::OrIOp>(x, y); }
E operator^(const E &x, const E &y) { return bitwise<arith::XOrIOp>(x, y); }
E operator~(const E &x) { return x ^ E(-1.0); }
E logicalNot(const E &x) { return x ^ E(1.0); }
E operator-(const E &x) { return x.isFloat() ? x.with(x.build->create<arith::NegFOp>(x.value)) : E(0.0) - x; }

/// An i1 from a comparison.
E compare(const E &x, const E &y, arith::CmpFPredicate floats, arith::CmpIPredicate sign, arith::CmpIPredicate unsign) {
  const E &v = valueOf(x, y);
  Value lhs = x.as(v), rhs = y.as(v);
  return v.with(v.isFloat() ? v.build->create<arith::CmpFOp>(floats, lhs, rhs).getResult()
                            : v.build->create<arith::CmpIOp>(v.isUnsigned ? unsign : sign, lhs, rhs).getResult());
}
using F = arith::CmpFPredicate;
using I = arith::CmpIPredicate;
E operator==(const E &x, const E &y) { return compare(x, y, F::OEQ, I::eq, I::eq); }
E operator!=(const E &x, const E &y) { return compare(x, y, F::UNE, I::ne, I::ne); }
E operator<(const E &x, const E &y) { return compare(x, y, F::OLT, I::slt, I::ult); }
E operator<=(const E &x, const E &y) { return compare(x, y, F::OLE, I::sle, I::ule); }
E operator>(const E &x, const E &y) { return compare(x, y, F::OGT, I::sgt, I::ugt); }
E operator>=(const E &x, const E &y) { return compare(x, y, F::OGE, I::sge, I::uge); }

E select(const E &condition, const E &x, const E &y) {
  const E &v = valueOf(x, y);
  return v.with(v.build->select(condition.value, x.as(v), y.as(v)));
}
E maximum(const E &x, const E &y) {
  const E &v = valueOf(x, y);
  return v.with(v.build->max(x.as(v), y.as(v), v.isUnsigned));
}
E minimum(const E &x, const E &y) {
  const E &v = valueOf(x, y);
  return v.with(v.build->min(x.as(v), y.as(v), v.isUnsigned));
}

#define TERN_FUNCTION(NAME, OP)                                                                                        \
  [[maybe_unused]] E NAME(const E &x) { return x.with(x.build->create<OP>(x.value)); }
TERN_FUNCTION(floor, math::FloorOp)
TERN_FUNCTION(ceil, math::CeilOp)
TERN_FUNCTION(roundEven, math::RoundEvenOp)
TERN_FUNCTION(sqrt, math::SqrtOp)
TERN_FUNCTION(exp, math::ExpOp)
TERN_FUNCTION(expm1, math::ExpM1Op)
TERN_FUNCTION(log, math::LogOp)
TERN_FUNCTION(log1p, math::Log1pOp)
TERN_FUNCTION(erf, math::ErfOp)
TERN_FUNCTION(tanh, math::TanhOp)
TERN_FUNCTION(sin, math::SinOp)
TERN_FUNCTION(cos, math::CosOp)
TERN_FUNCTION(tan, math::TanOp)
TERN_FUNCTION(asin, math::AsinOp)
TERN_FUNCTION(acos, math::AcosOp)
TERN_FUNCTION(atan, math::AtanOp)
TERN_FUNCTION(sinh, math::SinhOp)
TERN_FUNCTION(cosh, math::CoshOp)
TERN_FUNCTION(asinh, math::AsinhOp)
TERN_FUNCTION(acosh, math::AcoshOp)
TERN_FUNCTION(atanh, math::AtanhOp)
#undef TERN_FUNCTION
E abs(const E &x) {
  if (x.isFloat())
    return x.with(x.build->create<math::AbsFOp>(x.value));
  return x.isUnsigned ? x : select(x < 0.0, -x, x);
}

/// Division or remainder of integers that never traps: a divisor of 0 gives 0, and the quotient that overflows wraps.
template <typename SignedOp, typename UnsignedOp> E guarded(const E &x, const E &y, const E &byMinusOne) {
  E isZero = y == 0.0, divisor = select(isZero, 1.0, y);
  if (x.isUnsigned)
    return select(isZero, 0.0, x.with(x.build->create<UnsignedOp>(x.value, divisor.value)));
  E isMinusOne = divisor == -1.0;
  divisor = select(isMinusOne, 1.0, divisor);
  E result = x.with(x.build->create<SignedOp>(x.value, divisor.value));
  return select(isZero, 0.0, select(isMinusOne, byMinusOne, result));
}
E operator/(const E &x, const E &y) {
  const E &v = valueOf(x, y);
  if (v.isFloat())
    return v.with(v.build->create<arith::DivFOp>(x.as(v), y.as(v)));
  return guarded<arith::DivSIOp, arith::DivUIOp>(x, y, x.isUnsigned ? x : -x);
}
E truncMod(const E &x, const E &y) {
  if (x.isFloat())
    return x.with(x.build->create<arith::RemFOp>(x.value, y.value));
  return guarded<arith::RemSIOp, arith::RemUIOp>(x, y, x.with(x.build->integer(x.value.getType(), 0)));
}
E floorMod(const E &x, const E &y) {
  E r = truncMod(x, y);
  if (!x.isFloat() && x.isUnsigned)
    return r;
  E otherSign = (r < 0.0) ^ (y < 0.0);
  return select((r != 0.0) & otherSign, r + y, r);
}

E shift(const E &x, const E &y, bool left) {
  const Build &build = *x.build;
  Type type = x.value.getType();
  unsigned bits = type.getIntOrFloatBitWidth();
  Value tooFar = build.create<arith::CmpIOp>(I::uge, y.value, build.integer(type, bits));
  Value most = build.integer(type, bits - 1), distance = build.select(tooFar, most, y.value);
  if (!left && !x.isUnsigned)
    return x.with(build.create<arith::ShRSIOp>(x.value, distance));
  Value shifted = left ? build.create<arith::ShLIOp>(x.value, distance).getResult()
                       : build.create<arith::ShRUIOp>(x.value, distance).getResult();
  return x.with(build.select(tooFar, build.integer(type, 0), shifted));
}
E shiftLeft(const E &x, const E &y) { return shift(x, y, true); }
E shiftRight(const E &x, const E &y) { return shift(x, y, false); }

/// Square and multiply over the bits of the exponent; a negative one gives 0 except for bases 1 and -1.
E integerPower(const E &x, const E &y) {
  const Build &build = *x.build;
  Type type = x.value.getType();
  Value one = build.integer(type, 1), bits = build.index(type.getIntOrFloatBitWidth());
  auto loop = build.create<scf::ForOp>(
      build.index(0), bits, build.index(1), ValueRange{one, x.value, y.value},
      [&](OpBuilder &b, Location loc, Value, ValueRange state) {
        Build in{b, loc};
        Value odd = in.create<arith::TruncIOp>(b.getI1Type(), state[2]);
        Value power = in.select(odd, in.mul(state[0], state[1]), state[0]), square = in.mul(state[1], state[1]);
        in.create<scf::YieldOp>(ValueRange{power, square, in.create<arith::ShRUIOp>(state[2], one).getResult()});
      });
  E power = x.with(loop.getResult(0));
  if (x.isUnsigned)
    return power;
  E isUnit = (x == 1.0) | (x == -1.0);
  return select((y < 0.0) & ~isUnit, 0.0, power);
}
E pow(const E &x, const E &y) {
  return x.isFloat() ? x.with(x.build->create<math::PowFOp>(x.value, y.value)) : integerPower(x, y);
}
} // namespace

//===-- kinds -----------------------------------------------------------------===//
static E unary(nn::UnaryKind kind, const E &x, double a, double b) {
  switch (kind) {
#define TERN_UNARY_FLOAT(KIND, ONNX, PARAMS, ALPHA, BETA, FLOAT)                                                       \
  case nn::UnaryKind::KIND:                                                                                            \
    return FLOAT;
#define TERN_UNARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                      \
  case nn::UnaryKind::KIND:                                                                                            \
    return x.isFloat() ? FLOAT : INT;
#define TERN_UNARY_INTEGER(KIND, ONNX, INT) TERN_UNARY_NUMBER(KIND, ONNX, INT, INT)
#define TERN_UNARY_LOGICAL(KIND, ONNX, INT) TERN_UNARY_NUMBER(KIND, ONNX, INT, INT)
#define TERN_UNARY_TEST(KIND, ONNX, TEST) TERN_UNARY_NUMBER(KIND, ONNX, TEST, TEST)
#include "dialects/NN/IR/Elementwise.def"
  }
  llvm_unreachable("unary kind without a row in Elementwise.def");
}

static E binary(nn::BinaryKind kind, const E &x, const E &y) {
  switch (kind) {
#define TERN_BINARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                     \
  case nn::BinaryKind::KIND:                                                                                           \
    return x.isFloat() ? FLOAT : INT;
#define TERN_BINARY_INTEGER(KIND, ONNX, INT) TERN_BINARY_NUMBER(KIND, ONNX, INT, INT)
#define TERN_BINARY_LOGICAL(KIND, ONNX, INT) TERN_BINARY_NUMBER(KIND, ONNX, INT, INT)
#include "dialects/NN/IR/Elementwise.def"
  }
  llvm_unreachable("binary kind without a row in Elementwise.def");
}

static E compareKind(nn::CompareKind kind, const E &x, const E &y) {
  switch (kind) {
#define TERN_COMPARE(KIND, ONNX, TEST)                                                                                 \
  case nn::CompareKind::KIND:                                                                                          \
    return TEST;
#include "dialects/NN/IR/Elementwise.def"
  }
  llvm_unreachable("compare kind without a row in Elementwise.def");
}

//===-- patterns --------------------------------------------------------------===//
namespace {
/// One linalg.generic with broadcasting whose body is `scalar(op, build, operands)`.
template <typename OpTy> struct Elementwise : OpConversionPattern<OpTy> {
  using Scalar = Value (*)(OpTy, const Build &, ValueRange);
  Elementwise(const TypeConverter &types, MLIRContext *context, Scalar scalar)
      : OpConversionPattern<OpTy>(types, context), scalar(scalar) {}
  LogicalResult matchAndRewrite(OpTy op, typename OpTy::Adaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    replaceSized(rewriter, op, build.elementwise(signless(op.getType()), adaptor.getOperands(), [&](const Build &in, ValueRange x) {
      return scalar(op, in, x.drop_back());
    }));
    return success();
  }
  Scalar scalar;
};
} // namespace

static Value unaryScalar(nn::UnaryOp op, const Build &build, ValueRange x) {
  auto [alpha, beta] = nn::parametersOf(op);
  E result =
      unary(op.getKind(), E(build, build.widen(x[0]), isUnsigned(op.getX().getType().getElementType())), alpha, beta);
  Type element = op.getType().getElementType();
  return isa<FloatType>(element) ? build.narrow(result.value, element) : result.value;
}

static Value binaryScalar(nn::BinaryOp op, const Build &build, ValueRange x) {
  Type lhs = op.getLhs().getType().getElementType(), rhs = op.getRhs().getType().getElementType();
  Type element = op.getType().getElementType();
  Value a = build.widen(x[0]), c = build.widen(x[1]);
  // pow: a float on either side makes it a float power; an integer base goes through double, which holds it.
  if (lhs != rhs && (isa<FloatType>(lhs) || isa<FloatType>(rhs))) {
    Type common = isa<FloatType>(lhs) ? a.getType() : Type(build.b.getF64Type());
    a = build.convert(x[0], lhs, common);
    c = build.convert(x[1], rhs, common);
    Value power = build.create<math::PowFOp>(a, c);
    return build.convert(power, common, element);
  }
  if (lhs != rhs)
    c = build.convert(x[1], rhs, lhs);
  E result = binary(op.getKind(), E(build, a, isUnsigned(lhs)), E(build, c, isUnsigned(rhs)));
  return isa<FloatType>(element) ? build.narrow(result.value, element) : result.value;
}

static Value compareScalar(nn::CompareOp op, const Build &build, ValueRange x) {
  bool unsign = isUnsigned(op.getLhs().getType().getElementType());
  return compareKind(op.getKind(), E(build, build.widen(x[0]), unsign), E(build, build.widen(x[1]), unsign)).value;
}

static Value selectScalar(nn::SelectOp, const Build &build, ValueRange x) { return build.select(x[0], x[1], x[2]); }

static bool isSmallFloat(Type element) { return isa<FloatType>(element) && element.getIntOrFloatBitWidth() <= 8; }

/// Small floats are the bytes of their codes.
static Value castScalar(nn::CastOp op, const Build &build, ValueRange x) {
  Type from = op.getX().getType().getElementType(), to = op.getType().getElementType();
  if (!isSmallFloat(to) || from == to)
    return build.convert(x[0], from, to);
  SmallFloatCode how{op.getOverflow(), /*nanIsMinusZero=*/true, op.getRound()};
  Value code = encodeSmallFloat(build, *tern::elementOf(to), build.convert(x[0], from, build.b.getF32Type()), how);
  return build.create<arith::TruncIOp>(build.b.getI8Type(), code);
}

static Value clipScalar(nn::ClipOp op, const Build &build, ValueRange x) {
  Type element = op.getType().getElementType();
  bool unsign = isUnsigned(element);
  Value value = build.widen(x[0]);
  auto bound = [&](double limit, bool isLow) {
    if (isa<FloatType>(element))
      return build.number(value.getType(), limit);
    // The integers inside the bounds, in 64 bits saturated to the type.
    unsigned bits = element.getIntOrFloatBitWidth();
    llvm::APSInt integer(bits, unsign);
    bool isExact;
    APFloat(limit).convertToInteger(integer, isLow ? APFloat::rmTowardPositive : APFloat::rmTowardNegative, &isExact);
    return build.integer(value.getType(), integer.getExtValue());
  };
  // In f64 and integers the bounds are exact; the upper one is applied last and wins.
  if (op.getMin())
    value = build.max(value, bound(op.getMin()->convertToDouble(), true), unsign);
  if (op.getMax())
    value = build.min(value, bound(op.getMax()->convertToDouble(), false), unsign);
  return isa<FloatType>(element) ? build.narrow(value, element) : value;
}

namespace {
/// (x - mean) / sqrt(variance + epsilon) * scale + bias, parameters along axis 1.
struct BatchNorm : OpConversionPattern<nn::BatchNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(nn::BatchNormOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    int64_t rank = op.getType().getRank();
    SmallVector<AffineMap> maps(5, build.alongAxis(1, rank));
    maps[0] = rewriter.getMultiDimIdentityMap(rank);
    double epsilon = op.getEpsilon().convertToFloat();
    Value result =
        build.elementwise(op.getType(), adaptor.getOperands(), maps, [&](const Build &in, ValueRange operands) {
          auto operand = [&](unsigned i) {
            Value wide = in.widen(operands[i]);
            return E(in, in.convert(wide, wide.getType(), in.computeType(op.getType().getElementType())), false);
          };
          E x = operand(0), scale = operand(1), bias = operand(2), mean = operand(3), variance = operand(4);
          return in.narrow(((x - mean) / sqrt(variance + epsilon) * scale + bias).value, op.getType().getElementType());
        });
    replaceSized(rewriter, op, result);
    return success();
  }
};
} // namespace

void populateElementwise(const TypeConverter &types, RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<Elementwise<nn::UnaryOp>>(types, context, unaryScalar);
  patterns.add<Elementwise<nn::BinaryOp>>(types, context, binaryScalar);
  patterns.add<Elementwise<nn::CompareOp>>(types, context, compareScalar);
  patterns.add<Elementwise<nn::SelectOp>>(types, context, selectScalar);
  patterns.add<Elementwise<nn::ClipOp>>(types, context, clipScalar);
  patterns.add<Elementwise<nn::CastOp>>(types, context, castScalar);
  patterns.add<BatchNorm>(types, context);
}

} // namespace tern::lowering
