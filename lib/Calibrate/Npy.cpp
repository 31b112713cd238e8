//===- Npy.cpp - numpy's .npy format --------------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Source.h"
#include <algorithm>
#include <cctype>
#include <cstring>
#include <limits>

namespace tern::calib {

namespace {
/// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
struct HeaderParser {
  explicit HeaderParser(const std::string &text) : at(text.data()), end(text.data() + text.size()) {}

  bool parse() {
    if (!eat('{'))
      return false;
    while (!eat('}')) {
      std::string key;
      if (!string(key) || !eat(':') || !value(key))
        return false;
      if (!eat(',') && !peek('}'))
        return false;
    }
    skip();
    return at == end && hasDescr && hasOrder && hasShape;
  }

  std::string descr;
  bool structured = false, fortran = false;
  std::vector<int64_t> shape;

private:
  void skip() {
    while (at != end && std::isspace(static_cast<unsigned char>(*at)))
      ++at;
  }
  bool peek(char c) {
    skip();
    return at != end && *at == c;
  }
  bool eat(char c) {
    if (!peek(c))
      return false;
    ++at;
    return true;
  }
  bool word(const char *text) {
    skip();
    size_t n = strlen(text);
    if (static_cast<size_t>(end - at) < n || memcmp(at, text, n) != 0)
      return false;
    at += n;
    return true;
  }
  bool string(std::string &text) {
    skip();
    if (at == end || (*at != '\'' && *at != '"'))
      return false;
    const char *close = std::find(at + 1, end, *at);
    if (close == end)
      return false;
    text.assign(at + 1, close);
    at = close + 1;
    return true;
  }
  bool number(int64_t &n) {
    skip();
    if (at == end || !std::isdigit(static_cast<unsigned char>(*at)))
      return false;
    for (n = 0; at != end && std::isdigit(static_cast<unsigned char>(*at)); ++at)
      if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
        return false;
    if (at != end && *at == 'L') // a long of Python 2
      ++at;
    return true;
  }
  bool tuple() {
    if (!eat('('))
      return false;
    while (!eat(')')) {
      int64_t n;
      if (!number(n) || (!eat(',') && !peek(')')))
        return false;
      shape.push_back(n);
    }
    return true;
  }
  bool value(const std::string &key) {
    if (key == "descr") {
      if (hasDescr)
        return false;
      hasDescr = true;
      if (peek('[')) { // a list of fields: only its end is needed for the message
        structured = true;
        const char *close = end;
        while (close != at && *--close != ']') {
        }
        at = close == at ? end : close + 1;
        return close != at;
      }
      return string(descr);
    }
    if (key == "fortran_order") {
      fortran = word("True");
      bool first = !hasOrder;
      hasOrder = true;
      return first && (fortran || word("False"));
    }
    if (key == "shape") {
      bool first = !hasShape;
      hasShape = true;
      return first && tuple();
    }
    return false;
  }

