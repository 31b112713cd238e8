//===- WriteTest.cpp - Written .npy and .npz files ------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include <csignal>
#include <sys/resource.h>

using namespace tern::calib;
using namespace tern::calib::test;

namespace {

class Writers : public FileTest {
protected:
  size_t filesIn() const {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
  }
};

std::vector<Array> someArrays() {
  return {makeArray<float>("image", kFloat32, {1, 2, 2}, {1, 2, 3, 4}),
          makeArray<int64_t>("ids", kInt64, {3}, {5, -6, 7}), makeArray<uint8_t>("größe", kBool, {}, {1}),
          makeArray<float>("none", kFloat32, {0, 4}, {}), makeArray<uint16_t>("half", kFloat16, {1}, {0x3c00})};
}

TEST_F(Writers, npzRoundTrip) {
  std::vector<Array> arrays = someArrays();
  Status written = writeNpz(file("x.npz"), arrays);
  ASSERT_TRUE(written) << written.error();
  Result<std::vector<Array>> back = readNpz(file("x.npz"));
  ASSERT_TRUE(back) << back.error();
  ASSERT_EQ(back->size(), arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ((*back)[i].name, arrays[i].name);
    EXPECT_EQ((*back)[i].dtype, arrays[i].dtype);
    EXPECT_EQ((*back)[i].shape, arrays[i].shape);
    EXPECT_EQ((*back)[i].bytes, arrays[i].bytes);
  }
  EXPECT_EQ(filesIn(), 1u);
}

TEST_F(Writers, npzSameArraysSameBytes) {
  ASSERT_TRUE(writeNpz(file("a.npz"), someArrays()));
  ASSERT_TRUE(writeNpz(file("b.npz"), someArrays()));
  EXPECT_EQ(read("a.npz"), read("b.npz"));
}

TEST_F(Writers, npyRoundTrip) {
  for (const Array &array : someArrays()) {
    ASSERT_TRUE(writeNpy(file("x.npy"), array));
    EXPECT_EQ((read("x.npy").size() - array.bytes.size()) % 64, 0u);
    Result<Array> back = readNpy(file("x.npy"));
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(back->shape, array.shape);
    EXPECT_EQ(back->bytes, array.bytes);
  }
}

TEST_F(Writers, refusesTypesNumpyHasNot) {
  Array array = makeArray<uint16_t>("x", kBFloat16, {1}, {0x3f80});
  EXPECT_HAS(writeNpy(file("x.npy"), array).error(), "bfloat16");
  EXPECT_HAS(writeNpz(file("x.npz"), {array}).error(), "convert it to float32");
  EXPECT_EQ(filesIn(), 0u);
}

TEST_F(Writers, refusesNamesTwiceOrEmpty) {
  Array array = makeArray<float>("x", kFloat32, {1}, {1});
  EXPECT_HAS(writeNpz(file("x.npz"), {array, array}).error(), "used once");
  array.name = "";
  EXPECT_HAS(writeNpz(file("x.npz"), {array}).error(), "not empty");
}

TEST_F(Writers, missingFolder) {
  EXPECT_HAS(writeNpz(file("none/x.npz"), someArrays()).error(), "No such file");
  EXPECT_HAS(writeNpy(file("none/x.npy"), someArrays()[0]).error(), "No such file");
}

TEST_F(Writers, folderInThePlaceOfTheFile) {
  std::filesystem::create_directory(file("x.npz"));
  EXPECT_HAS(writeNpz(file("x.npz"), someArrays()).error(), "Is a directory");
}

TEST_F(Writers, fullDiskLeavesNothing) {
  // A limit on file sizes fails as a full disk does, but for its error number.
  Array large = makeArray<float>("x", kFloat32, {65536}, std::vector<float>(65536, 1));
  write("x.npz", "old");
  signal(SIGXFSZ, SIG_IGN);
  rlimit before, small;
  getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 4096;
  setrlimit(RLIMIT_FSIZE, &small);
  Status written = writeNpz(file("x.npz"), {large});
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(written);
  EXPECT_HAS(written.error(), "File too large");
  EXPECT_EQ(read("x.npz"), "old");
  EXPECT_EQ(filesIn(), 1u);
}

TEST_F(Writers, deviceIsWrittenNotReplaced) {
  EXPECT_HAS(writeNpz("/dev/full", someArrays()).error(), "No space left");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

} // namespace
