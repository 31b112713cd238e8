/* Conversions of 16-bit floats, for levels without instructions for them: what LLVM calls there. To nearest even. */
#include <stdint.h>
#include <string.h>

static uint32_t bitsOfFloat(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

static float floatOfBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

/* The double rounded to a float so that rounding that to 16 bits gives the double rounded to 16 bits: to odd. */
static float toOdd(double value) {
  float near = (float)value;
  if ((double)near == value || value != value)
    return near;
  uint32_t bits = bitsOfFloat(near);
  if ((bits & 0x7fffffff) >= 0x7f800000) /* it became infinite: so does the result */
    return near;
  double magnitude = value < 0 ? -value : value, rounded = near < 0 ? -(double)near : (double)near;
  if (rounded > magnitude)
    bits -= 1;
  return floatOfBits(bits | 1);
}

static uint16_t halfOf(float value) {
  uint32_t bits = bitsOfFloat(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
  if (magnitude >= 0x477ff000) /* 65520 and more */
    return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) {                  /* below 2^-14: multiples of 2^-24, the addition rounds */
    float units = floatOfBits(magnitude) + 0.5f; /* 2^-24 is the last bit of numbers from 0.5 to 1 */
    return (uint16_t)(sign | (bitsOfFloat(units) - 0x3f000000));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return (uint16_t)(sign | ((rounded >> 13) - (112 << 10)));
}

static float ofHalf(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00)
    return floatOfBits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13 | (magnitude > 0x7c00 ? 0x400000 : 0));
  if (magnitude < 0x400) {
    float value = (float)magnitude * 0x1p-24f;
    return floatOfBits(sign | bitsOfFloat(value));
  }
  return floatOfBits(sign | (magnitude + (112 << 10)) << 13);
}

static uint16_t bfloatOf(float value) {
  uint32_t bits = bitsOfFloat(value);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* The types only say in which register a value is. */
static _Float16 asHalf(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, 2);
  return value;
}

float __extendhfsf2(_Float16 value) {
  uint16_t bits;
  memcpy(&bits, &value, 2);
  return ofHalf(bits);
}

_Float16 __truncsfhf2(float value) { return asHalf(halfOf(value)); }
_Float16 __truncdfhf2(double value) { return asHalf(halfOf(toOdd(value))); }
/* bf16 comes back where a _Float16 does. */
_Float16 __truncsfbf2(float value) { return asHalf(bfloatOf(value)); }
_Float16 __truncdfbf2(double value) { return asHalf(bfloatOf(toOdd(value))); }
