//===- GrowingFile.h - large data that need not stay in memory ------------===//
#ifndef TERN_SUPPORT_GROWINGFILE_H
#define TERN_SUPPORT_GROWINGFILE_H

#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace tern {

/// Bytes that only grow, at addresses that stay, in a nameless temporary file (in memory where none can be made). What was released is read
/// from the file again when it is needed.
class GrowingFile {
public:
  GrowingFile();
  ~GrowingFile();
  GrowingFile(const GrowingFile &) = delete;
  GrowingFile &operator=(const GrowingFile &) = delete;

  /// Room for `size` more bytes, zero, at an offset that is a multiple of 64; null when neither file nor memory has it.
  char *append(int64_t size);
  /// Gives the last append back.
  void removeLast();
  /// The pages of these bytes need not stay resident.
  void release(const char *begin, int64_t size);
  /// The same of bytes that may lie in some GrowingFile; others stay.
  static void releaseAnywhere(llvm::ArrayRef<char> bytes);

  int64_t size() const { return used; }
  llvm::ArrayRef<char> bytes() const { return {base, size_t(used)}; }

private:
  bool allocate(int64_t end);

  char *base = nullptr;
  int64_t used = 0, previous = 0;
  int64_t mapped = 0, allocated = 0; ///< addresses with pages behind them; bytes that the disk has promised
  int file = -1;
};

} // namespace tern
#endif
