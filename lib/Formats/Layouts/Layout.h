// Foreign layouts: the bytes in which another project stores the planes of a tensor (docs/FORMATS.md 1.7, 3.6). A
// layout never changes a value: unpack(pack(planes)) == planes, for every code and every ragged size.
#ifndef TERN_FORMATS_LAYOUTS_LAYOUT_H
#define TERN_FORMATS_LAYOUTS_LAYOUT_H

#include "lib/Formats/Format.h"

#include <memory>

namespace tern {

/// One buffer of a layout, as the other project names and shapes it. Multi-byte types are little-endian.
struct Buffer {
  std::string name;
  Element type;
  std::vector<int64_t> shape; ///< in entries of `type`, row-major
  int64_t bytes() const;
};

/// How the planes of a format become buffers and back. Padding (whole blocks, tiles, words) is written as the code
/// whose value is 0, or nearest to 0, and is not read back.
class Layout {
public:
  virtual ~Layout();

  /// The spelling in the IR: "#tern.matmulnbits", "#tern.ggml<q4_K>".
  virtual std::string str() const = 0;

  /// Empty when a tensor of this format and shape can be stored so, else one sentence: what was found, what is allowed.
  std::string verify(const Format &, Span<const int64_t> shape) const;

  /// The buffers in order. The format must verify and the shape must be static.
  std::vector<Buffer> buffers(const Format &, Span<const int64_t> shape) const;

  /// Plain planes, as planeShapes lists them, into the buffers. Every byte of them is written. Returns an error
  /// sentence, empty when all went well.
  std::string pack(const Format &, Span<const int64_t> shape, Span<const ConstBytes> planes,
                   Span<const Bytes> buffers) const;

  /// The buffers into plain planes. Fails where the bytes say what the format cannot.
  std::string unpack(const Format &, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                     Span<const Bytes> planes) const;

protected:
  virtual std::string check(const Format &, Span<const int64_t> shape) const = 0;
  virtual std::vector<Buffer> list(const Format &, Span<const int64_t> shape) const = 0;
  virtual std::string write(const Format &, Span<const int64_t> shape, Span<const ConstBytes> planes,
                            Span<const Bytes> buffers) const = 0;
  virtual std::string read(const Format &, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                           Span<const Bytes> planes) const = 0;
};

/// com.microsoft:MatMulNBits: 2, 4 or 8 bits. Weight [N, K], scale [1, B] with B a power of two >= 16; the zero point
/// has blocks of its own ([1, B], integer or float) or is zero<uib> with the value 2^(b-1), which is not stored.
/// Buffers: B ui8 [N, blocks, B * b / 8]; scales [N, blocks]; zero_points ui8 [N, ceil(blocks * b / 8)] or floats
/// [N, blocks], absent for the default.
std::unique_ptr<Layout> matMulNBitsLayout();

/// ONNX tensors: every plane flattened, codes below 8 bits LSB first over the whole tensor (rows do not start on a
/// byte). Buffers: one per plane, of that plane's shape in the ONNX sense, as bytes.
std::unique_ptr<Layout> onnxLayout();

/// The block types of ggml. Any rank, blocks along the last axis.
enum class GgmlType : uint8_t { Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, IQ4_NL, MXFP4, NVFP4 };
constexpr int kGgmlTypes = 8;
const char *str(GgmlType); ///< "q4_0", ..., "q4_K"

/// Buffer: blocks ui8 [..., ceil(K / elements) * bytes]; nvfp4 with a tensor scale also: scale f32.
std::unique_ptr<Layout> ggmlLayout(GgmlType type);
/// The one format that a ggml type stores, for tensors of this rank.
Format ggmlFormat(GgmlType type, size_t rank);
/// The table plane of IQ4_NL, and its 16 values.
extern const int8_t kIq4nl[16];

/// AutoAWQ (GEMM): ui4 with scale<f16, [1, G]> and zero<ui4, [1, G]>. Buffers: qweight ui32 [K, ceil(N / 8)], qzeros
/// ui32 [groups, ceil(N / 8)], scales f16 [groups, N].
std::unique_ptr<Layout> autoAwqLayout();

/// GPTQ: 2, 3, 4 or 8 bits. Buffers: qweight ui32 [ceil(K / 32) * b, N], qzeros ui32 [groups, ceil(N / 32) * b], scales
/// f16 [groups, N], g_idx si32 [K]. Version 1 stores zero - 1 (modulo 2^b), version 2 the zero point itself.
std::unique_ptr<Layout> gptqLayout(int version);

/// FP6-LLM: a minifloat of 3 to 7 bits with one f16 scale a row, split into planes of 1, 2 and 4 bits (as the width has
/// them, from the top) in the order of its kernel's threads; tiles of 64 x 64. Buffers: weight ui8, scales f16 [N].
std::unique_ptr<Layout> fp6LlmLayout();

/// T-MAC: bit planes of 1 to 4 bits, four along K to an index, two indices a byte, in tiles of `bm` bit rows and
/// 4 * `kfactor` columns. Buffers: weight ui8 [M * b / bm, K / 4, bm / 2], scales in the order of the tiles.
std::unique_ptr<Layout> tmacLayout(int bm, int kfactor);

/// Reads what Layout::str prints. Null with a sentence that lists the known layouts when it is none.
std::unique_ptr<Layout> parseLayout(const std::string &text, std::string &error);

} // namespace tern
#endif // TERN_FORMATS_LAYOUTS_LAYOUT_H
