#include "Harness.h"

using namespace tern;
using OpenSizesTest = tern::test::PortableTest;

namespace {

TEST_F(OpenSizesTest, Elementwise) {
  checkOp("nn.binary add %0, %1", {"tensor<{a}x1x{b}xf32>", "tensor<{c}x1xf32>"}, "tensor<{a}x{c}x{b}xf32>",
          {{{"a", 2}, {"b", 5}, {"c", 3}}, {{"a", 1}, {"b", 1}, {"c", 1}}, {{"a", 7}, {"b", 130}, {"c", 9}}, {{"a", 0}, {"b", 3}, {"c", 2}}});
  checkOp("nn.unary tanh %0", {"tensor<{a}x{b}xf64>"}, "tensor<{a}x{b}xf64>", {{{"a", 3}, {"b", 7}}, {{"a", 300}, {"b", 33}}}, 1e-12);
  checkOp("nn.select %0, %1, %2", {"tensor<{a}x1xi1>", "tensor<{a}x{b}xi16>", "tensor<{b}xi16>"}, "tensor<{a}x{b}xi16>", {{{"a", 5}, {"b", 67}}});
  checkOp("nn.cast %0", {"tensor<{a}x3xf16>"}, "tensor<{a}x3xi8>", {{{"a", 33}}});
}

TEST_F(OpenSizesTest, FunctionsOfFloats) {
  for (llvm::StringRef kind : {"exp", "tanh", "erf", "sigmoid", "softplus", "elu", "sin", "cos", "atan", "sinh", "cosh", "asinh"})
    checkOp(("nn.unary " + kind + " %0").str(), {"tensor<{a}x{b}xf32>"}, "tensor<{a}x{b}xf32>", {{{"a", 3}, {"b", 37}}}, 4e-6);
  checkOp("nn.unary atan %0", {"tensor<{a}x{b}xf64>"}, "tensor<{a}x{b}xf64>", {{{"a", 3}, {"b", 37}}}, 1e-14); // the C library
  low = 0.01;
  checkOp("nn.unary log %0", {"tensor<{a}x{b}xf32>"}, "tensor<{a}x{b}xf32>", {{{"a", 3}, {"b", 37}}}, 4e-6);
}

TEST_F(OpenSizesTest, Reductions) {
  for (llvm::StringRef kind : {"sum", "mean", "max", "prod", "l1", "l2", "log_sum_exp", "sum_square"}) {
    std::string op = ("nn.reduce " + kind + " %0 {axes = array<i64: 0, 2>}").str();
    checkOp(op, {"tensor<{a}x{b}x{c}xf64>"}, "tensor<{b}xf64>", {{{"a", 2}, {"b", 4}, {"c", 5}}, {{"a", 1}, {"b", 1}, {"c", 19}}}, 1e-12);
  }
  checkOp("nn.reduce mean %0 {axes = array<i64: 1>, keepdims}", {"tensor<{a}x{b}x6xi32>"}, "tensor<{a}x1x6xi32>", {{{"a", 3}, {"b", 5}}});
  checkOp("nn.softmax %0 {axis = 1 : i64}", {"tensor<{a}x{b}x3xf16>"}, "tensor<{a}x{b}x3xf16>", {{{"a", 2}, {"b", 9}}}, 1e-3);
  checkOp("nn.softmax %0 {axis = 0 : i64, log}", {"tensor<{a}x{b}xf64>"}, "tensor<{a}x{b}xf64>", {{{"a", 40}, {"b", 90}}}, 1e-12);
  checkOp("nn.arg_reduce max %0 {axis = 1 : i64, keepdims}", {"tensor<{a}x{b}xf64>"}, "tensor<{a}x1xi64>", {{{"a", 5}, {"b", 11}}});
}

TEST_F(OpenSizesTest, TopkGatherScatter) {
  std::initializer_list<Sizes> runs{{{"a", 3}, {"b", 9}}, {{"a", 20}, {"b", 4}}};
  check("%v, %i = nn.topk %0 {k = 4 : i64, axis = 1 : i64} : (tensor<{a}x{b}x2xf32>) -> (tensor<{a}x4x2xf32>, tensor<{a}x4x2xi64>)\n"
        "return %v, %i : tensor<{a}x4x2xf32>, tensor<{a}x4x2xi64>",
        {"tensor<{a}x{b}x2xf32>"}, {"tensor<{a}x4x2xf32>", "tensor<{a}x4x2xi64>"}, runs);
  checkOp("nn.gather %0, %1 {axis = 1 : i64}", {"tensor<{a}x{b}x3xf16>", "tensor<{n}x2xi64>"}, "tensor<{a}x{n}x2x3xf16>",
          {{{"a", 3}, {"b", 4}, {"n", 5}}});
  checkOp("nn.gather_elements %0, %1 {axis = 0 : i64}", {"tensor<{a}x{b}xf32>", "tensor<{n}x{b}xi64>"}, "tensor<{n}x{b}xf32>",
          {{{"a", 3}, {"b", 40}, {"n", 5}}});
  checkOp("nn.gather_nd %0, %1", {"tensor<{a}x{b}x{c}xf32>", "tensor<{n}x2xi64>"}, "tensor<{n}x{c}xf32>",
          {{{"a", 3}, {"b", 4}, {"c", 50}, {"n", 5}}});
  checkOp("nn.scatter_elements %0, %1, %2 {axis = 1 : i64}", {"tensor<{a}x{b}xf32>", "tensor<{a}x{n}xi64>", "tensor<{a}x{n}xf32>"},
          "tensor<{a}x{b}xf32>", {{{"a", 3}, {"b", 4}, {"n", 3}}});
  checkOp("nn.scatter_nd %0, %1, %2", {"tensor<{a}x{b}x{c}xf32>", "tensor<{n}x2x2xi64>", "tensor<{n}x2x{c}xf32>"}, "tensor<{a}x{b}x{c}xf32>",
          {{{"a", 3}, {"b", 4}, {"c", 65}, {"n", 6}}});
  checkOp("nn.scatter_nd %0, %1, %2 {mode = #nn<scatter_mode add>}", {"tensor<{a}x{b}xf32>", "tensor<{n}x1xi64>", "tensor<{n}x{b}xf32>"},
          "tensor<{a}x{b}xf32>", {{{"a", 3}, {"b", 4}, {"n", 6}}});
}

TEST_F(OpenSizesTest, Moves) {
  checkOp("nn.reshape %0 {nn.sizes = [\"b\", \"3*a\"]}", {"tensor<{a}x{b}x3xf16>"}, "tensor<{b}x{ab}xf16>",
          {{{"a", 2}, {"b", 5}, {"ab", 6}}, {{"a", 1}, {"b", 1}, {"ab", 3}}});
  checkOp("nn.transpose %0 {perm = array<i64: 2, 0, 1>}", {"tensor<{a}x{b}x{c}xf64>"}, "tensor<{c}x{a}x{b}xf64>",
          {{{"a", 2}, {"b", 5}, {"c", 33}}, {{"a", 20}, {"b", 50}, {"c", 70}}});
  checkOp("nn.expand %0 {nn.sizes = [\"b\", \"a\", \"b\"]}", {"tensor<{a}x1xi16>"}, "tensor<{b}x{a}x{b}xi16>", {{{"a", 2}, {"b", 5}}});
  checkOp("nn.slice %0 {starts = array<i64: 1, 2>, sizes = array<i64: 3, {s}>, steps = array<i64: 2, 1>, nn.sizes = [\"b-2\"]}",
          {"tensor<{a}x{b}xf16>"}, "tensor<3x{s}xf16>", {{{"a", 6}, {"b", 9}, {"s", 7}}, {{"a", 7}, {"b", 2}, {"s", 0}}});
  checkOp("nn.slice %0 {starts = array<i64: 4, 0>, sizes = array<i64: 3, {b}>, steps = array<i64: -2, 1>, nn.sizes = [\"b\"]}", {"tensor<{a}x{b}xf16>"}, "tensor<3x{b}xf16>",
          {{{"a", 5}, {"b", 9}}});
  checkOp("nn.concat %0, %1 {axis = 1 : i64}", {"tensor<{a}x{b}xf16>", "tensor<{a}x{c}xf16>"}, "tensor<{a}x{s}xf16>",
          {{{"a", 2}, {"b", 5}, {"c", 3}, {"s", 8}}});
  for (llvm::StringRef mode : {"constant", "edge", "reflect", "wrap"}) {
    std::string op = ("nn.pad %0 {low = array<i64: 2, 1>, high = array<i64: 1, 2>, mode = #nn<pad_mode " + mode + ">}").str();
    checkOp(op, {"tensor<{a}x{b}xf16>"}, "tensor<{c}x{d}xf16>", {{{"a", 3}, {"b", 5}, {"c", 6}, {"d", 8}}, {{"a", 9}, {"b", 3}, {"c", 12}, {"d", 6}}});
  }
  checkOp("nn.pad %0 {low = array<i64: -1, 1>, high = array<i64: 2, -2>, value = 3.0 : f64}", {"tensor<{a}x{b}xi16>"}, "tensor<{c}x{d}xi16>",
          {{{"a", 3}, {"b", 5}, {"c", 4}, {"d", 4}}});
}

TEST_F(OpenSizesTest, Windows) {
  std::initializer_list<Sizes> runs{{{"n", 2}, {"h", 9}, {"w", 11}, {"y", 4}, {"x", 6}}, {{"n", 1}, {"h", 7}, {"w", 7}, {"y", 3}, {"x", 4}}};
  checkOp("nn.conv %0, %1, %2 {strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 0, 1>, dilations = array<i64: 1, 1>, group = 2 : i64}",
          {"tensor<{n}x4x{h}x{w}xf64>", "tensor<6x2x3x3xf64>", "tensor<6xf64>"}, "tensor<{n}x6x{y}x{x}xf64>", runs, 1e-12);
  checkOp("nn.conv_transpose %0, %1 {strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>, output_padding = array<i64: 1>, group = 1 : i64}",
          {"tensor<{n}x3x{w}xf64>", "tensor<3x5x4xf64>"}, "tensor<{n}x5x{x}xf64>", {{{"n", 2}, {"w", 6}, {"x", 14}}, {{"n", 1}, {"w", 1}, {"x", 4}}}, 1e-12);
  checkOp("nn.pool max %0 {kernel = array<i64: 2, 3>, strides = array<i64: 2, 2>, pads = array<i64: 0, 1, 0, 1>, dilations = array<i64: 1, 1>}",
          {"tensor<{n}x3x{h}x{w}xf64>"}, "tensor<{n}x3x{y}x{x}xf64>", runs);
  for (llvm::StringRef count : {"", ", count_include_pad"}) {
    std::string op = ("nn.pool avg %0 {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 0, 1>, dilations = array<i64: 1, 1>" +
                      count + "}").str();
    checkOp(op, {"tensor<{n}x3x{h}x{w}xf64>"}, "tensor<{n}x3x{y}x{x}xf64>", runs, 1e-12);
  }
}

TEST_F(OpenSizesTest, Products) {
  checkOp("nn.matmul %0, %1 {transpose_a}", {"tensor<{b}x{k}x{m}xi32>", "tensor<{k}x{n}xi32>"}, "tensor<{b}x{m}x{n}xi32>",
          {{{"b", 2}, {"k", 5}, {"m", 3}, {"n", 7}}, {{"b", 1}, {"k", 64}, {"m", 33}, {"n", 65}}});
  checkOp("nn.matmul %0, %1 {transpose_b}", {"tensor<{b}x{m}x{k}xf64>", "tensor<{b}x{n}x{k}xf64>"}, "tensor<{b}x{m}x{n}xf64>",
          {{{"b", 2}, {"k", 5}, {"m", 3}, {"n", 7}}, {{"b", 1}, {"k", 64}, {"m", 33}, {"n", 65}}}, 1e-12);
}

TEST_F(OpenSizesTest, TilesOfSums) {
  // Whole tiles, rows and lanes that are left, in f32 and narrower.
  std::initializer_list<Sizes> runs{{{"n", 1}, {"w", 16}, {"x", 16}}, {{"n", 2}, {"w", 37}, {"x", 37}}, {{"n", 1}, {"w", 3}, {"x", 3}}};
  for (llvm::StringRef type : {"f32", "f64", "i32", "f16"}) {
    auto tensor = [&](llvm::StringRef shape) { return ("tensor<" + shape + "x" + type + ">").str(); };
    std::string x = tensor("{n}x3x5x{w}"), w = tensor("13x3x3x3"), y = tensor("{n}x13x5x{x}");
    double tolerance = type == "f16" ? 2e-3 : type == "f64" ? 1e-12 : 4e-6;
    checkOp("nn.conv %0, %1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 1 : i64}", {x, w}, y, runs,
            tolerance);
  }
  checkOp("nn.matmul %0, %1", {"tensor<{m}x{k}xf32>", "tensor<{k}x{n}xf32>"}, "tensor<{m}x{n}xf32>",
          {{{"m", 25}, {"k", 7}, {"n", 32}}, {{"m", 6}, {"k", 1}, {"n", 5}}, {{"m", 1}, {"k", 100}, {"n", 100}}, {{"m", 700}, {"k", 9}, {"n", 70}}}, 4e-6);
}

TEST_F(OpenSizesTest, Transformers) {
  checkOp("nn.attention %0, %1, %2 mask %3 {scale = 0.5 : f32, causal}",
          {"tensor<{b}x4x{s}x3xf64>", "tensor<{b}x2x{t}x3xf64>", "tensor<{b}x2x{t}x5xf64>", "tensor<{t}xf64>"}, "tensor<{b}x4x{s}x5xf64>",
          {{{"b", 2}, {"s", 3}, {"t", 5}}, {{"b", 1}, {"s", 1}, {"t", 9}}}, 1e-12);
  checkOp("nn.rope %0, %1, %2", {"tensor<{b}x2x{s}x8xf64>", "tensor<{s}x3xf64>", "tensor<{s}x3xf64>"}, "tensor<{b}x2x{s}x8xf64>",
          {{{"b", 2}, {"s", 3}}}, 1e-12);
  checkOp("nn.layer_norm %0 scale %1 bias %2 {axis = 1 : i64, epsilon = 1.0e-5 : f32}", {"tensor<{b}x{s}x8xf64>", "tensor<{s}x8xf64>", "tensor<{s}x8xf64>"},
          "tensor<{b}x{s}x8xf64>", {{{"b", 2}, {"s", 3}}}, 1e-12);
  checkOp("nn.rms_norm %0 {axis = 2 : i64, epsilon = 1.0e-5 : f32}", {"tensor<{b}x{s}x8xf64>"}, "tensor<{b}x{s}x8xf64>", {{{"b", 2}, {"s", 3}}}, 1e-12);
  checkOp("nn.group_norm %0 scale %1 {groups = 2 : i64, epsilon = 1.0e-5 : f32}", {"tensor<{b}x6x{s}xf64>", "tensor<6xf64>"}, "tensor<{b}x6x{s}xf64>",
          {{{"b", 2}, {"s", 3}}}, 1e-12);
}

TEST_F(OpenSizesTest, Resize) {
  struct Form {
    const char *mode, *coord, *rest;
  };
  for (Form form : {Form{"nearest", "half_pixel", ""}, Form{"nearest", "asymmetric", ", nearest = #nn<nearest_mode floor>"}, Form{"linear", "half_pixel", ""},
                    Form{"linear", "align_corners", ""}, Form{"cubic", "half_pixel", ""}, Form{"cubic", "pytorch_half_pixel", ", exclude_outside"},
                    Form{"linear", "half_pixel", ", antialias"}}) {
    bool shrinks = llvm::StringRef(form.rest).contains("antialias");
    std::string op = std::string("nn.resize %0 {scales = array<f64: 1.0, ") + (shrinks ? "0.5" : "2.0") + ">, mode = #nn<resize_mode " + form.mode +
                     ">, coord = #nn<resize_coord " + form.coord + ">" + form.rest + "}";
    checkOp(op, {"tensor<{n}x{w}xf64>"}, "tensor<{n}x{x}xf64>", {{{"n", 2}, {"w", 6}, {"x", shrinks ? 3 : 12}}, {{"n", 1}, {"w", 10}, {"x", shrinks ? 5 : 20}}}, 1e-6);
  }
}

TEST_F(OpenSizesTest, Recurrent) {
  std::string functions = "#nn<rnn_activation sigmoid>, #nn<rnn_activation tanh>, #nn<rnn_activation tanh>";
  std::string types = "(tensor<{s}x{b}x2xf64>, tensor<2x12x2xf64>, tensor<2x12x3xf64>, tensor<2x24xf64>, tensor<{b}xi32>) -> "
                      "(tensor<{s}x2x{b}x3xf64>, tensor<2x{b}x3xf64>, tensor<2x{b}x3xf64>)";
  lowIndex = 1;
  std::string body = "%l = nn.cast %4 : (tensor<{b}xi64>) -> tensor<{b}xi32>\n"
                     "%y, %h, %c = nn.rnn lstm %0 by %1, %2 bias %3 lens %l {hidden = 3 : i64, direction = #nn<rnn_direction bidirectional>, "
                     "activations = [" + functions + ", " + functions + "]} : " + types +
                     "\nreturn %y, %h, %c : tensor<{s}x2x{b}x3xf64>, tensor<2x{b}x3xf64>, tensor<2x{b}x3xf64>";
  check(body, {"tensor<{s}x{b}x2xf64>", "tensor<2x12x2xf64>", "tensor<2x12x3xf64>", "tensor<2x24xf64>", "tensor<{b}xi64>"},
        {"tensor<{s}x2x{b}x3xf64>", "tensor<2x{b}x3xf64>", "tensor<2x{b}x3xf64>"}, {{{"s", 4}, {"b", 3}}, {{"s", 2}, {"b", 1}}}, 1e-12);
}

TEST_F(OpenSizesTest, Sequences) {
  // Several ops in one kernel: buffers between them are temporaries of open sizes.
  std::string x = "tensor<{a}x{b}xf64>";
  check("%r = nn.reduce max %0 {axes = array<i64: 1>, keepdims} : (" + x + ") -> tensor<{a}x1xf64>\n"
        "%d = nn.binary sub %0, %r : (" + x + ", tensor<{a}x1xf64>) -> " + x + "\n"
        "%s = nn.reduce sum %d {axes = array<i64: 0>} : (" + x + ") -> tensor<{b}xf64>\n"
        "%t = nn.transpose %d {perm = array<i64: 1, 0>} : (" + x + ") -> tensor<{b}x{a}xf64>\n"
        "return %s, %t : tensor<{b}xf64>, tensor<{b}x{a}xf64>",
        {x}, {"tensor<{b}xf64>", "tensor<{b}x{a}xf64>"}, {{{"a", 3}, {"b", 5}}, {{"a", 200}, {"b", 300}}}, 1e-12);
  EXPECT_GT(mostTasks, 1);
}

} // namespace
