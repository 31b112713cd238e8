// The float types of lib/Formats against LLVM's APFloat, an independent definition of them: every code, and rounding to
// nearest even of values, midpoints and their neighbours. Saturation is Tern's (MX, ONNX saturate = 1); APFloat
// overflows.
#include "llvm/ADT/APFloat.h"
#include "dialects/Tern/IR/Tern.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using llvm::APFloat;
using llvm::APInt;

namespace tern {
namespace {

class Apfloat : public testing::Test {
protected:
  Apfloat() { context.loadDialect<TernDialect>(); }

  std::vector<FloatType> types() {
    return {Float16Type::get(&context),        BFloat16Type::get(&context),          Float8E5M2Type::get(&context),
            Float8E4M3Type::get(&context),     Float8E4M3FNType::get(&context),      Float8E5M2FNUZType::get(&context),
            Float8E4M3FNUZType::get(&context), Float8E4M3B11FNUZType::get(&context), Float8E3M4Type::get(&context),
            Float6E2M3FNType::get(&context),   Float6E3M2FNType::get(&context),      Float4E2M1FNType::get(&context)};
  }

  /// Value of a code; for elements of at most 16 bits.
  static float decoded(const Element &elem, uint32_t code) {
    int32_t codes[1] = {int32_t(code)};
    uint8_t packed[2];
    float value;
    packCodes(elem.bits, 1, codes, packed);
    decodeEntries(elem, 1, 1, packed, &value);
    return value;
  }
  static uint32_t encoded(const Element &elem, float value) {
    uint8_t packed[2];
    int32_t code;
    encodeEntries(elem, 1, 1, &value, packed);
    unpackCodes(elem.bits, false, 1, packed, &code);
    return uint32_t(code);
  }

  MLIRContext context;
};

TEST_F(Apfloat, EveryCode) {
  for (FloatType type : types()) {
    Element elem = *elementOf(type);
    EXPECT_EQ(typeOf(&context, elem), type);
    for (uint32_t code = 0; code < (1u << elem.bits); ++code) {
      APFloat exact(type.getFloatSemantics(), APInt(elem.bits, code));
      bool lost;
      APFloat wide = exact;
      wide.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
      float wanted = wide.convertToFloat(), value = decoded(elem, code);
      if (exact.isNaN())
        ASSERT_TRUE(value != value) << elem.str() << " " << code;
      else
        ASSERT_EQ(bitsOf(value), bitsOf(wanted)) << elem.str() << " " << code;
    }
  }
}

TEST_F(Apfloat, RoundingToNearestEven) {
  std::mt19937 random(7);
  for (FloatType type : types()) {
    Element elem = *elementOf(type);
    std::vector<float> values;
    for (uint32_t code = 0; code + 1 < (1u << (elem.bits - 1)); ++code) {
      float low = decoded(elem, code), high = decoded(elem, code + 1);
      if (!std::isfinite(low) || !std::isfinite(high))
        continue;
      float middle = float((double(low) + double(high)) / 2);
      for (float v : {low, middle, std::nextafterf(middle, INFINITY), std::nextafterf(middle, 0.0f)}) {
        values.push_back(v);
        values.push_back(-v);
      }
    }
    std::uniform_int_distribution<uint32_t> bits;
    for (int i = 0; i < 50000; ++i)
      values.push_back(fromBits(bits(random)));
    std::normal_distribution<float> normal;
    for (int i = 0; i < 20000; ++i)
      values.push_back(normal(random) * float(elem.maxValue()) / 4);
    APFloat largest = APFloat::getLargest(type.getFloatSemantics());
    bool lost;
    largest.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &lost);
    for (float v : values) {
      if (v != v)
        continue;
      float most = largest.convertToFloat(), clamped = std::min(std::max(v, -most), most);
      APFloat rounded(clamped);
      rounded.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
      ASSERT_EQ(encoded(elem, v), uint32_t(rounded.bitcastToAPInt().getZExtValue())) << elem.str() << " " << v;
    }
  }
}

// Upstream's --arith-expand rounds the ties of f4E2M1FN away from zero and loses the sign of small values: 1.25, 2.5,
// 5, -0.3 and -0 are where it would show (docs: own conversions only).
TEST_F(Apfloat, TiesAndSignsOfF4) {
  const std::pair<float, float> rows[] = {{1.25f, 1},     {2.5f, 2},      {5, 4},
                                          {-0.3f, -0.5f}, {-0.0f, -0.0f}, {-0.2f, -0.0f}};
  for (auto [x, wanted] : rows)
    EXPECT_EQ(bitsOf(decoded(Element::e2m1(), encoded(Element::e2m1(), x))), bitsOf(wanted)) << x;
  // f8E4M3FN saturates where upstream's truncf gives NaN.
  EXPECT_EQ(decoded(Element::e4m3(), encoded(Element::e4m3(), 465)), 448);
}

TEST_F(Apfloat, EveryElementIsAnAttributeAndBack) {
  for (const char *text : {"si4", "ui16", "f16", "f8E8M0FNU", "f8E4M3FNUZ", "#tern.fixed<8, 2>", "#tern.lut<4>",
                           "#tern.ternary", "#tern.bipolar<3>", "#tern.pot<4>", "#tern.bitmod<3>",
                           "#tern.abfloat<2, 1, 2>", "#tern.pair<f4E2M1FN, #tern.abfloat<2, 1, 1>, 8>",
                           "#tern.minifloat<3, 0, 3, \"finite\">", "#tern.minifloat<4, 2, 7, \"ieee\">"}) {
    Element elem = *parseElement(text);
    Attribute attr = attrOf(&context, elem);
    ASSERT_TRUE(attr) << text;
    std::optional<Element> back = elementOf(attr);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, elem) << text;
    std::string printed;
    llvm::raw_string_ostream(printed) << attr;
    EXPECT_EQ(printed, text);
  }
}

} // namespace
} // namespace tern
