// RUN: quant-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{F1: block extents are positive or '*'; found 0 in plane 'scale'}}
func.func private @f1_extent(!tern.quant<4x4xf32, #tern.format<si8, scale<f32, [1, 0]>>>)

// -----

// expected-error @+1 {{F1}}
func.func private @f1_rank(!tern.quant<4x4xf32, #tern.format<si8, scale<f32, [1]>>>)

// -----

// expected-error @+1 {{F2: planes of one role are nested, finest first}}
func.func private @f2_nested(!tern.quant<4x64xf32, #tern.format<si4, scale<f16, [1, 16]>, scale<f32, [1, 24]>>>)

// -----

// expected-error @+1 {{F3: a format has a zero or a min plane, not both}}
func.func private @f3_zero_and_min(!tern.quant<4xf32, #tern.format<ui8, scale<f32>, zero<ui8>, min<f32>>>)

// -----

// expected-error @+1 {{F4: element #tern.lut<4> needs a table plane}}
func.func private @f4_no_table(!tern.quant<4xf32, #tern.format<#tern.lut<4>, scale<f32>>>)

// -----

// expected-error @+1 {{F4: a table plane goes with #tern.lut<b> only; the element is si4}}
func.func private @f4_table(!tern.quant<4xf32, #tern.format<si4, table<f32>, scale<f32>>>)

// -----

// expected-error @+1 {{F4: element #tern.bitmod<4> is a union and needs a select plane}}
func.func private @f4_no_select(!tern.quant<4xf32, #tern.format<#tern.bitmod<4>, scale<f16>>>)

// -----

// expected-error @+1 {{F4: a select plane goes with a union element only; the element is ui4}}
func.func private @f4_select(!tern.quant<4xf32, #tern.format<ui4, select<ui2>, scale<f16>>>)

// -----

// expected-error @+1 {{E1: #tern.bitmod<3> has 4 alternatives, the select plane needs a type that counts them, as ui2; found ui1}}
func.func private @e1_select_bits(!tern.quant<4xf32, #tern.format<#tern.bitmod<3>, select<ui1>, scale<f16>>>)

// -----

// expected-error @+1 {{E2: the last extent of a tensor of #tern.pair<si4, #tern.abfloat<2, 1, 2>, 8> is even; found 5}}
func.func private @e2_odd_extent(!tern.quant<4x5xf32, #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32>>>)

// -----

// expected-error @+1 {{E2: the marker is a code that the outlier does not use (magnitude 0) and that is not 0}}
func.func private @e2_marker(!tern.quant<4xf32, #tern.format<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 3>, scale<f32>>>)

// -----

// expected-error @+1 {{E2: a pair is an integer or a finite minifloat, and an abfloat; found #tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>}}
func.func private @e2_nested(!tern.quant<4xf32, #tern.format<#tern.pair<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, #tern.abfloat<2, 1, 2>, 8>, scale<f32>>>)

// -----

// expected-error @+1 {{E3: #tern.bipolar<4> takes no zero plane; it may carry a min plane}}
func.func private @e3_zero(!tern.quant<4xf32, #tern.format<#tern.bipolar<4>, scale<f16>, zero<si4>>>)

// -----

// expected-error @+1 {{E4: #tern.fixed<8, 2> takes power-of-two scales only (f8E8M0FNU); found f32}}
func.func private @e4_scale(!tern.quant<4xf32, #tern.format<#tern.fixed<8, 2>, scale<f32>>>)

// -----

// expected-error @+1 {{E5: a minifloat has at least one exponent bit and at most 8 bits; found 1 + 5 + 3}}
func.func private @e5_bits(!tern.quant<4xf32, #tern.format<#tern.minifloat<5, 3, 15, "ieee">, scale<f32>>>)

// -----

// expected-error @+1 {{#tern.pot<9> has 9 bits; allowed are 1 to 7}}
func.func private @pot_bits(!tern.quant<4xf32, #tern.format<#tern.pot<9>>>)

// -----

// A width that a byte does not hold is no other width.
// expected-error @+1 {{#tern.lut<255> has 255 bits; allowed are 1 to 8}}
func.func private @lut_bits(!tern.quant<4xf32, #tern.format<#tern.lut<260>, table<f32>>>)

// -----

// expected-error @+1 {{F1: the block of a tail is a window along one axis: one extent above 1, the others 1 or '*'; found tail<f16, [1, *]>}}
func.func private @f1_tail(!tern.quant<4x64xf32, #tern.format<ui2, scale<f16>, min<f16>, tail<f16, [1, *]>>>)

// -----

// expected-error @+1 {{F2: the window of tail<f16, [100, *]> must be a multiple of the blocks along its axis; found scale<f16, [32, 1]>}}
func.func private @f2_tail(!tern.quant<512x64xf32, #tern.format<ui2, scale<f16, [32, 1]>, min<f16, [32, 1]>, tail<f16, [100, *]>>>)

// -----

func.func @f5_e8m0_absmax(%x: tensor<32xf32>) {
  // expected-error @+1 {{F5}}
  %0 = tern.quantize %x by <absmax> : (tensor<32xf32>) -> !tern.quant<32xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [32]>>>
  return
}

// -----

func.func @f6_range(%x: tensor<32xf32>) {
  // expected-error @+1 {{F6}}
  %0 = tern.quantize %x by <absmax, -9 to 7> : (tensor<32xf32>) -> !tern.quant<32xf32, #tern.format<si4, scale<f32>>>
  return
}

// -----

// expected-error @+1 {{unknown plane role 'skale'; allowed: scale, zero, min, select, table, tail, sparse, lowrank_a, lowrank_b}}
func.func private @unknown_role(!tern.quant<4xf32, #tern.format<si8, skale<f32>>>)

// -----

// expected-error @+1 {{expressed type 'i32' is no float type}}
func.func private @expressed(!tern.quant<4xi32, #tern.format<si8, scale<f32>>>)
