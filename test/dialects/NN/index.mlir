// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @choose
func.func @choose(%x: tensor<2x?xf32>) -> (tensor<2xi64>, tensor<2x3xf32>, tensor<2x3xi64>) {
  // CHECK: nn.arg_reduce max %{{.*}} {axis = 1 : i64, select_last}
  %0 = nn.arg_reduce max %x {axis = 1 : i64, select_last} : (tensor<2x?xf32>) -> tensor<2xi64>
  // CHECK: nn.topk %{{.*}} {axis = 1 : i64, k = 3 : i64, smallest}
  %1:2 = nn.topk %x {axis = 1 : i64, k = 3 : i64, smallest} : (tensor<2x?xf32>) -> (tensor<2x3xf32>, tensor<2x3xi64>)
  return %0, %1#0, %1#1 : tensor<2xi64>, tensor<2x3xf32>, tensor<2x3xi64>
}

// CHECK-LABEL: @totals
func.func @totals(%x: tensor<2x?xf32>) -> tensor<2x?xf32> {
  // CHECK: nn.cumulate sum %{{.*}} {axis = 1 : i64}
  %0 = nn.cumulate sum %x {axis = 1 : i64} : (tensor<2x?xf32>) -> tensor<2x?xf32>
  // CHECK: nn.cumulate prod %{{.*}} {axis = 0 : i64, exclusive, reverse}
  %1 = nn.cumulate prod %0 {axis = 0 : i64, exclusive, reverse} : (tensor<2x?xf32>) -> tensor<2x?xf32>
  return %1 : tensor<2x?xf32>
}

// CHECK-LABEL: @elements
func.func @elements(%x: tensor<4x3xf32>, %i: tensor<2x3xi64>, %u: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<4x3xf32>) {
  // CHECK: nn.gather_elements %{{.*}}, %{{.*}} {axis = 0 : i64}
  %0 = nn.gather_elements %x, %i {axis = 0 : i64} : (tensor<4x3xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  // CHECK: nn.scatter_elements %{{.*}}, %{{.*}}, %{{.*}} {axis = 0 : i64, mode = #nn<scatter_mode add>}
  %1 = nn.scatter_elements %x, %i, %u {axis = 0 : i64, mode = #nn<scatter_mode add>} : (tensor<4x3xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<4x3xf32>
  return %0, %1 : tensor<2x3xf32>, tensor<4x3xf32>
}

// CHECK-LABEL: @nd
func.func @nd(%x: tensor<?x4x3xf32>, %i: tensor<?x5x1xi64>, %j: tensor<5x2xi32>, %u: tensor<5x3xf32>) -> (tensor<?x5x3xf32>, tensor<?x4x3xf32>) {
  // CHECK: nn.gather_nd %{{.*}}, %{{.*}} {batch_dims = 1 : i64}
  %0 = nn.gather_nd %x, %i {batch_dims = 1 : i64} : (tensor<?x4x3xf32>, tensor<?x5x1xi64>) -> tensor<?x5x3xf32>
  // CHECK: nn.scatter_nd %{{.*}}, %{{.*}}, %{{.*}} : (
  %1 = nn.scatter_nd %x, %j, %u : (tensor<?x4x3xf32>, tensor<5x2xi32>, tensor<5x3xf32>) -> tensor<?x4x3xf32>
  return %0, %1 : tensor<?x5x3xf32>, tensor<?x4x3xf32>
}
