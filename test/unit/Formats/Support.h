// Tensors and helpers of the format tests; the generators are those of docs/FORMATS.md 4.1.
#ifndef TERN_TEST_UNIT_FORMATS_SUPPORT_H
#define TERN_TEST_UNIT_FORMATS_SUPPORT_H

#include "lib/Formats/Format.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace tern {

struct SplitMix {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  /// About N(0, 1), exact in f32.
  float gauss() {
    int64_t sum = -393210;
    for (int draw = 0; draw < 3; ++draw)
      for (uint64_t r = next(), field = 0; field < 4; ++field, r >>= 16)
        sum += int64_t(r & 0xffff);
    return float(double(sum) / 65536.0);
  }
};

inline std::vector<float> gaussTensor(uint64_t seed, int64_t n) {
  SplitMix rng{seed};
  std::vector<float> x(static_cast<size_t>(n));
  for (float &v : x)
    v = rng.gauss();
  return x;
}

inline uint64_t fnv1a(const void *data, size_t n, uint64_t hash = 0xcbf29ce484222325ull) {
  for (size_t i = 0; i < n; ++i)
    hash = (hash ^ static_cast<const uint8_t *>(data)[i]) * 0x100000001b3ull;
  return hash;
}

/// The planes of one tensor in memory of their own.
struct Encoded {
  Format format;
  std::vector<int64_t> shape;
  std::vector<std::vector<uint8_t>> planes;

  Encoded(const Format &format, std::vector<int64_t> shape) : format(format), shape(std::move(shape)) {
    for (const PlaneShape &p : planeShapes(this->shape, format))
      planes.emplace_back(size_t(p.bytes));
  }
  std::vector<Bytes> bytes() { return {planes.begin(), planes.end()}; }
  std::vector<ConstBytes> constBytes() const { return {planes.begin(), planes.end()}; }

  std::vector<float> decoded() const {
    int64_t n = 1;
    for (int64_t extent : shape)
      n *= extent;
    std::vector<float> out(static_cast<size_t>(n));
    EXPECT_EQ(decode(format, shape, constBytes(), out.data()), "");
    return out;
  }
  /// Codes of all elements, unpacked.
  std::vector<int32_t> codes() const {
    int64_t length = shape.empty() ? 1 : shape.back(), rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i)
      rows *= shape[i];
    std::vector<int32_t> result(size_t(rows * length));
    for (int64_t r = 0; r < rows; ++r)
      unpackCodes(format.elem.bits, format.elem.hasSignedCodes(), length,
                  planes[0].data() + r * packedBytes(length, format.elem.bits), result.data() + r * length);
    return result;
  }
  std::vector<float> values(size_t plane) const {
    PlaneShape p = planeShapes(shape, format)[plane];
    int64_t length = p.shape.empty() ? 1 : p.shape.back(), rows = 1;
    for (size_t i = 0; i + 1 < p.shape.size(); ++i)
      rows *= p.shape[i];
    std::vector<float> result(size_t(rows * length));
    decodeEntries(p.type, rows, length, planes[plane].data(), result.data());
    return result;
  }
  void setPlane(size_t plane, const std::vector<float> &values) {
    PlaneShape p = planeShapes(shape, format)[plane];
    int64_t length = p.shape.empty() ? 1 : p.shape.back();
    encodeEntries(p.type, length ? int64_t(values.size()) / length : 0, length, values.data(), planes[plane].data());
  }
};

inline Format format(const std::string &text) {
  Result<Format> f = parseFormat(text);
  EXPECT_EQ(f.error, "");
  return f.value;
}

inline Encode encode(const std::string &text) {
  Result<Encode> e = parseEncode(text);
  EXPECT_EQ(e.error, "");
  return e.value;
}

inline Encoded encoded(const std::string &f, const std::string &e, std::vector<int64_t> shape,
                       const std::vector<float> &x) {
  Encoded result(format(f), std::move(shape));
  EXPECT_EQ(encodeTensor(result.format, encode(e), result.shape, x.data(), result.bytes()), "");
  return result;
}

inline double sqnr(const std::vector<float> &x, const std::vector<float> &y) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    signal += double(x[i]) * x[i];
    noise += (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
  }
  return 10 * std::log10(signal / noise);
}

/// The tensors "gauss" and "outlier", 256 x 1024.
inline const std::vector<float> &golden(bool outlier) {
  static const std::vector<float> tensors[2] = {gaussTensor(1, 256 * 1024), [] {
                                                  std::vector<float> x = gaussTensor(3, 256 * 1024);
                                                  for (size_t i = 7; i < x.size(); i += 64)
                                                    x[i] *= 32;
                                                  return x;
                                                }()};
  return tensors[outlier];
}

} // namespace tern
#endif // TERN_TEST_UNIT_FORMATS_SUPPORT_H
