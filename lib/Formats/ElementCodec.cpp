#include "lib/Formats/ElementCodec.h"

#include "lib/Formats/Numeric.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tern {

//===- code -> value ----------------------------------------------------===//

/// In a search, the codes of the outliers of a pair come after those of the normal values.
static constexpr int32_t kOutlier = 256;

/// The values of all codes follow from the element alone.
static bool hasOwnTable(const Element &elem) {
  switch (elem.kind) {
  case ElementKind::Minifloat:
  case ElementKind::E8M0:
  case ElementKind::Bipolar:
  case ElementKind::Pot:
  case ElementKind::Abfloat:
  case ElementKind::Pair:
    return true;
  default:
    return false;
  }
}

Decoder::Decoder(const Element &elem) : elem(elem) {
  if (!hasOwnTable(elem))
    return;
  for (uint32_t code = 0; code < (1u << elem.bits); ++code)
    own[code] = float(elem.valueOf(code));
  if (elem.kind == ElementKind::Pair)
    for (uint32_t code = 0; code < (1u << elem.bits); ++code)
      outliers[code] = code == elem.marker ? 0 : float(Element(elem.outlier).valueOf(code));
}

void Decoder::run(const int32_t *codes, int64_t n, float *out) const {
  switch (elem.kind) {
  case ElementKind::Int:
  case ElementKind::UInt:
  case ElementKind::Ternary:
  case ElementKind::Fixed: {
    // Exact: a power of two times an integer of at most 16 bits. si32 rounds to even, as ONNX does.
    float step = float(elem.step());
    for (int64_t i = 0; i < n; ++i)
      out[i] = float(codes[i]) * step;
    return;
  }
  case ElementKind::Float:
    if (elem.bits == 32)
      for (int64_t i = 0; i < n; ++i)
        out[i] = fromBits(uint32_t(codes[i]));
    else if (elem.exponent == 8)
      for (int64_t i = 0; i < n; ++i)
        out[i] = bf16ToF32(uint16_t(codes[i]));
    else
      for (int64_t i = 0; i < n; ++i)
        out[i] = f16ToF32(uint16_t(codes[i]));
    return;
  case ElementKind::Pair:
    assert(n % 2 == 0 && "a pair has two codes");
    for (int64_t i = 0; i < n; i += 2) {
      size_t a = size_t(codes[i]), b = size_t(codes[i + 1]);
      bool first = a == elem.marker, second = b == elem.marker && !first;
      out[i] = second ? outliers[a] : own[a];
      out[i + 1] = first ? outliers[b] : own[b];
    }
    return;
  default:
    for (int64_t i = 0; i < n; ++i)
      out[i] = own[size_t(codes[i])];
    return;
  }
}

//===- value -> code ----------------------------------------------------===//

Encoder::Encoder(const Element &elem, const Encode &encode, const Element *zeroType)
    : elem(elem), encode(encode), lo(encode.low(elem)), hi(encode.high(elem)),
      zeroFirst(encode.order == Order::ZpThenRound || (zeroType && !zeroType->isInteger())),
      wide(elem.bits > 16 || (zeroType && zeroType->isInteger() && zeroType->bits > 16)) {
  bool isComputed =
      elem.kind == ElementKind::E8M0 || (elem.kind == ElementKind::Minifloat && encode.round == Round::Rne);
  if (!hasOwnTable(elem) || isComputed)
    return;
  std::array<float, 512> values;
  values.fill(std::numeric_limits<float>::quiet_NaN());
  for (int32_t code = 0; code < (1 << elem.bits); ++code)
    values[size_t(code)] = float(elem.valueOf(uint32_t(code)));
  if (elem.kind == ElementKind::Pot)
    for (int32_t code = 0; code < (1 << elem.bits); ++code)
      if (code < lo || code > hi)
        values[size_t(code)] = std::numeric_limits<float>::quiet_NaN();
  if (elem.kind == ElementKind::Pair) {
    values[elem.marker] = std::numeric_limits<float>::quiet_NaN();
    for (int32_t code = 0; code < (1 << elem.bits); ++code)
      if (float v = float(Element(elem.outlier).valueOf(uint32_t(code))); v != 0 && code != elem.marker)
        values[size_t(kOutlier + code)] = v;
  }
  setValues(values.data(), elem.kind == ElementKind::Pair ? 512 : 1 << elem.bits);
}

void Encoder::setTable(const float *entries) { setValues(entries, 1 << elem.bits); }

/// Largest f32 that is <= t, or < t: for f32 y, "y > result" is then "y > t", or "y >= t".
static float below(double t, bool strictly) {
  float f = float(t);
  if (double(f) > t || (strictly && double(f) == t))
    f = std::nextafter(f, -std::numeric_limits<float>::infinity());
  return f;
}

