// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: func.func @mean(
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction", "reduction"]}
// CHECK: arith.divf
// CHECK: tensor.expand_shape
func.func @mean(%x: tensor<2x3x4xf32>) -> tensor<2x1x1xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x4xf32>) -> tensor<2x1x1xf32>
  return %0 : tensor<2x1x1xf32>
}

// CHECK-LABEL: func.func @softmax(
// CHECK: arith.maximumf
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
func.func @softmax(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.softmax %x {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// ceil_mode: the last window reads beyond the pads.
// CHECK-LABEL: func.func @max_pool(
// CHECK: %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
// CHECK: tensor.pad %arg0 low[0, 0, 0] high[0, 0, 1]
// CHECK: linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2 * 2 + d3)>, affine_map<(d0, d1, d2, d3) -> (d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>]
// CHECK: arith.maximumf
func.func @max_pool(%x: tensor<1x2x6xf32>) -> tensor<1x2x3xf32> {
  %0 = nn.pool max %x {ceil_mode, kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x2x6xf32>) -> tensor<1x2x3xf32>
  return %0 : tensor<1x2x3xf32>
}

// Padding is not averaged.
// CHECK-LABEL: func.func @average_pool(
// CHECK: arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK: arith.divf
func.func @average_pool(%x: tensor<1x2x3xf32>) -> tensor<1x2x2xf32> {
  %0 = nn.pool avg %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 1>} : (tensor<1x2x3xf32>) -> tensor<1x2x2xf32>
  return %0 : tensor<1x2x2xf32>
}
