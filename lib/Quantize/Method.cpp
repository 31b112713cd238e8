#include "lib/Quantize/Method.h"

#include "lib/Quantize/ClipSearch.h"
#include "lib/Quantize/Rtn.h"

namespace tern {

static constexpr Method table[] = {
    {"rtn", "round to nearest, parameters by the rule of the encode", quantizeRtn},
    {"rtn-mse", "round to nearest, the range of each block clipped where its squared error is least", quantizeRtnMse},
};

Span<const Method> methods() { return {table, sizeof table / sizeof *table}; }

std::string quantizeWeight(const std::string &method, const float *w, Span<const int64_t> shape, const Format &format,
                           const Encode &encode, Span<const Bytes> planes) {
  std::string known;
  for (const Method &m : methods()) {
    if (method == m.name)
      return m.run({w, shape, format, encode, planes});
    known += (known.empty() ? "" : ", ") + std::string(m.name);
  }
  return "unknown quantization method '" + method + "' (known: " + known + ")";
}

} // namespace tern
