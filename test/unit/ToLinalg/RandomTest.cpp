// Random small graphs (T-3): the reference and tern-to-linalg agree; integer graphs in every bit.
#include "Harness.h"
#include "llvm/Support/FormatVariadic.h"

using llvm::formatv;
using tern::test::ToLinalgTest;

namespace {
/// A value of a growing function body: its name and shape [N, C, H, W].
struct Node {
  std::string name;
  std::array<int64_t, 4> shape;
};

class GraphTest : public ToLinalgTest {
protected:
  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random); }
  static std::string tensor(const std::array<int64_t, 4> &s, const char *element) {
    return formatv("tensor<{0}x{1}x{2}x{3}x{4}>", s[0], s[1], s[2], s[3], element);
  }
  std::string newName() { return formatv("%v{0}", count++); }
  /// An argument of the function under test.
  std::string argument(const std::string &type) {
    std::string name = formatv("%a{0}", arguments.size());
    arguments.push_back(name + ": " + type);
    return name;
  }
  void line(const std::string &text) { body += "  " + text + "\n"; }
  std::string function(const Node &result, const char *element) {
    std::string type = tensor(result.shape, element);
    return "func.func @main(" + llvm::join(arguments, ", ") + ") -> " + type + " {\n" + body + "  return " +
           result.name + " : " + type + "\n}";
  }
  void startGraph() {
    arguments.clear();
    body.clear();
    count = 0;
  }

  /// Attributes of a random window over [H, W] and the result's size; the window always fits.
  struct Window {
    std::string attrs;
    int64_t kh, kw, h, w;
  };
  Window window(const Node &x) {
    Window out;
    int64_t stride[2], pad[4], dilation[2];
    int64_t *kernel[2] = {&out.kh, &out.kw}, *size[2] = {&out.h, &out.w};
    for (int d = 0; d < 2; ++d) {
      *kernel[d] = pick(1, std::min<int64_t>(3, x.shape[d + 2]));
      dilation[d] = *kernel[d] > 1 && (*kernel[d] - 1) * 2 + 1 <= x.shape[d + 2] ? pick(1, 2) : 1;
      stride[d] = pick(1, 2);
      pad[d] = pick(0, *kernel[d] - 1);
      pad[d + 2] = pick(0, *kernel[d] - 1);
      *size[d] = (x.shape[d + 2] + pad[d] + pad[d + 2] - (*kernel[d] - 1) * dilation[d] - 1) / stride[d] + 1;
    }
    out.attrs = formatv(
        "strides = array<i64: {0}, {1}>, pads = array<i64: {2}, {3}, {4}, {5}>, dilations = array<i64: {6}, {7}>",
        stride[0], stride[1], pad[0], pad[1], pad[2], pad[3], dilation[0], dilation[1]);
    return out;
  }

  std::vector<std::string> arguments;
  std::string body;
  int count = 0;
};

class FloatGraphs : public GraphTest, public testing::WithParamInterface<int> {
protected:
  Node unary(const Node &x, const std::string &op) {
    Node y{newName(), x.shape};
    line(formatv("{0} = {1} : ({2}) -> {2}", y.name, formatv(op.c_str(), x.name).str(), tensor(x.shape, "f32")));
    return y;
  }

  Node conv(const Node &x) {
    Window win = window(x);
    bool depthwise = pick(0, 2) == 0;
    int64_t out = depthwise ? x.shape[1] : pick(1, 4), inGroup = depthwise ? 1 : x.shape[1];
    std::array<int64_t, 4> wShape{out, inGroup, win.kh, win.kw};
    std::string w = argument(tensor(wShape, "f32")), b = argument(formatv("tensor<{0}xf32>", out));
    Node y{newName(), {x.shape[0], out, win.h, win.w}};
    line(formatv("{0} = nn.conv {1}, {2}, {3} {{group = {4} : i64, {5}} : ({6}, {7}, tensor<{8}xf32>) -> {9}", y.name,
                 x.name, w, b, depthwise ? out : 1, win.attrs, tensor(x.shape, "f32"), tensor(wShape, "f32"), out,
                 tensor(y.shape, "f32")));
    return y;
  }

  Node pool(const Node &x) {
    Window win = window(x);
    const char *kinds[] = {"max", "avg"};
    Node y{newName(), {x.shape[0], x.shape[1], win.h, win.w}};
    line(formatv("{0} = nn.pool {1} {2} {{kernel = array<i64: {3}, {4}>, {5}} : ({6}) -> {7}", y.name,
                 kinds[pick(0, 1)], x.name, win.kh, win.kw, win.attrs, tensor(x.shape, "f32"), tensor(y.shape, "f32")));
    return y;
  }

