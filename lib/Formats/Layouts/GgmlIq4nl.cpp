#include "Ggml.h"

namespace tern {

const int8_t kIq4nl[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// 18 bytes: f16 d, 16 bytes of codes; x = d * table[q]. Plane 0 is the table, which is not stored.
static void write(const GgmlBlock &b, uint8_t *out) {
  store16(out, uint32_t(b.params[1][0]));
  writeNibbles(b.codes, 0, out + 2);
}
static void read(const uint8_t *in, const GgmlBlock &b) {
  b.params[1][0] = int32_t(load16(in));
  readNibbles(in + 2, 0, b.codes);
}

const GgmlTraits ggmlIq4nl = {"iq4_nl", 32, 18, "<#tern.lut<4>, table<si8>, scale<f16, [1, 32]>>", 8, write, read};

} // namespace tern
