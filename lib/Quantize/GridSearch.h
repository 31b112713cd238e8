// The range search of rtn-mse for what most weights are: integers in blocks along the rows of a matrix.
#ifndef TERN_QUANTIZE_GRIDSEARCH_H
#define TERN_QUANTIZE_GRIDSEARCH_H

#include "lib/Quantize/Method.h"

#include <vector>

namespace tern {

/// Whether searchGrid knows the format and the weights: integers of at most 8 bits, one float scale and at most one
/// integer zero point in blocks [1, B] of a matrix, rule absmax, signed_absmax or minmax, finite weights.
bool isGrid(const WeightJob &job);

/// The factors that quantizeRtnMse finds, one a block, in a fraction of the time: the arithmetic of lib/Formats written
/// out for this case (a test compares the two).
std::vector<float> searchGrid(const WeightJob &job);

} // namespace tern
#endif // TERN_QUANTIZE_GRIDSEARCH_H
