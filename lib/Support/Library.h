// A compiled library on disk, before it is loaded.
#ifndef TERN_SUPPORT_LIBRARY_H
#define TERN_SUPPORT_LIBRARY_H
#include "llvm/ADT/StringRef.h"
#include <string>

namespace tern {

/// Why the file is no whole library; "": it is one, or cannot be read. dlopen of a file that is cut off ends the process.
std::string damageOfLibrary(llvm::StringRef path);

} // namespace tern
#endif
