#include "Harness.h"

using namespace tern::reference;

namespace {
using IndexTest = ReferenceTest;

TEST_F(IndexTest, ArgReduceTakesTheFirstOrTheLast) {
  Tensor x = tensor("tensor<2x3xf32>", {5, 5, 1, -1, 2, 2});
  EXPECT_EQ(numbers("nn.arg_reduce max %0 {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2xi64>", {x}, "tensor<2xi64>"),
            Numbers({0, 1}));
  EXPECT_EQ(
      numbers("nn.arg_reduce max %0 {axis = 1 : i64, select_last, keepdims} : (tensor<2x3xf32>) -> tensor<2x1xi64>",
              {x}, "tensor<2x1xi64>"),
      Numbers({1, 2}));
  EXPECT_EQ(numbers("nn.arg_reduce min %0 {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<3xi64>", {x}, "tensor<3xi64>"),
            Numbers({1, 1, 0}));
}

TEST_F(IndexTest, ArgReduceOfUnsigned) {
  EXPECT_EQ(numbers("nn.arg_reduce max %0 {axis = 0 : i64} : (tensor<2xui8>) -> tensor<i64>",
                    {tensor("tensor<2xui8>", {1, 200})}, "tensor<i64>"),
            Numbers({1}));
}

TEST_F(IndexTest, TopkAlongAnOuterAxis) {
  Tensor x = tensor("tensor<3x2xf32>", {1, 4, 3, 4, 2, 0});
  auto results = runModule(
      "func.func @main(%x: tensor<3x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>) {\n"
      "  %0:2 = nn.topk %x {k = 2 : i64, axis = 0 : i64} : (tensor<3x2xf32>) -> (tensor<2x2xf32>, tensor<2x2xi64>)\n"
      "  return %0#0, %0#1 : tensor<2x2xf32>, tensor<2x2xi64>\n}",
      {x});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(toReals(asTensor(results[0])), Numbers({3, 4, 2, 4}));
  EXPECT_EQ(toReals(asTensor(results[1])), Numbers({1, 0, 2, 1}));
}

TEST_F(IndexTest, Cumulate) {
  Tensor x = tensor("tensor<2x3xf32>", {1, 2, 3, 4, 5, 6});
  auto run = [&](const std::string &text) {
    return numbers("nn.cumulate " + text + " : (tensor<2x3xf32>) -> tensor<2x3xf32>", {x}, "tensor<2x3xf32>");
  };
  EXPECT_EQ(run("sum %0 {axis = 1 : i64}"), Numbers({1, 3, 6, 4, 9, 15}));
  EXPECT_EQ(run("sum %0 {axis = 0 : i64, exclusive}"), Numbers({0, 0, 0, 1, 2, 3}));
  EXPECT_EQ(run("sum %0 {axis = 1 : i64, reverse}"), Numbers({6, 5, 3, 15, 11, 6}));
  EXPECT_EQ(run("prod %0 {axis = 1 : i64, exclusive, reverse}"), Numbers({6, 3, 1, 30, 6, 1}));
  EXPECT_EQ(numbers("nn.cumulate sum %0 {axis = 0 : i64} : (tensor<2xui8>) -> tensor<2xui8>", {tensor("tensor<2xui8>", {200, 100})}, "tensor<2xui8>"),
            Numbers({200, 44}));
}

TEST_F(IndexTest, GatherAndScatterElements) {
  Tensor x = tensor("tensor<2x3xf32>", {1, 2, 3, 4, 5, 6}), i = tensor("tensor<2x2xi64>", {2, 0, -1, -1});
  EXPECT_EQ(
      numbers("nn.gather_elements %0, %1 {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x2xi64>) -> tensor<2x2xf32>",
              {x, i}, "tensor<2x2xf32>"),
      Numbers({3, 1, 6, 6}));
  EXPECT_EQ(numbers("nn.scatter_elements %0, %1, %2 {axis = 1 : i64, mode = #nn<scatter_mode add>} : (tensor<2x3xf32>, "
                    "tensor<2x2xi64>, "
                    "tensor<2x2xf32>) -> tensor<2x3xf32>",
                    {x, i, tensor("tensor<2x2xf32>", {10, 20, 30, 40})}, "tensor<2x3xf32>"),
            Numbers({21, 2, 13, 4, 5, 76}));
}

TEST_F(IndexTest, BlocksByTuples) {
  Tensor x = iota("tensor<2x2x2xf32>");
  EXPECT_EQ(
      numbers("nn.gather_nd %0, %1 {batch_dims = 1 : i64} : (tensor<2x2x2xf32>, tensor<2x1xi64>) -> tensor<2x2xf32>",
              {x, tensor("tensor<2x1xi64>", {1, 0})}, "tensor<2x2xf32>"),
      Numbers({2, 3, 4, 5}));
  EXPECT_EQ(
      numbers("nn.scatter_nd %0, %1, %2 : (tensor<2x2x2xf32>, tensor<1x2xi64>, tensor<1x2xf32>) -> tensor<2x2x2xf32>",
              {x, tensor("tensor<1x2xi64>", {1, 0}), tensor("tensor<1x2xf32>", {-1, -2})}, "tensor<2x2x2xf32>"),
      Numbers({0, 1, 2, 3, -1, -2, 6, 7}));
}

TEST_F(IndexTest, Outside) {
  EXPECT_EQ(errorOf([&] {
              run("nn.gather_nd %0, %1 : (tensor<3xf32>, tensor<1x1xi64>) -> tensor<1xf32>",
                  {iota("tensor<3xf32>"), tensor("tensor<1x1xi64>", {3})}, "tensor<1xf32>");
            }),
            "'nn.gather_nd' op index 3 is outside -3..2 of axis 0");
}

/// h = tanh(w x + r h) of one unit, forwards and backwards, the second sequence one step shorter.
TEST_F(IndexTest, RnnOfTwoLengths) {
  std::string op = "func.func @main(%x: tensor<2x2x1xf32>, %w: tensor<2x1x1xf32>, %r: tensor<2x1x1xf32>, %l: "
                   "tensor<2xi32>) -> (tensor<2x2x2x1xf32>, "
                   "tensor<2x2x1xf32>) {\n"
                   "  %0:2 = nn.rnn rnn %x by %w, %r lens %l {hidden = 1 : i64, direction = #nn<rnn_direction "
                   "bidirectional>, activations = "
                   "[#nn<rnn_activation affine>, #nn<rnn_activation affine>], alpha = array<f32: 1.0, 1.0>, beta = "
                   "array<f32: 0.0, 0.0>} : "
                   "(tensor<2x2x1xf32>, tensor<2x1x1xf32>, tensor<2x1x1xf32>, tensor<2xi32>) -> (tensor<2x2x2x1xf32>, "
                   "tensor<2x2x1xf32>)\n"
                   "  return %0#0, %0#1 : tensor<2x2x2x1xf32>, tensor<2x2x1xf32>\n}";
  auto results = runModule(op, {tensor("tensor<2x2x1xf32>", {1, 2, 3, 4}), tensor("tensor<2x1x1xf32>", {1, 1}),
                                tensor("tensor<2x1x1xf32>", {10, 100}), tensor("tensor<2xi32>", {2, 1})});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(toReals(asTensor(results[0])), Numbers({1, 2, 301, 2, 13, 0, 3, 0}));
  EXPECT_EQ(toReals(asTensor(results[1])), Numbers({13, 2, 301, 2}));
}
} // namespace
