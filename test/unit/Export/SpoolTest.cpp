//===- SpoolTest.cpp - tensors on their way into a file ---------------------===//
#include "lib/Export/Spool.h"
#include "gtest/gtest.h"

using namespace tern::exporter;

TEST(Spool, WhatWasAddedBeforeTheFileKeepsItsOffset) {
  Spool spool;
  uint64_t first = spool.add("axes"), second = spool.add("12345678");
  spool.toFile(testing::TempDir() + "tern-spool-test");
  std::string large(5000, 'w');
  uint64_t third = spool.add(large);
  ASSERT_EQ(spool.finish(), "");
  EXPECT_EQ(spool.at(first, 4), "axes");
  EXPECT_EQ(spool.at(second, 8), "12345678");
  EXPECT_EQ(spool.at(third, large.size()), large);
}
