// The block types of ggml, one struct each (internal to lib/Formats/Layouts).
#ifndef TERN_FORMATS_LAYOUTS_GGML_H
#define TERN_FORMATS_LAYOUTS_GGML_H

#include "Support.h"

namespace tern {

/// The codes and parameters of one block as bit patterns: params[p] points at the entries of plane p of the format.
struct GgmlBlock {
  int32_t *codes;
  int32_t *params[4];
};

struct GgmlTraits {
  const char *name;
  int elements;       ///< of a block
  int bytes;          ///< of a block
  const char *format; ///< for rank 2
  int padCode;        ///< value 0, or nearest to 0
  void (*write)(const GgmlBlock &, uint8_t *out);
  void (*read)(const uint8_t *in, const GgmlBlock &);
};

extern const GgmlTraits ggmlQ4_0, ggmlQ4_1, ggmlQ8_0, ggmlQ4K, ggmlQ6K, ggmlIq4nl, ggmlMxfp4, ggmlNvfp4;

/// 32 codes of 4 bits: byte j holds element j in its low and element j + 16 in its high half.
inline void writeNibbles(const int32_t *codes, int flip, uint8_t *out, int half = 16) {
  for (int j = 0; j < half; ++j)
    out[j] = uint8_t(((codes[j] ^ flip) & 15) | ((codes[j + half] ^ flip) & 15) << 4);
}
inline void readNibbles(const uint8_t *in, int flip, int32_t *codes, int half = 16) {
  for (int j = 0; j < half; ++j) {
    codes[j] = (in[j] & 15) ^ flip;
    codes[j + half] = (in[j] >> 4) ^ flip;
  }
}

} // namespace tern
#endif // TERN_FORMATS_LAYOUTS_GGML_H
