#include "lib/Support/Artifact.h"
#include "llvm/Support/FormatVariadic.h"
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
// after gtest
#include "test/unit/Runtime/FakeFiles.h"
using namespace tern;
using testing::HasSubstr;
namespace fs = std::filesystem;

namespace {
Manifest fakeManifest() {
  Manifest m;
  m.name = "fake";
  m.inputs = {{"x", TERN_F32, {2, FAKE_SIZE / 2}}};
  m.outputs = {{"y", TERN_F32, {2, FAKE_SIZE / 2}}};
  m.weightsBytes = 4 * FAKE_SIZE;
  return m;
}

struct ArtifactTest : testing::Test {
  std::string folder = newFolder() + "/fake.tern";

  ArtifactTest() {
    fs::create_directory(folder);
    fs::copy_file(FAKE_ARTIFACT, folder + "/libmodel.so");
    writeWeights(folder + "/weights.bin");
    write(fakeManifest());
  }
  void write(const Manifest &m) { writeText(llvm::formatv("{0:2}", m.toJSON())); }
  void writeText(const std::string &text) { writeFile(folder + "/manifest.json", text.data(), text.size()); }
  std::unique_ptr<Artifact> open(const ArtifactOptions &options = {}) {
    auto artifact = Artifact::open(folder, options);
    if (!artifact) {
      ADD_FAILURE() << toString(artifact.takeError());
      return nullptr;
    }
    return std::move(*artifact);
  }
  std::string openError(const std::string &path, const ArtifactOptions &options = {}) {
    auto artifact = Artifact::open(path, options);
    std::string text = artifact ? "no error" : toString(artifact.takeError());
    EXPECT_EQ(text.find(path), 0u) << text;
    return text;
  }
  std::string openError(const ArtifactOptions &options = {}) { return openError(folder, options); }
};

llvm::ArrayRef<char> bytes(const std::vector<float> &v) {
  return {reinterpret_cast<const char *>(v.data()), 4 * v.size()};
}

TEST_F(ArtifactTest, opens_and_runs) {
  ArtifactOptions options;
  options.threads = 2;
  options.level = TERN_ISA_PORTABLE;
  auto artifact = open(options);
  ASSERT_TRUE(artifact);
  EXPECT_EQ(artifact->getName(), "fake");
  EXPECT_EQ(artifact->getIsa(), "portable");
  EXPECT_EQ(artifact->getThreads(), 2);
  ASSERT_EQ(artifact->getInputs().size(), 1u);
  EXPECT_STREQ(artifact->getOutputs()[0].name, "y");
  ASSERT_EQ(artifact->getSteps().size(), size_t(FAKE_STEPS));
  EXPECT_STREQ(artifact->getSteps()[2].row, "cpu.elementwise");
  std::vector<float> x = fakeInput(4), want = fakeResult(x);
  std::vector<std::vector<char>> outputs;
  ASSERT_FALSE(bool(artifact->run({bytes(x)}, outputs)));
  EXPECT_EQ(std::memcmp(outputs[0].data(), want.data(), 4 * FAKE_SIZE), 0);
}

TEST_F(ArtifactTest, relative_folder) {
  fs::path before = fs::current_path();
  fs::current_path(fs::path(folder).parent_path());
  EXPECT_TRUE(bool(Artifact::open("fake.tern")));
  fs::current_path(folder);
  EXPECT_TRUE(bool(Artifact::open(".")));
  fs::current_path(before);
}

TEST_F(ArtifactTest, hook_sees_steps_and_their_values) {
  auto artifact = open();
  ASSERT_TRUE(artifact);
  std::vector<std::string> names;
  std::vector<float> last;
  artifact->setHook([&](size_t index, const tern_step &step, double, const void *output) {
    EXPECT_EQ(index, names.size());
    names.push_back(step.name);
    last = cantFail(stepValues(step, output));
  });
  std::vector<float> x = fakeInput(4), y(FAKE_SIZE);
  void *in[] = {x.data()}, *out[] = {y.data()};
  artifact->runPointers(in, out);
  EXPECT_EQ(names, (std::vector<std::string>{"mul", "sum", "add"}));
  EXPECT_EQ(last, fakeResult(x));
  artifact->setHook({});
  artifact->runPointers(in, out);
  EXPECT_EQ(names.size(), 3u);
}

TEST_F(ArtifactTest, run_errors_name_the_tensor) {
  auto artifact = open();
  ASSERT_TRUE(artifact);
  std::vector<float> few(3);
  std::vector<std::vector<char>> outputs;
  EXPECT_EQ(toString(artifact->run({bytes(few)}, outputs)),
            folder + ": input 0 'x': got 12 bytes, f32[2,512] has 4096");
  EXPECT_EQ(toString(artifact->run(llvm::ArrayRef<llvm::ArrayRef<char>>(), outputs)),
            folder + ": got 0 inputs, the model has 1");
}

TEST_F(ArtifactTest, what_is_no_artifact) {
  EXPECT_THAT(openError(folder + "/nothing"), HasSubstr("there is no such folder"));
  EXPECT_THAT(openError(folder + "/weights.bin"), HasSubstr("this is a file; give the folder"));
  EXPECT_THAT(openError(newFolder()), HasSubstr("not a compiled model, manifest.json cannot be read (No such file"));
  writeText("{\"abi\": 1");
  EXPECT_THAT(openError(), HasSubstr("manifest.json is damaged ("));
}

TEST_F(ArtifactTest, other_versions_and_targets) {
  Manifest m = fakeManifest();
  m.abi = 7;
  write(m);
  EXPECT_THAT(openError(), HasSubstr("compiled by another version of Tern (ABI 7, this one has 2)"));
  m = fakeManifest(), m.target = "hls";
  write(m);
  EXPECT_THAT(openError(), HasSubstr("compiled for target 'hls', which does not run here"));
  m = fakeManifest(), m.name = "other";
  write(m);
  EXPECT_THAT(openError(), HasSubstr("manifest.json is of model 'other', libmodel.so of 'fake'"));
  write(fakeManifest());
  fs::remove(folder + "/libmodel.so");
  EXPECT_THAT(openError(), HasSubstr("cannot load libmodel.so"));
  fs::copy_file(FAKE_ARTIFACT_OF_OTHER_ABI, folder + "/libmodel.so");
  EXPECT_THAT(openError(), HasSubstr("generated code has ABI 99"));
}

TEST_F(ArtifactTest, library_that_is_no_model) {
  fs::remove(folder + "/libmodel.so");
  EXPECT_THAT(openError(), HasSubstr("cannot load libmodel.so"));
  writeFile(folder + "/libmodel.so", "text", 4);
  EXPECT_THAT(openError(), HasSubstr("libmodel.so is damaged (it has only 4 bytes)"));
  fs::remove(folder + "/libmodel.so");
  fs::copy_file(FAKE_ARTIFACT, folder + "/libmodel.so");
  fs::resize_file(folder + "/libmodel.so", fs::file_size(FAKE_ARTIFACT) / 2);
  EXPECT_THAT(openError(), HasSubstr("libmodel.so is damaged (it is cut off"));
  Manifest m = fakeManifest();
  m.library = "../libc.so.6";
  write(m);
  std::string libc;
  for (const char *path : {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"})
    if (fs::exists(path))
      libc = path;
  if (libc.empty())
    GTEST_SKIP() << "no C library where one is expected";
  fs::create_symlink(libc, fs::path(folder).parent_path() / "libc.so.6");
  EXPECT_THAT(openError(), HasSubstr("is not a compiled model, it has no tern_abi"));
}

TEST_F(ArtifactTest, weights_that_do_not_fit) {
  writeWeights(folder + "/weights.bin", 4 * FAKE_SIZE, 1000);
  EXPECT_THAT(openError(), HasSubstr("are damaged or of another compilation of 'fake'"));
  writeWeights(folder + "/weights.bin", 77);
  EXPECT_THAT(openError(), HasSubstr("have 77 bytes, model 'fake' has 4096"));
  fs::remove(folder + "/weights.bin");
  EXPECT_THAT(openError(), HasSubstr("cannot read weights '"));
  ArtifactOptions options;
  options.weights = writeWeights(folder + "/elsewhere.bin");
  EXPECT_TRUE(open(options));
}

tern_step step(int32_t dtype, const std::vector<int64_t> &dims) {
  tern_step s = {};
  s.name = "s";
  s.dtype = dtype;
  s.rank = int32_t(dims.size());
  s.dims = dims.data();
  return s;
}

TEST(StepValuesTest, codes_in_nhwc_with_halo) {
  std::vector<int64_t> dims = {1, 2, 2, 3};
  tern_step s = step(TERN_U8, dims);
  s.layout = TERN_LAYOUT_NHWC;
  s.channel_stride = 4;
  int64_t halo[4] = {1, 2, 0, 1}; // top, left, bottom, right
  std::copy(halo, halo + 4, s.halo);
  s.scale = 0.5f;
  s.zero = 100;
  std::vector<uint8_t> buffer(3 * 6 * 4, 255);
  std::vector<float> want;
  for (int c = 0; c < 2; ++c)
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 3; ++x) {
        uint8_t code = uint8_t(90 + 6 * c + 3 * y + x);
        buffer[size_t(((y + 1) * 6 + x + 2) * 4 + c)] = code;
        want.push_back(0.5f * float(code - 100));
      }
  EXPECT_EQ(cantFail(stepValues(s, buffer.data())), want);
}

TEST(StepValuesTest, plain_types) {
  std::vector<int64_t> dims = {2};
  uint16_t half[] = {0x3c00, 0xc000}, brain[] = {0x3f80, 0xc000};
  int64_t wide[] = {5, -7};
  int8_t codes[] = {-128, 127};
  std::vector<float> want = {1, -2};
  EXPECT_EQ(cantFail(stepValues(step(TERN_F16, dims), half)), want);
  EXPECT_EQ(cantFail(stepValues(step(TERN_BF16, dims), brain)), want);
  EXPECT_EQ(cantFail(stepValues(step(TERN_I64, dims), wide)), (std::vector<float>{5, -7}));
  EXPECT_EQ(cantFail(stepValues(step(TERN_I8, dims), codes)), (std::vector<float>{-128, 127}));
}

TEST(StepValuesTest, what_it_cannot_read) {
  std::vector<int64_t> dims = {2};
  EXPECT_EQ(toString(stepValues(step(TERN_F32, dims), nullptr).takeError()), "step 's': it has no output to read");
  char data[8] = {};
  EXPECT_EQ(toString(stepValues(step(8, dims), data).takeError()), "step 's': element type 8 is not known");
  tern_step s = step(TERN_F32, dims);
  s.layout = TERN_LAYOUT_NHWC;
  EXPECT_EQ(toString(stepValues(s, data).takeError()), "step 's': layout 1 of rank 1 is not known");
}
} // namespace