/// Where the code changes from `lower` to `upper`, two neighbouring values: at a midpoint, or at one of them.
static float threshold(Round round, double lower, int32_t lowerCode, double upper, int32_t upperCode) {
  double middle = lower + (upper - lower) / 2;
  switch (round) {
  case Round::Rne:
    return below(middle, /*strictly=*/upperCode % 2 == 0 && lowerCode % 2 != 0);
  case Round::TieLow:
    return below(middle, false);
  case Round::HalfUp:
    return below(middle, true);
  case Round::Rna:
    return below(middle, std::fabs(upper) > std::fabs(lower));
  case Round::Floor:
    return below(upper, true);
  case Round::Rtz:
    if (lower >= 0)
      return below(upper, true);
    return upper <= 0 ? below(lower, false) : below(middle, false);
  }
  return below(middle, false);
}

void Encoder::setValues(const float *values, int count) {
  std::array<int32_t, 512> order;
  int n = 0;
  hasZero = false;
  for (int32_t code = 0; code < count; ++code)
    if (std::isfinite(values[code])) {
      order[n++] = code;
      hasZero |= values[code] == 0 && elem.kind != ElementKind::Minifloat;
    }
  // Of equal values (+0 and -0, repeated entries of a table) the first code is used.
  std::sort(order.begin(), order.begin() + n,
            [&](int32_t a, int32_t b) { return values[a] != values[b] ? values[a] < values[b] : a < b; });
  n = int(std::unique(order.begin(), order.begin() + n, [&](int32_t a, int32_t b) { return values[a] == values[b]; }) -
          order.begin());
  numThresholds = std::max(n - 1, 0);
  for (int i = 0; i < n; ++i)
    sortedCodes[i] = order[i];
  if (n == 0)
    sortedCodes[0] = 0;
  for (int i = 0; i < numThresholds; ++i)
    thresholds[i] = threshold(encode.round, values[order[i]], order[i], values[order[i + 1]], order[i + 1]);
}

/// Rounding of |y| <= 2^21 (f32) or 2^50 (f64) to an integer.
template <Round round, typename Real> static Real rounded(Real y) {
  if constexpr (round == Round::Rne)
    return roundEven(y);
  if constexpr (round == Round::TieLow)
    return -rounded<Round::HalfUp>(-y);
  Real even = roundEven(y);
  Real floor = even - Real(even > y);
  if constexpr (round == Round::Floor)
    return floor;
  // y - floor is exact, or so close to 1 that the comparison is right.
  if constexpr (round == Round::HalfUp)
    return floor + Real(y - floor >= Real(0.5));
  Real mag = y < 0 ? -y : y;
  Real magEven = roundEven(mag), magFloor = magEven - Real(magEven > mag);
  if constexpr (round == Round::Rna)
    magFloor += Real(mag - magFloor >= Real(0.5));
  return y < 0 ? -magFloor : magFloor;
}

/// All choices are constants here, so that the loop is straight-line vector code.
template <Round round, bool zeroFirst, bool hasZero, typename Real>
static void integerLoop(const float *y, const float *zero, int64_t n, Real scale, Real lo, Real hi, int32_t *codes) {
  for (int64_t i = 0; i < n; ++i) {
    Real z = hasZero ? Real(zero[i]) : Real(0), v = Real(y[i]) * scale;
    v = v == v ? v : Real(0);
    if (zeroFirst)
      v = v + z;
    Real least = zeroFirst ? lo : lo - z, most = zeroFirst ? hi : hi - z;
    v = v < least ? least : v;
    v = v > most ? most : v;
    v = rounded<round>(v);
    codes[i] = int32_t(zeroFirst ? v : v + z);
  }
}

template <Round round, typename Real>
static void integerLoops(bool zeroFirst, const float *y, const float *zero, int64_t n, Real scale, Real lo, Real hi,
                         int32_t *codes) {
  if (!zero)
    integerLoop<round, false, false>(y, zero, n, scale, lo, hi, codes);
  else if (zeroFirst)
    integerLoop<round, true, true>(y, zero, n, scale, lo, hi, codes);
  else
    integerLoop<round, false, true>(y, zero, n, scale, lo, hi, codes);
}

