#include "Ggml.h"

namespace tern {

// 144 bytes for 256 elements: f16 d, f16 dmin, 12 bytes with 8 scales and 8 minima of 6 bits, 128 bytes of codes. The
// minimum is subtracted, so the plane holds -dmin. Each 32 code bytes hold 64 elements, the first 32 in the low halves.
//
// Bytes s of the parameters: entry j < 4: scale s[j] & 63, minimum s[j + 4] & 63; entry j >= 4: low four bits in the
// two halves of s[j + 4], upper two bits on top of s[j - 4] and s[j].
static constexpr int kMinus = 0x8000;

static void write(const GgmlBlock &b, uint8_t *out) {
  const int32_t *sc = b.params[0], *m = b.params[2];
  store16(out, uint32_t(b.params[1][0]));
  store16(out + 2, uint32_t(b.params[3][0] ^ kMinus));
  uint8_t *s = out + 4;
  for (int j = 0; j < 4; ++j) {
    s[j] = uint8_t(sc[j] | (sc[j + 4] >> 4) << 6);
    s[j + 4] = uint8_t(m[j] | (m[j + 4] >> 4) << 6);
    s[j + 8] = uint8_t((sc[j + 4] & 15) | (m[j + 4] & 15) << 4);
  }
  for (int part = 0; part < 4; ++part)
    writeNibbles(b.codes + 64 * part, 0, out + 16 + 32 * part, 32);
}

static void read(const uint8_t *in, const GgmlBlock &b) {
  int32_t *sc = b.params[0], *m = b.params[2];
  b.params[1][0] = int32_t(load16(in));
  b.params[3][0] = int32_t(load16(in + 2)) ^ kMinus;
  const uint8_t *s = in + 4;
  for (int j = 0; j < 4; ++j) {
    sc[j] = s[j] & 63;
    m[j] = s[j + 4] & 63;
    sc[j + 4] = (s[j + 8] & 15) | (s[j] >> 6) << 4;
    m[j + 4] = (s[j + 8] >> 4) | (s[j + 4] >> 6) << 4;
  }
  for (int part = 0; part < 4; ++part)
    readNibbles(in + 16 + 32 * part, 0, b.codes + 64 * part, 32);
}

const GgmlTraits ggmlQ4K = {
    "q4_K", 256,   144, "<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>",
    0,      write, read};

} // namespace tern
