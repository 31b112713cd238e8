// decode and encodeCodes: the equation of Format.h over a whole tensor, in runs along the last axis.
#include "lib/Formats/Blocks.h"
#include "lib/Formats/ElementCodec.h"

#include <cmath>
#include <limits>

namespace tern {

Parameters::Parameters(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes) {
  std::vector<PlaneShape> shapes = planeShapes(shape, format);
  for (size_t i = 0; i < format.planes.size(); ++i) {
    const Plane &plane = format.planes[i];
    const PlaneShape &entries = shapes[i + 1];
    Part part{BlockMap(shape, plane.block), {}, 0};
    int64_t rows = 1, length = entries.shape.empty() ? 1 : entries.shape.back();
    for (size_t d = 0; d + 1 < entries.shape.size(); ++d)
      rows *= entries.shape[d];
    part.values.resize(size_t(rows * length));
    decodeEntries(plane.type, rows, length, planes[i + 1].data(), part.values.data());
    std::vector<Part> &parts = plane.role == Role::Scale   ? scale
                               : plane.role == Role::Zero  ? zero
                               : plane.role == Role::Min   ? min
                               : plane.role == Role::Table ? table
                                                           : select;
    const Plane *finest = format.find(plane.role);
    if (parts.empty() || finest->block.empty()) {
      parts.push_back(std::move(part));
      continue;
    }
    float *product = parts[0].values.data();
    forCoarser(shape, *finest, plane, [&](int64_t begin, int64_t end, int64_t entry) {
      for (int64_t e = begin; e < end; ++e)
        product[e] = product[e] * part.values[size_t(entry)];
    });
  }
}

void Parameters::startRow(const Rows &rows) {
  for (std::vector<Part> *parts : {&scale, &zero, &min, &table, &select})
    for (Part &part : *parts)
      part.rowStart = part.map.rowStart(rows);
}

const float *Parameters::combine(const std::vector<Part> &parts, int64_t begin, int64_t end, float *buffer) const {
  if (parts.empty())
    return nullptr;
  float other[kRun];
  for (size_t p = 0; p < parts.size(); ++p) {
    const Part &part = parts[p];
    part.map.spread(part.values.data(), part.rowStart, begin, end, p ? other : buffer);
    if (p)
      for (int64_t i = 0; i < end - begin; ++i)
        buffer[i] = buffer[i] * other[i];
  }
  return buffer;
}

namespace {

/// Runs of at most kRun elements of one row, with the parameters of one tensor.
class RunCodec {
public:
  RunCodec(const Format &format, const Encode &encode, Span<const int64_t> shape, Span<const ConstBytes> planes)
      : params(format, shape, planes), bits(format.elem.bits), decoder(format.elem),
        encoders(size_t(format.elem.alternatives()), Encoder(format.elem, encode, zeroType(format))) {
    if (!format.elem.isUnion())
      return;
    for (int a = 0; a < format.elem.alternatives(); ++a)
      for (uint32_t code = 0; code < (1u << bits); ++code)
        alternatives.push_back(float(format.elem.valueOf(code, a)));
    for (size_t a = 0; a < encoders.size(); ++a)
      encoders[a].setTable(alternatives.data() + (a << bits));
  }

  void startRow(const Rows &rows) { params.startRow(rows); }

  /// Codes of the elements [begin, end) of the row; x points at the first. Returns what Encoder::run returns.
  int64_t encode(const float *x, int64_t begin, int64_t end, int32_t *codes) {
    int64_t n = end - begin;
    const float *v = x;
    if (const float *min = params.minima(begin, end, second)) {
      for (int64_t i = 0; i < n; ++i)
        first[i] = v[i] - min[i];
      v = first;
    }
    if (const float *scale = params.scales(begin, end, second)) {
      for (int64_t i = 0; i < n; ++i) {
        float quotient = v[i] / scale[i], none = std::copysign(0.0f, v[i]);
        first[i] = scale[i] == 0 ? none : quotient;
      }
      v = first;
    }
    const float *zero = params.zeros(begin, end, second);
    if (!hasTables())
      return encoders[0].run(v, zero, n, codes);
    int64_t outside = -1;
    forTables(begin, end, [&](size_t alternative, const float *values, int64_t i, int64_t stop) {
      int64_t o = i - begin;
      if (alternatives.empty() && values != lastTable)
        encoders[0].setTable(lastTable = values);
      int64_t bad = encoders[alternative].run(v + o, zero ? zero + o : nullptr, stop - i, codes + o);
      outside = outside < 0 && bad >= 0 ? o + bad : outside;
    });
    return outside;
  }

