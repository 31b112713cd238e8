//===- GrowingFile.cpp - large data that need not stay in memory ----------===//
#include "lib/Support/GrowingFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;

namespace tern {
namespace {
/// Addresses only: larger than any model.
constexpr int64_t reserved = int64_t(1) << 40;
constexpr int64_t step = int64_t(64) << 20, diskStep = int64_t(1) << 20;

/// The files that are open, for releaseAnywhere.
struct OpenFiles {
  std::mutex mutex;
  std::set<GrowingFile *> files;
};
OpenFiles &openFiles() {
  static OpenFiles all;
  return all;
}
} // namespace

GrowingFile::GrowingFile() {
  void *addresses = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  base = addresses == MAP_FAILED ? nullptr : static_cast<char *>(addresses);
  SmallString<128> name;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, name);
  sys::path::append(name, "tern-XXXXXX");
  name.c_str();
  file = mkstemp(name.data());
  if (file >= 0)
    unlink(name.c_str());
  std::lock_guard<std::mutex> lock(openFiles().mutex);
  openFiles().files.insert(this);
}

GrowingFile::~GrowingFile() {
  {
    std::lock_guard<std::mutex> lock(openFiles().mutex);
    openFiles().files.erase(this);
  }
  if (base)
    munmap(base, reserved);
  if (file >= 0)
    close(file);
}

char *GrowingFile::append(int64_t size) {
  int64_t at = alignTo(used, 64), end = at + size;
  if (!base || end > reserved)
    return nullptr;
  if (end > mapped) {
    int64_t more = alignTo(end - mapped, step);
    bool grown = file >= 0 && ftruncate(file, mapped + more) == 0 &&
                 mmap(base + mapped, more, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, mapped) != MAP_FAILED;
    if (!grown && mmap(base + mapped, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
      return nullptr;
    // What follows a piece in memory is in memory, too: offsets in the file stay those of the addresses.
    if (!grown && file >= 0) {
      close(file);
      file = -1;
    }
    mapped += more;
  }
  if (!allocate(end))
    return nullptr;
  previous = used;
  used = end;
  return base + at;
}

/// A write to a page that the disk has no room for would be a signal. What does not fit the file is in memory from there on.
bool GrowingFile::allocate(int64_t end) {
  if (file < 0 || end <= allocated)
    return true;
  int64_t more = alignTo(end, diskStep) - allocated;
  if (fallocate(file, 0, allocated, more) == 0 || errno == EOPNOTSUPP || errno == ENOSYS) {
    allocated += more;
    return true;
  }
  close(file);
  file = -1;
  return mmap(base + allocated, mapped - allocated, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

void GrowingFile::removeLast() {
  int64_t begin = alignTo(previous, 64);
  std::memset(base + begin, 0, used - begin);
  used = previous;
}

void GrowingFile::release(const char *begin, int64_t size) {
  // Dropping pages of memory without a file would lose them.
  if (file < 0 || begin < base || begin + size > base + used)
    return;
  int64_t page = sysconf(_SC_PAGESIZE), first = alignTo(begin - base, page), last = alignDown(begin - base + size, page);
  if (last > first)
    madvise(base + first, last - first, MADV_DONTNEED);
}

void GrowingFile::releaseAnywhere(ArrayRef<char> bytes) {
  std::lock_guard<std::mutex> lock(openFiles().mutex);
  for (GrowingFile *file : openFiles().files)
    file->release(bytes.data(), bytes.size());
}

} // namespace tern
