#include "lib/Formats/Catalogue.h"

namespace tern {

#define MX "scale<f8E8M0FNU, [1, 32]>"

static constexpr KnownFormat table[] = {
    {"INT8 per tensor, asymmetric", "<ui8, scale<f32>, zero<ui8>>", "<minmax, 0 to 255>", "#tern.onnx"},
    {"INT8 per channel, symmetric", "<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>", "#tern.onnx"},
    {"INT8 dynamic per row", "<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>", ""},
    {"INT6 g128", "<si6, scale<f16, [1, 128]>>", "<absmax, -31 to 31>", ""},
    {"INT4 g128", "<si4, scale<f16, [1, 128]>>", "<absmax, -7 to 7>", ""},
    {"INT4 g32", "<si4, scale<f16, [1, 32]>>", "<absmax, -7 to 7>", ""},
    {"INT3 g128, asymmetric", "<ui3, scale<f16, [1, 128]>, zero<ui3, [1, 128]>>", "<minmax>", ""},
    {"INT2 g64, asymmetric", "<ui2, scale<f16, [1, 64]>, zero<ui2, [1, 64]>>", "<minmax>", ""},
    {"ONNX blocked INT4", "<si4, scale<f16, [1, 32]>, zero<si4, [1, 32]>>", "<minmax>", "#tern.onnx"},
    {"ONNX blocked UINT4", "<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>", "<minmax>", "#tern.onnx"},
    {"MatMulNBits 2 bits", "<ui2, scale<f16, [1, 32]>, zero<ui2, [1, 32]>>", "<minmax>", "#tern.matmulnbits"},
    {"MatMulNBits 4 bits", "<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>", "<minmax>", "#tern.matmulnbits"},
    {"MatMulNBits 4 bits, symmetric", "<ui4, scale<f16, [1, 32]>, zero<ui4>>", "<absmax>", "#tern.matmulnbits"},
    {"MatMulNBits 8 bits", "<ui8, scale<f16, [1, 32]>, zero<ui8, [1, 32]>>", "<minmax>", "#tern.matmulnbits"},
    {"AWQ g128", "<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", "<given, 0 to 15>", "#tern.autoawq"},
    {"GPTQ g128", "<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", "<given, 0 to 15>", "#tern.gptq<v1>"},
    {"HQQ g64", "<ui4, scale<f16, [1, 64]>, zero<f16, [1, 64]>>", "<given>", ""},
    {"KIVI keys", "<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>",
     "<minmax, 0 to 3>", ""},
    {"KIVI values", "<ui2, scale<f16, [1, 1, 1, 32]>, min<f16, [1, 1, 1, 32]>, tail<f16, [1, 1, 128, *]>>",
     "<minmax, 0 to 3>", ""},
    {"FP8 E4M3 per tensor", "<f8E4M3FN, scale<f32>>", "<absmax>", "#tern.onnx"},
    {"FP8 E5M2 per tensor", "<f8E5M2, scale<f32>>", "<absmax>", "#tern.onnx"},
    {"MXFP8 E4M3", "<f8E4M3FN, " MX ">", "<floor_pow2>", ""},
    {"MXFP8 E5M2", "<f8E5M2, " MX ">", "<floor_pow2>", ""},
    {"MXFP6 E3M2", "<f6E3M2FN, " MX ">", "<floor_pow2>", ""},
    {"MXFP6 E2M3", "<f6E2M3FN, " MX ">", "<floor_pow2>", ""},
    {"MXFP4", "<f4E2M1FN, " MX ">", "<floor_pow2>", "#tern.ggml<mxfp4>"},
    {"MXINT8", "<#tern.fixed<8, 2>, " MX ">", "<floor_pow2, -127 to 127>", ""},
    {"MXINT6", "<#tern.fixed<6, 2>, " MX ">", "<floor_pow2, -31 to 31>", ""},
    {"MXINT4", "<#tern.fixed<4, 2>, " MX ">", "<floor_pow2, -7 to 7>", ""},
    {"MXINT8, scale rounded up", "<#tern.fixed<8, 2>, " MX ">", "<ceil_pow2, -127 to 127>", ""},
    {"NVFP4", "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax>", "#tern.ggml<nvfp4>"},
    {"NVINT4", "<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<absmax, -7 to 7>", ""},
    {"BFP12 n = 64", "<#tern.fixed<4, 2>, scale<f8E8M0FNU, [1, 64]>>", "<floor_pow2, -7 to 7>", ""},
    {"FP6 4+2", "<f6E3M2FN, scale<f16, [1, *]>>", "<absmax>", "#tern.fp6llm"},
    {"FP4 E3M0 g128", "<#tern.minifloat<3, 0, 3, \"finite\">, scale<f16, [1, 128]>>", "<absmax>", ""},
    {"ZeroQuant-FP W4 M1", "<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>>", "<ceil_pow2>", ""},
    {"ZeroQuant-FP W4 M2", "<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>, scale<f16, [1, *]>>", "<given>", ""},
    {"BitMoD FP3", "<#tern.bitmod<3>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
     "<absmax, round = tie_low>", ""},
    {"BitMoD FP4", "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
     "<absmax, round = tie_low>", ""},
    {"NF4", "<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>", "<absmax, round = tie_low>", ""},
    {"IQ4_NL", "<#tern.lut<4>, table<si8>, scale<f16, [1, 32]>>", "<given>", "#tern.ggml<iq4_nl>"},
    {"Learned codebook per row", "<#tern.lut<4>, table<f16, [1, *]>>", "<given>", ""},
    {"Ternary", "<#tern.ternary, scale<f32>>", "<absmean>", ""},
    {"bipolar-INT4", "<#tern.bipolar<4>, scale<f16, [1, *]>>", "<absmax, round = half_up>", ""},
    {"bipolar-INT2", "<#tern.bipolar<2>, scale<f16, [1, *]>>", "<absmax, round = half_up>", ""},
    {"FlexQ W6", "<ui6, scale<f16, [1, 128]>, zero<ui6>>", "<absmax, 0 to 62>", ""},
    {"OliVe 4 bits", "<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>", "<given, round = tie_low>",
     ""},
    {"QFX", "<#tern.fixed<8, 3>>", "<given, round = half_up, sat = wrap>", ""},
    {"log2 softmax", "<#tern.pot<4>>", "<given, 0 to 15>", ""},
    {"GGUF Q4_0", "<si4, scale<f16, [1, 32]>>", "<signed_absmax, -8 to 7>", "#tern.ggml<q4_0>"},
    {"GGUF Q4_1", "<ui4, scale<f16, [1, 32]>, min<f16, [1, 32]>>", "<minmax>", "#tern.ggml<q4_1>"},
    {"GGUF Q8_0", "<si8, scale<f16, [1, 32]>>", "<absmax, -127 to 127>", "#tern.ggml<q8_0>"},
    {"GGUF Q4_K", "<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>", "<given>",
     "#tern.ggml<q4_K>"},
    {"GGUF Q6_K", "<si6, scale<si8, [1, 16]>, scale<f16, [1, 256]>>", "<given>", "#tern.ggml<q6_K>"},
    {"T-MAC W2 g128", "<si2, scale<f16, [1, 128]>>", "<absmax, -2 to 1>", "#tern.tmac<bm = 256, kfactor = 16>"},
};

#undef MX

Span<const KnownFormat> knownFormats() { return {table, sizeof table / sizeof *table}; }

double bitsPerElement(const Format &format) {
  std::vector<int64_t> shape(2, int64_t(1) << 28); // bytes still fit 64 bits
  for (const Plane &plane : format.planes)
    while (plane.block.size() > shape.size())
      shape.insert(shape.begin(), 1);
  for (const Plane &plane : format.planes)
    if (!plane.block.empty())
      shape.erase(shape.begin(), shape.end() - int64_t(plane.block.size()));
  return bitsPerElement(format, shape);
}

// FP4 is sign, then 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4.
const float kBitsandbytesFp4[16] = {0.0f, 5.208333333e-03f, 0.66666667f, 1.0f, 0.33333333f, 0.5f, 0.16666667f, 0.25f,
                                    -0.0f, -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};
const float kBitsandbytesNf4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
                                    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
                                    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};

} // namespace tern
