// The IR spelling of elements, formats and encodes: printed, and read back. MLIR's parser reads the same text inside a
// module; the reader here serves plan.json, the command line and tests.
#include "lib/Formats/Format.h"

#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>

namespace tern {

// The types that have a name of their own.
static constexpr struct NamedElement {
  const char *name;
  Element elem;
} namedElements[] = {
    {"f32", Element::f32()},
    {"f16", Element::f16()},
    {"bf16", Element::bf16()},
    {"f8E4M3FN", Element::e4m3()},
    {"f8E5M2", Element::e5m2()},
    {"f6E3M2FN", Element::e3m2()},
    {"f6E2M3FN", Element::e2m3()},
    {"f4E2M1FN", Element::e2m1()},
    {"f8E8M0FNU", Element::e8m0()},
    {"f8E4M3FNUZ", Element::minifloat(4, 3, 8, Special::Fnuz)},
    {"f8E5M2FNUZ", Element::minifloat(5, 2, 16, Special::Fnuz)},
    {"f8E4M3B11FNUZ", Element::minifloat(4, 3, 11, Special::Fnuz)},
    {"f8E4M3", Element::minifloat(4, 3, 7, Special::Ieee)},
    {"f8E3M4", Element::minifloat(3, 4, 3, Special::Ieee)},
    {"#tern.ternary", Element::ternary()},
};

static const char *const specialNames[] = {"finite", "ieee", "fn", "fnuz"};
static const char *const roleNames[] = {"codes", "scale", "zero",   "min",       "select",
                                        "table", "tail",  "sparse", "lowrank_a", "lowrank_b"};
static const char *const ruleNames[] = {"absmax",     "signed_absmax", "absmean", "minmax",
                                        "floor_pow2", "ceil_pow2",     "given"};
static const char *const roundNames[] = {"rne", "rna", "rtz", "floor", "half_up", "tie_low"};
static const char *const orderNames[] = {"round_then_zp", "zp_then_round"};
static const char *const satNames[] = {"clamp", "wrap", "error"};

const char *str(Role role) { return roleNames[int(role)]; }
const char *str(Rule rule) { return ruleNames[int(rule)]; }
const char *str(Round round) { return roundNames[int(round)]; }
const char *str(Order order) { return orderNames[int(order)]; }
const char *str(Sat sat) { return satNames[int(sat)]; }

std::string Element::str() const {
  for (const NamedElement &named : namedElements)
    if (named.elem == *this)
      return named.name;
  std::string b = std::to_string(bits);
  switch (kind) {
  case ElementKind::Int:
    return "si" + b;
  case ElementKind::UInt:
    return "ui" + b;
  case ElementKind::Fixed:
    return "#tern.fixed<" + b + ", " + std::to_string(integerBits) + ">";
  case ElementKind::Lut:
    return "#tern.lut<" + b + ">";
  case ElementKind::Bipolar:
    return "#tern.bipolar<" + b + ">";
  case ElementKind::Pot:
    return "#tern.pot<" + b + ">";
  case ElementKind::Bitmod:
    return "#tern.bitmod<" + b + ">";
  case ElementKind::Abfloat:
    return "#tern.abfloat<" + std::to_string(exponent) + ", " + std::to_string(mantissa) + ", " + std::to_string(bias) +
           ">";
  case ElementKind::Pair:
    return "#tern.pair<" + Element(normal).str() + ", " + Element(outlier).str() + ", " + std::to_string(marker) + ">";
  default:
    return "#tern.minifloat<" + std::to_string(exponent) + ", " + std::to_string(mantissa) + ", " +
           std::to_string(bias) + ", \"" + specialNames[int(special)] + "\">";
  }
}

std::string Plane::str() const {
  std::string s = std::string(tern::str(role)) + "<" + type.str();
  if (!block.empty()) {
    s += ", [";
    for (size_t i = 0; i < block.size(); ++i)
      s += (i ? ", " : "") + (block[i] == kWhole ? std::string("*") : std::to_string(block[i]));
    s += "]";
  }
  return s + ">";
}

std::string Format::str() const {
  std::string s = "<" + elem.str();
  for (const Plane &plane : planes)
    s += ", " + plane.str();
  return s + ">";
}

std::string Encode::str() const {
  std::string s = std::string("<") + tern::str(rule);
  if (hasRange)
    s += ", " + std::to_string(lo) + " to " + std::to_string(hi);
  if (round != Round::Rne)
    s += std::string(", round = ") + tern::str(round);
  if (order != Order::RoundThenZp)
    s += std::string(", order = ") + tern::str(order);
  if (sat != Sat::Clamp)
    s += std::string(", sat = ") + tern::str(sat);
  return s + ">";
}

namespace {

/// A cursor over the text. The first failure is kept; after it nothing is read any more.
class Cursor {
public:
  explicit Cursor(const std::string &whole) : text(whole) {}