  void decode(const int32_t *codes, int64_t begin, int64_t end, float *x) {
    int64_t n = end - begin;
    if (!hasTables())
      decoder.run(codes, n, x);
    else
      forTables(begin, end, [&](size_t, const float *values, int64_t i, int64_t stop) {
        for (; i < stop; ++i)
          x[i - begin] = values[codes[i - begin]];
      });
    if (const float *zero = params.zeros(begin, end, second))
      for (int64_t i = 0; i < n; ++i)
        x[i] = x[i] - zero[i];
    if (const float *scale = params.scales(begin, end, second))
      for (int64_t i = 0; i < n; ++i)
        x[i] = x[i] * scale[i];
    if (const float *min = params.minima(begin, end, second))
      for (int64_t i = 0; i < n; ++i)
        x[i] = x[i] + min[i];
  }

private:
  static const Element *zeroType(const Format &format) {
    const Plane *zero = format.find(Role::Zero);
    return zero ? &zero->type : nullptr;
  }

  bool hasTables() const { return !params.table.empty() || !params.select.empty(); }

  /// Calls fn(alternative, values of all codes, begin, end) for stretches of the row with one table.
  template <typename Fn> void forTables(int64_t begin, int64_t end, Fn fn) {
    bool isLut = !params.table.empty();
    const Parameters::Part &part = isLut ? params.table[0] : params.select[0];
    part.map.forBlocks(part.rowStart, begin, end, [&](int64_t entry, int64_t i, int64_t stop) {
      size_t alternative = isLut ? 0 : size_t(part.values[size_t(entry)]);
      fn(alternative, isLut ? part.values.data() + (entry << bits) : alternatives.data() + (alternative << bits), i,
         stop);
    });
  }

