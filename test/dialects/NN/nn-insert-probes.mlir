// RUN: quant-opt %s --nn-insert-probes | FileCheck %s

// What a quantizable op reads is probed where it is defined, through moves; values that share a scale carry one name.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    tern.name = "x", tern.probe = "x"
// CHECK:         nn.conv {{.*}}name = "c1"
// CHECK-NOT:     tern.probe
// CHECK:         nn.unary relu {{.*}}name = "relu1", tern.probe = "relu1"
// CHECK:         nn.unary sigmoid {{.*}}name = "sig", tern.probe = "relu1"
// CHECK:         nn.concat
// CHECK-NOT:     tern.probe
// CHECK:         nn.pool max
// CHECK-NOT:     tern.probe
// CHECK:         nn.conv {{.*}}name = "c2"
// CHECK-NOT:     tern.probe
func.func @main(%x: tensor<1x2x4x4xf32> {tern.name = "x"}) -> tensor<1x2x4x4xf32> {
  %w1 = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %w2 = arith.constant dense<0.5> : tensor<2x4x1x1xf32>
  %c = nn.conv %x, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c1"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %r = nn.unary relu %c {name = "relu1"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %s = nn.unary sigmoid %r {name = "sig"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %k = nn.concat %r, %s {axis = 1 : i64} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x4x4x4xf32>
  %p = nn.pool max %k {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "pool"} : (tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %y = nn.conv %p, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c2"} : (tensor<1x4x4x4xf32>, tensor<2x4x1x1xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}
