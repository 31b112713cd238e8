// Sizes that are chosen when a context is opened, on programs whose numbers are those of the test.
#include "lib/Runtime/Runtime.h"
#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using testing::HasSubstr;

namespace {
/// What tern_program.numbers gives, in front of the sizes themselves.
std::vector<int64_t> values;
void numbersOf(const int64_t *dims, int64_t *numbers) {
  std::copy(values.begin(), values.end(), numbers);
  numbers[values.size()] = dims[0];
}

struct Buffer {
  int64_t bytes;
  int32_t first, last;
};

struct SizesTest : testing::Test {
  tern_dim_info dim{"n", 1, INT64_MAX};
  std::vector<tern_tensor_info> inputs, outputs;
  std::vector<tern_step> steps;
  std::vector<tern_buffer> buffers;
  std::vector<tern_equal> equal;
  tern_program program = {};
  tern_model model = {};
  tern_sizes sizes = {};
  tern_error error = {};

  void SetUp() override { values.clear(); }
  void TearDown() override { tern_sizes_close(&sizes); }

  /// A slot as a size of the descriptor.
  static int64_t slot(int64_t index) { return -(index + 1); }

  int open(std::vector<int64_t> dims = {1}) {
    program.name = "sizes";
    program.input_count = uint32_t(inputs.size()), program.inputs = inputs.data();
    program.output_count = uint32_t(outputs.size()), program.outputs = outputs.data();
    program.step_count = uint32_t(steps.size()), program.steps = steps.data();
    program.dim_count = 1, program.dims = &dim;
    program.number_count = uint32_t(values.size() + 1), program.numbers = numbersOf;
    program.equal_count = uint32_t(equal.size()), program.equal = equal.data();
    program.buffer_counts[TERN_ISA_AVX2] = uint32_t(buffers.size()), program.buffers[TERN_ISA_AVX2] = buffers.data();
    model.program = &program;
    model.level = TERN_ISA_AVX2;
    tern_sizes_close(&sizes);
    return tern_sizes_open(&sizes, &model, dims.data(), dims.size(), &error);
  }

  /// Offsets of buffers of these bytes and lifetimes.
  std::vector<int64_t> place(const std::vector<Buffer> &wanted) {
    values.clear(), buffers.clear();
    for (const Buffer &b : wanted) {
      buffers.push_back({int32_t(values.size()), b.first, b.last});
      values.push_back(b.bytes);
    }
    if (open() != 0)
      return {};
    const int64_t *offsets = sizes.numbers + program.number_count;
    return {offsets, offsets + buffers.size()};
  }

  static uint64_t roomOf(int64_t bytes) { return (uint64_t(bytes) + 63) / 64 * 64 + TERN_SLACK; }

  void expectRight(const std::vector<Buffer> &wanted) {
    std::vector<int64_t> at = place(wanted);
    ASSERT_EQ(at.size(), wanted.size()) << error.text;
    uint64_t end = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      if (wanted[i].first < 0)
        continue;
      EXPECT_EQ(at[i] % 64, 0) << "buffer " << i;
      end = std::max(end, uint64_t(at[i]) + roomOf(wanted[i].bytes));
      for (size_t j = 0; j < i; ++j) {
        bool together = wanted[j].first >= 0 && wanted[j].first <= wanted[i].last && wanted[i].first <= wanted[j].last;
        bool apart = at[i] + int64_t(roomOf(wanted[i].bytes)) <= at[j] || at[j] + int64_t(roomOf(wanted[j].bytes)) <= at[i];
        EXPECT_TRUE(!together || apart) << "buffers " << j << " and " << i << " overlap";
      }
    }
    EXPECT_EQ(sizes.arena_bytes, end);
  }
};

TEST_F(SizesTest, buffers_that_live_together_lie_apart) {
  expectRight({{100, 0, 1}, {1000, 1, 2}, {10, 2, 3}, {64, 0, 3}});
  EXPECT_EQ(sizes.arena_bytes, roomOf(1000) + roomOf(100) + roomOf(64)); // the one of 10 lies where that of 100 was
}

TEST_F(SizesTest, buffers_of_other_times_share_bytes) {
  EXPECT_EQ(place({{4096, 0, 1}, {4096, 2, 3}, {4096, 4, 4}}), std::vector<int64_t>(3, 0));
  EXPECT_EQ(sizes.arena_bytes, roomOf(4096));
}

TEST_F(SizesTest, one_op_is_a_lifetime) {
  expectRight({{64, 5, 5}, {64, 5, 5}});
  EXPECT_EQ(sizes.arena_bytes, 2 * roomOf(64));
}

TEST_F(SizesTest, the_smallest_gap_is_taken) {
  // While the last one lives, 0 and 2 are free: gaps of 2048 and of 512 bytes between buffers that stay.
  std::vector<Buffer> wanted = {{2048, 0, 0}, {1024, 0, 9}, {512, 0, 0}, {256, 0, 9}, {200, 1, 9}};
  std::vector<int64_t> at = place(wanted);
  ASSERT_EQ(at.size(), 5u);
  EXPECT_EQ(at[4], at[2]);
  expectRight(wanted);
}

TEST_F(SizesTest, nothing_and_empty_buffers) {
  EXPECT_TRUE(place({}).empty());
  EXPECT_EQ(error.code, 0) << error.text;
  EXPECT_EQ(sizes.arena_bytes, 0u);
  expectRight({{0, 0, 2}, {0, 1, 2}, {1, 1, 1}});
  EXPECT_EQ(sizes.arena_bytes, 2 * TERN_SLACK + roomOf(1)); // a pointer of its own, and room to read past the end
}

