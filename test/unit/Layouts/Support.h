// Random planes and buffers for the layout tests.
#ifndef TERN_TEST_UNIT_LAYOUTS_SUPPORT_H
#define TERN_TEST_UNIT_LAYOUTS_SUPPORT_H

#include "../Formats/Support.h"
#include "lib/Formats/Layouts/Layout.h"

namespace tern {

/// Planes of random bits; unused bits of a row are 0. A default zero point is 2^(b-1), an IQ4_NL table the table.
inline Encoded randomPlanes(const std::string &text, std::vector<int64_t> shape, uint64_t seed) {
  Encoded e(format(text), std::move(shape));
  std::vector<PlaneShape> shapes = planeShapes(e.shape, e.format);
  SplitMix rng{seed};
  for (size_t p = 0; p < shapes.size(); ++p) {
    int64_t cols = shapes[p].shape.empty() ? 1 : shapes[p].shape.back(), bits = shapes[p].type.bits;
    int64_t rowBytes = packedBytes(cols, int(bits)), rest = cols * bits % 8;
    for (size_t i = 0; i < e.planes[p].size(); ++i) {
      e.planes[p][i] = uint8_t(rng.next());
      if (rest && int64_t(i) % rowBytes == rowBytes - 1)
        e.planes[p][i] &= uint8_t((1 << rest) - 1);
    }
    if (shapes[p].role == Role::Zero && shapes[p].shape.empty())
      e.planes[p][0] = uint8_t(1 << (bits - 1));
    if (shapes[p].role == Role::Table)
      std::memcpy(e.planes[p].data(), kIq4nl, 16);
    if (shapes[p].role == Role::Scale && shapes[p].type == Element::e4m3())
      for (uint8_t &byte : e.planes[p])
        byte &= 0x7f;
  }
  return e;
}

inline std::vector<std::vector<uint8_t>> makeBuffers(const Layout &layout, const Encoded &e, uint8_t fill = 0xa5) {
  std::vector<std::vector<uint8_t>> result;
  for (const Buffer &b : layout.buffers(e.format, e.shape))
    result.emplace_back(size_t(b.bytes()), fill);
  return result;
}

inline std::vector<std::vector<uint8_t>> packed(const Layout &layout, const Encoded &e) {
  std::vector<std::vector<uint8_t>> buffers = makeBuffers(layout, e);
  std::vector<Bytes> bytes(buffers.begin(), buffers.end());
  EXPECT_EQ(layout.pack(e.format, e.shape, e.constBytes(), bytes), "");
  return buffers;
}

inline Encoded unpacked(const Layout &layout, const Format &format, std::vector<int64_t> shape,
                        const std::vector<std::vector<uint8_t>> &buffers) {
  Encoded e(format, std::move(shape));
  for (std::vector<uint8_t> &plane : e.planes)
    std::fill(plane.begin(), plane.end(), uint8_t(0x5a));
  std::vector<ConstBytes> bytes(buffers.begin(), buffers.end());
  EXPECT_EQ(layout.unpack(format, e.shape, bytes, e.bytes()), "");
  return e;
}

/// unpack(pack(x)) == x, and pack does not depend on what was in the buffers.
inline void expectRoundTrip(const Layout &layout, const std::string &text, const std::vector<int64_t> &shape) {
  SCOPED_TRACE(layout.str() + " " + text + " " + std::to_string(shape.back()));
  Encoded e = randomPlanes(text, shape, 7);
  ASSERT_EQ(layout.verify(e.format, shape), "");
  std::vector<std::vector<uint8_t>> buffers = packed(layout, e), other = makeBuffers(layout, e, 0);
  EXPECT_EQ(unpacked(layout, e.format, shape, buffers).planes, e.planes);
  std::vector<Bytes> bytes(other.begin(), other.end());
  EXPECT_EQ(layout.pack(e.format, shape, e.constBytes(), bytes), "");
  EXPECT_EQ(other, buffers);
}

inline std::unique_ptr<Layout> layout(const std::string &text) {
  std::string error;
  std::unique_ptr<Layout> result = parseLayout(text, error);
  EXPECT_EQ(error, "");
  return result;
}

} // namespace tern
#endif // TERN_TEST_UNIT_LAYOUTS_SUPPORT_H
