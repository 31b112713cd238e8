#include "Ggml.h"

namespace tern {

// 36 bytes for 64 elements: 4 scales (E4M3 without a sign), then 8 bytes for each 16 elements, element j in the low and
// element j + 8 in the high half. A scale of the whole tensor, where there is one, is a tensor of its own.
static void write(const GgmlBlock &b, uint8_t *out) {
  for (int s = 0; s < 4; ++s) {
    out[s] = uint8_t(b.params[0][s]);
    writeNibbles(b.codes + 16 * s, 0, out + 4 + 8 * s, 8);
  }
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  for (int s = 0; s < 4; ++s) {
    b.params[0][s] = in[s];
    readNibbles(in + 4 + 8 * s, 0, b.codes + 16 * s, 8);
  }
}

const GgmlTraits ggmlNvfp4 = {"nvfp4", 64, 36, "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>>", 0, write, read};

} // namespace tern
