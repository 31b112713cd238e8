#include "dialects/NN/IR/Elementwise.h"
#include "Harness.h"
#include <cmath>

using namespace tern::reference;

namespace {
using ElementwiseTest = ReferenceTest;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

TEST_F(ElementwiseTest, UnaryOnFloats) {
  Tensor x = tensor("tensor<4xf32>", {-2, -0.5, 0, 3});
  auto unary = [&](const char *kind, const char *attrs = "") {
    return numbers((llvm::Twine("nn.unary ") + kind + " %0 " + attrs + " : (tensor<4xf32>) -> tensor<4xf32>").str(),
                   {x}, "tensor<4xf32>");
  };
  EXPECT_EQ(unary("relu"), Numbers({0, 0, 0, 3}));
  EXPECT_EQ(unary("leaky_relu", "{alpha = 0.5 : f32}"), Numbers({-1, -0.25, 0, 3}));
  expectNear(unary("leaky_relu"), {-0.02, -0.005, 0, 3});
  expectNear(unary("sigmoid"), {0.1192029, 0.3775407, 0.5, 0.9525741});
  expectNear(unary("hard_sigmoid"), {0.1, 0.4, 0.5, 1});
  expectNear(unary("hard_swish"), {-1.0 / 3, -0.2083333, 0, 3});
  expectNear(unary("gelu"), {-0.0455003, -0.1542688, 0, 2.9959502});
  expectNear(unary("gelu_tanh"), {-0.0454023, -0.1542860, 0, 2.9963627});
  expectNear(unary("silu"), {-0.2384058, -0.1887703, 0, 2.8577224});
  expectNear(unary("elu"), {-0.8646647, -0.3934693, 0, 3});
  expectNear(unary("selu"), {-1.5201665, -0.6917582, 0, 3.1521030});
  expectNear(unary("celu", "{alpha = 2.0 : f32}"), {-1.2642411, -0.4423984, 0, 3});
  expectNear(unary("softplus"), {0.1269280, 0.4740770, 0.6931472, 3.0485873});
  expectNear(unary("softsign"), {-2.0 / 3, -1.0 / 3, 0, 0.75});
  expectNear(unary("mish"), {-0.2525015, -0.2207433, 0, 2.9865351});
  EXPECT_EQ(unary("thresholded_relu"), Numbers({0, 0, 0, 3}));
  EXPECT_EQ(unary("sign"), Numbers({-1, -1, 0, 1}));
  EXPECT_EQ(unary("round"), Numbers({-2, 0, 0, 3}));
  EXPECT_EQ(unary("ceil"), Numbers({-2, 0, 0, 3}));
}

TEST_F(ElementwiseTest, RoundTiesToEven) {
  EXPECT_EQ(numbers("nn.unary round %0 : (tensor<4xf32>) -> tensor<4xf32>",
                    {tensor("tensor<4xf32>", {0.5, 1.5, 2.5, -2.5})}, "tensor<4xf32>"),
            Numbers({0, 2, 2, -2}));
}

TEST_F(ElementwiseTest, LargeArgumentsStayFinite) {
  Tensor x = tensor("tensor<2xf32>", {-1000, 1000});
  EXPECT_EQ(numbers("nn.unary sigmoid %0 : (tensor<2xf32>) -> tensor<2xf32>", {x}, "tensor<2xf32>"), Numbers({0, 1}));
  EXPECT_EQ(numbers("nn.unary softplus %0 : (tensor<2xf32>) -> tensor<2xf32>", {x}, "tensor<2xf32>"),
            Numbers({0, 1000}));
}

TEST_F(ElementwiseTest, TestsGiveBooleans) {
  Tensor x = tensor("tensor<4xf32>", {1, kNaN, kInf, -kInf});
  EXPECT_EQ(numbers("nn.unary isnan %0 : (tensor<4xf32>) -> tensor<4xi1>", {x}, "tensor<4xi1>"), Numbers({0, 1, 0, 0}));
  EXPECT_EQ(numbers("nn.unary isinf %0 : (tensor<4xf32>) -> tensor<4xi1>", {x}, "tensor<4xi1>"), Numbers({0, 0, 1, 1}));
}

TEST_F(ElementwiseTest, NaNPassesThroughMaximum) {
  Tensor x = tensor("tensor<2xf32>", {kNaN, 1}), y = tensor("tensor<2xf32>", {1, kNaN});
  Numbers max =
      numbers("nn.binary max %0, %1 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>", {x, y}, "tensor<2xf32>");
  EXPECT_TRUE(std::isnan(max[0]) && std::isnan(max[1]));
}

TEST_F(ElementwiseTest, Broadcasting) {
  EXPECT_EQ(numbers("nn.binary sub %0, %1 : (tensor<2x1xf32>, tensor<3xf32>) -> tensor<2x3xf32>",
                    {tensor("tensor<2x1xf32>", {10, 20}), tensor("tensor<3xf32>", {1, 2, 3})}, "tensor<2x3xf32>"),
            Numbers({9, 8, 7, 19, 18, 17}));
}

TEST_F(ElementwiseTest, IntegerDivisionAndRemainder) {
  Tensor x = tensor("tensor<5xi32>", {7, -7, 7, -7, 5}), y = tensor("tensor<5xi32>", {3, 3, -3, -3, 0});
  auto binary = [&](const char *kind) {
    return numbers(
        (llvm::Twine("nn.binary ") + kind + " %0, %1 : (tensor<5xi32>, tensor<5xi32>) -> tensor<5xi32>").str(), {x, y},
        "tensor<5xi32>");
  };
  EXPECT_EQ(binary("div"), Numbers({2, -2, -2, 2, 0}));
  EXPECT_EQ(binary("mod"), Numbers({1, 2, -2, -1, 0}));
  EXPECT_EQ(binary("fmod"), Numbers({1, -1, 1, -1, 0}));
}

TEST_F(ElementwiseTest, IntegersWrap) {
  EXPECT_EQ(numbers("nn.binary add %0, %0 : (tensor<2xi8>, tensor<2xi8>) -> tensor<2xi8>",
                    {tensor("tensor<2xi8>", {100, -128})}, "tensor<2xi8>"),
            Numbers({-56, 0}));
  EXPECT_EQ(numbers("nn.binary sub %0, %1 : (tensor<1xui8>, tensor<1xui8>) -> tensor<1xui8>",
                    {tensor("tensor<1xui8>", {1}), tensor("tensor<1xui8>", {2})}, "tensor<1xui8>"),
            Numbers({255}));
}

TEST_F(ElementwiseTest, Power) {
  EXPECT_EQ(numbers("nn.binary pow %0, %1 : (tensor<3xf32>, tensor<3xi64>) -> tensor<3xf32>",
                    {tensor("tensor<3xf32>", {2, -2, 0.5}), tensor("tensor<3xi64>", {10, 3, 2})}, "tensor<3xf32>"),
            Numbers({1024, -8, 0.25}));
  EXPECT_EQ(numbers("nn.binary pow %0, %1 : (tensor<3xi64>, tensor<3xi64>) -> tensor<3xi64>",
                    {tensor("tensor<3xi64>", {3, 2, -1}), tensor("tensor<3xi64>", {4, -1, -3})}, "tensor<3xi64>"),
            Numbers({81, 0, -1}));
}

TEST_F(ElementwiseTest, UnsignedComparison) {
  Tensor x = tensor("tensor<2xui8>", {200, 1}), y = tensor("tensor<2xui8>", {100, 2});
  EXPECT_EQ(numbers("nn.compare gt %0, %1 : (tensor<2xui8>, tensor<2xui8>) -> tensor<2xi1>", {x, y}, "tensor<2xi1>"),
            Numbers({1, 0}));
}

TEST_F(ElementwiseTest, SelectBroadcastsAllThree) {
  EXPECT_EQ(numbers("nn.select %0, %1, %2 : (tensor<2x1xi1>, tensor<2xf32>, tensor<f32>) -> tensor<2x2xf32>",
                    {tensor("tensor<2x1xi1>", {1, 0}), tensor("tensor<2xf32>", {1, 2}), tensor("tensor<f32>", {9})},
                    "tensor<2x2xf32>"),
            Numbers({1, 2, 9, 9}));
}

TEST_F(ElementwiseTest, ClipUpperBoundWins) {
  Tensor x = tensor("tensor<3xf32>", {-1, 3, 10});
  EXPECT_EQ(
      numbers("nn.clip %0 {min = 0.0 : f64, max = 6.0 : f64} : (tensor<3xf32>) -> tensor<3xf32>", {x}, "tensor<3xf32>"),
      Numbers({0, 3, 6}));
  EXPECT_EQ(
      numbers("nn.clip %0 {min = 5.0 : f64, max = 2.0 : f64} : (tensor<3xf32>) -> tensor<3xf32>", {x}, "tensor<3xf32>"),
      Numbers({2, 2, 2}));
  EXPECT_EQ(numbers("nn.clip %0 {min = 0.5 : f64} : (tensor<3xi8>) -> tensor<3xi8>",
                    {tensor("tensor<3xi8>", {-1, 0, 4})}, "tensor<3xi8>"),
            Numbers({1, 1, 4}));
}

TEST_F(ElementwiseTest, CastTruncatesAndSaturates) {
  Tensor x = tensor("tensor<5xf32>", {-2.9, 2.9, 300, -300, kNaN});
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<5xf32>) -> tensor<5xi8>", {x}, "tensor<5xi8>"),
            Numbers({-2, 2, 127, -128, 0}));
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<5xf32>) -> tensor<5xui8>", {x}, "tensor<5xui8>"), Numbers({0, 2, 255, 0, 0}));
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<5xf32>) -> tensor<5xi64>", {x}, "tensor<5xi64>"),
            Numbers({-2, 2, 300, -300, 0}));
}

