// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @planes(%x: tensor<4xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{plane operands 0 is 'tensor<4xf32>'; the format says 'tensor<f32>'}}
  %q = tern.quantize %x, %s : (tensor<4xf32>, tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
  return
}

// -----

func.func @no_rule(%x: tensor<4xf32>) {
  // expected-error @+1 {{has neither planes nor 'by': it must say how its planes are chosen}}
  %q = tern.quantize %x : (tensor<4xf32>) -> !tern.quant<4xf32, #tern.format<si8, scale<f32>>>
  return
}

// -----

func.func @packed_plane(%c: tensor<2x8xi8>, %s: tensor<f32>) {
  // expected-error @+1 {{planes 0 is 'tensor<2x8xi8>'; the format says 'tensor<2x4xi8>'}}
  %q = tern.bundle %c, %s : (tensor<2x8xi8>, tensor<f32>) -> !tern.quant<2x8xf32, #tern.format<si4, scale<f32>>>
  return
}

// -----

func.func @t1_integers(%x: !tern.quant<2x8xf32, #tern.format<ui8, scale<f32>>>, %w: !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) {
  // expected-error @+1 {{(T1) yields 'f32'; with these formats it yields i32 (integer elements, scales constant along the reduction)}}
  %y = tern.matmul %x, %w : (!tern.quant<2x8xf32, #tern.format<ui8, scale<f32>>>, !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<2x4xf32>
  return
}

// -----

func.func @t1_groups(%x: !tern.quant<2x8xf32, #tern.format<ui8, scale<f32>>>, %w: !tern.quant<4x8xf32, #tern.format<si8, scale<f32, [1, 4]>>>) {
  // expected-error @+1 {{(T1) yields 'i32'; with these formats it yields the expressed type}}
  %y = tern.matmul %x, %w : (!tern.quant<2x8xf32, #tern.format<ui8, scale<f32>>>, !tern.quant<4x8xf32, #tern.format<si8, scale<f32, [1, 4]>>>) -> tensor<2x4xi32>
  return
}

// -----

func.func @t2_terms(%a: tensor<2x3xi32>, %m: tensor<f32>, %s: tensor<f32>) {
  // expected-error @+1 {{(T2) term 'tensor<2x3xi32>' has another shape than the result}}
  %q = tern.requantize %a by %m to %s {lo = -128 : i64, hi = 127 : i64} : (tensor<2x3xi32>, tensor<f32>, tensor<f32>) -> !tern.quant<2x4xf32, #tern.format<si8, scale<f32>>>
  return
}

// -----

func.func @t2_multiplier(%a: tensor<2x3xi32>, %m: tensor<2xf32>, %s: tensor<f32>) {
  // expected-error @+1 {{(T2) multiplier 'tensor<2xf32>' is no f32 tensor that broadcasts to the result}}
  %q = tern.requantize %a by %m to %s {lo = -128 : i64, hi = 127 : i64} : (tensor<2x3xi32>, tensor<2xf32>, tensor<f32>) -> !tern.quant<2x3xf32, #tern.format<si8, scale<f32>>>
  return
}

// -----

func.func @t2_range(%a: tensor<2x3xi32>, %m: tensor<f32>, %s: tensor<f32>) {
  // expected-error @+1 {{(T2) clamps to [-200, 127]; codes of si8 are -128 to 127}}
  %q = tern.requantize %a by %m to %s {lo = -200 : i64, hi = 127 : i64} : (tensor<2x3xi32>, tensor<f32>, tensor<f32>) -> !tern.quant<2x3xf32, #tern.format<si8, scale<f32>>>
  return
}

// -----

func.func @t4_matmul(%x: tensor<2x8xf32>, %w: !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) {
  // expected-error @+1 {{(T4) yields 'tensor<2x5xf32>'; these operands give 'tensor<2x4xf32>'}}
  %y = tern.matmul %x, %w : (tensor<2x8xf32>, !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<2x5xf32>
  return
}

// -----

func.func @t4_bias(%x: tensor<2x8xf32>, %w: !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>, %b: tensor<2xf32>) {
  // expected-error @+1 {{(T4) bias is 'tensor<2xf32>'; it needs one entry for each of the 4 output channels}}
  %y = tern.matmul %x, %w, %b : (tensor<2x8xf32>, !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>, tensor<2xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @t4_channels(%x: tensor<1x4x8xf32>, %w: !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) {
  // expected-error @+1 {{(T4) has operands whose shapes do not fit each other}}
  %y = tern.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x4x8xf32>, !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x4x6xf32>
  return
}

// -----

func.func @t4_window(%x: tensor<1x3x8xf32>, %w: !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) {
  // expected-error @+1 {{(T4) yields 'tensor<1x4x8xf32>'; these operands give 'tensor<1x4x6xf32>'}}
  %y = tern.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x3x8xf32>, !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x4x8xf32>
  return
}

// -----

func.func @t4_strides(%x: tensor<1x3x8xf32>, %w: !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) {
  // expected-error @+1 {{(T4) has strides and dilations below 1 or negative padding}}
  %y = tern.conv %x, %w {strides = array<i64: 0>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x3x8xf32>, !tern.quant<4x3x3xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x4x6xf32>
  return
}

// -----

func.func @call_unknown(%x: tensor<2xf32>) {
  // expected-error @+1 {{calls @k, which is no function of this module}}
  %y = tern.call @k(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @choice(%x: tensor<2xf32>) {
  // expected-error @+1 {{tern.choice is "w8a8"; it must be a #tern.choice attribute}}
  %y = nn.unary relu %x {tern.choice = "w8a8"} : (tensor<2xf32>) -> tensor<2xf32>
  return
}
