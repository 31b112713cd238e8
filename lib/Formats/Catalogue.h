// The formats that have a name in the literature or in other projects: what --tern-print-formats and tern.formats()
// list.
#ifndef TERN_FORMATS_CATALOGUE_H
#define TERN_FORMATS_CATALOGUE_H

#include "lib/Formats/Format.h"

namespace tern {

struct KnownFormat {
  const char *name;
  const char *format; ///< "<si4, scale<f16, [1, 128]>>"; weights are [N, K], caches [B, H, T, D]
  const char *encode; ///< the usual one; "<given>": by a method or an import
  const char *layout; ///< the layout of the project it comes from, or ""
};

/// In the order of docs/FORMATS.md 2; where a width or a block is free, the usual ones.
Span<const KnownFormat> knownFormats();

/// Bits of codes and planes per element of a large tensor: terms of order 1 / size are gone.
double bitsPerElement(const Format &);

/// The tables of bitsandbytes, by code (docs/FORMATS.md 3.2).
extern const float kBitsandbytesFp4[16], kBitsandbytesNf4[16];

} // namespace tern
#endif // TERN_FORMATS_CATALOGUE_H
