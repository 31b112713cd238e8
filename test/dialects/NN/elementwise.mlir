// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @unary
func.func @unary(%x: tensor<2x?xf32>, %i: tensor<4xi32>, %b: tensor<4xi1>) -> (tensor<2x?xf32>, tensor<4xi32>, tensor<2x?xi1>, tensor<4xi1>) {
  // CHECK: nn.unary leaky_relu %{{.*}} {alpha = 1.000000e-01 : f32, name = "act"} : (tensor<2x?xf32>) -> tensor<2x?xf32>
  %0 = nn.unary leaky_relu %x {alpha = 0.1 : f32, name = "act"} : (tensor<2x?xf32>) -> tensor<2x?xf32>
  // CHECK: nn.unary neg
  %1 = nn.unary neg %i : (tensor<4xi32>) -> tensor<4xi32>
  // CHECK: nn.unary isnan %{{.*}} : (tensor<2x?xf32>) -> tensor<2x?xi1>
  %2 = nn.unary isnan %x : (tensor<2x?xf32>) -> tensor<2x?xi1>
  // CHECK: nn.unary logical_not
  %3 = nn.unary logical_not %b : (tensor<4xi1>) -> tensor<4xi1>
  return %0, %1, %2, %3 : tensor<2x?xf32>, tensor<4xi32>, tensor<2x?xi1>, tensor<4xi1>
}

// CHECK-LABEL: @binary
func.func @binary(%x: tensor<2x1x4xf32>, %y: tensor<3x1xf32>, %n: tensor<4xi64>) -> (tensor<2x3x4xf32>, tensor<2x1x4xf32>) {
  // CHECK: nn.binary add %{{.*}}, %{{.*}} : (tensor<2x1x4xf32>, tensor<3x1xf32>) -> tensor<2x3x4xf32>
  %0 = nn.binary add %x, %y : (tensor<2x1x4xf32>, tensor<3x1xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.binary pow %{{.*}}, %{{.*}} : (tensor<2x1x4xf32>, tensor<4xi64>) -> tensor<2x1x4xf32>
  %1 = nn.binary pow %x, %n : (tensor<2x1x4xf32>, tensor<4xi64>) -> tensor<2x1x4xf32>
  return %0, %1 : tensor<2x3x4xf32>, tensor<2x1x4xf32>
}

// CHECK-LABEL: @others
func.func @others(%x: tensor<2x4xf32>, %y: tensor<4xf32>, %c: tensor<2x1xi1>) -> (tensor<2x4xi1>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi8>) {
  // CHECK: nn.compare lt %{{.*}}, %{{.*}} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi1>
  %0 = nn.compare lt %x, %y : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi1>
  // CHECK: nn.select %{{.*}}, %{{.*}}, %{{.*}} : (tensor<2x1xi1>, tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %1 = nn.select %c, %x, %y : (tensor<2x1xi1>, tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.clip %{{.*}} {max = 6.000000e+00 : f64, min = 0.000000e+00 : f64}
  %2 = nn.clip %x {min = 0.0 : f64, max = 6.0 : f64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  // CHECK: nn.cast %{{.*}} : (tensor<2x4xf32>) -> tensor<2x4xi8>
  %3 = nn.cast %x : (tensor<2x4xf32>) -> tensor<2x4xi8>
  return %0, %1, %2, %3 : tensor<2x4xi1>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi8>
}
