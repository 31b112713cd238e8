#include "Support.h"

namespace tern {
namespace {

TEST(Spelling, FormatsRoundTrip) {
  for (const char *text : {"<si8, scale<f32, [1, *]>>",
                           "<ui8, scale<f32>, zero<ui8>>",
                           "<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>",
                           "<ui4, scale<f16, [1, 32]>, zero<ui4>>",
                           "<si32, scale<f32, [*]>>",
                           "<f16>",
                           "<bf16, scale<bf16>>",
                           "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>",
                           "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>",
                           "<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>",
                           "<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>",
                           "<#tern.lut<3>, table<f16, [1, *]>>",
                           "<#tern.ternary, scale<f32>>",
                           "<#tern.bipolar<4>, min<f16, [1, *]>>",
                           "<#tern.minifloat<3, 0, 3, \"finite\">, scale<f16, [1, 128]>>",
                           "<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>",
                           "<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>",
                           "<#tern.lut<4>, table<f16, [1, *]>, sparse<f16>>",
                           "<si4, scale<f16>, lowrank_a<f16>, lowrank_b<f16>>",
                           "<f8E4M3FNUZ, scale<f8E5M2FNUZ>>",
                           "<f8E4M3B11FNUZ, scale<f8E3M4>>",
                           "<f8E4M3, scale<f6E2M3FN>>"}) {
    Result<Format> f = parseFormat(text);
    EXPECT_EQ(f.error, "");
    EXPECT_EQ(f->str(), text);
    EXPECT_EQ(*parseFormat("#tern.format" + f->str()), *f);
  }
}

TEST(Spelling, SpaceDoesNotMatter) {
  EXPECT_EQ(format(" < ui4,scale<f16,[1,32]> ,zero< ui4 >> ").str(), "<ui4, scale<f16, [1, 32]>, zero<ui4>>");
}

TEST(Spelling, EqualElementsHaveOneSpelling) {
  EXPECT_EQ(parseElement("#tern.minifloat<4, 3, 7, \"fn\">")->str(), "f8E4M3FN");
  EXPECT_EQ(*parseElement("#tern.minifloat<2, 1, 1, \"finite\">"), Element::e2m1());
  EXPECT_NE(*parseElement("#tern.minifloat<2, 1, 2, \"finite\">"), Element::e2m1());
}

TEST(Spelling, FormatErrorsSayWhereAndWhat) {
  const char *cases[][2] = {
      {"", "expected '<' at the end in ''"},
      {"<si4", "expected '>' at the end in '<si4'"},
      {"<si4>x", "unexpected text at 'x' in '<si4>x'"},
      {"<i4>", "expected an element or plane type (siN, uiN, f32, f16, bf16, f8E4M3FN, ..., #tern.fixed<8, 2>, ...) at "
               "'i4>' in '<i4>'"},
      {"<si4, skale<f32>>", "expected a plane (one of scale, zero, min, select, table, tail, sparse, lowrank_a, "
                            "lowrank_b) at 'skale<f32>>' in '<si4, skale<f32>>'"},
      {"<si4, codes<f32>>", "expected a plane (one of scale, zero, min, select, table, tail, sparse, lowrank_a, "
                            "lowrank_b) at 'codes<f32>>' in '<si4, codes<f32>>'"},
      {"<si4, scale<f32, 32>>", "expected '[' at '32>>' in '<si4, scale<f32, 32>>'"},
      {"<si4, scale<f32, [x]>>", "expected a number at 'x]>>' in '<si4, scale<f32, [x]>>'"},
      {"<si4, scale<f32, [99999999999999999999]>>",
       "number too large at '99]>>' in '<si4, scale<f32, [99999999999999999999]>>'"},
      {"<#tern.lut<999>>", "expected a number from 0 to 255, found 999 at '>>' in '<#tern.lut<999>>'"},
      {"<#tern.minifloat<3, 0, 3, \"odd\">>",
       "expected a policy of the special codes (one of finite, ieee, fn, fnuz) at 'odd\">>' in '<#tern.minifloat<3, 0, "
       "3, \"odd\">>'"}};
  for (auto &[text, error] : cases)
    EXPECT_EQ(parseFormat(text).error, error);
}

TEST(Spelling, EncodesRoundTrip) {
  for (const char *text : {"<absmax>", "<absmax, -127 to 127>", "<minmax, 0 to 255>", "<signed_absmax, -8 to 7>",
                           "<absmean>", "<floor_pow2>", "<ceil_pow2, -7 to 7>", "<given, round = half_up, sat = wrap>",
                           "<absmax, 0 to 62, round = rna, order = zp_then_round, sat = error>",
                           "<absmax, round = tie_low>", "<given, round = rtz>", "<given, round = floor>"}) {
    Result<Encode> e = parseEncode(text);
    EXPECT_EQ(e.error, "");
    EXPECT_EQ(e->str(), text);
    EXPECT_EQ(*parseEncode("#tern.encode" + e->str()), *e);
  }
  EXPECT_EQ(encode("<absmax, round = rne, order = round_then_zp, sat = clamp>").str(), "<absmax>");
}

TEST(Spelling, EncodeErrorsSayWhereAndWhat) {
  const char *cases[][2] = {
      {"<absmix>", "expected a rule (one of absmax, signed_absmax, absmean, minmax, floor_pow2, ceil_pow2, given) at "
                   "'absmix>' in '<absmix>'"},
      {"<absmax, 3>", "expected 'to' at '>' in '<absmax, 3>'"},
      {"<absmax, round = up>", "expected a rounding (one of rne, rna, rtz, floor, half_up, tie_low) at 'up>' in "
                               "'<absmax, round = up>'"},
      {"<absmax, 0 to 3, 0 to 4>", "a second code range at '0 to 4>' in '<absmax, 0 to 3, 0 to 4>'"},
      {"<absmax", "expected '>' at the end in '<absmax'"}};
  for (auto &[text, error] : cases)
    EXPECT_EQ(parseEncode(text).error, error);
}

TEST(Spelling, DamagedTextNeverCrashes) {
  const std::string texts[] = {"<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, *]>, zero<f8E4M3FN>>",
                               "<#tern.minifloat<3, 0, 3, \"finite\">, table<f16, [1, 128]>>",
                               "<#tern.fixed<8, -2>, scale<f8E8M0FNU>>", "<absmax, -127 to 127, round = half_up>"};
  const std::string alphabet = "<>[],*#\"-. 0123456789abcdefgsiuzt";
  SplitMix rng{99};
  for (int i = 0; i < 20000; ++i) {
    std::string text = texts[rng.next() % 4];
    for (uint64_t edits = 1 + rng.next() % 3; edits; --edits) {
      size_t at = rng.next() % text.size();
      switch (rng.next() % 3) {
      case 0:
        text[at] = alphabet[rng.next() % alphabet.size()];
        break;
      case 1:
        text.insert(at, 1, alphabet[rng.next() % alphabet.size()]);
        break;
      default:
        text.erase(at, 1);
      }
    }
    Result<Encode> e = parseEncode(text);
    Result<Format> f = parseFormat(text);
    if (!f || !verify(*f, {3, 5}).empty())
      continue;
    EXPECT_EQ(*parseFormat(f->str()), *f);
    Encoded planes(*f, {3, 5});
    planes.decoded();
    verify(e ? *e : Encode(Rule::Minmax), *f);
  }
}

} // namespace
} // namespace tern
