// chooseParameters: the rules of #tern.encode, from block statistics to planes.
#include "lib/Formats/BlockStatistics.h"

#include <cmath>
#include <limits>

namespace tern {
namespace {

/// floor(log2 x) of a positive finite number, exact.
int floorLog2(double x) {
  int exponent;
  std::frexp(x, &exponent);
  return exponent - 1;
}

/// Smallest k with x <= q * 2^k, exact: both sides fit a double.
int ceilPow2(double x, double q) {
  int k = floorLog2(x) - floorLog2(q) - 1;
  while (x > std::ldexp(q, k))
    ++k;
  return k;
}

/// For each entry of the finer plane, the entry of the coarser one that holds its block (rule F2).
std::vector<size_t> coarserEntries(Span<const int64_t> shape, const Plane &fine, const Plane &coarse) {
  if (fine.block.empty())
    return {0};
  // Blocks of the coarser plane, counted in blocks of the finer one.
  std::vector<int64_t> fineShape, ratio;
  for (size_t d = 0; d < fine.block.size(); ++d) {
    bool whole = coarse.block.empty() || coarse.block[d] == kWhole || fine.block[d] == kWhole;
    fineShape.push_back(fine.block[d] == kWhole ? 1 : (shape[d] + fine.block[d] - 1) / fine.block[d]);
    ratio.push_back(whole ? kWhole : coarse.block[d] / fine.block[d]);
  }
  BlockMap map(fineShape, ratio);
  Rows rows(fineShape);
  std::vector<size_t> result;
  for (int64_t r = 0; r < rows.count; ++r, rows.next())
    map.forBlocks(map.rowStart(rows), 0, rows.length, [&](int64_t entry, int64_t i, int64_t stop) {
      result.insert(result.end(), size_t(stop - i), size_t(entry));
    });
  return result;
}

int64_t entriesOf(const PlaneShape &plane) {
  int64_t entries = 1;
  for (int64_t extent : plane.shape)
    entries *= extent;
  return entries;
}

/// Computes and writes all planes but the codes.
class Chooser {
public:
  Chooser(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
          Span<const Bytes> planes, Span<const float> clip)
      : format(format), encode(encode), shape(shape), x(x), planes(planes), clip(clip),
        shapes(planeShapes(shape, format)) {
    for (size_t i = 0; i < format.planes.size(); ++i) {
      if (format.planes[i].role == Role::Scale)
        scales.push_back(i);
      if (format.planes[i].role == Role::Zero || format.planes[i].role == Role::Min)
        offset = int(i);
    }
    lo = encode.low(format.elem);
    hi = encode.high(format.elem);
  }

  std::string run() {
    if (scales.empty())
      return "";
    BlockMap map(shape, format.planes[scales[0]].block);
    if (!clip.empty() && int64_t(clip.size()) != map.entries)
      return "one clip factor per block: expected " + std::to_string(map.entries) + ", found " +
             std::to_string(clip.size());
    switch (encode.rule) {
    case Rule::Absmax:
      return absmax(map);
    case Rule::Minmax:
      minmax(map);
      return "";
    case Rule::Absmean:
      writeScales(meanMagnitude(map, shape, x), 1.0);
      break;
    case Rule::SignedAbsmax:
      writeScales(signedLargest(map, shape, x), double(lo) * format.elem.step());
      break;
    case Rule::FloorPow2:
    case Rule::CeilPow2:
      return powers(map);
    case Rule::Given:
      return "rule given takes its planes from an import, a plan or a method; use encodeCodes";
    }
    middleZero();
    return "";
  }

private:
  float clipOf(size_t block) const { return clip.empty() ? 1.0f : clip[block]; }

