// Formats nobody thought of: random elements, planes, blocks and rules on ragged shapes. What verifies can be encoded
// and decoded, and encoding decoded values gives them back.
#include "Support.h"

namespace tern {
namespace {

class Maker {
public:
  explicit Maker(uint64_t seed) : rng{seed} {}

  int64_t below(int64_t n) { return int64_t(rng.next() % uint64_t(n)); }
  template <typename T> T oneOf(std::initializer_list<T> list) { return list.begin()[below(int64_t(list.size()))]; }

  std::string element() {
    std::string b = std::to_string(1 + below(16)), small = std::to_string(1 + below(8));
    switch (below(10)) {
    case 0:
      return "si" + b;
    case 1:
      return "ui" + b;
    case 2:
      return "#tern.fixed<" + b + ", " + std::to_string(below(5)) + ">";
    case 3:
      return "#tern.minifloat<" + std::to_string(1 + below(5)) + ", " + std::to_string(below(4)) + ", " +
             std::to_string(below(9)) + ", \"" + oneOf({"finite", "ieee", "fn", "fnuz"}) + "\">";
    case 4:
      return "#tern.lut<" + small + ">";
    case 5:
      return "#tern.bipolar<" + small + ">";
    case 6:
      return oneOf({"#tern.bitmod<3>", "#tern.bitmod<4>", "#tern.ternary", "#tern.abfloat<2, 1, 2>"});
    case 7:
      return oneOf({"#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>", "#tern.pair<si8, #tern.abfloat<4, 3, 4>, 128>"});
    case 8:
      return "#tern.pot<" + std::to_string(1 + below(7)) + ">";
    default:
      return oneOf({"f16", "bf16", "f32", "f8E4M3FN", "f8E5M2", "f6E3M2FN", "f6E2M3FN", "f4E2M1FN"});
    }
  }

  std::string plane(const std::string &role, const std::string &elem, size_t rank) {
    std::string type = oneOf({"f32", "f16", "bf16", "f8E8M0FNU", "f8E4M3FN", "ui6", "ui8", "si8"});
    if (role == "select")
      type = oneOf({"ui1", "ui2", "ui8"});
    if (role == "zero" && below(3))
      type = elem;
    if (role == "tail")
      type = "f16";
    std::string text = role + "<" + type;
    if (rank && below(4)) {
      text += ", [";
      for (size_t i = 0; i < rank; ++i)
        text += (i ? ", " : "") + (below(3) ? std::to_string(oneOf({1, 1, 2, 3, 8, 16, 32})) : std::string("*"));
      text += "]";
    }
    return text + ">";
  }

  std::string format(size_t rank) {
    std::string elem = element(), text = "<" + elem;
    if (elem.find("lut") != std::string::npos)
      text += ", " + plane("table", elem, rank);
    if (elem.find("bitmod") != std::string::npos)
      text += ", " + plane("select", elem, rank);
    for (int64_t i = below(3); i > 0; --i)
      text += ", " + plane("scale", elem, rank);
    if (!below(3))
      text += ", " + plane(oneOf({"zero", "min", "tail"}), elem, rank);
    return text + ">";
  }

  std::string encode() {
    std::string text = std::string("<") + oneOf({"absmax", "absmax", "signed_absmax", "absmean", "minmax", "minmax",
                                                 "floor_pow2", "ceil_pow2", "given"});
    if (!below(4))
      text += ", " + std::to_string(below(3) - 2) + " to " + std::to_string(1 + below(3));
    text += std::string(", round = ") + oneOf({"rne", "rne", "rna", "rtz", "floor", "half_up", "tie_low"});
    text += std::string(", order = ") + oneOf({"round_then_zp", "zp_then_round"});
    return text + std::string(", sat = ") + oneOf({"clamp", "clamp", "clamp", "wrap", "error"}) + ">";
  }

  std::vector<float> values(size_t n) {
    std::vector<float> x(n);
    float scale = std::ldexp(1.0f, int(below(40)) - 20);
    for (float &v : x)
      v = below(20) ? rng.gauss() * scale
                    : oneOf({0.0f, -0.0f, NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-42f, 0x1p-149f, 1e30f});
    return x;
  }

private:
  SplitMix rng;
};

TEST(RandomFormats, WhatVerifiesEncodesAndDecodes) {
  Maker make(2024);
  int encoded = 0, identities = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<int64_t> shape(size_t(make.below(4)));
    size_t n = 1;
    for (int64_t &extent : shape) {
      extent = make.below(12) ? 1 + make.below(20) : 0;
      n *= size_t(extent);
    }
    std::string text = make.format(shape.size()), by = make.encode();
    SCOPED_TRACE(text + " " + by + " " + std::to_string(round));
    Result<Format> f = parseFormat(text);
    ASSERT_EQ(f.error, "");
    ASSERT_EQ(parseFormat(f->str()).value, *f);
    Encode e = *parseEncode(by);
    if (!verify(*f, shape).empty() || !verify(e, *f).empty())
      continue;
    Encoded planes(*f, shape);
    std::vector<float> x = make.values(n);
    // A table is read, and for rule given all parameters are.
    for (size_t p = 1; p < planes.planes.size(); ++p) {
      Role role = f->planes[p - 1].role;
      if (role == Role::Table || (e.rule == Rule::Given && role != Role::Select && role != Role::Tail))
        planes.setPlane(p, make.values(planes.values(p).size()));
    }
    std::string error = e.rule == Rule::Given ? encodeCodes(*f, e, shape, x.data(), planes.bytes())
                                              : encodeTensor(*f, e, shape, x.data(), planes.bytes());
    if (!error.empty()) {
      EXPECT_TRUE(error.find("is outside the codes") != std::string::npos ||
                  error.find("has no finite entry") != std::string::npos)
          << error;
      continue;
    }
    ++encoded;
    std::vector<double> errors;
    EXPECT_EQ(blockErrors(*f, e, shape, x.data(), planes.bytes(), errors), "");
    for (double v : errors)
      EXPECT_GE(v, 0);
    std::vector<float> decoded = planes.decoded();
    // With positive powers of two as scales nothing rounds twice: the codes of decoded values are the same values.
    bool isExact = true;
    for (const Plane &plane : f->planes)
      isExact &= plane.role == Role::Select || plane.role == Role::Table || plane.type.kind == ElementKind::E8M0;
    for (float v : decoded)
      isExact &= std::isfinite(v) && (v == 0 || std::fabs(v) > 1e-30f);
    if (!isExact || f->elem.kind == ElementKind::Lut || e.sat != Sat::Clamp || e.hasRange)
      continue;
    ++identities;
    ASSERT_EQ(encodeCodes(*f, encode("<given>"), shape, decoded.data(), planes.bytes()), "");
    EXPECT_EQ(planes.decoded(), decoded);
  }
  EXPECT_GT(encoded, 2000);
  EXPECT_GT(identities, 200);
}

} // namespace
} // namespace tern
