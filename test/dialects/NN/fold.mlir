// RUN: quant-opt %s --canonicalize --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @relu_twice(
// CHECK-NEXT: %[[R:.*]] = nn.unary relu %arg0
// CHECK-NEXT: return %[[R]]
func.func @relu_twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.unary relu %0 : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @negation_twice(
// CHECK-NEXT: return %arg0
func.func @negation_twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.unary neg %0 : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @neutral_elements(
// CHECK-NEXT: return %arg0, %arg0, %arg1
func.func @neutral_elements(%x: tensor<4xf32>, %i: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xi32>) {
  %one = arith.constant dense<1.0> : tensor<1xf32>
  %zero = arith.constant dense<0> : tensor<4xi32>
  %0 = nn.binary mul %one, %x : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.binary div %x, %one : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  %2 = nn.binary add %i, %zero : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xi32>
}

// A float -0 + 0 is 0, and a broadcast is not an identity.
// CHECK-LABEL: @not_neutral(
// CHECK: nn.binary add
// CHECK: nn.binary mul
func.func @not_neutral(%x: tensor<4xf32>, %y: tensor<1xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %ones = arith.constant dense<1.0> : tensor<4xf32>
  %0 = nn.binary add %x, %zero : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.binary mul %y, %ones : (tensor<1xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @movement(
// CHECK-NEXT: return %arg0, %arg0, %arg0, %arg0, %arg0, %arg0
func.func @movement(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %0 = nn.cast %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %2 = nn.transpose %x {perm = array<i64: 0, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %3 = nn.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: 2, 3>, steps = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %4 = nn.concat %x {axis = 0 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %5 = nn.expand %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0, %1, %2, %3, %4, %5 : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: @chains(
// CHECK-DAG: nn.reshape %arg0 : (tensor<2x3x4xf32>) -> tensor<4x6xf32>
// CHECK-DAG: nn.transpose %arg0 {perm = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
// CHECK: return %{{.*}}, %arg0, %{{.*}}
func.func @chains(%x: tensor<2x3x4xf32>) -> (tensor<4x6xf32>, tensor<2x3x4xf32>, tensor<3x2x4xf32>) {
  %0 = nn.reshape %x : (tensor<2x3x4xf32>) -> tensor<24xf32>
  %1 = nn.reshape %0 : (tensor<24xf32>) -> tensor<4x6xf32>
  %2 = nn.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %3 = nn.transpose %2 {perm = array<i64: 1, 2, 0>} : (tensor<4x2x3xf32>) -> tensor<2x3x4xf32>
  %4 = nn.transpose %2 {perm = array<i64: 2, 1, 0>} : (tensor<4x2x3xf32>) -> tensor<3x2x4xf32>
  return %1, %3, %4 : tensor<4x6xf32>, tensor<2x3x4xf32>, tensor<3x2x4xf32>
}

// CHECK-LABEL: @known_sizes(
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[3, 4]> : tensor<2xi64>
// CHECK-NEXT: return %[[C]]
func.func @known_sizes(%x: tensor<?x3x4xf32>) -> tensor<2xi64> {
  %0 = nn.shape %x {start = 1 : i64} : (tensor<?x3x4xf32>) -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

// A part of unknown size is not the whole.
// CHECK-LABEL: @open_slices(
// CHECK-NEXT: %[[S:.*]] = nn.slice %arg0
// CHECK-NEXT: return %[[S]], %arg0
func.func @open_slices(%x: tensor<?x3xf32> {tern.dims = ["n", ""]}) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %0 = nn.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: -9223372036854775808, 3>, steps = array<i64: 1, 1>, nn.sizes = ["min(3,n)"]} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %1 = nn.slice %x {starts = array<i64: 0, 0>, sizes = array<i64: -1, 3>, steps = array<i64: 1, 1>} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  return %0, %1 : tensor<?x3xf32>, tensor<?x3xf32>
}