  const char *at, *end;
  bool hasDescr = false, hasOrder = false, hasShape = false;
};

struct Descr {
  const char *text; ///< without the byte order
  DType dtype;
};
} // namespace

static constexpr Descr kDescrs[] = {{"f4", kFloat32},   {"f2", kFloat16},    {"f8", kFloat64}, {"b1", kBool},
                                    {"i1", kInt8},      {"i2", kInt16},      {"i4", kInt32},   {"i8", kInt64},
                                    {"u1", kUInt8},     {"u2", kUInt16},     {"u4", kUInt32},  {"u8", kUInt64},
                                    {"c8", kComplex64}, {"c16", kComplex128}};

/// Sets type and byte order, or says why numpy's type cannot be read.
static std::optional<std::string> applyDescr(const HeaderParser &header, ArrayStream &stream) {
  const std::string &descr = header.descr;
  if (header.structured)
    return "has records of several fields; save one array per field";
  if (!descr.empty() && descr[0] == '|' && descr.find('O') != std::string::npos)
    return "holds Python objects; save a numeric array: x.astype('float32')";
  if (descr.size() >= 3 && strchr("<>=|", descr[0]))
    for (const Descr &row : kDescrs)
      if (descr.compare(1, std::string::npos, row.text) == 0) {
        stream.info.dtype = row.dtype;
        stream.swap = descr[0] == '>';
        return std::nullopt;
      }
  return "has the type '" + descr + "'; allowed are bool, integers of 8 to 64 bits and floats of 16, 32 and 64 bits: " +
         "convert it, for example with x.astype('float32')";
}

Result<ArrayStream> openNpy(std::unique_ptr<ByteSource> source, std::string name, const std::string &where) {
  auto fail = [&](const std::string &text) { return Error{where + " " + text}; };
  ArrayStream stream;
  stream.where = where;
  stream.info.name = std::move(name);
  uint8_t fixed[12];
  uint64_t total = source->remaining();
  if (total < 10)
    return fail("is cut off: it has " + std::to_string(total) + " bytes, fewer than the header of an .npy array");
  if (Status s = source->read(fixed, 10); !s)
    return s.takeError();
  if (memcmp(fixed, "\x93NUMPY", 6) != 0)
    return fail("is not an .npy array: its first bytes are not those of numpy.save");
  if (fixed[6] < 1 || fixed[6] > 3)
    return fail("has version " + std::to_string(fixed[6]) + " of the .npy format; 1, 2 and 3 are read");
  uint64_t length = fixed[8] | fixed[9] << 8;
  if (fixed[6] > 1) {
    if (source->remaining() < 2)
      return fail("is cut off within its header");
    if (Status s = source->read(fixed + 10, 2); !s)
      return s.takeError();
    length |= static_cast<uint64_t>(fixed[10]) << 16 | static_cast<uint64_t>(fixed[11]) << 24;
  }
  // numpy itself refuses headers above 10,000 bytes unless told otherwise.
  if (length > source->remaining() || length > (1u << 20))
    return fail("is cut off or damaged: its header claims " + std::to_string(length) + " bytes, " +
                std::to_string(source->remaining()) + " are left");
  std::string text(length, 0);
  if (Status s = source->read(text.data(), length); !s)
    return s.takeError();
  HeaderParser header(text);
  if (!header.parse())
    return fail("has a damaged header; write it again with numpy.save or numpy.savez");
  if (std::optional<std::string> problem = applyDescr(header, stream))
    return fail(*problem);
  if (header.shape.size() > 64)
    return fail("has " + std::to_string(header.shape.size()) + " dimensions; at most 64 are read");
  std::optional<int64_t> count = elementCount(header.shape);
  std::optional<int64_t> size = count ? byteSize(stream.info.dtype, *count) : std::nullopt;
  if (!size)
    return fail("has the shape " + printShape(header.shape) + ", whose size does not fit 63 bits");
  if (static_cast<uint64_t>(*size) != source->remaining())
    return fail("is cut off or damaged: its shape " + printShape(header.shape) + " takes " + std::to_string(*size) +
                " bytes, " + std::to_string(source->remaining()) + " are there");
  stream.info.shape = std::move(header.shape);
  stream.fortran = header.fortran && stream.info.shape.size() > 1;
  stream.source = std::move(source);
  return stream;
}

static void swapBytes(std::vector<uint8_t> &bytes, size_t width) {
  for (size_t i = 0; i + width <= bytes.size(); i += width)
    std::reverse(bytes.begin() + i, bytes.begin() + i + width);
}

/// Column order to row order.
static std::vector<uint8_t> toRowOrder(const std::vector<uint8_t> &from, const std::vector<int64_t> &shape,
                                       size_t width) {
  std::vector<uint8_t> to(from.size());
  size_t rank = shape.size();
  std::vector<int64_t> stride(rank, 1), index(rank, 0);
  for (size_t d = 1; d < rank; ++d)
    stride[d] = stride[d - 1] * shape[d - 1];
  int64_t offset = 0;
  for (size_t at = 0; at < to.size(); at += width) {
    memcpy(&to[at], &from[offset * width], width);
    for (size_t d = rank; d-- > 0;) {
      offset += stride[d];
      if (++index[d] < shape[d])
        break;
      offset -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return to;
}

/// Reads all that is left. Memory grows with what has really been read, so a size that lies costs nothing.
static Status readAll(ByteSource &source, std::vector<uint8_t> &bytes) {
  constexpr uint64_t kStep = 64 << 20;
  bytes.clear();
  while (source.remaining() > 0) {
    uint64_t part = std::min(source.remaining(), std::max<uint64_t>(kStep, bytes.size()));
    bytes.resize(bytes.size() + part);
    if (Status s = source.read(bytes.data() + bytes.size() - part, part); !s)
      return s;
  }
  return {};
}

Status ArrayStream::read(std::vector<uint8_t> &bytes) {
  DTypeInfo type = dtypeInfo(info.dtype);
  size_t width = type.bits / 8, part = type.kind == 'c' ? width / 2 : width;
  if (fortran && source) {
    // Rows of a column-order array are spread over all of it.
    if (Status s = readAll(*source, whole); !s)
      return s;
    whole = toRowOrder(whole, info.shape, width);
    source.reset();
  }
  if (source && source->remaining() == bytes.size()) {
    if (Status s = readAll(*source, bytes); !s)
      return s;
  } else if (source) {
    if (Status s = source->read(bytes.data(), bytes.size()); !s)
      return s;
  } else {
    if (bytes.size() > whole.size() - position)
      return Error{where + " has changed while it was being read"};
    std::copy_n(whole.begin() + position, bytes.size(), bytes.begin());
    position += bytes.size();
  }
  if (swap && part > 1)
    swapBytes(bytes, part);
  return {};
}

std::optional<std::string> npyHeader(const Array &array) {
  const char *descr = nullptr;
  for (const Descr &row : kDescrs)
    if (row.dtype == array.dtype)
      descr = row.text;
  if (!descr)
    return std::nullopt;
  std::string shape;
  for (int64_t extent : array.shape)
    shape += std::to_string(extent) + ", ";
  if (array.shape.size() > 1)
    shape.resize(shape.size() - 2);
  else if (array.shape.size() == 1)
    shape.pop_back();
  const char *order = dtypeInfo(array.dtype).bits > 8 ? "<" : "|";
  std::string text =
      std::string("{'descr': '") + order + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  // The elements start at a multiple of 64 bytes; the header ends with a newline.
  text.resize((10 + text.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

} // namespace tern::calib
