// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @max
func.func @max(%x: tensor<1x4x8x8xi8>) -> tensor<1x4x4x4xi8> {
  // CHECK: nn.pool max %{{.*}} {dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}
  %0 = nn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x8x8xi8>) -> tensor<1x4x4x4xi8>
  return %0 : tensor<1x4x4x4xi8>
}

// ceil((6 - 3) / 2) + 1 = 3 windows: the third starts inside the input.
// CHECK-LABEL: @ceil_mode
func.func @ceil_mode(%x: tensor<1x1x6xf32>) -> tensor<1x1x3xf32> {
  // CHECK: nn.pool avg %{{.*}} {ceil_mode, count_include_pad
  %0 = nn.pool avg %x {ceil_mode, count_include_pad, kernel = array<i64: 3>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x1x6xf32>) -> tensor<1x1x3xf32>
  return %0 : tensor<1x1x3xf32>
}

// ceil((2 + 1 - 2) / 3) + 1 = 2, but the second window would start at 3, in the high padding.
// CHECK-LABEL: @ceil_mode_starts_inside
func.func @ceil_mode_starts_inside(%x: tensor<1x1x2xf32>) -> tensor<1x1x1xf32> {
  // CHECK: nn.pool lp
  %0 = nn.pool lp %x {p = 3 : i64, ceil_mode, kernel = array<i64: 2>, strides = array<i64: 3>, pads = array<i64: 0, 1>, dilations = array<i64: 1>} : (tensor<1x1x2xf32>) -> tensor<1x1x1xf32>
  return %0 : tensor<1x1x1xf32>
}
