//===- Array.h - A named tensor in memory -----------------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_ARRAY_H
#define TERN_CALIBRATE_ARRAY_H

#include "lib/Calibrate/Result.h"
#include <cstdint>
#include <vector>

namespace tern::calib {

/// Element types by their numbers in ONNX TensorProto.DataType.
enum DType : int32_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kUInt16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBFloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUInt2 = 25,
  kInt2 = 26,
};

/// What is known of an element type. Class: 'f' IEEE-like float of 16 bits or more, 'i' and 'u' integers, 'b' bool,
/// 'c' complex, 'n' narrow float (8 bits or less), 's' string, 0 unknown number.
struct DTypeInfo {
  const char *name; ///< as numpy or ml_dtypes spell it
  char kind;
  uint8_t bits;
};
DTypeInfo dtypeInfo(int32_t dtype);

/// Elements of a shape; nothing if an extent is negative or the product does not fit 63 bits.
std::optional<int64_t> elementCount(const std::vector<int64_t> &shape);

/// Bytes of `count` elements; types below 8 bits are packed, the first element in the low bits (as ONNX raw_data).
std::optional<int64_t> byteSize(int32_t dtype, int64_t count);

/// "[1,3,224,224]"; unknown extents print as '?'.
std::string printShape(const std::vector<int64_t> &shape);

/// Name, type and shape of a tensor.
struct ArrayInfo {
  std::string name;
  int32_t dtype = kUndefined;
  std::vector<int64_t> shape;
};

/// A tensor: dense, C order, little endian. The bytes are `byteSize(dtype, elementCount(shape))` many.
struct Array {
  std::string name;
  int32_t dtype = kUndefined;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  int64_t size() const { return elementCount(shape).value_or(0); }
  /// The bytes as elements of T, whose width must be that of dtype.
  template <class T> const T *data() const { return reinterpret_cast<const T *>(bytes.data()); }
  template <class T> T *data() { return reinterpret_cast<T *>(bytes.data()); }
};

/// Every element as a double: floats of 16 bits and more, integers of any width, bool. Int64 beyond 2^53 rounds.
Result<std::vector<double>> toDouble(const Array &array);

/// Flat index of the first NaN or infinite element; nothing if there is none or the type has no such values.
std::optional<int64_t> findNonFinite(const Array &array);

/// Element as text, for messages.
std::string printElement(const Array &array, int64_t index);

/// Converts to another type where no meaning is lost: between float types (rounding to nearest even, float64 to 16 bits
/// through float32, but a finite value must stay finite), between integer types and bool (every value must fit). The
/// error is the end of a sentence that starts with the array: "has ..."; `base` is added to the flat index in it.
Status convert(Array &array, int32_t dtype, int64_t base = 0);

/// True if convert() can do it for some values.
bool isConvertible(int32_t from, int32_t to);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_ARRAY_H
