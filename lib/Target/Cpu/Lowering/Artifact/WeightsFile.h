//===- WeightsFile.h - weights.bin in the making ---------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_ARTIFACT_WEIGHTSFILE_H
#define TERN_TARGET_CPU_LOWERING_ARTIFACT_WEIGHTSFILE_H

#include "lib/Support/GrowingFile.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <memory>
#include <unordered_map>

namespace tern::cpu {

/// Constants one behind the other, each at a multiple of 64; equal ones are stored once. Lies in a file while the model is compiled (W3): only
/// the constant at hand is in memory.
class WeightsFile {
public:
  /// The offset of these bytes; negative when there is no room.
  int64_t add(llvm::ArrayRef<char> bytes);
  /// The same of `size` bytes that `write` writes in place, over zeros.
  int64_t add(int64_t size, llvm::function_ref<void(char *)> write);
  int64_t size() const { return file->size(); }
  /// All bytes as a resource that keeps the file.
  mlir::DenseResourceElementsAttr finish(mlir::MLIRContext *context);

private:
  struct Piece {
    int64_t offset, size;
  };
  std::shared_ptr<GrowingFile> file = std::make_shared<GrowingFile>();
  std::unordered_multimap<uint64_t, Piece> known;
};

} // namespace tern::cpu
#endif
