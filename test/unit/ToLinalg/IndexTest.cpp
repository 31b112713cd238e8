#include "Harness.h"
#include "llvm/Support/FormatVariadic.h"

using llvm::formatv;
using tern::test::ToLinalgTest;

namespace {
using IndexTest = ToLinalgTest;

TEST_F(IndexTest, ArgReduce) {
  for (llvm::StringRef element : {"f32", "f16", "ui8", "i8"}) {
    std::string x = formatv("tensor<3x40x2x{0}>", element);
    for (llvm::StringRef kind : {"max", "min"})
      for (llvm::StringRef last : {"", ", select_last"})
        checkOp(formatv("nn.arg_reduce {0} %0 {{axis = 1 : i64{1}}", kind, last).str(), {x}, "tensor<3x2xi64>");
  }
}

TEST_F(IndexTest, Topk) {
  for (llvm::StringRef element : {"f32", "ui8", "i32"})
    for (llvm::StringRef order : {"", ", smallest"})
      check(formatv("func.func @main(%x: tensor<2x30x3x{0}>) -> (tensor<2x7x3x{0}>, tensor<2x7x3xi64>) {{\n"
                    "  %0:2 = nn.topk %x {{k = 7 : i64, axis = 1 : i64{1}} : (tensor<2x30x3x{0}>) -> "
                    "(tensor<2x7x3x{0}>, tensor<2x7x3xi64>)\n"
                    "  return %0#0, %0#1 : tensor<2x7x3x{0}>, tensor<2x7x3xi64>\n}",
                    element, order)
                .str());
}

TEST_F(IndexTest, Cumulate) {
  for (llvm::StringRef element : {"f32", "f16", "i32", "ui8"})
    for (llvm::StringRef kind : {"sum", "prod"})
      for (llvm::StringRef attrs : {"axis = 0 : i64", "axis = 1 : i64, exclusive", "axis = 2 : i64, reverse", "axis = 1 : i64, exclusive, reverse"}) {
        std::string type = formatv("tensor<3x5x2x{0}>", element);
        checkOp(formatv("nn.cumulate {0} %0 {{{1}}", kind, attrs).str(), {type}, type);
      }
}

/// An op on x and the constant indices.
static std::string indexed(llvm::StringRef op, llvm::StringRef x, llvm::StringRef indices, llvm::StringRef values,
                           llvm::StringRef result, llvm::StringRef updates = "") {
  std::string more = updates.empty() ? "" : formatv(", %u: {0}", updates).str();
  std::string use = updates.empty() ? "" : ", %u", type = updates.empty() ? "" : (", " + updates).str();
  auto [name, attrs] = op.split(' ');
  return formatv("func.func @main(%x: {0}{1}) -> {2} {{\n  %i = arith.constant dense<{3}> : {4}\n"
                 "  %0 = {5} %x, %i{6} {{{7}} : ({0}, {4}{8}) -> {2}\n  return %0 : {2}\n}",
                 x, more, result, values, indices, name, use, attrs, type)
      .str();
}

TEST_F(IndexTest, Gathers) {
  check(indexed("nn.gather_elements axis = 0 : i64", "tensor<4x3xf32>", "tensor<2x3xi64>", "[[0, -1, 2], [3, 1, -4]]",
                "tensor<2x3xf32>"));
  check(indexed("nn.gather_nd batch_dims = 1 : i64", "tensor<2x4x3xf32>", "tensor<2x2x1xi32>",
                "[[[0], [3]], [[-1], [1]]]", "tensor<2x2x3xf32>"));
  check(indexed("nn.gather_nd ", "tensor<4x3xi8>", "tensor<3x2xi64>", "[[0, 1], [3, 2], [-1, -3]]", "tensor<3xi8>"));
}

TEST_F(IndexTest, Scatters) {
  for (llvm::StringRef mode : {"replace", "add", "mul", "max", "min"})
    for (llvm::StringRef element : {"f32", "f16", "ui8", "i8"}) {
      std::string x = formatv("tensor<4x3x{0}>", element), u = formatv("tensor<2x3x{0}>", element),
                  rows = formatv("tensor<3x3x{0}>", element);
      check(indexed(formatv("nn.scatter_elements axis = 0 : i64, mode = #nn<scatter_mode {0}>", mode).str(), x,
                    "tensor<2x3xi64>", "[[0, -1, 2], [0, 3, -4]]", x, u),
            2e-3);
      check(indexed(formatv("nn.scatter_nd mode = #nn<scatter_mode {0}>", mode).str(), x, "tensor<3x1xi64>",
                    "[[2], [-1], [2]]", x, rows),
            2e-3);
    }
}

struct RnnCase {
  const char *kind, *attributes;
  int gates, functions;
  bool hasW = true;
};

class RnnTest : public ToLinalgTest, public testing::WithParamInterface<RnnCase> {};

TEST_P(RnnTest, AgreesWithTheReference) {
  auto [kind, attributes, gates, functions, hasW] = GetParam();
  bool isLstm = llvm::StringRef(kind) == "lstm";
  low = -1, high = 1;
  for (llvm::StringRef direction : {"forward", "reverse", "bidirectional"})
    for (bool batchFirst : {false, true})
      for (bool lens : {false, true}) {
        int d = direction == "bidirectional" ? 2 : 1, h = 3, s = 5, b = 2, in = hasW ? 4 : d * gates * h;
        std::string activations;
        for (int i = 0; i < d * functions; ++i)
          activations += formatv("{0}#nn<rnn_activation {1}>", i ? ", " : "", i % functions ? "tanh" : "sigmoid");
        auto type = [](std::initializer_list<int> shape, llvm::StringRef element = "f32") {
          std::string text = "tensor<";
          for (int size : shape)
            text += std::to_string(size) + "x";
          return text + element.str() + ">";
        };
        std::string x = batchFirst ? type({b, s, in}) : type({s, b, in}),
                    y = batchFirst ? type({b, s, d, h}) : type({s, d, b, h});
        std::string state = batchFirst ? type({b, d, h}) : type({d, b, h}), w = type({d, gates * h, in}),
                    r = type({d, gates * h, h});
        std::string bias = type({d, 2 * gates * h}), p = type({d, 3 * h});
        std::string results = y + ", " + state + (isLstm ? ", " + state : "");
        check(formatv("func.func @main(%x: {0}, %w: {1}, %r: {2}, %b: {3}, %h: {4}, %c: {4}, %p: {5}) -> ({6}) {{\n"
                      "  %l = arith.constant dense<[5, 2]> : tensor<2xi32>\n"
                      "  %0:{7} = nn.rnn {8} %x {18}, %r bias %b {9} h0 %h {10} {{hidden = 3 : i64, layout = {11} : "
                      "i64, activations = [{12}], "
                      "direction = #nn<rnn_direction {13}>{14}} : ({0}{19}, {2}, {3}{15}, {4}{16}) -> ({6})\n  return "
                      "{17} : {6}\n}",
                      x, w, r, bias, state, p, results, isLstm ? 3 : 2, kind, lens ? "lens %l" : "",
                      isLstm ? "c0 %c peephole %p" : "", int(batchFirst), activations, direction, attributes,
                      lens ? ", tensor<2xi32>" : "", isLstm ? ", " + state + ", " + p : "",
                      isLstm ? "%0#0, %0#1, %0#2" : "%0#0, %0#1", hasW ? "by %w" : "", hasW ? ", " + w : "")
                  .str(),
              1e-5);
      }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RnnTest,
                         testing::Values(RnnCase{"rnn", "", 1, 1}, RnnCase{"rnn", ", clip = 0.2 : f32", 1, 1},
                                         RnnCase{"gru", "", 3, 2}, RnnCase{"gru", ", linear_before_reset", 3, 2},
                                         RnnCase{"lstm", "", 4, 3}, RnnCase{"lstm", ", input_forget", 4, 3},
                                         RnnCase{"lstm", ", round_state", 4, 3}, RnnCase{"lstm", ", round_state", 4, 3, false},
                                         RnnCase{"gru", ", linear_before_reset", 3, 2, false}));

TEST_F(IndexTest, ElementsOfLessThanAByte) {
  for (llvm::StringRef narrow :
       {"i4", "ui4", "i2", "ui2", "f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f4E2M1FN"})
    for (llvm::StringRef wide : {"f32", "f16", "i32"})
      check(formatv("func.func @main(%x: tensor<200x{0}>) -> tensor<200x{0}> {{\n"
                    "  %0 = nn.cast %x : (tensor<200x{0}>) -> tensor<200x{1}>\n"
                    "  %1 = nn.cast %0 : (tensor<200x{1}>) -> tensor<200x{0}>\n  return %1 : tensor<200x{0}>\n}",
                    wide, narrow)
                .str());
}
} // namespace