  std::string target(double &q) const {
    std::vector<float> entries;
    for (size_t i = 0; i < format.planes.size(); ++i)
      if (format.planes[i].role == Role::Table) {
        entries.resize(size_t(1) << format.elem.bits);
        decodeEntries(format.planes[i].type, 1, int64_t(entries.size()), planes[i + 1].data(), entries.data());
      }
    q = encodeTarget(format.elem, encode, entries);
    return q > 0 ? "" : "the table of " + format.str() + " has no finite entry but 0";
  }

  std::vector<float> magnitudes(const BlockMap &map) const {
    std::vector<int32_t> bits = reduce<LargestMagnitude>(map, shape, x);
    std::vector<float> result(bits.size());
    for (size_t i = 0; i < bits.size(); ++i)
      result[i] = fromBits(uint32_t(bits[i]));
    return result;
  }

  std::string absmax(const BlockMap &map) {
    double q;
    if (std::string error = target(q); !error.empty())
      return error;
    writeScales(magnitudes(map), q);
    middleZero();
    return "";
  }

  std::string powers(const BlockMap &map) {
    double q;
    if (std::string error = target(q); !error.empty())
      return error;
    std::vector<float> values = magnitudes(map);
    int emax = floorLog2(q);
    for (size_t i = 0; i < values.size(); ++i)
      if (float &v = values[i] *= clipOf(i); v > 0) {
        int k = encode.rule == Rule::FloorPow2 ? floorLog2(v) - emax : ceilPow2(v, q);
        v = std::ldexp(1.0f, std::min(std::max(k, -127), 127));
      }
    // OCP MX: a NaN that the element cannot hold makes the scale of its block NaN.
    if (format.planes[scales[0]].type.kind == ElementKind::E8M0 && !format.elem.hasNaN()) {
      std::vector<int32_t> bits = reduce<LargestBits>(map, shape, x);
      for (size_t i = 0; i < bits.size(); ++i)
        if (bits[i] > kInfinityBits)
          values[i] = std::numeric_limits<float>::quiet_NaN();
    }
    write(scales[0], values);
    middleZero();
    return "";
  }

  /// Range and offset of each block.
  void minmax(const BlockMap &map) {
    std::vector<int32_t> low = reduce<Smallest>(map, shape, x), high = reduce<Largest>(map, shape, x);
    size_t n = low.size();
    std::vector<float> least(n), range(n);
    bool zeroPoint = format.planes[size_t(offset)].role == Role::Zero;
    bool integerZero = zeroPoint && format.planes[size_t(offset)].type.isInteger();
    for (size_t i = 0; i < n; ++i) {
      bool none = low[i] == Smallest::start && high[i] == Largest::start;
      float mn = none ? 0 : fromOrdered(low[i]), mx = none ? 0 : fromOrdered(high[i]);
      if (integerZero) {
        mn = std::min(mn, 0.0f);
        mx = std::max(mx, 0.0f);
      }
      least[i] = mn * clipOf(i);
      // mx - mn may overflow.
      range[i] = std::min(mx - mn, std::numeric_limits<float>::max());
    }
    double step = format.elem.step();
    std::vector<float> s = writeScales(range, double(hi - lo) * step);
    for (size_t i = 0; i < n; ++i) {
      if (!zeroPoint)
        least[i] = lo == 0 ? least[i] : least[i] - float(double(lo) * step) * s[i];
      else if (integerZero)
        least[i] =
            float(std::min(std::max(std::nearbyint(double(-least[i] / s[i])) + double(lo), double(lo)), double(hi)));
      else
        least[i] = float(lo) - least[i] / s[i];
    }
    write(size_t(offset), least);
  }

  /// A zero plane beside a symmetric rule holds the middle of the range.
  void middleZero() {
    if (offset < 0)
      return;
    int64_t entries = entriesOf(shapes[size_t(offset) + 1]);
    write(size_t(offset), std::vector<float>(size_t(entries), float(lo + (hi - lo + 1) / 2)));
  }

