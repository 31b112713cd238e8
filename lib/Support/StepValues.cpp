#include "lib/Support/Artifact.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/Endian.h"
#include <cstring>

using namespace llvm;
using namespace tern;

template <typename T> static T read(const char *data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

static float readSmallFloat(const fltSemantics &semantics, const char *data) {
  APFloat value(semantics, APInt(16, read<uint16_t>(data)));
  return value.convertToFloat();
}

/// One element as it is stored, before decoding.
static double readElement(int32_t dtype, const char *data) {
  switch (dtype) {
  case TERN_F32:
    return read<float>(data);
  case TERN_F16:
    return readSmallFloat(APFloat::IEEEhalf(), data);
  case TERN_BF16:
    return readSmallFloat(APFloat::BFloat(), data);
  case TERN_F64:
    return read<double>(data);
  case TERN_U8:
  case TERN_BOOL:
    return read<uint8_t>(data);
  case TERN_I8:
    return read<int8_t>(data);
  case TERN_U16:
    return read<uint16_t>(data);
  case TERN_I16:
    return read<int16_t>(data);
  case TERN_U32:
    return read<uint32_t>(data);
  case TERN_I32:
    return read<int32_t>(data);
  case TERN_U64:
    return double(read<uint64_t>(data));
  default:
    return double(read<int64_t>(data));
  }
}

/// `count` elements, `stride` bytes apart.
static void decode(const tern_step &step, const char *data, int64_t stride, int64_t count, float *to) {
  if (step.dtype == TERN_F32 && step.scale == 0) {
    for (int64_t i = 0; i < count; ++i)
      to[i] = read<float>(data + i * stride);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    double element = readElement(step.dtype, data + i * stride);
    to[i] = float(step.scale != 0 ? step.scale * (element - step.zero) : element);
  }
}

Expected<std::vector<float>> tern::stepValues(const tern_step &step, const void *output) {
  auto fail = [&](const Twine &what) { return createStringError(Twine("step '") + step.name + "': " + what); };
  const size_t size = dtypeSize(step.dtype);
  const bool nhwc = step.layout == TERN_LAYOUT_NHWC;
  if (!output)
    return fail("it has no output to read");
  if (!size)
    return fail("element type " + Twine(step.dtype) + " is not known");
  if ((!nhwc && step.layout != TERN_LAYOUT_PLAIN) || (nhwc && step.rank != 3 && step.rank != 4))
    return fail("layout " + Twine(step.layout) + " of rank " + Twine(step.rank) + " is not known");

  int64_t count = 1;
  for (int64_t dim : ArrayRef<int64_t>(step.dims, size_t(step.rank)))
    count *= dim;
  std::vector<float> values(static_cast<size_t>(count));
  if (!nhwc) {
    decode(step, static_cast<const char *>(output), int64_t(size), count, values.data());
    return values;
  }
  // [N, C, H, W] or [N, C, W], stored as [N, top + H + bottom, left + W + right, channel stride]. Row by row: one stays in
  // the cache while its channels are taken apart.
  const int64_t channels = step.dims[1], height = step.rank == 4 ? step.dims[2] : 1, width = step.dims[step.rank - 1];
  const int64_t rows = step.halo[0] + height + step.halo[2], row = step.halo[1] + width + step.halo[3];
  const int64_t pixel = step.channel_stride * int64_t(size);
  for (int64_t n = 0; n < step.dims[0]; ++n)
    for (int64_t y = 0; y < height; ++y) {
      const char *start = static_cast<const char *>(output) + ((n * rows + step.halo[0] + y) * row + step.halo[1]) * pixel;
      for (int64_t c = 0; c < channels; ++c)
        decode(step, start + c * int64_t(size), pixel, width, &values[size_t(((n * channels + c) * height + y) * width)]);
    }
  return values;
}
