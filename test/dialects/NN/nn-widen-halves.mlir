// RUN: quant-opt %s --nn-widen-halves | FileCheck %s

// CHECK-LABEL: func.func @main(%arg0: tensor<4xf16>, %arg1: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf32>)
// CHECK-NEXT:    %[[X:.*]] = nn.cast %arg0 : (tensor<4xf16>) -> tensor<4xf32>
// CHECK:         %[[C:.*]] = arith.constant dense<5.000000e-01> : tensor<f32>
// CHECK:         %[[S:.*]] = nn.binary add %[[X]], %[[C]] {name = "sum"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
// A rounding to half that nothing needs is none.
// CHECK-NEXT:    %[[M:.*]] = nn.binary mul %[[S]], %arg1 {name = "product"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT:    %[[Y:.*]] = nn.cast %[[M]] : (tensor<4xf32>) -> tensor<4xf16>
// CHECK-NEXT:    return %[[Y]], %[[M]]
func.func @main(%x: tensor<4xf16>, %y: tensor<4xf32>) -> (tensor<4xf16>, tensor<4xf32>) {
  %c = arith.constant dense<0.5> : tensor<f16>
  %s = nn.binary add %x, %c {name = "sum"} : (tensor<4xf16>, tensor<f16>) -> tensor<4xf16>
  %h = nn.cast %y : (tensor<4xf32>) -> tensor<4xf16>
  %m = nn.binary mul %s, %h {name = "product"} : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16>
  %w = nn.cast %m : (tensor<4xf16>) -> tensor<4xf32>
  return %m, %w : tensor<4xf16>, tensor<4xf32>
}

// CHECK-LABEL: func.func @rounding
// CHECK-NEXT:    %[[H:.*]] = nn.cast %arg0 : (tensor<4xf32>) -> tensor<4xf16>
// CHECK-NEXT:    %[[W:.*]] = nn.cast %[[H]] : (tensor<4xf16>) -> tensor<4xf32>
// CHECK-NEXT:    return %[[W]]
func.func @rounding(%x: tensor<4xf32>) -> tensor<4xf32> {
  %h = nn.cast %x : (tensor<4xf32>) -> tensor<4xf16>
  %w = nn.cast %h : (tensor<4xf16>) -> tensor<4xf32>
  return %w : tensor<4xf32>
}
