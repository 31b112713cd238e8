//===- Scheme.h - what a user may ask of an op ----------------------------===//
#ifndef TERN_SEARCH_SCHEME_H
#define TERN_SEARCH_SCHEME_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace tern {

/// A scheme of the command line: "float", "w8a8", "w4a8", "w4a16", "w8a16", "w2a16"; weights take ":32", ":64", ":128"
/// (input channels that share a scale; 32 without it, and none for 8 bits) or ":channel" (one scale an output channel),
/// and ":asym" (a zero point beside each scale).
struct Scheme {
  unsigned weightBits = 32;     ///< 32: weights stay float
  unsigned activationBits = 16; ///< 8: activations become codes; 16: they stay float
  int64_t group = 0;            ///< 0: one scale an output channel
  bool asymmetric = false;      ///< weights have zero points

  bool isFloat() const { return weightBits == 32; }
  std::string str() const;
  /// Why the CPU back end has no kernels for it; empty: it has. ONNX files can hold all schemes.
  std::string whyNotCpu() const;
};

/// Reads a scheme; the error names the known ones.
llvm::Expected<Scheme> parseScheme(llvm::StringRef text);

/// `--override RE=SCHEME`: ops whose whole name matches the regular expression get this scheme.
struct Override {
  std::string pattern;
  Scheme scheme;
};
/// Splits at the last '='.
llvm::Expected<Override> parseOverride(llvm::StringRef text);

/// The names nearest to `name` by edit distance, best first.
std::vector<std::string> nearestNames(llvm::StringRef name, llvm::ArrayRef<std::string> candidates, size_t count = 3);

} // namespace tern
#endif
