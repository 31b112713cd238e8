// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable -verify-diagnostics | FileCheck %s
// Rows of a quantized table are dequantized while they are copied.

// CHECK: name = "words"{{.*}}row = "cpu.gather"
!codes = !tern.quant<16x64xf32, #tern.format<si4, scale<f16, [1, 32]>>>
func.func private @k.words(%codes: tensor<16x32xi8>, %scales: tensor<16x2xf16>, %ids: tensor<1x4xi64>) -> tensor<1x4x64xf32> {
  %q = tern.bundle %codes, %scales : (tensor<16x32xi8>, tensor<16x2xf16>) -> !codes
  %t = tern.dequantize %q : (!codes) -> tensor<16x64xf32>
  %y = nn.gather %t, %ids {axis = 0 : i64} : (tensor<16x64xf32>, tensor<1x4xi64>) -> tensor<1x4x64xf32>
  return %y : tensor<1x4x64xf32>
}
func.func @main(%ids: tensor<1x4xi64>) -> tensor<1x4x64xf32> {
  %codes = arith.constant dense<17> : tensor<16x32xi8>
  %scales = arith.constant dense<0.5> : tensor<16x2xf16>
  %y = tern.call @k.words(%codes, %scales, %ids) {name = "words"} : (tensor<16x32xi8>, tensor<16x2xf16>, tensor<1x4xi64>) -> tensor<1x4x64xf32>
  return %y : tensor<1x4x64xf32>
}
