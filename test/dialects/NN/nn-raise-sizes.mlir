// RUN: quant-opt %s --nn-raise | FileCheck %s

// Sizes that are recorded are compared as texts, and those of reshapes that raising makes are recorded.

// CHECK-LABEL: func.func @batch_and_heads(
// CHECK: %[[M:.*]] = nn.reshape %arg3 {nn.sizes = ["b", "s", "t"]} : (tensor<?x?x?xf32>) -> tensor<?x4x?x?xf32>
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %[[M]] {scale = 1.000000e+00 : f32}
func.func @batch_and_heads(%q: tensor<?x4x?x8xf32> {tern.dims = ["b", "", "s", ""]}, %k: tensor<?x4x?x8xf32> {tern.dims = ["b", "", "t", ""]},
    %v: tensor<?x4x?x8xf32> {tern.dims = ["b", "", "t", ""]}, %m: tensor<?x?x?xf32> {tern.dims = ["4*b", "s", "t"]}) -> tensor<?x4x?x8xf32> {
  %q1 = nn.reshape %q {nn.sizes = ["4*b", "s"]} : (tensor<?x4x?x8xf32>) -> tensor<?x?x8xf32>
  %k1 = nn.reshape %k {nn.sizes = ["4*b", "t"]} : (tensor<?x4x?x8xf32>) -> tensor<?x?x8xf32>
  %v1 = nn.reshape %v {nn.sizes = ["4*b", "t"]} : (tensor<?x4x?x8xf32>) -> tensor<?x?x8xf32>
  %s = nn.matmul %q1, %k1 {transpose_b, nn.sizes = ["4*b", "s", "t"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x?xf32>
  %a = nn.binary add %s, %m {nn.sizes = ["4*b", "s", "t"]} : (tensor<?x?x?xf32>, tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %p = nn.softmax %a {axis = 2 : i64, nn.sizes = ["4*b", "s", "t"]} : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %y = nn.matmul %p, %v1 {nn.sizes = ["4*b", "s"]} : (tensor<?x?x?xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %r = nn.reshape %y {nn.sizes = ["b", "s"]} : (tensor<?x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %r : tensor<?x4x?x8xf32>
}

// A reshape that exchanges two sizes is no reshape by dimensions of one.
// CHECK-LABEL: func.func @exchanged(
// CHECK-NOT: nn.layer_norm
// CHECK: return
func.func @exchanged(%x: tensor<?x?x8xf32> {tern.dims = ["a", "b", ""]}) -> tensor<?x?x8xf32> {
  %e = arith.constant dense<1.0e-5> : tensor<f32>
  %m = nn.reduce mean %x {axes = array<i64: 2>, nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>) -> tensor<?x?xf32>
  %m1 = nn.reshape %m {nn.sizes = ["b", "a"]} : (tensor<?x?xf32>) -> tensor<?x?x1xf32>
  %d = nn.binary sub %x, %m1 {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %s = nn.binary mul %d, %d {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %v = nn.reduce mean %s {axes = array<i64: 2>, keepdims, nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %w = nn.binary add %v, %e {nn.sizes = ["a", "b"]} : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %r = nn.unary sqrt %w {nn.sizes = ["a", "b"]} : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %y = nn.binary div %d, %r {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// CHECK-LABEL: func.func @dropped(
// CHECK: nn.layer_norm %arg0 {axis = 2 : i64
func.func @dropped(%x: tensor<?x?x8xf32> {tern.dims = ["a", "b", ""]}) -> tensor<?x?x8xf32> {
  %e = arith.constant dense<1.0e-5> : tensor<f32>
  %m = nn.reduce mean %x {axes = array<i64: 2>, nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>) -> tensor<?x?xf32>
  %m1 = nn.reshape %m {nn.sizes = ["a", "b"]} : (tensor<?x?xf32>) -> tensor<?x?x1xf32>
  %d = nn.binary sub %x, %m1 {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %s = nn.binary mul %d, %d {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %v = nn.reduce mean %s {axes = array<i64: 2>, keepdims, nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %w = nn.binary add %v, %e {nn.sizes = ["a", "b"]} : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %r = nn.unary sqrt %w {nn.sizes = ["a", "b"]} : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %y = nn.binary div %d, %r {nn.sizes = ["a", "b"]} : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
