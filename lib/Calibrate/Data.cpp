//===- Data.cpp - Arrays in files -----------------------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Data.h"
#include "lib/Calibrate/Source.h"
#include <cstring>

namespace tern::calib {

static bool endsWith(const std::string &text, const char *end) {
  size_t n = std::char_traits<char>::length(end);
  return text.size() >= n && text.compare(text.size() - n, n, end) == 0;
}

static std::string arrayIn(const std::string &path, const std::string &name) {
  return "'" + path + "': " + (name.empty() ? "the array" : "array '" + name + "'");
}

static Result<ArrayStream> streamOf(Array array, std::string where) {
  ArrayStream stream;
  stream.info = {std::move(array.name), array.dtype, std::move(array.shape)};
  stream.where = std::move(where);
  stream.whole = std::move(array.bytes);
  return stream;
}

static Result<Array> arrayOf(Result<ArrayStream> stream) {
  if (!stream)
    return stream.takeError();
  Array array{stream->info.name, stream->info.dtype, stream->info.shape, {}};
  array.bytes.resize(*byteSize(array.dtype, array.size()));
  if (Status s = stream->read(array.bytes); !s)
    return s.takeError();
  return array;
}

static Result<ArrayStream> openNpyFile(const std::string &path) {
  Result<std::shared_ptr<File>> file = File::open(path);
  if (!file)
    return file.takeError();
  uint64_t size = (*file)->size();
  return openNpy(rangeSource(*file, 0, size), "", arrayIn(path, ""));
}

Result<Array> readNpy(const std::string &path) { return arrayOf(openNpyFile(path)); }

/// The entries that are arrays: those named *.npy and those that start as one.
static Result<std::vector<ZipEntry>> npyEntries(const std::shared_ptr<File> &file) {
  Result<std::vector<ZipEntry>> all = readZipDirectory(*file);
  if (!all)
    return all.takeError();
  std::vector<ZipEntry> entries;
  for (ZipEntry &entry : *all) {
    if (!endsWith(entry.name, ".npy")) {
      uint8_t magic[6];
      if (entry.size < sizeof magic)
        continue;
      Result<std::unique_ptr<ByteSource>> source = openZipEntry(file, entry);
      if (!source)
        return source.takeError();
      if (Status s = (*source)->read(magic, sizeof magic); !s)
        return s.takeError();
      if (memcmp(magic, "\x93NUMPY", sizeof magic) != 0)
        continue;
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty())
    return fileError(file->path(), "holds no array; write it with numpy.savez(file, name=array)");
  return entries;
}

static Result<ArrayStream> openNpzArray(const std::shared_ptr<File> &file, const ZipEntry &entry) {
  Result<std::unique_ptr<ByteSource>> source = openZipEntry(file, entry);
  if (!source)
    return source.takeError();
  std::string name = entry.name;
  if (endsWith(name, ".npy"))
    name.resize(name.size() - 4);
  return openNpy(std::move(*source), name, arrayIn(file->path(), name));
}

/// Opens the arrays of a .npz one after the other.
template <typename Look> static Status eachArray(const std::string &path, Look look) {
  Result<std::shared_ptr<File>> file = File::open(path);
  if (!file)
    return file.takeError();
  Result<std::vector<ZipEntry>> entries = npyEntries(*file);
  if (!entries)
    return entries.takeError();
  for (const ZipEntry &entry : *entries)
    if (Status s = look(entry, openNpzArray(*file, entry)); !s)
      return s;
  return {};
}

Result<std::vector<Array>> readNpz(const std::string &path) {
  std::vector<Array> arrays;
  Status status = eachArray(path, [&](const ZipEntry &, Result<ArrayStream> stream) -> Status {
    Result<Array> array = arrayOf(std::move(stream));
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    return {};
  });
  if (!status)
    return status.takeError();
  return arrays;
}

Result<Array> readTensorProto(const std::string &path) {
  Result<std::shared_ptr<File>> file = File::open(path);
  if (!file)
    return file.takeError();
  if ((*file)->size() > (uint64_t(1) << 31))
    return fileError(path, "has more than 2 GiB, which no serialized TensorProto has");
  std::vector<uint8_t> bytes((*file)->size());
  if (Status s = (*file)->read(0, bytes.data(), bytes.size()); !s)
    return s.takeError();
  return parseTensorProto(bytes, arrayIn(path, ""));
}

static Error unknownEnding(const std::string &path) {
  return fileError(path, "has an unknown ending; calibration data are .npz, .npy or .pb files, or folders of them");
}

Result<std::vector<Array>> readArrays(const std::string &path) {
  if (endsWith(path, ".npz"))
    return readNpz(path);
  if (!endsWith(path, ".npy") && !endsWith(path, ".pb"))
    return unknownEnding(path);
  Result<Array> array = endsWith(path, ".npy") ? readNpy(path) : readTensorProto(path);
  if (!array)
    return array.takeError();
  std::vector<Array> arrays;
  arrays.push_back(std::move(*array));
  return arrays;
}

Result<std::vector<ArrayLocation>> locateArrays(const std::string &path) {
  std::vector<ArrayLocation> locations;
  if (endsWith(path, ".npz")) {
    Status status = eachArray(path, [&](const ZipEntry &entry, Result<ArrayStream> stream) -> Status {
      if (!stream)
        return stream.takeError();
      locations.push_back({path, entry.name, stream->info});
      return {};
    });
    if (!status)
      return status.takeError();
  } else if (endsWith(path, ".npy")) {
    Result<ArrayStream> stream = openNpyFile(path);
    if (!stream)
      return stream.takeError();
    locations.push_back({path, "", stream->info});
  } else if (endsWith(path, ".pb")) {
    Result<Array> array = readTensorProto(path);
    if (!array)
      return array.takeError();
    locations.push_back({path, "", {array->name, array->dtype, array->shape}});
  } else {
    return unknownEnding(path);
  }
  return locations;
}

static Result<ArrayStream> reopen(const ArrayLocation &location) {
  if (location.entry.empty()) {
    if (endsWith(location.path, ".npy"))
      return openNpyFile(location.path);
    Result<Array> array = readTensorProto(location.path);
    if (!array)
      return array.takeError();
    return streamOf(std::move(*array), arrayIn(location.path, ""));
  }
  Result<std::shared_ptr<File>> file = File::open(location.path);
  if (!file)
    return file.takeError();
  Result<std::vector<ZipEntry>> entries = readZipDirectory(**file);
  if (!entries)
    return entries.takeError();
  for (const ZipEntry &entry : *entries)
    if (entry.name == location.entry)
      return openNpzArray(*file, entry);
  return fileError(location.path, "has changed while it was being read");
}

Result<ArrayStream> openArray(const ArrayLocation &location) {
  Result<ArrayStream> stream = reopen(location);
  if (stream && (stream->info.dtype != location.info.dtype || stream->info.shape != location.info.shape))
    return fileError(location.path, "has changed while it was being read");
  return stream;
}

} // namespace tern::calib
