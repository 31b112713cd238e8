#include "Ggml.h"

namespace tern {

// 20 bytes: f16 d, f16 m, 16 bytes of codes; x = d * q + m.
static void write(const GgmlBlock &b, uint8_t *out) {
  store16(out, uint32_t(b.params[0][0]));
  store16(out + 2, uint32_t(b.params[1][0]));
  writeNibbles(b.codes, 0, out + 4);
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  b.params[0][0] = int32_t(load16(in));
  b.params[1][0] = int32_t(load16(in + 2));
  readNibbles(in + 4, 0, b.codes);
}

const GgmlTraits ggmlQ4_1 = {"q4_1", 32, 20, "<ui4, scale<f16, [1, 32]>, min<f16, [1, 32]>>", 0, write, read};

} // namespace tern
