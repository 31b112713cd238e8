// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @layer_norm
func.func @layer_norm(%x: tensor<2x3x4xf32>, %s: tensor<3x4xf32>, %b: tensor<3x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>) {
  // CHECK: nn.layer_norm %{{.*}} scale %{{.*}} bias %{{.*}} {axis = 1 : i64, epsilon = 9.99999974E-6 : f32, name = "ln"}
  %0 = nn.layer_norm %x scale %s bias %b {axis = 1 : i64, epsilon = 1.0e-5 : f32, name = "ln"} : (tensor<2x3x4xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.layer_norm %{{.*}} {axis = 2 : i64
  %1 = nn.layer_norm %x {axis = 2 : i64, epsilon = 0.0 : f32} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  // CHECK: nn.layer_norm %{{.*}} bias %{{.*}} {axis = 1 : i64
  %2 = nn.layer_norm %x bias %b {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x3x4xf32>, tensor<3x4xf32>) -> tensor<2x3x4xf32>
  return %0, %1, %2 : tensor<2x3x4xf32>, tensor<2x3x4xf32>, tensor<2x3x4xf32>
}

// CHECK-LABEL: @rms_norm
func.func @rms_norm(%x: tensor<?x?x4xf16>, %s: tensor<4xf32>) -> tensor<?x?x4xf16> {
  // CHECK: nn.rms_norm %{{.*}} scale %{{.*}} {axis = 2 : i64, epsilon = 9.99999997E-7 : f32}
  %0 = nn.rms_norm %x scale %s {axis = 2 : i64, epsilon = 1.0e-6 : f32} : (tensor<?x?x4xf16>, tensor<4xf32>) -> tensor<?x?x4xf16>
  return %0 : tensor<?x?x4xf16>
}

// CHECK-LABEL: @group_norm
func.func @group_norm(%x: tensor<1x6x?xf32>, %s: tensor<6xf32>, %b: tensor<6xf32>) -> tensor<1x6x?xf32> {
  // CHECK: nn.group_norm %{{.*}} scale %{{.*}} bias %{{.*}} {epsilon = 9.99999974E-6 : f32, groups = 3 : i64}
  %0 = nn.group_norm %x scale %s bias %b {groups = 3 : i64, epsilon = 1.0e-5 : f32} : (tensor<1x6x?xf32>, tensor<6xf32>, tensor<6xf32>) -> tensor<1x6x?xf32>
  return %0 : tensor<1x6x?xf32>
}
