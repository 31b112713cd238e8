//===- Interrupt.h - nothing half-written after Ctrl-C or a crash -----------===//
#ifndef TERN_TOOLS_SUPPORT_INTERRUPT_H
#define TERN_TOOLS_SUPPORT_INTERRUPT_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

namespace tern::tools {

/// From now on SIGINT, SIGTERM and SIGHUP remove the temporary folders of a compilation to `out` and end the process
/// with 128 + signal. Before any thread is started.
void removeTemporariesOnSignal(llvm::StringRef out);

/// Runs `work` and returns what it returns. When it crashes: removes the temporary folders, says so, and returns 4.
int runGuarded(llvm::StringRef tool, llvm::StringRef out, llvm::function_ref<int()> work);

/// From now on a want of memory is one message that ends with `advice`, and exit code 1; a file that the system wants to be no
/// larger is an error where it is written. Removes the temporary folders of a compilation to `out`; "": there are none.
void reportLimits(llvm::StringRef tool, llvm::StringRef out, llvm::StringRef advice);

} // namespace tern::tools
#endif
