//===- Zip.cpp - The part of the zip format that .npz files use -----------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Field offsets are those of PKWARE's APPNOTE 6.3: 4.3.7 local header, 4.3.12 central directory, 4.3.14 to 4.3.16 ends.
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Source.h"
#include <algorithm>
#include <cstring>
#include <set>
#include <zlib.h>

namespace tern::calib {

static uint64_t little(const uint8_t *at, unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i)
    value |= static_cast<uint64_t>(at[i]) << (8 * i);
  return value;
}

static Error broken(const File &file, const std::string &what) {
  return fileError(file.path(), "is not a readable .npz (zip) file: " + what + "; write it again");
}

namespace {
struct Directory {
  uint64_t offset, size, entries;
};
} // namespace

/// Finds the central directory from the records at the end of the file.
static Result<Directory> findDirectory(const File &file) {
  constexpr uint64_t kEnd = 22, kLocator = 20, kEnd64 = 56, kMaxComment = 65535;
  uint64_t tailSize = std::min(file.size(), kEnd + kMaxComment);
  std::vector<uint8_t> tail(tailSize);
  if (Status s = file.read(file.size() - tailSize, tail.data(), tailSize); !s)
    return s.takeError();
  char magic[6] = {};
  if (Status s = file.read(0, magic, std::min<uint64_t>(file.size(), sizeof magic)); !s)
    return s.takeError();
  if (memcmp(magic, "\x93NUMPY", sizeof magic) == 0)
    return fileError(file.path(), "is an .npy file with the name of an .npz file; rename it to .npy");
  if (tailSize < kEnd)
    return broken(file, "it has only " + std::to_string(file.size()) + " bytes");
  int64_t at = static_cast<int64_t>(tailSize - kEnd);
  while (at >= 0 && little(&tail[at], 4) != 0x06054b50)
    --at;
  if (at < 0)
    return broken(file, "the end record is missing, so it is cut off or of another format");
  Directory dir{little(&tail[at + 16], 4), little(&tail[at + 12], 4), little(&tail[at + 10], 2)};
  if (little(&tail[at + 4], 2) != little(&tail[at + 6], 2))
    return broken(file, "it is one of several volumes");
  uint64_t end = file.size() - tailSize + at;
  bool is64 = dir.offset == 0xffffffff || dir.size == 0xffffffff || dir.entries == 0xffff;
  uint8_t record[kEnd64];
  if (end >= kLocator) {
    if (Status s = file.read(end - kLocator, record, kLocator); !s)
      return s.takeError();
    if (little(record, 4) == 0x07064b50) {
      uint64_t at64 = little(record + 8, 8);
      if (end < kLocator + kEnd64 || at64 > end - kLocator - kEnd64)
        return broken(file, "the zip64 end record lies outside the file");
      if (Status s = file.read(at64, record, kEnd64); !s)
        return s.takeError();
      if (little(record, 4) != 0x06064b50)
        return broken(file, "the zip64 end record is missing");
      dir = {little(record + 48, 8), little(record + 40, 8), little(record + 32, 8)};
      is64 = false;
      end = at64;
    }
  }
  if (is64)
    return broken(file, "the zip64 end record is missing");
  if (dir.offset > end || dir.size > end - dir.offset || dir.entries > dir.size / 46)
    return broken(file, "its directory lies outside the file");
  return dir;
}

/// Replaces the sizes that say 0xffffffff by the 64-bit ones of extra field 1, in their fixed order.
static bool applyZip64(const uint8_t *extra, uint64_t length, ZipEntry &entry) {
  uint64_t *fields[] = {&entry.size, &entry.compressed, &entry.header};
  auto isMissing = [](uint64_t *field) { return *field == 0xffffffff; };
  for (uint64_t at = 0; at + 4 <= length;) {
    uint64_t id = little(extra + at, 2), size = little(extra + at + 2, 2);
    at += 4;
    if (size > length - at)
      return false;
    if (id == 1) {
      uint64_t used = 0;
      for (uint64_t *field : fields) {
        if (!isMissing(field))
          continue;
        if (used + 8 > size)
          return false;
        *field = little(extra + at + used, 8);
        used += 8;
      }
      return true;
    }
    at += size;
  }
  return std::none_of(std::begin(fields), std::end(fields), isMissing);
}