TEST_F(SizesTest, unused_buffers_take_no_room) {
  // Whatever their number says: an op that is gone has left it.
  EXPECT_EQ(place({{-7, -1, -1}, {64, 0, 0}, {INT64_MAX - 1, -1, -1}}), std::vector<int64_t>(3, 0));
  EXPECT_EQ(sizes.arena_bytes, roomOf(64));
}

TEST_F(SizesTest, random_lifetimes) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<Buffer> wanted(random() % 40);
    for (Buffer &b : wanted) {
      int32_t first = int32_t(random() % 20) - 1;
      b = {int64_t(random() % 5000), first, first < 0 ? -1 : first + int32_t(random() % 6)};
    }
    expectRight(wanted);
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_F(SizesTest, more_bytes_than_there_can_be) {
  const std::vector<Buffer> cases[] = {
      {{-1, 0, 0}},                                                                   // computed past 64 bits
      {{INT64_MAX / 2, 0, 0}},                                                        // one buffer
      std::vector<Buffer>(12, Buffer{INT64_MAX / 4, 0, 9}),                           // their sum
      {{INT64_MAX, 0, 0}},                                                            // what generated code says of an overflow
  };
  for (const std::vector<Buffer> &wanted : cases) {
    error = {};
    EXPECT_TRUE(place(wanted).empty());
    EXPECT_EQ(error.code, TERN_ERROR_MEMORY);
    EXPECT_STREQ(error.text, "with these sizes model 'sizes' needs more memory than there can be; choose smaller ones");
  }
}

TEST_F(SizesTest, tensors_and_steps_get_their_sizes) {
  const int64_t in[] = {slot(1), 3}, out[] = {slot(0), slot(1)}, fixed[] = {4};
  inputs = {{"x", TERN_F32, 2, in, 0}, {"k", TERN_I64, 1, fixed, 32}};
  outputs = {{"y", TERN_F16, 2, out, 0}};
  tern_step step = {};
  step.name = "s", step.rank = 2, step.dims = out, step.macs = uint64_t(slot(0)), step.output_offset = 2 | uint64_t(64) << 32, step.output_index = -1;
  steps = {step};
  values = {48};
  buffers = {{0, 0, 0}}; // its offset is number 2
  ASSERT_EQ(open({5}), 0) << error.text;
  EXPECT_EQ(sizes.inputs[0].dims[0], 5);
  EXPECT_EQ(sizes.inputs[0].dims[1], 3);
  EXPECT_EQ(sizes.inputs[0].bytes, 60u);
  EXPECT_EQ(sizes.inputs[1].bytes, 32u);
  EXPECT_EQ(sizes.outputs[0].dims[0], 48);
  EXPECT_EQ(sizes.outputs[0].bytes, 480u);
  EXPECT_EQ(sizes.steps[0].dims[1], 5);
  EXPECT_EQ(sizes.steps[0].macs, 48u);
  EXPECT_EQ(sizes.steps[0].output_offset, 64u);
  EXPECT_EQ(in[0], slot(1)) << "the descriptor is shared";

  tern_sizes described = {};
  ASSERT_TRUE(tern_sizes_describe(&described, &program));
  EXPECT_EQ(described.inputs[0].dims[0], -1);
  EXPECT_EQ(described.inputs[0].dims[1], 3);
  EXPECT_EQ(described.inputs[0].bytes, 0u);
  EXPECT_EQ(described.outputs[0].dims[1], -1);
  tern_sizes_close(&described);
}

TEST_F(SizesTest, wrong_sizes_are_refused) {
  const int64_t shape[] = {slot(0)}, large[] = {slot(0), slot(0), slot(0)};
  auto refused = [&](std::vector<int64_t> dims, int code, const char *text) {
    error = {};
    EXPECT_EQ(open(std::move(dims)), code);
    EXPECT_THAT(error.text, HasSubstr(text));
  };
  refused({}, TERN_ERROR_ARGUMENT, "0 sizes given, model 'sizes' has 1 open dimensions; pass one for each");
  refused({1, 2}, TERN_ERROR_ARGUMENT, "2 sizes given");
  refused({0}, TERN_ERROR_ARGUMENT, "dimension 'n' is 0; model 'sizes' takes 1 and more");
  dim.high = 64;
  refused({65}, TERN_ERROR_ARGUMENT, "dimension 'n' is 65; model 'sizes' takes 1 to 64");
  values = {-2};
  inputs = {{"x", TERN_F32, 1, shape, 0}};
  refused({4}, TERN_ERROR_ARGUMENT, "with these sizes dimension 0 of 'x' would be -2");
  values = {int64_t(1) << 30};
  inputs = {{"x", TERN_F32, 3, large, 0}};
  refused({4}, TERN_ERROR_MEMORY, "more memory than there can be");
  inputs.clear();
  values = {3};
  equal = {{0, 1, "past+1", "n"}};
  refused({4}, TERN_ERROR_ARGUMENT, "model 'sizes' needs past+1 = n, but they are 3 and 4");
  refused({2}, TERN_ERROR_ARGUMENT, "model 'sizes' needs past+1 = n, but they are 3 and 2");
  EXPECT_EQ(open({3}), 0) << error.text;
}

TEST_F(SizesTest, fixed_models_take_no_sizes) {
  program.name = "fixed", program.arena_bytes = 640;
  model.program = &program;
  int64_t one = 1;
  EXPECT_EQ(tern_sizes_open(&sizes, &model, &one, 1, &error), TERN_ERROR_ARGUMENT);
  EXPECT_THAT(error.text, HasSubstr("1 sizes given, but all sizes of model 'fixed' are fixed; pass none"));
  EXPECT_EQ(tern_sizes_open(&sizes, &model, nullptr, 0, &error), 0);
  EXPECT_EQ(sizes.arena_bytes, 640u);
}
} // namespace
