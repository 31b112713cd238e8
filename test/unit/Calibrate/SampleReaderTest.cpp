//===- SampleReaderTest.cpp - Feeds, samples and their binding ------------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include <cmath>
#include <numeric>

using namespace tern::calib;
using namespace tern::calib::test;

namespace {

const InputSpec kImage = {"image", kFloat32, {1, 3}};
const InputSpec kIds = {"ids", kInt32, {1, 2}};

std::vector<float> count(size_t n, float from = 0) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), from);
  return values;
}

class Samples : public FileTest {
protected:
  /// All samples, or the first error.
  std::vector<Sample> readAll(const std::vector<std::string> &paths, const std::vector<InputSpec> &inputs) {
    failure.clear();
    Result<SampleReader> reader = SampleReader::open(paths);
    if (!reader)
      return failure = reader.error(), std::vector<Sample>();
    if (Status s = reader->bind(inputs); !s)
      return failure = s.error(), std::vector<Sample>();
    ignored = reader->ignored();
    std::vector<Sample> samples;
    while (true) {
      Result<std::optional<Sample>> sample = reader->next();
      if (!sample)
        return failure = sample.error(), std::vector<Sample>();
      if (!*sample)
        break;
      samples.push_back(std::move(**sample));
    }
    EXPECT_EQ(reader->count(), static_cast<int64_t>(samples.size()));
    return samples;
  }
  std::string errorOf(const std::vector<std::string> &paths, const std::vector<InputSpec> &inputs) {
    readAll(paths, inputs);
    EXPECT_FALSE(failure.empty());
    return failure;
  }
  std::string npzFile(const std::string &name, const std::vector<Array> &arrays) {
    std::filesystem::create_directories((folder / name).parent_path());
    EXPECT_TRUE(writeNpz(file(name), arrays));
    return file(name);
  }
  std::string npyFile(const std::string &name, const Array &array) {
    std::filesystem::create_directories((folder / name).parent_path());
    EXPECT_TRUE(writeNpy(file(name), array));
    return file(name);
  }
  std::string failure;
  std::vector<std::string> ignored;
};

TEST_F(Samples, npzIsOneSample) {
  auto samples = readAll({npzFile("x.npz", {makeArray<int32_t>("ids", kInt32, {1, 2}, {7, 8}),
                                            makeArray("image", kFloat32, {1, 3}, count(3))})},
                         {kImage, kIds});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(valuesOf<float>(samples[0]["image"]), count(3));
  EXPECT_EQ(valuesOf<int32_t>(samples[0]["ids"]), (std::vector<int32_t>{7, 8}));
  EXPECT_EQ(samples[0]["image"].name, "image");
}

TEST_F(Samples, npzIsSplitAlongAxis0) {
  std::string path = npzFile("x.npz", {makeArray("image", kFloat32, {4, 3}, count(12)),
                                       makeArray<int32_t>("ids", kInt32, {4, 2}, {0, 1, 2, 3, 4, 5, 6, 7})});
  auto samples = readAll({path}, {kImage, kIds});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(samples[i]["image"].shape, kImage.shape);
    EXPECT_EQ(valuesOf<float>(samples[i]["image"]), count(3, 3.f * i));
    EXPECT_EQ(valuesOf<int32_t>(samples[i]["ids"]), (std::vector<int32_t>{2 * i, 2 * i + 1}));
  }
  samples = readAll({path}, {{"image", kFloat32, {2, 3}}, {"ids", kInt32, {2, 2}}});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(valuesOf<float>(samples[1]["image"]), count(6, 6));
}

TEST_F(Samples, deflatedAndColumnOrderAreSplitTheSame) {
  ZipOptions deflate;
  deflate.deflate = true;
  std::vector<float> columns = {0, 3, 1, 4, 2, 5};
  write("a.npz", zip({{"image.npy", npyOf("<f4", "(2, 3)", raw(count(6)))}}, deflate));
  write("b.npz", zip({{"image.npy", npyOf("<f4", "(2, 3)", raw(columns), true)}}, deflate));
  write("c.npy", npyOf("<f4", "(2, 3)", raw(columns), true));
  write("d.pb", pbTensor({2, 3}, 1, pbBytes(9, raw(count(6)))));
  auto samples = readAll({file("a.npz"), file("b.npz"), file("c.npy"), file("d.pb")}, {kImage});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 8u);
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(valuesOf<float>(samples[i]["image"]), count(3, i % 2 ? 3 : 0)) << i;
}

