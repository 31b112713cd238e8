#include "Ggml.h"

namespace tern {

// 210 bytes for 256 elements: 128 bytes of low halves, 64 bytes of upper pairs of bits, 16 signed scales, f16 d; the
// code is stored + 32. Element 128 n + 32 k + l (n < 2, k < 4, l < 32): low half in byte 64 n + 32 (k & 1) + l, lower
// or upper nibble by k >> 1; upper bits in byte 32 n + l at bit 2 k.
static void write(const GgmlBlock &b, uint8_t *out) {
  uint8_t *ql = out, *qh = out + 128;
  std::fill_n(out, 192, uint8_t(0));
  for (int i = 0; i < 256; ++i) {
    int n = i >> 7, k = (i >> 5) & 3, l = i & 31, q = (b.codes[i] + 32) & 63;
    ql[64 * n + 32 * (k & 1) + l] |= uint8_t((q & 15) << (4 * (k >> 1)));
    qh[32 * n + l] |= uint8_t((q >> 4) << (2 * k));
  }
  std::copy_n(b.params[0], 16, out + 192);
  store16(out + 208, uint32_t(b.params[1][0]));
}

static void read(const uint8_t *in, const GgmlBlock &b) {
  const uint8_t *ql = in, *qh = in + 128;
  for (int i = 0; i < 256; ++i) {
    int n = i >> 7, k = (i >> 5) & 3, l = i & 31;
    int low = (ql[64 * n + 32 * (k & 1) + l] >> (4 * (k >> 1))) & 15, high = (qh[32 * n + l] >> (2 * k)) & 3;
    b.codes[i] = (low | high << 4) - 32;
  }
  std::copy_n(in + 192, 16, b.params[0]);
  b.params[1][0] = int32_t(load16(in + 208));
}

const GgmlTraits ggmlQ6K = {"q6_K", 256, 210, "<si6, scale<si8, [1, 16]>, scale<f16, [1, 256]>>", 0, write, read};

} // namespace tern
