#include "Support.h"

namespace tern {
namespace {

std::string describe(const std::string &f, std::vector<int64_t> shape) {
  std::string s;
  for (const PlaneShape &p : planeShapes(shape, format(f))) {
    s += std::string(s.empty() ? "" : "; ") + str(p.role) + " " + p.type.str() + " [";
    for (size_t i = 0; i < p.shape.size(); ++i)
      s += (i ? ", " : "") + std::to_string(p.shape[i]);
    s += "] " + std::to_string(p.bytes);
  }
  return s;
}

TEST(Planes, Shapes) {
  EXPECT_EQ(describe("<si8, scale<f32, [1, *]>>", {64, 100}), "codes si8 [64, 100] 6400; scale f32 [64, 1] 256");
  EXPECT_EQ(describe("<ui8, scale<f32>, zero<ui8>>", {2, 3, 5}),
            "codes ui8 [2, 3, 5] 30; scale f32 [] 4; zero ui8 [] 1");
  EXPECT_EQ(describe("<ui4, scale<f16>, zero<ui4>>", {3}), "codes ui4 [3] 2; scale f16 [] 2; zero ui4 [] 1");
  EXPECT_EQ(describe("<si4, scale<f32, [32, 1]>>", {100, 6}), "codes si4 [100, 6] 300; scale f32 [4, 6] 96");
  EXPECT_EQ(describe("<si3, scale<bf16, [1, *, *, *]>>", {8, 3, 3, 3}),
            "codes si3 [8, 3, 3, 3] 144; scale bf16 [8, 1, 1, 1] 16");
}

TEST(Planes, PartialLastBlock) {
  EXPECT_EQ(describe("<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", {10, 576}),
            "codes ui4 [10, 576] 2880; scale f16 [10, 5] 100; zero ui4 [10, 5] 30");
}

TEST(Planes, TablesHaveOneMoreDimension) {
  EXPECT_EQ(describe("<#tern.lut<3>, table<f16, [1, *]>>", {6, 16}),
            "codes #tern.lut<3> [6, 16] 36; table f16 [6, 1, 8] 96");
  EXPECT_EQ(describe("<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>", {2, 64}),
            "codes #tern.lut<4> [2, 64] 64; table f32 [16] 64; scale f16 [2, 1] 4");
}

TEST(Planes, ScalarsAndEmptyTensors) {
  EXPECT_EQ(describe("<si4, scale<f32>>", {}), "codes si4 [] 1; scale f32 [] 4");
  EXPECT_EQ(describe("<si4, scale<f32, [1, *]>>", {3, 0}), "codes si4 [3, 0] 0; scale f32 [3, 1] 12");
  EXPECT_EQ(describe("<si4, scale<f32, [1, 32]>>", {0, 64}), "codes si4 [0, 64] 0; scale f32 [0, 2] 0");
}

TEST(Planes, DynamicDimensionsStayDynamic) {
  EXPECT_EQ(describe("<si8, scale<f32, [1, *]>>", {-5, 64}), "codes si8 [-5, 64] -1; scale f32 [-5, 1] -1");
  EXPECT_EQ(describe("<si8, scale<f32, [*, 1]>>", {-5, 64}), "codes si8 [-5, 64] -1; scale f32 [1, 64] 256");
}

TEST(Planes, BytesAndBits) {
  Format awq = format("<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>");
  EXPECT_EQ(planeBytes({4096, 4096}, awq), 4096 * (2048 + 64 + 16));
  EXPECT_DOUBLE_EQ(bitsPerElement(awq, {4096, 4096}), 4.15625);
  EXPECT_DOUBLE_EQ(bitsPerElement(format("<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>"), {128, 128}), 4.25);
  EXPECT_DOUBLE_EQ(bitsPerElement(format("<#tern.lut<4>, table<si8>, scale<f16, [1, 32]>>"), {1024, 1024}),
                   4.5 + 128 / 1048576.0);
  EXPECT_DOUBLE_EQ(bitsPerElement(format("<si8, scale<f32, [1, *]>>"), {4, 1}), 40);
}

/// Entry of a plane for an element, by the definition.
size_t entryOf(const Plane &plane, const std::vector<int64_t> &shape, size_t element) {
  std::vector<int64_t> index(shape.size());
  for (size_t d = shape.size(); d-- > 0; element /= size_t(shape[d]))
    index[d] = int64_t(element) % shape[d];
  int64_t entry = 0;
  for (size_t d = 0; d < plane.block.size(); ++d) {
    int64_t block = plane.block[d] == kWhole ? shape[d] : plane.block[d];
    entry = entry * ((shape[d] + block - 1) / block) + index[d] / block;
  }
  return size_t(entry);
}

/// Decodes by the equation, one element at a time.
std::vector<float> decodedByDefinition(const Encoded &e) {
  std::vector<int32_t> codes = e.codes();
  std::vector<float> out;
  for (size_t i = 0; i < codes.size(); ++i) {
    float value = float(e.format.elem.valueOf(uint32_t(codes[i]))), scale = 1, zero = 0, min = 1;
    bool hasMin = false;
    for (size_t p = 0; p < e.format.planes.size(); ++p) {
      const Plane &plane = e.format.planes[p];
      std::vector<float> values = e.values(p + 1);
      size_t entry = entryOf(plane, e.shape, i);
      if (plane.role == Role::Table) {
        value = values[(entry << e.format.elem.bits) + size_t(codes[i])];
        continue;
      }
      if (plane.role == Role::Scale)
        scale = scale * values[entry];
      if (plane.role == Role::Zero)
        zero = values[entry];
      if (plane.role == Role::Min) {
        min = min * values[entry];
        hasMin = true;
      }
    }
    out.push_back((value - zero) * scale + (hasMin ? min : 0.0f));
  }
  return out;
}

TEST(Planes, DecodeFollowsTheEquationForBlocksAlongEveryAxis) {
  const struct {
    const char *format;
    std::vector<int64_t> shape;
  } cases[] = {{"<si4, scale<f32, [1, 32]>>", {5, 70}},
               {"<si4, scale<f32, [32, 1]>>", {70, 5}},
               {"<si4, scale<f32, [3, 4]>>", {7, 9}},
               {"<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>", {3, 2100}},
               {"<ui4, scale<f16, [1, 48]>, zero<ui4, [2, 7]>>", {5, 100}},
               {"<ui3, scale<f16, [1, 5, 1]>, min<bf16, [*, 1, 2]>>", {2, 13, 7}},
               {"<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>>", {2, 2, 40, 9}},
               {"<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>", {2, 300}},
               {"<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", {3, 50}},
               {"<si6, scale<si8, [1, 16]>, scale<f16, [1, *]>>", {3, 50}},
               {"<f8E4M3FN, scale<f8E8M0FNU, [2, 3, 4]>>", {4, 5, 6}},
               {"<#tern.lut<3>, table<f16, [1, *]>>", {4, 30}},
               {"<#tern.lut<4>, table<si8, [2, 5]>, scale<f32, [*, 3]>>", {5, 23}},
               {"<#tern.bipolar<3>, scale<f32, [*, *]>, min<f16, [1, *]>>", {5, 23}},
               {"<#tern.fixed<5, 2>, scale<f8E8M0FNU, [1, 4]>>", {3, 10}},
               {"<bf16, scale<f32, [1, 3]>>", {3, 10}},
               {"<si16, scale<f32>>", {3, 3}},
               {"<ui8, zero<ui8>>", {3, 3}},
               {"<si5, scale<f32>>", {}}};
  SplitMix rng{77};
  for (const auto &[text, shape] : cases) {
    SCOPED_TRACE(text);
    Encoded e(format(text), shape);
    ASSERT_EQ(verify(e.format, shape), "");
    // Random codes; parameters of moderate size.
    for (uint8_t &byte : e.planes[0])
      byte = uint8_t(rng.next());
    for (size_t p = 1; p < e.planes.size(); ++p) {
      std::vector<float> values = e.values(p);
      for (float &v : values)
        v = e.format.planes[p - 1].type.isInteger() ? float(rng.next() % 8) : std::fabs(rng.gauss()) + 0.1f;
      e.setPlane(p, values);
    }
    if (e.format.elem.kind == ElementKind::Minifloat || e.format.elem.kind == ElementKind::Float) {
      std::vector<float> x = gaussTensor(8, int64_t(e.codes().size()));
      ASSERT_EQ(encodeCodes(e.format, Encode(Rule::Given), shape, x.data(), e.bytes()), "");
      if (e.format.elem.kind == ElementKind::Float)
        continue; // valueOf has no table of 2^16 values
    }
    EXPECT_EQ(e.decoded(), decodedByDefinition(e));
  }
}

TEST(Planes, EncodeThenDecodeIsTheIdentityOnDecodedValues) {
  // Decoded values are on the grid: encoding them with the same planes gives the same codes.
  for (const char *text : {"<si4, scale<f32, [3, 4]>>", "<ui3, scale<f32, [1, 5]>, zero<ui3, [2, 1]>>",
                           "<f6E2M3FN, scale<f8E8M0FNU, [*, 2]>>", "<#tern.fixed<5, 2>, scale<f8E8M0FNU, [1, 4]>>",
                           "<#tern.bipolar<3>, scale<f8E8M0FNU, [1, *]>>", "<bf16>", "<f16, scale<f8E8M0FNU>>"}) {
    SCOPED_TRACE(text);
    Encoded e(format(text), {7, 11});
    for (size_t p = 1; p < e.planes.size(); ++p) {
      std::vector<float> values = e.values(p);
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = e.format.planes[p - 1].role == Role::Zero ? float(i % 5) : std::ldexp(1.0f, int(i % 7) - 3);
      e.setPlane(p, values);
    }
    std::vector<float> x = gaussTensor(31, 77);
    ASSERT_EQ(encodeCodes(e.format, Encode(Rule::Given), e.shape, x.data(), e.bytes()), "");
    std::vector<float> first = e.decoded();
    std::vector<std::vector<uint8_t>> planes = e.planes;
    ASSERT_EQ(encodeCodes(e.format, Encode(Rule::Given), e.shape, first.data(), e.bytes()), "");
    EXPECT_EQ(e.planes, planes);
  }
}

TEST(Planes, RunsLongerThanOneBufferStartOnAByte) {
  // Rows of 2500 codes of 3 and 5 bits span several runs.
  for (const char *text : {"<si3, scale<f32, [1, *]>>", "<si5, scale<f32, [1, 100]>>"}) {
    std::vector<float> x = gaussTensor(3, 3 * 2500);
    Encoded whole = encoded(text, "<absmax>", {3, 2500}, x);
    std::vector<float> all = whole.decoded();
    for (int64_t r = 0; r < 3; ++r) {
      std::vector<float> row(x.begin() + r * 2500, x.begin() + (r + 1) * 2500);
      Encoded one = encoded(text, "<absmax>", {1, 2500}, row);
      std::vector<float> part = one.decoded();
      EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + r * 2500));
    }
  }
}

} // namespace
} // namespace tern