TEST_F(Samples, folderInNaturalOrder) {
  npyFile("d/img10.npy", makeArray("", kFloat32, {1, 3}, count(3, 10)));
  npyFile("d/img2.npy", makeArray("", kFloat32, {3}, count(3, 2))); // without the leading 1
  npyFile("d/img002.npy", makeArray("", kFloat32, {2, 3}, count(6, 1)));
  write("d/notes.txt", "no data");
  write("d/.hidden.npy", "no data");
  auto samples = readAll({file("d")}, {kImage});
  ASSERT_EQ(failure, "");
  std::vector<float> first;
  for (Sample &sample : samples) {
    EXPECT_EQ(sample["image"].shape, kImage.shape);
    first.push_back(sample["image"].data<float>()[0]);
  }
  EXPECT_EQ(first, (std::vector<float>{1, 4, 2, 10}));
}

TEST_F(Samples, filesNamedAsInputsAreOneFeed) {
  npyFile("d/image.npy", makeArray("", kFloat32, {2, 3}, count(6)));
  npyFile("d/ids.npy", makeArray<int32_t>("", kInt32, {2, 2}, {1, 2, 3, 4}));
  for (auto &paths : std::vector<std::vector<std::string>>{{file("d")}, {file("d/ids.npy"), file("d/image.npy")}}) {
    auto samples = readAll(paths, {kImage, kIds});
    ASSERT_EQ(failure, "");
    ASSERT_EQ(samples.size(), 2u);
    EXPECT_EQ(valuesOf<int32_t>(samples[1]["ids"]), (std::vector<int32_t>{3, 4}));
  }
  npyFile("e/image.npy", makeArray("", kFloat32, {1, 3}, count(3)));
  npyFile("e/ids.npy", makeArray<int32_t>("", kInt32, {1, 2}, {5, 6}));
  EXPECT_EQ(readAll({file("d"), file("e"), file("e")}, {kImage, kIds}).size(), 4u);
  std::filesystem::remove(file("d/ids.npy"));
  EXPECT_HAS(errorOf({file("d")}, {kImage, kIds}), "no array for input 'ids'");
}

TEST_F(Samples, onnxTestDataSets) {
  for (int i : {0, 1}) {
    std::string set = "d/test_data_set_" + std::to_string(i) + "/";
    write(set + "input_0.pb", pbTensor({1, 3}, 1, pbBytes(9, raw(count(3, i)))));
    write(set + "input_1.pb", pbTensor({1, 2}, kInt32, pbBytes(9, raw<int32_t>({i, i}))));
    write(set + "output_0.pb", "never read");
  }
  write("d/model.onnx", "never read");
  auto samples = readAll({file("d")}, {kImage, kIds});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(valuesOf<float>(samples[1]["image"]), count(3, 1));
  samples = readAll({file("d/test_data_set_1")}, {kImage, kIds});
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_HAS(errorOf({file("d")}, {kImage}), "has 2 input_<i>.pb files");
  std::filesystem::rename(file("d/test_data_set_0/input_1.pb"), file("d/test_data_set_0/input_2.pb"));
  EXPECT_HAS(errorOf({file("d")}, {kImage, kIds}), "without gaps");
}

TEST_F(Samples, onnxTestDataSetByTensorNames) {
  write("d/input_0.pb", pbTensor({1, 2}, kInt32, pbBytes(9, raw<int32_t>({1, 2})), "ids"));
  write("d/input_1.pb", pbTensor({1, 3}, 1, pbBytes(9, raw(count(3))), "image"));
  auto samples = readAll({file("d")}, {kImage, kIds});
  ASSERT_EQ(failure, "");
  EXPECT_EQ(valuesOf<float>(samples[0]["image"]), count(3));
  // One name that is no input: all are taken by position.
  write("d/input_1.pb", pbTensor({1, 3}, 1, pbBytes(9, raw(count(3))), "other"));
  EXPECT_HAS(errorOf({file("d")}, {kImage, kIds}), "input_0.pb': the array is int32; input 'image' takes float32");
}

TEST_F(Samples, numpyPositionalKeys) {
  auto samples = readAll({npzFile("x.npz", {makeArray("arr_0", kFloat32, {1, 3}, count(3)),
                                            makeArray<int32_t>("arr_1", kInt32, {1, 2}, {7, 8})})},
                         {kImage, kIds});
  ASSERT_EQ(failure, "");
  EXPECT_EQ(valuesOf<int32_t>(samples[0]["ids"]), (std::vector<int32_t>{7, 8}));
}

