#include "Ggml.h"

namespace tern {

// 34 bytes: f16 d, 32 signed bytes.
static void write(const GgmlBlock &b, uint8_t *out) {
  store16(out, uint32_t(b.params[0][0]));
  std::copy_n(b.codes, 32, out + 2);
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  b.params[0][0] = int32_t(load16(in));
  std::copy_n(in + 2, 32, b.codes);
}

const GgmlTraits ggmlQ8_0 = {"q8_0", 32, 34, "<si8, scale<f16, [1, 32]>>", 0, write, read};

} // namespace tern
