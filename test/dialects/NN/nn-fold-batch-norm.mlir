// RUN: quant-opt %s --nn-fold-batch-norm | FileCheck %s

// CHECK-LABEL: func.func @conv
// CHECK-DAG:     %[[V:.*]] = nn.binary add %{{.*}}, %{{.*}} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
// CHECK:         %[[D:.*]] = nn.unary sqrt %[[V]]
// CHECK:         %[[K:.*]] = nn.binary div %{{.*}}, %[[D]]
// CHECK:         %[[M:.*]] = nn.binary mul %{{.*}}, %[[K]]
// CHECK:         %[[S:.*]] = nn.binary sub %{{.*}}, %[[M]]
// CHECK:         %[[F:.*]] = nn.reshape %[[K]] : (tensor<2xf32>) -> tensor<2x1x1x1xf32>
// CHECK:         %[[W:.*]] = nn.binary mul %{{.*}}, %[[F]] : (tensor<2x3x1x1xf32>, tensor<2x1x1x1xf32>) -> tensor<2x3x1x1xf32>
// CHECK:         %[[BK:.*]] = nn.binary mul %{{.*}}, %[[K]]
// CHECK:         %[[B:.*]] = nn.binary add %[[BK]], %[[S]]
// CHECK:         %[[Y:.*]] = nn.conv %arg0, %[[W]], %[[B]] {{.*}}name = "c"
// CHECK-NOT:     nn.batch_norm
// CHECK:         return %[[Y]]
func.func @conv(%x: tensor<1x3x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = arith.constant dense<0.5> : tensor<2x3x1x1xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %g = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %v = arith.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %c = nn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %y = nn.batch_norm %c, %g, %b, %b, %v {epsilon = 1.0e-3 : f32, name = "bn"} : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// A convolution that somebody else reads keeps its weight.
// CHECK-LABEL: func.func @two_users
// CHECK:         %[[C:.*]] = nn.conv %arg0, %{{[^,]*}} {
// CHECK:         %[[P:.*]] = nn.binary mul %[[C]]
// CHECK:         %[[Y:.*]] = nn.binary add %[[P]], %{{.*}} {name = "bn"}
// CHECK:         return %[[C]], %[[Y]]
func.func @two_users(%x: tensor<1x3x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %w = arith.constant dense<0.5> : tensor<2x3x1x1xf32>
  %g = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<1x2x4x4xf32>
  %y = nn.batch_norm %c, %g, %g, %g, %g {epsilon = 1.0e-3 : f32, name = "bn"} : (tensor<1x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %c, %y : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// conv_transpose: the output channels are axis 1 of the weight, in blocks of a group.
// CHECK-LABEL: func.func @transposed
// CHECK:         %[[W:.*]] = nn.reshape %{{.*}} : (tensor<4x2x3x3xf32>) -> tensor<2x2x2x3x3xf32>
// CHECK:         %[[F:.*]] = nn.reshape %{{.*}} : (tensor<4x1x1xf32>) -> tensor<2x1x2x1x1xf32>
// CHECK:         %[[S:.*]] = nn.binary mul %[[W]], %[[F]]
// CHECK:         %[[R:.*]] = nn.reshape %[[S]] : (tensor<2x2x2x3x3xf32>) -> tensor<4x2x3x3xf32>
// CHECK:         nn.conv_transpose %arg0, %[[R]]
func.func @transposed(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x6x6xf32> {
  %w = arith.constant dense<0.5> : tensor<4x2x3x3xf32>
  %k = arith.constant dense<[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]> : tensor<4x1x1xf32>
  %c = nn.conv_transpose %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, output_padding = array<i64: 0, 0>, group = 2 : i64, name = "t"} : (tensor<1x4x4x4xf32>, tensor<4x2x3x3xf32>) -> tensor<1x4x6x6xf32>
  %y = nn.binary mul %c, %k : (tensor<1x4x6x6xf32>, tensor<4x1x1xf32>) -> tensor<1x4x6x6xf32>
  return %y : tensor<1x4x6x6xf32>
}

// matmul + [N] -> bias; a constant along the rows stays.
// CHECK-LABEL: func.func @matmul
// CHECK:         %[[M:.*]] = nn.matmul %arg0, %{{.*}}, %{{.*}} {name = "fc"} : (tensor<2x3xf32>, tensor<3x2xf32>, tensor<2xf32>)
// CHECK:         nn.binary add %[[M]], %{{.*}} : (tensor<2x2xf32>, tensor<2x1xf32>)
func.func @matmul(%x: tensor<2x3xf32>) -> tensor<2x2xf32> {
  %w = arith.constant dense<0.5> : tensor<3x2xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %r = arith.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %m = nn.matmul %x, %w {name = "fc"} : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  %a = nn.binary add %b, %m : (tensor<2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
  %y = nn.binary add %a, %r : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  return %y : tensor<2x2xf32>
}

// A bias in the shape of heads, as an Einsum of Keras leaves it, is one for each output; so is one behind a batch that comes back.
// CHECK-LABEL: func.func @matmul_heads
// CHECK:         %[[B:.*]] = nn.reshape %{{.*}} : (tensor<2x3xf32>) -> tensor<6xf32>
// CHECK:         %[[M:.*]] = nn.matmul %arg0, %{{.*}}, %[[B]] {name = "fc"} : (tensor<1x4x5xf32>, tensor<5x6xf32>, tensor<6xf32>)
// CHECK-NEXT:    %[[Y:.*]] = nn.reshape %[[M]] {name = "y"} : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @matmul_heads(%x: tensor<1x4x5xf32>) -> tensor<1x4x2x3xf32> {
  %w = arith.constant dense<0.5> : tensor<5x6xf32>
  %b = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %m = nn.matmul %x, %w {name = "fc"} : (tensor<1x4x5xf32>, tensor<5x6xf32>) -> tensor<1x4x6xf32>
  %r = nn.reshape %m {name = "r"} : (tensor<1x4x6xf32>) -> tensor<1x4x2x3xf32>
  %y = nn.binary add %r, %b {name = "y"} : (tensor<1x4x2x3xf32>, tensor<2x3xf32>) -> tensor<1x4x2x3xf32>
  return %y : tensor<1x4x2x3xf32>
}

// CHECK-LABEL: func.func @matmul_batch
// CHECK:         %[[M:.*]] = nn.matmul %arg0, %{{.*}}, %{{.*}} {name = "fc"} : (tensor<?x5xf32>, tensor<5x6xf32>, tensor<6xf32>)
// CHECK-NEXT:    %[[Y:.*]] = nn.reshape %[[M]] {nn.sizes = ["batch"]} : (tensor<?x6xf32>) -> tensor<?x4x6xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @matmul_batch(%x: tensor<?x5xf32>) -> tensor<?x4x6xf32> {
  %w = arith.constant dense<0.5> : tensor<5x6xf32>
  %k = arith.constant dense<2.0> : tensor<6xf32>
  %b = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]> : tensor<1x6xf32>
  %m = nn.matmul %x, %w {name = "fc"} : (tensor<?x5xf32>, tensor<5x6xf32>) -> tensor<?x6xf32>
  %r = nn.reshape %m {nn.sizes = ["batch"]} : (tensor<?x6xf32>) -> tensor<?x4x6xf32>
  %s = nn.binary mul %r, %k : (tensor<?x4x6xf32>, tensor<6xf32>) -> tensor<?x4x6xf32>
  %y = nn.binary add %s, %b : (tensor<?x4x6xf32>, tensor<1x6xf32>) -> tensor<?x4x6xf32>
  return %y : tensor<?x4x6xf32>
}
