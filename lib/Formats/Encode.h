// How codes and parameters are chosen from real values: #tern.encode (docs/FORMATS.md 1.4). Decoding never looks at it.
#ifndef TERN_FORMATS_ENCODE_H
#define TERN_FORMATS_ENCODE_H

#include "lib/Formats/Element.h"

namespace tern {

struct Format;

enum class Rule : uint8_t { Absmax, SignedAbsmax, Absmean, Minmax, FloorPow2, CeilPow2, Given };
/// The first of each of these is the default and is not printed.
enum class Round : uint8_t { Rne, Rna, Rtz, Floor, HalfUp, TieLow };
enum class Order : uint8_t { RoundThenZp, ZpThenRound };
enum class Sat : uint8_t { Clamp, Wrap, Error };

struct Encode {
  Rule rule = Rule::Absmax;
  bool hasRange = false; ///< false: every code of the element
  int64_t lo = 0, hi = 0;
  Round round = Round::Rne;
  Order order = Order::RoundThenZp;
  Sat sat = Sat::Clamp;

  Encode() = default;
  explicit Encode(Rule rule) : rule(rule) {}
  Encode(Rule rule, int64_t lo, int64_t hi) : rule(rule), hasRange(true), lo(lo), hi(hi) {}

  bool operator==(const Encode &o) const;
  bool operator!=(const Encode &o) const { return !(*this == o); }

  /// As in the IR: "<absmax, -127 to 127>".
  std::string str() const;
  /// The range of the codes with the element's own where none is given.
  int64_t low(const Element &elem) const { return hasRange ? lo : elem.minCode(); }
  int64_t high(const Element &elem) const { return hasRange ? hi : elem.maxCode(); }
};

const char *str(Rule);
const char *str(Round);
const char *str(Order);
const char *str(Sat);

/// Reads what Encode::str prints, with or without "#tern.encode" before it.
Result<Encode> parseEncode(const std::string &text);

/// Empty when this rule can produce this format, else one sentence, with its label where there is one (F5, F6).
std::string verify(const Encode &, const Format &);

/// Chooses the parameters by the rule and writes them; planes as planeShapes lists them. planes[0], the codes, is not
/// touched, a table plane is read, all others are written. Returns an error sentence, empty when all went well.
///
/// `clip`: empty, or one factor per block of the finest scale plane, on the range that the block's finest scale covers
/// (coarser scales see the whole range).
///
/// Defined for every input:
/// - parameters see finite elements only; a block without any counts as all zero;
/// - a NaN makes an f8E8M0FNU scale NaN when the element has no NaN of its own (OCP MX);
/// - a float scale that is 0 (a block of zeros, or one that underflows) is stored as 1; one beyond the largest finite
///   value of its type is stored as that value;
/// - a finer integer scale that rounds to 0 is stored as 1: the codes still have a step;
/// - of a union, each block of the select plane takes the alternative of least squared error, the first of equal ones;
/// - positions in the tail count for no parameter, their values go to the tail plane;
/// - minmax with an integer zero point extends the block's range to contain 0, so that the zero point exists; a zero
///   point that several scales share comes from the range of its own block, and each scale covers its block on both
///   sides of it;
/// - absmax with a zero plane stores the middle of the range, ceil((lo + hi) / 2), as the zero point.
std::string chooseParameters(const Format &, const Encode &, Span<const int64_t> shape, const float *x,
                             Span<const Bytes> planes, Span<const float> clip = {});

/// chooseParameters, then encodeCodes.
std::string encodeTensor(const Format &, const Encode &, Span<const int64_t> shape, const float *x,
                         Span<const Bytes> planes);

/// Encodes with given parameters: code = sat(round((x - min) / S) + zero), the division in f32. planes[0] receives the
/// codes, the others are read. The rule of the encode is not used.
/// - order zp_then_round, and any zero point that is a float: code = round(sat((x - min) / S + zero));
/// - NaN gives the code of the value 0, or the NaN of a minifloat that has one; without either, the largest value;
/// - two outliers in one pair: the second is the victim;
/// - infinities saturate; S == 0 gives the code of 0 with the sign of x;
/// - sat = wrap counts modulo hi - lo + 1; sat = error names the first element outside.
std::string encodeCodes(const Format &, const Encode &, Span<const int64_t> shape, const float *x,
                        Span<const Bytes> planes);

/// Squared error that encodeCodes would make with these parameters, one sum per block of the finest scale plane (one
/// for the tensor without a scale). planes[0] is neither read nor written. Elements that are not finite do not count.
std::string blockErrors(const Format &, const Encode &, Span<const int64_t> shape, const float *x,
                        Span<const Bytes> planes, std::vector<double> &errors);

/// The number of NaN and infinite elements, for the caller's diagnostic.
int64_t countNonFinite(const float *x, int64_t n);

/// The largest magnitude an encoder aims at: (hi - lo) / 2 * step for integer codes, else the largest finite value: of
/// a pot that of code lo, of a pair that of its normal codes, of a union the smallest of its alternatives' (coarser
/// scales fit them all). `table`: the entries of a lut.
double encodeTarget(const Element &, const Encode &, Span<const float> table = {});

} // namespace tern
#endif // TERN_FORMATS_ENCODE_H
