// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s
// The formats of docs/FORMATS.md 2.1 that this version has elements and planes for.

// CHECK-LABEL: @int8
// CHECK-SAME: !tern.quant<64x64x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>
// CHECK-SAME: !tern.quant<1x64x56x56xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
func.func private @int8(!tern.quant<64x64x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>, !tern.quant<1x64x56x56xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>)

// CHECK-LABEL: @blocks
// CHECK-SAME: #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>
// CHECK-SAME: #tern.format<si8, scale<f32, [1, 128]>>
func.func private @blocks(!tern.quant<64x256xf32, #tern.format<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>>, !tern.quant<8x576xf32, #tern.format<si8, scale<f32, [1, 128]>>>)

// CHECK-LABEL: @floats
// CHECK-SAME: #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>
// CHECK-SAME: #tern.format<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>
// CHECK-SAME: #tern.format<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>
func.func private @floats(!tern.quant<4x64xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>>, !tern.quant<4x64xf32, #tern.format<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>>, !tern.quant<4x64xf32, #tern.format<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>>)

// CHECK-LABEL: @codebooks_and_minima
// CHECK-SAME: #tern.format<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>
// CHECK-SAME: #tern.format<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>
func.func private @codebooks_and_minima(!tern.quant<4x64xf32, #tern.format<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>>, !tern.quant<4x256xf32, #tern.format<ui4, scale<ui6, [1, 32]>, scale<f16, [1, 256]>, min<ui6, [1, 32]>, min<f16, [1, 256]>>>)

// CHECK-LABEL: @unions_and_pairs
// CHECK-SAME: #tern.format<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>
// CHECK-SAME: #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>
// CHECK-SAME: #tern.format<#tern.pot<4>>
func.func private @unions_and_pairs(!tern.quant<4x256xf32, #tern.format<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>>, !tern.quant<4x256xf32, #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>>, !tern.quant<4x64xf32, #tern.format<#tern.pot<4>>>)

// CHECK-LABEL: @cache
// CHECK-SAME: !tern.quant<1x8x4096x64xf32, #tern.format<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>>
func.func private @cache(!tern.quant<1x8x4096x64xf32, #tern.format<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>>)

// CHECK-LABEL: @encoders
// CHECK: by <absmax, -127 to 127>
// CHECK: by <minmax, round = half_up, order = zp_then_round, sat = wrap>
func.func @encoders(%x: tensor<4xf32>) {
  %0 = tern.quantize %x by <absmax, -127 to 127> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
  %1 = tern.quantize %x by <minmax, round = half_up, order = zp_then_round, sat = wrap> : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  return
}
