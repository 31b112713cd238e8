#include "Harness.h"

using tern::test::ToLinalgTest;

namespace {
class QuantTest : public ToLinalgTest {
protected:
  /// quantize by `by` (dynamic), all planes and the decoded values.
  void checkDynamic(llvm::StringRef shape, llvm::StringRef format, llvm::StringRef by, llvm::StringRef planes,
                    llvm::StringRef names) {
    std::string quant = ("!tern.quant<" + shape + "xf32, #tern.format" + format + ">").str();
    check(("func.func @main(%x: tensor<" + shape + "xf32>) -> (" + planes + ", tensor<" + shape +
           "xf32>) {\n  %q = tern.quantize %x by " + by + " : (tensor<" + shape + "xf32>) -> " + quant + "\n  " +
           names + " = tern.unbundle %q : (" + quant + ") -> (" + planes + ")\n  %d = tern.dequantize %q : (" + quant +
           ") -> tensor<" + shape + "xf32>\n  return " + names + ", %d : " + planes + ", tensor<" + shape + "xf32>\n}")
              .str(),
          0);
  }
};

TEST_F(QuantTest, DynamicFormats) {
  checkDynamic("3x10", "<si8, scale<f32>>", "<absmax, -127 to 127>", "tensor<3x10xi8>, tensor<f32>", "%c, %s");
  checkDynamic("3x10", "<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>", "tensor<3x10xi8>, tensor<3x1xf32>",
               "%c, %s");
  // Partial last blocks, in a narrow scale type.
  checkDynamic("3x10", "<si4, scale<f16, [1, 4]>>", "<absmax, -7 to 7>", "tensor<3x5xi8>, tensor<3x3xf16>", "%c, %s");
  checkDynamic("3x10", "<ui4, scale<bf16, [2, 4]>, zero<ui4, [2, 4]>>", "<minmax>",
               "tensor<3x5xi8>, tensor<2x3xbf16>, tensor<2x2xi8>", "%c, %s, %z");
  checkDynamic("3x10", "<ui8, scale<f32>, zero<ui8>>", "<minmax>", "tensor<3x10xi8>, tensor<f32>, tensor<i8>",
               "%c, %s, %z");
  checkDynamic("3x10", "<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>", "<absmax>",
               "tensor<3x10xi8>, tensor<3x1xf32>, tensor<3x1xi8>", "%c, %s, %z");
  for (int bits : {2, 3, 5, 6, 7}) {
    std::string b = std::to_string(bits), packed = std::to_string((10 * bits + 7) / 8);
    checkDynamic("3x10", "<si" + b + ", scale<f32>>", "<absmax>", "tensor<3x" + packed + "xi8>, tensor<f32>", "%c, %s");
    checkDynamic("3x10", "<ui" + b + ", scale<f32>, zero<ui" + b + ">>", "<minmax>",
                 "tensor<3x" + packed + "xi8>, tensor<f32>, tensor<i8>", "%c, %s, %z");
  }
}

TEST_F(QuantTest, ZerosGiveScaleOne) {
  low = high = 0;
  checkDynamic("2x3", "<si8, scale<f32, [1, *]>>", "<absmax, -127 to 127>", "tensor<2x3xi8>, tensor<2x1xf32>",
               "%c, %s");
  checkDynamic("2x3", "<ui8, scale<f32>, zero<ui8>>", "<minmax>", "tensor<2x3xi8>, tensor<f32>, tensor<i8>",
               "%c, %s, %z");
}

TEST_F(QuantTest, StaticRoundings) {
  // Multiples of half a step: every value is a tie or a code.
  for (const char *round : {"rne", "rna", "rtz", "floor", "half_up", "tie_low"})
    for (const char *order : {"round_then_zp", "zp_then_round"})
      check(
          (llvm::Twine(R"(func.func @main(%i: tensor<64xi8>, %z: tensor<i8>) -> tensor<64xi8> {
        %h = arith.constant dense<0.5> : tensor<f32>
        %f = nn.cast %i : (tensor<64xi8>) -> tensor<64xf32>
        %x = nn.binary mul %f, %h : (tensor<64xf32>, tensor<f32>) -> tensor<64xf32>
        %s = arith.constant dense<1.0> : tensor<f32>
        %q = tern.quantize %x, %s, %z by <given, -20 to 90, round = )") +
           round + ", order = " + order +
           R"(> : (tensor<64xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<64xf32, #tern.format<si8, scale<f32>, zero<si8>>>
        %c, %s1, %z1 = tern.unbundle %q : (!tern.quant<64xf32, #tern.format<si8, scale<f32>, zero<si8>>>) -> (tensor<64xi8>, tensor<f32>, tensor<i8>)
        return %c : tensor<64xi8>
      })")
              .str());
}

TEST_F(QuantTest, StaticSpecialValues) {
  check(R"(func.func @main() -> tensor<6xi8> {
    %x = arith.constant dense<[0x7FC00000, 0x7F800000, 0xFF800000, 1.0e30, -1.0e30, 0.0]> : tensor<6xf32>
    %s = arith.constant dense<0.01> : tensor<f32>
    %z = arith.constant dense<7> : tensor<i8>
    %q = tern.quantize %x, %s, %z : (tensor<6xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
    %c, %s1, %z1 = tern.unbundle %q : (!tern.quant<6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> (tensor<6xi8>, tensor<f32>, tensor<i8>)
    return %c : tensor<6xi8>
  })");
}

TEST_F(QuantTest, IntegerConvRequantizeResidual) {
  check(R"(
    func.func private @k(%x: tensor<1x4x6x6xi8>, %w: tensor<8x4x3x3xi8>, %ws: tensor<8x1x1x1xf32>, %b: tensor<8xi32>, %m: tensor<8x1x1xf32>, %r: tensor<1x8x6x6xi8>) -> tensor<1x8x6x6xi8> {
      %s = arith.constant dense<0.05> : tensor<f32>
      %z = arith.constant dense<113> : tensor<i8>
      %n = arith.constant dense<0.7> : tensor<f32>
      %xq = tern.bundle %x, %s, %z : (tensor<1x4x6x6xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x4x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %rq = tern.bundle %r, %s, %z : (tensor<1x8x6x6xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %wq = tern.bundle %w, %ws : (tensor<8x4x3x3xi8>, tensor<8x1x1x1xf32>) -> !tern.quant<8x4x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>
      %a = tern.conv %xq, %wq, %b {name = "c", strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (!tern.quant<1x4x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<8x4x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>, tensor<8xi32>) -> tensor<1x8x6x6xi32>
      %q = tern.requantize %a, %rq by %m, %n to %s, %z {lo = 20 : i64, hi = 255 : i64} : (tensor<1x8x6x6xi32>, !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, tensor<8x1x1xf32>, tensor<f32>, tensor<f32>, tensor<i8>) -> !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %c, %s1, %z1 = tern.unbundle %q : (!tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> (tensor<1x8x6x6xi8>, tensor<f32>, tensor<i8>)
      return %c : tensor<1x8x6x6xi8>
    }
    func.func @main(%x: tensor<1x4x6x6xi8>, %w: tensor<8x4x3x3xi8>, %ws: tensor<8x1x1x1xf32>, %b: tensor<8xi32>, %m0: tensor<8x1x1xf32>, %r: tensor<1x8x6x6xi8>) -> tensor<1x8x6x6xi8> {
      %small = arith.constant dense<0.001> : tensor<f32>
      %m = nn.binary mul %m0, %small : (tensor<8x1x1xf32>, tensor<f32>) -> tensor<8x1x1xf32>
      %y = tern.call @k(%x, %w, %ws, %b, %m, %r) {name = "c"} : (tensor<1x4x6x6xi8>, tensor<8x4x3x3xi8>, tensor<8x1x1x1xf32>, tensor<8xi32>, tensor<8x1x1xf32>, tensor<1x8x6x6xi8>) -> tensor<1x8x6x6xi8>
      return %y : tensor<1x8x6x6xi8>
    })");
}

TEST_F(QuantTest, RequantizeToSignedCodes) {
  // The lower clamp is negative; four bits are packed, the last byte half used.
  for (const char *format : {"<si8, scale<f32>, zero<si8>>", "<si8, scale<f32>>"}) {
    bool zero = llvm::StringRef(format).contains("zero");
    std::string quant = std::string("!tern.quant<2x7xf32, #tern.format") + format + ">";
    check((llvm::Twine("func.func @main(%a: tensor<2x7xi32>, %f: tensor<2x7xf32>, %m: tensor<7xf32>, %z: tensor<i8>) "
                       "-> tensor<2x7xi8> {\n"
                       "  %s = arith.constant dense<1.0> : tensor<f32>\n"
                       "  %q = tern.requantize %a, %f by %m, %m to %s") +
           (zero ? ", %z" : "") +
           " {lo = -100 : i64, hi = 90 : i64} : (tensor<2x7xi32>, tensor<2x7xf32>, tensor<7xf32>, tensor<7xf32>, "
           "tensor<f32>" +
           (zero ? ", tensor<i8>" : "") + ") -> " + quant + "\n  %c, %s1" + (zero ? ", %z1" : "") +
           " = tern.unbundle %q : (" + quant + ") -> (tensor<2x7xi8>, tensor<f32>" + (zero ? ", tensor<i8>" : "") +
           ")\n  return %c : tensor<2x7xi8>\n}")
              .str());
  }
  check(R"(func.func @main(%a: tensor<2x7xi32>, %m: tensor<f32>) -> tensor<2x4xi8> {
    %s = arith.constant dense<1.0> : tensor<f32>
    %n = arith.constant dense<0.03> : tensor<f32>
    %q = tern.requantize %a by %n to %s {lo = -8 : i64, hi = 7 : i64} : (tensor<2x7xi32>, tensor<f32>, tensor<f32>) -> !tern.quant<2x7xf32, #tern.format<si4, scale<f32>>>
    %c, %s1 = tern.unbundle %q : (!tern.quant<2x7xf32, #tern.format<si4, scale<f32>>>) -> (tensor<2x4xi8>, tensor<f32>)
    return %c : tensor<2x4xi8>
  })");
}

TEST_F(QuantTest, TransposedAndGroupedConv) {
  check(
      R"(func.func @main(%x: tensor<1x4x5xi8>, %w: tensor<4x3x2xi8>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<1x6x9xi32> {
    %xq = tern.bundle %x, %s, %z : (tensor<1x4x5xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x4x5xf32, #tern.format<si8, scale<f32>, zero<si8>>>
    %wq = tern.bundle %w, %s : (tensor<4x3x2xi8>, tensor<f32>) -> !tern.quant<4x3x2xf32, #tern.format<si8, scale<f32>>>
    %y = tern.conv %xq, %wq {transposed, group = 2 : i64, strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>} : (!tern.quant<1x4x5xf32, #tern.format<si8, scale<f32>, zero<si8>>>, !tern.quant<4x3x2xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x6x9xi32>
    return %y : tensor<1x6x9xi32>
  })");
}

TEST_F(QuantTest, Matmuls) {
  // Weight only, four bits in groups.
  check(
      R"(func.func @main(%x: tensor<2x3x8xf32>, %w: tensor<5x4xi8>, %s: tensor<5x2xf32>, %b: tensor<5xf32>) -> tensor<2x3x5xf32> {
    %wq = tern.bundle %w, %s : (tensor<5x4xi8>, tensor<5x2xf32>) -> !tern.quant<5x8xf32, #tern.format<si4, scale<f32, [1, 4]>>>
    %y = tern.matmul %x, %wq, %b : (tensor<2x3x8xf32>, !tern.quant<5x8xf32, #tern.format<si4, scale<f32, [1, 4]>>>, tensor<5xf32>) -> tensor<2x3x5xf32>
    return %y : tensor<2x3x5xf32>
  })");
  // Integers, with zero points on both sides.
  check(
      R"(func.func @main(%x: tensor<2x3x8xi8>, %w: tensor<5x8xi8>, %s: tensor<5x1xf32>, %z: tensor<5x1xi8>, %sx: tensor<f32>, %zx: tensor<i8>) -> tensor<2x3x5xi32> {
    %xq = tern.bundle %x, %sx, %zx : (tensor<2x3x8xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<2x3x8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
    %wq = tern.bundle %w, %s, %z : (tensor<5x8xi8>, tensor<5x1xf32>, tensor<5x1xi8>) -> !tern.quant<5x8xf32, #tern.format<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>>
    %y = tern.matmul %xq, %wq : (!tern.quant<2x3x8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<5x8xf32, #tern.format<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>>) -> tensor<2x3x5xi32>
    return %y : tensor<2x3x5xi32>
  })");
}

TEST_F(QuantTest, QuantizedValuesCrossFunctions) {
  check(R"(
    func.func private @f(%q: !tern.quant<4xf32, #tern.format<si8, scale<f32>>>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>> {
      return %q : !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
    }
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %q = tern.quantize %x by <absmax> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
      %r = func.call @f(%q) : (!tern.quant<4xf32, #tern.format<si8, scale<f32>>>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
      %d = tern.dequantize %r : (!tern.quant<4xf32, #tern.format<si8, scale<f32>>>) -> tensor<4xf32>
      return %d : tensor<4xf32>
    })",
        0);
}
} // namespace
