// T-MAC (python/t_mac/weights.py, preprocess_weights): table lookup kernels want bit planes. With q = code + 2^(b-1):
//   index(m, bit, k') = four bits of row m along K, q[m, 4 k' + i] >> bit & 1 at bit i
//   bit row R: of each 8 rows of the weight the 8 indices of bit 0, of bit 1, ...
//   a byte holds the indices of R and R + 16 (R % 32 < 16), the low half first
//   order of the bytes: tile of bm bit rows, kfactor indices, 32 bit rows, index, lane R % 16
#include "Support.h"

namespace tern {
namespace {

constexpr int kLanes = 16, kOutputs = 8; // simd_n_in, simd_n_out of the reference

class Tmac : public Layout {
public:
  Tmac(int bm, int kfactor) : bm(bm), kfactor(kfactor) {}
  std::string str() const override {
    return "#tern.tmac<bm = " + std::to_string(bm) + ", kfactor = " + std::to_string(kfactor) + ">";
  }

protected:
  std::string check(const Format &format, Span<const int64_t> shape) const override {
    if (std::string error = isRank2(shape); !error.empty())
      return error;
    const Element &elem = format.elem;
    const Plane *scale = format.find(Role::Scale), *zero = format.find(Role::Zero);
    bool isSigned = elem.kind == ElementKind::Int && elem.bits <= 4 && format.planes.size() == 1;
    bool isUnsigned = elem.kind == ElementKind::UInt && elem.bits <= 4 && format.planes.size() == 2 && zero &&
                      zero->type == elem && zero->block.empty();
    bool isScale = scale && (scale->type == Element::f16() || scale->type == Element::f32()) &&
                   (scale->block.empty() || groupOf(*scale, shape));
    if (!isScale || !(isSigned || isUnsigned))
      return "the format is <sib, scale<f16, [1, G]>> or <uib, scale<f16, [1, G]>, zero<uib>> (zero = 2^(b-1)) with at "
             "most 4 bits, the scale f16 or f32; found " +
             format.str();
    if (bm <= 0 || kfactor <= 0 || bm % (2 * kLanes) != 0 || bm % (elem.bits * kOutputs) != 0)
      return "bm is a multiple of 32 and of 8 * bits, kfactor is positive; found bm = " + std::to_string(bm) +
             ", kfactor = " + std::to_string(kfactor) + " for " + elem.str();
    return "";
  }

  /// Sizes in tiles.
  struct Sizes {
    int64_t rowTiles, rowsOfTile, chunks, groups;
  };
  Sizes sizes(const Format &format, Span<const int64_t> shape) const {
    const Plane &scale = *format.find(Role::Scale);
    int64_t rowsOfTile = bm / format.elem.bits;
    return {ceilDiv(shape[0], rowsOfTile), rowsOfTile, ceilDiv(shape[1], 4 * int64_t(kfactor)),
            scale.block.empty() ? 0 : ceilDiv(shape[1], groupOf(scale, shape))};
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    Sizes s = sizes(format, shape);
    std::vector<int64_t> scales;
    if (s.groups)
      scales = {s.rowTiles, s.groups, s.rowsOfTile};
    return {{"weight", Element::ui(8), {s.rowTiles, s.chunks * kfactor, bm / 2}},
            {"scales", format.find(Role::Scale)->type, scales}};
  }

  /// Calls fn(byte, shift, row, column of the first of four, bit) for all indices.
  template <typename Fn> void forIndices(int bits, const Sizes &s, Fn fn) const {
    for (int64_t m = 0; m < s.rowTiles * s.rowsOfTile; ++m)
      for (int bit = 0; bit < bits; ++bit) {
        int64_t bitRow = (m / kOutputs * bits + bit) * kOutputs + m % kOutputs;
        int64_t tile = bitRow / bm, group = bitRow % bm / (2 * kLanes), lane = bitRow % kLanes;
        int shift = bitRow % (2 * kLanes) < kLanes ? 0 : 4;
        for (int64_t k = 0; k < s.chunks * kfactor; ++k) {
          int64_t chunk = tile * s.chunks + k / kfactor;
          fn(((chunk * (bm / (2 * kLanes)) + group) * kfactor + k % kfactor) * kLanes + lane, shift, m, 4 * k, bit);
        }
      }
  }

