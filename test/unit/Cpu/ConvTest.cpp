//===- ConvTest.cpp - convolution, GEMM, depthwise, transposed ------------===//
#include "ConvCase.h"
#include "lib/Target/Cpu/Problems/Pack.h"

using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
TEST(Conv, F32) {
  runConv(conv(Arith::F32, {1, 9, 13, 24}, 40, 3, 1));
  runConv(conv(Arith::F32, {1, 30, 31, 3}, 32, 3, 2));
  runConv(conv(Arith::F32, {2, 7, 7, 64}, 96, 1, 1));
  runConv(conv(Arith::F32, {1, 14, 14, 20}, 13, 5, 1));
}

TEST(Conv, Gemm) {
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4})
    for (int64_t m : {1, 2, 5, 33}) {
      runConv(conv(arith, {1, 1, m, 64}, 48, 1, 1));
      runConv(conv(arith, {1, 1, m, 71}, 70, 1, 1));
    }
}

TEST(Conv, ManyTasks) {
  for (Arith arith : {Arith::F32, Arith::U8S8}) {
    runConv(conv(arith, {1, 56, 56, 64}, 72, 3, 1));
    runConv(conv(arith, {1, 7, 7, 512}, 520, 3, 1));
    runConv(conv(arith, {1, 1, 300, 512}, 520, 1, 1));
  }
}

TEST(Conv, U8S8) {
  runConv(conv(Arith::U8S8, {1, 9, 13, 24}, 40, 3, 1));
  runConv(conv(Arith::U8S8, {1, 30, 31, 3}, 32, 3, 2));
  runConv(conv(Arith::U8S8, {2, 7, 7, 64}, 96, 1, 1));
  runConv(conv(Arith::U8S8, {1, 14, 14, 22}, 13, 5, 1));
}

TEST(Conv, FourBits) {
  for (int64_t group : {0, 32, 64})
    for (Elem scale : {Elem::F16, Elem::F32})
      for (Arith arith : {Arith::U8S4, Arith::F32S4}) {
        ConvProblem p = conv(arith, {1, 6, 9, 72}, 40, 3, 1);
        p.group = group, p.groupScale = scale;
        runConv(p);
        p = conv(arith, {1, 1, 3, 200}, 70, 1, 1);
        p.group = group, p.groupScale = scale;
        runConv(p);
      }
}

TEST(Conv, StridesDilationGroups) {
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4}) {
    ConvProblem p = conv(arith, {2, 12, 11, 24}, 36, 3, 1);
    p.groups = 3;
    runConv(p);
    p = conv(arith, {1, 12, 11, 18}, 36, 3, 1);
    p.groups = 2;
    runConv(p);
    p = conv(arith, {1, 12, 11, 24}, 16, 3, 1, 2);
    runConv(p);
    p = conv(arith, {1, 12, 11, 24}, 16, 5, 3);
    runConv(p);
  }
}

TEST(Conv, ViewsOfWiderBuffers) {
  for (Arith arith : {Arith::F32, Arith::U8S8}) {
    ConvProblem p = conv(arith, {1, 8, 9, 20}, 24, 3, 1);
    p.in.cs = 32, p.in.base = 8;
    p.out.cs = 40, p.out.base = 12;
    p.out.top = p.out.left = p.out.bottom = p.out.right = 1;
    runConv(p);
    p = conv(arith, {2, 8, 9, 20}, 24, 1, 1);
    p.in.top = p.in.bottom = p.in.left = p.in.right = 2;
    runConv(p);
  }
}

TEST(Conv, HalfVectors) {
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4})
    for (int64_t outC : {24, 18, 55}) {
      runConv(conv(arith, {1, 9, 11, 16}, outC, 3, 1)); // an odd number of pixels
      ConvProblem p = conv(arith, {1, 1, 34, 40}, outC, 1, 1);
      if (arith == Arith::U8S4 || arith == Arith::F32S4)
        p.group = 32;
      runConv(p);
    }
}

