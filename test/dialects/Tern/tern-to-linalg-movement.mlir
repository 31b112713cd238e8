// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: func.func @reorder(
// CHECK: tensor.collapse_shape %arg0 {{.*}} into tensor<24xf32>
// CHECK: tensor.expand_shape {{.*}} into tensor<4x6xf32>
// CHECK: linalg.transpose ins(%{{.*}} : tensor<4x6xf32>) outs(%{{.*}} : tensor<6x4xf32>) permutation = [1, 0]
func.func @reorder(%x: tensor<2x3x4xf32>) -> tensor<6x4xf32> {
  %0 = nn.reshape %x : (tensor<2x3x4xf32>) -> tensor<4x6xf32>
  %1 = nn.transpose %0 {perm = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  return %1 : tensor<6x4xf32>
}

// CHECK-LABEL: func.func @boxes(
// CHECK: tensor.extract_slice %arg0[0, 1] [2, 3] [1, 2] : tensor<2x6xf32> to tensor<2x3xf32>
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0] [2, 3] [1, 1]
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 3] [2, 6] [1, 1]
// CHECK: tensor.extract_slice %{{.*}}[0, 1] [2, 8] [1, 1]
// CHECK: tensor.pad %{{.*}} low[0, 0] high[1, 0]
func.func @boxes(%x: tensor<2x6xf32>) -> tensor<3x8xf32> {
  %0 = nn.slice %x {starts = array<i64: 0, 1>, sizes = array<i64: 2, 3>, steps = array<i64: 1, 2>} : (tensor<2x6xf32>) -> tensor<2x3xf32>
  %1 = nn.concat %0, %x {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x6xf32>) -> tensor<2x9xf32>
  %2 = nn.pad %1 {low = array<i64: 0, -1>, high = array<i64: 1, 0>} : (tensor<2x9xf32>) -> tensor<3x8xf32>
  return %2 : tensor<3x8xf32>
}

// Indices along axes of known size are tables, those of a step backwards arithmetic.
// CHECK-LABEL: func.func @tables(
// CHECK: arith.muli
// CHECK: tensor.extract %arg0
// CHECK: arith.constant dense<[0, 0, 1, 1, 2, 2]> : tensor<6xi64>
// CHECK: tensor.extract
// CHECK: arith.constant dense<[1, 0, 1, 2, 3, 4, 5]> : tensor<7xi64>
// CHECK: tensor.extract
func.func @tables(%x: tensor<3xf32>) -> tensor<7xf32> {
  %0 = nn.slice %x {starts = array<i64: 2>, sizes = array<i64: 3>, steps = array<i64: -1>} : (tensor<3xf32>) -> tensor<3xf32>
  %1 = nn.resize %0 {scales = array<f64: 2.0>, mode = #nn<resize_mode nearest>, coord = #nn<resize_coord asymmetric>, nearest = #nn<nearest_mode floor>} : (tensor<3xf32>) -> tensor<6xf32>
  %2 = nn.pad %1 {low = array<i64: 1>, high = array<i64: 0>, mode = #nn<pad_mode reflect>} : (tensor<6xf32>) -> tensor<7xf32>
  return %2 : tensor<7xf32>
}

// CHECK-LABEL: func.func @linear_resize(
// CHECK: arith.constant dense<{{.*}}> : tensor<4x2xi64>
// CHECK: arith.constant dense<{{.*}}> : tensor<4x2xf32>
// CHECK: iterator_types = ["parallel", "parallel", "reduction"]
func.func @linear_resize(%x: tensor<3x2xf32>) -> tensor<3x4xf32> {
  %0 = nn.resize %x {scales = array<f64: 1.0, 2.0>, mode = #nn<resize_mode linear>, coord = #nn<resize_coord half_pixel>} : (tensor<3x2xf32>) -> tensor<3x4xf32>
  return %0 : tensor<3x4xf32>
}

// Negative indices count from the end; nothing outside is read.
// CHECK-LABEL: func.func @gather(
// CHECK: arith.cmpi slt
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: tensor.extract %arg0[%{{.*}}, %{{.*}}] : tensor<2x3xf32>
func.func @gather(%x: tensor<2x3xf32>, %i: tensor<5xi64>) -> tensor<2x5xf32> {
  %0 = nn.gather %x, %i {axis = 1 : i64} : (tensor<2x3xf32>, tensor<5xi64>) -> tensor<2x5xf32>
  return %0 : tensor<2x5xf32>
}
