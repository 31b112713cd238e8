//===- KernelTableTest.cpp - every row at three shapes on every level -----===//
#include "lib/Target/Cpu/Table/KernelTable.h"
#include "ConvCase.h"
#include "GemmCase.h"
#include "llvm/ADT/StringSet.h"
#include <optional>

using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {
/// Three shapes of a convolution row; the last one is ragged in every dimension.
std::vector<ConvProblem> shapesOf(const KernelRow &row) {
  llvm::StringRef suffix = llvm::StringRef(row.name).rsplit('.').second;
  Arith a = suffix == "f32"     ? Arith::F32
            : suffix == "u8s8"  ? Arith::U8S8
            : suffix == "u8s4"  ? Arith::U8S4
            : suffix == "f32s8" ? Arith::F32S8
                                : Arith::F32S4;
  switch (row.op) {
  case OpKind::Conv:
    return {conv(a, {1, 14, 14, 32}, 64, 3, 1), conv(a, {2, 8, 8, 64}, 32, 1, 1), conv(a, {1, 13, 11, 19}, 45, 3, 2)};
  case OpKind::DepthwiseConv:
    return {depthwise(a, {1, 14, 14, 32}, 3, 1), depthwise(a, {1, 14, 14, 48}, 5, 2),
            depthwise(a, {2, 9, 7, 21}, 3, 1)};
  case OpKind::ConvTranspose:
    return {transposed(a, {1, 8, 8, 32}, 32, 2, 2, 0), transposed(a, {1, 7, 7, 16}, 64, 3, 2, 1),
            transposed(a, {2, 5, 3, 13}, 11, 4, 2, 1)};
  default:
    return {};
  }
}

std::vector<GemmProblem> productsOf(const KernelRow &row) {
  auto [x, bits] = llvm::StringRef(row.name).rsplit('.').second.split('s');
  GemmFormats formats{x == "u8", bits.empty() ? 32 : bits[0] - '0'};
  return {gemm(formats, 1, 256, 96), gemm(formats, 28, 128, 64), gemm(formats, 17, 99, 53)};
}

TEST(KernelTable, EveryRowAtThreeShapes) {
  for (const KernelRow &row : kernelTable())
    if (row.op == OpKind::Gemm)
      for (const GemmProblem &p : productsOf(row)) {
        EXPECT_EQ(rowFor(p)->name, row.name);
        runGemm(p, {p.in.w});
        ASSERT_FALSE(HasFailure()) << row.name.str();
      }
  for (const KernelRow &row : kernelTable())
    for (const ConvProblem &p : shapesOf(row)) {
      EXPECT_EQ(rowFor(p)->name, row.name);
      runConv(p);
      ASSERT_FALSE(HasFailure()) << row.name.str();
    }
}

TEST(KernelTable, NamesAreUnique) {
  llvm::StringSet<> names;
  for (const KernelRow &row : kernelTable()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name.str();
    EXPECT_EQ(findRow(row.name), &row);
  }
  EXPECT_EQ(findRow("cpu.conv.u8s3"), nullptr);
}

TEST(KernelTable, PortableServesTheRest) {
  ConvProblem p = conv(Arith::F32, {1, 8, 8, 16}, 16, 3, 1);
  p.in.top = 0;
  std::string why;
  EXPECT_EQ(rowFor(p, &why)->name, "portable.linalg");
  EXPECT_EQ(why, "cpu.conv.f32: the input has a halo of 0, 1, 1, 1 pixels (top, left, bottom, right), the convolution "
                 "reads 1, 1, 1, 1");
}

TEST(KernelTable, KeysDifferInEveryConstant) {
  ConvProblem p = conv(Arith::U8S8, {1, 8, 8, 16}, 16, 3, 1), q = p;
  q.epilogue.nodes[0].a = 4; // another zero point
  EXPECT_NE(kernelKey(p, isas()[0]), kernelKey(q, isas()[0]));
  EXPECT_NE(kernelKey(p, isas()[0]), kernelKey(p, isas()[1]));
  q = p;
  q.groupScale = Elem::F32;
  EXPECT_NE(kernelKey(p, isas()[0]), kernelKey(q, isas()[0]));
}

TEST(KernelTable, Prints) {
  std::string text;
  llvm::raw_string_ostream os(text);
  printKernelTable(os);
  EXPECT_NE(text.find("| `cpu.conv.u8s4` | conv | u8, scale per tensor/row, zero point | s4, scale per "
                      "tensor/channel/block 32 64 128 |"),
            std::string::npos)
      << text;
}
} // namespace
