// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @plain
func.func @plain(%a: tensor<2x3xf32>, %b: tensor<3x4xf32>) -> tensor<2x4xf32> {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} {name = "fc"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  %0 = nn.matmul %a, %b {name = "fc"} : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// CHECK-LABEL: @batch_broadcast_and_transposition
func.func @batch_broadcast_and_transposition(%a: tensor<5x1x3x2xf32>, %b: tensor<7x4x3xf32>, %c: tensor<4xf32>) -> tensor<5x7x2x4xf32> {
  // CHECK: nn.matmul %{{.*}}, %{{.*}}, %{{.*}} {transpose_a, transpose_b}
  %0 = nn.matmul %a, %b, %c {transpose_a, transpose_b} : (tensor<5x1x3x2xf32>, tensor<7x4x3xf32>, tensor<4xf32>) -> tensor<5x7x2x4xf32>
  return %0 : tensor<5x7x2x4xf32>
}

// CHECK-LABEL: @unknown_sizes
func.func @unknown_sizes(%a: tensor<?x?xf32>, %b: tensor<3x4xf32>) -> tensor<?x4xf32> {
  // CHECK: nn.matmul
  %0 = nn.matmul %a, %b : (tensor<?x?xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