TEST_F(Samples, inputsWithoutAxesAreRepeated) {
  auto samples = readAll({npzFile("x.npz", {makeArray<double>("scale", kFloat64, {1}, {0.5}),
                                            makeArray("image", kFloat32, {2, 3}, count(6))})},
                         {{"scale", kFloat32, {}}, kImage});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 2u);
  for (Sample &sample : samples) {
    EXPECT_TRUE(sample["scale"].shape.empty());
    EXPECT_EQ(valuesOf<float>(sample["scale"]), (std::vector<float>{0.5}));
  }
}

TEST_F(Samples, typesAreConverted) {
  auto samples = readAll({npzFile("x.npz", {makeArray<double>("image", kFloat64, {1, 3}, {1, 2, 3}),
                                            makeArray<int64_t>("ids", kInt64, {1, 2}, {7, -8})})},
                         {kImage, kIds});
  ASSERT_EQ(failure, "");
  EXPECT_EQ(valuesOf<float>(samples[0]["image"]), count(3, 1));
  EXPECT_EQ(valuesOf<int32_t>(samples[0]["ids"]), (std::vector<int32_t>{7, -8}));
}

TEST_F(Samples, unknownExtentsTakeWhatIsThere) {
  auto samples =
      readAll({npzFile("x.npz", {makeArray("image", kFloat32, {2, 3}, count(6))})}, {{"image", kFloat32, {-1, -1}}});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0]["image"].shape, (std::vector<int64_t>{2, 3}));
}

