//===- Array.cpp - A named tensor in memory -------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Array.h"
#include "lib/Formats/Numeric.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

namespace tern::calib {

// One row per ONNX number.
static constexpr DTypeInfo kTypes[] = {{"undefined", 0, 0},
                                       {"float32", 'f', 32},
                                       {"uint8", 'u', 8},
                                       {"int8", 'i', 8},
                                       {"uint16", 'u', 16},
                                       {"int16", 'i', 16},
                                       {"int32", 'i', 32},
                                       {"int64", 'i', 64},
                                       {"string", 's', 0},
                                       {"bool", 'b', 8},
                                       {"float16", 'f', 16},
                                       {"float64", 'f', 64},
                                       {"uint32", 'u', 32},
                                       {"uint64", 'u', 64},
                                       {"complex64", 'c', 64},
                                       {"complex128", 'c', 128},
                                       {"bfloat16", 'f', 16},
                                       {"float8_e4m3fn", 'n', 8},
                                       {"float8_e4m3fnuz", 'n', 8},
                                       {"float8_e5m2", 'n', 8},
                                       {"float8_e5m2fnuz", 'n', 8},
                                       {"uint4", 'u', 4},
                                       {"int4", 'i', 4},
                                       {"float4_e2m1fn", 'n', 4},
                                       {"float8_e8m0fnu", 'n', 8},
                                       {"uint2", 'u', 2},
                                       {"int2", 'i', 2}};

DTypeInfo dtypeInfo(int32_t dtype) {
  if (dtype < 0 || dtype >= static_cast<int32_t>(std::size(kTypes)))
    return {"unknown", 0, 0};
  return kTypes[dtype];
}

std::optional<int64_t> elementCount(const std::vector<int64_t> &shape) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t extent : shape) {
    if (extent < 0)
      return std::nullopt;
    empty |= extent == 0;
    // The other extents must multiply without overflow even if one is zero: [0, 2^62, 2^62] is no shape.
    if (extent != 0 && __builtin_mul_overflow(count, extent, &count))
      return std::nullopt;
  }
  return empty ? 0 : count;
}

std::optional<int64_t> byteSize(int32_t dtype, int64_t count) {
  int64_t bits = dtypeInfo(dtype).bits, total;
  if (bits == 0 || count < 0 || __builtin_mul_overflow(count, bits, &total) ||
      total > std::numeric_limits<int64_t>::max() - 7)
    return std::nullopt;
  return (total + 7) / 8;
}

std::string printShape(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? "," : "") + (shape[i] < 0 ? std::string("?") : std::to_string(shape[i]));
  return text + "]";
}

namespace {
/// Two bytes with conversions from and to double; float64 rounds through float32.
template <float (*Widen)(uint16_t), uint16_t (*Narrow)(float)> struct Half {
  Half() = default;
  explicit Half(double value) : bits(Narrow(static_cast<float>(value))) {}
  operator double() const { return Widen(bits); }
  uint16_t bits;
};
using Float16 = Half<f16ToF32, f32ToF16>;
using BFloat16 = Half<bf16ToF32, f32ToBf16>;

template <class T> struct Tag { using type = T; };
} // namespace

/// Calls f(Tag<T>) with the C++ type of a float, integer or bool type of whole bytes; false for the others.
template <class F> static bool dispatch(int32_t dtype, F &&f) {
  switch (dtype) {
  case kFloat32:
    f(Tag<float>());
    return true;
  case kFloat64:
    f(Tag<double>());
    return true;
  case kFloat16:
    f(Tag<Float16>());
    return true;
  case kBFloat16:
    f(Tag<BFloat16>());
    return true;
  case kUInt8:
  case kBool:
    f(Tag<uint8_t>());
    return true;
  case kInt8:
    f(Tag<int8_t>());
    return true;
  case kUInt16:
    f(Tag<uint16_t>());
    return true;
  case kInt16:
    f(Tag<int16_t>());
    return true;
  case kUInt32:
    f(Tag<uint32_t>());
    return true;
  case kInt32:
    f(Tag<int32_t>());
    return true;
  case kUInt64:
    f(Tag<uint64_t>());
    return true;
  case kInt64:
    f(Tag<int64_t>());
    return true;
  default:
    return false;
  }
}

static bool isPackedInteger(DTypeInfo type) { return (type.kind == 'i' || type.kind == 'u') && type.bits < 8; }

static int unpack(const Array &array, DTypeInfo type, int64_t index) {
  int64_t bit = index * type.bits;
  int code = (array.bytes[bit / 8] >> (bit % 8)) & ((1 << type.bits) - 1);
  return type.kind == 'i' && code >> (type.bits - 1) ? code - (1 << type.bits) : code;
}

