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
      if (format.planes[i].role == Role::Select)
        select = i;
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
      return format.elem.isUnion() ? chooseAlternatives(map) : absmax(map);
    case Rule::Minmax:
      format.planes[size_t(offset)].block == format.planes[scales[0]].block ? minmax(map) : sharedMinmax(map);
      return "";
    case Rule::Absmean:
      writeScales(meanMagnitude(map, shape, x), 1.0);
      break;
    case Rule::SignedAbsmax:
      writeScales(signedLargest(map, shape, x), double(lo) * format.elem.step());
      break;
    case Rule::FloorPow2:
    case Rule::CeilPow2:
      return format.elem.isUnion() ? chooseAlternatives(map) : powers(map);
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

  /// Every block tries all alternatives of the union and keeps the one of least squared error, the first of equal ones.
  std::string chooseAlternatives(const BlockMap &map) {
    std::vector<float> most = magnitudes(map);
    std::vector<double> targets;
    for (int a = 0; a < format.elem.alternatives(); ++a) {
      double q = 0;
      for (uint32_t code = 0; code < (1u << format.elem.bits); ++code)
        q = std::max(q, std::fabs(format.elem.valueOf(code, a)));
      targets.push_back(q);
    }
    std::vector<float> chosen(most.size(), 0.0f), all;
    std::vector<double> best, errors, q(most.size());
    bool isPow2 = encode.rule != Rule::Absmax;
    for (size_t a = 0; a < targets.size(); ++a) {
      write(select, std::vector<float>(most.size(), float(a)));
      isPow2 ? writePowers(map, most, std::vector<double>(most.size(), targets[a]))
             : (void)writeScales(most, encodeTarget(format.elem, encode), std::vector<double>(most.size(), targets[a]));
      if (std::string error = blockErrors(format, encode, shape, x, planes, errors); !error.empty())
        return error;
      best.resize(errors.size(), std::numeric_limits<double>::infinity());
      for (size_t i = 0; i < errors.size(); ++i)
        if (errors[i] < best[i] || a == 0) {
          best[i] = errors[i];
          chosen[i] = float(a);
        }
    }
    for (size_t i = 0; i < chosen.size(); ++i)
      q[i] = targets[size_t(chosen[i])];
    write(select, chosen);
    isPow2 ? writePowers(map, most, q) : (void)writeScales(most, encodeTarget(format.elem, encode), q);
    return "";
  }

  std::string powers(const BlockMap &map) {
    double q;
    if (std::string error = target(q); !error.empty())
      return error;
    std::vector<float> values = magnitudes(map);
    writePowers(map, values, std::vector<double>(values.size(), q));
    middleZero();
    return "";
  }

  /// The only scale plane, a power of two for each block by its largest magnitude and its target.
  void writePowers(const BlockMap &map, std::vector<float> values, const std::vector<double> &q) {
    for (size_t i = 0; i < values.size(); ++i)
      if (float &v = values[i] *= clipOf(i); v > 0) {
        int k = encode.rule == Rule::FloorPow2 ? floorLog2(v) - floorLog2(q[i]) : ceilPow2(v, q[i]);
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

  /// An integer zero point for several scales: from the range of its own block as for one scale, then each scale is the
  /// smallest that covers both sides of it.
  void sharedMinmax(const BlockMap &map) {
    const Plane &zero = format.planes[size_t(offset)];
    BlockMap zeroMap(shape, zero.block);
    auto lowest = [](int32_t o) { return o == Smallest::start ? 0 : std::min(fromOrdered(o), 0.0f); };
    auto highest = [](int32_t o) { return o == Largest::start ? 0 : std::max(fromOrdered(o), 0.0f); };
    std::vector<int32_t> low = reduce<Smallest>(zeroMap, shape, x), high = reduce<Largest>(zeroMap, shape, x);
    std::vector<float> z(low.size());
    for (size_t i = 0; i < z.size(); ++i) {
      double mn = lowest(low[i]), mx = highest(high[i]), range = mx - mn;
      double at = range > 0 ? double(lo) - mn / range * double(hi - lo) : double(lo);
      z[i] = float(std::min(std::max(std::nearbyint(at), double(lo)), double(hi)));
    }
    low = reduce<Smallest>(map, shape, x);
    high = reduce<Largest>(map, shape, x);
    std::vector<float> most(low.size());
    forCoarser(shape, format.planes[scales[0]], zero, [&](int64_t begin, int64_t end, int64_t entry) {
      double below = double(z[size_t(entry)]) - double(lo), above = double(hi) - double(z[size_t(entry)]);
      for (size_t i = size_t(begin); i < size_t(end); ++i) {
        double down = below > 0 ? -double(lowest(low[i])) / below : 0, up = above > 0 ? highest(high[i]) / above : 0;
        most[i] = float(std::max(down, up) / format.elem.step());
      }
    });
    writeScales(most, 1.0);
    write(size_t(offset), z);
  }

  /// A zero plane beside a symmetric rule holds the middle of the range.
  void middleZero() {
    if (offset < 0)
      return;
    int64_t entries = entriesOf(shapes[size_t(offset) + 1]);
    write(size_t(offset), std::vector<float>(size_t(entries), float(lo + (hi - lo + 1) / 2)));
  }

  /// Writes all scale planes, coarsest first: each is the value that the finer types leave over. `numerator` has one
  /// value per block of the finest plane; `targets`, where a block has a target of its own, one for the finest scale.
  /// Returns the product of the stored scales for each of these blocks.
  std::vector<float> writeScales(const std::vector<float> &numerator, double q, Span<const double> targets = {}) {
    size_t n = numerator.size();
    std::vector<float> coarser; // product of the scales that are already written, per finest block
    const Plane &finest = format.planes[scales[0]];
    for (size_t level = scales.size(); level-- > 0;) {
      double room = q;
      for (size_t finer = 0; finer < level; ++finer)
        room *= format.planes[scales[finer]].type.maxValue();
      const Plane &plane = format.planes[scales[level]];
      std::vector<float> values(size_t(entriesOf(shapes[scales[level] + 1])), 0.0f), product(n);
      auto value = [&](size_t i) {
        double most = level || targets.empty() ? room : targets[i];
        float v = numerator[i] * (level ? 1.0f : clipOf(i)) / float(most);
        if (coarser.empty())
          return v;
        return coarser[i] == 0 ? 0.0f : v / coarser[i];
      };
      if (level == 0)
        for (size_t i = 0; i < n; ++i)
          values[i] = value(i);
      else
        forCoarser(shape, finest, plane, [&](int64_t begin, int64_t end, int64_t entry) {
          float largest = values[size_t(entry)];
          for (size_t i = size_t(begin); i < size_t(end); ++i)
            if (float v = value(i); std::fabs(v) > std::fabs(largest))
              largest = v;
          values[size_t(entry)] = largest;
        });
      std::vector<float> stored = write(scales[level], std::move(values));
      forCoarser(shape, finest, plane, [&](int64_t begin, int64_t end, int64_t entry) {
        for (size_t i = size_t(begin); i < size_t(end); ++i)
          product[i] = stored[size_t(entry)] * (coarser.empty() ? 1.0f : coarser[i]);
      });
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
    bool isFinerInteger = p.type.isInteger() && plane != scales.back();
    if (p.role != Role::Scale || !(p.type.isFloat() || isFinerInteger))
      return values;
    // Zero has no reciprocal: it is stored as 1. A block of zeros is 0 anyhow; one that a finer integer scale is too
    // coarse for keeps the smallest step there is.
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
  size_t select = 0;          // of a union
  int64_t lo, hi;
};

} // namespace

double encodeTarget(const Element &elem, const Encode &encode, Span<const float> table) {
  if (elem.hasIntegerCodes())
    return double(encode.high(elem) - encode.low(elem)) / 2 * elem.step();
  if (elem.kind == ElementKind::Pot)
    return elem.valueOf(uint32_t(encode.low(elem)));
  if (elem.isUnion() || elem.kind == ElementKind::Pair) {
    double least = std::numeric_limits<double>::infinity();
    for (int a = 0; a < elem.alternatives(); ++a) {
      double most = 0;
      for (uint32_t code = 0; code < (1u << elem.bits); ++code)
        most = std::max(most, std::fabs(elem.valueOf(code, a)));
      least = std::min(least, most);
    }
    return least;
  }
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
  if (TailSplit tail(format, shape); tail) {
    tail.writeTail(x, planes[tail.plane]);
    return chooseParameters(tail.closed(), encode, shape, tail.closedValues(x).data(), tail.closedPlanes(planes), clip);
  }
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