  bool peek(const char *token) {
    skipSpace();
    return error.empty() && text.compare(pos, std::strlen(token), token) == 0;
  }

  bool eat(const char *token) {
    if (!peek(token))
      return false;
    pos += std::strlen(token);
    return true;
  }

  bool expect(const char *token) { return eat(token) || fail(std::string("expected '") + token + "'"); }

  /// Letters, digits, '_' and '.', with or without a leading '#'.
  std::string word() {
    skipSpace();
    size_t begin = pos;
    if (pos < text.size() && text[pos] == '#')
      ++pos;
    while (pos < text.size() && (std::isalnum((unsigned char)text[pos]) || text[pos] == '_' || text[pos] == '.'))
      ++pos;
    return text.substr(begin, pos - begin);
  }

  bool number(int64_t &out) {
    bool negative = eat("-");
    size_t begin = pos;
    int64_t value = 0;
    for (; error.empty() && pos < text.size() && std::isdigit((unsigned char)text[pos]); ++pos) {
      if (value > (INT64_MAX - 9) / 10)
        return fail("number too large");
      value = value * 10 + (text[pos] - '0');
    }
    if (pos == begin)
      return fail("expected a number");
    out = negative ? -value : value;
    return true;
  }

  /// A number that must lie in a range that its field can hold.
  int64_t numberIn(int64_t lo, int64_t hi) {
    int64_t value = lo;
    if (number(value) && (value < lo || value > hi)) {
      fail("expected a number from " + std::to_string(lo) + " to " + std::to_string(hi) + ", found " +
           std::to_string(value));
      value = lo;
    }
    return value;
  }

  /// One of a list of names.
  template <typename Enum, size_t N>
  bool keyword(const char *const (&names)[N], const char *what, Enum &out, size_t first = 0) {
    size_t begin = pos;
    std::string found = word(), known;
    for (size_t i = first; i < N; ++i) {
      if (found == names[i]) {
        out = Enum(i);
        return true;
      }
      known += (i > first ? ", " : "") + std::string(names[i]);
    }
    pos = begin;
    return fail(std::string("expected ") + what + " (one of " + known + ")");
  }

  bool fail(const std::string &why) {
    skipSpace();
    if (error.empty())
      error = why + (pos < text.size() ? " at '" + text.substr(pos, 24) + "'" : std::string(" at the end")) + " in '" +
              text + "'";
    return false;
  }

  template <typename T> Result<T> finish(T value) {
    skipSpace();
    if (pos != text.size())
      fail("unexpected text");
    return {value, error};
  }

private:
  void skipSpace() {
    while (pos < text.size() && std::isspace((unsigned char)text[pos]))
      ++pos;
  }

