//===- TensorProto.cpp - ONNX .pb tensors without protobuf ----------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Source.h"
#include <cstring>

namespace tern::calib {

namespace {
// Field numbers of onnx.TensorProto.
enum Field {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kDocString = 12,
  kExternalData = 13,
  kDataLocation = 14,
  kMetadata = 16
};
enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// A cursor over wire-format bytes; `ok` turns false at the first damage and stays so.
struct Cursor {
  const uint8_t *at, *end;
  bool ok = true;

  bool done() const { return !ok || at == end; }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at == end)
        break;
      uint8_t byte = *at++;
      if (shift < 64)
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return value;
    }
    ok = false;
    return 0;
  }
  Cursor bytes(uint64_t count) {
    if (!ok || count > static_cast<uint64_t>(end - at)) {
      ok = false;
      return {end, end};
    }
    Cursor part{at, at + count};
    at += count;
    return part;
  }
  uint64_t size() const { return end - at; }
};

/// The elements of the typed fields, as they come.
struct Tensor {
  std::vector<int64_t> dims;
  uint64_t dtype = 0;
  std::string name;
  std::optional<Cursor> raw;
  std::vector<uint8_t> fixed;    ///< float_data, double_data: bytes
  std::vector<uint64_t> varints; ///< int32_data, int64_data, uint64_data
  unsigned used = 0;             ///< set of typed fields that are there, by bit
  bool strings = false, external = false, segment = false;
};
} // namespace

static void readVarints(Cursor &in, unsigned wire, std::vector<uint64_t> &values) {
  if (wire == kVarint) {
    values.push_back(in.varint());
    return;
  }
  if (wire != kBytes) {
    in.ok = false;
    return;
  }
  Cursor packed = in.bytes(in.varint());
  while (!packed.done())
    values.push_back(packed.varint());
  in.ok &= packed.ok;
}

static void readFixed(Cursor &in, unsigned wire, unsigned width, std::vector<uint8_t> &bytes) {
  bool single = wire == (width == 4 ? kFixed32 : kFixed64);
  if (!single && wire != kBytes) {
    in.ok = false;
    return;
  }
  Cursor part = in.bytes(single ? width : in.varint());
  in.ok &= part.size() % width == 0;
  if (in.ok)
    bytes.insert(bytes.end(), part.at, part.end);
}

static void skipField(Cursor &in, unsigned wire) {
  switch (wire) {
  case kVarint:
    in.varint();
    return;
  case kFixed64:
    in.bytes(8);
    return;
  case kBytes:
    in.bytes(in.varint());
    return;
  case kFixed32:
    in.bytes(4);
    return;
  default:
    in.ok = false;
  }
}

static void readField(Cursor &in, unsigned field, unsigned wire, Tensor &tensor) {
  switch (field) {
  case kDims: {
    std::vector<uint64_t> dims;
    readVarints(in, wire, dims);
    tensor.dims.insert(tensor.dims.end(), dims.begin(), dims.end());
    return;
  }
  case kDataType:
  case kDataLocation: {
    in.ok &= wire == kVarint;
    uint64_t value = in.varint();
    if (field == kDataType)
      tensor.dtype = value;
    else
      tensor.external |= value != 0;
    return;
  }
  case kFloatData:
  case kDoubleData:
    tensor.used |= 1u << field;
    return readFixed(in, wire, field == kFloatData ? 4 : 8, tensor.fixed);
  case kInt32Data:
  case kInt64Data:
  case kUint64Data:
    tensor.used |= 1u << field;
    return readVarints(in, wire, tensor.varints);
  case kName:
  case kRawData: {
    in.ok &= wire == kBytes;
    Cursor part = in.bytes(in.varint());
    if (field == kRawData)
      tensor.raw = part;
    else
      tensor.name.assign(part.at, part.end);
    return;
  }
  case kSegment:
    tensor.segment = true;
    return skipField(in, wire);
  case kStringData:
    tensor.strings = true;
    return skipField(in, wire);
  case kExternalData:
    tensor.external = true;
    return skipField(in, wire);
  case kDocString:
  case kMetadata:
    in.ok &= wire == kBytes;
    return skipField(in, wire);
  default:
    in.ok = false; // a TensorProto has no other field: this is another kind of message
  }
}