  Node binary(const Node &x) {
    const char *kinds[] = {"add", "sub", "mul", "min", "max"};
    std::array<int64_t, 4> other = x.shape;
    for (int64_t &size : other)
      size = pick(0, 1) ? size : 1;
    std::string z = argument(tensor(other, "f32"));
    Node y{newName(), x.shape};
    line(formatv("{0} = nn.binary {1} {2}, {3} : ({4}, {5}) -> {4}", y.name, kinds[pick(0, 4)], x.name, z,
                 tensor(x.shape, "f32"), tensor(other, "f32")));
    return y;
  }

  Node move(const Node &x) {
    Node y{newName(), x.shape};
    int64_t d = pick(1, 3);
    switch (pick(0, 4)) {
    case 0:
      y.shape = {x.shape[0], x.shape[3], x.shape[1], x.shape[2]};
      line(formatv("{0} = nn.transpose {1} {{perm = array<i64: 0, 3, 1, 2>} : ({2}) -> {3}", y.name, x.name,
                   tensor(x.shape, "f32"), tensor(y.shape, "f32")));
      return y;
    case 1:
      y.shape[d] += 2;
      line(formatv("{0} = nn.pad {1} {{low = array<i64: 0, {2}, {3}, {4}>, high = array<i64: 0, {2}, {3}, {4}>, mode = "
                   "#nn<pad_mode "
                   "edge>} : ({5}) -> {6}",
                   y.name, x.name, int(d == 1), int(d == 2), int(d == 3), tensor(x.shape, "f32"),
                   tensor(y.shape, "f32")));
      return y;
    case 2:
      y.shape[d] *= 2;
      line(formatv("{0} = nn.concat {1}, {1} {{axis = {2} : i64} : ({3}, {3}) -> {4}", y.name, x.name, d,
                   tensor(x.shape, "f32"), tensor(y.shape, "f32")));
      return y;
    case 3:
      y.shape = {x.shape[0], x.shape[1], x.shape[2] * 2, x.shape[3]};
      line(formatv(
          "{0} = nn.resize {1} {{scales = array<f64: 1.0, 1.0, 2.0, 1.0>, mode = #nn<resize_mode linear>, coord = "
          "#nn<resize_coord half_pixel>} : ({2}) -> {3}",
          y.name, x.name, tensor(x.shape, "f32"), tensor(y.shape, "f32")));
      return y;
    default:
      y.shape[1] = pick(1, x.shape[1]);
      line(formatv("{0} = nn.slice {1} {{starts = array<i64: 0, {2}, 0, 0>, sizes = array<i64: {3}, {4}, {5}, {6}>, "
                   "steps = array<i64: "
                   "1, 1, 1, 1>} : ({7}) -> {8}",
                   y.name, x.name, pick(0, x.shape[1] - y.shape[1]), y.shape[0], y.shape[1], y.shape[2], y.shape[3],
                   tensor(x.shape, "f32"), tensor(y.shape, "f32")));
      return y;
    }
  }

  /// Roundings are at the inputs only: inside, a sum that differs in its last bit could fall on the other side of a
  /// tie.
  Node input() {
    std::array<int64_t, 4> shape{pick(1, 2), pick(1, 4), pick(4, 7), pick(4, 7)};
    std::string x = argument(tensor(shape, "f32")), q = newName();
    std::string type = formatv(
        "!tern.quant<{0}x{1}x{2}x{3}xf32, #tern.format<ui8, scale<f32, [1, *, *, *]>, zero<ui8, [1, *, *, *]>>>",
        shape[0], shape[1], shape[2], shape[3]);
    Node y{newName(), shape};
    line(formatv("{0} = tern.quantize {1} by <minmax> : ({2}) -> {3}", q, x, tensor(shape, "f32"), type));
    line(formatv("{0} = tern.dequantize {1} : ({2}) -> {3}", y.name, q, type, tensor(shape, "f32")));
    return y;
  }
};

TEST_P(FloatGraphs, Agree) {
  random.seed(GetParam());
  low = -1, high = 1;
  startGraph();
  Node x = input();
  for (int i = 0; i < 8; ++i) {
    const char *elementwise[] = {"nn.unary relu {0}",
                                 "nn.unary sigmoid {0}",
                                 "nn.unary hard_swish {0}",
                                 "nn.unary gelu {0}",
                                 "nn.clip {0} {{min = -0.5 : f64, max = 2.0 : f64}",
                                 "nn.softmax {0} {{axis = 1 : i64}"};
    switch (pick(0, 4)) {
    case 0:
      x = conv(x);
      break;
    case 1:
      x = pool(x);
      break;
    case 2:
      x = binary(x);
      break;
    case 3:
      x = move(x);
      break;
    default:
      x = unary(x, elementwise[pick(0, 5)]);
    }
  }
  check(function(x, "f32"), 1e-5);
}
INSTANTIATE_TEST_SUITE_P(Seeds, FloatGraphs, testing::Range(0, 24));