template <typename Real> void Encoder::integers(const float *y, const float *zero, int64_t n, int32_t *codes) const {
  Real scale = Real(1 / elem.step()), least = Real(lo), most = Real(hi);
  switch (encode.round) {
  case Round::Rne:
    return integerLoops<Round::Rne>(zeroFirst, y, zero, n, scale, least, most, codes);
  case Round::Rna:
    return integerLoops<Round::Rna>(zeroFirst, y, zero, n, scale, least, most, codes);
  case Round::Rtz:
    return integerLoops<Round::Rtz>(zeroFirst, y, zero, n, scale, least, most, codes);
  case Round::Floor:
    return integerLoops<Round::Floor>(zeroFirst, y, zero, n, scale, least, most, codes);
  case Round::HalfUp:
    return integerLoops<Round::HalfUp>(zeroFirst, y, zero, n, scale, least, most, codes);
  case Round::TieLow:
    return integerLoops<Round::TieLow>(zeroFirst, y, zero, n, scale, least, most, codes);
  }
}

static double roundBy(Round round, double y) {
  double floor = std::floor(y), frac = y - floor;
  switch (round) {
  case Round::Rne:
    return std::nearbyint(y);
  case Round::Rna:
    return std::round(y);
  case Round::Rtz:
    return std::trunc(y);
  case Round::Floor:
    return floor;
  case Round::HalfUp:
    return floor + (frac >= 0.5);
  case Round::TieLow:
    return floor + (frac > 0.5);
  }
  return floor;
}

/// sat = wrap and sat = error: rare, so one value at a time.
int64_t Encoder::integersChecked(const float *y, const float *zero, int64_t n, int32_t *codes) const {
  int64_t outside = -1;
  double least = double(lo), most = double(hi), period = most - least + 1;
  for (int64_t i = 0; i < n; ++i) {
    double z = zero ? double(zero[i]) : 0.0, v = double(y[i]) / elem.step();
    bool finite = std::isfinite(v);
    v = finite ? v : 0.0;
    double code = zeroFirst ? roundBy(encode.round, v + z) : roundBy(encode.round, v) + z;
    if (outside < 0 && (!finite || code < least || code > most))
      outside = i;
    if (encode.sat == Sat::Wrap) {
      code = std::fmod(code - least, period);
      code = least + (code < 0 ? code + period : code);
    }
    codes[i] = int32_t(std::min(std::max(code, least), most));
  }
  return encode.sat == Sat::Error ? outside : -1;
}

void Encoder::floats(const float *y, int64_t n, int32_t *codes) const {
  if (elem.bits == 32) {
    for (int64_t i = 0; i < n; ++i)
      codes[i] = int32_t(bitsOf(y[i]));
    return;
  }
  const float most = float(elem.maxValue());
  for (int64_t i = 0; i < n; ++i) {
    float v = y[i] > most ? most : y[i];
    v = v < -most ? -most : v;
    codes[i] = elem.exponent == 8 ? f32ToBf16(v) : f32ToF16(v);
  }
}

void Encoder::minifloats(const float *y, int64_t n, int32_t *codes) const {
  const int shift = 23 - elem.mantissa, signShift = 31 - (elem.bits - 1);
  const uint32_t most = bitsOf(float(elem.maxValue())), leastNormal = uint32_t(127 + 1 - elem.bias) << 23;
  const uint32_t rebias = uint32_t(127 - elem.bias) << 23, halfBelow = (1u << (shift - 1)) - 1;
  // One unit in the last place of `magic` is the distance of the subnormals.
  const float magic = float(std::ldexp(1.0, 1 - elem.bias - elem.mantissa + 23));
  const uint32_t magicBits = bitsOf(magic), signBit = 1u << (elem.bits - 1);
  const bool unsignedZero = elem.special == Special::Fnuz;
  const uint32_t maxCode = ((most - rebias) >> shift);
  const uint32_t nanSign = elem.hasNaN() && !unsignedZero ? signBit : 0;
  const uint32_t nanCode = !elem.hasNaN() ? maxCode : unsignedZero ? signBit : signBit - 1;
  for (int64_t i = 0; i < n; ++i) {
    uint32_t u = bitsOf(y[i]), sign = (u >> signShift) & signBit, mag = u & 0x7fffffff;
    bool isNaN = mag > 0x7f800000;
    mag = mag > most ? most : mag;
    uint32_t subnormal = bitsOf(fromBits(mag) + magic) - magicBits;
    uint32_t biased = mag - rebias;
    uint32_t normal = (biased + halfBelow + ((biased >> shift) & 1)) >> shift;
    uint32_t code = mag < leastNormal ? subnormal : normal;
    sign = unsignedZero && code == 0 ? 0 : sign;
    codes[i] = int32_t(isNaN ? nanCode | (sign & nanSign) : code | sign);
  }
}

