// What one code means: the element kinds of docs/FORMATS.md 1.4 and the types that planes may have.
#ifndef TERN_FORMATS_ELEMENT_H
#define TERN_FORMATS_ELEMENT_H

#include "lib/Formats/Span.h"

namespace tern {

/// A new kind is a member here, its name in Spelling.cpp, range and values in Element.cpp, rules in Verify.cpp, and a
/// case in ElementCodec.cpp only if it neither has integer codes nor a table of values.
enum class ElementKind : uint8_t {
  Int,       ///< siN, two's complement
  UInt,      ///< uiN
  Float,     ///< f32, f16, bf16
  Minifloat, ///< sign, exponent, mantissa in at most 8 bits; subnormals always on
  E8M0,      ///< f8E8M0FNU: 2^(code - 127), 0xFF is NaN; only as a scale
  Fixed,     ///< #tern.fixed<w, i>: two's complement code * 2^(i-w)
  Lut,       ///< #tern.lut<b>: entry of the table plane
  Ternary,   ///< #tern.ternary: -1, 0, 1 as a two's complement 2-bit code; 0b10 is never written and reads as -2
  Bipolar,   ///< #tern.bipolar<b>: 2 * code - (2^b - 1)
  Pot,       ///< #tern.pot<b>: 2^-code
  Bitmod,  ///< #tern.bitmod<b>: a union of four tables; the code of minus zero is a value that the select plane chooses
  Abfloat, ///< #tern.abfloat<e, m, bias>: sign, (2^m + mantissa) * 2^(exponent + bias); magnitude code 0 reads as 0
  Pair,    ///< #tern.pair<NORMAL, OUTLIER, marker>: beside a marker (value 0) stands an outlier, else codes are normal
};

/// Which codes of a minifloat are special. Finite: none. Ieee: the largest exponent is Inf and NaN. Fn: only the code
/// of all ones is NaN, no Inf. Fnuz: the code of minus zero is NaN, no Inf, no minus zero.
enum class Special : uint8_t { Finite, Ieee, Fn, Fnuz };

/// The part of an element that has no elements inside.
struct FlatElement {
  ElementKind kind = ElementKind::Int;
  uint8_t bits = 8;
  // Float, Minifloat and Abfloat.
  uint8_t exponent = 0;
  uint8_t mantissa = 0;
  int16_t bias = 0;
  Special special = Special::Ieee;
  // Fixed: digits before the point, sign included.
  int8_t integerBits = 0;

  bool operator==(const FlatElement &o) const;
};

/// An element or plane type: a plain value, two equal elements decode equally.
struct Element : FlatElement {
  // Pair: its two elements, and the code of the victim.
  FlatElement normal, outlier;
  uint8_t marker = 0;

  constexpr Element() = default;
  constexpr explicit Element(const FlatElement &flat) : FlatElement(flat) {}

  static constexpr Element si(int bits) { return ofBits(ElementKind::Int, bits); }
  static constexpr Element ui(int bits) { return ofBits(ElementKind::UInt, bits); }
  static constexpr Element f32() { return floating(ElementKind::Float, 8, 23, 127, Special::Ieee); }
  static constexpr Element f16() { return floating(ElementKind::Float, 5, 10, 15, Special::Ieee); }
  static constexpr Element bf16() { return floating(ElementKind::Float, 8, 7, 127, Special::Ieee); }
  static constexpr Element minifloat(int exponent, int mantissa, int bias, Special special) {
    return floating(ElementKind::Minifloat, exponent, mantissa, bias, special);
  }
  static constexpr Element e4m3() { return minifloat(4, 3, 7, Special::Fn); }
  static constexpr Element e5m2() { return minifloat(5, 2, 15, Special::Ieee); }
  static constexpr Element e3m2() { return minifloat(3, 2, 3, Special::Finite); }
  static constexpr Element e2m3() { return minifloat(2, 3, 1, Special::Finite); }
  static constexpr Element e2m1() { return minifloat(2, 1, 1, Special::Finite); }
  static constexpr Element e3m0() { return minifloat(3, 0, 3, Special::Finite); }
  static constexpr Element e8m0() { return ofBits(ElementKind::E8M0, 8); }
  static constexpr Element fixed(int width, int integerBits) {
    Element e = ofBits(ElementKind::Fixed, width);
    e.integerBits = int8_t(integerBits);
    return e;
  }
  static constexpr Element lut(int bits) { return ofBits(ElementKind::Lut, bits); }
  static constexpr Element ternary() { return ofBits(ElementKind::Ternary, 2); }
  static constexpr Element bipolar(int bits) { return ofBits(ElementKind::Bipolar, bits); }
  static constexpr Element pot(int bits) { return ofBits(ElementKind::Pot, bits); }
  static constexpr Element bitmod(int bits) { return ofBits(ElementKind::Bitmod, bits); }
  static constexpr Element abfloat(int exponent, int mantissa, int bias) {
    return floating(ElementKind::Abfloat, exponent, mantissa, bias, Special::Finite);
  }
  /// Two elements of equal width, neither a pair.
  static constexpr Element pair(const Element &normal, const Element &outlier, int marker) {
    Element e = ofBits(ElementKind::Pair, normal.bits);
    e.normal = normal;
    e.outlier = outlier;
    e.marker = uint8_t(marker);
    return e;
  }

