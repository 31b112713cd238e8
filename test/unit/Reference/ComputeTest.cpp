#include "Harness.h"
#include <cmath>

using namespace tern::reference;

namespace {
using ComputeTest = ReferenceTest;

TEST_F(ComputeTest, Matmul) {
  Tensor a = iota("tensor<2x3xf32>"), b = iota("tensor<3x2xf32>");
  EXPECT_EQ(
      numbers("nn.matmul %0, %1 : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>", {a, b}, "tensor<2x2xf32>"),
      Numbers({10, 13, 28, 40}));
  EXPECT_EQ(
      numbers("nn.matmul %1, %0, %2 {transpose_a, transpose_b} : (tensor<3x2xf32>, tensor<2x3xf32>, tensor<2xf32>) -> "
              "tensor<2x2xf32>",
              {a, b, tensor("tensor<2xf32>", {100, 200})}, "tensor<2x2xf32>"),
      Numbers({110, 228, 113, 240}));
}

TEST_F(ComputeTest, MatmulBroadcastsBatches) {
  EXPECT_EQ(numbers("nn.matmul %0, %1 : (tensor<2x1x1x2xf32>, tensor<2x2x1xf32>) -> tensor<2x2x1x1xf32>",
                    {iota("tensor<2x1x1x2xf32>"), iota("tensor<2x2x1xf32>")}, "tensor<2x2x1x1xf32>"),
            Numbers({1, 3, 3, 13}));
}

TEST_F(ComputeTest, IntegerMatmulWraps) {
  EXPECT_EQ(numbers("nn.matmul %0, %0 : (tensor<1x1xi32>, tensor<1x1xi32>) -> tensor<1x1xi32>",
                    {tensor("tensor<1x1xi32>", {65537})}, "tensor<1x1xi32>"),
            Numbers({131073}));
}

// The example of ONNX's Conv with padding.
TEST_F(ComputeTest, ConvOfOnnx) {
  Tensor x = iota("tensor<1x1x5x5xf32>"), w = tensor("tensor<1x1x3x3xf32>", Numbers(9, 1));
  EXPECT_EQ(
      numbers(
          "nn.conv %0, %1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : "
          "(tensor<1x1x5x5xf32>, tensor<1x1x3x3xf32>) -> tensor<1x1x5x5xf32>",
          {x, w}, "tensor<1x1x5x5xf32>"),
      Numbers({12,  21, 27, 33,  24,  33,  54,  63, 72,  51,  63,  99, 108,
               117, 81, 93, 144, 153, 162, 111, 72, 111, 117, 123, 84}));
}

TEST_F(ComputeTest, ConvStridesDilationGroupsBias) {
  // Two groups of one channel; kernel [1, 10] with dilation 2, stride 2, one element of padding on each side.
  Tensor x = tensor("tensor<1x2x4xf32>", {1, 2, 3, 4, 5, 6, 7, 8}), w = tensor("tensor<2x1x2xf32>", {1, 10, 1, 10});
  EXPECT_EQ(numbers("nn.conv %0, %1, %2 {group = 2 : i64, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations "
                    "= array<i64: 2>} "
                    ": (tensor<1x2x4xf32>, tensor<2x1x2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>",
                    {x, w, tensor("tensor<2xf32>", {100, 200})}, "tensor<1x2x2xf32>"),
            Numbers({120, 142, 260, 286}));
}

TEST_F(ComputeTest, ConvThreeDimensions) {
  EXPECT_EQ(numbers("nn.conv %0, %1 {strides = array<i64: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0, 0, 0>, dilations = "
                    "array<i64: 1, 1, "
                    "1>} : (tensor<1x1x2x2x2xf32>, tensor<1x1x2x2x1xf32>) -> tensor<1x1x1x1x2xf32>",
                    {iota("tensor<1x1x2x2x2xf32>"), tensor("tensor<1x1x2x2x1xf32>", {1, 1, 1, 1})},
                    "tensor<1x1x1x1x2xf32>"),
            Numbers({12, 16}));
}

// ONNX's ConvTranspose example, and its strided one on a row.
TEST_F(ComputeTest, ConvTranspose) {
  Tensor x = iota("tensor<1x1x3x3xf32>"), w = tensor("tensor<1x2x3x3xf32>", Numbers(18, 1));
  Numbers plane = {0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8},
          both = plane;
  both.insert(both.end(), plane.begin(), plane.end());
  EXPECT_EQ(
      numbers(
          "nn.conv_transpose %0, %1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: "
          "1, "
          "1>, output_padding = array<i64: 0, 0>} : (tensor<1x1x3x3xf32>, tensor<1x2x3x3xf32>) -> tensor<1x2x5x5xf32>",
          {x, w}, "tensor<1x2x5x5xf32>"),
      both);
  EXPECT_EQ(
      numbers("nn.conv_transpose %0, %1 {strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>, "
              "output_padding = array<i64: 1>} : (tensor<1x1x2xf32>, tensor<1x1x3xf32>) -> tensor<1x1x5xf32>",
              {tensor("tensor<1x1x2xf32>", {1, 2}), tensor("tensor<1x1x3xf32>", {1, 10, 100})}, "tensor<1x1x5xf32>"),
      Numbers({10, 102, 20, 200, 0}));
}

TEST_F(ComputeTest, ConvTransposeGroups) {
  EXPECT_EQ(
      numbers(
          "nn.conv_transpose %0, %1 {group = 2 : i64, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = "
          "array<i64: 1>, output_padding = array<i64: 0>} : (tensor<1x2x1xf32>, tensor<2x2x1xf32>) -> "
          "tensor<1x4x1xf32>",
          {tensor("tensor<1x2x1xf32>", {1, 10}), tensor("tensor<2x2x1xf32>", {1, 2, 3, 4})}, "tensor<1x4x1xf32>"),
      Numbers({1, 2, 30, 40}));
}

TEST_F(ComputeTest, Pooling) {
  Tensor x = iota("tensor<1x1x4x4xf32>", 1);
  EXPECT_EQ(numbers("nn.pool max %0 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, "
                    "0>, dilations "
                    "= array<i64: 1, 1>, ceil_mode} : (tensor<1x1x4x4xf32>) -> tensor<1x1x2x2xf32>",
                    {x}, "tensor<1x1x2x2xf32>"),
            Numbers({11, 12, 15, 16}));
  EXPECT_EQ(numbers("nn.pool max %0 {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, "
                    "0>, dilations "
                    "= array<i64: 2, 2>} : (tensor<1x1x4x4xf32>) -> tensor<1x1x2x2xf32>",
                    {x}, "tensor<1x1x2x2xf32>"),
            Numbers({11, 12, 15, 16}));
}

TEST_F(ComputeTest, AveragePadding) {
  Tensor x = tensor("tensor<1x1x3xf32>", {1, 2, 6});
  auto average = [&](const char *attrs) {
    return numbers(
        (llvm::Twine(
             "nn.pool avg %0 {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations "
             "= array<i64: 1>") +
         attrs + "} : (tensor<1x1x3xf32>) -> tensor<1x1x2xf32>")
            .str(),
        {x}, "tensor<1x1x2xf32>");
  };
  EXPECT_EQ(average(""), Numbers({1, 4}));
  EXPECT_EQ(average(", count_include_pad"), Numbers({0.5, 4}));
  // The second window of ceil_mode reaches beyond the padding: only the part inside counts.
  EXPECT_EQ(numbers("nn.pool avg %0 {kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 0, 1>, "
                    "dilations = array<i64: "
                    "1>, ceil_mode, count_include_pad} : (tensor<1x1x4xf32>) -> tensor<1x1x2xf32>",
                    {tensor("tensor<1x1x4xf32>", {3, 3, 3, 6})}, "tensor<1x1x2xf32>"),
            Numbers({3, 3}));
}

TEST_F(ComputeTest, LpPooling) {
  EXPECT_EQ(numbers("nn.pool lp %0 {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, "
                    "dilations = array<i64: "
                    "1>} : (tensor<1x1x2xf32>) -> tensor<1x1x1xf32>",
                    {tensor("tensor<1x1x2xf32>", {-3, 4})}, "tensor<1x1x1xf32>"),
            Numbers({5}));
}

TEST_F(ComputeTest, Reductions) {
  Tensor x = tensor("tensor<2x2xf32>", {1, -2, 3, 4});
  auto reduce = [&](const char *kind) {
    return numbers(
        (llvm::Twine("nn.reduce ") + kind + " %0 {axes = array<i64: 1>} : (tensor<2x2xf32>) -> tensor<2xf32>").str(),
        {x}, "tensor<2xf32>");
  };
  EXPECT_EQ(reduce("sum"), Numbers({-1, 7}));
  EXPECT_EQ(reduce("mean"), Numbers({-0.5, 3.5}));
  EXPECT_EQ(reduce("max"), Numbers({1, 4}));
  EXPECT_EQ(reduce("min"), Numbers({-2, 3}));
  EXPECT_EQ(reduce("prod"), Numbers({-2, 12}));
  EXPECT_EQ(reduce("l1"), Numbers({3, 7}));
  expectNear(reduce("l2"), {2.2360680, 5});
  EXPECT_EQ(reduce("sum_square"), Numbers({5, 25}));
  expectNear(reduce("log_sum_exp"), {1.0485873, 4.3132617});
  expectNear(numbers("nn.reduce log_sum %0 {axes = array<i64: 0, 1>, keepdims} : (tensor<2x2xf32>) -> tensor<1x1xf32>",
                     {x}, "tensor<1x1xf32>"),
             {1.7917595});
  EXPECT_EQ(
      numbers("nn.reduce sum %0 {axes = array<i64: 0>} : (tensor<2x2xf32>) -> tensor<2xf32>", {x}, "tensor<2xf32>"),
      Numbers({4, 2}));
  EXPECT_EQ(numbers("nn.reduce mean %0 {axes = array<i64: 0>} : (tensor<3xi32>) -> tensor<i32>",
                    {tensor("tensor<3xi32>", {-1, -2, -2})}, "tensor<i32>"),
            Numbers({-1}));
}

TEST_F(ComputeTest, SumsAreRoundedOnce) {
  // In f32, 1 + 2^-24 + ... would stay 1.
  Numbers values(257, std::ldexp(1.0, -24));
  values[0] = 1;
  EXPECT_EQ(numbers("nn.reduce sum %0 {axes = array<i64: 0>} : (tensor<257xf32>) -> tensor<f32>",
                    {tensor("tensor<257xf32>", values)}, "tensor<f32>"),
            Numbers({1 + std::ldexp(256.0, -24)}));
}

TEST_F(ComputeTest, Softmax) {
  expectNear(numbers("nn.softmax %0 {axis = 0 : i64} : (tensor<3x1xf32>) -> tensor<3x1xf32>",
                     {tensor("tensor<3x1xf32>", {1000, 1001, 1002})}, "tensor<3x1xf32>"),
             {0.0900306, 0.2447285, 0.6652410});
  expectNear(numbers("nn.softmax %0 {axis = 1 : i64, log} : (tensor<1x3xf32>) -> tensor<1x3xf32>",
                     {tensor("tensor<1x3xf32>", {-1000, 1, 2})}, "tensor<1x3xf32>"),
             {-1002.3132617, -1.3132617, -0.3132617});
}

TEST_F(ComputeTest, BatchNorm) {
  expectNear(numbers("nn.batch_norm %0, %1, %2, %3, %4 {epsilon = 1.0e-5 : f32} : (tensor<1x2x2xf32>, tensor<2xf32>, "
                     "tensor<2xf32>, "
                     "tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x2xf32>",
                     {iota("tensor<1x2x2xf32>"), tensor("tensor<2xf32>", {1, 2}), tensor("tensor<2xf32>", {0, 1}),
                      tensor("tensor<2xf32>", {0, 2}), tensor("tensor<2xf32>", {1, 4})},
                     "tensor<1x2x2xf32>"),
             {0, 0.999995, 1, 1.9999988});
}

TEST_F(ComputeTest, Norms) {
  expectNear(numbers("nn.layer_norm %0 scale %1 bias %2 {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x2xf32>, tensor<2xf32>, "
                     "tensor<2xf32>) -> tensor<2x2xf32>",
                     {tensor("tensor<2x2xf32>", {1, 3, 10, 0}), tensor("tensor<2xf32>", {2, 3}), tensor("tensor<2xf32>", {0, 1})},
                     "tensor<2x2xf32>"),
             {-2, 4, 2, -2});
  expectNear(numbers("nn.rms_norm %0 scale %1 {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>",
                     {tensor("tensor<1x2xf32>", {1, 7}), tensor("tensor<2xf32>", {5, 10})}, "tensor<1x2xf32>"),
             {1, 14});
  // Channels 0 and 1 are one group of two positions.
  expectNear(numbers("nn.group_norm %0 scale %1 {groups = 1 : i64, epsilon = 0.0 : f32} : (tensor<1x2x2xf32>, tensor<2xf32>) -> "
                     "tensor<1x2x2xf32>",
                     {tensor("tensor<1x2x2xf32>", {-2, -2, 2, 2}), tensor("tensor<2xf32>", {1, 3})}, "tensor<1x2x2xf32>"),
             {-1, -1, 3, 3});
}

TEST_F(ComputeTest, Attention) {
  Tensor q = tensor("tensor<1x2x2x1xf32>", {0, 0, 1, 0}), k = tensor("tensor<1x1x2x1xf32>", {0, std::log(3)}),
         v = tensor("tensor<1x1x2x1xf32>", {1, 5});
  std::string types = "(tensor<1x2x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>) -> tensor<1x2x2x1xf32>";
  expectNear(numbers("nn.attention %0, %1, %2 {scale = 1.0 : f32} : " + types, {q, k, v}, "tensor<1x2x2x1xf32>"), {3, 3, 4, 3});
  expectNear(numbers("nn.attention %0, %1, %2 {scale = 1.0 : f32, causal} : " + types, {q, k, v}, "tensor<1x2x2x1xf32>"),
             {1, 3, 1, 3});
  expectNear(numbers("nn.attention %0, %1, %2 {scale = 1.0 : f32, causal, window = 1 : i64} : " + types, {q, k, v}, "tensor<1x2x2x1xf32>"),
             {1, 5, 1, 5});
  // A query that sees nothing.
  expectNear(numbers("nn.attention %0, %1, %2 mask %3 {scale = 1.0 : f32} : (tensor<1x2x2x1xf32>, tensor<1x1x2x1xf32>, "
                     "tensor<1x1x2x1xf32>, tensor<2x1xi1>) -> tensor<1x2x2x1xf32>",
                     {q, k, v, tensor("tensor<2x1xi1>", {0, 1})}, "tensor<1x2x2x1xf32>"),
             {0, 3, 0, 3});
}

TEST_F(ComputeTest, Rope) {
  Tensor x = tensor("tensor<1x5xf32>", {1, 2, 3, 4, 5}), cos = tensor("tensor<1x2xf32>", {0, 1}), sin = tensor("tensor<1x2xf32>", {1, 0});
  std::string types = " : (tensor<1x5xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x5xf32>";
  expectNear(numbers("nn.rope %0, %1, %2" + types, {x, cos, sin}, "tensor<1x5xf32>"), {-3, 2, 1, 4, 5});
  expectNear(numbers("nn.rope %0, %1, %2 {interleaved}" + types, {x, cos, sin}, "tensor<1x5xf32>"), {-2, 1, 3, 4, 5});
}
} // namespace
