// unpack(pack(x)) == x for all layouts, all widths, whole and ragged sizes.
#include "Support.h"

namespace tern {
namespace {

std::string replaced(std::string text, const std::string &what, const std::string &by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

const std::vector<int64_t> kColumns = {1, 31, 32, 33, 64, 100, 256, 300};

TEST(LayoutRoundTrip, MatMulNBits) {
  std::unique_ptr<Layout> layout = matMulNBitsLayout();
  for (const char *bits : {"2", "4", "8"})
    for (const char *block : {"16", "32", "128"})
      for (const char *text : {"<uiB, scale<f16, [1, G]>, zero<uiB, [1, G]>>", "<uiB, scale<f32, [1, G]>, zero<uiB>>",
                               "<uiB, zero<bf16, [1, G]>, scale<bf16, [1, G]>>"})
        for (int64_t k : kColumns)
          expectRoundTrip(*layout, replaced(replaced(text, "B", bits), "G", block), {3, k});
}

TEST(LayoutRoundTrip, Onnx) {
  std::unique_ptr<Layout> layout = onnxLayout();
  for (const char *elem : {"si2", "ui2", "si4", "ui4", "f4E2M1FN", "si8", "ui8", "f8E4M3FN", "f8E5M2", "si16", "ui16"})
    for (int64_t k : kColumns) {
      std::string e = elem;
      expectRoundTrip(*layout, "<" + e + ", scale<f32, [1, 32]>, zero<" + e + ", [1, 32]>>", {3, k});
      expectRoundTrip(*layout, "<" + e + ", scale<f16, [1, *, 1]>>", {3, 5, k});
    }
}

TEST(LayoutRoundTrip, Ggml) {
  for (int type = 0; type < kGgmlTypes; ++type)
    for (int64_t k : kColumns)
      for (const std::vector<int64_t> &shape : {std::vector<int64_t>{k}, {3, k}, {2, 2, k}})
        expectRoundTrip(*ggmlLayout(GgmlType(type)), ggmlFormat(GgmlType(type), shape.size()).str(), shape);
  expectRoundTrip(*layout("#tern.ggml<nvfp4>"), "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", {3, 100});
}

TEST(LayoutRoundTrip, AutoAwq) {
  for (const char *group : {"32", "128", "*"})
    for (int64_t n : {1, 7, 8, 12})
      for (int64_t k : kColumns)
        expectRoundTrip(*autoAwqLayout(), replaced("<ui4, scale<f16, [1, G]>, zero<ui4, [1, G]>>", "G", group), {n, k});
}

TEST(LayoutRoundTrip, Gptq) {
  for (int version : {1, 2})
    for (const char *bits : {"2", "3", "4", "8"})
      for (int64_t n : {1, 8, 33, 64})
        for (int64_t k : kColumns)
          expectRoundTrip(*gptqLayout(version), replaced("<uiB, scale<f16, [1, 32]>, zero<uiB, [1, 32]>>", "B", bits),
                          {n, k});
}

TEST(LayoutRoundTrip, Fp6Llm) {
  for (const char *elem : {"f6E3M2FN", "f6E2M3FN", "f4E2M1FN", "#tern.minifloat<2, 2, 1, \"finite\">",
                           "#tern.minifloat<2, 0, 1, \"finite\">", "#tern.minifloat<4, 2, 7, \"finite\">"})
    for (const std::vector<int64_t> &shape : {std::vector<int64_t>{64, 64}, {128, 192}, {1, 1}, {65, 100}})
      expectRoundTrip(*fp6LlmLayout(), std::string("<") + elem + ", scale<f16, [1, *]>>", shape);
}

TEST(LayoutRoundTrip, Tmac) {
  for (const char *format : {"<si2, scale<f16, [1, 64]>>", "<si3, scale<f32, [1, 64]>>", "<si4, scale<f32>>",
                             "<ui1, scale<f16, [1, 128]>, zero<ui1>>", "<ui4, scale<f16, [1, *]>, zero<ui4>>"})
    for (const std::vector<int64_t> &shape : {std::vector<int64_t>{192, 256}, {1, 1}, {100, 130}})
      expectRoundTrip(*tmacLayout(192, 16), format, shape);
}

TEST(LayoutNames, ParseWhatIsPrinted) {
  std::vector<std::string> names = {"#tern.matmulnbits",
                                    "#tern.onnx",
                                    "#tern.autoawq",
                                    "#tern.gptq<v1>",
                                    "#tern.gptq<v2>",
                                    "#tern.fp6llm",
                                    "#tern.tmac<bm = 256, kfactor = 16>"};
  for (int type = 0; type < kGgmlTypes; ++type)
    names.push_back(std::string("#tern.ggml<") + str(GgmlType(type)) + ">");
  for (const std::string &name : names)
    EXPECT_EQ(layout(name)->str(), name);
  std::string error;
  EXPECT_EQ(parseLayout("#tern.ggml<q9_9>", error), nullptr);
  EXPECT_NE(error.find("unknown layout '#tern.ggml<q9_9>'; known are #tern.matmulnbits"), std::string::npos) << error;
}

TEST(LayoutErrors, FormatsThatDoNotFit) {
  const struct {
    const char *layout, *format, *says;
    std::vector<int64_t> shape;
  } cases[] = {
      {"#tern.matmulnbits",
       "<ui3, scale<f16, [1, 32]>, zero<ui3>>",
       "elements are ui2, ui4 or ui8; found ui3",
       {4, 64}},
      {"#tern.matmulnbits", "<ui4, scale<f16, [1, 24]>, zero<ui4>>", "B a power of two of at least 16", {4, 64}},
      {"#tern.matmulnbits", "<ui4, scale<f16, [1, *]>, zero<ui4>>", "B a power of two of at least 16", {4, 64}},
      {"#tern.matmulnbits", "<ui4, scale<f16, [1, 32]>>", "the planes are one scale and one zero", {4, 64}},
      {"#tern.matmulnbits",
       "<ui4, scale<f16, [1, 32]>, zero<ui8, [1, 32]>>",
       "the type of the codes or of the scale",
       {4, 64}},
      {"#tern.matmulnbits", "<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 64]>>", "the same blocks", {4, 64}},
      {"#tern.matmulnbits",
       "<ui4, scale<f16, [1, 1, 32]>, zero<ui4>>",
       "a weight has rank 2 [N, K]; found rank 3",
       {4, 4, 64}},
      {"#tern.onnx", "<ui3, scale<f16>>", "found ui3", {4, 64}},
      {"#tern.ggml<q4_0>",
       "<ui4, scale<f16, [1, 32]>>",
       "the format is <si4, scale<f16, [1, 32]>>; found <ui4",
       {4, 64}},
      {"#tern.autoawq",
       "<ui4, scale<f16, [1, 32]>>",
       "the format is <ui4, scale<f16, [1, G]>, zero<ui4, [1, G]>>",
       {4, 64}},
      {"#tern.gptq<v1>", "<ui5, scale<f16, [1, 32]>, zero<ui5, [1, 32]>>", "with b = 2, 3, 4 or 8", {4, 64}},
      {"#tern.fp6llm", "<f8E4M3FN, scale<f16, [1, *]>>", "a minifloat of 3 to 7 bits", {4, 64}},
      {"#tern.tmac<bm = 256, kfactor = 16>",
       "<si3, scale<f16, [1, 32]>>",
       "bm is a multiple of 32 and of 8 * bits",
       {4, 64}},
      {"#tern.tmac<bm = 256, kfactor = 16>", "<si8, scale<f16, [1, 32]>>", "with at most 4 bits", {4, 64}},
  };
  for (const auto &c : cases) {
    std::string error = layout(c.layout)->verify(format(c.format), c.shape);
    EXPECT_EQ(error.find(std::string(c.layout) + ": "), 0u) << error;
    EXPECT_NE(error.find(c.says), std::string::npos) << error;
  }
}

TEST(LayoutErrors, Values) {
  Encoded e = randomPlanes("<ui4, scale<f16, [1, 32]>, zero<ui4>>", {2, 64}, 1);
  e.planes[2][0] = 7;
  std::vector<std::vector<uint8_t>> buffers = makeBuffers(*matMulNBitsLayout(), e);
  std::vector<Bytes> bytes(buffers.begin(), buffers.end());
  EXPECT_NE(matMulNBitsLayout()->pack(e.format, e.shape, e.constBytes(), bytes).find("found 7; use zero<ui4, [1, B]>"),
            std::string::npos);
  bytes.pop_back();
  EXPECT_NE(matMulNBitsLayout()
                ->pack(e.format, e.shape, e.constBytes(), bytes)
                .find("has 2 buffers for this format; found 1"),
            std::string::npos);

  Encoded g = randomPlanes("<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>", {2, 64}, 1);
  buffers = packed(*gptqLayout(1), g);
  buffers[3][0] = 1; // g_idx[0]
  std::vector<ConstBytes> in(buffers.begin(), buffers.end());
  EXPECT_NE(gptqLayout(1)
                ->unpack(g.format, g.shape, in, g.bytes())
                .find("g_idx[0] is 1, not 0: the weight is in activation order"),
            std::string::npos);

  Encoded t = randomPlanes(ggmlFormat(GgmlType::IQ4_NL, 1).str(), {32}, 1);
  t.planes[1][3] ^= 1;
  buffers = makeBuffers(*ggmlLayout(GgmlType::IQ4_NL), t);
  std::vector<Bytes> out(buffers.begin(), buffers.end());
  EXPECT_NE(ggmlLayout(GgmlType::IQ4_NL)->pack(t.format, t.shape, t.constBytes(), out).find("found another one"),
            std::string::npos);
  Encoded n = randomPlanes(ggmlFormat(GgmlType::NVFP4, 1).str(), {64}, 1);
  n.planes[1][0] |= 0x80;
  buffers = makeBuffers(*ggmlLayout(GgmlType::NVFP4), n);
  std::vector<Bytes> out2(buffers.begin(), buffers.end());
  EXPECT_NE(ggmlLayout(GgmlType::NVFP4)->pack(n.format, n.shape, n.constBytes(), out2).find("scales have no sign"),
            std::string::npos);
}

} // namespace
} // namespace tern
