#include "lib/Runtime/Runtime.h"
#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
// after gtest
#include "test/unit/Runtime/FakeFiles.h"
using testing::HasSubstr;

// Counts allocations of the whole process.
static std::atomic<int64_t> allocations{0};
extern "C" void *__libc_malloc(size_t);
extern "C" void *__libc_calloc(size_t, size_t);
extern "C" void *__libc_memalign(size_t, size_t);
extern "C" void *malloc(size_t size) { return ++allocations, __libc_malloc(size); }
extern "C" void *calloc(size_t n, size_t size) { return ++allocations, __libc_calloc(n, size); }
extern "C" void *aligned_alloc(size_t align, size_t size) { return ++allocations, __libc_memalign(align, size); }

namespace {
const int64_t dims[2] = {2, FAKE_SIZE / 2};

tern_tensor tensor(std::vector<float> &data) { return {TERN_F32, 2, dims, data.data(), data.size() * sizeof(float)}; }

struct ModelTest : testing::Test {
  std::string folder = newFolder(), path = writeWeights(folder + "/weights.bin");
  tern_error error = {};
  tern_model *model = nullptr;
  tern_context *context = nullptr;

  tern_model *open(tern_options options = TERN_OPTIONS_DEFAULT) {
    model = tern_model_open(path.c_str(), &options, &error);
    if (model)
      context = tern_context_open(model, nullptr, 0, &error);
    return model;
  }
  std::string openError(tern_options options = TERN_OPTIONS_DEFAULT) {
    EXPECT_EQ(open(options), nullptr);
    EXPECT_NE(error.code, TERN_OK);
    return error.text;
  }
  void expectRight(tern_context *context, int seed) {
    std::vector<float> x = fakeInput(seed), y(FAKE_SIZE);
    tern_tensor in = tensor(x), out = tensor(y);
    ASSERT_EQ(tern_run(context, &in, 1, &out, 1, &error), 0) << error.text;
    EXPECT_EQ(y, fakeResult(x));
  }
  void TearDown() override {
    tern_context_close(context);
    tern_model_close(model);
  }
};

TEST_F(ModelTest, hash_is_pinned) {
  std::vector<float> w = fakeWeights();
  EXPECT_EQ(tern_hash(w.data(), 4 * w.size()), tern_generated_program.weights_hash);
  EXPECT_NE(tern_hash("", 0), tern_hash("\0", 1));
  EXPECT_NE(tern_hash("abcdefgh", 8), tern_hash("abcdefgi", 8));
}

TEST_F(ModelTest, describes_itself) {
  ASSERT_TRUE(open()) << error.text;
  EXPECT_EQ(tern_abi(), uint32_t(TERN_ABI));
  EXPECT_STREQ(tern_model_name(model), "fake");
  EXPECT_EQ(tern_input_count(model), 1u);
  EXPECT_STREQ(tern_input_info(model, 0)->name, "x");
  EXPECT_EQ(tern_input_info(model, 1), nullptr);
  EXPECT_STREQ(tern_output_info(model, 0)->name, "y");
  EXPECT_EQ(tern_step_count(model), size_t(FAKE_STEPS));
  EXPECT_STREQ(tern_step_info(model, 1)->kernel, "k1_sum");
  EXPECT_EQ(tern_step_info(model, FAKE_STEPS), nullptr);
  EXPECT_EQ(tern_state_length(context), 0);
  EXPECT_EQ(tern_state_reset(context), 0);
}

TEST_F(ModelTest, runs_on_any_number_of_threads) {
  for (int threads : {1, 2, 3, 4, 16}) {
    ASSERT_TRUE(open({sizeof(tern_options), threads, 0, TERN_ISA_AUTO})) << error.text;
    EXPECT_EQ(tern_model_threads(model), threads);
    for (int seed = 0; seed < 50; ++seed)
      expectRight(context, seed);
    TearDown();
  }
  context = nullptr, model = nullptr;
}

TEST_F(ModelTest, runs_with_copied_weights_and_without_huge_pages) {
  for (int pages : {1, -1}) {
    ASSERT_TRUE(open({sizeof(tern_options), 2, pages, TERN_ISA_AUTO})) << error.text;
    expectRight(context, 1);
    TearDown();
  }
  context = nullptr, model = nullptr;
}

TEST_F(ModelTest, allocates_nothing_in_run) {
  ASSERT_TRUE(open({sizeof(tern_options), 4, 0, TERN_ISA_AUTO})) << error.text;
  std::vector<float> x = fakeInput(3), y(FAKE_SIZE);
  tern_tensor in = tensor(x), out = tensor(y);
  int64_t before = allocations;
  for (int i = 0; i < 100; ++i)
    tern_run(context, &in, 1, &out, 1, &error);
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(before, 0);
}

TEST_F(ModelTest, hook_sees_every_step) {
  ASSERT_TRUE(open()) << error.text;
  std::vector<float> x = fakeInput(3), y(FAKE_SIZE), want = fakeResult(x), w = fakeWeights();
  struct Seen {
    std::vector<int> steps;
    std::vector<float> first;
  } seen;
  auto hook = [](void *user, int32_t step, double seconds, const void *output) {
    Seen *s = static_cast<Seen *>(user);
    EXPECT_GE(seconds, 0);
    s->steps.push_back(step);
    s->first.push_back(*static_cast<const float *>(output));
  };
  tern_context_set_hook(context, hook, &seen);
  expectRight(context, 3);
  EXPECT_EQ(seen.steps, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(seen.first, (std::vector<float>{x[0] * w[0], want[0] - x[0] * w[0], want[0]}));
  tern_context_set_hook(context, nullptr, nullptr);
  expectRight(context, 3);
  EXPECT_EQ(seen.steps.size(), 3u);
}

TEST_F(ModelTest, contexts_run_side_by_side) {
  ASSERT_TRUE(open({sizeof(tern_options), 3, 0, TERN_ISA_AUTO})) << error.text;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([this, t] {
      tern_error mine;
      tern_context *own = tern_context_open(model, nullptr, 0, &mine);
      ASSERT_NE(own, nullptr);
      std::vector<float> x = fakeInput(t), y(FAKE_SIZE), want = fakeResult(x);
      tern_tensor in = tensor(x), out = tensor(y);
      for (int i = 0; i < 500; ++i) {
        std::fill(y.begin(), y.end(), 0.f);
        ASSERT_EQ(tern_run(own, &in, 1, &out, 1, &mine), 0);
        ASSERT_EQ(y, want);
      }
      tern_context_close(own);
    });
  for (std::thread &t : threads)
    t.join();
}

TEST_F(ModelTest, one_context_in_two_threads_is_refused) {
  ASSERT_TRUE(open()) << error.text;
  struct Inner {
    ModelTest *test;
    int code = 0;
    tern_error error = {};
  } inner{this};
  // The hook stands for a second thread: it comes while the context runs.
  tern_context_set_hook(
      context,
      [](void *user, int32_t, double, const void *) {
        Inner *i = static_cast<Inner *>(user);
        std::vector<float> x = fakeInput(0), y(FAKE_SIZE);
        tern_tensor in = tensor(x), out = tensor(y);
        i->code = tern_run(i->test->context, &in, 1, &out, 1, &i->error);
      },
      &inner);
  expectRight(context, 0);
  EXPECT_EQ(inner.code, TERN_ERROR_BUSY);
  EXPECT_THAT(inner.error.text, HasSubstr("one context for each thread"));
}

TEST_F(ModelTest, survives_a_fork) {
  ASSERT_TRUE(open({sizeof(tern_options), 4, 0, TERN_ISA_AUTO})) << error.text;
  expectRight(context, 1);
  pid_t child = fork();
  if (!child) {
    alarm(20);
    std::vector<float> x = fakeInput(2), y(FAKE_SIZE);
    tern_tensor in = tensor(x), out = tensor(y);
    bool good = !tern_run(context, &in, 1, &out, 1, nullptr) && y == fakeResult(x);
    tern_context_close(context);
    tern_model_close(model);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(ModelTest, tensors_are_checked) {
  ASSERT_TRUE(open()) << error.text;
  std::vector<float> x = fakeInput(0), y(FAKE_SIZE + 1);
  const int64_t wrong[2] = {1, FAKE_SIZE};
  const tern_tensor in = tensor(x), out = {TERN_F32, 2, dims, y.data(), 4 * FAKE_SIZE};
  auto message = [&](tern_tensor a, tern_tensor b) {
    EXPECT_EQ(tern_run(context, &a, 1, &b, 1, &error), TERN_ERROR_ARGUMENT);
    EXPECT_EQ(tern_run(context, &a, 1, &b, 1, nullptr), TERN_ERROR_ARGUMENT);
    return std::string(error.text);
  };
  tern_tensor bad = in;
  bad.dtype = TERN_F16;
  EXPECT_EQ(message(bad, out), "input 0 'x': got f16[2,512], the model has f32[2,512]");
  bad = in, bad.dtype = 77;
  EXPECT_EQ(message(bad, out), "input 0 'x': got dtype 77[2,512], the model has f32[2,512]");
  bad = in, bad.dims = wrong;
  EXPECT_EQ(message(bad, out), "input 0 'x': got f32[1,1024], the model has f32[2,512]");
  bad = in, bad.rank = 1;
  EXPECT_EQ(message(bad, out), "input 0 'x': got f32[2], the model has f32[2,512]");
  bad = in, bad.dims = nullptr;
  EXPECT_THAT(message(bad, out), HasSubstr("dims is NULL"));
  bad = in, bad.bytes = 8;
  EXPECT_EQ(message(bad, out), "input 0 'x': got 8 bytes, f32[2,512] has 4096");
  bad = in, bad.data = nullptr;
  EXPECT_EQ(message(bad, out), "input 0 'x': data is NULL");
  bad = out, bad.data = reinterpret_cast<char *>(y.data()) + 1;
  EXPECT_THAT(message(in, bad), HasSubstr("align it to 4 bytes"));
  bad = out, bad.data = x.data() + FAKE_SIZE - 1;
  EXPECT_EQ(message(in, bad), "output 0 'y' overlaps input 0 'x'; give it its own memory");
  EXPECT_EQ(tern_run(context, &in, 0, &out, 1, &error), TERN_ERROR_ARGUMENT);
  EXPECT_STREQ(error.text, "got 0 inputs and 1 outputs, model 'fake' has 1 inputs and 1 outputs");
  int64_t size = 4;
  EXPECT_EQ(tern_context_open(model, &size, 1, &error), nullptr);
  EXPECT_THAT(error.text, HasSubstr("all sizes of model 'fake' are fixed"));
}

TEST_F(ModelTest, long_shapes_are_cut) {
  ASSERT_TRUE(open()) << error.text;
  std::vector<float> x = fakeInput(0), y(FAKE_SIZE);
  std::vector<int64_t> many(40, 1000);
  tern_tensor in = tensor(x), out = tensor(y);
  in.rank = 40, in.dims = many.data();
  tern_run(context, &in, 1, &out, 1, &error);
  EXPECT_THAT(error.text, HasSubstr("...], the model has f32[2,512]"));
}

TEST_F(ModelTest, weights_are_checked) {
  path = folder + "/missing.bin";
  EXPECT_THAT(openError(), HasSubstr("missing.bin': No such file or directory; pass the path of the weights.bin"));
  EXPECT_EQ(error.code, TERN_ERROR_WEIGHTS);
  path = folder;
  EXPECT_THAT(openError(), HasSubstr("Is a directory"));
  path = folder + "/pipe";
  mkfifo(path.c_str(), 0600);
  EXPECT_THAT(openError(), HasSubstr("cannot read weights"));
  path = writeWeights(folder + "/short.bin", 100);
  EXPECT_THAT(openError(), HasSubstr("have 100 bytes, model 'fake' has 4096;"));
  path = writeWeights(folder + "/empty.bin", 0);
  EXPECT_THAT(openError(), HasSubstr("have 0 bytes"));
  for (int damage : {0, 63, 64, 2000, 4095}) {
    path = writeWeights(folder + "/damaged.bin", 4 * FAKE_SIZE, damage);
    EXPECT_THAT(openError(), HasSubstr("are damaged or of another compilation of 'fake'"));
  }
  Variable check("TERN_CHECK", "0");
  EXPECT_TRUE(open()) << error.text;
}

TEST_F(ModelTest, options_are_checked) {
  EXPECT_THAT(openError({0, 0, 0, 0}), HasSubstr("options.size is 0"));
  EXPECT_THAT(openError({sizeof(tern_options), -1, 0, -1}), HasSubstr("options.threads is -1; use 1 to 256, or 0"));
  EXPECT_THAT(openError({sizeof(tern_options), 257, 0, -1}), HasSubstr("options.threads is 257"));
  EXPECT_THAT(openError({sizeof(tern_options), 0, 2, -1}), HasSubstr("options.huge_pages is 2"));
  EXPECT_THAT(openError({sizeof(tern_options), 0, 0, 3}), HasSubstr("options.level is 3; use -1 (the best one), 0"));
  EXPECT_EQ(openError({sizeof(tern_options), 0, 0, TERN_ISA_AVX2}),
            "options.level asks for avx2, but model 'fake' has code for portable, avx512vnni; choose one of these");
}

TEST_F(ModelTest, environment_wins) {
  {
    Variable isa("TERN_ISA", "portable"), threads("TERN_THREADS", "3");
    ASSERT_TRUE(open({sizeof(tern_options), 1, 0, TERN_ISA_AUTO})) << error.text;
    EXPECT_STREQ(tern_model_isa(model), "portable");
    EXPECT_EQ(tern_model_threads(model), 3);
    expectRight(context, 1);
    TearDown();
    context = nullptr, model = nullptr;
  }
  {
    Variable isa("TERN_ISA", "sse9");
    EXPECT_EQ(openError(), "TERN_ISA=sse9 is not known; choose one of portable, avx2, avx512vnni");
  }
  {
    Variable isa("TERN_ISA", "avx2");
    EXPECT_THAT(openError(), HasSubstr("TERN_ISA asks for avx2, but model 'fake' has code for"));
  }
  for (const char *bad : {"two", "-1", "2x", "100000000000000000000000000"}) {
    Variable threads("TERN_THREADS", bad);
    EXPECT_THAT(openError(), HasSubstr("TERN_THREADS="));
    EXPECT_EQ(error.code, TERN_ERROR_ARGUMENT);
  }
  Variable check("TERN_CHECK", "yes");
  EXPECT_THAT(openError(), HasSubstr("TERN_CHECK=yes is not known; use 1"));
}

TEST_F(ModelTest, machine_without_the_level_is_refused) {
  char missing[TERN_LIST];
  if (tern_level_supported(TERN_ISA_AVX512VNNI, missing))
    GTEST_SKIP() << "this machine has every level";
  EXPECT_THAT(openError({sizeof(tern_options), 0, 0, TERN_ISA_AVX512VNNI}), HasSubstr("but this machine lacks avx512"));
  EXPECT_EQ(error.code, TERN_ERROR_MACHINE);
}

TEST_F(ModelTest, program_without_code_for_the_machine_is_refused) {
  tern_program program = tern_generated_program;
  for (auto &run : program.run)
    run = nullptr;
  EXPECT_EQ(tern_pick_level(&program, TERN_ISA_AUTO, &error), -1);
  EXPECT_THAT(error.text, HasSubstr("model 'fake' has code for no level, this machine has portable"));
}

TEST_F(ModelTest, null_is_closed) {
  tern_context_close(nullptr);
  tern_model_close(nullptr);
}
} // namespace