TEST(Conv, FewChannels) {
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S4}) {
    for (int64_t outC : {1, 2, 4, 8})
      runConv(conv(arith, {2, 5, 21, 12}, outC, 3, 1));
    for (int64_t outC : {1, 2}) {
      runConv(transposed(arith, {2, 3, 19, 24}, outC, 2, 2, 0));
      ConvProblem p = transposed(arith, {1, 3, 19, 24}, outC, 2, 2, 0);
      p.out.cs = 3; // not dense
      runConv(p);
      p = transposed(arith, {1, 3, 19, 40}, outC, 2, 2, 0);
      if (arith == Arith::U8S4 || arith == Arith::F32S4)
        p.group = 32;
      runConv(p);
    }
  }
  // All kinds of inputs of the epilogue.
  for (Arith arith : {Arith::F32, Arith::U8S8})
    for (int64_t outC : {1, 2, 4}) {
      ConvProblem p =
          outC < 4 ? transposed(arith, {2, 3, 19, 24}, outC, 2, 2, 0) : conv(arith, {2, 5, 21, 12}, outC, 3, 1);
      p.out.elem = Elem::F32;
      Map other = p.out, gate, row = p.out;
      other.elem = arith == Arith::F32 ? Elem::F32 : Elem::U8;
      gate.n = 2, gate.c = gate.cs = outC;
      row.c = row.cs = 1;
      p.epilogue.inputs = {{ExprInput::Acc, {}},         {ExprInput::Channel, {}}, {ExprInput::Tensor, other},
                           {ExprInput::Pixelwise, gate}, {ExprInput::Row, row},    {ExprInput::Scalar, {}}};
      p.epilogue.nodes = {node(ExprOp::Mul, {0, 1}), node(ExprOp::Add, {6, 2}), node(ExprOp::Mul, {7, 3}),
                          node(ExprOp::Add, {8, 4}), node(ExprOp::Mul, {9, 5})};
      runConv(p);
      p.epilogue.inputs[4].kind = ExprInput::Tensor; // without rows two channels are gathered as well
      p.epilogue.inputs[4].map = p.out;
      runConv(p);
    }
}

TEST(Conv, GarbageBehindTheChannels) {
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4}) {
    ConvProblem p = conv(arith, {1, 5, 6, 37}, 24, 3, 1);
    p.in.cs = 44;
    runConv(p);
    if (arith == Arith::U8S4 || arith == Arith::F32S4) {
      p.group = 32;
      runConv(p);
      p = conv(arith, {1, 1, 3, 63}, 24, 1, 1);
      p.in.cs = 68, p.group = 32;
      runConv(p);
    }
  }
}

TEST(Conv, Depthwise) {
  for (Arith arith : {Arith::F32, Arith::U8S8})
    for (int64_t k : {3, 5, 2})
      for (int64_t stride : {1, 2}) {
        runConv(depthwise(arith, {1, 13, 17, 32}, k, stride));
        runConv(depthwise(arith, {2, 7, 7, 27}, k, stride));
        runConv(depthwise(arith, {1, 5, 3, 48}, k, stride, 2));
      }
  for (Arith arith : {Arith::U8S4, Arith::F32S8, Arith::F32S4})
    runConv(depthwise(arith, {1, 5, 9, 59}, 3, 1));
  runConv(depthwise(Arith::U8S8, {1, 112, 112, 96}, 3, 2));
  runConv(depthwise(Arith::F32, {1, 56, 56, 144}, 3, 1));
  runConv(depthwise(Arith::U8S8, {1, 9, 9, 20}, 9, 1));
}

TEST(Conv, Transposed) {
  for (Arith arith : {Arith::F32, Arith::U8S8}) {
    runConv(transposed(arith, {1, 8, 9, 24}, 24, 2, 2, 0));
    runConv(transposed(arith, {2, 5, 6, 12}, 17, 4, 2, 1));
    runConv(transposed(arith, {1, 5, 6, 12}, 17, 3, 2, 1));
    runConv(transposed(arith, {1, 5, 6, 12}, 17, 3, 1, 0));
    runConv(transposed(arith, {1, 5, 6, 12}, 17, 2, 3, 0)); // outputs that no input reaches
    ConvProblem p = transposed(arith, {1, 5, 6, 12}, 18, 3, 2, 1, 2);
    runConv(p);
    p = transposed(arith, {1, 5, 6, 12}, 18, 4, 2, 1, 1, 3);
    runConv(p);
  }
  runConv(transposed(Arith::F32, {1, 80, 80, 24}, 24, 2, 2, 0));
}

TEST(Conv, EpilogueWithResidual) {
  for (Arith arith : {Arith::F32, Arith::U8S8})
    for (int64_t k : {1, 3}) {
      ConvProblem p = conv(arith, {2, 9, 8, 24}, 40, k, 1);
      bool integer = arith == Arith::U8S8;
      p.out.elem = Elem::F32;
      Map other = p.out;
      other.elem = integer ? Elem::U8 : Elem::F32;
      other.top = other.left = 1;
      Map gate;
      gate.n = 2, gate.c = gate.cs = 40;
      Map row = p.out;
      row.elem = Elem::F32, row.c = row.cs = 1;
      p.epilogue = Expr();
      p.epilogue.inputs = {{ExprInput::Acc, {}},         {ExprInput::Channel, {}}, {ExprInput::Tensor, other},
                           {ExprInput::Pixelwise, gate}, {ExprInput::Row, row},    {ExprInput::Scalar, {}}};
      p.epilogue.nodes = {node(ExprOp::IntToF32, {0}), node(ExprOp::Mul, {6, 1}), node(ExprOp::IntToF32, {2}),
                          node(ExprOp::Add, {7, 8}),   node(ExprOp::Mul, {9, 3}), node(ExprOp::Mul, {10, 4}),
                          node(ExprOp::Mul, {11, 5})};
      if (!integer)
        p.epilogue.nodes[0] = node(ExprOp::Neg, {0}), p.epilogue.nodes[2] = node(ExprOp::Relu, {2});
      runConv(p);
    }
}