/// The typed field that holds elements of a type.
static unsigned fieldOf(int32_t dtype) {
  switch (dtype) {
  case kFloat32:
  case kComplex64:
    return kFloatData;
  case kFloat64:
  case kComplex128:
    return kDoubleData;
  case kInt64:
    return kInt64Data;
  case kUInt32:
  case kUInt64:
    return kUint64Data;
  default:
    return kInt32Data;
  }
}

/// Lays varint elements out at the width of the type; packed types hold a whole byte per varint. False if one does not
/// fit: values below 64 bits are sign- or zero-extended in the file.
static bool layOut(const std::vector<uint64_t> &values, DTypeInfo type, std::vector<uint8_t> &bytes) {
  unsigned width = std::max(1, type.bits / 8);
  bytes.resize(values.size() * width);
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t value = values[i];
    if (width < 8) {
      int64_t wide = static_cast<int64_t>(value), top = int64_t(1) << (8 * width);
      bool isSigned = type.kind == 'i' && type.bits >= 8;
      if (isSigned ? wide < -top / 2 || wide >= top / 2 : wide < 0 || wide >= top)
        return false;
    }
    memcpy(&bytes[i * width], &value, width); // little endian hosts only, as all of Tern
  }
  return true;
}

Result<Array> parseTensorProto(const std::vector<uint8_t> &bytes, const std::string &where) {
  auto fail = [&](const std::string &text) { return Error{where + " " + text}; };
  Cursor in{bytes.data(), bytes.data() + bytes.size()};
  Tensor tensor;
  while (!in.done()) {
    uint64_t tag = in.varint();
    if (in.ok && (tag >> 3) != 0 && (tag >> 3) < 64)
      readField(in, static_cast<unsigned>(tag >> 3), tag & 7, tensor);
    else
      in.ok = false;
  }
  if (!in.ok)
    return fail("is not an ONNX TensorProto, or is cut off: the damage is before byte " +
                std::to_string(in.at - bytes.data()) + "; write it again with onnx.numpy_helper.from_array");
  if (tensor.dtype == 0)
    return fail("is not an ONNX TensorProto: it has no data type");
  DTypeInfo type = dtypeInfo(tensor.dtype > 1000 ? -1 : static_cast<int32_t>(tensor.dtype));
  if (tensor.strings || type.bits == 0)
    return fail(std::string("holds elements of type ") + type.name + " (" + std::to_string(tensor.dtype) +
                "); numeric types are read");
  if (tensor.external || tensor.segment)
    return fail("keeps its elements elsewhere (external data or segments); save the tensor with its raw_data inside");
  Array array{tensor.name, static_cast<int32_t>(tensor.dtype), std::move(tensor.dims), {}};
  std::optional<int64_t> count = elementCount(array.shape);
  std::optional<int64_t> size = count ? byteSize(array.dtype, *count) : std::nullopt;
  if (!size)
    return fail("has the shape " + printShape(array.shape) + ", which is no shape");
  unsigned field = fieldOf(array.dtype);
  if (tensor.raw ? tensor.used != 0 && !(tensor.varints.empty() && tensor.fixed.empty())
                 : (tensor.used & ~(1u << field)) != 0)
    return fail(std::string("keeps its elements in a field that is not that of type ") + type.name);
  if (tensor.raw)
    array.bytes.assign(tensor.raw->at, tensor.raw->end);
  else if (field == kFloatData || field == kDoubleData)
    array.bytes = std::move(tensor.fixed);
  else if (!layOut(tensor.varints, type, array.bytes))
    return fail(std::string("has an element that does not fit its type ") + type.name);
  if (array.bytes.size() != static_cast<uint64_t>(*size))
    return fail("is cut off or damaged: its shape " + printShape(array.shape) + " takes " + std::to_string(*size) +
                " bytes, " + std::to_string(array.bytes.size()) + " are there");
  return array;
}

} // namespace tern::calib
