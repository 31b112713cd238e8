// Strings that the C interface gives away.
#ifndef TERN_CAPI_TEXT_H
#define TERN_CAPI_TEXT_H

#include "llvm/ADT/StringRef.h"
#include <cstdlib>
#include <cstring>

namespace tern::capi {

/// For tern_string_free; null when there is no memory.
inline char *copyText(llvm::StringRef text) {
  char *string = static_cast<char *>(std::malloc(text.size() + 1));
  if (!string)
    return nullptr;
  std::memcpy(string, text.data(), text.size());
  string[text.size()] = 0;
  return string;
}

} // namespace tern::capi
#endif // TERN_LIB_CAPI_TEXT_H
