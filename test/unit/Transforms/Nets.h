// Small convolutional networks as IR text, with random weights from a fixed seed.
#ifndef TERN_TEST_UNIT_TRANSFORMS_NETS_H
#define TERN_TEST_UNIT_TRANSFORMS_NETS_H

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <random>
#include <string>
#include <vector>

namespace tern::test {

/// Writes one function @main op by op; shapes are NCHW with N = 1.
class Net {
public:
  struct Value {
    std::string name;
    std::vector<int64_t> shape;
  };

  explicit Net(std::vector<int64_t> input) : input{"%x", std::move(input)} {}
  const Value input;

  Value conv(const Value &x, int64_t out, int64_t kernel, int64_t group = 1, int64_t stride = 1, bool bias = true) {
    int64_t pad = kernel / 2, in = x.shape[1] / group;
    std::string w = weight({out, in, kernel, kernel}, 1.0 / std::sqrt(double(in * kernel * kernel)));
    std::string b = bias ? ", " + weight({out}, 0.2) : "";
    Value y =
        fresh({1, out, (x.shape[2] + 2 * pad - kernel) / stride + 1, (x.shape[3] + 2 * pad - kernel) / stride + 1});
    line(y,
         llvm::formatv("nn.conv {0}, {1}{2} {{strides = array<i64: {3}, {3}>, pads = array<i64: {4}, {4}, {4}, {4}>, "
                       "dilations = array<i64: 1, 1>, "
                       "group = {5} : i64, name = \"conv{6}\"}",
                       x.name, w, b, stride, pad, group, count++),
         {type(x.shape), type({out, in, kernel, kernel}), bias ? type({out}) : ""}, y.shape);
    return y;
  }
  Value batchNorm(const Value &x) {
    int64_t c = x.shape[1];
    std::string names;
    for (double base : {1.0, 0.0, 0.0, 1.0})
      names += ", " + weight({c}, 0.1, base);
    Value y = fresh(x.shape);
    line(y, llvm::formatv("nn.batch_norm {0}{1} {{epsilon = 1.0e-5 : f32, name = \"bn{2}\"}", x.name, names, count++),
         {type(x.shape), type({c}), type({c}), type({c}), type({c})}, y.shape);
    return y;
  }
  Value unary(llvm::StringRef kind, const Value &x) {
    Value y = fresh(x.shape);
    line(y, llvm::formatv("nn.unary {0} {1} {{name = \"{0}{2}\"}", kind, x.name, count++), {type(x.shape)}, y.shape);
    return y;
  }
  Value binary(llvm::StringRef kind, const Value &a, const Value &b) {
    Value y = fresh(a.shape);
    line(y, llvm::formatv("nn.binary {0} {1}, {2} {{name = \"{0}{3}\"}", kind, a.name, b.name, count++),
         {type(a.shape), type(b.shape)}, y.shape);
    return y;
  }
  Value clip(const Value &x) {
    Value y = fresh(x.shape);
    line(y, llvm::formatv("nn.clip {0} {{min = 0.0 : f64, max = 6.0 : f64, name = \"clip{1}\"}", x.name, count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  Value pool(llvm::StringRef kind, const Value &x) {
    Value y = fresh({1, x.shape[1], (x.shape[2] - 1) / 2 + 1, (x.shape[3] - 1) / 2 + 1});
    line(y,
         llvm::formatv("nn.pool {0} {1} {{kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, "
                       "1, 1, 1>, dilations = "
                       "array<i64: 1, 1>, name = \"pool{2}\"}",
                       kind, x.name, count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  Value mean(const Value &x) {
    Value y = fresh({1, x.shape[1], 1, 1});
    line(y,
         llvm::formatv("nn.reduce mean {0} {{axes = array<i64: 2, 3>, keepdims, name = \"mean{1}\"}", x.name, count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  Value concat(const Value &a, const Value &b) {
    Value y = fresh({1, a.shape[1] + b.shape[1], a.shape[2], a.shape[3]});
    line(y, llvm::formatv("nn.concat {0}, {1} {{axis = 1 : i64, name = \"concat{2}\"}", a.name, b.name, count++),
         {type(a.shape), type(b.shape)}, y.shape);
    return y;
  }
  Value flatten(const Value &x) {
    Value y = fresh({1, x.shape[1] * x.shape[2] * x.shape[3]});
    line(y, "nn.reshape " + x.name, {type(x.shape)}, y.shape);
    return y;
  }
  Value matmul(const Value &x, int64_t out) {
    int64_t in = x.shape.back();
    std::string w = weight({in, out}, 1.0 / std::sqrt(double(in))), b = weight({out}, 0.2);
    Value y = fresh(x.shape);
    y.shape.back() = out;
    line(y, llvm::formatv("nn.matmul {0}, {1}, {2} {{name = \"fc{3}\"}", x.name, w, b, count++),
         {type(x.shape), type({in, out}), type({out})}, y.shape);
    return y;
  }

  Value convTranspose(const Value &x, int64_t out) {
    int64_t in = x.shape[1];
    std::string w = weight({in, out, 2, 2}, 1.0 / std::sqrt(double(in))), b = weight({out}, 0.2);
    Value y = fresh({1, out, 2 * x.shape[2], 2 * x.shape[3]});
    line(y,
         llvm::formatv("nn.conv_transpose {0}, {1}, {2} {{strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, "
                       "dilations = array<i64: 1, 1>, "
                       "output_padding = array<i64: 0, 0>, name = \"convt{3}\"}",
                       x.name, w, b, count++),
         {type(x.shape), type({in, out, 2, 2}), type({out})}, y.shape);
    return y;
  }
  Value resize(const Value &x, llvm::StringRef mode) {
    Value y = fresh({1, x.shape[1], 2 * x.shape[2], 2 * x.shape[3]});
    line(y,
         llvm::formatv("nn.resize {0} {{scales = array<f64: 1.0, 1.0, 2.0, 2.0>, mode = #nn<resize_mode {1}>, coord = "
                       "#nn<resize_coord asymmetric>, "
                       "nearest = #nn<nearest_mode floor>, name = \"resize{2}\"}",
                       x.name, mode, count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  Value pad(const Value &x) {
    Value y = fresh({1, x.shape[1], x.shape[2] + 1, x.shape[3] + 2});
    line(y,
         llvm::formatv("nn.pad {0} {{low = array<i64: 0, 0, 1, 0>, high = array<i64: 0, 0, 0, 2>, name = \"pad{1}\"}",
                       x.name, count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  /// Channels first to last, as rows of pixels: [1, H * W, C].
  Value rows(const Value &x) {
    Value t = fresh({1, x.shape[2], x.shape[3], x.shape[1]}), y = fresh({1, x.shape[2] * x.shape[3], x.shape[1]});
    line(t,
         llvm::formatv("nn.transpose {0} {{perm = array<i64: 0, 2, 3, 1>, name = \"transpose{1}\"}", x.name, count++),
         {type(x.shape)}, t.shape);
    line(y, "nn.reshape " + t.name, {type(t.shape)}, y.shape);
    return y;
  }
  /// Half of the channels.
  Value half(const Value &x, bool second) {
    Value y = fresh({1, x.shape[1] / 2, x.shape[2], x.shape[3]});
    line(y,
         llvm::formatv("nn.slice {0} {{starts = array<i64: 0, {1}, 0, 0>, sizes = array<i64: 1, {2}, {3}, {4}>, steps "
                       "= array<i64: 1, 1, 1, 1>, name = "
                       "\"slice{5}\"}",
                       x.name, second ? x.shape[1] / 2 : 0, x.shape[1] / 2, x.shape[2], x.shape[3], count++),
         {type(x.shape)}, y.shape);
    return y;
  }
  Value softmax(const Value &x) {
    Value y = fresh(x.shape);
    line(
        y,
        llvm::formatv("nn.softmax {0} {{axis = {1} : i64, name = \"softmax{2}\"}", x.name, x.shape.size() - 1, count++),
        {type(x.shape)}, y.shape);
    return y;
  }

  std::string finish(const Value &result) const {
    return llvm::formatv("func.func @main(%x: {0} {{tern.name = \"x\"}) -> {1} {{\n{2}  return {3} : {1}\n}\n",
                         type(input.shape), type(result.shape), body, result.name);
  }

private:
  static std::string type(const std::vector<int64_t> &shape) {
    std::string text = "tensor<";
    for (int64_t size : shape)
      text += std::to_string(size) + "x";
    return text + "f32>";
  }
  Value fresh(std::vector<int64_t> shape) { return {"%v" + std::to_string(values++), std::move(shape)}; }
  std::string weight(const std::vector<int64_t> &shape, double spread, double base = 0) {
    int64_t size = 1;
    for (int64_t extent : shape)
      size *= extent;
    std::vector<float> numbers(size);
    for (float &number : numbers) {
      // Sums of uniform numbers: the same on every standard library.
      double sum = -2;
      for (int i = 0; i < 4; ++i)
        sum += double(random() >> 8) / double(1u << 24);
      number = float(base + spread * sum * 1.7);
    }
    std::string name = "%w" + std::to_string(values++);
    body += llvm::formatv(
        "  {0} = arith.constant dense<\"0x{1}\"> : {2}\n", name,
        llvm::toHex(llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(numbers.data()), numbers.size() * 4)),
        type(shape));
    return name;
  }
  void line(const Value &y, const std::string &op, const std::vector<std::string> &operands,
            const std::vector<int64_t> &result) {
    std::string types;
    for (const std::string &operand : operands)
      if (!operand.empty())
        types += (types.empty() ? "" : ", ") + operand;
    body += "  " + y.name + " = " + op + " : (" + types + ") -> " + type(result) + "\n";
  }

  std::mt19937 random{7};
  std::string body;
  int values = 0, count = 0;
};

} // namespace tern::test
#endif
