//===- FloatProgram.h - the float model as a program, for calibration -------===//
#ifndef TERN_PIPELINES_FLOATPROGRAM_H
#define TERN_PIPELINES_FLOATPROGRAM_H

#include "lib/Pipelines/TemporaryFolder.h"
#include "lib/Support/Artifact.h"

namespace tern {

/// Portable code: statistics do not depend on the machine.
struct FloatProgram {
  TemporaryFolder folder;
  std::unique_ptr<Artifact> runner;
  int64_t samples = 0; ///< of the data that it runs on
};

} // namespace tern
#endif
