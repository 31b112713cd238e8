// Round to nearest with a searched range.
#ifndef TERN_QUANTIZE_CLIPSEARCH_H
#define TERN_QUANTIZE_CLIPSEARCH_H

#include "lib/Quantize/Method.h"

#include <vector>

namespace tern {

/// For each block of the finest scale plane, the factor on its range that makes the squared error of its weights least:
/// a few clipped weights cost less than a coarser step for all others. Never worse than round to nearest; ties go to
/// the wider range. Costs one encode per candidate (kClipCandidates).
std::string quantizeRtnMse(const WeightJob &job);

/// The factors for a job of any format, one a block of the finest scale plane. Returns an error sentence or "".
std::string searchClip(const WeightJob &job, std::vector<float> &clip);

/// The factors tried: 1, 1 - kClipStep, ...; below 0.4 nothing is gained down to two bits.
constexpr int kClipCandidates = 31;
constexpr float kClipStep = 0.02f;
/// A pair goes on from there until its outliers cover the whole range, each factor this much of the one before.
constexpr float kPairStep = 0.95f;

} // namespace tern
#endif // TERN_QUANTIZE_CLIPSEARCH_H
