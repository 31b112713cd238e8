// RUN: quant-opt %s --mlir-print-local-scope -split-input-file -verify-diagnostics | FileCheck %s
// Layouts of other projects: spelled, checked against format and shape, and the buffers that tern.bundle takes.

// CHECK-LABEL: @matmulnbits
// CHECK-SAME: -> !tern.quant<3x100xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, #tern.matmulnbits>
func.func @matmulnbits(%b: tensor<3x4x16xi8>, %s: tensor<3x4xf16>, %z: tensor<3x2xi8>) -> !tern.quant<3x100xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, #tern.matmulnbits> {
  %0 = tern.bundle %b, %s, %z : (tensor<3x4x16xi8>, tensor<3x4xf16>, tensor<3x2xi8>) -> !tern.quant<3x100xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, #tern.matmulnbits>
  return %0 : !tern.quant<3x100xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, #tern.matmulnbits>
}

// CHECK-LABEL: @ggml
// CHECK-SAME: #tern.ggml<q4_0>
// CHECK-SAME: #tern.ggml<q4_K>
// CHECK-SAME: #tern.ggml<iq4_nl>
func.func private @ggml(!tern.quant<4x64xf32, #tern.format<si4, scale<f16, [1, 32]>>, #tern.ggml<q4_0>>, !tern.quant<4x256xf32, #tern.format<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>, #tern.ggml<q4_K>>, !tern.quant<4x64xf32, #tern.format<#tern.lut<4>, table<si8>, scale<f16, [1, 32]>>, #tern.ggml<iq4_nl>>)

// CHECK-LABEL: @others
// CHECK-SAME: #tern.onnx
// CHECK-SAME: #tern.autoawq
// CHECK-SAME: #tern.gptq<v1>
// CHECK-SAME: #tern.fp6llm
// CHECK-SAME: #tern.tmac<bm = 256, kfactor = 16>
func.func private @others(!tern.quant<3x5xf32, #tern.format<si4, scale<f32>>, #tern.onnx>, !tern.quant<8x64xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, #tern.autoawq>, !tern.quant<8x64xf32, #tern.format<ui3, scale<f16, [1, 32]>, zero<ui3, [1, 32]>>, #tern.gptq<v1>>, !tern.quant<64x64xf32, #tern.format<f6E3M2FN, scale<f16, [1, *]>>, #tern.fp6llm>, !tern.quant<64x64xf32, #tern.format<si2, scale<f16, [1, 32]>>, #tern.tmac<bm = 256, kfactor = 16>>)

// -----

// expected-error @+1 {{#tern.ggml<q4_0>: the format is <si4, scale<f16, [1, 32]>>; found <si4, scale<f32, [1, 32]>>}}
func.func private @other_format(!tern.quant<4x64xf32, #tern.format<si4, scale<f32, [1, 32]>>, #tern.ggml<q4_0>>)

// -----

// expected-error @+1 {{"panel" is no layout; it has no LayoutInterface}}
func.func private @no_layout(!tern.quant<4x64xf32, #tern.format<si4, scale<f32, [1, 32]>>, "panel">)

// -----

func.func @buffers(%b: tensor<3x4x16xi8>, %s: tensor<3x4xf32>) {
  // expected-error @+1 {{buffers 1 is 'tensor<3x4xf32>'; the format says 'tensor<3x4xf16>'}}
  %0 = tern.bundle %b, %s : (tensor<3x4x16xi8>, tensor<3x4xf32>) -> !tern.quant<3x100xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4>>, #tern.matmulnbits>
  return
}
