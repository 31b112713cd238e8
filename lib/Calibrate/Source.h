//===- Source.h - Reading arrays piece by piece -----------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to the readers of lib/Calibrate. Every size is checked against the file before memory is taken for it.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_SOURCE_H
#define TERN_CALIBRATE_SOURCE_H

#include "lib/Calibrate/Array.h"
#include <memory>

namespace tern::calib {

/// "'path': text", the shape of every message about a file.
Error fileError(const std::string &path, const std::string &text);

/// A file open for reading at any offset.
class File {
public:
  static Result<std::shared_ptr<File>> open(const std::string &path);
  ~File();
  const std::string &path() const { return name; }
  uint64_t size() const { return length; }
  /// Exactly `count` bytes from `offset`.
  Status read(uint64_t offset, void *to, uint64_t count) const;

private:
  File(std::string path, int descriptor, uint64_t size) : name(std::move(path)), fd(descriptor), length(size) {}
  std::string name;
  int fd;
  uint64_t length;
};

/// Bytes in order, of a length known before they are read.
class ByteSource {
public:
  virtual ~ByteSource();
  uint64_t remaining() const { return left; }
  /// Exactly `count` bytes, which must not be more than remaining().
  Status read(void *to, uint64_t count);

protected:
  explicit ByteSource(uint64_t size) : left(size) {}
  virtual Status fill(uint8_t *to, uint64_t count) = 0;

private:
  uint64_t left;
};

std::unique_ptr<ByteSource> rangeSource(std::shared_ptr<File> file, uint64_t offset, uint64_t size);

/// One file of a zip archive.
struct ZipEntry {
  std::string name;
  uint64_t size = 0;       ///< bytes after decompression
  uint64_t compressed = 0; ///< bytes in the file
  uint64_t header = 0;     ///< offset of the local header
  uint32_t crc = 0;
  bool deflated = false;
};

/// The directory of an archive, in its order. Refuses encryption, several volumes, methods but stored and deflate, and
/// entries that reach beyond the file.
Result<std::vector<ZipEntry>> readZipDirectory(const File &file);

/// Contents of an entry; the last read checks the CRC.
Result<std::unique_ptr<ByteSource>> openZipEntry(std::shared_ptr<File> file, const ZipEntry &entry);

/// An array being read: its header is known, its elements come in pieces.
struct ArrayStream {
  ArrayInfo info;
  std::string where; ///< for messages: "'file.npz': array 'x'"
  /// The next `bytes.size()` bytes of the array in C order and little endian, whole elements.
  Status read(std::vector<uint8_t> &bytes);

  std::unique_ptr<ByteSource> source; ///< null: all of it is in `whole`
  bool fortran = false, swap = false;
  std::vector<uint8_t> whole;
  uint64_t position = 0;
};

/// Reads the header of an .npy file; the elements must be exactly what remains of the source.
Result<ArrayStream> openNpy(std::unique_ptr<ByteSource> source, std::string name, const std::string &where);

/// Reads a serialized ONNX TensorProto.
Result<Array> parseTensorProto(const std::vector<uint8_t> &bytes, const std::string &where);

/// Where an array is: a file and, in an .npz file, the entry.
struct ArrayLocation {
  std::string path, entry;
  ArrayInfo info; ///< `name` is empty where the file gives none
};

/// The arrays of a file, from their headers.
Result<std::vector<ArrayLocation>> locateArrays(const std::string &path);

/// Opens an array again; its header must still be the one that was located.
Result<ArrayStream> openArray(const ArrayLocation &location);

/// Header of an .npy file for a little-endian C order array; nothing if numpy has no such type.
std::optional<std::string> npyHeader(const Array &array);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_SOURCE_H