Result<std::vector<ZipEntry>> readZipDirectory(const File &file) {
  Result<Directory> dir = findDirectory(file);
  if (!dir)
    return dir.takeError();
  std::vector<uint8_t> bytes(dir->size);
  if (Status s = file.read(dir->offset, bytes.data(), dir->size); !s)
    return s.takeError();
  std::vector<ZipEntry> entries;
  std::set<std::string> names;
  uint64_t at = 0;
  for (uint64_t i = 0; i < dir->entries; ++i) {
    if (bytes.size() - at < 46 || little(&bytes[at], 4) != 0x02014b50)
      return broken(file, "its directory is damaged");
    const uint8_t *record = &bytes[at];
    uint64_t nameSize = little(record + 28, 2), extraSize = little(record + 30, 2),
             commentSize = little(record + 32, 2);
    uint64_t flags = little(record + 8, 2), method = little(record + 10, 2);
    if (nameSize + extraSize + commentSize > bytes.size() - at - 46)
      return broken(file, "its directory is damaged");
    ZipEntry entry;
    entry.name.assign(reinterpret_cast<const char *>(record) + 46, nameSize);
    entry.crc = static_cast<uint32_t>(little(record + 16, 4));
    entry.compressed = little(record + 20, 4);
    entry.size = little(record + 24, 4);
    entry.header = little(record + 42, 4);
    entry.deflated = method == 8;
    at += 46 + nameSize + extraSize + commentSize;
    if (!applyZip64(record + 46 + nameSize, extraSize, entry))
      return broken(file, "the sizes of '" + entry.name + "' are damaged");
    if (flags & 1)
      return broken(file, "'" + entry.name + "' is encrypted");
    if (method != 0 && method != 8)
      return broken(file, "'" + entry.name + "' is compressed by method " + std::to_string(method) +
                              ", only stored and deflate are read");
    if (entry.header > file.size() || entry.compressed > file.size() - entry.header)
      return broken(file, "'" + entry.name + "' lies outside the file");
    // Deflate expands at most 1032 times: a larger size is a lie, and nothing is allocated for it.
    if (entry.deflated ? entry.size / 1032 > entry.compressed : entry.size != entry.compressed)
      return broken(file, "the sizes of '" + entry.name + "' are damaged");
    if (!names.insert(entry.name).second)
      return broken(file, "'" + entry.name + "' is in it twice");
    entries.push_back(std::move(entry));
  }
  return entries;
}

namespace {
/// Decompresses, if need be, and sums up.
struct EntrySource final : ByteSource {
  EntrySource(std::shared_ptr<File> file, const ZipEntry &entry, uint64_t offset)
      : ByteSource(entry.size), file(std::move(file)), name(entry.name), offset(offset), input(entry.compressed),
        expected(entry.crc), deflated(entry.deflated) {}
  ~EntrySource() override {
    if (started)
      inflateEnd(&state);
  }

  Status fill(uint8_t *to, uint64_t count) override {
    bool last = count == remaining();
    for (uint64_t done = 0; done < count;) {
      uint64_t part = std::min<uint64_t>(count - done, 1u << 28);
      if (Status s = deflated ? inflatePart(to + done, part) : copyPart(to + done, part); !s)
        return s;
      sum = crc32(sum, to + done, static_cast<uInt>(part));
      done += part;
    }
    if (last && sum != expected)
      return broken(*file, "the checksum of '" + name + "' is wrong, so its contents are damaged");
    return {};
  }

  Status copyPart(uint8_t *to, uint64_t count) {
    Status s = file->read(offset, to, count);
    offset += count;
    return s;
  }

  Status inflatePart(uint8_t *to, uint64_t count) {
    if (!started) {
      if (inflateInit2(&state, -MAX_WBITS) != Z_OK)
        return fileError(file->path(), "cannot be decompressed: zlib is out of memory");
      started = true;
    }
    state.next_out = to;
    state.avail_out = static_cast<uInt>(count);
    while (state.avail_out > 0) {
      if (state.avail_in == 0) {
        uint64_t part = std::min<uint64_t>(input, sizeof buffer);
        if (part == 0)
          return broken(*file, "the compressed data of '" + name + "' end too early");
        if (Status s = file->read(offset, buffer, part); !s)
          return s;
        offset += part;
        input -= part;
        state.next_in = buffer;
        state.avail_in = static_cast<uInt>(part);
      }
      int code = inflate(&state, Z_NO_FLUSH);
      if (code != Z_OK && !(code == Z_STREAM_END && state.avail_out == 0))
        return broken(*file, "the compressed data of '" + name + "' are damaged");
    }
    return {};
  }

  std::shared_ptr<File> file;
  std::string name;
  uint64_t offset, input;
  uint32_t expected;
  uLong sum = crc32(0, nullptr, 0);
  bool deflated, started = false;
  z_stream state = {};
  uint8_t buffer[16384];
};
} // namespace

Result<std::unique_ptr<ByteSource>> openZipEntry(std::shared_ptr<File> file, const ZipEntry &entry) {
  uint8_t local[30];
  if (file->size() - entry.header < sizeof local)
    return broken(*file, "'" + entry.name + "' lies outside the file");
  if (Status s = file->read(entry.header, local, sizeof local); !s)
    return s.takeError();
  if (little(local, 4) != 0x04034b50)
    return broken(*file, "'" + entry.name + "' has no header where the directory says");
  uint64_t offset = entry.header + sizeof local + little(local + 26, 2) + little(local + 28, 2);
  if (offset > file->size() || entry.compressed > file->size() - offset)
    return broken(*file, "'" + entry.name + "' lies outside the file");
  return std::unique_ptr<ByteSource>(new EntrySource(std::move(file), entry, offset));
}

} // namespace tern::calib