static void powersOfTwo(const float *y, int64_t n, int32_t *codes) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t u = bitsOf(y[i]);
    uint32_t code = (u + 0x3fffff + ((u >> 23) & 1)) >> 23;
    // 2^-127 is a subnormal f32; the midpoint of it and 2^-126 is 3 * 2^-128.
    code = u < 0x800000 ? u > 0x600000 : code;
    code = code > 254 ? 254 : code;
    codes[i] = int32_t(y[i] != y[i] ? 255u : y[i] > 0 ? code : 0u);
  }
}

/// Values that are compared at once; divides kRun.
static constexpr int64_t kLanes = 16;

void Encoder::nearest(const float *y, int64_t n, int32_t *codes) const {
  const float none = hasZero ? 0.0f : std::numeric_limits<float>::infinity();
  int32_t index[kRun];
  if (numThresholds <= 32) {
    float v[kRun];
    for (int64_t i = 0; i < n; ++i)
      v[i] = y[i] == y[i] ? y[i] : none;
    std::fill(v + n, v + (n + kLanes - 1) / kLanes * kLanes, 0.0f);
    // A few values at a time: their counts stay in registers.
    for (int64_t i = 0; i < n; i += kLanes) {
      int32_t count[kLanes] = {};
      for (int t = 0; t < numThresholds; ++t)
        for (int64_t lane = 0; lane < kLanes; ++lane)
          count[lane] += v[i + lane] > thresholds[size_t(t)];
      std::copy_n(count, kLanes, index + i);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      float v = y[i] == y[i] ? y[i] : none;
      index[i] =
          int32_t(std::lower_bound(thresholds.begin(), thresholds.begin() + numThresholds, v) - thresholds.begin());
    }
  }
  for (int64_t i = 0; i < n; ++i)
    codes[i] = sortedCodes[index[i]];
  if (elem.kind == ElementKind::Pair)
    return pairs(n, codes);
  if (elem.kind != ElementKind::Minifloat)
    return;
  // What the sorted values cannot say: NaN, and the sign of zero.
  const int32_t signBit = 1 << (elem.bits - 1);
  for (int64_t i = 0; i < n; ++i) {
    if (y[i] != y[i] && elem.hasNaN())
      codes[i] = elem.special == Special::Fnuz ? signBit : (signBit - 1) | (std::signbit(y[i]) ? signBit : 0);
    else if (codes[i] == 0 && std::signbit(y[i]) && elem.special != Special::Fnuz)
      codes[i] = signBit;
  }
}

/// Beside an outlier stands the marker.
void Encoder::pairs(int64_t n, int32_t *codes) const {
  assert(n % 2 == 0 && "a pair has two codes");
  for (int64_t i = 0; i < n; i += 2) {
    bool first = codes[i] >= kOutlier, second = codes[i + 1] >= kOutlier && !first;
    int32_t a = codes[i] & (kOutlier - 1), b = codes[i + 1] & (kOutlier - 1);
    codes[i] = second ? elem.marker : a;
    codes[i + 1] = first ? elem.marker : b;
  }
}

/// sat = error of kinds without integer codes: the first value outside of the finite ones, or NaN.
static int64_t firstOutside(const float *y, int64_t n, float least, float most) {
  for (int64_t i = 0; i < n; ++i)
    if (!(y[i] >= least && y[i] <= most))
      return i;
  return -1;
}

int64_t Encoder::run(const float *y, const float *zero, int64_t n, int32_t *codes) const {
  assert(n <= kRun && "longer runs are cut by the caller");
  if (elem.hasIntegerCodes()) {
    if (encode.sat != Sat::Clamp)
      return integersChecked(y, zero, n, codes);
    wide ? integers<double>(y, zero, n, codes) : integers<float>(y, zero, n, codes);
    return -1;
  }
  float shifted[kRun];
  if (zero) {
    for (int64_t i = 0; i < n; ++i)
      shifted[i] = y[i] + zero[i];
    y = shifted;
  }
  float most = float(elem.maxValue()), least = -most;
  switch (elem.kind) {
  case ElementKind::Float:
    floats(y, n, codes);
    break;
  case ElementKind::E8M0:
    powersOfTwo(y, n, codes);
    break;
  case ElementKind::Minifloat:
    encode.round == Round::Rne ? minifloats(y, n, codes) : nearest(y, n, codes);
    break;
  default:
    nearest(y, n, codes);
    // The largest magnitude of a table is that of its outermost entries, half a step beyond is not "outside".
    most = std::numeric_limits<float>::max();
    least = elem.isSigned() ? -most : 0.0f;
    break;
  }
  return encode.sat == Sat::Error ? firstOutside(y, n, least, most) : -1;
}

} // namespace tern
