// decode and encodeCodes: the equation of Format.h over a whole tensor, in runs along the last axis.
#include "lib/Formats/Blocks.h"
#include "lib/Formats/ElementCodec.h"

#include <cmath>

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
    std::vector<Part> &parts = plane.role == Role::Scale  ? scale
                               : plane.role == Role::Zero ? zero
                               : plane.role == Role::Min  ? min
                                                          : table;
    parts.push_back(std::move(part));
  }
}

void Parameters::startRow(const Rows &rows) {
  for (std::vector<Part> *parts : {&scale, &zero, &min, &table})
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

static void lookUp(const Parameters::Part &table, int bits, const uint8_t *packed, int64_t begin, int64_t end,
                   float *out) {
  int32_t codes[kRun];
  unpackCodes(bits, /*isSigned=*/false, end - begin, packed, codes);
  table.map.forBlocks(table.rowStart, begin, end, [&](int64_t entry, int64_t i, int64_t stop) {
    const float *values = table.values.data() + (entry << bits);
    for (; i < stop; ++i)
      out[i - begin] = values[codes[i - begin]];
  });
}

std::string decode(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes, float *out) {
  if (std::string error = verify(format, shape); !error.empty())
    return error;
  std::vector<PlaneShape> shapes = planeShapes(shape, format);
  if (std::string error = checkPlanes(format, shape, planes, shapes); !error.empty())
    return error;
  Parameters params(format, shape, planes);
  Decoder decoder(format.elem);
  Rows rows(shape);
  float s[kRun], z[kRun], m[kRun];
  const uint8_t *packed = planes[0].data();
  for (int64_t r = 0; r < rows.count; ++r, rows.next()) {
    params.startRow(rows);
    for (int64_t begin = 0; begin < rows.length; begin += kRun) {
      int64_t end = std::min(rows.length, begin + kRun), n = end - begin;
      float *x = out + r * rows.length + begin;
      const uint8_t *from = packed + begin * format.elem.bits / 8;
      if (params.table.empty())
        decoder.row(from, n, x);
      else
        lookUp(params.table[0], format.elem.bits, from, begin, end, x);
      if (const float *zero = params.zeros(begin, end, z))
        for (int64_t i = 0; i < n; ++i)
          x[i] = x[i] - zero[i];
      if (const float *scale = params.scales(begin, end, s))
        for (int64_t i = 0; i < n; ++i)
          x[i] = x[i] * scale[i];
      if (const float *min = params.minima(begin, end, m))
        for (int64_t i = 0; i < n; ++i)
          x[i] = x[i] + min[i];
    }
    packed += packedBytes(rows.length, format.elem.bits);
  }
  return "";
}

static std::string outsideError(const Format &format, const Encode &encode, int64_t element, float value) {
  return "element " + std::to_string(element) + " (" + std::to_string(value) + ") is outside the codes of " +
         format.str() + " by " + encode.str() + "; use sat = clamp or a larger scale";
}

std::string encodeCodes(const Format &format, const Encode &encode, Span<const int64_t> shape, const float *x,
                        Span<const Bytes> planes) {
  Encode given = encode;
  given.rule = Rule::Given;
  if (std::string error = verify(format, shape); !error.empty())
    return error;
  if (std::string error = verify(given, format); !error.empty())
    return error;
  std::vector<PlaneShape> shapes = planeShapes(shape, format);
  if (std::string error = checkPlanes(format, shape, planes, shapes); !error.empty())
    return error;
  std::vector<ConstBytes> read(planes.begin(), planes.end());
  Parameters params(format, shape, read);
  const Plane *zeroPlane = format.find(Role::Zero);
  Encoder encoder(format.elem, encode, zeroPlane ? &zeroPlane->type : nullptr);
  Rows rows(shape);
  float y[kRun], s[kRun], z[kRun], m[kRun];
  int32_t codes[kRun];
  uint8_t *packed = planes[0].data();
  for (int64_t r = 0; r < rows.count; ++r, rows.next()) {
    params.startRow(rows);
    for (int64_t begin = 0; begin < rows.length; begin += kRun) {
      int64_t end = std::min(rows.length, begin + kRun), n = end - begin, outside = -1;
      const float *v = x + r * rows.length + begin;
      if (const float *min = params.minima(begin, end, m)) {
        for (int64_t i = 0; i < n; ++i)
          y[i] = v[i] - min[i];
        v = y;
      }
      if (const float *scale = params.scales(begin, end, s)) {
        for (int64_t i = 0; i < n; ++i) {
          float quotient = v[i] / scale[i], none = std::copysign(0.0f, v[i]);
          y[i] = scale[i] == 0 ? none : quotient;
        }
        v = y;
      }
      const float *zero = params.zeros(begin, end, z);
      auto encodeRun = [&](int64_t i, int64_t stop) {
        int64_t o = i - begin, bad = encoder.run(v + o, zero ? zero + o : nullptr, stop - i, codes + o);
        outside = outside < 0 && bad >= 0 ? o + bad : outside;
      };
      if (params.table.empty()) {
        encodeRun(begin, end);
      } else {
        const Parameters::Part &table = params.table[0];
        table.map.forBlocks(table.rowStart, begin, end, [&](int64_t entry, int64_t i, int64_t stop) {
          encoder.setTable(table.values.data() + (entry << format.elem.bits));
          encodeRun(i, stop);
        });
      }
      if (outside >= 0) {
        int64_t element = r * rows.length + begin + outside;
        return outsideError(format, encode, element, x[element]);
      }
      packCodes(format.elem.bits, n, codes, packed + begin * format.elem.bits / 8);
    }
    packed += packedBytes(rows.length, format.elem.bits);
  }
  return "";
}

int64_t countNonFinite(const float *x, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i)
    count += (bitsOf(x[i]) & 0x7fffffff) >= 0x7f800000;
  return count;
}

} // namespace tern