TEST_F(ElementwiseTest, CastBetweenFloatsAndBooleans) {
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<2xf32>) -> tensor<2xf16>", {tensor("tensor<2xf32>", {1.0 / 3, 65520})},
                    "tensor<2xf16>"),
            Numbers({0.333251953125, kInf}));
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<2xf32>) -> tensor<2xbf16>", {tensor("tensor<2xf32>", {1.0 / 3, 1.00390625})},
                    "tensor<2xbf16>"),
            Numbers({0.333984375, 1}));
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<2xf32>) -> tensor<2xf8E4M3FN>", {tensor("tensor<2xf32>", {1.1, 1000})},
                    "tensor<2xf8E4M3FN>"),
            Numbers({1.125, 448}));
  EXPECT_EQ(
      numbers("nn.cast %0 : (tensor<3xi32>) -> tensor<3xi1>", {tensor("tensor<3xi32>", {0, 256, -1})}, "tensor<3xi1>"),
      Numbers({0, 1, 1}));
  EXPECT_EQ(numbers("nn.cast %0 : (tensor<1xi64>) -> tensor<1xi8>", {tensor("tensor<1xi64>", {257})}, "tensor<1xi8>"),
            Numbers({1}));
}

TEST_F(ElementwiseTest, EveryKindHasItsOnnxName) {
  EXPECT_EQ(tern::nn::unaryKindOf("Relu"), tern::nn::UnaryKind::relu);
  EXPECT_EQ(tern::nn::binaryKindOf("PRelu"), tern::nn::BinaryKind::prelu);
  EXPECT_EQ(tern::nn::compareKindOf("LessOrEqual"), tern::nn::CompareKind::le);
  EXPECT_EQ(tern::nn::unaryKindOf(""), std::nullopt);
  EXPECT_EQ(tern::nn::compareKindOf("Conv"), std::nullopt);
}
} // namespace
