#include "lib/Formats/Element.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tern {

bool FlatElement::operator==(const FlatElement &o) const {
  return kind == o.kind && bits == o.bits && exponent == o.exponent && mantissa == o.mantissa && bias == o.bias &&
         special == o.special && integerBits == o.integerBits;
}

bool Element::operator==(const Element &o) const {
  return FlatElement::operator==(o) && normal == o.normal && outlier == o.outlier && marker == o.marker;
}

bool Element::hasNaN() const {
  return kind == ElementKind::Float || kind == ElementKind::E8M0 ||
         (kind == ElementKind::Minifloat && special != Special::Finite);
}

int64_t Element::minCode() const {
  if (kind == ElementKind::Ternary)
    return -1;
  return hasSignedCodes() ? -(int64_t(1) << (bits - 1)) : 0;
}

int64_t Element::maxCode() const {
  if (kind == ElementKind::Ternary)
    return 1;
  return (int64_t(1) << (hasSignedCodes() ? bits - 1 : bits)) - 1;
}

double Element::step() const { return kind == ElementKind::Fixed ? std::ldexp(1.0, integerBits - bits) : 1.0; }

/// The code of the largest finite magnitude, without its sign.
static uint32_t largestMagnitude(const Element &e) {
  uint32_t ones = (1u << (e.exponent + e.mantissa)) - 1;
  switch (e.special) {
  case Special::Ieee:
    return (((1u << e.exponent) - 1) << e.mantissa) - 1;
  case Special::Fn:
    return ones - 1;
  case Special::Finite:
  case Special::Fnuz:
    return ones;
  }
  return ones;
}

double Element::maxValue() const {
  switch (kind) {
  case ElementKind::Float:
    return (2.0 - std::ldexp(1.0, -mantissa)) * std::ldexp(1.0, bias);
  case ElementKind::Minifloat:
    return valueOf(largestMagnitude(*this));
  case ElementKind::E8M0:
    return 0x1p127;
  case ElementKind::Lut:
    return 0;
  case ElementKind::Bipolar:
    return double(maxCode());
  case ElementKind::Pot:
    return 1;
  case ElementKind::Bitmod:
    return bits == 3 ? 6 : 16;
  case ElementKind::Abfloat:
    return valueOf((1u << (exponent + mantissa)) - 1);
  case ElementKind::Pair: {
    double most = Element(outlier).maxValue();
    for (uint32_t code = 0; code < (1u << bits); ++code)
      most = std::max(most, valueOf(code));
    return most;
  }
  default:
    return double(maxCode()) * step();
  }
}

static double minifloatValue(const Element &e, uint32_t code) {
  uint32_t signBit = 1u << (e.exponent + e.mantissa), mag = code & (signBit - 1);
  bool negative = code & signBit;
  if (e.special == Special::Fnuz ? code == signBit : mag > largestMagnitude(e)) {
    bool infinite = e.special == Special::Ieee && mag == largestMagnitude(e) + 1;
    double special = infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    return negative ? -special : special;
  }
  int exponent = int(mag >> e.mantissa), fraction = int(mag & ((1u << e.mantissa) - 1));
  double value = exponent == 0 ? std::ldexp(fraction, 1 - e.bias - e.mantissa)
                               : std::ldexp(fraction + (1 << e.mantissa), exponent - e.bias - e.mantissa);
  return negative ? -value : value;
}

/// BitMoD (yc2367/BitMoD-HPCA-25): sign and magnitude; minus zero is the special value. FP4 in units of 0.5.
static double bitmodValue(int bits, uint32_t code, int alternative) {
  static constexpr int fp3[4] = {0, 1, 2, 4}, fp4[8] = {0, 1, 2, 3, 4, 6, 8, 12};
  static constexpr int special3[4] = {3, -3, 6, -6}, special4[4] = {10, -10, 16, -16};
  uint32_t signBit = 1u << (bits - 1), mag = code & (signBit - 1);
  if (code == signBit)
    return (bits == 3 ? special3 : special4)[alternative & 3];
  int value = bits == 3 ? fp3[mag & 3] : fp4[mag & 7];
  return code & signBit ? -value : value;
}

/// OliVe (clevercool/ANT-Quantization): a float without subnormals whose values start above those of the normal codes.
static double abfloatValue(const Element &e, uint32_t code) {
  uint32_t signBit = 1u << (e.exponent + e.mantissa), mag = code & (signBit - 1);
  if (mag == 0)
    return 0;
  int exponent = int(mag >> e.mantissa), fraction = int(mag & ((1u << e.mantissa) - 1));
  double value = std::ldexp(fraction + (1 << e.mantissa), exponent + e.bias);
  return code & signBit ? -value : value;
}

double Element::valueOf(uint32_t code, int alternative) const {
  code &= uint32_t((uint64_t(1) << bits) - 1);
  switch (kind) {
  case ElementKind::Minifloat:
    return minifloatValue(*this, code);
  case ElementKind::E8M0:
    return code == 0xff ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, int(code) - 127);
  case ElementKind::Bipolar:
    return 2.0 * code - double(maxCode());
  case ElementKind::Pot:
    return std::ldexp(1.0, -int(code));
  case ElementKind::Bitmod:
    return bitmodValue(bits, code, alternative);
  case ElementKind::Abfloat:
    return abfloatValue(*this, code);
  case ElementKind::Pair:
    return code == marker ? 0 : Element(normal).valueOf(code);
  case ElementKind::Lut:
  case ElementKind::Float:
    return 0;
  default: {
    double sign = hasSignedCodes() && (code >> (bits - 1)) ? std::ldexp(1.0, bits) : 0;
    return (double(code) - sign) * step();
  }
  }
}

} // namespace tern
