// The tail plane: the newest positions of a cache, which stay floats (KIVI, docs/FORMATS.md 1.2).
#include "lib/Formats/Blocks.h"

namespace tern {

TailSplit::TailSplit(const Format &format, Span<const int64_t> shape)
    : rest(format), shape(shape.begin(), shape.end()) {
  for (size_t i = 0; i < format.planes.size(); ++i)
    if (format.planes[i].role == Role::Tail)
      plane = i + 1;
  if (!plane)
    return;
  const Plane &tail = format.planes[plane - 1];
  type = tail.type;
  tailShape = planeShapes(shape, format)[plane].shape;
  axis = tailAxis(tail);
  covered = tailExtent(shape, format);
  rest.planes.erase(rest.planes.begin() + int64_t(plane - 1));
}

template <typename Fn> void TailSplit::forCovered(Fn fn) const {
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < shape.size(); ++i)
    (i < axis ? outer : inner) *= i == axis ? 1 : shape[i];
  for (int64_t o = 0; o < outer; ++o)
    fn((o * shape[axis] + shape[axis] - covered) * inner, o * tailShape[axis] * inner, covered * inner);
}

std::vector<float> TailSplit::closedValues(const float *x) const {
  int64_t n = 1;
  for (int64_t extent : shape)
    n *= extent;
  std::vector<float> values(x, x + n);
  forCovered([&](int64_t at, int64_t, int64_t count) { std::fill_n(values.begin() + at, count, 0.0f); });
  return values;
}

/// Rows and their length, as planes are packed.
static std::pair<int64_t, int64_t> rowsOf(const std::vector<int64_t> &shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i)
    rows *= shape[i];
  return {rows, shape.back()};
}

void TailSplit::writeTail(const float *x, Bytes tail) const {
  auto [rows, length] = rowsOf(tailShape);
  std::vector<float> values(size_t(rows * length), 0.0f);
  forCovered([&](int64_t at, int64_t to, int64_t count) { std::copy_n(x + at, count, values.begin() + to); });
  encodeEntries(type, rows, length, values.data(), tail.data());
}

void TailSplit::readTail(ConstBytes tail, float *x) const {
  auto [rows, length] = rowsOf(tailShape);
  std::vector<float> values(size_t(rows * length));
  decodeEntries(type, rows, length, tail.data(), values.data());
  forCovered([&](int64_t at, int64_t from, int64_t count) { std::copy_n(values.begin() + from, count, x + at); });
}

} // namespace tern
