//===- Files.h - Files for the tests of lib/Calibrate -----------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TERN_TEST_UNIT_CALIBRATE_FILES_H
#define TERN_TEST_UNIT_CALIBRATE_FILES_H

#include "lib/Calibrate/Data.h"
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>
#include <zlib.h>

namespace tern::calib::test {

/// A folder of its own for a test, removed afterwards.
class FileTest : public ::testing::Test {
protected:
  void SetUp() override {
    auto *info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::temp_directory_path() /
             (std::string("tern-") + info->test_suite_name() + "-" + info->name() + "-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string file(const std::string &name) const { return (folder / name).string(); }
  std::string write(const std::string &name, const std::string &bytes) const {
    std::filesystem::create_directories((folder / name).parent_path());
    std::filesystem::remove(folder / name); // ext4 flushes a file that is written over
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return file(name);
  }
  std::string read(const std::string &name) const {
    std::ifstream in(folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  std::filesystem::path folder;
};

template <class T> std::string raw(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

template <class T>
Array makeArray(const std::string &name, int32_t dtype, std::vector<int64_t> shape, const std::vector<T> &values) {
  std::string bytes = raw(values);
  return {name, dtype, std::move(shape), std::vector<uint8_t>(bytes.begin(), bytes.end())};
}

template <class T> std::vector<T> valuesOf(const Array &array) {
  return std::vector<T>(array.data<T>(), array.data<T>() + array.bytes.size() / sizeof(T));
}

/// An .npy file with the given text as its header.
inline std::string npy(const std::string &header, const std::string &data, int version = 1) {
  std::string text = std::string("\x93NUMPY") + static_cast<char>(version) + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    text += static_cast<char>(header.size() >> (8 * i));
  return text + header + data;
}

inline std::string npyOf(const std::string &descr, const std::string &shape, const std::string &data,
                         bool fortran = false) {
  return npy("{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape +
                 ", }\n",
             data);
}

inline std::string little(uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i)
    text += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
  return text;
}

inline std::string deflated(const std::string &data) {
  std::string out(compressBound(data.size()) + 64, 0);
  z_stream z = {};
  deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  z.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef *>(&out[0]);
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

struct ZipOptions {
  bool deflate = false;
  bool zip64 = false; ///< every size and offset in 64-bit fields
  unsigned method = 0, flags = 0;
  uint32_t crcXor = 0;
  uint64_t addSize = 0; ///< added to the uncompressed size
};

/// A zip archive of (name, contents).
inline std::string zip(const std::vector<std::pair<std::string, std::string>> &files, ZipOptions options = {}) {
  std::string out, directory;
  unsigned method = options.deflate ? 8 : options.method;
  for (auto &[name, contents] : files) {
    std::string data = options.deflate ? deflated(contents) : contents;
    uint64_t size = contents.size() + options.addSize, offset = out.size();
    uint32_t crc =
        crc32(0, reinterpret_cast<const Bytef *>(contents.data()), static_cast<uInt>(contents.size())) ^ options.crcXor;
    std::string sizes = options.zip64 ? little(0xffffffffffffffff, 8) : little(data.size(), 4) + little(size, 4);
    std::string extra64 = little(size, 8) + little(data.size(), 8);
    std::string extra = options.zip64 ? little(1, 2) + little(16, 2) + extra64 : "";
    std::string common = little(20, 2) + little(options.flags, 2) + little(method, 2) + little(0, 4) + little(crc, 4) +
                         sizes + little(name.size(), 2);
    out += little(0x04034b50, 4) + common + little(extra.size(), 2) + name + extra + data;
    if (options.zip64)
      extra = little(0x7777, 2) + little(1, 2) + "x" + little(1, 2) + little(24, 2) + extra64 + little(offset, 8);
    directory += little(0x02014b50, 4) + little(20, 2) + common + little(extra.size(), 2) + little(0, 10) +
                 little(options.zip64 ? 0xffffffff : offset, 4) + name + extra;
  }
  uint64_t offset = out.size(), n = files.size();
  out += directory;
  if (options.zip64) {
    uint64_t at = out.size();
    out += little(0x06064b50, 4) + little(44, 8) + little(45, 4) + little(0, 8) + little(n, 8) + little(n, 8) +
           little(directory.size(), 8) + little(offset, 8);
    out += little(0x07064b50, 4) + little(0, 4) + little(at, 8) + little(1, 4);
    return out + little(0x06054b50, 4) + little(0, 4) + little(0xffffffff, 4) + little(0xffffffffffffffff, 8) +
           little(0, 2);
  }
  return out + little(0x06054b50, 4) + little(0, 4) + little(n, 2) + little(n, 2) + little(directory.size(), 4) +
         little(offset, 4) + little(0, 2);
}

inline std::string varint(uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7)
    text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}
inline std::string pbVarint(unsigned field, uint64_t value) { return varint(field << 3) + varint(value); }
inline std::string pbBytes(unsigned field, const std::string &bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string pbTensor(std::vector<int64_t> dims, int32_t dtype, const std::string &rest,
                            const std::string &name = "") {
  std::string text;
  for (int64_t d : dims)
    text += pbVarint(1, static_cast<uint64_t>(d));
  return text + pbVarint(2, dtype) + rest + (name.empty() ? "" : pbBytes(8, name));
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << text

} // namespace tern::calib::test

#endif // TERN_TEST_UNIT_CALIBRATE_FILES_H
