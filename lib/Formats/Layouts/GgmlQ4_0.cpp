#include "Ggml.h"

namespace tern {

// 18 bytes: f16 d, 16 bytes of codes + 8. Signed codes of four bits plus 8 differ in the top bit only.
static void write(const GgmlBlock &b, uint8_t *out) {
  store16(out, uint32_t(b.params[0][0]));
  writeNibbles(b.codes, 8, out + 2);
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  b.params[0][0] = int32_t(load16(in));
  readNibbles(in + 2, 8, b.codes);
}

const GgmlTraits ggmlQ4_0 = {"q4_0", 32, 18, "<si4, scale<f16, [1, 32]>>", 0, write, read};

} // namespace tern
