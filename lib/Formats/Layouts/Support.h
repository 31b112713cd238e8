// Helpers of the layouts (internal to lib/Formats/Layouts).
#ifndef TERN_FORMATS_LAYOUTS_SUPPORT_H
#define TERN_FORMATS_LAYOUTS_SUPPORT_H

#include "lib/Formats/Layouts/Layout.h"

#include <algorithm>
#include <cstring>

namespace tern {

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A tensor as rows along its last axis.
struct Matrix {
  int64_t rows = 1, cols = 1;
  explicit Matrix(Span<const int64_t> shape) {
    for (size_t i = 0; i + 1 < shape.size(); ++i)
      rows *= shape[i];
    if (!shape.empty())
      cols = shape.back();
  }
};

/// A plane whose rows are read and written as bit patterns.
class PlaneRows {
public:
  explicit PlaneRows(const PlaneShape &plane) : bits(plane.type.bits), matrix(plane.shape) {}
  int64_t rows() const { return matrix.rows; }
  int64_t cols() const { return matrix.cols; }
  int64_t rowBytes() const { return packedBytes(matrix.cols, bits); }
  void read(ConstBytes plane, int64_t row, int32_t *out) const {
    unpackCodes(bits, false, matrix.cols, plane.data() + row * rowBytes(), out);
  }
  void write(const int32_t *in, int64_t row, Bytes plane) const {
    packCodes(bits, matrix.cols, in, plane.data() + row * rowBytes());
  }
  /// All entries as bit patterns, row-major; for types of at most 16 bits.
  template <typename Int> std::vector<Int> readAll(ConstBytes plane) const {
    std::vector<Int> all(size_t(matrix.rows * matrix.cols));
    std::vector<int32_t> row(size_t(matrix.cols));
    for (int64_t r = 0; r < matrix.rows; ++r) {
      read(plane, r, row.data());
      std::copy(row.begin(), row.end(), all.begin() + r * matrix.cols);
    }
    return all;
  }
  template <typename Int> void writeAll(const std::vector<Int> &all, Bytes plane) const {
    std::vector<int32_t> row(size_t(matrix.cols));
    for (int64_t r = 0; r < matrix.rows; ++r) {
      std::copy_n(all.begin() + r * matrix.cols, matrix.cols, row.begin());
      write(row.data(), r, plane);
    }
  }

private:
  int bits;
  Matrix matrix;
};

inline void store32(uint8_t *out, uint32_t v) {
  for (int i = 0; i < 4; ++i)
    out[i] = uint8_t(v >> (8 * i));
}
inline uint32_t load32(const uint8_t *in) {
  return uint32_t(in[0]) | uint32_t(in[1]) << 8 | uint32_t(in[2]) << 16 | uint32_t(in[3]) << 24;
}
inline void store16(uint8_t *out, uint32_t v) {
  out[0] = uint8_t(v);
  out[1] = uint8_t(v >> 8);
}
inline uint32_t load16(const uint8_t *in) { return uint32_t(in[0]) | uint32_t(in[1]) << 8; }

inline std::string isRank2(Span<const int64_t> shape) {
  return shape.size() == 2 ? "" : "a weight has rank 2 [N, K]; found rank " + std::to_string(shape.size());
}

/// The block of a plane when it is [1, B], with '*' as the whole dimension; 0 when it is anything else.
inline int64_t groupOf(const Plane &plane, Span<const int64_t> shape) {
  if (plane.block.size() != 2 || plane.block[0] != 1)
    return 0;
  return plane.block[1] == kWhole ? std::max<int64_t>(shape[1], 1) : plane.block[1];
}

} // namespace tern
#endif // TERN_FORMATS_LAYOUTS_SUPPORT_H
