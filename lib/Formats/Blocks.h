// How the elements of a tensor map to the entries of a plane (internal to lib/Formats).
#ifndef TERN_FORMATS_BLOCKS_H
#define TERN_FORMATS_BLOCKS_H

#include "lib/Formats/Format.h"

#include <algorithm>

namespace tern {

/// The rows along the last axis, in memory order; a scalar is one row of one element.
class Rows {
public:
  explicit Rows(Span<const int64_t> shape)
      : outer(shape.begin(), shape.begin() + (shape.empty() ? 0 : shape.size() - 1)), index(outer.size(), 0),
        length(shape.empty() ? 1 : shape.back()) {
    for (int64_t extent : outer)
      count *= extent;
  }

  void next() {
    for (size_t i = outer.size(); i-- > 0;) {
      if (++index[i] < outer[i])
        return;
      index[i] = 0;
    }
  }

  std::vector<int64_t> outer, index;
  int64_t count = 1;
  int64_t length;
};

/// Where a plane's entries of a row are, and how they spread over it.
class BlockMap {
public:
  BlockMap(Span<const int64_t> shape, const std::vector<int64_t> &block) {
    int64_t stride = 1;
    size_t rank = block.size();
    std::vector<int64_t> strides(rank), extents(rank);
    for (size_t i = rank; i-- > 0;) {
      extents[i] = block[i] == kWhole ? std::max<int64_t>(shape[i], 1) : block[i];
      strides[i] = stride;
      stride *= block[i] == kWhole ? 1 : (shape[i] + extents[i] - 1) / extents[i];
    }
    entries = stride;
    last = rank ? extents[rank - 1] : std::max<int64_t>(shape.empty() ? 1 : shape.back(), 1);
    if (rank) {
      outerBlock.assign(extents.begin(), extents.end() - 1);
      outerStride.assign(strides.begin(), strides.end() - 1);
    }
  }

  /// The entry of the first element of a row.
  int64_t rowStart(const Rows &rows) const {
    int64_t start = 0;
    for (size_t i = 0; i < outerBlock.size(); ++i)
      start += rows.index[i] / outerBlock[i] * outerStride[i];
    return start;
  }

  /// Calls fn(entry, begin, end) for each block of the elements [begin, end) of a row, bounds relative to the row.
  template <typename Fn> void forBlocks(int64_t rowStart, int64_t begin, int64_t end, Fn fn) const {
    int64_t entry = rowStart + begin / last, bound = begin - begin % last + last;
    for (int64_t i = begin; i < end; ++entry, bound += last) {
      int64_t stop = std::min(end, bound);
      fn(entry, i, stop);
      i = stop;
    }
  }

  /// One value per element of [begin, end) of a row.
  void spread(const float *values, int64_t rowStart, int64_t begin, int64_t end, float *out) const {
    if (last == 1) {
      std::copy(values + rowStart + begin, values + rowStart + end, out);
      return;
    }
    forBlocks(rowStart, begin, end, [&](int64_t entry, int64_t i, int64_t stop) {
      std::fill(out + i - begin, out + stop - begin, values[entry]);
    });
  }

  int64_t entries = 1;
  int64_t last = 1; ///< block extent along the last axis

private:
  std::vector<int64_t> outerBlock, outerStride;
};

/// Calls fn(begin, end, entry) for stretches of entries of the finer plane in order, with the entry of the coarser
/// plane that holds their blocks (rule F2).
template <typename Fn> void forCoarser(Span<const int64_t> shape, const Plane &fine, const Plane &coarse, Fn fn) {
  if (fine.block.empty())
    return fn(int64_t(0), int64_t(1), int64_t(0));
  // Blocks of the coarser plane, counted in blocks of the finer one.
  std::vector<int64_t> fineShape, ratio;
  for (size_t d = 0; d < fine.block.size(); ++d) {
    bool whole = coarse.block.empty() || coarse.block[d] == kWhole || fine.block[d] == kWhole;
    fineShape.push_back(fine.block[d] == kWhole ? 1 : (shape[d] + fine.block[d] - 1) / fine.block[d]);
    ratio.push_back(whole ? kWhole : coarse.block[d] / fine.block[d]);
  }
  BlockMap map(fineShape, ratio);
  Rows rows(fineShape);
  for (int64_t r = 0; r < rows.count; ++r, rows.next())
    map.forBlocks(map.rowStart(rows), 0, rows.length, [&](int64_t entry, int64_t i, int64_t stop) {
      fn(r * rows.length + i, r * rows.length + stop, entry);
    });
}

/// A sentence when the bytes do not fit the planes, else empty.
template <typename B>
std::string checkPlanes(const Format &format, Span<const B> planes, const std::vector<PlaneShape> &shapes) {
  if (planes.size() != shapes.size())
    return "format " + format.str() + " has " + std::to_string(shapes.size()) + " planes; found " +
           std::to_string(planes.size());
  for (size_t i = 0; i < shapes.size(); ++i)
    if (int64_t(planes[i].size()) != shapes[i].bytes)
      return std::string("plane '") + str(shapes[i].role) + "' of " + format.str() + " has " +
             std::to_string(shapes[i].bytes) + " bytes; found " + std::to_string(planes[i].size());
  return "";
}

/// A sentence when a select plane names an alternative that the element does not have, else empty.
std::string checkSelect(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes);

/// The part of a tensor that the tail plane holds: see tailExtent. The rest is a tensor of the same shape in the format
/// without the tail.
class TailSplit {
public:
  TailSplit(const Format &format, Span<const int64_t> shape);
  explicit operator bool() const { return plane != 0; }

  /// Format and planes without the tail.
  const Format &closed() const { return rest; }
  template <typename B> std::vector<B> closedPlanes(Span<const B> planes) const {
    std::vector<B> result(planes.begin(), planes.end());
    result.erase(result.begin() + int64_t(plane));
    return result;
  }
  /// The tensor with 0 where the tail holds the values.
  std::vector<float> closedValues(const float *x) const;
  void writeTail(const float *x, Bytes tail) const;
  void readTail(ConstBytes tail, float *x) const;

  size_t plane = 0; ///< its index among the planes; 0: the format has none

private:
  /// Calls fn(first element in the tensor, first element in the tail, elements) for each stretch of covered positions.
  template <typename Fn> void forCovered(Fn fn) const;

  Format rest;
  Element type;
  std::vector<int64_t> shape, tailShape;
  size_t axis = 0;
  int64_t covered = 0;
};

/// The parameters of a tensor in f32, ready to be spread over runs of a row.
class Parameters {
public:
  /// `planes` as planeShapes lists them, sizes already checked; planes[0] is not read. Planes of one role are
  /// multiplied here, finest first, where the finest has blocks: elements then read one value.
  Parameters(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes);

  void startRow(const Rows &rows);
  /// Product of the scales, finest first; null without a scale.
  const float *scales(int64_t begin, int64_t end, float *buffer) const { return combine(scale, begin, end, buffer); }
  const float *zeros(int64_t begin, int64_t end, float *buffer) const { return combine(zero, begin, end, buffer); }
  const float *minima(int64_t begin, int64_t end, float *buffer) const { return combine(min, begin, end, buffer); }

  struct Part {
    BlockMap map;
    std::vector<float> values;
    int64_t rowStart = 0;
  };
  std::vector<Part> scale, zero, min, table, select;

private:
  const float *combine(const std::vector<Part> &parts, int64_t begin, int64_t end, float *buffer) const;
};

} // namespace tern
#endif // TERN_FORMATS_BLOCKS_H
