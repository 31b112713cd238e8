// GPTQ checkpoints (AutoGPTQ, auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py): qweight packs along K and qzeros along
// N, both LSB first in a stream of 32-bit words; 3-bit codes cross words, 32 of them take 3.
#include "Support.h"

namespace tern {
namespace {

/// The place of code i of a stream: lower word and shift.
struct BitPlace {
  int64_t word;
  int shift;
  BitPlace(int64_t i, int bits) : word(i * bits / 32), shift(int(i * bits % 32)) {}
};

class Gptq : public Layout {
public:
  explicit Gptq(int version) : version(version) {}
  std::string str() const override { return "#tern.gptq<v" + std::to_string(version) + ">"; }

protected:
  std::string check(const Format &format, Span<const int64_t> shape) const override {
    if (std::string error = isRank2(shape); !error.empty())
      return error;
    const Element &elem = format.elem;
    bool isWidth = elem.bits == 2 || elem.bits == 3 || elem.bits == 4 || elem.bits == 8;
    if (elem.kind == ElementKind::UInt && isWidth && format.planes.size() == 2 &&
        format.planes[0].role == Role::Scale && format.planes[1].role == Role::Zero &&
        format.planes[0].type == Element::f16() && format.planes[1].type == elem &&
        format.planes[0].block == format.planes[1].block && groupOf(format.planes[0], shape))
      return "";
    return "the format is <uib, scale<f16, [1, G]>, zero<uib, [1, G]>> with b = 2, 3, 4 or 8; found " + format.str();
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    int64_t groups = ceilDiv(shape[1], groupOf(format.planes[0], shape)), bits = format.elem.bits;
    return {{"qweight", Element::ui(32), {ceilDiv(shape[1], 32) * bits, shape[0]}},
            {"qzeros", Element::ui(32), {groups, ceilDiv(shape[0], 32) * bits}},
            {"scales", Element::f16(), {groups, shape[0]}},
            {"g_idx", Element::si(32), {shape[1]}}};
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    int64_t n = shape[0], k = shape[1], groups = shapes[1].shape[1], group = groupOf(format.planes[0], shape);
    int bits = format.elem.bits;
    uint32_t mask = (1u << bits) - 1;
    std::vector<int32_t> row(size_t(std::max(k, groups)));
    std::vector<uint32_t> weight(buffers[0].size() / 4, 0), zeros(buffers[1].size() / 4, 0);
    int64_t zeroWords = groups ? int64_t(zeros.size()) / groups : 0;
    PlaneRows codeRows(shapes[0]), zeroRows(shapes[2]);
    for (int64_t r = 0; r < n; ++r) {
      codeRows.read(planes[0], r, row.data());
      for (int64_t c = 0; c < k; ++c)
        put(weight.data() + r, n, BitPlace(c, bits), uint32_t(row[size_t(c)]), bits);
      zeroRows.read(planes[2], r, row.data());
      for (int64_t g = 0; g < groups; ++g)
        put(zeros.data() + g * zeroWords, 1, BitPlace(r, bits), uint32_t(row[size_t(g)] - (version == 1)) & mask, bits);
      for (int64_t g = 0; g < groups; ++g)
        std::memcpy(buffers[2].data() + (g * n + r) * 2, planes[1].data() + (r * groups + g) * 2, 2);
    }
    for (size_t i = 0; i < weight.size(); ++i)
      store32(buffers[0].data() + 4 * i, weight[i]);
    for (size_t i = 0; i < zeros.size(); ++i)
      store32(buffers[1].data() + 4 * i, zeros[i]);
    for (int64_t c = 0; c < k; ++c)
      store32(buffers[3].data() + 4 * c, uint32_t(c / group));
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    int64_t n = shape[0], k = shape[1], groups = shapes[1].shape[1], group = groupOf(format.planes[0], shape);
    int bits = format.elem.bits;
    uint32_t mask = (1u << bits) - 1;
    for (int64_t c = 0; c < k; ++c)
      if (load32(buffers[3].data() + 4 * c) != uint32_t(c / group))
        return "g_idx[" + std::to_string(c) + "] is " + std::to_string(load32(buffers[3].data() + 4 * c)) + ", not " +
               std::to_string(c / group) +
               ": the weight is in activation order (desc_act); sort its rows by g_idx first";
    std::vector<int32_t> row(size_t(std::max(k, groups)));
    int64_t zeroWords = ceilDiv(n, 32) * bits;
    PlaneRows codeRows(shapes[0]), zeroRows(shapes[2]);
    for (int64_t r = 0; r < n; ++r) {
      for (int64_t c = 0; c < k; ++c)
        row[size_t(c)] = int32_t(get(buffers[0].data() + 4 * r, n, BitPlace(c, bits), bits));
      codeRows.write(row.data(), r, planes[0]);
      for (int64_t g = 0; g < groups; ++g)
        row[size_t(g)] = int32_t(
            (get(buffers[1].data() + 4 * g * zeroWords, 1, BitPlace(r, bits), bits) + uint32_t(version == 1)) & mask);
      zeroRows.write(row.data(), r, planes[2]);
      for (int64_t g = 0; g < groups; ++g)
        std::memcpy(planes[1].data() + (r * groups + g) * 2, buffers[2].data() + (g * n + r) * 2, 2);
    }
    return "";
  }

private:
  /// Words of one stream are `stride` apart; only words with bits of the code are touched.
  static void put(uint32_t *words, int64_t stride, BitPlace at, uint32_t code, int bits) {
    words[at.word * stride] |= code << at.shift;
    if (at.shift + bits > 32)
      words[(at.word + 1) * stride] |= code >> (32 - at.shift);
  }
  static uint32_t get(const uint8_t *words, int64_t stride, BitPlace at, int bits) {
    uint32_t code = load32(words + 4 * at.word * stride) >> at.shift;
    if (at.shift + bits > 32)
      code |= load32(words + 4 * (at.word + 1) * stride) << (32 - at.shift);
    return code & ((1u << bits) - 1);
  }

  int version;
};

} // namespace

std::unique_ptr<Layout> gptqLayout(int version) {
  assert((version == 1 || version == 2) && "GPTQ checkpoints have version 1 or 2");
  return std::make_unique<Gptq>(version);
}

} // namespace tern
