//===- WeightsFile.cpp - weights.bin in the making -------------------------===//
#include "lib/Target/Cpu/Lowering/Artifact/WeightsFile.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace tern::cpu {

int64_t WeightsFile::add(ArrayRef<char> bytes) {
  return add(int64_t(bytes.size()), [&](char *to) { std::copy(bytes.begin(), bytes.end(), to); });
}

int64_t WeightsFile::add(int64_t size, llvm::function_ref<void(char *)> write) {
  char *to = file->append(llvm::alignTo(std::max<int64_t>(size, 1), 64));
  if (!to)
    return -1;
  write(to);
  uint64_t hash = llvm::xxh3_64bits(ArrayRef(reinterpret_cast<const uint8_t *>(to), size));
  auto [begin, end] = known.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const char *same = file->bytes().data() + it->second.offset;
    bool equal = it->second.size == size && std::equal(to, to + size, same);
    file->release(same, it->second.size);
    if (equal) {
      file->removeLast();
      return it->second.offset;
    }
  }
  int64_t offset = to - file->bytes().data();
  known.insert({hash, {offset, size}});
  file->release(to, size);
  return offset;
}

DenseResourceElementsAttr WeightsFile::finish(MLIRContext *context) {
  if (!file->size())
    file->append(64);
  auto type = RankedTensorType::get({file->size()}, IntegerType::get(context, 8));
  auto keep = [file = file](void *, size_t, size_t) {};
  AsmResourceBlob blob(file->bytes(), 64, std::move(keep), /*dataIsMutable=*/false);
  return DenseResourceElementsAttr::get(type, "weights", std::move(blob));
}

} // namespace tern::cpu
