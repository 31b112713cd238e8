// FP6-LLM (fp6_llm/csrc/utils/weight_prepacking.h): a code of b bits is cut, from its top, into parts of 1, 2 and 4
// bits as the bits of b say (6 bits: the upper 2 and the lower 4); each part has a plane, the planes follow one
// another.
//
// Order within a plane. A lane of the 32 lanes of a warp collects 8 codes of each 16 x 16 tile: tiles go strip (64
// rows), column (16), part of the strip (16 rows); lane 4 l + t has rows l, l + 8 and columns 2 t, 2 t + 1, 2 t + 8, 2
// t + 9. A lane's codes fill 32-bit words; word w of lane i is word 32 w + i of the plane. Inside of a word, from its
// top, stand the parts number order[0], order[1], ... of the lane (counted from 1): the order in which the kernel masks
// them out.
#include "Support.h"

namespace tern {
namespace {

constexpr int64_t kTile = 64;
constexpr int kOrder1[32] = {2, 6, 10, 14, 18, 22, 26, 30, 4, 8, 12, 16, 20, 24, 28, 32,
                             1, 5, 9,  13, 17, 21, 25, 29, 3, 7, 11, 15, 19, 23, 27, 31};
constexpr int kOrder2[16] = {2, 6, 10, 14, 4, 8, 12, 16, 1, 5, 9, 13, 3, 7, 11, 15};
constexpr int kOrder4[8] = {2, 6, 4, 8, 1, 5, 3, 7};

/// A part of the code: its width, and how far its lowest bit is from that of the code.
struct Part {
  int width, shift;
  const int *order;
};

std::vector<Part> partsOf(int bits) {
  std::vector<Part> parts;
  int left = bits;
  for (int width : {1, 2, 4})
    if (bits & width) {
      left -= width;
      parts.push_back({width, left, width == 1 ? kOrder1 : width == 2 ? kOrder2 : kOrder4});
    }
  return parts;
}

/// Calls fn(row, column) for all codes of a lane, in the lane's order.
template <typename Fn> void forLane(int lane, int64_t rows, int64_t cols, Fn fn) {
  int64_t l = lane / 4, t = lane % 4;
  for (int64_t strip = 0; strip < rows; strip += 64)
    for (int64_t col = 0; col < cols; col += 16)
      for (int64_t part = 0; part < 64; part += 16)
        for (int64_t j = 0; j < 8; ++j)
          fn(strip + part + l + (j / 2 % 2) * 8, col + 2 * t + j % 2 + (j / 4) * 8);
}

class Fp6Llm : public Layout {
public:
  std::string str() const override { return "#tern.fp6llm"; }

protected:
  std::string check(const Format &format, Span<const int64_t> shape) const override {
    if (std::string error = isRank2(shape); !error.empty())
      return error;
    if (format.elem.kind == ElementKind::Minifloat && format.elem.bits >= 3 && format.elem.bits <= 7 &&
        format.planes == std::vector<Plane>{{Role::Scale, Element::f16(), {1, kWhole}}})
      return "";
    return "the format is a minifloat of 3 to 7 bits with scale<f16, [1, *]>; found " + format.str();
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    int64_t rows = ceilDiv(shape[0], kTile) * kTile, cols = ceilDiv(shape[1], kTile) * kTile;
    return {{"weight", Element::ui(8), {rows * cols * format.elem.bits / 8}}, {"scales", Element::f16(), {shape[0]}}};
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    std::vector<uint8_t> codes = PlaneRows(planeShapes(shape, format)[0]).readAll<uint8_t>(planes[0]);
    std::memcpy(buffers[1].data(), planes[1].data(), planes[1].size());
    int64_t rows = ceilDiv(shape[0], kTile) * kTile, cols = ceilDiv(shape[1], kTile) * kTile;
    std::vector<uint8_t> lane(size_t(rows * cols / 32));
    for (int i = 0; i < 32; ++i) {
      size_t at = 0;
      forLane(i, rows, cols, [&](int64_t r, int64_t c) {
        lane[at++] = r < shape[0] && c < shape[1] ? codes[size_t(r * shape[1] + c)] : 0;
      });
      uint8_t *plane = buffers[0].data();
      for (const Part &part : partsOf(format.elem.bits)) {
        int perWord = 32 / part.width;
        for (size_t w = 0; w * size_t(perWord) < lane.size(); ++w) {
          uint32_t word = 0;
          for (int slot = 0; slot < perWord; ++slot) {
            uint32_t code = lane[w * size_t(perWord) + size_t(part.order[slot] - 1)];
            word |= ((code >> part.shift) & ((1u << part.width) - 1)) << (32 - part.width * (slot + 1));
          }
          store32(plane + (w * 32 + size_t(i)) * 4, word);
        }
        plane += rows * cols * part.width / 8;
      }
    }
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    std::vector<uint8_t> codes(size_t(shape[0] * shape[1]));
    std::memcpy(planes[1].data(), buffers[1].data(), planes[1].size());
    int64_t rows = ceilDiv(shape[0], kTile) * kTile, cols = ceilDiv(shape[1], kTile) * kTile;
    std::vector<uint8_t> lane(size_t(rows * cols / 32));
    for (int i = 0; i < 32; ++i) {
      std::fill(lane.begin(), lane.end(), uint8_t(0));
      const uint8_t *plane = buffers[0].data();
      for (const Part &part : partsOf(format.elem.bits)) {
        int perWord = 32 / part.width;
        for (size_t w = 0; w * size_t(perWord) < lane.size(); ++w) {
          uint32_t word = load32(plane + (w * 32 + size_t(i)) * 4);
          for (int slot = 0; slot < perWord; ++slot)
            lane[w * size_t(perWord) + size_t(part.order[slot] - 1)] |=
                uint8_t(((word >> (32 - part.width * (slot + 1))) & ((1u << part.width) - 1)) << part.shift);
        }
        plane += rows * cols * part.width / 8;
      }
      size_t at = 0;
      forLane(i, rows, cols, [&](int64_t r, int64_t c) {
        if (r < shape[0] && c < shape[1])
          codes[size_t(r * shape[1] + c)] = lane[at];
        ++at;
      });
    }
    PlaneRows(planeShapes(shape, format)[0]).writeAll(codes, planes[0]);
    return "";
  }
};

} // namespace

std::unique_ptr<Layout> fp6LlmLayout() { return std::make_unique<Fp6Llm>(); }

} // namespace tern
