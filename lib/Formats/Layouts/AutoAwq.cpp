// AutoAWQ, "gemm" version (awq/utils/packing_utils.py): words of 8 codes along N; slot i of a word holds code order[i].
#include "Support.h"

namespace tern {
namespace {

constexpr int kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};

/// Columns that are worked on at once: the lines of the words that they share stay in the L1 cache.
constexpr int64_t kColumns = 256;

/// Calls fn(word, column, first row) for all words of rows x cols codes, transposed to [cols, ceil(rows / 8)].
template <typename Fn> void forWords(int64_t rows, int64_t cols, Fn fn) {
  int64_t words = ceilDiv(rows, 8);
  for (int64_t begin = 0; begin < cols; begin += kColumns)
    for (int64_t w = 0; w < words; ++w)
      for (int64_t c = begin; c < std::min(cols, begin + kColumns); ++c)
        fn(c * words + w, c, w * 8);
}

void packWords(const std::vector<uint8_t> &codes, int64_t rows, int64_t cols, uint8_t *out) {
  forWords(rows, cols, [&](int64_t at, int64_t c, int64_t first) {
    uint32_t word = 0;
    for (int slot = 0; slot < 8; ++slot)
      if (int64_t r = first + kOrder[slot]; r < rows)
        word |= uint32_t(codes[size_t(r * cols + c)]) << (4 * slot);
    store32(out + 4 * at, word);
  });
}

void unpackWords(const uint8_t *in, int64_t rows, int64_t cols, std::vector<uint8_t> &codes) {
  forWords(rows, cols, [&](int64_t at, int64_t c, int64_t first) {
    uint32_t word = load32(in + 4 * at);
    for (int slot = 0; slot < 8; ++slot)
      if (int64_t r = first + kOrder[slot]; r < rows)
        codes[size_t(r * cols + c)] = uint8_t((word >> (4 * slot)) & 15);
  });
}

class AutoAwq : public Layout {
public:
  std::string str() const override { return "#tern.autoawq"; }

protected:
  std::string check(const Format &format, Span<const int64_t> shape) const override {
    if (std::string error = isRank2(shape); !error.empty())
      return error;
    if (format.elem == Element::ui(4) && format.planes.size() == 2 && format.planes[0].role == Role::Scale &&
        format.planes[1].role == Role::Zero && format.planes[0].type == Element::f16() &&
        format.planes[1].type == Element::ui(4) && format.planes[0].block == format.planes[1].block &&
        groupOf(format.planes[0], shape))
      return "";
    return "the format is <ui4, scale<f16, [1, G]>, zero<ui4, [1, G]>>; found " + format.str();
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    int64_t groups = ceilDiv(shape[1], groupOf(format.planes[0], shape)), words = ceilDiv(shape[0], 8);
    return {{"qweight", Element::ui(32), {shape[1], words}},
            {"qzeros", Element::ui(32), {groups, words}},
            {"scales", Element::f16(), {groups, shape[0]}}};
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    int64_t groups = shapes[1].shape[1];
    packWords(PlaneRows(shapes[0]).readAll<uint8_t>(planes[0]), shape[0], shape[1], buffers[0].data());
    packWords(PlaneRows(shapes[2]).readAll<uint8_t>(planes[2]), shape[0], groups, buffers[1].data());
    for (int64_t r = 0; r < shape[0]; ++r)
      for (int64_t g = 0; g < groups; ++g)
        std::memcpy(buffers[2].data() + (g * shape[0] + r) * 2, planes[1].data() + (r * groups + g) * 2, 2);
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    int64_t groups = shapes[1].shape[1];
    std::vector<uint8_t> codes(size_t(shape[0] * shape[1])), zeros(size_t(shape[0] * groups));
    unpackWords(buffers[0].data(), shape[0], shape[1], codes);
    unpackWords(buffers[1].data(), shape[0], groups, zeros);
    PlaneRows(shapes[0]).writeAll(codes, planes[0]);
    PlaneRows(shapes[2]).writeAll(zeros, planes[2]);
    for (int64_t r = 0; r < shape[0]; ++r)
      for (int64_t g = 0; g < groups; ++g)
        std::memcpy(planes[1].data() + (r * groups + g) * 2, buffers[2].data() + (g * shape[0] + r) * 2, 2);
    return "";
  }
};

} // namespace

std::unique_ptr<Layout> autoAwqLayout() { return std::make_unique<AutoAwq>(); }

} // namespace tern
