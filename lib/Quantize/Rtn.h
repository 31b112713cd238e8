// Round to nearest.
#ifndef TERN_QUANTIZE_RTN_H
#define TERN_QUANTIZE_RTN_H

#include "lib/Quantize/Method.h"

namespace tern {

/// Parameters by the rule of the encode (absmax, minmax, ...), codes nearest to w / scale.
std::string quantizeRtn(const WeightJob &job);

} // namespace tern
#endif // TERN_QUANTIZE_RTN_H
