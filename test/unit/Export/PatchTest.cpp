#include "lib/Export/Patch.h"
#include "lib/Export/Wire.h"
#include "gtest/gtest.h"

namespace tern::exporter {
namespace {

std::string written(const Patch &patch) {
  std::string out;
  patch.write([&](llvm::StringRef part) { out += part; });
  EXPECT_EQ(out.size(), patch.size());
  return out;
}

/// A message with fields 1 (number), 7 (a message with field 5 of `inner` bytes), 2 (number).
std::string nested(size_t inner) {
  std::string message, file;
  FieldWriter(message).bytes(5, std::string(inner, 'a'));
  FieldWriter writer(file);
  writer.number(1, 300);
  writer.bytes(7, message);
  writer.number(2, 5);
  return file;
}

std::vector<Field> fieldsOf(llvm::StringRef file, uint64_t begin, uint64_t end) {
  std::vector<Field> fields;
  FieldReader reader(file, begin, end);
  for (Field field; reader.next(field);)
    fields.push_back(field);
  return fields;
}

TEST(Patch, WithoutChangesIsTheFile) {
  std::string file = nested(10);
  EXPECT_EQ(written(Patch(file)), file);
}

TEST(Patch, LengthsGrowAndShrinkThroughTheirOwnSize) {
  for (size_t inner : {1, 120, 125, 126, 127, 128, 200, 20000})
    for (size_t added : {0, 1, 5, 130, 70000}) {
      std::string file = nested(inner);
      std::vector<Field> outer = fieldsOf(file, 0, file.size());
      Span64 around{outer[1].begin, outer[1].contents, outer[1].end};
      std::vector<Field> fields = fieldsOf(file, outer[1].contents, outer[1].end);
      Patch patch(file);
      std::string text;
      FieldWriter(text).bytes(5, std::string(added, 'b'));
      patch.replace(around, fields[0].begin, fields[0].end, {{text, {}}});
      std::string expected = nested(added), got = written(patch);
      std::replace(expected.begin(), expected.end(), 'a', 'b');
      EXPECT_EQ(got, expected);
    }
}

TEST(Patch, InsertsAtOnePlaceKeepTheirOrderAndComeBeforeAReplacement) {
  std::string file = nested(3);
  Patch patch(file);
  patch.replace({}, 0, 3, {{"R", {}}});
  patch.insert({}, 0, {{"1", {}}});
  patch.insert({}, 0, {{"2", "data"}});
  EXPECT_EQ(written(patch), "12dataR" + file.substr(3));
}

TEST(Patch, LengthsInMoreBytesThanNeededAreKept) {
  // Writers that leave room for a length pad it.
  std::string file = std::string("\x3a\x83\x00", 3) + "abc";
  EXPECT_EQ(written(Patch(file)), file);
  Patch patch(file);
  patch.insert({Span64{0, 3, 6}}, 6, {{"d", {}}});
  EXPECT_EQ(written(patch), "\x3a\x04"
                            "abcd");
}

TEST(Wire, IntegersAreReadOneByOneAndPacked) {
  std::string file;
  FieldWriter writer(file);
  writer.number(1, uint64_t(-1));
  writer.bytes(1, std::string("\x05\xac\x02", 3));
  llvm::SmallVector<int64_t> values;
  for (const Field &field : fieldsOf(file, 0, file.size()))
    readIntegers(field, values);
  EXPECT_EQ(values, (llvm::SmallVector<int64_t>{-1, 5, 300}));
}

TEST(Wire, DamageEndsTheMessage) {
  for (std::string file : {std::string("\x0a\x05"), std::string("\x08"), std::string("\x0b\x01"), std::string("\x0d\x01\x02")})
    EXPECT_TRUE(fieldsOf(file, 0, file.size()).empty());
}

} // namespace
} // namespace tern::exporter
