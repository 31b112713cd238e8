// com.microsoft:MatMulNBits (docs/ContribOperators.md of ONNX Runtime). Blocks are whole bytes and LSB first, as plain
// rows are: only the padding of the last block differs.
#include "Support.h"

namespace tern {
namespace {

class MatMulNBits : public Layout {
public:
  std::string str() const override { return "#tern.matmulnbits"; }

protected:
  static bool isPacked(const Plane *zero) { return zero->type.isInteger(); }
  /// The implicit zero point: one value, 2^(b-1), that the operator does not store.
  static bool isDefault(const Plane *zero) { return zero->block.empty(); }

  std::string check(const Format &format, Span<const int64_t> shape) const override {
    const Element &elem = format.elem;
    if (elem.kind != ElementKind::UInt || (elem.bits != 2 && elem.bits != 4 && elem.bits != 8))
      return "elements are ui2, ui4 or ui8; found " + elem.str();
    if (std::string error = isRank2(shape); !error.empty())
      return error;
    const Plane *scale = format.find(Role::Scale), *zero = format.find(Role::Zero);
    if (format.planes.size() != 2 || !scale || !zero)
      return "the planes are one scale and one zero (zero<" + elem.str() + "> for the default); found " + format.str();
    int64_t block = scale->block.size() == 2 ? scale->block[1] : 0;
    if (groupOf(*scale, shape) != block || block < 16 || (block & (block - 1)) || !scale->type.isFloat())
      return "the scale is f32, f16 or bf16 in blocks of [1, B], B a power of two of at least 16; found " +
             scale->str();
    if (isPacked(zero) ? zero->type != elem : zero->type != scale->type)
      return "the zero point has the type of the codes or of the scale; found " + zero->str();
    if (!isDefault(zero) && zero->block != scale->block)
      return "scale and zero point have the same blocks; found " + scale->str() + " and " + zero->str();
    if (isDefault(zero) && !isPacked(zero))
      return "a zero point without blocks is the default 2^(b-1), of type " + elem.str() + "; found " + zero->str();
    return "";
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    const Plane &scale = *format.find(Role::Scale), &zero = *format.find(Role::Zero);
    int64_t bits = format.elem.bits, blocks = ceilDiv(shape[1], scale.block[1]);
    std::vector<Buffer> result = {{"B", Element::ui(8), {shape[0], blocks, scale.block[1] * bits / 8}},
                                  {"scales", scale.type, {shape[0], blocks}}};
    if (isDefault(&zero))
      return result;
    if (isPacked(&zero))
      result.push_back({"zero_points", Element::ui(8), {shape[0], packedBytes(blocks, int(bits))}});
    else
      result.push_back({"zero_points", zero.type, {shape[0], blocks}});
    return result;
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    size_t s = scalePlane(format), z = 3 - s;
    const Plane *zero = &format.planes[z - 1];
    int bits = format.elem.bits;
    if (isDefault(zero) && planes[z][0] != 1u << (bits - 1))
      return "a zero point without blocks is 2^(b-1) = " + std::to_string(1 << (bits - 1)) + "; found " +
             std::to_string(planes[z][0]) + "; use zero<" + format.elem.str() + ", [1, B]>";
    std::memcpy(buffers[1].data(), planes[s].data(), planes[s].size());
    if (!isDefault(zero))
      std::memcpy(buffers[2].data(), planes[z].data(), planes[z].size());
    int64_t cols = shape[1], block = format.planes[s - 1].block[1], blocks = ceilDiv(cols, block);
    int64_t used = packedBytes(cols, bits), padded = blocks * block * bits / 8;
    PlaneRows zeros(planeShapes(shape, format)[z]);
    std::vector<int32_t> row(size_t(zeros.cols()), 1 << (bits - 1));
    for (int64_t r = 0; r < shape[0]; ++r) {
      uint8_t *out = buffers[0].data() + r * padded;
      std::memcpy(out, planes[0].data() + r * used, size_t(used));
      if (cols == blocks * block)
        continue;
      // The rest of the last block is the block's zero point, which decodes to 0.
      if (!isDefault(zero) && isPacked(zero))
        zeros.read(planes[z], r, row.data());
      uint32_t pad = uint32_t(isPacked(zero) ? row.back() : 1 << (bits - 1));
      for (int64_t i = cols; i < blocks * block; ++i) {
        int64_t byte = i * bits / 8, shift = i * bits % 8;
        out[byte] = uint8_t(shift ? out[byte] | pad << shift : pad);
      }
    }
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    size_t s = scalePlane(format), z = 3 - s;
    const Plane *zero = &format.planes[z - 1];
    int bits = format.elem.bits;
    std::memcpy(planes[s].data(), buffers[1].data(), planes[s].size());
    if (isDefault(zero))
      planes[z][0] = uint8_t(1 << (bits - 1));
    else
      std::memcpy(planes[z].data(), buffers[2].data(), planes[z].size());
    // What other writers leave in unused bits is cleared: equal tensors have equal planes.
    if (!isDefault(zero) && isPacked(zero))
      clearPadding(bits, PlaneRows(planeShapes(shape, format)[z]).cols(), shape[0], planes[z]);
    int64_t cols = shape[1], block = format.planes[s - 1].block[1];
    int64_t used = packedBytes(cols, bits), padded = ceilDiv(cols, block) * block * bits / 8;
    for (int64_t r = 0; r < shape[0]; ++r)
      std::memcpy(planes[0].data() + r * used, buffers[0].data() + r * padded, size_t(used));
    clearPadding(bits, cols, shape[0], planes[0]);
    return "";
  }

private:
  static size_t scalePlane(const Format &format) { return format.planes[0].role == Role::Scale ? 1 : 2; }

  static void clearPadding(int bits, int64_t cols, int64_t rows, Bytes plane) {
    int64_t bytes = packedBytes(cols, bits), rest = cols * bits % 8;
    for (int64_t r = 0; rest && r < rows; ++r)
      plane[size_t((r + 1) * bytes - 1)] &= uint8_t((1 << rest) - 1);
  }
};

} // namespace

std::unique_ptr<Layout> matMulNBitsLayout() { return std::make_unique<MatMulNBits>(); }

} // namespace tern
