//===- Scheme.cpp - what a user may ask of an op --------------------------===//
#include "lib/Search/Scheme.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

namespace tern {

std::string Scheme::str() const {
  if (isFloat())
    return "float";
  std::string text = "w" + std::to_string(weightBits) + "a" + std::to_string(activationBits);
  if (weightBits < 8 || group)
    text += group ? ":" + std::to_string(group) : ":channel";
  return asymmetric ? text + ":asym" : text;
}

std::string Scheme::whyNotCpu() const {
  if (isFloat() || weightBits == 4 || (weightBits == 8 && !group && !asymmetric))
    return "";
  return "scheme '" + str() + "' is for quantized ONNX files (--emit=onnx-qdq or onnx-nbits); programs have w8a8, w8a16, and " +
         "w4a8, w4a16 with :32, :64, :128 or :channel, and :asym";
}

static Error error(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Expected<Scheme> parseScheme(StringRef text) {
  auto [name, rest] = text.split(':');
  Scheme scheme;
  if (name == "float")
    scheme = Scheme{32, 16, 0};
  else if (name == "w8a8")
    scheme = Scheme{8, 8, 0};
  else if (name == "w4a8")
    scheme = Scheme{4, 8, 32};
  else if (name == "w4a16")
    scheme = Scheme{4, 16, 32};
  else if (name == "w8a16")
    scheme = Scheme{8, 16, 0};
  else if (name == "w2a16")
    scheme = Scheme{2, 16, 32};
  else
    return error("unknown scheme '" + text +
                 "'; allowed are float, w8a8, w4a8, w4a16, w8a16, w2a16; weights also with :32, :64, :128 or :channel, "
                 "and :asym");
  if (text.contains(':') && scheme.isFloat())
    return error("scheme '" + text + "': float weights have no groups; use float");
  if (text.ends_with(":"))
    return error("scheme '" + text + "': something has to follow ':': 32, 64, 128, channel or asym");
  while (!rest.empty()) {
    auto [part, next] = rest.split(':');
    rest = next;
    if (part == "asym" || part == "sym") {
      scheme.asymmetric = part == "asym";
      continue;
    }
    part.consume_front("g");
    scheme.group =
        StringSwitch<int64_t>(part).Case("32", 32).Case("64", 64).Case("128", 128).Case("channel", 0).Default(-1);
    if (scheme.group < 0)
      return error("scheme '" + text + "': groups are 32, 64 or 128 input channels, or 'channel'; 'asym' adds zero points");
  }
  return scheme;
}

Expected<Override> parseOverride(StringRef text) {
  auto [pattern, name] = text.rsplit('=');
  if (pattern.empty() || name.empty())
    return error("override '" + text + "' is not of the form RE=SCHEME, for instance 'conv1.*=float'");
  Expected<Scheme> scheme = parseScheme(name);
  if (!scheme)
    return error("override '" + text + "': " + toString(scheme.takeError()));
  return Override{pattern.str(), *scheme};
}

std::vector<std::string> nearestNames(StringRef name, ArrayRef<std::string> candidates, size_t count) {
  std::vector<std::pair<unsigned, std::string>> ranked;
  for (const std::string &candidate : candidates)
    ranked.emplace_back(name.edit_distance(candidate), candidate);
  llvm::sort(ranked);
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min(count, ranked.size()); ++i)
    result.push_back(ranked[i].second);
  return result;
}

} // namespace tern
