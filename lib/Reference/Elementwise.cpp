//===- Elementwise.cpp - unary, binary, compare, select, clip, cast -------===//
#include "dialects/NN/IR/Elementwise.h"
#include "lib/Reference/Ops.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t d = int64_t(shape.size()) - 2; d >= 0; --d)
    strides[d] = strides[d + 1] * shape[d + 1];
  return strides;
}

SmallVector<int64_t> broadcastStrides(ArrayRef<int64_t> operand, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 0), own = stridesOf(operand);
  size_t extra = shape.size() - operand.size();
  for (size_t d = 0; d < operand.size(); ++d)
    strides[d + extra] = operand[d] == 1 ? 0 : own[d];
  return strides;
}

static Tensor unary(nn::UnaryOp op, const Tensor &x, RankedTensorType type) {
  auto [alpha, beta] = nn::parametersOf(op);
  nn::UnaryKind kind = op.getKind();
  if (isa<FloatType>(x.getElementType())) {
    std::vector<double> values = toReals(x);
    for (double &value : values)
      value = nn::evaluate(kind, value, alpha, beta);
    return fromReals(type, values);
  }
  std::vector<int64_t> values = toIntegers(x);
  bool unsign = isUnsigned(x.getElementType());
  for (int64_t &value : values)
    value = unsign ? int64_t(nn::evaluate(kind, uint64_t(value))) : nn::evaluate(kind, value);
  return fromIntegers(type, values);
}

/// result[i] = fn(x, y) over the broadcast elements of two number vectors.
template <typename To, typename T, typename U, typename Fn>
static std::vector<To> zipBroadcast(RankedTensorType type, const Tensor &lhs, const std::vector<T> &x,
                                    const Tensor &rhs, const std::vector<U> &y, Fn fn) {
  std::vector<To> result(type.getNumElements());
  std::array<SmallVector<int64_t>, 2> strides = {broadcastStrides(lhs.getShape(), type.getShape()),
                                                 broadcastStrides(rhs.getShape(), type.getShape())};
  forElements<2>(type.getShape(), strides, [&](int64_t i, const auto &at) { result[i] = fn(x[at[0]], y[at[1]]); });
  return result;
}

static Tensor binary(nn::BinaryOp op, const Tensor &lhs, const Tensor &rhs, RankedTensorType type) {
  nn::BinaryKind kind = op.getKind();
  // pow may mix types: one float makes it a float power, converted to the type of the base.
  if (isa<FloatType>(lhs.getElementType()) || isa<FloatType>(rhs.getElementType()))
    return fromReals(type, zipBroadcast<double>(type, lhs, toReals(lhs), rhs, toReals(rhs),
                                                [&](double x, double y) { return nn::evaluate(kind, x, y); }));
  if (isUnsigned(lhs.getElementType()) && isUnsigned(rhs.getElementType()))
    return fromIntegers(
        type, zipBroadcast<int64_t>(type, lhs, toIntegers(lhs), rhs, toIntegers(rhs), [&](int64_t x, int64_t y) {
          return int64_t(nn::evaluate(kind, uint64_t(x), uint64_t(y)));
        }));
  return fromIntegers(type, zipBroadcast<int64_t>(type, lhs, toIntegers(lhs), rhs, toIntegers(rhs),
                                                  [&](int64_t x, int64_t y) { return nn::evaluate(kind, x, y); }));
}

static Tensor compare(nn::CompareOp op, const Tensor &lhs, const Tensor &rhs, RankedTensorType type) {
  nn::CompareKind kind = op.getKind();
  if (isa<FloatType>(lhs.getElementType()))
    return fromIntegers(type, zipBroadcast<int64_t>(type, lhs, toReals(lhs), rhs, toReals(rhs),
                                                    [&](double x, double y) { return nn::evaluate(kind, x, y); }));
  bool unsign = isUnsigned(lhs.getElementType());
  return fromIntegers(
      type, zipBroadcast<int64_t>(type, lhs, toIntegers(lhs), rhs, toIntegers(rhs), [&](int64_t x, int64_t y) {
        return unsign ? nn::evaluate(kind, uint64_t(x), uint64_t(y)) : nn::evaluate(kind, x, y);
      }));
}

