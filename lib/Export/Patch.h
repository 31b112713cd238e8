// Changes to a file in protobuf wire format: bytes that nothing changes are copied as they are, and the lengths of the
// messages around a change are made right.
#ifndef TERN_EXPORT_PATCH_H
#define TERN_EXPORT_PATCH_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace tern::exporter {

/// Text followed by bytes of another file: a tensor's header and its data.
struct Piece {
  std::string text;
  llvm::StringRef data; ///< must live until the file is written
  uint64_t size() const { return text.size() + data.size(); }
};

/// Where a message lies: the tag and length at [begin, contents), its fields at [contents, end).
struct Span64 {
  uint64_t begin = 0, contents = 0, end = 0;
  bool operator<(const Span64 &o) const { return begin < o.begin; }
};

class Patch {
public:
  explicit Patch(llvm::StringRef file) : file(file) {}

  /// Replaces [begin, end), which lies directly in the innermost of `around` (outermost first; the file itself is not
  /// named). Pieces of one place are written in the order of the calls. Two replacements must not overlap.
  void replace(llvm::ArrayRef<Span64> around, uint64_t begin, uint64_t end, std::vector<Piece> pieces);
  void insert(llvm::ArrayRef<Span64> around, uint64_t at, std::vector<Piece> pieces) {
    replace(around, at, at, std::move(pieces));
  }
  bool empty() const { return root.edits.empty() && root.inner.empty(); }

  /// Bytes of the result.
  uint64_t size() const;
  /// Gives the result, part by part.
  void write(const std::function<void(llvm::StringRef)> &sink) const;

private:
  struct Edit {
    uint64_t begin, end;
    std::vector<Piece> pieces;
  };
  struct Message {
    Span64 place;
    std::vector<Edit> edits;
    std::map<uint64_t, Message> inner; ///< by begin
    mutable uint64_t newLength = 0;    ///< of the contents
  };
  uint64_t measure(const Message &message, uint64_t length) const;
  void write(const Message &message, uint64_t begin, uint64_t end,
             const std::function<void(llvm::StringRef)> &sink) const;

  llvm::StringRef file;
  Message root;
};

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_PATCH_H
