// Tensors of ONNX (onnx.proto, TensorProto.raw_data): the elements in row-major order, little-endian; types below 8
// bits LSB first over the whole tensor, the last byte padded with 0.
#include "Support.h"

namespace tern {
namespace {

/// Moves n codes of `bits` bits from one bit position to another; the target bits must be 0.
void copyBits(const uint8_t *from, int64_t fromBit, uint8_t *to, int64_t toBit, int64_t bits) {
  while (bits > 0) {
    int64_t room = 8 - toBit % 8, there = 8 - fromBit % 8, n = std::min({room, there, bits});
    uint32_t v = (from[fromBit / 8] >> (fromBit % 8)) & ((1u << n) - 1);
    to[toBit / 8] |= uint8_t(v << (toBit % 8));
    fromBit += n;
    toBit += n;
    bits -= n;
  }
}

class Onnx : public Layout {
public:
  std::string str() const override { return "#tern.onnx"; }

protected:
  std::string check(const Format &format, Span<const int64_t>) const override {
    auto isStored = [](const Element &e) { return e.bits == 2 || e.bits == 4 || e.bits % 8 == 0; };
    bool isKind = format.elem.isInteger() || format.elem.isFloat() || format.elem.kind == ElementKind::Minifloat;
    if (!isKind || !isStored(format.elem))
      return "ONNX stores integers of 2, 4, 8, 16 and 32 bits, f4E2M1FN and the f8 types; found " + format.elem.str();
    for (const Plane &plane : format.planes)
      if (!isStored(plane.type))
        return "ONNX stores types of 2, 4, 8, 16 and 32 bits; found " + plane.str();
    return "";
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    std::vector<Buffer> result;
    for (const PlaneShape &plane : planeShapes(shape, format)) {
      Matrix m(plane.shape);
      std::string name = plane.role == Role::Zero    ? "zero_point"
                         : plane.role == Role::Codes ? "data"
                                                     : tern::str(plane.role);
      if (plane.type.bits < 8)
        result.push_back({name, Element::ui(8), {packedBytes(m.rows * m.cols, plane.type.bits)}});
      else
        result.push_back({name, plane.type, plane.shape});
    }
    return result;
  }

  template <bool isWrite, typename From, typename To>
  static std::string move(const Format &format, Span<const int64_t> shape, Span<const From> from, Span<const To> to) {
    std::vector<PlaneShape> planes = planeShapes(shape, format);
    for (size_t p = 0; p < planes.size(); ++p) {
      Matrix m(planes[p].shape);
      int64_t used = m.cols * planes[p].type.bits, padded = packedBytes(m.cols, planes[p].type.bits) * 8;
      if (used == padded) {
        if (to[p].size())
          std::memcpy(to[p].data(), from[p].data(), to[p].size());
        continue;
      }
      std::memset(to[p].data(), 0, to[p].size());
      for (int64_t r = 0; r < m.rows; ++r)
        copyBits(from[p].data(), r * (isWrite ? padded : used), to[p].data(), r * (isWrite ? used : padded), used);
    }
    return "";
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    return move<true>(format, shape, planes, buffers);
  }
  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    return move<false>(format, shape, buffers, planes);
  }
};

} // namespace

std::unique_ptr<Layout> onnxLayout() { return std::make_unique<Onnx>(); }

} // namespace tern
