// RUN: quant-opt %s --nn-sink-transposes | FileCheck %s

// NHWC -> NCHW and back around elementwise ops, a pad and a channel constant: nothing is left.
// CHECK-LABEL: func.func @cancels
// CHECK-NOT:     nn.transpose
// CHECK:         %[[B:.*]] = nn.binary add %arg0, %{{.*}} : (tensor<1x2x4x3xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x3xf32>
// CHECK:         %[[P:.*]] = nn.pad %[[B]] {high = array<i64: 0, 0, 1, 2>, low = array<i64: 0, 0, 0, 0>}
// CHECK:         %[[R:.*]] = nn.unary relu %[[P]]
// CHECK-NOT:     nn.transpose
// CHECK:         return %[[R]]
func.func @cancels(%x: tensor<1x2x4x3xf32>) -> tensor<1x2x5x5xf32> {
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x4x3xf32>) -> tensor<1x4x3x2xf32>
  %b = nn.binary add %t, %c : (tensor<1x4x3x2xf32>, tensor<2xf32>) -> tensor<1x4x3x2xf32>
  %p = nn.pad %b {low = array<i64: 0, 0, 0, 0>, high = array<i64: 0, 1, 2, 0>} : (tensor<1x4x3x2xf32>) -> tensor<1x5x5x2xf32>
  %r = nn.unary relu %p : (tensor<1x5x5x2xf32>) -> tensor<1x5x5x2xf32>
  %y = nn.transpose %r {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x5x5x2xf32>) -> tensor<1x2x5x5xf32>
  return %y : tensor<1x2x5x5xf32>
}

// CHECK-LABEL: func.func @concat
// CHECK:         %[[C:.*]] = nn.concat %arg0, %arg1 {axis = 1 : i64} : (tensor<1x2x4x4xf32>, tensor<1x3x4x4xf32>) -> tensor<1x5x4x4xf32>
// CHECK-NEXT:    return %[[C]]
func.func @concat(%x: tensor<1x2x4x4xf32>, %z: tensor<1x3x4x4xf32>) -> tensor<1x5x4x4xf32> {
  %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x4x4x2xf32>
  %u = nn.transpose %z {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x3x4x4xf32>) -> tensor<1x4x4x3xf32>
  %c = nn.concat %t, %u {axis = 3 : i64} : (tensor<1x4x4x2xf32>, tensor<1x4x4x3xf32>) -> tensor<1x4x4x5xf32>
  %y = nn.transpose %c {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x5xf32>) -> tensor<1x5x4x4xf32>
  return %y : tensor<1x5x4x4xf32>
}

// A mean over height and width: what stays is in order.
// CHECK-LABEL: func.func @reduce
// CHECK-NEXT:    %[[R:.*]] = nn.reduce mean %arg0 {axes = array<i64: 2, 3>, name = "gap"} : (tensor<1x2x4x4xf32>) -> tensor<1x2xf32>
// CHECK-NEXT:    return %[[R]]
func.func @reduce(%x: tensor<1x2x4x4xf32>) -> tensor<1x2xf32> {
  %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x4x4x2xf32>
  %r = nn.reduce mean %t {axes = array<i64: 1, 2>, name = "gap"} : (tensor<1x4x4x2xf32>) -> tensor<1x2xf32>
  return %r : tensor<1x2xf32>
}

// Dimensions of size 1 move without moving elements; a gate follows the transpose of what it gates.
// CHECK-LABEL: func.func @gate
// CHECK:         %[[M:.*]] = nn.binary mul %arg0, %arg1 : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>)
// CHECK-NEXT:    return %[[M]]
func.func @gate(%x: tensor<1x2x4x4xf32>, %g: tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32> {
  %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x4x4x2xf32>
  %h = nn.transpose %g {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x1x1xf32>) -> tensor<1x1x1x2xf32>
  %m = nn.binary mul %t, %h : (tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32>) -> tensor<1x4x4x2xf32>
  %y = nn.transpose %m {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x2xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// A transpose that the results need anyway does not get a second one.
// CHECK-LABEL: func.func @kept
// CHECK:         %[[T:.*]] = nn.transpose %arg0
// CHECK:         %[[R:.*]] = nn.unary relu %[[T]]
// CHECK:         return %[[T]], %[[R]]
func.func @kept(%x: tensor<1x2x4x4xf32>) -> (tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>) {
  %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x2x4x4xf32>) -> tensor<1x4x4x2xf32>
  %r = nn.unary relu %t : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  return %t, %r : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>
}

// The texts of open sizes and starts move with their axes.
// CHECK-LABEL: func.func @open
// CHECK:         nn.slice %arg0 {nn.sizes = ["h", "w-a"], nn.starts = ["a"], sizes = array<i64: 4, -1, -9223372036854775808>, starts = array<i64: 0, 0, -9223372036854775808>, {{.*}}} : (tensor<4x?x?xf32>) -> tensor<4x?x?xf32>
func.func @open(%x: tensor<4x?x?xf32> {tern.dims = ["", "h", "w"]}) -> tensor<4x?x?xf32> {
  %t = nn.transpose %x {nn.sizes = ["w", "h"], perm = array<i64: 0, 2, 1>} : (tensor<4x?x?xf32>) -> tensor<4x?x?xf32>
  %s = nn.slice %t {nn.sizes = ["w-a", "h"], nn.starts = ["a"], sizes = array<i64: 4, -9223372036854775808, -1>, starts = array<i64: 0, -9223372036854775808, 0>, steps = array<i64: 1, 1, 1>} : (tensor<4x?x?xf32>) -> tensor<4x?x?xf32>
  return %s : tensor<4x?x?xf32>
}
