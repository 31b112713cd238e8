#include "Harness.h"

using tern::test::ToLinalgTest;

namespace {
class ElementTest : public ToLinalgTest {
protected:
  // Ties of e2m1 and e4m3, values around the largest ones, subnormal ones, both zeros, what is no number.
  static constexpr const char *kValues =
      "dense<[0.25, -0.25, 0.3, -0.3, 0.75, 1.25, -1.25, 1.75, 2.5, 3.5, 5.0, -5.0, 6.5, 464.0, 465.0, -480.0, 57344.0, 61440.0, 7.0e4, "
      "1.0e-3, 1.953125e-3, -9.765625e-4, 1.0e-9, -0.0, 0.0, 0x7FC00000, 0x7F800000, 0xFF800000, 1.0e30, 1.0, -3.0, 28.0]> : tensor<32xf32>";

  /// quantize with scale `scale`, the codes and the decoded values.
  void checkCodes(llvm::StringRef element, llvm::StringRef by, int bytes, llvm::StringRef scale) {
    std::string quant = ("!tern.quant<32xf32, #tern.format<" + element + ", scale<f32>>>").str();
    check((llvm::Twine("func.func @main() -> (tensor<") + llvm::Twine(bytes) + "xi8>, tensor<32xf32>) {\n  %x = arith.constant " + kValues +
           "\n  %s = arith.constant dense<" + scale + "> : tensor<f32>\n  %q = tern.quantize %x, %s " + by +
           " : (tensor<32xf32>, tensor<f32>) -> " + quant + "\n  %c, %t = tern.unbundle %q : (" + quant + ") -> (tensor<" +
           llvm::Twine(bytes) + "xi8>, tensor<f32>)\n  %d = tern.dequantize %q : (" + quant + ") -> tensor<32xf32>\n  return %c, %d : tensor<" +
           llvm::Twine(bytes) + "xi8>, tensor<32xf32>\n}")
              .str(),
          0);
  }
};

TEST_F(ElementTest, FloatsOfFewBits) {
  for (const char *scale : {"1.0", "0.37", "0.0"}) {
    for (const char *element : {"f8E4M3FN", "f8E5M2", "#tern.minifloat<4, 3, 8, \"fnuz\">", "#tern.minifloat<5, 2, 16, \"fnuz\">",
                                "#tern.minifloat<3, 4, 3, \"ieee\">"})
      checkCodes(element, "", 32, scale);
    checkCodes("f6E2M3FN", "", 24, scale);
    checkCodes("f6E3M2FN", "", 24, scale);
    checkCodes("f4E2M1FN", "", 16, scale);
    checkCodes("#tern.minifloat<3, 0, 3, \"finite\">", "", 16, scale);
  }
}

TEST_F(ElementTest, OtherCodes) {
  check((llvm::Twine("func.func @main() -> (tensor<32xi8>, tensor<32xf32>) {\n  %x = arith.constant ") + kValues +
         "\n  %q = tern.quantize %x by <given> : (tensor<32xf32>) -> !tern.quant<32xf32, #tern.format<#tern.fixed<8, 4>>>\n"
         "  %c = tern.unbundle %q : (!tern.quant<32xf32, #tern.format<#tern.fixed<8, 4>>>) -> tensor<32xi8>\n"
         "  %d = tern.dequantize %q : (!tern.quant<32xf32, #tern.format<#tern.fixed<8, 4>>>) -> tensor<32xf32>\n"
         "  return %c, %d : tensor<32xi8>, tensor<32xf32>\n}")
            .str(),
        0);
  checkCodes("#tern.ternary", "by <given, -1 to 1>", 8, "0.5");
}

TEST_F(ElementTest, Bipolar) {
  for (int bits : {1, 2, 3, 4})
    check((llvm::Twine("func.func @main(%x: tensor<3x40xf32>) -> tensor<3x40xf32> {\n  %s = arith.constant dense<0.5> : tensor<f32>\n"
                       "  %q = tern.quantize %x, %s by <given, round = half_up> : (tensor<3x40xf32>, tensor<f32>) -> "
                       "!tern.quant<3x40xf32, #tern.format<#tern.bipolar<") +
           llvm::Twine(bits) + ">, scale<f32>>>\n  %d = tern.dequantize %q : (!tern.quant<3x40xf32, #tern.format<#tern.bipolar<" +
           llvm::Twine(bits) + ">, scale<f32>>>) -> tensor<3x40xf32>\n  return %d : tensor<3x40xf32>\n}")
              .str(),
          0);
}

TEST_F(ElementTest, PlanesOfEveryType) {
  // Powers of two and small floats as scales, two levels of them, a minimum, a table, a zero point that is a float.
  check(R"(func.func @main(%c: tensor<4x8xi8>, %e: tensor<4x2xi8>, %f: tensor<4x4xi8>, %m: tensor<4x2xf32>, %z: tensor<4x2xf16>, %t: tensor<16xf32>, %n: tensor<4x4xi8>)
      -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
    %s = arith.constant dense<0.5> : tensor<f32>
    %a = tern.bundle %c, %e : (tensor<4x8xi8>, tensor<4x2xi8>) -> !tern.quant<4x8xf32, #tern.format<f8E4M3FN, scale<f8E8M0FNU, [1, 4]>>>
    %b = tern.bundle %n, %f, %s : (tensor<4x4xi8>, tensor<4x4xi8>, tensor<f32>) -> !tern.quant<4x8xf32, #tern.format<f4E2M1FN, scale<f8E4M3FN, [1, 2]>, scale<f32>>>
    %g = tern.bundle %c, %s, %m : (tensor<4x8xi8>, tensor<f32>, tensor<4x2xf32>) -> !tern.quant<4x8xf32, #tern.format<ui8, scale<f32>, min<f32, [1, 4]>>>
    %h = tern.bundle %n, %m, %z : (tensor<4x4xi8>, tensor<4x2xf32>, tensor<4x2xf16>) -> !tern.quant<4x8xf32, #tern.format<ui4, scale<f32, [1, 4]>, zero<f16, [1, 4]>>>
    %i = tern.bundle %n, %t, %m : (tensor<4x4xi8>, tensor<16xf32>, tensor<4x2xf32>) -> !tern.quant<4x8xf32, #tern.format<#tern.lut<4>, table<f32>, scale<f32, [1, 4]>>>
    %ad = tern.dequantize %a : (!tern.quant<4x8xf32, #tern.format<f8E4M3FN, scale<f8E8M0FNU, [1, 4]>>>) -> tensor<4x8xf32>
    %bd = tern.dequantize %b : (!tern.quant<4x8xf32, #tern.format<f4E2M1FN, scale<f8E4M3FN, [1, 2]>, scale<f32>>>) -> tensor<4x8xf32>
    %gd = tern.dequantize %g : (!tern.quant<4x8xf32, #tern.format<ui8, scale<f32>, min<f32, [1, 4]>>>) -> tensor<4x8xf32>
    %hd = tern.dequantize %h : (!tern.quant<4x8xf32, #tern.format<ui4, scale<f32, [1, 4]>, zero<f16, [1, 4]>>>) -> tensor<4x8xf32>
    %id = tern.dequantize %i : (!tern.quant<4x8xf32, #tern.format<#tern.lut<4>, table<f32>, scale<f32, [1, 4]>>>) -> tensor<4x8xf32>
    return %ad, %bd, %gd, %hd, %id : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
  })",
        0);
}

TEST_F(ElementTest, FloatZeroPointsAreAddedBeforeRounding) {
  check(R"(func.func @main(%x: tensor<4x8xf32>, %z: tensor<4x1xf32>) -> tensor<4x4xi8> {
    %s = arith.constant dense<0.1> : tensor<f32>
    %q = tern.quantize %x, %s, %z : (tensor<4x8xf32>, tensor<f32>, tensor<4x1xf32>) -> !tern.quant<4x8xf32, #tern.format<si4, scale<f32>, zero<f32, [1, *]>>>
    %c, %t, %u = tern.unbundle %q : (!tern.quant<4x8xf32, #tern.format<si4, scale<f32>, zero<f32, [1, *]>>>) -> (tensor<4x4xi8>, tensor<f32>, tensor<4x1xf32>)
    return %c : tensor<4x4xi8>
  })");
}

TEST_F(ElementTest, Casts) {
  for (const char *type : {"f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f6E2M3FN", "f6E3M2FN", "f4E2M1FN"})
    for (const char *how : {"", "{overflow}"})
      check((llvm::Twine("func.func @main() -> tensor<32xf32> {\n  %x = arith.constant ") + kValues + "\n  %a = nn.cast %x " + how +
             " : (tensor<32xf32>) -> tensor<32x" + type + ">\n  %b = nn.cast %a : (tensor<32x" + type +
             ">) -> tensor<32xf32>\n  return %b : tensor<32xf32>\n}")
                .str(),
            0);
  for (const char *round : {"nearest", "up", "down"})
    check((llvm::Twine("func.func @main() -> tensor<32xf32> {\n  %x = arith.constant ") + kValues +
           "\n  %a = nn.cast %x {round = #nn<cast_round " + round +
           ">} : (tensor<32xf32>) -> tensor<32xf8E8M0FNU>\n  %b = nn.cast %a : (tensor<32xf8E8M0FNU>) -> tensor<32xf32>\n"
           "  return %b : tensor<32xf32>\n}")
              .str(),
          0);
}
} // namespace
