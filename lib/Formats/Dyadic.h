// Dyadic multipliers m / 2^e: requantization by integers only (docs/FORMATS.md 4.2, HAWQ-V3).
#ifndef TERN_FORMATS_DYADIC_H
#define TERN_FORMATS_DYADIC_H

#include "lib/Formats/Encode.h"

namespace tern {

/// A positive multiplier as m / 2^e with 2^30 <= m < 2^31, or m = 0 for a multiplier of 0 or too small to matter.
struct Dyadic {
  int32_t m = 0;
  int8_t e = 0; ///< 0..62
};

/// The nearest dyadic number; relative error at most 2^-31. Multipliers below 2^-32 become 0: no 32-bit accumulator
/// times less reaches one half. `multiplier` must be finite, and at least 0 and less than 2^31.
Dyadic dyadic(double multiplier);

/// round(acc * m / 2^e) with a named rounding (rne, rna, half_up; the others as well), exact in 64 bits. Differs from
/// the real product by less than one code after rounding.
int64_t multiply(int32_t acc, Dyadic multiplier, Round round = Round::HalfUp);

} // namespace tern
#endif // TERN_FORMATS_DYADIC_H
