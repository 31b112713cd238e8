// Plain planes in bytes: LSB first along the last axis, each row starts on a byte (docs/FORMATS.md 1.7).
#ifndef TERN_FORMATS_PACK_H
#define TERN_FORMATS_PACK_H

#include "lib/Formats/Element.h"

namespace tern {

/// Bytes of one row of n codes.
inline int64_t packedBytes(int64_t n, int bits) { return (n * bits + 7) / 8; }

/// Writes the low `bits` (1..32) of n codes; unused bits of the last byte are 0.
void packCodes(int bits, int64_t n, const int32_t *codes, uint8_t *out);

/// Reads n codes of 1..32 bits, extending the sign when `isSigned`.
void unpackCodes(int bits, bool isSigned, int64_t n, const uint8_t *packed, int32_t *codes);
/// The same into bytes, for codes of at most 8 bits (unsigned 8-bit codes keep their bit pattern).
void unpackCodes(int bits, bool isSigned, int64_t n, const uint8_t *packed, int8_t *codes);

/// Exact f32 value of n entries of a plane type, row by row: `rows` rows of n packed entries each.
void decodeEntries(const Element &, int64_t rows, int64_t n, const uint8_t *packed, float *out);

/// The nearest code of a plane type for each value, ties to even, saturating; NaN where the type has one. A zero stays
/// zero (f8E8M0FNU has none: code 0).
void encodeEntries(const Element &, int64_t rows, int64_t n, const float *values, uint8_t *packed);

} // namespace tern
#endif // TERN_FORMATS_PACK_H