  Parameters params;
  int bits;
  Decoder decoder;
  std::vector<Encoder> encoders; // one, or one for each alternative of a union
  std::vector<float> alternatives;
  const float *lastTable = nullptr; // that encoders[0] has
  float first[kRun], second[kRun];
};

/// Calls fn(element, begin, end, packed offset) for all runs of a tensor, row by row.
template <typename Fn> void forRuns(RunCodec &codec, Span<const int64_t> shape, int bits, Fn fn) {
  Rows rows(shape);
  for (int64_t r = 0; r < rows.count; ++r, rows.next()) {
    codec.startRow(rows);
    for (int64_t begin = 0; begin < rows.length; begin += kRun)
      if (!fn(r * rows.length + begin, begin, std::min(rows.length, begin + kRun),
              r * packedBytes(rows.length, bits) + begin * bits / 8))
        return;
  }
}

/// What must hold before codes are made with given parameters.
std::string checkGiven(const Format &format, const Encode &encode, Span<const int64_t> shape,
                       Span<const Bytes> planes) {
  Encode given = encode;
  given.rule = Rule::Given;
  if (std::string error = verify(format, shape); !error.empty())
    return error;
  if (std::string error = verify(given, format); !error.empty())
    return error;
  if (std::string error = checkPlanes(format, planes, planeShapes(shape, format)); !error.empty())
    return error;
  return checkSelect(format, shape, std::vector<ConstBytes>(planes.begin(), planes.end()));
}

} // namespace

std::string checkSelect(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes) {
  std::vector<PlaneShape> shapes = planeShapes(shape, format);
  for (size_t p = 1; p < shapes.size(); ++p) {
    if (shapes[p].role != Role::Select)
      continue;
    int64_t rows = 1, length = shapes[p].shape.empty() ? 1 : shapes[p].shape.back();
    for (size_t d = 0; d + 1 < shapes[p].shape.size(); ++d)
      rows *= shapes[p].shape[d];
    std::vector<float> values(size_t(rows * length));
    decodeEntries(shapes[p].type, rows, length, planes[p].data(), values.data());
    for (float v : values)
      if (v >= float(format.elem.alternatives()))
        return "plane 'select' holds " + std::to_string(int(v)) + "; " + format.elem.str() +
               " has the alternatives 0 to " + std::to_string(format.elem.alternatives() - 1);
  }
  return "";
}

std::string decode(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes, float *out) {
  if (std::string error = verify(format, shape); !error.empty())
    return error;
  if (std::string error = checkPlanes(format, planes, planeShapes(shape, format)); !error.empty())
    return error;
  if (std::string error = checkSelect(format, shape, planes); !error.empty())
    return error;
  if (TailSplit tail(format, shape); tail) {
    std::string error = decode(tail.closed(), shape, tail.closedPlanes(planes), out);
    tail.readTail(planes[tail.plane], out);
    return error;
  }
  RunCodec codec(format, Encode(Rule::Given), shape, planes);
  const Element &elem = format.elem;
  int32_t codes[kRun];
  forRuns(codec, shape, elem.bits, [&](int64_t element, int64_t begin, int64_t end, int64_t packed) {
    unpackCodes(elem.bits, elem.hasSignedCodes(), end - begin, planes[0].data() + packed, codes);
    codec.decode(codes, begin, end, out + element);
    return true;
  });
  return "";
}

std::string encodeCodes(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
                        Span<const Bytes> planes) {
  if (std::string error = checkGiven(format, encode, shape, planes); !error.empty())
    return error;
  if (TailSplit tail(format, shape); tail)
    return encodeCodes(tail.closed(), encode, shape, tail.closedValues(x).data(), tail.closedPlanes(planes));
  RunCodec codec(format, encode, shape, std::vector<ConstBytes>(planes.begin(), planes.end()));
  int32_t codes[kRun];
  std::string error;
  forRuns(codec, shape, format.elem.bits, [&](int64_t element, int64_t begin, int64_t end, int64_t packed) {
    int64_t outside = codec.encode(x + element, begin, end, codes);
    if (outside >= 0)
      error = "element " + std::to_string(element + outside) + " (" + std::to_string(x[element + outside]) +
              ") is outside the codes of " + format.str() + " by " + encode.str() +
              "; use sat = clamp or a larger scale";
    else
      packCodes(format.elem.bits, end - begin, codes, planes[0].data() + packed);
    return outside < 0;
  });
  return error;
}

/// In four partial sums: a fixed order that vectorizes.
static double squaredError(const float *x, const float *y, int64_t n) {
  double sums[4] = {};
  auto term = [&](int64_t i) {
    float difference = x[i] - y[i];
    difference = std::fabs(difference) <= std::numeric_limits<float>::max() ? difference : 0.0f;
    return double(difference) * double(difference);
  };
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int lane = 0; lane < 4; ++lane)
      sums[lane] += term(i + lane);
  for (; i < n; ++i)
    sums[0] += term(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

std::string blockErrors(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
                        Span<const Bytes> planes, std::vector<double> &errors) {
  if (std::string error = checkGiven(format, encode, shape, planes); !error.empty())
    return error;
  if (TailSplit tail(format, shape); tail)
    return blockErrors(tail.closed(), encode, shape, tail.closedValues(x).data(), tail.closedPlanes(planes), errors);
  RunCodec codec(format, encode, shape, std::vector<ConstBytes>(planes.begin(), planes.end()));
  const Plane *scale = format.find(Role::Scale);
  BlockMap map(shape, scale ? scale->block : std::vector<int64_t>());
  Rows rows(shape);
  errors.assign(size_t(map.entries), 0.0);
  int32_t codes[kRun];
  float decoded[kRun];
  forRuns(codec, shape, format.elem.bits, [&](int64_t element, int64_t begin, int64_t end, int64_t) {
    codec.encode(x + element, begin, end, codes);
    codec.decode(codes, begin, end, decoded);
    map.forBlocks(map.rowStart(rows), begin, end, [&](int64_t entry, int64_t i, int64_t stop) {
      errors[size_t(entry)] += squaredError(x + element + i - begin, decoded + i - begin, stop - i);
    });
    if (end == rows.length)
      rows.next();
    return true;
  });
  return "";
}

int64_t countNonFinite(const float *x, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i)
    count += (bitsOf(x[i]) & 0x7fffffff) >= 0x7f800000;
  return count;
}

} // namespace tern
