// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: func.func @matmul(
// CHECK: %[[START:.*]] = linalg.generic {{.*}} ins(%arg2 : tensor<5xf32>)
// CHECK: linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d2)>, affine_map<(d0, d1, d2) -> (d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%arg0, %arg1 : {{.*}}) outs(%[[START]]
func.func @matmul(%x: tensor<3x7xf32>, %w: tensor<5x7xf32>, %b: tensor<5xf32>) -> tensor<3x5xf32> {
  %0 = nn.matmul %x, %w, %b {transpose_b} : (tensor<3x7xf32>, tensor<5x7xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}

// CHECK-LABEL: func.func @conv(
// CHECK: tensor.pad %arg0 low[0, 0, 1, 1] high[0, 0, 1, 0]
// CHECK: linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5, d3 + d6 * 2)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>, affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
func.func @conv(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x2xf32>) -> tensor<1x4x4x7xf32> {
  %0 = nn.conv %x, %w {strides = array<i64: 2, 1>, pads = array<i64: 1, 1, 1, 0>, dilations = array<i64: 1, 2>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x2xf32>) -> tensor<1x4x4x7xf32>
  return %0 : tensor<1x4x4x7xf32>
}

// The group is a dimension of its own.
// CHECK-LABEL: func.func @depthwise(
// CHECK: tensor.expand_shape %{{.*}} : tensor<{{.*}}xf32> into tensor<1x4x1x8xf32>
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<1x4x1x8xf32>, tensor<4x1x1x3xf32>) outs(%{{.*}} : tensor<1x4x1x6xf32>)
func.func @depthwise(%x: tensor<1x4x8xf32>, %w: tensor<4x1x3xf32>) -> tensor<1x4x6xf32> {
  %0 = nn.conv %x, %w {group = 4 : i64, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x4x8xf32>, tensor<4x1x3xf32>) -> tensor<1x4x6xf32>
  return %0 : tensor<1x4x6xf32>
}

// Zeros between the elements, then a convolution with the flipped kernel.
// CHECK-LABEL: func.func @transposed(
// CHECK: tensor.insert_slice %arg0 into %{{.*}}[0, 0, 0] [1, 4, 5] [1, 1, 2] : tensor<1x4x5xf32> into tensor<1x4x9xf32>
// CHECK: tensor.extract %arg1
// CHECK: tensor.pad %{{.*}} low[0, 0, 1] high[0, 0, 2]
func.func @transposed(%x: tensor<1x4x5xf32>, %w: tensor<4x3x3xf32>) -> tensor<1x3x10xf32> {
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, output_padding = array<i64: 1>} : (tensor<1x4x5xf32>, tensor<4x3x3xf32>) -> tensor<1x3x10xf32>
  return %0 : tensor<1x3x10xf32>
}
