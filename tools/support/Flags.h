//===- Flags.h - command lines of the tools -------------------------------===//
// A table of flags that reads argv, prints help, and answers a mistake with one sentence that names near flags.
//===----------------------------------------------------------------------===//
#ifndef TERN_TOOLS_SUPPORT_FLAGS_H
#define TERN_TOOLS_SUPPORT_FLAGS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <functional>
#include <string>
#include <vector>

namespace tern::tools {

/// Takes the value of a flag ("" where it has none). Returns what is wrong with it, or "".
using FlagAction = std::function<std::string(llvm::StringRef value)>;

struct Flag {
  std::string name;  ///< "scheme", or "o" for -o
  std::string value; ///< what the help calls the value: "S"; "": takes none; "[S]": only by '=', and it may be absent
  std::string help;  ///< one line; a newline starts an indented one
  FlagAction action;
  bool more = false; ///< shown by --help-more only
};

class CommandLine {
public:
  /// usage: the line after "usage: "; details: lines at the end of the help.
  CommandLine(std::string tool, std::string usage, std::string details)
      : tool(std::move(tool)), usage(std::move(usage)), details(std::move(details)) {}

  void add(Flag flag) { flags.push_back(std::move(flag)); }
  /// Arguments that are no flags; in their order.
  std::vector<std::string> operands;

  /// Reads the arguments after argv[0]. True: go on. False: `code` is the exit code (0 after help, 1 after a mistake
  /// that was printed).
  bool parse(llvm::ArrayRef<const char *> arguments, int &code);

  /// Prints "TOOL: error: MESSAGE" and returns 1.
  int fail(const llvm::Twine &message) const;

private:
  void printHelp(bool more) const;
  const Flag *find(llvm::StringRef name) const;
  std::string nearFlags(llvm::StringRef name) const;

  std::string tool, usage, details;
  std::vector<Flag> flags;
};

/// "; did you mean 'a' or 'b'?" of the candidates near to `name`; "" if none is.
std::string didYouMean(llvm::StringRef name, llvm::ArrayRef<std::string> candidates, llvm::StringRef prefix = "");

/// Actions that store their value.
FlagAction storeText(std::string &text);
FlagAction appendText(std::vector<std::string> &list);
FlagAction appendCommas(std::vector<std::string> &list);
FlagAction setTrue(bool &flag);
/// A decimal number from `low` to `high`.
template <class T> FlagAction storeNumber(T &number, int64_t low, int64_t high);
/// Reads a number for storeNumber.
std::string readNumber(llvm::StringRef value, int64_t low, int64_t high, int64_t &number);

template <class T> FlagAction storeNumber(T &number, int64_t low, int64_t high) {
  return [&number, low, high](llvm::StringRef value) {
    int64_t read = 0;
    std::string error = readNumber(value, low, high, read);
    if (error.empty())
      number = T(read);
    return error;
  };
}

} // namespace tern::tools
#endif
