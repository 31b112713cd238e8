// RUN: quant-opt %s --nn-infer-shapes | FileCheck %s

// CHECK-LABEL: func.func @chain(
// CHECK-SAME:    -> tensor<2x6xf32>
// CHECK:         nn.unary relu %{{.*}} : (tensor<2x3x2xf32>) -> tensor<2x3x2xf32>
// CHECK:         nn.reshape %{{.*}} : (tensor<2x3x2xf32>) -> tensor<2x6xf32>
// CHECK:         nn.cast %{{.*}} : (tensor<2x6xf32>) -> tensor<2x6xf16>
// CHECK:         nn.cast %{{.*}} : (tensor<2x6xf16>) -> tensor<2x6xf32>
func.func @chain(%x: tensor<2x3x2xf32>) -> tensor<2x?xf32> {
  %a = nn.unary relu %x : (tensor<2x3x2xf32>) -> tensor<2x?x2xf32>
  %b = nn.reshape %a : (tensor<2x?x2xf32>) -> tensor<2x?xf32>
  %c = nn.cast %b : (tensor<2x?xf32>) -> tensor<2x?xf16>
  %d = nn.cast %c : (tensor<2x?xf16>) -> tensor<2x?xf32>
  return %d : tensor<2x?xf32>
}

// What is unknown in the operands stays unknown.
// CHECK-LABEL: func.func @open(
// CHECK:         nn.unary relu %{{.*}} : (tensor<?x3xf32>) -> tensor<?x3xf32>
func.func @open(%x: tensor<?x3xf32>) -> tensor<?x?xf32> {
  %a = nn.unary relu %x : (tensor<?x3xf32>) -> tensor<?x?xf32>
  return %a : tensor<?x?xf32>
}
