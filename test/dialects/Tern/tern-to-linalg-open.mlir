// RUN: quant-opt %s --tern-to-linalg | FileCheck %s

// Sizes that operands do not tell are arithmetic on the sizes of the arguments.
// CHECK-LABEL: func.func @reshape(
// CHECK-SAME: %[[X:.*]]: tensor<?x?x3xf32>
// CHECK-DAG: %[[A:.*]] = tensor.dim %[[X]], %c0
// CHECK: %[[SIZE:.*]] = arith.muli %{{.*}}, %{{.*}} : index
// CHECK: tensor.collapse_shape
// CHECK: tensor.expand_shape %{{.*}} output_shape [%{{.*}}, %{{.*}}] : tensor<?xf32> into tensor<?x?xf32>
func.func @reshape(%x: tensor<?x?x3xf32> {tern.dims = ["a", "b", ""]}) -> tensor<?x?xf32> {
  %0 = nn.reshape %x {nn.sizes = ["b", "3*a"]} : (tensor<?x?x3xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @mean(
// CHECK: linalg.generic
// CHECK: %[[N:.*]] = arith.index_cast %{{.*}} : index to i64
// CHECK: arith.sitofp %[[N]] : i64 to f32
// CHECK: arith.divf
func.func @mean(%x: tensor<2x?xf32>) -> tensor<2xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 1>} : (tensor<2x?xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// Padding positions along an open axis are computed.
// CHECK-LABEL: func.func @reflect(
// CHECK: tensor.dim
// CHECK: arith.remsi
// CHECK: tensor.extract %arg0
func.func @reflect(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = nn.pad %x {low = array<i64: 1>, high = array<i64: 2>, mode = #nn<pad_mode reflect>} : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
