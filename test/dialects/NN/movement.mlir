// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @reorder
func.func @reorder(%x: tensor<2x3x4xf32>, %d: tensor<?x4xf32>) {
  // CHECK: nn.reshape %{{.*}} {name = "flat"} : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  %0 = nn.reshape %x {name = "flat"} : (tensor<2x3x4xf32>) -> tensor<6x4xf32>
  // CHECK: nn.reshape %{{.*}} : (tensor<?x4xf32>) -> tensor<?x2x2xf32>
  %1 = nn.reshape %d : (tensor<?x4xf32>) -> tensor<?x2x2xf32>
  // CHECK: nn.transpose %{{.*}} {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  %2 = nn.transpose %x {perm = array<i64: 2, 0, 1>} : (tensor<2x3x4xf32>) -> tensor<4x2x3xf32>
  // CHECK: nn.expand %{{.*}} : (tensor<2x3x4xf32>) -> tensor<5x2x3x4xf32>
  %3 = nn.expand %x : (tensor<2x3x4xf32>) -> tensor<5x2x3x4xf32>
  return
}

// CHECK-LABEL: @boxes
func.func @boxes(%x: tensor<2x3x10xf32>, %d: tensor<?x10xf32>) {
  // CHECK: nn.slice %{{.*}} {sizes = array<i64: 2, 1, 4>, starts = array<i64: 0, 2, 9>, steps = array<i64: 1, 1, -3>} : (tensor<2x3x10xf32>) -> tensor<2x1x4xf32>
  %0 = nn.slice %x {starts = array<i64: 0, 2, 9>, sizes = array<i64: 2, 1, 4>, steps = array<i64: 1, 1, -3>} : (tensor<2x3x10xf32>) -> tensor<2x1x4xf32>
  // CHECK: nn.slice
  %1 = nn.slice %d {starts = array<i64: 0, 1>, sizes = array<i64: -1, 2>, steps = array<i64: 1, 1>} : (tensor<?x10xf32>) -> tensor<?x2xf32>
  // CHECK: nn.pad %{{.*}} {high = array<i64: 0, 0, -1>, low = array<i64: 0, 2, 1>, mode = #nn<pad_mode reflect>} : (tensor<2x3x10xf32>) -> tensor<2x5x10xf32>
  %2 = nn.pad %x {low = array<i64: 0, 2, 1>, high = array<i64: 0, 0, -1>, mode = #nn<pad_mode reflect>} : (tensor<2x3x10xf32>) -> tensor<2x5x10xf32>
  // CHECK: nn.concat %{{.*}}, %{{.*}} {axis = 1 : i64} : (tensor<2x3x10xf32>, tensor<2x5x10xf32>) -> tensor<2x8x10xf32>
  %3 = nn.concat %x, %2 {axis = 1 : i64} : (tensor<2x3x10xf32>, tensor<2x5x10xf32>) -> tensor<2x8x10xf32>
  return
}

// CHECK-LABEL: @chosen
func.func @chosen(%x: tensor<2x3x10xf32>, %i: tensor<4x5xi64>) {
  // CHECK: nn.gather %{{.*}}, %{{.*}} {axis = 1 : i64} : (tensor<2x3x10xf32>, tensor<4x5xi64>) -> tensor<2x4x5x10xf32>
  %0 = nn.gather %x, %i {axis = 1 : i64} : (tensor<2x3x10xf32>, tensor<4x5xi64>) -> tensor<2x4x5x10xf32>
  // CHECK: nn.resize %{{.*}} {coord = #nn<resize_coord half_pixel>, mode = #nn<resize_mode linear>, scales = array<f64: 1.000000e+00, 1.000000e+00, 2.500000e+00>} : (tensor<2x3x10xf32>) -> tensor<2x3x25xf32>
  %1 = nn.resize %x {scales = array<f64: 1.0, 1.0, 2.5>, mode = #nn<resize_mode linear>, coord = #nn<resize_coord half_pixel>} : (tensor<2x3x10xf32>) -> tensor<2x3x25xf32>
  return
}