/// Chains of integer convolutions, requantizations with residuals, and movement on codes.
class IntegerGraphs : public GraphTest, public testing::WithParamInterface<int> {
protected:
  static std::string quant(const std::array<int64_t, 4> &s, const char *format) {
    return formatv("!tern.quant<{0}x{1}x{2}x{3}xf32, #tern.format<{4}>>", s[0], s[1], s[2], s[3], format);
  }
  static constexpr const char *kAct = "ui8, scale<f32>, zero<ui8>", *kWeight = "si8, scale<f32, [1, *, *, *]>";

  std::string bundle(const Node &x) {
    std::string q = newName();
    line(formatv("{0} = tern.bundle {1}, %s, %z : ({2}, tensor<f32>, tensor<i8>) -> {3}", q, x.name,
                 tensor(x.shape, "i8"), quant(x.shape, kAct)));
    return q;
  }

  Node conv(const Node &x) {
    Window win = window(x);
    int64_t out = pick(1, 5);
    std::array<int64_t, 4> wShape{out, x.shape[1], win.kh, win.kw}, shape{x.shape[0], out, win.h, win.w};
    std::string w = argument(tensor(wShape, "i8")), ws = argument(formatv("tensor<{0}x1x1x1xf32>", out));
    std::string b = argument(formatv("tensor<{0}xi32>", out)), m = argument(formatv("tensor<{0}x1x1xf32>", out));
    std::string xq = bundle(x), wq = newName(), acc = newName(), scaled = newName();
    line(formatv("{0} = tern.bundle {1}, {2} : ({3}, tensor<{4}x1x1x1xf32>) -> {5}", wq, w, ws, tensor(wShape, "i8"),
                 out, quant(wShape, kWeight)));
    line(formatv("{0} = tern.conv {1}, {2}, {3} {{{4}} : ({5}, {6}, tensor<{7}xi32>) -> {8}", acc, xq, wq, b, win.attrs,
                 quant(x.shape, kAct), quant(wShape, kWeight), out, tensor(shape, "i32")));
    line(formatv("{0} = nn.binary mul {1}, %small : (tensor<{2}x1x1xf32>, tensor<f32>) -> tensor<{2}x1x1xf32>", scaled,
                 m, out));
    // Every other one adds a residual.
    bool residual = pick(0, 1);
    Node r{residual ? argument(tensor(shape, "i8")) : "", shape};
    std::string terms = acc, by = scaled, types = tensor(shape, "i32"),
                multipliers = formatv("tensor<{0}x1x1xf32>", out);
    if (residual) {
      terms += ", " + bundle(r);
      by += ", %s";
      types += ", " + quant(shape, kAct);
      multipliers += ", tensor<f32>";
    }
    return unbundle(formatv("tern.requantize {0} by {1} to %s, %z {{lo = 20 : i64, hi = 255 : i64} : ({2}, {3}, "
                            "tensor<f32>, tensor<i8>) "
                            "-> {4}",
                            terms, by, types, multipliers, quant(shape, kAct)),
                    shape);
  }

  Node unbundle(const std::string &op, const std::array<int64_t, 4> &shape) {
    std::string q = newName();
    Node y{newName(), shape};
    line(q + " = " + op);
    line(formatv("{0}, %s{1}, %z{1} = tern.unbundle {2} : ({3}) -> ({4}, tensor<f32>, tensor<i8>)", y.name, count++, q,
                 quant(shape, kAct), tensor(shape, "i8")));
    return y;
  }

  Node move(const Node &x) {
    Node y{newName(), x.shape};
    y.shape[1] *= 2;
    line(formatv("{0} = nn.concat {1}, {1} {{axis = 1 : i64} : ({2}, {2}) -> {3}", y.name, x.name,
                 tensor(x.shape, "i8"), tensor(y.shape, "i8")));
    return y;
  }
};

TEST_P(IntegerGraphs, AreEqual) {
  random.seed(GetParam());
  startGraph();
  Node x{argument("tensor<1x3x7x6xi8>"), {1, 3, 7, 6}};
  line("%s = arith.constant dense<0.07> : tensor<f32>");
  line("%z = arith.constant dense<113> : tensor<i8>");
  line("%small = arith.constant dense<0.002> : tensor<f32>");
  for (int i = 0; i < 4; ++i)
    x = pick(0, 3) ? conv(x) : move(x);
  check(function(x, "i8"));
}
INSTANTIATE_TEST_SUITE_P(Seeds, IntegerGraphs, testing::Range(0, 16));
} // namespace
