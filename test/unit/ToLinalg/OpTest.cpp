#include "Harness.h"
#include "dialects/NN/IR/Elementwise.h"

using namespace tern;
using tern::test::ToLinalgTest;

namespace {
using OpTest = ToLinalgTest;

TEST_F(OpTest, EveryUnaryKind) {
  for (unsigned i = 0; i <= nn::getMaxEnumValForUnaryKind(); ++i) {
    auto kind = nn::UnaryKind(i);
    std::string op = ("nn.unary " + nn::stringifyUnaryKind(kind) + " %0").str();
    // Inside the domain of logarithms, roots and inverse functions.
    bool positive = kind == nn::UnaryKind::log || kind == nn::UnaryKind::sqrt || kind == nn::UnaryKind::rsqrt;
    bool unit = kind == nn::UnaryKind::asin || kind == nn::UnaryKind::acos || kind == nn::UnaryKind::atanh;
    low = positive ? 0.1 : kind == nn::UnaryKind::acosh ? 1 : unit ? -0.9 : -4;
    high = unit ? 0.9 : 4;
    switch (nn::rowOf(kind).domain) {
    case nn::Domain::Number:
      checkOp(op, {"tensor<3x5xi8>"}, "tensor<3x5xi8>");
      checkOp(op, {"tensor<3x5xui8>"}, "tensor<3x5xui8>");
      [[fallthrough]];
    case nn::Domain::Float:
      checkOp(op, {"tensor<3x5xf32>"}, "tensor<3x5xf32>", 4e-6);
      checkOp(op, {"tensor<7xf16>"}, "tensor<7xf16>", 2e-3);
      break;
    case nn::Domain::Test:
      checkOp(op, {"tensor<3x5xf32>"}, "tensor<3x5xi1>");
      break;
    case nn::Domain::Integer:
      checkOp(op, {"tensor<3x5xi32>"}, "tensor<3x5xi32>");
      break;
    case nn::Domain::Logical:
      checkOp(op, {"tensor<9xi1>"}, "tensor<9xi1>");
      break;
    }
  }
}

TEST_F(OpTest, EveryBinaryKind) {
  for (unsigned i = 0; i <= nn::getMaxEnumValForBinaryKind(); ++i) {
    auto kind = nn::BinaryKind(i);
    std::string op = ("nn.binary " + nn::stringifyBinaryKind(kind) + " %0, %1").str();
    low = kind == nn::BinaryKind::pow ? 0.1 : -4;
    switch (nn::rowOf(kind).domain) {
    case nn::Domain::Number:
      checkOp(op, {"tensor<2x1x4xf32>", "tensor<3x1xf32>"}, "tensor<2x3x4xf32>", 4e-6);
      [[fallthrough]];
    case nn::Domain::Integer:
      for (llvm::StringRef element : {"i8", "ui8", "i32", "i64"}) {
        std::string x = ("tensor<4x50x" + element + ">").str(), y = ("tensor<50x" + element + ">").str();
        checkOp(op, {x, y}, x);
      }
      break;
    default:
      checkOp(op, {"tensor<4x3xi1>", "tensor<3xi1>"}, "tensor<4x3xi1>");
    }
  }
}

TEST_F(OpTest, PowerOfMixedTypes) {
  low = 0.5;
  checkOp("nn.binary pow %0, %1", {"tensor<20xf32>", "tensor<20xi64>"}, "tensor<20xf32>");
  checkOp("nn.binary pow %0, %1", {"tensor<20xi32>", "tensor<20xf32>"}, "tensor<20xi32>");
}

TEST_F(OpTest, CompareSelectClip) {
  for (llvm::StringRef kind : {"eq", "lt", "le", "gt", "ge"})
    for (llvm::StringRef element : {"f32", "i8", "ui8"}) {
      std::string x = ("tensor<4x50x" + element + ">").str(), y = ("tensor<50x" + element + ">").str();
      checkOp(("nn.compare " + kind + " %0, %1").str(), {x, y}, "tensor<4x50xi1>");
    }
  checkOp("nn.select %0, %1, %2", {"tensor<4x1xi1>", "tensor<4x3xf32>", "tensor<3xf32>"}, "tensor<4x3xf32>");
  checkOp("nn.clip %0 {min = -1.0 : f64, max = 1.5 : f64}", {"tensor<30xf32>"}, "tensor<30xf32>");
  checkOp("nn.clip %0 {min = 0.5 : f64}", {"tensor<30xi8>"}, "tensor<30xi8>");
  checkOp("nn.clip %0 {min = -3.0 : f64, max = 1000.0 : f64}", {"tensor<30xui8>"}, "tensor<30xui8>");
}

TEST_F(OpTest, Casts) {
  low = -400, high = 400;
  llvm::StringRef elements[] = {"f32", "f16", "bf16", "f64", "i8", "ui8", "i32", "i64", "i1"};
  for (llvm::StringRef from : elements)
    for (llvm::StringRef to : elements)
      checkOp("nn.cast %0", {("tensor<40x" + from + ">").str()}, ("tensor<40x" + to + ">").str(), 0);
}

TEST_F(OpTest, Matmul) {
  checkOp("nn.matmul %0, %1, %2 {transpose_b}", {"tensor<3x7xf32>", "tensor<5x7xf32>", "tensor<5xf32>"},
          "tensor<3x5xf32>");
  checkOp("nn.matmul %0, %1 {transpose_a}", {"tensor<2x1x7x3xf32>", "tensor<4x7x5xf32>"}, "tensor<2x4x3x5xf32>");
  checkOp("nn.matmul %0, %1", {"tensor<3x7xi32>", "tensor<7x5xi32>"}, "tensor<3x5xi32>");
  checkOp("nn.matmul %0, %1", {"tensor<3x7xf16>", "tensor<7x5xf16>"}, "tensor<3x5xf16>", 1e-3);
}

TEST_F(OpTest, Convolutions) {
  checkOp(
      "nn.conv %0, %1, %2 {strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 2, 1>, dilations = array<i64: 1, 2>}",
      {"tensor<2x3x9x8xf32>", "tensor<4x3x3x2xf32>", "tensor<4xf32>"}, "tensor<2x4x5x7xf32>");
  checkOp(
      "nn.conv %0, %1 {group = 2 : i64, strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>}",
      {"tensor<1x4x9xf32>", "tensor<6x2x3xf32>"}, "tensor<1x6x9xf32>");
  checkOp(
      "nn.conv %0, %1 {group = 4 : i64, strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>}",
      {"tensor<1x4x9xi32>", "tensor<4x1x3xi32>"}, "tensor<1x4x9xi32>");
  checkOp("nn.conv %0, %1 {strides = array<i64: 1, 1, 2>, pads = array<i64: 0, 0, 0, 0, 0, 0>, dilations = array<i64: "
          "1, 1, 1>}",
          {"tensor<1x2x3x4x5xf32>", "tensor<2x2x2x2x2xf32>"}, "tensor<1x2x2x3x2xf32>");
}

TEST_F(OpTest, TransposedConvolutions) {
  checkOp("nn.conv_transpose %0, %1, %2 {strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 0, 1>, dilations = "
          "array<i64: 1, 2>, "
          "output_padding = array<i64: 1, 0>}",
          {"tensor<2x3x4x5xf32>", "tensor<3x4x3x2xf32>", "tensor<4xf32>"}, "tensor<2x4x9x6xf32>");
  checkOp("nn.conv_transpose %0, %1 {group = 2 : i64, strides = array<i64: 3>, pads = array<i64: 2, 3>, dilations = "
          "array<i64: 1>, "
          "output_padding = array<i64: 0>}",
          {"tensor<1x4x5xf32>", "tensor<4x3x2xf32>"}, "tensor<1x6x9xf32>");
}

TEST_F(OpTest, Pooling) {
  checkOp("nn.pool max %0 {kernel = array<i64: 3, 2>, strides = array<i64: 2, 2>, pads = array<i64: 1, 0, 1, 1>, "
          "dilations = "
          "array<i64: 1, 1>, ceil_mode}",
          {"tensor<1x2x8x8xf32>"}, "tensor<1x2x5x4xf32>");
  checkOp("nn.pool max %0 {kernel = array<i64: 2>, strides = array<i64: 3>, pads = array<i64: 0, 0>, dilations = "
          "array<i64: 2>}",
          {"tensor<1x2x9xui8>"}, "tensor<1x2x3xui8>");
  for (llvm::StringRef more : {"", ", count_include_pad", ", ceil_mode", ", ceil_mode, count_include_pad"})
    checkOp(("nn.pool avg %0 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 0, 1>, "
             "dilations = "
             "array<i64: 1, 1>" +
             more + "}")
                .str(),
            {"tensor<1x2x8x7xf32>"}, "tensor<1x2x4x4xf32>");
  checkOp("nn.pool lp %0 {p = 3 : i64, kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 1, 1>, "
          "dilations = "
          "array<i64: 1>}",
          {"tensor<1x2x8xf32>"}, "tensor<1x2x4xf32>", 1e-5);
}

TEST_F(OpTest, Reductions) {
  for (llvm::StringRef kind :
       {"sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum", "log_sum_exp", "sum_square"}) {
    low = kind == "log_sum" ? 0.1 : -2;
    high = 2;
    checkOp(("nn.reduce " + kind + " %0 {axes = array<i64: 0, 2>, keepdims}").str(), {"tensor<2x3x5xf32>"},
            "tensor<1x3x1xf32>", 1e-5);
    checkOp(("nn.reduce " + kind + " %0 {axes = array<i64: 1>}").str(), {"tensor<4x3xf16>"}, "tensor<4xf16>", 2e-3);
    if (kind != "l2" && !kind.starts_with("log"))
      for (llvm::StringRef element : {"i32", "ui8"})
        checkOp(("nn.reduce " + kind + " %0 {axes = array<i64: 1>}").str(), {("tensor<4x3x" + element + ">").str()},
                ("tensor<4x" + element + ">").str());
  }
}

TEST_F(OpTest, SoftmaxAndBatchNorm) {
  checkOp("nn.softmax %0 {axis = 1 : i64}", {"tensor<2x5x3xf32>"}, "tensor<2x5x3xf32>");
  checkOp("nn.softmax %0 {axis = 2 : i64, log}", {"tensor<2x5x3xf32>"}, "tensor<2x5x3xf32>");
  low = 0.1;
  checkOp("nn.batch_norm %0, %1, %2, %3, %4 {epsilon = 1.0e-3 : f32}",
          {"tensor<2x3x4xf32>", "tensor<3xf32>", "tensor<3xf32>", "tensor<3xf32>", "tensor<3xf32>"},
          "tensor<2x3x4xf32>", 1e-5);
}

TEST_F(OpTest, Norms) {
  checkOp("nn.layer_norm %0 scale %1 bias %2 {axis = 2 : i64, epsilon = 1.0e-5 : f32}",
          {"tensor<2x3x8xf32>", "tensor<8xf32>", "tensor<8xf32>"}, "tensor<2x3x8xf32>", 1e-5);
  checkOp("nn.layer_norm %0 bias %1 {axis = 1 : i64, epsilon = 1.0e-5 : f32}", {"tensor<2x3x8xf32>", "tensor<3x8xf32>"},
          "tensor<2x3x8xf32>", 1e-5);
  checkOp("nn.layer_norm %0 {axis = 0 : i64, epsilon = 1.0e-5 : f32}", {"tensor<2x3x8xf16>"}, "tensor<2x3x8xf16>", 2e-3);
  checkOp("nn.rms_norm %0 scale %1 {axis = 1 : i64, epsilon = 1.0e-6 : f32}", {"tensor<5x7xf32>", "tensor<7xf32>"},
          "tensor<5x7xf32>", 1e-5);
  checkOp("nn.rms_norm %0 {axis = 1 : i64, epsilon = 1.0e-6 : f32}", {"tensor<2x3x4x5xf32>"}, "tensor<2x3x4x5xf32>", 1e-5);
  checkOp("nn.group_norm %0 scale %1 bias %2 {groups = 3 : i64, epsilon = 1.0e-5 : f32}",
          {"tensor<2x6x4x5xf32>", "tensor<6xf32>", "tensor<6xf32>"}, "tensor<2x6x4x5xf32>", 1e-5);
  checkOp("nn.group_norm %0 {groups = 6 : i64, epsilon = 1.0e-5 : f32}", {"tensor<2x6x4xf32>"}, "tensor<2x6x4xf32>", 1e-5);
}

TEST_F(OpTest, Attention) {
  llvm::StringRef q = "tensor<2x6x5x8xf32>", k = "tensor<2x2x7x8xf32>", v = "tensor<2x2x7x3xf32>", y = "tensor<2x6x5x3xf32>";
  checkOp("nn.attention %0, %1, %2 {scale = 0.35 : f32}", {q, k, v}, y, 1e-5);
  checkOp("nn.attention %0, %1, %2 mask %3 {scale = 0.35 : f32}", {q, k, v, "tensor<2x1x1x7xf32>"}, y, 1e-5);
  checkOp("nn.attention %0, %1, %2 mask %3 {scale = 0.35 : f32}", {q, k, v, "tensor<6x5x7xf32>"}, y, 1e-5);
  // Some rows see nothing.
  checkOp("nn.attention %0, %1, %2 mask %3 {scale = 0.35 : f32, causal}", {q, k, v, "tensor<5x1xi1>"}, y, 1e-5);
  checkOp("nn.attention %0, %1, %2 {scale = 0.35 : f32, causal, softcap = 2.0 : f32, window = 3 : i64}", {q, k, v}, y, 1e-5);
  checkOp("nn.attention %0, %1, %2 {scale = 0.35 : f32, causal}", {"tensor<1x2x5x8xf32>", "tensor<1x2x3x8xf32>", "tensor<1x2x3x8xf32>"},
          "tensor<1x2x5x8xf32>", 1e-5);
  checkOp("nn.attention %0, %1, %2 {scale = 0.1 : f32}", {"tensor<1x4x3x8xf16>", "tensor<1x1x5x8xf16>", "tensor<1x1x5x8xf16>"},
          "tensor<1x4x3x8xf16>", 2e-3);
}

TEST_F(OpTest, Rope) {
  for (llvm::StringRef how : {"", " {interleaved}"}) {
    checkOp(("nn.rope %0, %1, %2" + how).str(), {"tensor<2x3x5x8xf32>", "tensor<2x1x5x4xf32>", "tensor<2x1x5x4xf32>"},
            "tensor<2x3x5x8xf32>");
    checkOp(("nn.rope %0, %1, %2" + how).str(), {"tensor<3x5x9xf32>", "tensor<5x2xf32>", "tensor<1x2xf32>"}, "tensor<3x5x9xf32>");
    checkOp(("nn.rope %0, %1, %2" + how).str(), {"tensor<5x8xf16>", "tensor<5x4xf32>", "tensor<5x4xf32>"}, "tensor<5x8xf16>", 2e-3);
  }
}

TEST_F(OpTest, Movement) {
  checkOp("nn.reshape %0", {"tensor<2x3x4xi8>"}, "tensor<4x6xi8>");
  checkOp("nn.reshape %0", {"tensor<1x1xf32>"}, "tensor<f32>");
  checkOp("nn.reshape %0", {"tensor<f32>"}, "tensor<1x1xf32>");
  checkOp("nn.transpose %0 {perm = array<i64: 2, 0, 1>}", {"tensor<2x3x4xf32>"}, "tensor<4x2x3xf32>");
  checkOp("nn.expand %0", {"tensor<3x1xf32>"}, "tensor<2x3x4xf32>");
  checkOp("nn.slice %0 {starts = array<i64: 1, 0>, sizes = array<i64: 2, 3>, steps = array<i64: 1, 2>}",
          {"tensor<4x6xf32>"}, "tensor<2x3xf32>");
  checkOp("nn.slice %0 {starts = array<i64: 1, 5>, sizes = array<i64: 2, 3>, steps = array<i64: 1, -2>}",
          {"tensor<4x6xf32>"}, "tensor<2x3xf32>");
  checkOp("nn.concat %0, %1, %2 {axis = 1 : i64}", {"tensor<2x3xf32>", "tensor<2x1xf32>", "tensor<2x3xf32>"},
          "tensor<2x7xf32>");
}

TEST_F(OpTest, EmptyTensors) {
  checkOp("nn.slice %0 {starts = array<i64: 4, 0>, sizes = array<i64: 0, 3>, steps = array<i64: 1, 2>}",
          {"tensor<4x6xf32>"}, "tensor<0x3xf32>");
  checkOp("nn.concat %0, %1 {axis = 0 : i64}", {"tensor<2x3xf32>", "tensor<0x3xf32>"}, "tensor<2x3xf32>");
  checkOp("nn.pad %0 {low = array<i64: -2>, high = array<i64: 3>, value = 1.0 : f64}", {"tensor<2xf32>"},
          "tensor<3xf32>");
  checkOp("nn.reduce sum %0 {axes = array<i64: 0>}", {"tensor<0x3xf32>"}, "tensor<3xf32>");
  check(R"(func.func @main(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
    %a = nn.slice %x {starts = array<i64: 0, 3>, sizes = array<i64: 2, 0>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x0xf32>
    %b = nn.slice %x {starts = array<i64: 2, 0>, sizes = array<i64: 0, 3>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<0x3xf32>
    %r = nn.matmul %a, %b : (tensor<2x0xf32>, tensor<0x3xf32>) -> tensor<2x3xf32>
    return %r : tensor<2x3xf32>
  })");
}

TEST_F(OpTest, Padding) {
  checkOp("nn.pad %0 {low = array<i64: 1, -1>, high = array<i64: 0, 3>, value = 2.5 : f64}", {"tensor<3x4xf32>"},
          "tensor<4x6xf32>");
  checkOp("nn.pad %0 {low = array<i64: 1, 0>, high = array<i64: 0, 3>, value = 200.0 : f64}", {"tensor<3x4xui8>"},
          "tensor<4x7xui8>");
  for (llvm::StringRef mode : {"reflect", "edge", "wrap"})
    checkOp(("nn.pad %0 {low = array<i64: 2, -1>, high = array<i64: 1, 2>, mode = #nn<pad_mode " + mode + ">}").str(),
            {"tensor<3x4xf32>"}, "tensor<6x5xf32>");
}

TEST_F(OpTest, Gather) {
  checkOp("nn.gather %0, %1 {axis = 1 : i64}", {"tensor<2x3x4xf32>", "tensor<5x2xi64>"}, "tensor<2x5x2x4xf32>");
  checkOp("nn.gather %0, %1 {axis = 0 : i64}", {"tensor<3xi8>", "tensor<i64>"}, "tensor<i8>");
}

TEST_F(OpTest, Resize) {
  auto resize = [&](llvm::StringRef scales, llvm::StringRef mode, llvm::StringRef coord, llvm::StringRef more,
                    llvm::StringRef x, llvm::StringRef y) {
    checkOp(("nn.resize %0 {scales = array<f64: " + scales + ">, mode = #nn<resize_mode " + mode +
             ">, coord = #nn<resize_coord " + coord + ">" + more + "}")
                .str(),
            {x}, y, 1e-5);
  };
  for (llvm::StringRef coord :
       {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"})
    for (llvm::StringRef mode : {"nearest", "linear", "cubic"})
      resize("1.0, 1.0, 2.5, 0.6", mode, coord, "", "tensor<1x2x4x5xf32>", "tensor<1x2x10x3xf32>");
  resize("1.0, 2.0", "nearest", "half_pixel", ", nearest = #nn<nearest_mode ceil>", "tensor<2x3xui8>",
         "tensor<2x6xui8>");
  resize("0.4, 1.0", "linear", "half_pixel", ", antialias", "tensor<10x3xf32>", "tensor<4x3xf32>");
  resize("1.5", "cubic", "half_pixel", ", exclude_outside", "tensor<10xf16>", "tensor<15xf16>");
}

TEST_F(OpTest, ShapeAndRange) {
  check(R"(func.func @main(%x: tensor<2x3xf32>) -> (tensor<2xi64>, tensor<3xi64>, tensor<4xf32>) {
    %0 = nn.shape %x : (tensor<2x3xf32>) -> tensor<2xi64>
    %s = arith.constant dense<10> : tensor<i64>
    %l = arith.constant dense<4> : tensor<i64>
    %d = arith.constant dense<-2> : tensor<i64>
    %1 = nn.range %s, %l, %d : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<3xi64>
    %fs = arith.constant dense<0.5> : tensor<f32>
    %fl = arith.constant dense<2.0> : tensor<f32>
    %fd = arith.constant dense<0.4> : tensor<f32>
    %2 = nn.range %fs, %fl, %fd : (tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
    return %0, %1, %2 : tensor<2xi64>, tensor<3xi64>, tensor<4xf32>
  })");
}
} // namespace