  /// Writes all scale planes, coarsest first: each is the value that the finer types leave over. `numerator` has one
  /// value per block of the finest plane. Returns the product of the stored scales for each of these blocks.
  std::vector<float> writeScales(const std::vector<float> &numerator, double q) {
    size_t n = numerator.size();
    std::vector<float> coarser; // product of the scales that are already written, per finest block
    const Plane &finest = format.planes[scales[0]];
    for (size_t level = scales.size(); level-- > 0;) {
      double room = q;
      for (size_t finer = 0; finer < level; ++finer)
        room *= format.planes[scales[finer]].type.maxValue();
      std::vector<size_t> entry = coarserEntries(shape, finest, format.planes[scales[level]]);
      std::vector<float> values(size_t(entriesOf(shapes[scales[level] + 1])), 0.0f);
      for (size_t i = 0; i < n; ++i) {
        float v = numerator[i] * (level ? 1.0f : clipOf(i)) / float(room);
        if (!coarser.empty())
          v = coarser[i] == 0 ? 0.0f : v / coarser[i];
        if (std::fabs(v) > std::fabs(values[entry[i]]))
          values[entry[i]] = v;
      }
      std::vector<float> stored = write(scales[level], values);
      std::vector<float> product(n);
      for (size_t i = 0; i < n; ++i)
        product[i] = stored[entry[i]] * (coarser.empty() ? 1.0f : coarser[i]);
      coarser = std::move(product);
    }
    return coarser;
  }

  /// Stores one value per entry in the type of the plane, and returns what the plane then says.
  std::vector<float> write(size_t plane, std::vector<float> values) {
    const PlaneShape &p = shapes[plane + 1];
    int64_t length = p.shape.empty() ? 1 : p.shape.back(), count = int64_t(values.size());
    int64_t rows = length ? count / length : 0;
    uint8_t *out = planes[plane + 1].data();
    encodeEntries(p.type, rows, length, values.data(), out);
    decodeEntries(p.type, rows, length, out, values.data());
    if (p.role != Role::Scale || !p.type.isFloat())
      return values;
    // Zero has no reciprocal: it is stored as 1, and the block is 0 anyhow.
    bool any = false;
    for (float &v : values) {
      any |= v == 0;
      v = v == 0 ? 1.0f : v;
    }
    if (any)
      encodeEntries(p.type, rows, length, values.data(), out);
    return values;
  }

  const Format &format;
  const Encode &encode;
  Span<const int64_t> shape;
  const float *x;
  Span<const Bytes> planes;
  Span<const float> clip;
  std::vector<PlaneShape> shapes;
  std::vector<size_t> scales; // finest first
  int offset = -1;            // the zero or min plane
  int64_t lo, hi;
};

} // namespace

double encodeTarget(const Element &elem, const Encode &encode, Span<const float> table) {
  if (elem.hasIntegerCodes())
    return double(encode.high(elem) - encode.low(elem)) / 2 * elem.step();
  if (elem.kind != ElementKind::Lut)
    return elem.maxValue();
  float most = 0;
  for (float v : table)
    most = std::isfinite(v) ? std::max(most, std::fabs(v)) : most;
  return most;
}

std::string chooseParameters(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
                             Span<const Bytes> planes, Span<const float> clip) {
  if (std::string error = verify(format, shape); !error.empty())
    return error;
  if (std::string error = verify(encode, format); !error.empty())
    return error;
  if (std::string error = checkPlanes(format, planes, planeShapes(shape, format)); !error.empty())
    return error;
  return Chooser(format, encode, shape, x, planes, clip).run();
}

std::string encodeTensor(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
                         Span<const Bytes> planes) {
  std::string error = chooseParameters(format, encode, shape, x, planes);
  return error.empty() ? encodeCodes(format, encode, shape, x, planes) : error;
}

bool Encode::operator==(const Encode &o) const {
  return rule == o.rule && hasRange == o.hasRange && (!hasRange || (lo == o.lo && hi == o.hi)) && round == o.round &&
         order == o.order && sat == o.sat;
}

} // namespace tern