  bool operator==(const Element &o) const;
  bool operator!=(const Element &o) const { return !(*this == o); }

  /// The spelling in the IR: "si4", "f8E4M3FN", "#tern.fixed<8, 2>".
  std::string str() const;

  /// siN or uiN.
  bool isInteger() const { return kind == ElementKind::Int || kind == ElementKind::UInt; }
  /// f32, f16, bf16.
  bool isFloat() const { return kind == ElementKind::Float; }
  /// The code is an integer times step(): integers, fixed, ternary. These have a code range, rounding and saturation.
  bool hasIntegerCodes() const { return isInteger() || kind == ElementKind::Fixed || kind == ElementKind::Ternary; }
  /// A code range (LO to HI) may be given.
  bool hasCodeRange() const { return hasIntegerCodes() || kind == ElementKind::Pot; }
  /// Several tables, one of which the select plane chooses for each block.
  bool isUnion() const { return kind == ElementKind::Bitmod; }
  int alternatives() const { return isUnion() ? 4 : 1; }
  /// The code is two's complement: unpacking extends its sign.
  bool hasSignedCodes() const { return hasIntegerCodes() && kind != ElementKind::UInt; }
  /// Negative values exist.
  bool isSigned() const { return kind != ElementKind::UInt && kind != ElementKind::E8M0 && kind != ElementKind::Pot; }
  bool hasNaN() const;
  /// Smallest and largest code; the bit pattern as an unsigned number where codes are not integers.
  int64_t minCode() const;
  int64_t maxCode() const;
  /// Distance of neighbouring integer codes: 1, and 2^(i-w) for fixed.
  double step() const;
  /// Largest finite value (a lut has none of its own: 0; a union: of all alternatives).
  double maxValue() const;
  /// Value of a code; only for kinds of at most 8 bits and integers. A lut has none: 0. A union has one for each
  /// alternative, a pair those of its normal element with 0 for the marker.
  double valueOf(uint32_t code, int alternative = 0) const;

private:
  static constexpr Element ofBits(ElementKind kind, int bits) {
    Element e;
    e.kind = kind;
    e.bits = uint8_t(bits);
    return e;
  }
  static constexpr Element floating(ElementKind kind, int exponent, int mantissa, int bias, Special special) {
    Element e = ofBits(kind, 1 + exponent + mantissa);
    e.exponent = uint8_t(exponent);
    e.mantissa = uint8_t(mantissa);
    e.bias = int16_t(bias);
    e.special = special;
    return e;
  }
};

/// Reads what Element::str prints, and every name of a builtin MLIR type that has an element.
Result<Element> parseElement(const std::string &text);

/// Empty when the element exists, else a sentence that starts with its label (E2 for a pair, E5 for a minifloat).
std::string verify(const Element &);

} // namespace tern
#endif // TERN_FORMATS_ELEMENT_H
