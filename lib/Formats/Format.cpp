#include "lib/Formats/Format.h"

#include <algorithm>

namespace tern {

const Plane *Format::find(Role role) const {
  for (const Plane &plane : planes)
    if (plane.role == role)
      return &plane;
  return nullptr;
}

/// Entries of a plane along one dimension.
static int64_t blocksOf(int64_t extent, int64_t block) {
  if (block == kWhole)
    return 1;
  return extent < 0 ? extent : (extent + block - 1) / block;
}

static int64_t packedPlaneBytes(Span<const int64_t> shape, int bits) {
  int64_t rows = 1;
  for (int64_t extent : shape)
    if (extent < 0)
      return -1;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    rows *= shape[i];
  return rows * packedBytes(shape.empty() ? 1 : shape.back(), bits);
}

size_t tailAxis(const Plane &tail) {
  for (size_t i = 0; i < tail.block.size(); ++i)
    if (tail.block[i] != 1 && tail.block[i] != kWhole)
      return i;
  return 0;
}

int64_t tailExtent(Span<const int64_t> shape, const Format &format) {
  const Plane *tail = format.find(Role::Tail);
  if (!tail)
    return 0;
  size_t axis = tailAxis(*tail);
  int64_t window = tail->block[axis], size = shape[axis];
  for (const Plane &plane : format.planes)
    if (plane.role != Role::Tail && !plane.block.empty() && plane.block[axis] != 1)
      return size % window;
  return std::min(size, window);
}

std::vector<PlaneShape> planeShapes(Span<const int64_t> shape, const Format &format) {
  std::vector<PlaneShape> result;
  result.reserve(1 + format.planes.size());
  result.push_back({Role::Codes, format.elem, {shape.begin(), shape.end()}, 0});
  for (const Plane &plane : format.planes) {
    PlaneShape p{plane.role, plane.type, {}, 0};
    assert((plane.block.empty() || plane.block.size() == shape.size()) && "the format must fit the shape");
    bool isTail = plane.role == Role::Tail;
    for (size_t i = 0; i < plane.block.size(); ++i)
      p.shape.push_back(!isTail                ? blocksOf(shape[i], plane.block[i])
                        : i == tailAxis(plane) ? plane.block[i]
                                               : shape[i]);
    if (plane.role == Role::Table)
      p.shape.push_back(int64_t(1) << format.elem.bits);
    result.push_back(std::move(p));
  }
  for (PlaneShape &p : result)
    p.bytes = packedPlaneBytes(p.shape, p.type.bits);
  return result;
}

int64_t planeBytes(Span<const int64_t> shape, const Format &format) {
  int64_t sum = 0;
  for (const PlaneShape &p : planeShapes(shape, format))
    sum += p.bytes;
  return sum;
}

double bitsPerElement(const Format &format, Span<const int64_t> shape) {
  double elements = 1, sum = 0;
  for (int64_t extent : shape)
    elements *= double(extent);
  for (const PlaneShape &p : planeShapes(shape, format)) {
    double entries = p.type.bits;
    for (int64_t extent : p.shape)
      entries *= double(extent);
    sum += entries;
  }
  return elements > 0 ? sum / elements : format.elem.bits;
}

} // namespace tern
