// One definition of code -> value and value -> code per element kind (internal to lib/Formats). The kind is looked at
// once per run of elements, never per element.
#ifndef TERN_FORMATS_ELEMENTCODEC_H
#define TERN_FORMATS_ELEMENTCODEC_H

#include "lib/Formats/Element.h"
#include "lib/Formats/Encode.h"

#include <array>

namespace tern {

/// Elements that are worked on at once: fits the L1 cache, and a multiple of 8, so that packed runs start on a byte.
constexpr int64_t kRun = 1024;

class Decoder {
public:
  explicit Decoder(const Element &elem);

  /// Values of unpacked codes; n is even for a pair. Not for a lut and a union, whose table is chosen by other planes.
  void run(const int32_t *codes, int64_t n, float *out) const;

private:
  Element elem;
  std::array<float, 256> own;      // values of all codes of a kind without arithmetic of its own
  std::array<float, 256> outliers; // of a pair: values beside a marker
};

class Encoder {
public:
  /// `zeroType`: the type of the zero plane, null if there is none.
  Encoder(const Element &elem, const Encode &encode, const Element *zeroType = nullptr);

  /// The 2^b entries of a lut or of an alternative of a union, for the runs that follow.
  void setTable(const float *entries);
  /// Codes of n <= kRun values that are already divided by their scale; `zero` has one entry per value or is null.
  /// Returns the index of the first value outside the range when sat = error, else -1.
  int64_t run(const float *y, const float *zero, int64_t n, int32_t *codes) const;

private:
  template <typename Real> void integers(const float *y, const float *zero, int64_t n, int32_t *codes) const;
  int64_t integersChecked(const float *y, const float *zero, int64_t n, int32_t *codes) const;
  void floats(const float *y, int64_t n, int32_t *codes) const;
  void minifloats(const float *y, int64_t n, int32_t *codes) const;
  void nearest(const float *y, int64_t n, int32_t *codes) const;
  void pairs(int64_t n, int32_t *codes) const;
  void setValues(const float *values, int count);

  Element elem;
  Encode encode;
  int64_t lo, hi;
  bool zeroFirst; // add the zero point before rounding
  bool wide;      // f32 would not hold the codes
  // For kinds that search: count of thresholds below a value -> code. Codes of outliers of a pair have kOutlier set.
  int numThresholds = 0;
  bool hasZero = false; // 0 is one of the values
  std::array<float, 512> thresholds;
  std::array<int32_t, 512> sortedCodes;
};

} // namespace tern
#endif // TERN_FORMATS_ELEMENTCODEC_H
