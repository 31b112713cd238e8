// Scalar conversions and rounding with an exactly defined result. All of them are branch-free or nearly so: loops over
// them vectorize on plain SSE2. Assumes the default floating point environment (round to nearest, no flush to zero).
#ifndef TERN_FORMATS_NUMERIC_H
#define TERN_FORMATS_NUMERIC_H

#include <cstdint>
#include <cstring>

namespace tern {

inline uint32_t bitsOf(float x) {
  uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
inline float fromBits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}

/// IEEE binary16 to f32, exact. NaNs keep their payload.
inline float f16ToF32(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, mag = h & 0x7fff;
  uint32_t normal = (mag << 13) + ((127u - 15u) << 23);
  if (mag >= 0x7c00)
    normal += (127u - 15u) << 23;
  uint32_t subnormal = bitsOf(float(int32_t(mag)) * 0x1p-24f);
  return fromBits(sign | (mag < 0x400 ? subnormal : normal));
}

/// f32 to IEEE binary16, ties to even; overflow gives infinity, NaN a quiet NaN with the upper payload bits.
inline uint16_t f32ToF16(float x) {
  uint32_t u = bitsOf(x), sign = (u >> 16) & 0x8000, mag = u & 0x7fffffff;
  if (mag > 0x7f800000)
    return uint16_t(sign | 0x7e00 | ((mag >> 13) & 0x1ff));
  // From half way between 65504 and 65536 upwards.
  if (mag >= 0x477ff000)
    return uint16_t(sign | 0x7c00);
  uint32_t subnormal = bitsOf(fromBits(mag) + 0.5f) - bitsOf(0.5f);
  uint32_t biased = mag - ((127u - 15u) << 23);
  uint32_t normal = (biased + 0xfff + ((biased >> 13) & 1)) >> 13;
  return uint16_t(sign | (mag < 0x38800000 ? subnormal : normal));
}

/// bfloat16 to f32, exact.
inline float bf16ToF32(uint16_t h) { return fromBits(uint32_t(h) << 16); }

/// f32 to bfloat16, ties to even; overflow gives infinity, NaN a quiet NaN.
inline uint16_t f32ToBf16(float x) {
  uint32_t u = bitsOf(x);
  if ((u & 0x7fffffff) > 0x7f800000)
    return uint16_t((u >> 16) | 0x40);
  return uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

/// Nearest integer, ties to even, for |x| <= 2^22 (f32) and 2^51 (f64). Unlike rint, it vectorizes without SSE4.1.
inline float roundEven(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }
inline double roundEven(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

/// ONNX QuantizeLinear for one value: saturate(roundEven(x / s) + z). NaN gives z, infinities saturate; s == 0 gives z.
inline int32_t quantizeLinear(float x, float s, int32_t z, int32_t lo, int32_t hi) {
  double y = s == 0 ? 0.0 : double(x / s);
  double below = double(lo) - z, above = double(hi) - z;
  y = y == y ? y : 0.0;
  y = y < below ? below : y;
  y = y > above ? above : y;
  return int32_t(roundEven(y) + z);
}

} // namespace tern
#endif // TERN_FORMATS_NUMERIC_H