Result<std::vector<double>> toDouble(const Array &array) {
  std::vector<double> values(array.size());
  DTypeInfo type = dtypeInfo(array.dtype);
  bool known = dispatch(array.dtype, [&](auto tag) {
    auto *data = array.data<typename decltype(tag)::type>();
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<double>(data[i]);
  });
  if (known)
    return values;
  if (!isPackedInteger(type))
    return Error{"array '" + array.name + "' is " + type.name +
                 ", which has no numeric view; use a float, integer or " + "bool type"};
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = unpack(array, type, i);
  return values;
}

/// First element whose exponent field is all ones. A block at a time, so that the search runs on vectors.
template <class Word> static std::optional<int64_t> findExponent(const Word *data, int64_t count, Word mask) {
  constexpr int64_t kBlock = 256;
  for (int64_t from = 0; from < count; from += kBlock) {
    int64_t to = std::min(count, from + kBlock);
    Word hit = 0;
    for (int64_t i = from; i < to; ++i)
      hit |= (data[i] & mask) == mask;
    for (int64_t i = from; hit && i < to; ++i)
      if ((data[i] & mask) == mask)
        return i;
  }
  return std::nullopt;
}

std::optional<int64_t> findNonFinite(const Array &array) {
  switch (array.dtype) {
  case kFloat32:
    return findExponent<uint32_t>(array.data<uint32_t>(), array.size(), 0x7f800000u);
  case kFloat64:
    return findExponent<uint64_t>(array.data<uint64_t>(), array.size(), 0x7ff0000000000000u);
  case kFloat16:
    return findExponent<uint16_t>(array.data<uint16_t>(), array.size(), 0x7c00);
  case kBFloat16:
    return findExponent<uint16_t>(array.data<uint16_t>(), array.size(), 0x7f80);
  default:
    return std::nullopt;
  }
}

std::string printElement(const Array &array, int64_t index) {
  std::string text = "?";
  DTypeInfo type = dtypeInfo(array.dtype);
  dispatch(array.dtype, [&](auto tag) {
    auto value = array.data<typename decltype(tag)::type>()[index];
    if (type.kind == 'f') {
      char buffer[40];
      double number = static_cast<double>(value);
      snprintf(buffer, sizeof buffer, "%.9g", number);
      text = number != number ? "nan" : buffer;
    } else if constexpr (std::is_integral_v<decltype(value)>) {
      text = std::to_string(value);
    }
  });
  return isPackedInteger(type) ? std::to_string(unpack(array, type, index)) : text;
}

bool isConvertible(int32_t from, int32_t to) {
  DTypeInfo a = dtypeInfo(from), b = dtypeInfo(to);
  auto isInteger = [](DTypeInfo t) { return (t.kind == 'i' || t.kind == 'u' || t.kind == 'b') && t.bits >= 8; };
  return from == to || (a.kind == 'f' && b.kind == 'f') || (isInteger(a) && isInteger(b));
}

template <class To, class From> static bool fits(From value, bool toBool) {
  if (toBool)
    return value == 0 || value == 1;
  if (value < 0)
    return std::is_signed_v<To> && static_cast<int64_t>(value) >= static_cast<int64_t>(std::numeric_limits<To>::min());
  return static_cast<uint64_t>(value) <= static_cast<uint64_t>(std::numeric_limits<To>::max());
}

template <class From, class To> static int64_t convertAll(const From *from, To *to, int64_t count, bool toBool) {
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
      if (!fits<To>(from[i], toBool))
        return i;
      to[i] = static_cast<To>(from[i]);
    } else if constexpr (!std::is_integral_v<From> && !std::is_integral_v<To>) {
      double value = static_cast<double>(from[i]);
      to[i] = static_cast<To>(value);
      if (std::isfinite(value) && !std::isfinite(static_cast<double>(to[i])))
        return i;
    }
  }
  return count;
}

Status convert(Array &array, int32_t dtype, int64_t base) {
  if (array.dtype == dtype)
    return {};
  DTypeInfo target = dtypeInfo(dtype);
  if (!isConvertible(array.dtype, dtype))
    return Error{std::string("has type ") + dtypeInfo(array.dtype).name + ", which does not convert to " + target.name +
                 " without a change of meaning"};
  int64_t count = array.size(), done = 0;
  std::vector<uint8_t> bytes(*byteSize(dtype, count));
  dispatch(array.dtype, [&](auto from) {
    dispatch(dtype, [&](auto to) {
      using To = typename decltype(to)::type;
      done = convertAll(array.data<typename decltype(from)::type>(), reinterpret_cast<To *>(bytes.data()), count,
                        dtype == kBool);
    });
  });
  if (done != count)
    return Error{"has the value " + printElement(array, done) + " at flat index " + std::to_string(base + done) +
                 ", which does not fit " + target.name};
  array.bytes = std::move(bytes);
  array.dtype = dtype;
  return {};
}

} // namespace tern::calib
