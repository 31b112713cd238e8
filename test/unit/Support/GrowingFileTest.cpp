//===- GrowingFileTest.cpp - large data that need not stay in memory ------===//
#include "lib/Support/GrowingFile.h"
#include "gtest/gtest.h"
#include <cstring>

using namespace tern;

namespace {
TEST(GrowingFile, KeepsWhatWasReleased) {
  GrowingFile file;
  // Pieces of which some cross the step by which the file grows.
  const int64_t size = 40 << 20;
  char *pieces[3];
  for (int i = 0; i < 3; ++i) {
    pieces[i] = file.append(size + i);
    ASSERT_NE(pieces[i], nullptr);
    EXPECT_EQ((pieces[i] - file.bytes().data()) % 64, 0);
    std::memset(pieces[i], 'a' + i, size + i);
    file.release(pieces[i], size + i);
  }
  for (int i = 0; i < 3; ++i)
    for (int64_t at : {int64_t(0), size / 2, size + i - 1})
      EXPECT_EQ(pieces[i][at], 'a' + i);
  GrowingFile::releaseAnywhere(file.bytes());
  EXPECT_EQ(pieces[1][7], 'b');
}

TEST(GrowingFile, RemovedRoomIsZeroAgain) {
  GrowingFile file;
  char *first = file.append(100);
  int64_t size = file.size();
  char *second = file.append(200);
  std::memset(second, 1, 200);
  file.removeLast();
  EXPECT_EQ(file.size(), size);
  EXPECT_EQ(file.append(200), second);
  EXPECT_EQ(second[0], 0);
  EXPECT_EQ(second[199], 0);
  EXPECT_EQ(first[0], 0);
}

TEST(GrowingFile, LeavesOtherMemoryAlone) {
  std::vector<char> own(1 << 20, 'x');
  GrowingFile file;
  GrowingFile::releaseAnywhere(own);
  EXPECT_EQ(own[own.size() / 2], 'x');
}
} // namespace
