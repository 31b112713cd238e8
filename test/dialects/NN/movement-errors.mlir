// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n10_count(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{shape 2x3 has 6 elements, result shape 4x2 has 8}}
  %0 = nn.reshape %x : (tensor<2x3xf32>) -> tensor<4x2xf32>
  return
}

// -----

func.func @n9_perm(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{perm has 1 entries; a tensor of rank 2 has 2: one an axis}}
  %0 = nn.transpose %x {perm = array<i64: 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @n11_twice(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{perm names axis 1 twice}}
  %0 = nn.transpose %x {perm = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @n12_box(%x: tensor<10xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{box of axis 0 reads elements 8 to 10; the dimension has 10}}
  %0 = nn.slice %x {starts = array<i64: 8>, sizes = array<i64: 2>, steps = array<i64: 2>} : (tensor<10xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @n12_step(%x: tensor<10xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{step of axis 0 is 0}}
  %0 = nn.slice %x {starts = array<i64: 8>, sizes = array<i64: 2>, steps = array<i64: 0>} : (tensor<10xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @n12_size(%x: tensor<10xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{size of axis 0 is -1; only a whole dimension of unknown size is spelled -1}}
  %0 = nn.slice %x {starts = array<i64: 0>, sizes = array<i64: -1>, steps = array<i64: 1>} : (tensor<10xf32>) -> tensor<10xf32>
  return
}

// -----

func.func @n13_none() {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has no operands; a concatenation has at least one}}
  %0 = "nn.concat"() {axis = 0 : i64} : () -> tensor<2xf32>
  return
}

// -----

func.func @n13_sizes(%x: tensor<2x3xf32>, %y: tensor<2x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{operand 1 has shape 2x4, operand 0 has 2x3; all sizes except those of axis 0 must agree}}
  %0 = nn.concat %x, %y {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>
  return
}

// -----

func.func @n14_cropped(%x: tensor<3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis 0 of 3 elements is cropped to -1}}
  %0 = nn.pad %x {low = array<i64: -2>, high = array<i64: -2>} : (tensor<3xf32>) -> tensor<0xf32>
  return
}

// -----

func.func @n14_reflect(%x: tensor<3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{mode reflect of axis 0 with 3 elements allows at most 2 on a side; found 3}}
  %0 = nn.pad %x {low = array<i64: 3>, high = array<i64: 0>, mode = #nn<pad_mode reflect>} : (tensor<3xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @n14_nothing(%x: tensor<0xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{mode edge has nothing to repeat along axis 0 of 0 elements}}
  %0 = nn.pad %x {low = array<i64: 1>, high = array<i64: 0>, mode = #nn<pad_mode edge>} : (tensor<0xf32>) -> tensor<1xf32>
  return
}

// -----

func.func @n15_expand(%x: tensor<3xf32>) {
  // expected-error @+1 {{shape 3 does not broadcast to 3x4}}
  %0 = nn.expand %x : (tensor<3xf32>) -> tensor<3x4xf32>
  return
}

// -----

func.func @n16_indices(%x: tensor<3xf32>, %i: tensor<2xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{indices have element type 'f32'; they must be integers of at least 8 bits}}
  %0 = nn.gather %x, %i {axis = 0 : i64} : (tensor<3xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @n17_rank(%x: tensor<2x3xf32>) {
  // expected-error @+1 {{x has rank 2, the result 2, scales 1 entries; they must be equal}}
  %0 = nn.resize %x {scales = array<f64: 2.0>, mode = #nn<resize_mode nearest>, coord = #nn<resize_coord asymmetric>} : (tensor<2x3xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @n17_scale(%x: tensor<3xf32>) {
  // expected-error @+1 {{scale of axis 0 is -1.000000e+00; it must be finite and positive}}
  %0 = nn.resize %x {scales = array<f64: -1.0>, mode = #nn<resize_mode nearest>, coord = #nn<resize_coord asymmetric>} : (tensor<3xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @n17_size(%x: tensor<3xf32>) {
  // expected-error @+1 {{axis 0 of 3 elements times 2.000000e+00 does not give 9}}
  %0 = nn.resize %x {scales = array<f64: 2.0>, mode = #nn<resize_mode nearest>, coord = #nn<resize_coord asymmetric>} : (tensor<3xf32>) -> tensor<9xf32>
  return
}

// -----

func.func @n17_antialias(%x: tensor<3xf32>) {
  // expected-error @+1 {{antialias has no meaning with mode nearest}}
  %0 = nn.resize %x {antialias, scales = array<f64: 2.0>, mode = #nn<resize_mode nearest>, coord = #nn<resize_coord asymmetric>} : (tensor<3xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @n3_index(%x: tensor<2x3xindex>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{element type 'index' is no number; nn computes on tensors of integers and floats}}
  %0 = nn.transpose %x {perm = array<i64: 1, 0>} : (tensor<2x3xindex>) -> tensor<3x2xindex>
  return
}

// -----

func.func @n3_complex(%x: tensor<2x3xcomplex<f32>>) {
  // expected-error @+1 {{element type 'complex<f32>' is no number; nn computes on tensors of integers and floats}}
  %0 = nn.reshape %x : (tensor<2x3xcomplex<f32>>) -> tensor<6xcomplex<f32>>
  return
}
