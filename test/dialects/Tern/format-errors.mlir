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
