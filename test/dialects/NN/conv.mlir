// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @two_dimensions
func.func @two_dimensions(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %b: tensor<4xf32>) -> tensor<1x4x4x4xf32> {
  // CHECK: nn.conv %{{.*}}, %{{.*}}, %{{.*}} {dilations = array<i64: 1, 1>, name = "stem", pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  %0 = nn.conv %x, %w, %b {name = "stem", strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>, tensor<4xf32>) -> tensor<1x4x4x4xf32>
  return %0 : tensor<1x4x4x4xf32>
}

// CHECK-LABEL: @depthwise_and_dilated
func.func @depthwise_and_dilated(%x: tensor<2x6x9xf32>, %w: tensor<6x1x3xf32>) -> tensor<2x6x5xf32> {
  // CHECK: nn.conv %{{.*}}, %{{.*}} {{.*}}group = 6 : i64
  %0 = nn.conv %x, %w {group = 6 : i64, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 2>} : (tensor<2x6x9xf32>, tensor<6x1x3xf32>) -> tensor<2x6x5xf32>
  return %0 : tensor<2x6x5xf32>
}

// CHECK-LABEL: @three_dimensions
func.func @three_dimensions(%x: tensor<?x2x4x4x4xf32>, %w: tensor<8x2x2x2x2xf32>) -> tensor<?x8x3x3x3xf32> {
  // CHECK: nn.conv
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1, 1>, pads = array<i64: 0, 0, 0, 0, 0, 0>, dilations = array<i64: 1, 1, 1>} : (tensor<?x2x4x4x4xf32>, tensor<8x2x2x2x2xf32>) -> tensor<?x8x3x3x3xf32>
  return %0 : tensor<?x8x3x3x3xf32>
}

// CHECK-LABEL: @transposed
func.func @transposed(%x: tensor<1x4x5x5xf32>, %w: tensor<4x3x3x3xf32>) -> tensor<1x6x10x10xf32> {
  // CHECK: nn.conv_transpose %{{.*}}, %{{.*}} {{{.*}}output_padding = array<i64: 1, 1>
  %0 = nn.conv_transpose %x, %w {group = 2 : i64, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, output_padding = array<i64: 1, 1>} : (tensor<1x4x5x5xf32>, tensor<4x3x3x3xf32>) -> tensor<1x6x10x10xf32>
  return %0 : tensor<1x6x10x10xf32>
}
