#include "lib/Formats/Pack.h"

#include "lib/Formats/ElementCodec.h"

#include <algorithm>
#include <cstring>

namespace tern {

template <int bits> static void packSmall(int64_t n, const int32_t *codes, uint8_t *out) {
  constexpr int perByte = 8 / bits;
  constexpr uint32_t mask = (1u << bits) - 1;
  int64_t whole = n / perByte;
  for (int64_t i = 0; i < whole; ++i) {
    uint32_t byte = 0;
    for (int j = 0; j < perByte; ++j)
      byte |= (uint32_t(codes[i * perByte + j]) & mask) << (j * bits);
    out[i] = uint8_t(byte);
  }
  if (whole * perByte == n)
    return;
  uint32_t byte = 0;
  for (int64_t i = whole * perByte; i < n; ++i)
    byte |= (uint32_t(codes[i]) & mask) << ((i - whole * perByte) * bits);
  out[whole] = uint8_t(byte);
}

void packCodes(int bits, int64_t n, const int32_t *codes, uint8_t *out) {
  switch (bits) {
  case 1:
    return packSmall<1>(n, codes, out);
  case 2:
    return packSmall<2>(n, codes, out);
  case 4:
    return packSmall<4>(n, codes, out);
  case 8:
    return packSmall<8>(n, codes, out);
  case 32:
    if (n)
      std::memcpy(out, codes, size_t(n) * 4);
    return;
  default:
    break;
  }
  uint64_t pending = 0, mask = (uint64_t(1) << bits) - 1;
  int held = 0;
  for (int64_t i = 0; i < n; ++i) {
    pending |= (uint64_t(uint32_t(codes[i])) & mask) << held;
    for (held += bits; held >= 8; held -= 8, pending >>= 8)
      *out++ = uint8_t(pending);
  }
  if (held)
    *out = uint8_t(pending);
}

/// The sign of a code of `bits` bits in the low bits of v.
template <typename Int> static Int extend(uint32_t v, int bits, bool isSigned) {
  return Int(isSigned ? int32_t(v << (32 - bits)) >> (32 - bits) : int32_t(v));
}

template <int bits, typename Int> static void unpackSmall(bool isSigned, int64_t n, const uint8_t *packed, Int *codes) {
  constexpr int perByte = 8 / bits;
  constexpr uint32_t mask = (1u << bits) - 1;
  // (v ^ h) - h extends the sign when h is the sign bit, and is the identity when h is 0.
  const int32_t half = isSigned ? 1 << (bits - 1) : 0;
  int64_t whole = n / perByte;
  for (int64_t i = 0; i < whole; ++i)
    for (int j = 0; j < perByte; ++j)
      codes[i * perByte + j] = Int((int32_t((packed[i] >> (j * bits)) & mask) ^ half) - half);
  for (int64_t i = whole * perByte; i < n; ++i)
    codes[i] = Int((int32_t((packed[whole] >> ((i - whole * perByte) * bits)) & mask) ^ half) - half);
}

template <typename Int> static void unpack(int bits, bool isSigned, int64_t n, const uint8_t *packed, Int *codes) {
  switch (bits) {
  case 1:
    return unpackSmall<1>(isSigned, n, packed, codes);
  case 2:
    return unpackSmall<2>(isSigned, n, packed, codes);
  case 4:
    return unpackSmall<4>(isSigned, n, packed, codes);
  case 8:
    return unpackSmall<8>(isSigned, n, packed, codes);
  default:
    break;
  }
  uint64_t pending = 0, mask = (uint64_t(1) << bits) - 1;
  int held = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (; held < bits; held += 8)
      pending |= uint64_t(*packed++) << held;
    codes[i] = extend<Int>(uint32_t(pending & mask), bits, isSigned);
    pending >>= bits;
    held -= bits;
  }
}

void unpackCodes(int bits, bool isSigned, int64_t n, const uint8_t *packed, int32_t *codes) {
  unpack(bits, isSigned, n, packed, codes);
}

void unpackCodes(int bits, bool isSigned, int64_t n, const uint8_t *packed, int8_t *codes) {
  assert(bits <= 8 && "codes of more than 8 bits do not fit a byte");
  unpack(bits, isSigned, n, packed, codes);
}

void decodeEntries(const Element &type, int64_t rows, int64_t n, const uint8_t *packed, float *out) {
  Decoder decoder(type);
  int32_t codes[kRun];
  for (int64_t r = 0; r < rows; ++r, packed += packedBytes(n, type.bits), out += n)
    for (int64_t i = 0; i < n; i += kRun) {
      int64_t count = std::min(kRun, n - i);
      unpackCodes(type.bits, type.hasSignedCodes(), count, packed + i * type.bits / 8, codes);
      decoder.run(codes, count, out + i);
    }
}

void encodeEntries(const Element &type, int64_t rows, int64_t n, const float *values, uint8_t *packed) {
  Encoder encoder(type, Encode(Rule::Given));
  int32_t codes[kRun];
  for (int64_t r = 0; r < rows; ++r, packed += packedBytes(n, type.bits), values += n)
    for (int64_t i = 0; i < n; i += kRun) {
      int64_t count = std::min(kRun, n - i);
      encoder.run(values + i, nullptr, count, codes);
      packCodes(type.bits, count, codes, packed + i * type.bits / 8);
    }
}

} // namespace tern
