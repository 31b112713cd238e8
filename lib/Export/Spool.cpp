#include "lib/Export/Spool.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace llvm;
namespace fs = llvm::sys::fs;

namespace tern::exporter {

Spool::~Spool() {
  region = fs::mapped_file_region();
  if (handle >= 0)
    ::close(handle);
  if (!path.empty() && !kept)
    fs::remove(path);
}

static bool writeAll(int handle, const char *data, uint64_t size) {
  while (size) {
    ssize_t written = ::write(handle, data, std::min<uint64_t>(size, 1 << 30));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    data += written, size -= uint64_t(written);
  }
  return true;
}

void Spool::toFile(std::string name) {
  path = std::move(name);
  if (std::error_code ec = fs::openFileForReadWrite(path, handle, fs::CD_CreateAlways, fs::OF_None)) {
    error = path + ": cannot be written: " + ec.message();
    handle = -1;
    return;
  }
  // What was added before keeps its offset.
  std::string before(size_t(end), '\0');
  for (const auto &[offset, data] : blobs)
    std::copy(data.begin(), data.end(), before.begin() + offset);
  blobs.clear();
  if (!writeAll(handle, before.data(), before.size()))
    error = path + ": cannot be written: " + std::strerror(errno);
}

uint64_t Spool::add(StringRef data) {
  if (path.empty()) {
    uint64_t offset = end;
    blobs.emplace_back(offset, data.str());
    end += std::max<uint64_t>(data.size(), 1);
    return offset;
  }
  uint64_t offset = alignTo(end, alignmentOf(data.size()));
  if (error.empty()) {
    std::string gap(size_t(offset - end), '\0');
    if (!writeAll(handle, gap.data(), gap.size()) || !writeAll(handle, data.data(), data.size()))
      error = path + ": cannot be written: " + std::strerror(errno);
  }
  end = offset + data.size();
  return offset;
}

std::string Spool::finish() {
  if (path.empty() || !error.empty() || end == 0)
    return error;
  std::error_code ec;
  region = fs::mapped_file_region(fs::convertFDToNativeFile(handle), fs::mapped_file_region::readonly, end, 0, ec);
  if (ec)
    error = path + ": cannot be read back: " + ec.message();
  return error;
}

StringRef Spool::at(uint64_t offset, uint64_t size) const {
  if (!path.empty())
    return size ? StringRef(region.const_data() + offset, size) : StringRef();
  auto it = llvm::lower_bound(blobs, offset, [](const auto &blob, uint64_t value) { return blob.first < value; });
  return it->second;
}

} // namespace tern::exporter
