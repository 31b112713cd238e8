//===- Source.cpp - Files and ranges of them ------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Source.h"
#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tern::calib {

Error fileError(const std::string &path, const std::string &text) { return {"'" + path + "': " + text}; }

Result<std::shared_ptr<File>> File::open(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fileError(path, std::string("cannot be opened: ") + strerror(errno));
  struct stat status;
  bool known = fstat(fd, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    ::close(fd);
    return fileError(path, "is not a regular file; calibration data are read from .npz, .npy and .pb files");
  }
  return std::shared_ptr<File>(new File(path, fd, static_cast<uint64_t>(status.st_size)));
}

File::~File() { ::close(fd); }

Status File::read(uint64_t offset, void *to, uint64_t count) const {
  auto *bytes = static_cast<uint8_t *>(to);
  while (count > 0) {
    ssize_t got = pread(fd, bytes, std::min<uint64_t>(count, 1u << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fileError(name, std::string("cannot be read: ") + strerror(errno));
    if (got == 0)
      return fileError(name, "ends at byte " + std::to_string(offset) + ", it was cut off while it was being read");
    bytes += got;
    offset += got;
    count -= got;
  }
  return {};
}

ByteSource::~ByteSource() = default;

Status ByteSource::read(void *to, uint64_t count) {
  assert(count <= left && "the caller checks sizes against remaining()");
  if (Status s = fill(static_cast<uint8_t *>(to), count); !s)
    return s;
  left -= count;
  return {};
}

namespace {
struct RangeSource final : ByteSource {
  RangeSource(std::shared_ptr<File> file, uint64_t offset, uint64_t size)
      : ByteSource(size), file(std::move(file)), offset(offset) {}
  Status fill(uint8_t *to, uint64_t count) override {
    if (Status s = file->read(offset, to, count); !s)
      return s;
    offset += count;
    return {};
  }
  std::shared_ptr<File> file;
  uint64_t offset;
};
} // namespace

std::unique_ptr<ByteSource> rangeSource(std::shared_ptr<File> file, uint64_t offset, uint64_t size) {
  return std::make_unique<RangeSource>(std::move(file), offset, size);
}

} // namespace tern::calib
