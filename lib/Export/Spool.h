// Where the data of new tensors wait until the file is written: in memory while they are small, else in a temporary
// file, so that a model of any size needs the memory of one weight.
#ifndef TERN_EXPORT_SPOOL_H
#define TERN_EXPORT_SPOOL_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FileSystem.h"
#include <memory>
#include <string>
#include <vector>

namespace tern::exporter {

class Spool {
public:
  Spool() = default;
  ~Spool();
  Spool(const Spool &) = delete;
  Spool &operator=(const Spool &) = delete;

  /// Data go to the file `path`, at multiples of what alignmentOf says. The file stays when keep() was called.
  void toFile(std::string path);
  bool isFile() const { return !path.empty(); }
  /// Adds data; returns its offset. Errors are kept for finish().
  uint64_t add(llvm::StringRef data);
  /// Ends writing and maps the file. Returns an error sentence, or "".
  std::string finish();
  /// The data added at an offset; only after finish().
  llvm::StringRef at(uint64_t offset, uint64_t size) const;
  void keep() { kept = true; }
  uint64_t size() const { return end; }

  /// Large tensors begin on 64 KiB, which every system can map; small ones on 4 KiB (onnx.proto, TensorProto
  /// external_data).
  static uint64_t alignmentOf(uint64_t size) { return size >= (1 << 20) ? 65536 : 4096; }

private:
  std::string path, error;
  int handle = -1;
  uint64_t end = 0;
  bool kept = false;
  std::vector<std::pair<uint64_t, std::string>> blobs; ///< without a file
  llvm::sys::fs::mapped_file_region region;
};

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_SPOOL_H