TEST_F(Samples, peekAndRewind) {
  npyFile("d/image.npy", makeArray<double>("", kFloat64, {2, 3}, {1, 2, 3, 4, 5, 6}));
  npyFile("d/ids.npy", makeArray<int32_t>("", kInt32, {2, 2}, {1, 2, 3, 4}));
  Result<SampleReader> reader = SampleReader::open({file("d")});
  ASSERT_TRUE(reader);
  auto infos = reader->peek({"image", "ids"});
  ASSERT_TRUE(infos) << infos.error();
  EXPECT_EQ((*infos)[0].name, "image");
  EXPECT_EQ((*infos)[0].dtype, kFloat64);
  EXPECT_EQ((*infos)[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ((*infos)[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_FALSE(reader->peek({"image", "idz"}));
  ASSERT_TRUE(reader->bind({kImage, kIds}));
  for (int pass = 0; pass < 2; ++pass, reader->rewind()) {
    auto sample = reader->next();
    ASSERT_TRUE(sample && *sample);
    EXPECT_EQ(valuesOf<float>((**sample)["image"]), count(3, 1));
  }
}

TEST_F(Samples, peekAllAndSamplesOfSeveralSizes) {
  npyFile("d/a.npy", makeArray("", kFloat32, {1, 2}, count(2)));
  npyFile("d/b.npy", makeArray("", kFloat32, {1, 5}, count(5)));
  npyFile("d/c.npy", makeArray("", kFloat32, {1, 0}, count(0)));
  Result<SampleReader> reader = SampleReader::open({file("d")});
  ASSERT_TRUE(reader);
  auto feeds = reader->peekAll({"x"});
  ASSERT_TRUE(feeds) << feeds.error();
  ASSERT_EQ(feeds->size(), 3u);
  EXPECT_EQ((*feeds)[1].where, "'" + file("d/b.npy") + "'");
  EXPECT_EQ((*feeds)[1].arrays[0].shape, (std::vector<int64_t>{1, 5}));
  auto samples = readAll({file("d")}, {{"x", kFloat32, {-1, -1}}});
  ASSERT_EQ(failure, "");
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[1]["x"].shape, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(samples[2]["x"].bytes.size(), 0u);
}

TEST_F(Samples, arraysThatAreNoInputAreNamed) {
  auto samples = readAll({npzFile("x.npz", {makeArray("image", kFloat32, {1, 3}, count(3)),
                                            makeArray<int32_t>("label", kInt32, {1}, {1})})},
                         {kImage});
  ASSERT_EQ(failure, "");
  EXPECT_EQ(samples.size(), 1u);
  EXPECT_EQ(ignored, (std::vector<std::string>{"label"}));
}

TEST_F(Samples, wrongNames) {
  std::string path = npzFile("x.npz", {makeArray("imge", kFloat32, {1, 3}, count(3))});
  EXPECT_EQ(errorOf({path}, {kImage}), "'" + path +
                                           "': array 'imge' is not an input, did you mean 'image'; the input is "
                                           "'image' [1,3] float32");
  path = npzFile("x.npz", {makeArray("image", kFloat32, {1, 3}, count(3)), makeArray("zzz", kFloat32, {1}, count(1))});
  EXPECT_HAS(errorOf({path}, {kImage, kIds}), "array 'zzz' is not an input, and input 'ids' has no array; inputs are "
                                              "'image' [1,3] float32, 'ids' [1,2] int32");
  EXPECT_HAS(errorOf({npyFile("y.npy", makeArray("", kFloat32, {1, 3}, count(3)))}, {kImage, kIds}),
             "holds one array, but the model has 2 inputs");
}

TEST_F(Samples, wrongShapes) {
  std::string path = npzFile("x.npz", {makeArray("image", kFloat32, {1, 4}, count(4))});
  EXPECT_EQ(errorOf({path}, {kImage}), "'" + path +
                                           "': array 'image' has the shape [1,4]; input 'image' takes [1,3] or, "
                                           "for N samples, [N,3]");
  EXPECT_HAS(errorOf({path}, {{"image", kFloat32, {2, 4}}}), "[2*N,4]: the first extent must be a multiple of 2");
  EXPECT_HAS(errorOf({path}, {{"image", kFloat32, {}}}), "takes []");
  EXPECT_HAS(errorOf({path}, {{"image", kFloat32, {1, 1, 1, 4}}}), "has the shape [1,4]");
  path = npzFile("x.npz", {makeArray("image", kFloat32, {2, 4, 5, 3}, count(120))});
  EXPECT_HAS(errorOf({path}, {{"image", kFloat32, {1, 3, 4, 5}}}), "channels are last");
  EXPECT_HAS(errorOf({path}, {{"image", kFloat32, {1, 5, 3, 4}}}), "channels are not last");
}

TEST_F(Samples, differentNumbersOfSamples) {
  std::string path = npzFile(
      "x.npz", {makeArray("image", kFloat32, {2, 3}, count(6)), makeArray<int32_t>("ids", kInt32, {1, 2}, {1, 2})});
  EXPECT_HAS(errorOf({path}, {kImage, kIds}), "array 'ids' holds 1 samples, but 'image' holds 2");
}

TEST_F(Samples, wrongTypes) {
  std::string path = npzFile("x.npz", {makeArray<uint8_t>("image", kUInt8, {1, 3}, {1, 2, 3})});
  EXPECT_HAS(errorOf({path}, {kImage}), "array 'image' is uint8; input 'image' takes float32");
  EXPECT_HAS(errorOf({path}, {kImage}), "x.astype('float32')");
  path = npzFile("x.npz", {makeArray<int64_t>("image", kInt64, {2, 2}, {1, 2, 3, 1ll << 40})});
  EXPECT_HAS(errorOf({path}, {{"image", kInt32, {1, 2}}}),
             "has the value 1099511627776 at flat index 3, which does not fit int32, the type of input 'image'");
}

TEST_F(Samples, notFinite) {
  std::vector<float> values = count(6);
  values[4] = NAN;
  std::string path = npzFile("x.npz", {makeArray("image", kFloat32, {2, 3}, values)});
  EXPECT_HAS(errorOf({path}, {kImage}), "'" + path + "': array 'image' has the value nan at flat index 4");
  values[4] = -INFINITY;
  path = npyFile("x.npy", makeArray("", kFloat32, {2, 3}, values));
  EXPECT_HAS(errorOf({path}, {kImage}), "the array has the value -inf at flat index 4");
}

TEST_F(Samples, nothingThere) {
  EXPECT_HAS(errorOf({}, {kImage}), "no calibration data");
  EXPECT_HAS(errorOf({file("none")}, {kImage}), "unknown ending");
  EXPECT_HAS(errorOf({file("none.npz")}, {kImage}), "No such file");
  std::filesystem::create_directory(file("empty"));
  EXPECT_HAS(errorOf({file("empty")}, {kImage}), "folder without .npz");
  EXPECT_HAS(errorOf({npzFile("x.npz", {makeArray("image", kFloat32, {0, 3}, count(0))})}, {kImage}),
             "is empty, its shape is [0,3]");
  EXPECT_HAS(errorOf({npzFile("x.npz", {makeArray("image", kFloat32, {1, 3}, count(3))})}, {}), "no input");
}

TEST_F(Samples, fileThatChanges) {
  std::string path = npzFile("x.npz", {makeArray("image", kFloat32, {1, 3}, count(3))});
  Result<SampleReader> reader = SampleReader::open({path});
  ASSERT_TRUE(reader && reader->bind({kImage}));
  npzFile("x.npz", {makeArray("image", kFloat32, {2, 3}, count(6))});
  EXPECT_HAS(reader->next().error(), "has changed");
  npzFile("x.npz", {makeArray("other", kFloat32, {1, 3}, count(3))});
  reader->rewind();
  EXPECT_HAS(reader->next().error(), "has changed");
}

} // namespace
