#include "Harness.h"

using namespace tern::reference;

namespace {
using MovementTest = ReferenceTest;

TEST_F(MovementTest, ReshapeTransposeExpand) {
  Tensor x = iota("tensor<2x3xf32>");
  EXPECT_EQ(numbers("nn.reshape %0 : (tensor<2x3xf32>) -> tensor<3x2xf32>", {x}, "tensor<3x2xf32>"),
            Numbers({0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(numbers("nn.transpose %0 {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>", {x},
                    "tensor<3x2xf32>"),
            Numbers({0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(
      numbers("nn.expand %0 : (tensor<2x1xi8>) -> tensor<2x2x2xi8>", {iota("tensor<2x1xi8>")}, "tensor<2x2x2xi8>"),
      Numbers({0, 0, 1, 1, 0, 0, 1, 1}));
}

TEST_F(MovementTest, SliceWithNegativeStep) {
  EXPECT_EQ(numbers("nn.slice %0 {starts = array<i64: 1, 3>, sizes = array<i64: 1, 2>, steps = array<i64: 1, -2>} : "
                    "(tensor<2x4xf32>) "
                    "-> tensor<1x2xf32>",
                    {iota("tensor<2x4xf32>")}, "tensor<1x2xf32>"),
            Numbers({7, 5}));
}

TEST_F(MovementTest, ConcatInnerAxis) {
  EXPECT_EQ(numbers("nn.concat %0, %1 {axis = 1 : i64} : (tensor<2x1xi64>, tensor<2x2xi64>) -> tensor<2x3xi64>",
                    {iota("tensor<2x1xi64>", 10), iota("tensor<2x2xi64>")}, "tensor<2x3xi64>"),
            Numbers({10, 0, 1, 11, 2, 3}));
}

TEST_F(MovementTest, PadModes) {
  Tensor x = tensor("tensor<3xf32>", {1, 2, 3});
  auto pad = [&](const char *attrs, const char *type) {
    return numbers((llvm::Twine("nn.pad %0 {") + attrs + "} : (tensor<3xf32>) -> " + type).str(), {x}, type);
  };
  EXPECT_EQ(pad("low = array<i64: 1>, high = array<i64: 2>, value = 9.0 : f64", "tensor<6xf32>"),
            Numbers({9, 1, 2, 3, 9, 9}));
  EXPECT_EQ(pad("low = array<i64: 2>, high = array<i64: 2>, mode = #nn<pad_mode reflect>", "tensor<7xf32>"),
            Numbers({3, 2, 1, 2, 3, 2, 1}));
  EXPECT_EQ(pad("low = array<i64: 1>, high = array<i64: 2>, mode = #nn<pad_mode edge>", "tensor<6xf32>"),
            Numbers({1, 1, 2, 3, 3, 3}));
  EXPECT_EQ(pad("low = array<i64: 2>, high = array<i64: 4>, mode = #nn<pad_mode wrap>", "tensor<9xf32>"),
            Numbers({2, 3, 1, 2, 3, 1, 2, 3, 1}));
  EXPECT_EQ(pad("low = array<i64: -1>, high = array<i64: 1>, mode = #nn<pad_mode reflect>", "tensor<3xf32>"),
            Numbers({2, 3, 2}));
  EXPECT_EQ(pad("low = array<i64: 1>, high = array<i64: -2>", "tensor<2xf32>"), Numbers({0, 1}));
}

TEST_F(MovementTest, GatherCountsFromTheEnd) {
  EXPECT_EQ(numbers("nn.gather %0, %1 {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x1xi64>) -> tensor<2x2x1xf32>",
                    {iota("tensor<2x3xf32>"), tensor("tensor<2x1xi64>", {-1, 0})}, "tensor<2x2x1xf32>"),
            Numbers({2, 0, 5, 3}));
}

TEST_F(MovementTest, GatherOutside) {
  EXPECT_EQ(errorOf([&] {
              run("nn.gather %0, %1 {axis = 0 : i64} : (tensor<3xf32>, tensor<1xi32>) -> tensor<1xf32>",
                  {iota("tensor<3xf32>"), tensor("tensor<1xi32>", {3})}, "tensor<1xf32>");
            }),
            "'nn.gather' op index 3 is outside -3..2 of axis 0");
}

TEST_F(MovementTest, ShapeAndRange) {
  EXPECT_EQ(numbers("nn.shape %0 {start = 1 : i64} : (tensor<2x3x4xf32>) -> tensor<2xi64>", {iota("tensor<2x3x4xf32>")},
                    "tensor<2xi64>"),
            Numbers({3, 4}));
  auto scalar = [&](double value) { return tensor("tensor<i64>", {value}); };
  EXPECT_EQ(numbers("nn.range %0, %1, %2 : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>",
                    {scalar(10), scalar(4), scalar(-2)}, "tensor<?xi64>"),
            Numbers({10, 8, 6}));
  EXPECT_EQ(errorOf([&] {
              run("nn.range %0, %1, %2 : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>",
                  {scalar(10), scalar(4), scalar(0)}, "tensor<?xi64>");
            }),
            "'nn.range' op delta is 0; a range needs a step");
}

//===-- resize: the examples of ONNX's node tests -------------------------------===//
class ResizeTest : public MovementTest {
protected:
  Numbers resize(const Tensor &x, const char *scales, const char *mode, const char *coord, const char *type,
                 const char *more = "") {
    std::string text;
    llvm::raw_string_ostream(text) << "nn.resize %0 {scales = array<f64: " << scales << ">, mode = #nn<resize_mode "
                                   << mode << ">, coord = #nn<resize_coord " << coord << ">" << more << "} : ("
                                   << x.getType() << ") -> " << type;
    return numbers(text, {x}, type);
  }
};

TEST_F(ResizeTest, Nearest) {
  Tensor x = iota("tensor<2x2xf32>", 1);
  EXPECT_EQ(resize(x, "2.0, 3.0", "nearest", "half_pixel", "tensor<4x6xf32>"),
            Numbers({1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4}));
  EXPECT_EQ(resize(iota("tensor<2x4xi8>", 1), "0.6, 0.6", "nearest", "half_pixel", "tensor<1x2xi8>"), Numbers({1, 3}));
  EXPECT_EQ(resize(iota("tensor<4xf32>"), "2.0", "nearest", "half_pixel", "tensor<8xf32>",
                   ", nearest = #nn<nearest_mode ceil>"),
            Numbers({0, 1, 1, 2, 2, 3, 3, 3}));
  EXPECT_EQ(resize(iota("tensor<4xf32>"), "2.0", "nearest", "asymmetric", "tensor<8xf32>",
                   ", nearest = #nn<nearest_mode floor>"),
            Numbers({0, 0, 1, 1, 2, 2, 3, 3}));
}

TEST_F(ResizeTest, Linear) {
  Tensor x = iota("tensor<2x2xf32>", 1);
  expectNear(resize(x, "2.0, 2.0", "linear", "half_pixel", "tensor<4x4xf32>"),
             {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4});
  expectNear(resize(x, "2.0, 2.0", "linear", "align_corners", "tensor<4x4xf32>"),
             {1, 1.3333333, 1.6666667, 2, 1.6666667, 2, 2.3333333, 2.6666667, 2.3333333, 2.6666667, 3, 3.3333333, 3,
              3.3333333, 3.6666667, 4});
  expectNear(resize(iota("tensor<2x4xf32>", 1), "0.6, 0.6", "linear", "half_pixel", "tensor<1x2xf32>"),
             {2.6666665, 4.3333331});
  expectNear(resize(iota("tensor<4xf32>", 1), "0.25", "linear", "pytorch_half_pixel", "tensor<1xf32>"), {1});
}

TEST_F(ResizeTest, Cubic) {
  expectNear(resize(iota("tensor<4xf32>", 1), "2.0", "cubic", "half_pixel", "tensor<8xf32>"),
             {0.8945312, 1.1914062, 1.6679688, 2.2968750, 2.7031250, 3.3320312, 3.8085938, 4.1054688}, 1e-5);
  expectNear(resize(iota("tensor<4xf32>", 1), "0.8", "cubic", "half_pixel", "tensor<3xf32>",
                    ", cubic_coeff = -0.5 : f64, exclude_outside"),
             {1.0736254, 2.375, 3.7188353}, 1e-5);
}

TEST_F(ResizeTest, Antialias) {
  // resize_downsample_scales_linear_antialias, one row of it.
  expectNear(resize(iota("tensor<4x4xf32>", 1), "0.6, 0.6", "linear", "half_pixel", "tensor<2x2xf32>", ", antialias"),
             {2.875, 4.5, 9.375, 11}, 1e-5);
  expectNear(resize(iota("tensor<4x4xf32>", 1), "0.6, 0.6", "cubic", "half_pixel", "tensor<2x2xf32>", ", antialias"),
             {2.5180721, 4.2858863, 9.589329, 11.357142}, 1e-5);
}
} // namespace