  /// Calls fn(place in the buffer, place in the plane) for all scales.
  template <typename Fn> void forScales(int64_t rows, const Sizes &s, Fn fn) const {
    if (!s.groups)
      return fn(0, 0);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t g = 0; g < s.groups; ++g)
        fn((m / s.rowsOfTile * s.groups + g) * s.rowsOfTile + m % s.rowsOfTile, m * s.groups + g);
  }

  static size_t planeOf(const Format &format, Role role) {
    for (size_t i = 0; i < format.planes.size(); ++i)
      if (format.planes[i].role == role)
        return i + 1;
    return 0;
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    int bits = format.elem.bits, half = 1 << (bits - 1);
    if (size_t zero = planeOf(format, Role::Zero); zero && planes[zero][0] != half)
      return "the zero point is 2^(b-1) = " + std::to_string(half) + "; found " + std::to_string(planes[zero][0]);
    std::vector<uint8_t> codes = PlaneRows(planeShapes(shape, format)[0]).readAll<uint8_t>(planes[0]);
    int flip = format.elem.hasSignedCodes() ? half : 0;
    Sizes s = sizes(format, shape);
    std::memset(buffers[0].data(), 0, buffers[0].size());
    forIndices(bits, s, [&](int64_t byte, int shift, int64_t m, int64_t k, int bit) {
      uint32_t index = 0;
      for (int64_t i = 0; i < 4; ++i) {
        bool isInside = m < shape[0] && k + i < shape[1];
        int q = isInside ? codes[size_t(m * shape[1] + k + i)] ^ flip : half;
        index |= uint32_t(q >> bit & 1) << i;
      }
      buffers[0][size_t(byte)] |= uint8_t(index << shift);
    });
    size_t scale = planeOf(format, Role::Scale);
    int64_t width = format.planes[scale - 1].type.bits / 8;
    std::memset(buffers[1].data(), 0, buffers[1].size());
    forScales(shape[0], s, [&](int64_t to, int64_t from) {
      std::memcpy(buffers[1].data() + to * width, planes[scale].data() + from * width, size_t(width));
    });
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    int bits = format.elem.bits, half = 1 << (bits - 1);
    if (size_t zero = planeOf(format, Role::Zero))
      planes[zero][0] = uint8_t(half);
    std::vector<uint8_t> codes(size_t(shape[0] * shape[1]), uint8_t(format.elem.hasSignedCodes() ? half : 0));
    Sizes s = sizes(format, shape);
    forIndices(bits, s, [&](int64_t byte, int shift, int64_t m, int64_t k, int bit) {
      if (m >= shape[0])
        return;
      for (int64_t i = 0; i < 4 && k + i < shape[1]; ++i)
        codes[size_t(m * shape[1] + k + i)] ^= uint8_t((buffers[0][size_t(byte)] >> (shift + i) & 1) << bit);
    });
    PlaneRows(planeShapes(shape, format)[0]).writeAll(codes, planes[0]);
    size_t scale = planeOf(format, Role::Scale);
    int64_t width = format.planes[scale - 1].type.bits / 8;
    forScales(shape[0], s, [&](int64_t from, int64_t to) {
      std::memcpy(planes[scale].data() + to * width, buffers[1].data() + from * width, size_t(width));
    });
    return "";
  }

private:
  int bm, kfactor;
};

} // namespace

std::unique_ptr<Layout> tmacLayout(int bm, int kfactor) { return std::make_unique<Tmac>(bm, kfactor); }

} // namespace tern
