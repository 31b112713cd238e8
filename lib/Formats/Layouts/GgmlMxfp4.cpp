#include "Ggml.h"

namespace tern {

// 17 bytes: the E8M0 scale, 16 bytes of E2M1 codes.
static void write(const GgmlBlock &b, uint8_t *out) {
  out[0] = uint8_t(b.params[0][0]);
  writeNibbles(b.codes, 0, out + 1);
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  b.params[0][0] = in[0];
  readNibbles(in + 1, 0, b.codes);
}

const GgmlTraits ggmlMxfp4 = {"mxfp4", 32, 17, "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", 0, write, read};

} // namespace tern
