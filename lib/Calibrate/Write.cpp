//===- Write.cpp - .npy and .npz files ------------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Data.h"
#include "lib/Calibrate/Source.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace tern::calib {

namespace {
/// A temporary file beside its target, removed unless finish() renamed it.
class Output {
public:
  explicit Output(const std::string &path) : path(path), temporary(path + ".tmp" + std::to_string(getpid())) {
    struct stat status;
    if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
      temporary = path; // a pipe or device is written, never replaced; a folder fails to open
    fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    failed = fd < 0 ? errno : 0;
  }
  ~Output() { abandon(); }

  void write(const void *data, uint64_t size) {
    const char *bytes = static_cast<const char *>(data);
    offset += size;
    while (size > 0 && !failed) {
      ssize_t done = ::write(fd, bytes, std::min<uint64_t>(size, 1u << 30));
      if (done < 0 && errno != EINTR)
        failed = errno;
      if (done > 0) {
        bytes += done;
        size -= done;
      }
    }
  }
  void write(const std::string &text) { write(text.data(), text.size()); }

  Status finish() {
    if (fd >= 0 && ::close(fd) != 0 && !failed)
      failed = errno;
    bool made = fd >= 0;
    fd = -1;
    if (!failed && temporary != path && ::rename(temporary.c_str(), path.c_str()) != 0)
      failed = errno;
    if (failed && made && temporary != path)
      ::unlink(temporary.c_str());
    if (failed)
      return fileError(path, std::string("cannot be written: ") + strerror(failed));
    return {};
  }
  uint64_t offset = 0;

private:
  void abandon() {
    if (fd < 0)
      return;
    ::close(fd);
    if (temporary != path)
      ::unlink(temporary.c_str());
  }
  std::string path, temporary;
  int fd, failed;
};

struct Record {
  const Array *array;
  std::string header, name;
  uint64_t size, offset;
  uint32_t crc;
};
} // namespace

static void put(std::string &to, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    to += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
}

static uint32_t checksum(const std::string &header, const std::vector<uint8_t> &bytes) {
  uLong crc = crc32(crc32(0, nullptr, 0), reinterpret_cast<const Bytef *>(header.data()), header.size());
  for (size_t at = 0; at < bytes.size(); at += 1u << 30)
    crc = crc32(crc, &bytes[at], static_cast<uInt>(std::min<size_t>(bytes.size() - at, 1u << 30)));
  return static_cast<uint32_t>(crc);
}

static constexpr uint64_t kLimit32 = 0xffffffff;
static constexpr unsigned kDate1980 = 0x21; // the first day of a zip file: no clock in the bytes

/// The fields that local header and directory share, from "version needed" on.
static std::string commonFields(const Record &r, bool is64, bool large, uint64_t extra) {
  std::string text;
  bool utf8 = std::any_of(r.name.begin(), r.name.end(), [](char c) { return c & 0x80; });
  put(text, is64 ? 45 : 20, 2);
  put(text, utf8 ? 0x800 : 0, 2);
  put(text, 0, 2); // stored
  put(text, 0, 2);
  put(text, kDate1980, 2);
  put(text, r.crc, 4);
  put(text, large ? kLimit32 : r.size, 4);
  put(text, large ? kLimit32 : r.size, 4);
  put(text, r.name.size(), 2);
  put(text, extra, 2);
  return text;
}

static std::string localHeader(const Record &r) {
  bool large = r.size >= kLimit32;
  std::string text;
  put(text, 0x04034b50, 4);
  text += commonFields(r, large, large, large ? 20 : 0) + r.name;
  if (large) {
    put(text, 1, 2);
    put(text, 16, 2);
    put(text, r.size, 8);
    put(text, r.size, 8);
  }
  return text;
}

static std::string directoryRecord(const Record &r) {
  bool large = r.size >= kLimit32, far = r.offset >= kLimit32;
  unsigned extra = (large ? 16 : 0) + (far ? 8 : 0);
  std::string text;
  put(text, 0x02014b50, 4);
  put(text, extra ? 45 : 20, 2);
  text += commonFields(r, extra, large, extra ? extra + 4 : 0);
  put(text, 0, 2 + 2 + 2 + 4); // comment, volume, attributes
  put(text, far ? kLimit32 : r.offset, 4);
  text += r.name;
  if (extra) {
    put(text, 1, 2);
    put(text, extra, 2);
    if (large) {
      put(text, r.size, 8);
      put(text, r.size, 8);
    }
    if (far)
      put(text, r.offset, 8);
  }
  return text;
}

static std::string endRecords(uint64_t entries, uint64_t offset, uint64_t size) {
  std::string text;
  if (entries >= 0xffff || offset >= kLimit32 || size >= kLimit32) {
    put(text, 0x06064b50, 4);
    put(text, 44, 8);
    put(text, 45, 2);
    put(text, 45, 2);
    put(text, 0, 4 + 4);
    put(text, entries, 8);
    put(text, entries, 8);
    put(text, size, 8);
    put(text, offset, 8);
    put(text, 0x07064b50, 4);
    put(text, 0, 4);
    put(text, offset + size, 8);
    put(text, 1, 4);
  }
  put(text, 0x06054b50, 4);
  put(text, 0, 2 + 2);
  put(text, std::min<uint64_t>(entries, 0xffff), 2);
  put(text, std::min<uint64_t>(entries, 0xffff), 2);
  put(text, std::min(size, kLimit32), 4);
  put(text, std::min(offset, kLimit32), 4);
  put(text, 0, 2);
  return text;
}

static Error noNumpyType(const std::string &path, const Array &array) {
  return fileError(path, "cannot hold array '" + array.name + "': numpy has no type " + dtypeInfo(array.dtype).name +
                             "; convert it to float32 first");
}

Status writeNpz(const std::string &path, const std::vector<Array> &arrays) {
  std::vector<Record> records;
  std::set<std::string> names;
  for (const Array &array : arrays) {
    std::optional<std::string> header = npyHeader(array);
    if (!header)
      return noNumpyType(path, array);
    if (array.name.empty() || array.name.size() > 65000 || !names.insert(array.name).second)
      return fileError(path, "cannot hold an array named '" + array.name.substr(0, 80) +
                                 "': names are not empty, at most 65000 bytes, and each is used once");
    records.push_back(
        {&array, *header, array.name + ".npy", header->size() + array.bytes.size(), 0, checksum(*header, array.bytes)});
  }
  Output out(path);
  for (Record &r : records) {
    r.offset = out.offset;
    out.write(localHeader(r));
    out.write(r.header);
    out.write(r.array->bytes.data(), r.array->bytes.size());
  }
  std::string directory;
  for (const Record &r : records)
    directory += directoryRecord(r);
  uint64_t offset = out.offset;
  out.write(directory);
  out.write(endRecords(records.size(), offset, directory.size()));
  return out.finish();
}

Status writeNpy(const std::string &path, const Array &array) {
  std::optional<std::string> header = npyHeader(array);
  if (!header)
    return noNumpyType(path, array);
  Output out(path);
  out.write(*header);
  out.write(array.bytes.data(), array.bytes.size());
  return out.finish();
}

} // namespace tern::calib
