// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @reduce
func.func @reduce(%x: tensor<2x3x?xf32>) -> (tensor<2x1x1xf32>, tensor<3xf32>) {
  // CHECK: nn.reduce mean %{{.*}} {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x?xf32>) -> tensor<2x1x1xf32>
  %0 = nn.reduce mean %x {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x?xf32>) -> tensor<2x1x1xf32>
  // CHECK: nn.reduce log_sum_exp %{{.*}} {axes = array<i64: 0, 2>} : (tensor<2x3x?xf32>) -> tensor<3xf32>
  %1 = nn.reduce log_sum_exp %x {axes = array<i64: 0, 2>} : (tensor<2x3x?xf32>) -> tensor<3xf32>
  return %0, %1 : tensor<2x1x1xf32>, tensor<3xf32>
}

// CHECK-LABEL: @norms
func.func @norms(%x: tensor<2x3x4xf32>, %c: tensor<3xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // CHECK: nn.softmax %{{.*}} {axis = 2 : i64, log}
  %0 = nn.softmax %x {axis = 2 : i64, log} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.batch_norm %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32, name = "bn"}
  %1 = nn.batch_norm %x, %c, %c, %c, %c {epsilon = 1.0e-5 : f32, name = "bn"} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return %0, %1 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
}
