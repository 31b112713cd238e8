//===- TemporaryFolder.h - for the programs of a calibration ----------------===//
#ifndef TERN_PIPELINES_TEMPORARYFOLDER_H
#define TERN_PIPELINES_TEMPORARYFOLDER_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"
#include <string>

namespace tern {

/// A folder for files that nobody else sees.
class TemporaryFolder {
public:
  // The process is in the name, so that a tool can find what an interruption has left.
  TemporaryFolder() {
    std::string name = "tern-compile-" + std::to_string(llvm::sys::Process::getProcessId());
    error = llvm::sys::fs::createUniqueDirectory(name, path);
  }
  ~TemporaryFolder() {
    if (!error)
      llvm::sys::fs::remove_directories(path);
  }
  llvm::SmallString<128> path;
  std::error_code error;
};

} // namespace tern
#endif
