#include "lib/Quantize/ClipSearch.h"

#include "lib/Quantize/GridSearch.h"

namespace tern {

/// The factors tried, widest range first.
static std::vector<float> factorsFor(const WeightJob &job) {
  std::vector<float> factors;
  for (int i = 0; i < kClipCandidates; ++i)
    factors.push_back(1.0f - kClipStep * float(i));
  if (job.format.elem.kind != ElementKind::Pair)
    return factors;
  // The scale aims at the normal codes; outliers reach further by as much as it may shrink.
  double least = encodeTarget(job.format.elem, job.encode) / job.format.elem.maxValue();
  while (factors.back() * kPairStep > least)
    factors.push_back(factors.back() * kPairStep);
  return factors;
}

std::string searchClip(const WeightJob &job, std::vector<float> &clip) {
  std::vector<double> best, errors;
  std::vector<float> candidate, factors = factorsFor(job);
  for (size_t i = 0; i < factors.size(); ++i) {
    float factor = factors[i];
    candidate.assign(best.size(), factor);
    if (std::string error = chooseParameters(job.format, job.encode, job.shape, job.w, job.planes,
                                             i ? candidate : std::vector<float>());
        !error.empty())
      return error;
    if (std::string error = blockErrors(job.format, job.encode, job.shape, job.w, job.planes, errors); !error.empty())
      return error;
    if (i == 0) {
      best = errors;
      clip.assign(errors.size(), 1.0f);
      continue;
    }
    for (size_t block = 0; block < best.size(); ++block)
      if (errors[block] < best[block]) {
        best[block] = errors[block];
        clip[block] = factor;
      }
  }
  return "";
}

std::string quantizeRtnMse(const WeightJob &job) {
  std::vector<float> clip;
  if (isGrid(job))
    clip = searchGrid(job);
  else if (std::string error = searchClip(job, clip); !error.empty())
    return error;
  if (std::string error = chooseParameters(job.format, job.encode, job.shape, job.w, job.planes, clip); !error.empty())
    return error;
  return encodeCodes(job.format, job.encode, job.shape, job.w, job.planes);
}

} // namespace tern
