#include "lib/Quantize/Rtn.h"

namespace tern {

std::string quantizeRtn(const WeightJob &job) {
  return encodeTensor(job.format, job.encode, job.shape, job.w, job.planes);
}

} // namespace tern
