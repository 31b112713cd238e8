// One test per label of docs/FORMATS.md 1.5.
#include "Support.h"

namespace tern {
namespace {

void expectFormats(std::initializer_list<std::pair<const char *, const char *>> cases) {
  for (auto &[text, error] : cases)
    EXPECT_EQ(verify(format(text)), error) << text;
}

void expectEncodes(const char *f, std::initializer_list<std::pair<const char *, const char *>> cases) {
  EXPECT_EQ(verify(format(f)), "");
  for (auto &[text, error] : cases)
    EXPECT_EQ(verify(encode(text), format(f)), error) << text;
}

TEST(Verify, GoodFormats) {
  expectFormats({{"<si8, scale<f32, [1, *]>>", ""},
                 {"<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>", ""},
                 {"<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", ""},
                 {"<#tern.lut<3>, table<f16, [1, *]>, sparse<f16>>", ""},
                 {"<#tern.bipolar<4>, scale<f16, [1, *]>, min<f16, [1, *]>>", ""},
                 {"<f16>", ""},
                 {"<si32, scale<f32, [*]>>", ""}});
}

TEST(Verify, ElementWidths) {
  expectFormats({{"<si1>", "si1 has 1 bits; allowed are 2 to 16, and 32"},
                 {"<si17>", "si17 has 17 bits; allowed are 2 to 16, and 32"},
                 {"<ui32>", "ui32 has 32 bits; allowed are 1 to 16"},
                 {"<#tern.fixed<17, 2>>", "#tern.fixed<17, 2> has 17 bits; allowed are 2 to 16"},
                 {"<#tern.bipolar<9>>", "#tern.bipolar<9> has 9 bits; allowed are 1 to 8"},
                 {"<#tern.pot<8>>", "#tern.pot<8> has 8 bits; allowed are 1 to 7"},
                 {"<#tern.lut<0>, table<f32>>", "#tern.lut<0> has 0 bits; allowed are 1 to 8"},
                 {"<f8E8M0FNU>", "f8E8M0FNU is a type for scales, not an element"}});
}

TEST(Verify, PlaneTypes) {
  expectFormats(
      {{"<si8, scale<#tern.ternary>>", "plane 'scale' cannot have type #tern.ternary; use an integer or float type"},
       {"<si8, scale<f32>, zero<f8E8M0FNU>>",
        "plane 'zero' cannot have type f8E8M0FNU, which has no zero and no sign; only a scale can"},
       {"<si8, scale<ui20>>", "plane 'scale': ui20 has 20 bits; allowed are 1 to 16"},
       {"<si8, select<si2>>", "plane 'select' needs an unsigned integer type; found si2"},
       {"<#tern.fixed<8, 2>, scale<f8E8M0FNU>, zero<si8>>",
        "#tern.fixed<8, 2> takes no zero plane; it may carry a min plane"}});
}

TEST(Verify, F1_BlockExtents) {
  expectFormats({{"<si4, scale<f16, [1, 0]>>", "F1: block extents are positive or '*'; found 0 in plane 'scale'"},
                 {"<si4, scale<f16, [-1, 32]>>", "F1: block extents are positive or '*'; found 0 in plane 'scale'"},
                 {"<si4, scale<f16, [1, 32]>, zero<si4, [32]>>",
                  "F1: all blocks have one extent per dimension; found 2 and 1 (plane 'zero')"}});
  EXPECT_EQ(verify(format("<si4, scale<f16, [1, 32]>>"), {4, 4, 4}),
            "F1: the block of plane 'scale' has 2 extents; the tensor has rank 3");
  EXPECT_EQ(verify(format("<si4, scale<f16, [1, 32]>>"), {4, 33}), ""); // the last block is partial
  EXPECT_EQ(verify(format("<si4, scale<f16, [1, 32]>>"), {INT64_MIN, 64}), "");
  EXPECT_EQ(verify(format("<si4, scale<f16>>"), {}), "");
}

TEST(Verify, F2_Nesting) {
  expectFormats({{"<si4, scale<f16, [1, 32]>, scale<f32, [1, 48]>>",
                  "F2: planes of one role are nested, finest first: every extent of scale<f32, [1, 48]> must be a "
                  "multiple of the one in scale<f16, [1, 32]>"},
                 {"<si4, scale<f32>, scale<f16, [1, 32]>>",
                  "F2: planes of one role are nested, finest first: every extent of scale<f16, [1, 32]> must be a "
                  "multiple of the one in scale<f32>"},
                 {"<si4, scale<f32, [1, *]>, scale<f16, [1, 32]>>",
                  "F2: planes of one role are nested, finest first: every extent of scale<f16, [1, 32]> must be a "
                  "multiple of the one in scale<f32, [1, *]>"},
                 {"<si4, scale<f16, [1, 32]>, scale<f16, [2, 64]>, scale<f32, [*, *]>>", ""},
                 {"<si4, scale<f16>, zero<si4>, zero<si4>>",
                  "F2: only 'scale' and 'min' may have several planes; found two of plane 'zero'"}});
}

TEST(Verify, F3_ZeroOrMin) {
  expectFormats({{"<ui4, scale<f16>, zero<ui4>, min<f16>>", "F3: a format has a zero or a min plane, not both"}});
}

TEST(Verify, F4_TableAndSelect) {
  expectFormats({{"<#tern.lut<4>, scale<f16>>", "F4: element #tern.lut<4> needs a table plane"},
                 {"<si4, table<f16>>", "F4: a table plane goes with #tern.lut<b> only; the element is si4"},
                 {"<si4, select<ui2>>", "F4: a select plane goes with a union element only; the element is si4"}});
}

TEST(Verify, F5_PowerOfTwoScales) {
  expectEncodes(
      "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>",
      {{"<absmax>", "F5: an f8E8M0FNU scale is never the result of absmax; use floor_pow2, ceil_pow2 or given"},
       {"<absmean>", "F5: an f8E8M0FNU scale is never the result of absmean; use floor_pow2, ceil_pow2 or given"},
       {"<floor_pow2>", ""},
       {"<ceil_pow2>", ""},
       {"<given>", ""}});
}

TEST(Verify, F6_CodeRange) {
  expectEncodes("<si4, scale<f32>>",
                {{"<absmax, -8 to 7>", ""},
                 {"<absmax, 7 to -7>", "F6: a code range goes from the smaller to the larger code; found 7 to -7"},
                 {"<absmax, -9 to 7>", "F6: the codes of si4 are -8 to 7; found -9 to 7"},
                 {"<absmax, 0 to 15>", "F6: the codes of si4 are -8 to 7; found 0 to 15"}});
  expectEncodes("<f4E2M1FN, scale<f32>>",
                {{"<absmax, 0 to 6>", "F6: a code range needs an element with integer codes; found 0 to 6 on f4E2M1FN"},
                 {"<absmax, sat = wrap>", "sat = wrap needs an element with integer codes; found f4E2M1FN"}});
}

TEST(Verify, FloatsRoundToNearestEven) {
  expectEncodes("<f16>",
                {{"<given>", ""},
                 {"<given, round = rtz>", "elements of type f16 round to nearest even only; found round = rtz"}});
}

TEST(Verify, F1_F2_Tails) {
  expectFormats({{"<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>", ""},
                 {"<ui2, scale<f16, [1, 1, 1, 32]>, min<f16, [1, 1, 1, 32]>, tail<f16, [1, 1, 128, *]>>", ""},
                 {"<ui2, tail<f16, [1, *]>>",
                  "F1: the block of a tail is a window along one axis: one extent above 1, the others 1 or '*'; found "
                  "tail<f16, [1, *]>"},
                 {"<ui2, tail<f16>>",
                  "F1: the block of a tail is a window along one axis: one extent above 1, the others 1 or '*'; found "
                  "tail<f16>"},
                 {"<ui2, scale<f16, [48, 1]>, tail<f16, [128, *]>>",
                  "F2: the window of tail<f16, [128, *]> must be a multiple of the blocks along its axis; found "
                  "scale<f16, [48, 1]>"},
                 {"<ui2, tail<ui8, [128, *]>>",
                  "plane 'tail' holds values, not codes: its type is f32, f16 or bf16; found ui8"}});
}

TEST(Verify, E1_Unions) {
  expectFormats(
      {{"<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>", ""},
       {"<#tern.bitmod<4>, scale<f16>>", "F4: element #tern.bitmod<4> is a union and needs a select plane"},
       {"<#tern.bitmod<3>, select<ui1>>",
        "E1: #tern.bitmod<3> has 4 alternatives, the select plane needs a type that counts them, as ui2; found "
        "ui1"},
       {"<#tern.bitmod<5>, select<ui2>>", "#tern.bitmod<5> has 5 bits; allowed are 3 to 4"}});
  expectEncodes(
      "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<f16, [1, 64]>>",
      {{"<given>", ""},
       {"<absmean>", "rule absmean chooses no alternative of #tern.bitmod<4>; use absmax, floor_pow2, ceil_pow2 "
                     "or given"},
       {"<absmax>", "rule absmax needs one block shape for select<ui2, [1, 128]> and scale<f16, [1, 64]>; use "
                    "given"}});
}

TEST(Verify, E2_Pairs) {
  expectFormats({{"<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>", ""},
                 {"<#tern.pair<si4, si4, 8>>",
                  "E2: a pair is an integer or a finite minifloat, and an abfloat; found #tern.pair<si4, si4, 8>"},
                 {"<#tern.pair<si4, #tern.abfloat<4, 3, 2>, 8>>",
                  "E2: the elements of a pair have equal width; found si4 and #tern.abfloat<4, 3, 2>"},
                 {"<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 7>>",
                  "E2: the marker is a code that the outlier does not use (magnitude 0) and that is not 0, as 8 of "
                  "#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>; found 7"},
                 {"<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, zero<si4>>",
                  "E2: #tern.pair<si4, #tern.abfloat<2, 1, 2>, 8> takes no zero plane: the victim is 0"},
                 {"<#tern.abfloat<0, 3, 2>>",
                  "#tern.abfloat<0, 3, 2> has 0 exponent bits and 4 bits; allowed are at least 1 and 3 to 8"}});
  EXPECT_EQ(verify(format("<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>>"), {2, 3}),
            "E2: the last extent of a tensor of #tern.pair<si4, #tern.abfloat<2, 1, 2>, 8> is even; found 3");
}

TEST(Verify, E3_Bipolar) {
  expectFormats({{"<#tern.bipolar<4>, scale<f16>, zero<si4>>",
                  "E3: #tern.bipolar<4> takes no zero plane; it may carry a min plane"}});
}

TEST(Verify, E4_FixedScales) {
  expectFormats({{"<#tern.fixed<8, 2>, scale<f32>>",
                  "E4: #tern.fixed<8, 2> takes power-of-two scales only (f8E8M0FNU); found f32"}});
}

TEST(Verify, E5_Minifloats) {
  expectFormats(
      {{"<#tern.minifloat<5, 3, 15, \"ieee\">>",
        "E5: a minifloat has at least one exponent bit and at most 8 bits; found 1 + 5 + 3"},
       {"<#tern.minifloat<0, 3, 1, \"finite\">>",
        "E5: a minifloat has at least one exponent bit and at most 8 bits; found 1 + 0 + 3"},
       {"<#tern.minifloat<3, 0, 3, \"fn\">>",
        "E5: policy \"fn\" needs a mantissa bit (the code of all ones is NaN); use \"finite\" or \"ieee\""},
       {"<#tern.minifloat<1, 2, 1, \"ieee\">>", "E5: policy \"ieee\" needs two exponent bits and a mantissa bit (the "
                                                "largest exponent is Inf and NaN); use \"finite\""},
       {"<#tern.minifloat<3, 2, 65, \"finite\">>", "E5: the bias of a minifloat is -64 to 64; found 65"}});
}

TEST(Verify, RulesNeedTheirPlanes) {
  expectEncodes("<si4, scale<f32>>",
                {{"<minmax>", "rule minmax needs a zero or a min plane; use absmax for a symmetric format"}});
  expectEncodes("<f4E2M1FN, scale<f32>, min<f32>>",
                {{"<minmax>", "rule minmax needs an element with integer codes; found f4E2M1FN"},
                 {"<absmax>", "rule absmax computes no min plane; use minmax or given"}});
  expectEncodes("<ui4, scale<f16, [1, 32]>, zero<ui4>>",
                {{"<minmax>", ""},
                 {"<absmax>", ""},
                 {"<signed_absmax>", "rule signed_absmax needs integer codes that start below zero, one signed scale "
                                     "plane and no zero plane; found <ui4, scale<f16, [1, 32]>, zero<ui4>>"}});
  expectEncodes(
      "<ui8, scale<f16>, zero<si8>>",
      {{"<minmax>", "plane 'zero' of type si8 does not hold the codes 0 to 255 that rule minmax may store in it"},
       {"<given>", ""}});
  expectEncodes("<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>",
                {{"<minmax>", "rule minmax computes one min plane, not several; use given"},
                 {"<ceil_pow2>", "rule ceil_pow2 computes one scale plane, not several; use given"}});
  expectEncodes("<si4, zero<si4>>", {{"<absmax>", "rule absmax needs a scale plane; use given"}});
  expectEncodes("<#tern.lut<3>, table<f16, [1, *]>, scale<f16>>",
                {{"<absmax>", "rule absmax needs one table for the whole tensor; use given"}});
  expectEncodes("<f8E4M3FN, scale<f16>, zero<f16>>",
                {{"<absmax>", "rule absmax with a zero plane needs integer codes; found f8E4M3FN"}});
  expectEncodes("<f16>", {{"<absmax>", ""}, {"<given>", ""}});
}

TEST(Verify, WhatHasNoPlainForm) {
  EXPECT_EQ(verify(format("<#tern.lut<4>, table<f16, [1, *]>, sparse<f16>>"), {4, 4}),
            "plane 'sparse' has no plain form: its size does not follow from shape and format");
}

TEST(Verify, WrongPlanes) {
  Encoded e(format("<si4, scale<f16, [1, 32]>>"), {2, 40});
  std::vector<float> x(80);
  std::vector<Bytes> planes = e.bytes();
  planes[1] = {planes[1].data(), 6};
  EXPECT_EQ(encodeTensor(e.format, Encode(Rule::Absmax), e.shape, x.data(), planes),
            "plane 'scale' of <si4, scale<f16, [1, 32]>> has 8 bytes; found 6");
  planes.pop_back();
  EXPECT_EQ(encodeCodes(e.format, Encode(Rule::Given), e.shape, x.data(), planes),
            "format <si4, scale<f16, [1, 32]>> has 2 planes; found 1");
  EXPECT_EQ(decode(e.format, e.shape, {}, x.data()), "format <si4, scale<f16, [1, 32]>> has 2 planes; found 0");
  EXPECT_EQ(decode(e.format, {80}, e.constBytes(), x.data()),
            "F1: the block of plane 'scale' has 2 extents; the tensor has rank 1");
  EXPECT_EQ(encodeTensor(e.format, Encode(Rule::Given), e.shape, x.data(), e.bytes()),
            "rule given takes its planes from an import, a plan or a method; use encodeCodes");
}

} // namespace
} // namespace tern
