//===- ReadersTest.cpp - .npy, .npz and .pb files -------------------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"

using namespace tern::calib;
using namespace tern::calib::test;

namespace {

class Readers : public FileTest {
protected:
  std::string npyError(const std::string &bytes) {
    Result<Array> array = readNpy(write("bad.npy", bytes));
    EXPECT_FALSE(array);
    EXPECT_HAS(array.error(), "bad.npy'");
    return array ? "" : array.error();
  }
  std::string npzError(const std::string &bytes) {
    Result<std::vector<Array>> arrays = readNpz(write("bad.npz", bytes));
    EXPECT_FALSE(arrays);
    EXPECT_HAS(arrays.error(), "bad.npz'");
    return arrays ? "" : arrays.error();
  }
  std::string pbError(const std::string &bytes) {
    Result<Array> array = readTensorProto(write("bad.pb", bytes));
    EXPECT_FALSE(array);
    EXPECT_HAS(array.error(), "bad.pb'");
    return array ? "" : array.error();
  }
};

const std::vector<float> kSix = {0, 1, 2, 3, 4, 5};

TEST_F(Readers, npyFloat) {
  Result<Array> array = readNpy(write("x.npy", npyOf("<f4", "(2, 3)", raw(kSix))));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(array->dtype, kFloat32);
  EXPECT_EQ(array->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(valuesOf<float>(*array), kSix);
}

TEST_F(Readers, npyVersions2And3) {
  for (int version : {2, 3}) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}";
    Result<Array> array = readNpy(write("x.npy", npy(header, raw(kSix), version)));
    ASSERT_TRUE(array) << array.error();
    EXPECT_EQ(valuesOf<float>(*array), kSix);
  }
}

TEST_F(Readers, npyPython2LongsAndDoubleQuotes) {
  Result<Array> array = readNpy(
      write("x.npy", npy("{\"shape\": (2L, 3L), \"fortran_order\": False, \"descr\": \"<f4\"}  \n", raw(kSix))));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(array->shape, (std::vector<int64_t>{2, 3}));
}

TEST_F(Readers, npyColumnOrder) {
  // Columns of [[0,1,2],[3,4,5]].
  std::vector<float> columns = {0, 3, 1, 4, 2, 5};
  Result<Array> array = readNpy(write("x.npy", npyOf("<f4", "(2, 3)", raw(columns), true)));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(valuesOf<float>(*array), kSix);
}

TEST_F(Readers, npyBigEndian) {
  Result<Array> array = readNpy(write("x.npy", npyOf(">i2", "(2,)", std::string("\x01\x02\xff\xfe", 4))));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(valuesOf<int16_t>(*array), (std::vector<int16_t>{0x102, -2}));
}

TEST_F(Readers, npyBigEndianComplexSwapsEachPart) {
  Result<Array> array = readNpy(write("x.npy", npyOf(">c8", "()", std::string("\x3f\x80\0\0\x40\0\0\0", 8))));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(valuesOf<float>(*array), (std::vector<float>{1, 2}));
}

TEST_F(Readers, npyScalarAndEmpty) {
  Result<Array> scalar = readNpy(write("x.npy", npyOf("<f8", "()", raw<double>({2.5}))));
  ASSERT_TRUE(scalar) << scalar.error();
  EXPECT_TRUE(scalar->shape.empty());
  EXPECT_EQ(*scalar->data<double>(), 2.5);
  Result<Array> empty = readNpy(write("x.npy", npyOf("<f8", "(0, 3)", "")));
  ASSERT_TRUE(empty) << empty.error();
  EXPECT_TRUE(empty->bytes.empty());
}

