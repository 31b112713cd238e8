#include "lib/Formats/Dyadic.h"

#include <cmath>

namespace tern {

Dyadic dyadic(double multiplier) {
  assert(multiplier >= 0 && multiplier < 0x1p31 && "not a multiplier of an accumulator");
  int exponent;
  int64_t m = int64_t(std::floor(std::ldexp(std::frexp(multiplier, &exponent), 31) + 0.5));
  // The mantissa may round up to the next power of two.
  if (m == int64_t(1) << 31) {
    m >>= 1;
    ++exponent;
  }
  int e = 31 - exponent;
  if (m == 0 || e > 62)
    return {};
  if (e < 0) // multiplier just below 2^31 that rounded up
    return {INT32_MAX, 0};
  return {int32_t(m), int8_t(e)};
}

int64_t multiply(int32_t acc, Dyadic multiplier, Round round) {
  int64_t product = int64_t(acc) * multiplier.m;
  if (multiplier.e == 0)
    return product;
  int64_t half = int64_t(1) << (multiplier.e - 1);
  int64_t floor = product >> multiplier.e, rest = product & (2 * half - 1);
  bool up = rest > half;
  switch (round) {
  case Round::Rne:
    return floor + (up || (rest == half && (floor & 1)));
  case Round::Rna:
    return floor + (up || (rest == half && product > 0));
  case Round::HalfUp:
    return floor + (rest >= half);
  case Round::TieLow:
    return floor + up;
  case Round::Floor:
    return floor;
  case Round::Rtz:
    return floor + (product < 0 && rest != 0);
  }
  return floor;
}

} // namespace tern
