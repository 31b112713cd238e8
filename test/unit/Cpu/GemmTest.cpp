//===- GemmTest.cpp - matrix products with constant weights ---------------===//
#include "GemmCase.h"
#include <cmath>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
constexpr int64_t dynamicRows = -1;

/// Every tile and its remainders, one row, more than one task.
const std::vector<int64_t> rows{1, 2, 3, 5, 12, 23, 77};

/// A whole shape, one whose channels end in a step, one whose outputs end in a panel.
void runShapes(const GemmFormats &formats) {
  runGemm(gemm(formats, dynamicRows, 256, 64), rows);
  runGemm(gemm(formats, dynamicRows, 203, 70), rows);
  runGemm(gemm(formats, dynamicRows, 37, 5), rows);
}

TEST(Gemm, F32) { runShapes({}); }
TEST(Gemm, U8S8) { runShapes({true, 8}); }
TEST(Gemm, U8S4) { runShapes({true, 4}); }
TEST(Gemm, U8S2) { runShapes({true, 2}); }
TEST(Gemm, F32S8) { runShapes({false, 8}); }
TEST(Gemm, F32S4) { runShapes({false, 4}); }
TEST(Gemm, F32S2) { runShapes({false, 2}); }

/// One that is ragged in every dimension.
void runRagged(const GemmFormats &formats) { runGemm(gemm(formats, dynamicRows, 203, 70), rows); }

TEST(Gemm, ManyTasks) {
  for (const GemmFormats &formats : {GemmFormats{}, GemmFormats{true, 8}, GemmFormats{true, 4, 32}, GemmFormats{false, 4, 32}})
    runGemm(gemm(formats, dynamicRows, 516, 600), {1, 261});
}

TEST(Gemm, ZeroPoints) {
  for (bool codes : {true, false}) {
    runShapes({codes, 4, 32, 0, true});
    runRagged({codes, 4, 0, 0, true});
    runRagged({codes, 2, 32, 0, true});
  }
}

TEST(Gemm, ScaleGroups) {
  for (bool codes : {true, false}) {
    runShapes({codes, 4, 32});
    for (int64_t bits : {8, 2})
      runRagged({codes, bits, 32});
    for (int64_t group : {64, 128})
      runRagged({codes, 4, group, 0, false, group == 64 ? Elem::F32 : Elem::F16});
  }
}

TEST(Gemm, ScaleGroupsOfTheInput) {
  runShapes({true, 8, 0, 32});
  runShapes({true, 4, 32, 32});
  runRagged({true, 8, 0, 128});
  runRagged({true, 4, 32, 128});
  runRagged({true, 4, 64, 32, true});
}

/// Halves of the outputs that meet: whole panels, ragged ones, less than one.
TEST(Gemm, Gated) {
  for (const GemmFormats &formats : {GemmFormats{}, GemmFormats{true, 8}, GemmFormats{true, 4, 32}, GemmFormats{true, 4, 32, 32}, GemmFormats{false, 4, 32}}) {
    runGemm(gated(formats, dynamicRows, 256, 64), {1, 5, 77});
    runGemm(gated(formats, dynamicRows, 203, 39), {1, 23});
    runGemm(gated(formats, 9, 37, 5), {9});
  }
  EXPECT_NE(refuse([] {
              GemmProblem p = gated({}, 4, 64, 32);
              p.epilogue.nodes.clear();
              return p;
            }()),
            "");
}

TEST(Gemm, StaticRows) {
  for (const GemmFormats &formats : {GemmFormats{}, GemmFormats{true, 8}, GemmFormats{true, 4, 32}})
    for (int64_t m : {1, 2, 7, 12, 77, 300})
      runGemm(gemm(formats, m, 512, 520), {m});
}

/// A chain of 1536 additions is off by 7e-7 of the sum, chains of 256 by 2.9e-7.
TEST(Gemm, LongSumsAreSeveralChains) {
  GemmProblem p = gemm({}, dynamicRows, 1536, 64);
  p.epilogue.inputs.resize(1);
  p.epilogue.nodes.clear();
  GemmLayout layout(p);
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitGemm(m, "gemm", p, isa); });
    ASSERT_TRUE(kernel.ok());
    for (int64_t rows : {1, 2, 4, 48}) {
      Random random(rows);
      GemmCase c(p, rows, random);
      std::vector<uint8_t> packed(layout.bytes());
      packGemm(p, c.plain(), packed);
      std::vector<float> x(rows * p.in.cs);
      for (float &v : x)
        v = random.real();
      Buffer in = Buffer::of(x), weights = Buffer::of(packed), out(rows * p.out.c * 4);
      kernel.run({&in, &weights, &out}, {rows});
      double error = 0, size = 0;
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t n = 0; n < p.out.c; ++n) {
          double sum = 0;
          for (int64_t i = 0; i < p.in.c; ++i)
            sum += double(x[m * p.in.cs + i]) * c.weight(n, i);
          error += std::pow(out.data<float>()[m * p.out.c + n] - sum, 2), size += sum * sum;
        }
      EXPECT_LT(std::sqrt(error / size), 4e-7) << isa.name.str() << ", " << rows << " rows";
    }
  }
}

TEST(Gemm, CodesOut) {
  GemmProblem p = gemm({true, 8}, dynamicRows, 96, 70);
  ExprNode requant;
  requant.op = ExprOp::Requant, requant.args = {0, 1}, requant.a = 3, requant.lo = 3, requant.hi = 250;
  p.epilogue.inputs.resize(2);
  p.epilogue.nodes = {requant};
  p.out.elem = Elem::U8, p.out.cs = 72;
  runGemm(p, rows);
}

TEST(Gemm, PackedWeightsUnpack) {
  for (int64_t bits : {32, 8, 4, 2})
    for (int64_t group : {0, 32})
      for (bool zeros : {false, true}) {
        if ((bits == 32 && group) || (bits >= 8 && zeros))
          continue;
        GemmProblem p = gemm({false, bits, group, 0, zeros}, 1, 77, 45);
        p.paired = group != 0;
        Random random(1);
        GemmCase c(p, 1, random);
        std::vector<uint8_t> packed(GemmLayout(p).bytes());
        packGemm(p, c.plain(), packed);
        UnpackedGemm back = unpackGemm(p, packed);
        EXPECT_EQ(back.values, c.values);
        EXPECT_EQ(back.codes, c.codes);
        EXPECT_EQ(back.scales, c.scales);
        EXPECT_EQ(back.zeros, c.zeros);
      }
}

TEST(Gemm, Refuses) {
  auto why = [](GemmFormats formats) { return refuse(gemm(formats, 4, 64, 32)); };
  EXPECT_NE(why({true, 32}), "");
  EXPECT_NE(why({true, 8, 0, 0, true}), "");
  EXPECT_NE(why({true, 4, 12}), "");
  EXPECT_NE(why({true, 4, 96, 64}), "");
  EXPECT_NE(why({false, 8, 0, 32}), "");
  EXPECT_NE(why({true, 3}), "");
}
} // namespace