TEST_F(Readers, npyEveryType) {
  struct {
    const char *descr;
    int32_t dtype;
  } rows[] = {{"<f2", kFloat16}, {"<f4", kFloat32}, {"<f8", kFloat64},   {"|b1", kBool},       {"|i1", kInt8},
              {"<i2", kInt16},   {"<i4", kInt32},   {"<i8", kInt64},     {"|u1", kUInt8},      {"<u2", kUInt16},
              {"<u4", kUInt32},  {"<u8", kUInt64},  {"<c8", kComplex64}, {"<c16", kComplex128}};
  for (auto &row : rows) {
    Result<Array> array =
        readNpy(write("x.npy", npyOf(row.descr, "(3,)", std::string(3 * *byteSize(row.dtype, 1), 1))));
    ASSERT_TRUE(array) << array.error();
    EXPECT_EQ(array->dtype, row.dtype);
  }
}

TEST_F(Readers, npyRefusesWhatIsNoNumber) {
  EXPECT_HAS(npyError(npyOf("|O", "(1,)", "12345678")), "Python objects");
  EXPECT_HAS(npyError(npyOf("<U3", "(1,)", std::string(12, 0))), "'<U3'");
  EXPECT_HAS(npyError(npyOf("<V2", "(1,)", "12")), "x.astype('float32')");
  EXPECT_HAS(npyError(npyOf("", "(1,)", "12")), "''");
  EXPECT_HAS(npyError(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234")),
             "one array per");
}

TEST_F(Readers, npyDamagedHeaders) {
  EXPECT_HAS(npyError(""), "0 bytes");
  EXPECT_HAS(npyError("not an npy file at all"), "not an .npy array");
  EXPECT_HAS(npyError(npy("{}", "", 7)), "version 7");
  for (const char *header :
       {"", "{", "{'descr'", "{'descr': '<f4'", "{'descr': '<f4}", "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "{'descr': [[[[",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}"})
    EXPECT_HAS(npyError(npy(header, "1234")), "damaged header") << header;
}

TEST_F(Readers, npySizesThatOverflowOrLie) {
  EXPECT_HAS(npyError(npyOf("<f4", "(4611686018427387904, 4)", "1234")), "63 bits");
  EXPECT_HAS(npyError(npyOf("<f8", "(2305843009213693952,)", "1234")), "63 bits");
  EXPECT_HAS(npyError(npyOf("<f4", "(1000000000000,)", "1234")), "4000000000000 bytes, 4 are there");
  EXPECT_HAS(npyError(npyOf("<f4", "(1,)", "12345")), "5 are there");
  EXPECT_HAS(npyError(npyOf("<f4", "(0, 4611686018427387904, 4)", "")), "63 bits");
  EXPECT_HAS(npyError(npy("{}", "", 2).replace(8, 4, little(0xffffffff, 4))), "claims 4294967295 bytes");
  std::string many = "(";
  for (int i = 0; i < 65; ++i)
    many += "1,";
  EXPECT_HAS(npyError(npyOf("<f4", many + ")", "1234")), "65 dimensions");
}

TEST_F(Readers, npyMissingFileAndFolder) {
  EXPECT_HAS(readNpy(file("none.npy")).error(), "No such file");
  std::filesystem::create_directory(file("dir.npy"));
  EXPECT_HAS(readNpy(file("dir.npy")).error(), "not a regular file");
}

TEST_F(Readers, npzStoredDeflatedZip64) {
  std::vector<float> many(20000);
  for (size_t i = 0; i < many.size(); ++i)
    many[i] = static_cast<float>(i % 77);
  for (bool deflate : {false, true})
    for (bool zip64 : {false, true}) {
      ZipOptions options;
      options.deflate = deflate;
      options.zip64 = zip64;
      Result<std::vector<Array>> arrays =
          readNpz(write("x.npz", zip({{"b.npy", npyOf("<f4", "(20000,)", raw(many))},
                                      {"notes.txt", "words that are no array"},
                                      {"dir/a:0.npy", npyOf("<f4", "(2, 3)", raw(kSix))},
                                      {"plain", npyOf("|i1", "(1,)", "\x05")}},
                                     options)));
      ASSERT_TRUE(arrays) << arrays.error();
      ASSERT_EQ(arrays->size(), 3u);
      EXPECT_EQ((*arrays)[0].name, "b");
      EXPECT_EQ(valuesOf<float>((*arrays)[0]), many);
      EXPECT_EQ((*arrays)[1].name, "dir/a:0");
      EXPECT_EQ(valuesOf<float>((*arrays)[1]), kSix);
      EXPECT_EQ((*arrays)[2].name, "plain");
    }
}

TEST_F(Readers, npzDamage) {
  std::pair<std::string, std::string> x = {"x.npy", npyOf("<f4", "(2, 3)", raw(kSix))};
  EXPECT_HAS(npzError(""), "0 bytes");
  EXPECT_HAS(npzError(std::string(100, 'x')), "end record is missing");
  EXPECT_HAS(npzError(x.second), "rename it to .npy");
  EXPECT_HAS(npzError(zip({})), "holds no array");
  EXPECT_HAS(npzError(zip({{"a.txt", "text only"}})), "holds no array");
  EXPECT_HAS(npzError(zip({x, x})), "twice");
  ZipOptions options;
  options.crcXor = 1;
  EXPECT_HAS(npzError(zip({x}, options)), "checksum");
  options = {};
  options.method = 12;
  EXPECT_HAS(npzError(zip({x}, options)), "method 12");
  options = {};
  options.flags = 1;
  EXPECT_HAS(npzError(zip({x}, options)), "encrypted");
  options = {};
  options.addSize = 1;
  EXPECT_HAS(npzError(zip({x}, options)), "sizes of 'x.npy' are damaged");
  options.deflate = true;
  EXPECT_HAS(npzError(zip({x}, options)), "bytes, 25 are there");
  options.addSize = uint64_t(1) << 60;
  options.zip64 = true;
  EXPECT_HAS(npzError(zip({x}, options)), "sizes of 'x.npy' are damaged");
}

TEST_F(Readers, npzDeflatedSizeThatLies) {
  // The header and the directory agree on 8 bytes more than the compressed data give.
  std::string half = npyOf("<f4", "(8,)", raw(kSix));
  ZipOptions options;
  options.deflate = true;
  options.addSize = 8;
  EXPECT_HAS(npzError(zip({{"x.npy", half}}, options)), "compressed data of 'x.npy'");
}

TEST_F(Readers, pbRawAndTypedFields) {
  struct {
    int32_t dtype;
    std::string field, bytes;
  } rows[] = {
      {kFloat32, pbBytes(9, raw<float>({1, -2})), raw<float>({1, -2})},
      {kFloat32, pbBytes(4, raw<float>({1, -2})), raw<float>({1, -2})},
      {kFloat32, varint(4 << 3 | 5) + raw<float>({1}) + varint(4 << 3 | 5) + raw<float>({-2}), raw<float>({1, -2})},
      {kFloat64, pbBytes(10, raw<double>({1, -2})), raw<double>({1, -2})},
      {kComplex64, pbBytes(4, raw<float>({1, 2, 3, 4})), raw<float>({1, 2, 3, 4})},
      {kInt32, pbBytes(5, varint(7) + varint(static_cast<uint64_t>(-7))), raw<int32_t>({7, -7})},
      {kInt64, pbVarint(7, 7) + pbVarint(7, static_cast<uint64_t>(-7)), raw<int64_t>({7, -7})},
      {kInt8, pbBytes(5, varint(7) + varint(static_cast<uint64_t>(-7))), raw<int8_t>({7, -7})},
      {kUInt8, pbBytes(5, varint(7) + varint(255)), raw<uint8_t>({7, 255})},
      {kInt16, pbBytes(5, varint(7) + varint(static_cast<uint64_t>(-7))), raw<int16_t>({7, -7})},
      {kUInt16, pbBytes(5, varint(7) + varint(65535)), raw<uint16_t>({7, 65535})},
      {kBool, pbBytes(5, varint(0) + varint(1)), raw<uint8_t>({0, 1})},
      {kFloat16, pbBytes(5, varint(0x3c00) + varint(0xc000)), raw<uint16_t>({0x3c00, 0xc000})},
      {kBFloat16, pbBytes(5, varint(0x3f80) + varint(0xc000)), raw<uint16_t>({0x3f80, 0xc000})},
      {kFloat8E4M3FN, pbBytes(5, varint(0x38) + varint(0xb8)), raw<uint8_t>({0x38, 0xb8})},
      {kUInt32, pbBytes(11, varint(7) + varint(4000000000)), raw<uint32_t>({7, 4000000000})},
      {kUInt64, pbBytes(11, varint(7) + varint(~uint64_t(0))), raw<uint64_t>({7, ~uint64_t(0)})},
      {kInt4, pbBytes(5, varint(0xf1)), raw<uint8_t>({0xf1})},
      {kUInt2, pbBytes(9, "\x0b"), raw<uint8_t>({0x0b})},
  };
  for (auto &row : rows) {
    Result<Array> array = readTensorProto(
        write("x.pb", pbTensor({2}, row.dtype, row.field, "in") + pbBytes(12, "doc") + pbBytes(16, "m")));
    ASSERT_TRUE(array) << row.dtype << " " << array.error();
    EXPECT_EQ(array->dtype, row.dtype);
    EXPECT_EQ(array->name, "in");
    EXPECT_EQ(std::string(array->bytes.begin(), array->bytes.end()), row.bytes) << row.dtype;
  }
}

TEST_F(Readers, pbPackedDimsAndScalar) {
  Result<Array> array = readTensorProto(
      write("x.pb", pbBytes(1, varint(1) + varint(2)) + pbVarint(2, 1) + pbBytes(9, raw<float>({1, 2}))));
  ASSERT_TRUE(array) << array.error();
  EXPECT_EQ(array->shape, (std::vector<int64_t>{1, 2}));
  Result<Array> scalar = readTensorProto(write("x.pb", pbTensor({}, 1, pbBytes(9, raw<float>({1})))));
  ASSERT_TRUE(scalar) << scalar.error();
  EXPECT_TRUE(scalar->shape.empty());
}

TEST_F(Readers, pbDamage) {
  std::string two = raw<float>({1, 2});
  EXPECT_HAS(pbError(""), "no data type");
  EXPECT_HAS(pbError("some text, no protobuf"), "not an ONNX TensorProto");
  EXPECT_HAS(pbError(pbBytes(20, "another message")), "not an ONNX TensorProto");
  EXPECT_HAS(pbError(pbTensor({2}, 1, pbVarint(9, 3))), "not an ONNX TensorProto");
  EXPECT_HAS(pbError(pbTensor({2}, 1, varint(9 << 3 | 2) + varint(uint64_t(1) << 63))), "not an ONNX TensorProto");
  EXPECT_HAS(pbError(pbTensor({2}, 1, std::string(1, 9 << 3 | 2) + std::string(11, '\xff'))),
             "not an ONNX TensorProto");
  EXPECT_HAS(pbError(pbTensor({3}, 1, pbBytes(9, two))), "takes 12 bytes, 8 are there");
  EXPECT_HAS(pbError(pbTensor({3}, 1, pbBytes(4, two))), "takes 12 bytes, 8 are there");
  EXPECT_HAS(pbError(pbTensor({2}, 1, "")), "takes 8 bytes, 0 are there");
  EXPECT_HAS(pbError(pbTensor({-2}, 1, pbBytes(9, two))), "is no shape");
  EXPECT_HAS(pbError(pbTensor({int64_t(1) << 40, int64_t(1) << 40}, 1, pbBytes(9, two))), "is no shape");
  EXPECT_HAS(pbError(pbTensor({1}, kString, pbBytes(6, "text"))), "string");
  EXPECT_HAS(pbError(pbTensor({1}, 99, pbBytes(9, two))), "unknown (99)");
  EXPECT_HAS(pbError(pbTensor({2}, 1, pbBytes(13, "x") + pbVarint(14, 1))), "external data");
  EXPECT_HAS(pbError(pbTensor({2}, 1, pbBytes(10, raw<double>({1, 2})))), "field that is not that of type float32");
  EXPECT_HAS(pbError(pbTensor({1}, kInt8, pbBytes(5, varint(200)))), "does not fit its type int8");
  EXPECT_HAS(pbError(pbTensor({1}, kUInt8, pbBytes(5, varint(256)))), "does not fit its type uint8");
}

TEST_F(Readers, readArraysByEnding) {
  write("x.npy", npyOf("<f4", "(6,)", raw(kSix)));
  write("x.npz", zip({{"x.npy", npyOf("<f4", "(6,)", raw(kSix))}}));
  write("x.pb", pbTensor({6}, 1, pbBytes(9, raw(kSix))));
  for (const char *name : {"x.npy", "x.npz", "x.pb"}) {
    Result<std::vector<Array>> arrays = readArrays(file(name));
    ASSERT_TRUE(arrays) << arrays.error();
    EXPECT_EQ(valuesOf<float>(arrays->front()), kSix);
  }
  EXPECT_HAS(readArrays(write("x.jpg", "jpg")).error(), "unknown ending");
}

/// Reads a damaged file in every way there is; it may succeed, but must not crash, and an error names the file.
void survive(const std::string &path) {
  auto check = [&](bool good, const std::string &text) {
    if (!good)
      EXPECT_HAS(text, path);
  };
  Result<std::vector<Array>> arrays = readArrays(path);
  check(bool(arrays), arrays ? "" : arrays.error());
  Result<SampleReader> reader = SampleReader::open({path});
  if (!reader)
    return check(false, reader.error());
  if (Status s = reader->bind({{"x", kFloat32, {1, 3}}}); !s)
    return check(false, s.error());
  while (true) {
    Result<std::optional<Sample>> sample = reader->next();
    if (!sample)
      return check(false, sample.error());
    if (!*sample)
      return;
  }
}

TEST_F(Readers, everyPrefixIsAnError) {
  ZipOptions deflate, zip64;
  deflate.deflate = true;
  zip64.zip64 = true;
  std::string array = npyOf("<f4", "(2, 3)", raw(kSix)), columns = npyOf(">f4", "(2, 3)", raw(kSix), true);
  std::vector<std::pair<std::string, std::string>> files = {
      {"x.npy", array},
      {"x.npy", columns},
      {"x.npz", zip({{"x.npy", array}, {"y.npy", columns}})},
      {"x.npz", zip({{"x.npy", array}, {"y.npy", columns}}, deflate)},
      {"x.npz", zip({{"x.npy", array}}, zip64)},
      {"x.pb", pbTensor({2, 3}, 1, pbBytes(9, raw(kSix)), "x")}};
  for (auto &[name, bytes] : files)
    for (size_t n = 0; n < bytes.size(); ++n) {
      std::string path = write(name, bytes.substr(0, n));
      Result<std::vector<Array>> arrays = readArrays(path);
      // A TensorProto may end before its name, which is the last field.
      EXPECT_TRUE(!arrays || name == "x.pb") << name << " " << n;
      survive(path);
    }
}

TEST_F(Readers, everyChangedByteIsSurvived) {
  ZipOptions deflate, zip64;
  deflate.deflate = true;
  zip64.zip64 = true;
  std::string array = npyOf("<f4", "(2, 3)", raw(kSix));
  std::vector<std::pair<std::string, std::string>> files = {{"x.npy", array},
                                                            {"x.npz", zip({{"x.npy", array}})},
                                                            {"x.npz", zip({{"x.npy", array}}, deflate)},
                                                            {"x.npz", zip({{"x.npy", array}}, zip64)},
                                                            {"x.pb", pbTensor({2, 3}, 1, pbBytes(9, raw(kSix)), "x")}};
  for (auto &[name, bytes] : files)
    for (size_t n = 0; n < bytes.size(); ++n)
      for (int change : {0x01, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[n] = static_cast<char>(damaged[n] ^ change);
        survive(write(name, damaged));
      }
}

} // namespace