TEST(Conv, TailsOfTheEpilogueAreTables) {
  // The convolution's own rounding, then a chain on its codes: large enough for a table, with an output of each kind of
  // tile.
  for (ConvProblem p : {conv(Arith::U8S8, {1, 30, 34, 8}, 40, 1, 1), conv(Arith::U8S8, {1, 60, 60, 8}, 24, 1, 1),
                        depthwise(Arith::U8S8, {1, 40, 40, 27}, 3, 1), conv(Arith::F32, {1, 70, 70, 8}, 13, 1, 1),
                        transposed(Arith::U8S8, {1, 96, 96, 8}, 1, 2, 2, 0)}) {
    bool integer = p.arith == Arith::U8S8;
    p.out.elem = Elem::U8;
    p.epilogue.inputs = {
        {ExprInput::Acc, {}}, {ExprInput::Channel, {}}, {ExprInput::Scalar, {}}, {ExprInput::Scalar, {}}};
    ExprNode round = integer ? node(ExprOp::Requant, {0, 1}, 3) : node(ExprOp::Quant, {0, 3}, 3);
    p.epilogue.nodes = {round, node(ExprOp::Dequant, {4, 2}, 3), node(ExprOp::HardSwish, {5}),
                        node(ExprOp::Quant, {6, 3}, 10)};
    runConv(p);
    round = integer ? node(ExprOp::Requant, {0, 1}, -4) : node(ExprOp::Quant, {0, 3}, -4);
    round.lo = -128, round.hi = 127;
    p.epilogue.nodes[0] = round;
    p.epilogue.nodes[1] = node(ExprOp::Dequant, {4, 2}, -4);
    runConv(p);
  }
}

TEST(Conv, Refusals) {
  ConvProblem p = conv(Arith::F32, {1, 8, 8, 16}, 16, 3, 1);
  p.in.top = 0;
  EXPECT_EQ(refuse(p),
            "the input has a halo of 0, 1, 1, 1 pixels (top, left, bottom, right), the convolution reads 1, 1, 1, 1");
  p = conv(Arith::U8S8, {1, 8, 8, 16}, 16, 3, 1);
  p.in.elem = Elem::F32;
  EXPECT_EQ(refuse(p), "an input that is not u8 for integer arithmetic");
  p = conv(Arith::U8S8, {1, 8, 8, 16}, 16, 3, 1);
  p.group = 32;
  EXPECT_EQ(refuse(p), "group scales on weights that do not have 4 bits");
  p = conv(Arith::F32, {1, 8, 8, 16}, 16, 3, 1);
  p.in.planar = true;
  EXPECT_EQ(refuse(p), "a planar activation; a convolution works on NHWC");
  p = conv(Arith::U8S4, {1, 1, 1, 70000}, 16, 1, 1);
  EXPECT_EQ(refuse(p), "a reduction of more than 65,000 products of 4-bit codes could overflow; use group scales");
}

TEST(Pack, RoundTripAndSize) {
  Random random(5);
  for (Arith arith : {Arith::F32, Arith::U8S8, Arith::U8S4, Arith::F32S8, Arith::F32S4})
    for (int64_t group : {0, 32}) {
      bool four = arith == Arith::U8S4 || arith == Arith::F32S4;
      if (group && !four)
        continue;
      ConvProblem grouped = conv(arith, {1, 8, 8, 30}, 51, 3, 1);
      grouped.groups = 3;
      for (ConvProblem p : {conv(arith, {1, 8, 8, 45}, 49, 3, 1), grouped,
                            transposed(arith, {1, 5, 6, 44}, 17, 3, 2, 1), depthwise(arith, {1, 9, 9, 37}, 5, 1)}) {
        p.group = p.isDepthwise() ? 0 : group;
        ConvWeights w(p, random);
        std::vector<uint8_t> packed(packedBytes(p));
        packConvWeights(p, w.plain(), packed);
        UnpackedWeights u = unpackConvWeights(p, packed);
        EXPECT_EQ(u.values, w.values) << print(p);
        EXPECT_EQ(u.codes, w.codes) << print(p);
        EXPECT_EQ(u.scales, w.scales) << print(p);
      }
    }
  ConvProblem p = conv(Arith::U8S4, {1, 1, 8, 1280}, 992, 1, 1);
  p.group = 32;
  EXPECT_EQ(packedBytes(p), 1280 * 992 * 9 / 16); // 4.5 bits a weight
  p = conv(Arith::U8S8, {1, 8, 8, 96}, 48, 1, 1);
  EXPECT_EQ(packedBytes(p), 96 * 48);
}
} // namespace