  std::string text;
  std::string error;
  size_t pos = 0;
};

/// siN, uiN or a name of the table; anything else starts with '#'.
bool simpleElement(const std::string &word, Element &out) {
  for (const NamedElement &named : namedElements)
    if (word == named.name) {
      out = named.elem;
      return true;
    }
  bool isUnsigned = word.compare(0, 2, "ui") == 0;
  if (!isUnsigned && word.compare(0, 2, "si") != 0)
    return false;
  if (word.size() < 3 || word.size() > 4 || word.find_first_not_of("0123456789", 2) != std::string::npos)
    return false;
  int bits = std::atoi(word.c_str() + 2);
  out = isUnsigned ? Element::ui(bits) : Element::si(bits);
  return true;
}

/// "<" A "," B ... ">"; each number in a range that its field can hold.
template <size_t N> std::array<int, N> readNumbers(Cursor &c, const std::pair<int, int> (&ranges)[N]) {
  std::array<int, N> numbers;
  c.expect("<");
  for (size_t i = 0; i < N; ++i) {
    if (i)
      c.expect(",");
    numbers[i] = int(c.numberIn(ranges[i].first, ranges[i].second));
  }
  c.expect(">");
  return numbers;
}

Element readMinifloat(Cursor &c) {
  c.expect("<");
  int exponent = int(c.numberIn(0, 100));
  c.expect(",");
  int mantissa = int(c.numberIn(0, 100));
  c.expect(",");
  int bias = int(c.numberIn(-1000, 1000));
  c.expect(",");
  c.expect("\"");
  Special special = Special::Ieee;
  c.keyword(specialNames, "a policy of the special codes", special);
  c.expect("\"");
  c.expect(">");
  return Element::minifloat(exponent, mantissa, bias, special);
}

Element readElement(Cursor &c, bool isInPair = false);

Element readPair(Cursor &c) {
  c.expect("<");
  Element normal = readElement(c, true);
  c.expect(",");
  Element outlier = readElement(c, true);
  c.expect(",");
  int marker = int(c.numberIn(0, 255));
  c.expect(">");
  return Element::pair(normal, outlier, marker);
}

Element readElement(Cursor &c, bool isInPair) {
  if (c.eat("#tern.fixed")) {
    auto [width, integerBits] = readNumbers(c, {{0, 255}, {-127, 127}});
    return Element::fixed(width, integerBits);
  }
  if (c.eat("#tern.lut"))
    return Element::lut(readNumbers(c, {{0, 255}})[0]);
  if (c.eat("#tern.bipolar"))
    return Element::bipolar(readNumbers(c, {{0, 255}})[0]);
  if (c.eat("#tern.pot"))
    return Element::pot(readNumbers(c, {{0, 255}})[0]);
  if (c.eat("#tern.bitmod"))
    return Element::bitmod(readNumbers(c, {{0, 255}})[0]);
  if (c.eat("#tern.abfloat")) {
    auto [exponent, mantissa, bias] = readNumbers(c, {{0, 100}, {0, 100}, {-1000, 1000}});
    return Element::abfloat(exponent, mantissa, bias);
  }
  if (c.eat("#tern.minifloat"))
    return readMinifloat(c);
  if (!isInPair && c.eat("#tern.pair"))
    return readPair(c);
  Element out;
  Cursor before = c;
  std::string name = c.word();
  if (!simpleElement(name, out)) {
    c = before;
    c.fail("expected an element or plane type (siN, uiN, f32, f16, bf16, f8E4M3FN, ..., #tern.fixed<8, 2>, ...)");
  }
  return out;
}

} // namespace

Result<Element> parseElement(const std::string &text) {
  Cursor c(text);
  return c.finish(readElement(c));
}

Result<Format> parseFormat(const std::string &text) {
  Cursor c(text);
  Format format;
  c.eat("#tern.format");
  c.expect("<");
  format.elem = readElement(c);
  while (c.eat(",")) {
    Plane plane;
    c.keyword(roleNames, "a plane", plane.role, /*first=*/1);
    c.expect("<");
    plane.type = readElement(c);
    if (c.eat(",")) {
      c.expect("[");
      do {
        int64_t extent = kWhole;
        // A negative extent must not turn into '*' unseen: rule F1 sees it as 0.
        if (!c.eat("*") && c.number(extent) && extent < 0)
          extent = 0;
        plane.block.push_back(extent);
      } while (c.eat(","));
      c.expect("]");
    }
    c.expect(">");
    format.planes.push_back(std::move(plane));
  }
  c.expect(">");
  return c.finish(std::move(format));
}

Result<Encode> parseEncode(const std::string &text) {
  Cursor c(text);
  Encode encode;
  c.eat("#tern.encode");
  c.expect("<");
  c.keyword(ruleNames, "a rule", encode.rule);
  while (c.eat(",")) {
    if (c.eat("round")) {
      c.expect("=");
      c.keyword(roundNames, "a rounding", encode.round);
    } else if (c.eat("order")) {
      c.expect("=");
      c.keyword(orderNames, "an order", encode.order);
    } else if (c.eat("sat")) {
      c.expect("=");
      c.keyword(satNames, "a saturation", encode.sat);
    } else {
      if (encode.hasRange)
        c.fail("a second code range");
      encode.hasRange = true;
      c.number(encode.lo);
      c.expect("to");
      c.number(encode.hi);
    }
  }
  c.expect(">");
  return c.finish(encode);
}

} // namespace tern
