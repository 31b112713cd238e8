// RUN: quant-opt %s --nn-fold-pads | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK-NOT:     nn.pad
// CHECK:         nn.conv %arg0, %{{.*}} pads = array<i64: 1, 2, 3, 5>
func.func @conv(%x: tensor<1x3x4x4xf32>) -> tensor<1x2x8x10xf32> {
  %w = arith.constant dense<0.5> : tensor<2x3x1x1xf32>
  %p = nn.pad %x {low = array<i64: 0, 0, 1, 2>, high = array<i64: 0, 0, 3, 4>} : (tensor<1x3x4x4xf32>) -> tensor<1x3x8x10xf32>
  %y = nn.conv %p, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x10xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x8x11xf32>
  %z = nn.slice %y {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 2, 8, 10>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x2x8x11xf32>) -> tensor<1x2x8x10xf32>
  return %z : tensor<1x2x8x10xf32>
}

// Ones do not pad like zeros; channels are not padded by a convolution.
// CHECK-LABEL: func.func @kept
// CHECK:         nn.pad
// CHECK:         nn.conv
// CHECK:         nn.pad
// CHECK:         nn.conv
func.func @kept(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x6x6xf32>, tensor<1x2x4x4xf32>) {
  %w = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %w3 = arith.constant dense<0.5> : tensor<2x3x1x1xf32>
  %p = nn.pad %x {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>, value = 1.0 : f64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x6x6xf32>
  %y = nn.conv %p, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x6x6xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x6x6xf32>
  %q = nn.pad %x {low = array<i64: 0, 1, 0, 0>, high = array<i64: 0, 0, 0, 0>} : (tensor<1x2x4x4xf32>) -> tensor<1x3x4x4xf32>
  %z = nn.conv %q, %w3 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x4x4xf32>
  return %y, %z : tensor<1x2x6x6xf32>, tensor<1x2x4x4xf32>
}

// CHECK-LABEL: func.func @pools
// CHECK:         nn.pool max %{{.*}}pads = array<i64: 1, 1, 1, 1>
// CHECK:         %[[P:.*]] = nn.pad
// CHECK:         nn.pool avg %arg0 {count_include_pad{{.*}}pads = array<i64: 1, 1, 1, 1>
// CHECK:         nn.pool max %[[P]]
func.func @pools(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %r = nn.unary relu %x : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %p = nn.pad %r {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x6x6xf32>
  %a = nn.pool max %p {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x6x6xf32>) -> tensor<1x2x4x4xf32>
  %q = nn.pad %x {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x2x6x6xf32>
  %b = nn.pool avg %q {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x6x6xf32>) -> tensor<1x2x4x4xf32>
  %c = nn.pool max %q {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x6x6xf32>) -> tensor<1x2x4x4xf32>
  return %a, %b, %c : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}
