// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n3_floats(%x: tensor<2x3xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has element type 'i32'; this op computes on floats (cast first)}}
  %0 = nn.reduce l2 %x {axes = array<i64: 0>} : (tensor<2x3xi32>) -> tensor<3xi32>
  return
}

// -----

func.func @n9_empty(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axes is empty; name every axis that is reduced}}
  %0 = nn.reduce sum %x {axes = array<i64>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @n9_outside(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis -1 is outside 0..1 of a tensor of rank 2}}
  %0 = nn.reduce sum %x {axes = array<i64: -1>} : (tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @n9_order(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axes are not ascending: 0 follows 1}}
  %0 = nn.reduce sum %x {axes = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<f32>
  return
}

// -----

func.func @n9_softmax(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis 2 is outside 0..1 of a tensor of rank 2}}
  %0 = nn.softmax %x {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @n7_batch_norm(%x: tensor<2x3x4xf32>, %c: tensor<3xf32>, %d: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{mean has shape 4; it needs one entry for each of the 3 channels}}
  %0 = nn.batch_norm %x, %c, %c, %d, %c {epsilon = 1.0e-5 : f32} : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<4xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
  return
}