static Tensor select(const Tensor &condition, const Tensor &yes, const Tensor &no, RankedTensorType type) {
  Tensor result(type);
  int64_t size = result.elementSize();
  char *to = result.mutableData().data();
  std::array<SmallVector<int64_t>, 3> strides = {broadcastStrides(condition.getShape(), type.getShape()),
                                                 broadcastStrides(yes.getShape(), type.getShape()),
                                                 broadcastStrides(no.getShape(), type.getShape())};
  forElements<3>(type.getShape(), strides, [&](int64_t i, const auto &at) {
    const char *from = condition.bytes()[at[0]] ? yes.bytes().data() + at[1] * size : no.bytes().data() + at[2] * size;
    std::copy_n(from, size, to + i * size);
  });
  return result;
}

static Tensor clip(nn::ClipOp op, const Tensor &x, RankedTensorType type) {
  std::optional<APFloat> min = op.getMin(), max = op.getMax();
  auto bound = [&](auto value, auto low, auto high) {
    // NaN passes; the upper bound is applied last, so it wins when they cross.
    value = min && value < low ? low : value;
    return max && value > high ? high : value;
  };
  double low = min ? min->convertToDouble() : 0, high = max ? max->convertToDouble() : 0;
  if (isa<FloatType>(x.getElementType())) {
    std::vector<double> values = toReals(x);
    for (double &value : values)
      value = bound(value, low, high);
    return fromReals(type, values);
  }
  std::vector<int64_t> values = toIntegers(x);
  bool unsign = isUnsigned(x.getElementType());
  unsigned bits = x.getElementType().getIntOrFloatBitWidth();
  int64_t lowInt = saturate(std::ceil(low), bits, unsign), highInt = saturate(std::floor(high), bits, unsign);
  for (int64_t &value : values)
    value =
        unsign ? int64_t(bound(uint64_t(value), uint64_t(lowInt), uint64_t(highInt))) : bound(value, lowInt, highInt);
  return fromIntegers(type, values);
}

static Tensor cast(nn::CastOp op, const Tensor &x, RankedTensorType type) {
  if (isa<FloatType>(type.getElementType()) && type.getElementTypeBitWidth() <= 8)
    return toSmallFloats(type, toReals(x), {op.getOverflow(), op.getRound()});
  unsigned bits = type.getElementType().getIntOrFloatBitWidth();
  if (isa<FloatType>(x.getElementType()) && isa<IntegerType>(type.getElementType()) && bits < 8 && bits != 1) {
    // ONNX: a float keeps the low bits of its integer.
    std::vector<int64_t> integers;
    for (double value : toReals(x))
      integers.push_back(saturate(value, 32, false));
    return fromIntegers(type, integers);
  }
  if (isa<FloatType>(x.getElementType()))
    return fromReals(type, toReals(x));
  std::vector<int64_t> values = toIntegers(x);
  if (type.getElementType().isInteger(1))
    for (int64_t &value : values)
      value = value != 0;
  // The 64-bit pattern of an unsigned value beyond INT64_MAX is not its number.
  if (x.getElementType().isUnsignedInteger(64) && isa<FloatType>(type.getElementType())) {
    std::vector<double> reals;
    for (int64_t value : values)
      reals.push_back(type.getElementType().isF64() ? double(uint64_t(value)) : double(float(uint64_t(value))));
    return fromReals(type, reals);
  }
  return fromIntegers(type, values);
}

FailureOr<Tensor> evaluateElementwise(Operation *op, Operands in) {
  auto type = llvm::cast<RankedTensorType>(op->getResult(0).getType());
  auto x = [&](unsigned i) -> const Tensor & { return asTensor(in[i]); };
  return TypeSwitch<Operation *, FailureOr<Tensor>>(op)
      .Case([&](nn::UnaryOp op) { return unary(op, x(0), type); })
      .Case([&](nn::BinaryOp op) { return binary(op, x(0), x(1), type); })
      .Case([&](nn::CompareOp op) { return compare(op, x(0), x(1), type); })
      .Case([&](nn::SelectOp op) { return select(x(0), x(1), x(2), type); })
      .Case([&](nn::ClipOp op) { return clip(op, x(0), type); })
      .Case([&](nn::CastOp op) { return cast(op, x(0), type); })
      .Default([](Operation *) { return failure(); });
}

} // namespace tern::reference
