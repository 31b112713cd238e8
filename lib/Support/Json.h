// JSON from files that anybody may have written.
#ifndef TERN_SUPPORT_JSON_H
#define TERN_SUPPORT_JSON_H
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

namespace tern {

/// json::parse() without its recursion into a text of nothing but brackets.
inline llvm::Expected<llvm::json::Value> parseJson(llvm::StringRef text) {
  constexpr int kDeepest = 100;
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && quoted)
      ++i;
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == '[' || c == '{') && ++depth > kDeepest)
      return llvm::createStringError("byte " + llvm::Twine(i) + ": more than " + llvm::Twine(kDeepest) + " levels of brackets");
    else if (!quoted && (c == ']' || c == '}'))
      --depth;
  }
  return llvm::json::parse(text);
}

} // namespace tern
#endif
