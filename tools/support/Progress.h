//===- Progress.h - one line that is written again and again ---------------===//
#ifndef TERN_TOOLS_SUPPORT_PROGRESS_H
#define TERN_TOOLS_SUPPORT_PROGRESS_H

#include "llvm/ADT/StringRef.h"

namespace tern::tools {

/// Lines on the standard error stream. On a terminal the last one may be a progress line, which the next line replaces;
/// in a pipe there is no progress.
class Lines {
public:
  explicit Lines(bool quiet);
  ~Lines() { clear(); }
  void line(llvm::StringRef text);
  /// Shown even when quiet.
  void message(llvm::StringRef text);
  void progress(llvm::StringRef stage, double part, double secondsLeft);
  void clear();

private:
  bool quiet, terminal, shown = false;
  int lastPercent = -1;
};

} // namespace tern::tools
#endif
