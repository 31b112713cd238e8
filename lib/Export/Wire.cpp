#include "lib/Export/Wire.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Endian.h"
#include <cstring>

using namespace llvm;

namespace tern::exporter {

float Field::asFloat() const {
  uint32_t bits = uint32_t(value);
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

bool FieldReader::varint(uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; shift < 70 && at < stop; shift += 7) {
    auto byte = uint8_t(file[at++]);
    if (shift < 64)
      value |= uint64_t(byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return true;
  }
  return false;
}

bool FieldReader::next(Field &field) {
  field = Field();
  field.begin = at;
  uint64_t key, length;
  if (at >= stop || !varint(key))
    return false;
  field.number = uint32_t(key >> 3);
  field.wire = key & 7;
  switch (field.wire) {
  case 0:
    if (!varint(field.value))
      return false;
    break;
  case 1:
  case 5:
    length = field.wire == 1 ? 8 : 4;
    if (length > stop - at)
      return false;
    field.value = length == 8 ? support::endian::read64le(file.data() + at) : support::endian::read32le(file.data() + at);
    at += length;
    break;
  case 2:
    if (!varint(length) || length > stop - at)
      return false;
    field.contents = at;
    field.bytes = file.substr(at, length);
    at += length;
    break;
  default:
    return false;
  }
  field.end = at;
  return true;
}

void FieldWriter::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(char(value | 0x80));
  out.push_back(char(value));
}

void FieldWriter::real(uint32_t field, float value) {
  key(field, 5);
  char bytes[4];
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  support::endian::write32le(bytes, bits);
  out.append(bytes, sizeof bytes);
}

unsigned varintBytes(uint64_t value) {
  unsigned bytes = 1;
  for (; value >= 0x80; value >>= 7)
    ++bytes;
  return bytes;
}

void readIntegers(const Field &field, SmallVectorImpl<int64_t> &values) {
  if (field.wire != 2) {
    values.push_back(int64_t(field.value));
    return;
  }
  uint64_t value = 0;
  unsigned shift = 0;
  for (char c : field.bytes) {
    if (shift < 64)
      value |= uint64_t(c & 0x7f) << shift;
    shift += 7;
    if (c & 0x80)
      continue;
    values.push_back(int64_t(value));
    value = 0, shift = 0;
  }
}

} // namespace tern::exporter
