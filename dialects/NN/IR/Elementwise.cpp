//===- Elementwise.cpp - Elementwise.def as data and as functions ---------===//
#include "dialects/NN/IR/Elementwise.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llvm;

namespace tern::nn {

//===-- rows ------------------------------------------------------------------===//
const ElementwiseRow &rowOf(UnaryKind kind) {
  switch (kind) {
#define TERN_ROW(KIND, ONNX, DOMAIN, PARAMS, ALPHA, BETA)                                                              \
  case UnaryKind::KIND: {                                                                                              \
    static constexpr ElementwiseRow row = {ONNX, Domain::DOMAIN, PARAMS, ALPHA, BETA};                                 \
    return row;                                                                                                        \
  }
#define TERN_UNARY_FLOAT(KIND, ONNX, PARAMS, ALPHA, BETA, FLOAT) TERN_ROW(KIND, ONNX, Float, PARAMS, ALPHA, BETA)
#define TERN_UNARY_NUMBER(KIND, ONNX, FLOAT, INT) TERN_ROW(KIND, ONNX, Number, 0, 0, 0)
#define TERN_UNARY_INTEGER(KIND, ONNX, INT) TERN_ROW(KIND, ONNX, Integer, 0, 0, 0)
#define TERN_UNARY_LOGICAL(KIND, ONNX, INT) TERN_ROW(KIND, ONNX, Logical, 0, 0, 0)
#define TERN_UNARY_TEST(KIND, ONNX, TEST) TERN_ROW(KIND, ONNX, Test, 0, 0, 0)
#include "dialects/NN/IR/Elementwise.def"
#undef TERN_ROW
  }
  llvm_unreachable("unary kind without a row in Elementwise.def");
}

const ElementwiseRow &rowOf(BinaryKind kind) {
  switch (kind) {
#define TERN_ROW(KIND, ONNX, DOMAIN)                                                                                   \
  case BinaryKind::KIND: {                                                                                             \
    static constexpr ElementwiseRow row = {ONNX, Domain::DOMAIN, 0, 0, 0};                                             \
    return row;                                                                                                        \
  }
#define TERN_BINARY_NUMBER(KIND, ONNX, FLOAT, INT) TERN_ROW(KIND, ONNX, Number)
#define TERN_BINARY_INTEGER(KIND, ONNX, INT) TERN_ROW(KIND, ONNX, Integer)
#define TERN_BINARY_LOGICAL(KIND, ONNX, INT) TERN_ROW(KIND, ONNX, Logical)
#include "dialects/NN/IR/Elementwise.def"
#undef TERN_ROW
  }
  llvm_unreachable("binary kind without a row in Elementwise.def");
}

template <typename Kind> static std::optional<Kind> kindOf(StringRef onnx, unsigned last) {
  for (unsigned i = 0; i <= last && !onnx.empty(); ++i)
    if (rowOf(Kind(i)).onnx == onnx)
      return Kind(i);
  return std::nullopt;
}
std::optional<UnaryKind> unaryKindOf(StringRef onnx) { return kindOf<UnaryKind>(onnx, getMaxEnumValForUnaryKind()); }
std::optional<BinaryKind> binaryKindOf(StringRef onnx) {
  return kindOf<BinaryKind>(onnx, getMaxEnumValForBinaryKind());
}
std::optional<CompareKind> compareKindOf(StringRef onnx) {
  return StringSwitch<std::optional<CompareKind>>(onnx)
#define TERN_COMPARE(KIND, ONNX, TEST) .Case(ONNX, CompareKind::KIND)
#include "dialects/NN/IR/Elementwise.def"
      .Default(std::nullopt);
}

std::pair<double, double> parametersOf(UnaryOp op) {
  const ElementwiseRow &row = rowOf(op.getKind());
  return {op.getAlpha() ? op.getAlpha()->convertToFloat() : row.alpha,
          op.getBeta() ? op.getBeta()->convertToFloat() : row.beta};
}

//===-- double ----------------------------------------------------------------===//
namespace real {
using std::abs, std::floor, std::ceil, std::sqrt, std::exp, std::expm1, std::log, std::log1p, std::pow, std::erf;
using std::asinh, std::acosh, std::atanh;
using std::tanh, std::sin, std::cos, std::tan, std::asin, std::acos, std::atan, std::sinh, std::cosh;
static double select(bool condition, double x, double y) { return condition ? x : y; }
static double maximum(double x, double y) { return std::isnan(x) ? x : std::isnan(y) ? y : std::max(x, y); }
static double minimum(double x, double y) { return std::isnan(x) ? x : std::isnan(y) ? y : std::min(x, y); }
static double roundEven(double x) { return std::nearbyint(x); }
static double truncMod(double x, double y) { return std::fmod(x, y); }
static double floorMod(double x, double y) {
  double r = std::fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static double unary(UnaryKind kind, double x, double a, double b) {
  switch (kind) {
#define TERN_UNARY_FLOAT(KIND, ONNX, PARAMS, ALPHA, BETA, FLOAT)                                                       \
  case UnaryKind::KIND:                                                                                                \
    return FLOAT;
#define TERN_UNARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                      \
  case UnaryKind::KIND:                                                                                                \
    return FLOAT;
#define TERN_UNARY_TEST(KIND, ONNX, TEST)                                                                              \
  case UnaryKind::KIND:                                                                                                \
    return TEST;
#include "dialects/NN/IR/Elementwise.def"
  default:
    llvm_unreachable("this kind has no float meaning; the verifier refuses it");
  }
}

static double binary(BinaryKind kind, double x, double y) {
  switch (kind) {
#define TERN_BINARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                     \
  case BinaryKind::KIND:                                                                                               \
    return FLOAT;
#include "dialects/NN/IR/Elementwise.def"
  default:
    llvm_unreachable("this kind has no float meaning; the verifier refuses it");
  }
}
} // namespace real

template <typename T> static bool compareAs(CompareKind kind, T x, T y) {
  switch (kind) {
#define TERN_COMPARE(KIND, ONNX, TEST)                                                                                 \
  case CompareKind::KIND:                                                                                              \
    return TEST;
#include "dialects/NN/IR/Elementwise.def"
  }
  llvm_unreachable("compare kind without a row in Elementwise.def");
}

double evaluate(UnaryKind kind, double x, double alpha, double beta) { return real::unary(kind, x, alpha, beta); }
double evaluate(BinaryKind kind, double x, double y) { return real::binary(kind, x, y); }
bool evaluate(CompareKind kind, double x, double y) { return compareAs(kind, x, y); }
bool evaluate(CompareKind kind, int64_t x, int64_t y) { return compareAs(kind, x, y); }
bool evaluate(CompareKind kind, uint64_t x, uint64_t y) { return compareAs(kind, x, y); }

//===-- integers --------------------------------------------------------------===//
namespace integer {
/// A 64-bit integer that wraps instead of overflowing. T says how it divides, compares and shifts right.
template <typename T> struct Wrapped {
  T v;
  Wrapped(T v) : v(v) {}
  // The literals of the table.
  Wrapped(double literal) : v(T(int64_t(literal))) {}
};
#define TERN_OPERATOR(OP)                                                                                              \
  template <typename T> static Wrapped<T> operator OP(Wrapped<T> x, Wrapped<T> y) {                                    \
    return T(uint64_t(x.v) OP uint64_t(y.v));                                                                          \
  }
TERN_OPERATOR(+)
TERN_OPERATOR(-)
TERN_OPERATOR(*)
TERN_OPERATOR(&)
TERN_OPERATOR(|)
TERN_OPERATOR(^)
#undef TERN_OPERATOR
template <typename T> static bool operator<(Wrapped<T> x, double y) { return x.v < Wrapped<T>(y).v; }
template <typename T> static bool operator>(Wrapped<T> x, double y) { return x.v > Wrapped<T>(y).v; }
template <typename T> static Wrapped<T> operator-(Wrapped<T> x) { return T(-uint64_t(x.v)); }
template <typename T> static Wrapped<T> operator~(Wrapped<T> x) { return T(~x.v); }
// Division by zero and the one overflowing quotient have a value instead of trapping.
template <typename T> static Wrapped<T> operator/(Wrapped<T> x, Wrapped<T> y) {
  if (y.v == 0)
    return T(0);
  if (y.v == T(-1) && std::is_signed_v<T>)
    return -x;
  return T(x.v / y.v);
}
template <typename T> static Wrapped<T> truncMod(Wrapped<T> x, Wrapped<T> y) {
  return y.v == 0 || (y.v == T(-1) && std::is_signed_v<T>) ? T(0) : T(x.v % y.v);
}
template <typename T> static Wrapped<T> floorMod(Wrapped<T> x, Wrapped<T> y) {
  Wrapped<T> r = truncMod(x, y);
  return r.v != 0 && (r.v < 0) != (y.v < 0) ? r + y : r;
}
template <typename T> static Wrapped<T> select(bool c, Wrapped<T> x, Wrapped<T> y) { return c ? x : y; }
template <typename T> static Wrapped<T> select(bool c, double x, Wrapped<T> y) { return c ? Wrapped<T>(x) : y; }
template <typename T> static Wrapped<T> maximum(Wrapped<T> x, Wrapped<T> y) { return std::max(x.v, y.v); }
template <typename T> static Wrapped<T> minimum(Wrapped<T> x, Wrapped<T> y) { return std::min(x.v, y.v); }
template <typename T> static Wrapped<T> maximum(Wrapped<T> x, double y) { return maximum(x, Wrapped<T>(y)); }
template <typename T> static Wrapped<T> abs(Wrapped<T> x) { return x.v < 0 ? -x : x; }
template <typename T> static Wrapped<T> logicalNot(Wrapped<T> x) { return T(x.v == 0); }
template <typename T> static Wrapped<T> shiftLeft(Wrapped<T> x, Wrapped<T> y) {
  return uint64_t(y.v) > 63 ? T(0) : T(uint64_t(x.v) << y.v);
}
template <typename T> static Wrapped<T> shiftRight(Wrapped<T> x, Wrapped<T> y) {
  return uint64_t(y.v) > 63 ? T(x.v < 0 ? -1 : 0) : T(x.v >> y.v);
}
/// A negative exponent truncates the reciprocal: 0 except for 1 and -1.
template <typename T> static Wrapped<T> pow(Wrapped<T> x, Wrapped<T> y) {
  if (y.v < 0 && x.v != 1 && x.v != T(-1))
    return T(0);
  Wrapped<T> result = T(1);
  for (uint64_t n = y.v; n; n >>= 1, x = x * x)
    if (n & 1)
      result = result * x;
  return result;
}

template <typename T> static T unary(UnaryKind kind, Wrapped<T> x) {
  switch (kind) {
#define TERN_UNARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                      \
  case UnaryKind::KIND:                                                                                                \
    return (INT).v;
#define TERN_UNARY_INTEGER(KIND, ONNX, INT) TERN_UNARY_NUMBER(KIND, ONNX, , INT)
#define TERN_UNARY_LOGICAL(KIND, ONNX, INT) TERN_UNARY_NUMBER(KIND, ONNX, , INT)
#include "dialects/NN/IR/Elementwise.def"
  default:
    llvm_unreachable("this kind has no integer meaning; the verifier refuses it");
  }
}

template <typename T> static T binary(BinaryKind kind, Wrapped<T> x, Wrapped<T> y) {
  switch (kind) {
#define TERN_BINARY_NUMBER(KIND, ONNX, FLOAT, INT)                                                                     \
  case BinaryKind::KIND:                                                                                               \
    return (INT).v;
#define TERN_BINARY_INTEGER(KIND, ONNX, INT) TERN_BINARY_NUMBER(KIND, ONNX, , INT)
#define TERN_BINARY_LOGICAL(KIND, ONNX, INT) TERN_BINARY_NUMBER(KIND, ONNX, , INT)
#include "dialects/NN/IR/Elementwise.def"
  }
  llvm_unreachable("binary kind without a row in Elementwise.def");
}
} // namespace integer

int64_t evaluate(UnaryKind kind, int64_t x) { return integer::unary<int64_t>(kind, x); }
uint64_t evaluate(UnaryKind kind, uint64_t x) { return integer::unary<uint64_t>(kind, x); }
int64_t evaluate(BinaryKind kind, int64_t x, int64_t y) { return integer::binary<int64_t>(kind, x, y); }
uint64_t evaluate(BinaryKind kind, uint64_t x, uint64_t y) { return integer::binary<uint64_t>(kind, x, y); }

} // namespace tern::nn
