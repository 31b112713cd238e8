//===- Tensor.cpp - storage and conversion of elements --------------------===//
#include "lib/Reference/Tensor.h"
#include "lib/Formats/Numeric.h"
#include "lib/Formats/Pack.h"
#include "mlir/IR/BuiltinTypes.h"
#include <cmath>

using namespace mlir;

namespace tern::reference {

Tensor::Tensor(RankedTensorType type)
    : type(type), length(type.getNumElements() * nn::elementBytes(type.getElementType())) {
  owner = std::shared_ptr<char>(static_cast<char *>(calloc(std::max<int64_t>(length, 1), 1)), free);
  start = owner.get();
}

Tensor Tensor::borrow(RankedTensorType type, ArrayRef<char> bytes) {
  Tensor result;
  result.type = type;
  result.start = bytes.data();
  result.length = bytes.size();
  return result;
}

Tensor Tensor::as(RankedTensorType other) const {
  assert(other.getNumElements() == size() && nn::elementBytes(other.getElementType()) == elementSize() &&
         "the other type has the same bytes");
  Tensor result = *this;
  result.type = other;
  return result;
}

//===-- reading ---------------------------------------------------------------===//
template <typename T, typename To> static void append(const Tensor &tensor, std::vector<To> &out) {
  ArrayRef<T> data = tensor.data<T>();
  out.assign(data.begin(), data.end());
}

template <typename To> static void readIntegers(const Tensor &tensor, std::vector<To> &out) {
  bool unsign = isUnsigned(tensor.getElementType());
  switch (tensor.elementSize()) {
  case 1:
    return unsign ? append<uint8_t>(tensor, out) : append<int8_t>(tensor, out);
  case 2:
    return unsign ? append<uint16_t>(tensor, out) : append<int16_t>(tensor, out);
  case 4:
    return unsign ? append<uint32_t>(tensor, out) : append<int32_t>(tensor, out);
  default:
    return unsign ? append<uint64_t>(tensor, out) : append<int64_t>(tensor, out);
  }
}

std::vector<int64_t> toIntegers(const Tensor &tensor) {
  std::vector<int64_t> out;
  readIntegers(tensor, out);
  return out;
}

std::vector<double> toReals(const Tensor &tensor) {
  std::vector<double> out;
  Type element = tensor.getElementType();
  if (isa<IntegerType>(element)) {
    readIntegers(tensor, out);
  } else if (element.isF32()) {
    append<float>(tensor, out);
  } else if (element.isF64()) {
    append<double>(tensor, out);
  } else if (element.isF16()) {
    for (uint16_t bits : tensor.data<uint16_t>())
      out.push_back(f16ToF32(bits));
  } else if (element.isBF16()) {
    for (uint16_t bits : tensor.data<uint16_t>())
      out.push_back(bf16ToF32(bits));
  } else if (isa<Float8E8M0FNUType>(element)) {
    for (uint8_t code : tensor.data<uint8_t>())
      out.push_back(code == 0xff ? double(NAN) : std::ldexp(1.0, code - 127));
  } else {
    const llvm::fltSemantics &semantics = cast<FloatType>(element).getFloatSemantics();
    unsigned width = element.getIntOrFloatBitWidth();
    for (uint8_t code : tensor.data<uint8_t>())
      out.push_back(APFloat(semantics, APInt(width, code & ((1u << width) - 1))).convertToDouble());
  }
  return out;
}

//===-- writing ---------------------------------------------------------------===//
int64_t saturate(double value, unsigned bits, bool isUnsigned) {
  if (bits == 1)
    return value != 0;
  if (std::isnan(value))
    return 0;
  // Both bounds are powers of two, so exact.
  double low = isUnsigned ? 0 : -std::ldexp(1.0, bits - 1), high = std::ldexp(1.0, isUnsigned ? bits : bits - 1);
  if (value <= low)
    return isUnsigned ? 0 : bits == 64 ? INT64_MIN : int64_t(low);
  if (value >= high)
    return isUnsigned ? int64_t(UINT64_MAX >> (64 - bits)) : int64_t(UINT64_MAX >> (65 - bits));
  return isUnsigned ? int64_t(uint64_t(value)) : int64_t(value);
}

template <typename T, typename From> static void store(Tensor &tensor, ArrayRef<From> values) {
  for (auto [to, from] : llvm::zip_equal(tensor.mutableData<T>(), values))
    to = T(from);
}

/// The power of two that is the magnitude of a value, as its f32 exponent: 2^-127 for what is smaller, 0xff for NaN and
/// infinity.
static uint8_t encodePowerOfTwo(float value, SmallFloatCast how) {
  uint32_t bits = bitsOf(value) & 0x7fffffff, exponent = bits >> 23, fraction = bits & 0x7fffff;
  if (exponent == 0xff)
    return 0xff;
  bool up = how.round == nn::CastRound::up        ? fraction != 0
            : how.round == nn::CastRound::nearest ? fraction > 0x400000 || (fraction == 0x400000 && exponent > 0)
                                                  : false;
  if (up && (exponent != 0xfe || how.overflow))
    ++exponent;
  return uint8_t(exponent);
}

/// The code of an 8-bit or narrower float: nearest, ties to even.
static uint8_t encodeMinifloat(FloatType type, double value, bool overflow) {
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  bool finiteOnly = !APFloat::semanticsHasNaN(semantics);
  if (std::isnan(value) && finiteOnly) // ONNX: minus zero
    return uint8_t(APFloat::getZero(semantics, true).bitcastToAPInt().getZExtValue());
  APFloat result{float(value)};
  bool loses;
  result.convert(semantics, APFloat::rmNearestTiesToEven, &loses);
  if (!std::isnan(value) && (!overflow || finiteOnly)) {
    APFloat largest = APFloat::getLargest(semantics, value < 0);
    if (!result.isFinite() || std::abs(value) > std::abs(largest.convertToDouble()))
      result = largest;
  }
  return uint8_t(result.bitcastToAPInt().getZExtValue());
}

Tensor toSmallFloats(RankedTensorType type, ArrayRef<double> values, SmallFloatCast how) {
  Tensor result(type);
  auto element = cast<FloatType>(type.getElementType());
  bool powers = isa<Float8E8M0FNUType>(element);
  for (auto [to, from] : llvm::zip_equal(result.mutableData<uint8_t>(), values))
    to = powers ? encodePowerOfTwo(float(from), how) : encodeMinifloat(element, from, how.overflow);
  return result;
}

Tensor fromReals(RankedTensorType type, ArrayRef<double> values) {
  Tensor result(type);
  Type element = type.getElementType();
  if (isa<IntegerType>(element)) {
    std::vector<int64_t> integers;
    unsigned bits = element.getIntOrFloatBitWidth();
    bool unsign = isUnsigned(element);
    for (double value : values)
      integers.push_back(bits > 1 && bits < 8 ? saturate(value, 64, false) : saturate(value, bits, unsign));
    return fromIntegers(type, integers);
  }
  if (element.isF32()) {
    store<float>(result, values);
  } else if (element.isF64()) {
    store<double>(result, values);
  } else if (element.isF16()) {
    for (auto [to, from] : llvm::zip_equal(result.mutableData<uint16_t>(), values))
      to = f32ToF16(float(from));
  } else if (element.isBF16()) {
    for (auto [to, from] : llvm::zip_equal(result.mutableData<uint16_t>(), values))
      to = f32ToBf16(float(from));
  } else {
    return toSmallFloats(type, values, {});
  }
  return result;
}

/// The low bits of an integer of fewer than 8 bits, extended to its byte.
static int64_t extendNarrow(int64_t value, unsigned bits, bool isUnsigned) {
  uint64_t low = uint64_t(value) & ((1u << bits) - 1);
  return isUnsigned ? int64_t(low) : llvm::SignExtend64(low, bits);
}

Tensor fromIntegers(RankedTensorType type, ArrayRef<int64_t> values) {
  Tensor result(type);
  Type element = type.getElementType();
  if (element.isF32()) {
    store<float>(result, values);
    return result;
  }
  if (isa<FloatType>(element)) {
    // Once to f32 (or double), as every narrow float.
    std::vector<double> reals;
    for (int64_t value : values)
      reals.push_back(element.isF64() ? double(value) : double(float(value)));
    return fromReals(type, reals);
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  if (bits < 8) {
    bool unsign = isUnsigned(element);
    for (auto [to, from] : llvm::zip_equal(result.mutableData<int8_t>(), values))
      to = int8_t(extendNarrow(from, bits, unsign));
    return result;
  }
  switch (result.elementSize()) {
  case 1:
    store<int8_t>(result, values);
    break;
  case 2:
    store<int16_t>(result, values);
    break;
  case 4:
    store<int32_t>(result, values);
    break;
  default:
    store<int64_t>(result, values);
  }
  return result;
}

} // namespace tern::reference
