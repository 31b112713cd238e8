#include "lib/Support/Manifest.h"
#include "llvm/Support/FormatVariadic.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
using namespace tern;
using testing::HasSubstr;

static std::string parseError(llvm::StringRef text) {
  llvm::Expected<Manifest> manifest = Manifest::parse(text);
  return manifest ? "no error" : toString(manifest.takeError());
}

TEST(ManifestTest, what_is_written_is_read) {
  Manifest m;
  m.name = "resnet18";
  m.isa = {"portable", "avx2"};
  m.inputs = {{"input", TERN_F32, {1, 3, 224, 224}}};
  m.outputs = {{"codes", TERN_U8, {}}, {"empty", TERN_I64, {0, 2}}};
  m.weightsBytes = 11689512;
  m.weightsHash = 0xfedcba9876543210u;
  m.arenaBytes = 64;
  std::string text = llvm::formatv("{0:2}", m.toJSON());
  llvm::Expected<Manifest> read = Manifest::parse(text);
  ASSERT_TRUE(bool(read)) << toString(read.takeError());
  EXPECT_EQ(read->toJSON(), m.toJSON());
  EXPECT_EQ(read->weightsHash, m.weightsHash);
  EXPECT_EQ(read->inputs[0].shape, m.inputs[0].shape);
  EXPECT_THAT(text, HasSubstr("\"hash\": \"fedcba9876543210\""));
}

TEST(ManifestTest, small_hash_keeps_its_zeros) {
  Manifest m;
  m.weightsHash = 0xab;
  EXPECT_THAT(llvm::formatv("{0}", m.toJSON()).str(), HasSubstr("\"00000000000000ab\""));
}

TEST(ManifestTest, errors_name_the_key) {
  EXPECT_THAT(parseError("{"), HasSubstr("Expected"));
  EXPECT_THAT(parseError("[]"), HasSubstr("expected object"));
  EXPECT_THAT(parseError(std::string(1000000, '[')), HasSubstr("byte 100: more than 100 levels of brackets"));
  EXPECT_THAT(parseError("{\"a\\\"[[\": \"" + std::string(200, '[') + "\"}"), HasSubstr("missing value at manifest.abi"));
  EXPECT_THAT(parseError("{}"), HasSubstr("missing value at manifest.abi"));
  EXPECT_THAT(parseError(R"({"abi": 1, "name": "m", "target": "cpu", "inputs": [{"name": "x", "dtype": "f3",
                              "shape": []}], "outputs": []})"),
              HasSubstr("unknown element type"));
  EXPECT_THAT(parseError(R"({"abi": 1, "name": "m", "target": "cpu", "inputs": [], "outputs": [],
                              "weights": {"file": "w", "bytes": 3, "hash": "xyz"}})"),
              HasSubstr("expected 16 hexadecimal digits"));
  EXPECT_EQ(parseError(R"({"abi": 1, "name": "m", "target": "cpu", "inputs": [], "outputs": [], "more": 1})"),
            "no error");
}

TEST(ManifestTest, element_types) {
  EXPECT_EQ(dtypeName(TERN_BF16), "bf16");
  EXPECT_EQ(dtypeName(99), "");
  EXPECT_EQ(dtypeFromName("bool"), int32_t(TERN_BOOL));
  EXPECT_EQ(dtypeFromName("float"), 0);
  EXPECT_EQ(dtypeSize(TERN_I64), 8u);
  EXPECT_EQ(dtypeSize(0), 0u);
}
