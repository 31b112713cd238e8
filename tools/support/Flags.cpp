//===- Flags.cpp - command lines of the tools -----------------------------===//
#include "tools/support/Flags.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace tern::tools {

std::string didYouMean(StringRef name, ArrayRef<std::string> candidates, StringRef prefix) {
  std::vector<std::pair<unsigned, std::string>> near;
  for (const std::string &candidate : candidates) {
    unsigned distance = name.edit_distance(candidate);
    bool isPart = name.size() >= 3 && StringRef(candidate).contains(name);
    if (isPart || distance <= std::max<size_t>(2, name.size() / 3))
      near.emplace_back(isPart ? 0 : distance, candidate);
  }
  llvm::sort(near);
  if (near.empty())
    return "";
  std::string text = "; did you mean ";
  for (size_t i = 0; i < std::min<size_t>(2, near.size()); ++i)
    text += (i ? " or '" : "'") + prefix.str() + near[i].second + "'";
  return text + "?";
}

FlagAction storeText(std::string &text) {
  return [&text](StringRef value) {
    text = value.str();
    return std::string(value.empty() ? "needs a value" : "");
  };
}

FlagAction appendText(std::vector<std::string> &list) {
  return [&list](StringRef value) {
    list.push_back(value.str());
    return std::string(value.empty() ? "needs a value" : "");
  };
}

FlagAction appendCommas(std::vector<std::string> &list) {
  return [&list](StringRef value) {
    SmallVector<StringRef> parts;
    value.split(parts, ',');
    for (StringRef part : parts) {
      if (part.empty())
        return std::string("has an empty name in its list");
      list.push_back(part.str());
    }
    return std::string();
  };
}

FlagAction setTrue(bool &flag) {
  return [&flag](StringRef) {
    flag = true;
    return std::string();
  };
}

std::string readNumber(StringRef value, int64_t low, int64_t high, int64_t &number) {
  if (value.getAsInteger(10, number))
    return ("'" + value + "' is not a whole number").str();
  if (number < low || number > high)
    return ("'" + value + "' is out of range; allowed are " + Twine(low) + " to " + Twine(high)).str();
  return "";
}

int CommandLine::fail(const Twine &message) const {
  errs() << tool << ": error: " << message << "\n";
  return 1;
}

const Flag *CommandLine::find(StringRef name) const {
  for (const Flag &flag : flags)
    if (name == flag.name)
      return &flag;
  return nullptr;
}

std::string CommandLine::nearFlags(StringRef name) const {
  std::vector<std::string> names;
  for (const Flag &flag : flags)
    if (flag.name.size() > 1)
      names.push_back(flag.name);
  std::string near = didYouMean(name, names, "--");
  return near.empty() ? "; --help lists the flags" : near;
}

void CommandLine::printHelp(bool more) const {
  outs() << "usage: " << usage << "\n";
  bool hidden = false;
  for (const Flag &flag : flags) {
    hidden |= flag.more;
    if (flag.more && !more)
      continue;
    std::string text = "  " + std::string(flag.name.size() == 1 ? "-" : "--") + flag.name;
    if (StringRef(flag.value).starts_with("["))
      text += "[=" + flag.value.substr(1);
    else if (!flag.value.empty())
      text += (flag.name.size() == 1 ? " " : "=") + flag.value;
    SmallVector<StringRef> lines;
    StringRef(flag.help).split(lines, '\n');
    for (StringRef line : lines) {
      outs() << formatv("{0,-26}", text) << (text.size() >= 26 ? "  " : "") << line << "\n";
      text.clear();
    }
  }
  if (hidden && !more)
    outs() << formatv("{0,-26}", "  --help-more") << "all flags\n";
  if (!details.empty())
    outs() << "\n" << details << "\n";
}

bool CommandLine::parse(ArrayRef<const char *> arguments, int &code) {
  code = 1;
  bool flagsEnd = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    StringRef argument = arguments[i];
    if (flagsEnd || !argument.starts_with("-") || argument == "-") {
      operands.push_back(argument.str());
      continue;
    }
    if (argument == "--") {
      flagsEnd = true;
      continue;
    }
    auto [name, value] = argument.drop_front(argument.starts_with("--") ? 2 : 1).split('=');
    bool hasValue = argument.contains('=');
    if (name == "help" || name == "h" || name == "help-more") {
      printHelp(name == "help-more");
      code = 0;
      return false;
    }
    const Flag *flag = find(name);
    StringRef shown = argument.split('=').first;
    if (!flag)
      return fail("unknown flag '" + shown + "'" + nearFlags(name)), false;
    if (flag->value.empty() && hasValue)
      return fail(shown + " takes no value, but has '" + value + "'"), false;
    if (!flag->value.empty() && flag->value[0] != '[' && !hasValue) {
      if (i + 1 == arguments.size())
        return fail(shown + " needs a value: " + shown + (flag->name.size() == 1 ? " " : "=") + flag->value), false;
      value = arguments[++i];
    }
    if (std::string error = flag->action(value); !error.empty())
      return fail(shown + ": " + error), false;
  }
  code = 0;
  return true;
}

} // namespace tern::tools
