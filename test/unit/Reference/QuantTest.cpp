#include "Harness.h"

using namespace tern::reference;

namespace {
using QuantTest = ReferenceTest;

TEST_F(QuantTest, StaticQuantize) {
  llvm::SmallVector<Value> result = runModule(
      R"(
    func.func @main(%x: tensor<5xf32>, %s: tensor<f32>, %z: tensor<i8>) -> (tensor<5xi8>, tensor<5xf32>) {
      %q = tern.quantize %x, %s, %z : (tensor<5xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<5xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %c, %sc, %zc = tern.unbundle %q : (!tern.quant<5xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> (tensor<5xi8>, tensor<f32>, tensor<i8>)
      %d = tern.dequantize %q : (!tern.quant<5xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<5xf32>
      return %c, %d : tensor<5xi8>, tensor<5xf32>
    })",
      {tensor("tensor<5xf32>", {-100, 0, 0.25, 0.75, 1000}), tensor("tensor<f32>", {0.5}), tensor("tensor<i8>", {10})});
  ASSERT_EQ(result.size(), 2u);
  // Ties to even: 0.5 -> 0, 1.5 -> 2. 255 is -1 as a plain plane.
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({0, 10, 10, 12, -1}));
  EXPECT_EQ(toReals(asTensor(result[1])), Numbers({-5, 0, 0, 1, 122.5}));
}

TEST_F(QuantTest, BuffersOfALayout) {
  // One block of ggml's q8_0: f16 2.0, then 32 signed bytes.
  std::vector<double> block = {0x00, 0x40}, wanted;
  for (int i = 0; i < 32; ++i) {
    block.push_back(i - 16);
    wanted.push_back(2 * (i - 16));
  }
  llvm::SmallVector<Value> result = runModule(R"(
    func.func @main(%b: tensor<1x34xi8>) -> tensor<1x32xf32> {
      %q = tern.bundle %b : (tensor<1x34xi8>) -> !tern.quant<1x32xf32, #tern.format<si8, scale<f16, [1, 32]>>, #tern.ggml<q8_0>>
      %d = tern.dequantize %q : (!tern.quant<1x32xf32, #tern.format<si8, scale<f16, [1, 32]>>, #tern.ggml<q8_0>>) -> tensor<1x32xf32>
      return %d : tensor<1x32xf32>
    })",
                                              {tensor("tensor<1x34xi8>", block)});
  ASSERT_EQ(result.size(), 1u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers(wanted));
}

TEST_F(QuantTest, UnionsPairsAndPowersOfTwo) {
  // An outlier beside its victim; the value of minus zero that the select plane chooses; 2^-code.
  llvm::SmallVector<Value> result =
      runModule(R"(
    func.func @main(%x: tensor<4xf32>, %p: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
      %a = tern.quantize %x by <absmax> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>>>
      %b = tern.quantize %x by <absmax> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<#tern.bitmod<4>, select<ui2>, scale<f32>>>
      %c = tern.quantize %p by <absmax> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<#tern.pot<4>>>
      %da = tern.dequantize %a : (!tern.quant<4xf32, #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>>>) -> tensor<4xf32>
      %db = tern.dequantize %b : (!tern.quant<4xf32, #tern.format<#tern.bitmod<4>, select<ui2>, scale<f32>>>) -> tensor<4xf32>
      %dc = tern.dequantize %c : (!tern.quant<4xf32, #tern.format<#tern.pot<4>>>) -> tensor<4xf32>
      return %da, %db, %dc : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
    })",
                {tensor("tensor<4xf32>", {3, 16, -4, 2}), tensor("tensor<4xf32>", {1, 0.3, 0.1, 0})});
  ASSERT_EQ(result.size(), 3u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({0, 16, -4, 2}));
  EXPECT_EQ(toReals(asTensor(result[1])), Numbers({3, 16, -4, 2}));
  EXPECT_EQ(toReals(asTensor(result[2])), Numbers({1, 0.25, 0.125, 0.000030517578125}));
}

TEST_F(QuantTest, DynamicQuantizePerRow) {
  llvm::SmallVector<Value> result = runModule(R"(
    func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x2xi8>, tensor<2x1xf32>) {
      %q = tern.quantize %x by <absmax, -127 to 127> : (tensor<2x2xf32>) -> !tern.quant<2x2xf32, #tern.format<si8, scale<f32, [1, *]>>>
      %c, %s = tern.unbundle %q : (!tern.quant<2x2xf32, #tern.format<si8, scale<f32, [1, *]>>>) -> (tensor<2x2xi8>, tensor<2x1xf32>)
      return %c, %s : tensor<2x2xi8>, tensor<2x1xf32>
    })",
                                              {tensor("tensor<2x2xf32>", {127, -63.5, 2.54, 1.27})});
  ASSERT_EQ(result.size(), 2u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({127, -64, 127, 64}));
  expectNear(toReals(asTensor(result[1])), {1, 0.02});
}

TEST_F(QuantTest, IntegerMatmulAppliesZeros) {
  llvm::SmallVector<Value> result =
      runModule(R"(
    func.func @main(%x: tensor<1x2xi8>, %w: tensor<2x2xi8>, %sx: tensor<f32>, %zx: tensor<i8>, %sw: tensor<2x1xf32>, %b: tensor<2xi32>) -> tensor<1x2xi32> {
      %xq = tern.bundle %x, %sx, %zx : (tensor<1x2xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %wq = tern.bundle %w, %sw : (tensor<2x2xi8>, tensor<2x1xf32>) -> !tern.quant<2x2xf32, #tern.format<si8, scale<f32, [1, *]>>>
      %y = tern.matmul %xq, %wq, %b : (!tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<2x2xf32, #tern.format<si8, scale<f32, [1, *]>>>, tensor<2xi32>) -> tensor<1x2xi32>
      return %y : tensor<1x2xi32>
    })",
                {tensor("tensor<1x2xi8>", {-56, 128 - 256}), tensor("tensor<2x2xi8>", {1, 2, -3, 4}),
                 tensor("tensor<f32>", {0.1}), tensor("tensor<i8>", {128 - 256}), tensor("tensor<2x1xf32>", {1, 1}),
                 tensor("tensor<2xi32>", {1000, 0})});
  ASSERT_EQ(result.size(), 1u);
  // x codes 200 and 128 with zero point 128: 72 and 0.
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({1072, -216}));
}

TEST_F(QuantTest, WeightOnlyMatmulInGroups) {
  llvm::SmallVector<Value> result =
      runModule(R"(
    func.func @main(%x: tensor<1x4xf32>, %w: tensor<1x2xi8>, %sw: tensor<1x2xf32>) -> tensor<1x1xf32> {
      %wq = tern.bundle %w, %sw : (tensor<1x2xi8>, tensor<1x2xf32>) -> !tern.quant<1x4xf32, #tern.format<si4, scale<f32, [1, 2]>>>
      %y = tern.matmul %x, %wq : (tensor<1x4xf32>, !tern.quant<1x4xf32, #tern.format<si4, scale<f32, [1, 2]>>>) -> tensor<1x1xf32>
      return %y : tensor<1x1xf32>
    })",
                {tensor("tensor<1x4xf32>", {1, 10, 100, 1000}),
                 // codes 1, 2, -1, 7: LSB first.
                 tensor("tensor<1x2xi8>", {0x21, 0x7f}), tensor("tensor<1x2xf32>", {1, 0.5})});
  ASSERT_EQ(result.size(), 1u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({1 + 20 - 50 + 3500}));
}

TEST_F(QuantTest, ConvPadsWithTheZeroPoint) {
  llvm::SmallVector<Value> result =
      runModule(R"(
    func.func @main(%x: tensor<1x1x2xi8>, %w: tensor<1x1x3xi8>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<1x1x2xi32> {
      %xq = tern.bundle %x, %s, %z : (tensor<1x1x2xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %wq = tern.bundle %w, %s : (tensor<1x1x3xi8>, tensor<f32>) -> !tern.quant<1x1x3xf32, #tern.format<si8, scale<f32>>>
      %y = tern.conv %xq, %wq {strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>} : (!tern.quant<1x1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<1x1x3xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x1x2xi32>
      return %y : tensor<1x1x2xi32>
    })",
                {tensor("tensor<1x1x2xi8>", {7, 9}), tensor("tensor<1x1x3xi8>", {1, 10, 100}),
                 tensor("tensor<f32>", {1}), tensor("tensor<i8>", {5})});
  ASSERT_EQ(result.size(), 1u);
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({420, 42}));
}

TEST_F(QuantTest, RequantizeTwoTerms) {
  llvm::SmallVector<Value> result =
      runModule(R"(
    func.func @main(%a: tensor<1x2x2xi32>, %m: tensor<2x1xf32>, %r: tensor<1x2x2xi8>, %n: tensor<f32>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<1x2x2xi8> {
      %rq = tern.bundle %r, %s, %z : (tensor<1x2x2xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x2x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %q = tern.requantize %a, %rq by %m, %n to %s, %z {lo = 10 : i64, hi = 255 : i64} : (tensor<1x2x2xi32>, !tern.quant<1x2x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, tensor<2x1xf32>, tensor<f32>, tensor<f32>, tensor<i8>) -> !tern.quant<1x2x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
      %c, %s1, %z1 = tern.unbundle %q : (!tern.quant<1x2x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> (tensor<1x2x2xi8>, tensor<f32>, tensor<i8>)
      return %c : tensor<1x2x2xi8>
    })",
                {tensor("tensor<1x2x2xi32>", {5, 100, -1000, 20}), tensor("tensor<2x1xf32>", {0.5, 2}),
                 tensor("tensor<1x2x2xi8>", {10, 10, 10, 13}), tensor("tensor<f32>", {3}), tensor("tensor<f32>", {1}),
                 tensor("tensor<i8>", {10})});
  ASSERT_EQ(result.size(), 1u);
  // 2.5 -> 2; 50; below lo; 40 + 9.
  EXPECT_EQ(toReals(asTensor(result[0])), Numbers({12, 60, 10, 59}));
}
} // namespace
