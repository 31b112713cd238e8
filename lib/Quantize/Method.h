// How the codes and parameters of a weight are chosen: the methods that a plan or a scheme names.
#ifndef TERN_QUANTIZE_METHOD_H
#define TERN_QUANTIZE_METHOD_H

#include "lib/Formats/Format.h"

namespace tern {

/// One weight to quantize. `planes` as planeShapes(shape, format) lists them; all are written, but a table plane is
/// read.
struct WeightJob {
  const float *w; ///< row-major
  Span<const int64_t> shape;
  const Format &format;
  const Encode &encode;
  Span<const Bytes> planes;
};

/// A method: a name, what it does in one line, and the function, which returns an error sentence or an empty string.
struct Method {
  const char *name;
  const char *summary;
  std::string (*run)(const WeightJob &);
};

/// All methods. A new one is a row in Method.cpp.
Span<const Method> methods();

/// Quantizes a weight. An unknown method is an error that lists the known ones. Non-finite weights are not an error
/// here (see lib/Formats/Encode.h for what becomes of them): the caller counts and reports them.
std::string quantizeWeight(const std::string &method, const float *w, Span<const int64_t> shape, const Format &format,
                           const Encode &encode, Span<const Bytes> planes);

} // namespace tern
#endif // TERN_QUANTIZE_METHOD_H
