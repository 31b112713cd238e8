// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n7_scale(%x: tensor<2x3x4xf32>, %s: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{'nn.layer_norm' op scale has shape 4; it needs 3x4, the shape of x from axis on}}
  %0 = nn.layer_norm %x scale %s {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  return
}

// -----

func.func @n7_bias(%x: tensor<2x3x4xf32>, %b: tensor<1xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{bias has shape 1; it needs 4, the shape of x from axis on}}
  %0 = nn.layer_norm %x bias %b {axis = 2 : i64, epsilon = 0.0 : f32} : (tensor<2x3x4xf32>, tensor<1xf32>) -> tensor<2x3x4xf32>
  return
}

// -----

func.func @n7_groups(%x: tensor<2x6x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has 6 channels; they do not divide into 4 groups}}
  %0 = nn.group_norm %x {groups = 4 : i64, epsilon = 0.0 : f32} : (tensor<2x6x4xf32>) -> tensor<2x6x4xf32>
  return
}

// -----

func.func @n7_channels(%x: tensor<2x6x4xf32>, %s: tensor<3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{scale has shape 3; it needs 6, one entry for each of the channels}}
  %0 = nn.group_norm %x scale %s {groups = 3 : i64, epsilon = 0.0 : f32} : (tensor<2x6x4xf32>, tensor<3xf32>) -> tensor<2x6x4xf32>
  return
}

// -----

func.func @n9_axis(%x: tensor<2x6xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis 2 is outside 0..1 of a tensor of rank 2}}
  %0 = nn.rms_norm %x {axis = 2 : i64, epsilon = 0.0 : f32} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @n3_integers(%x: tensor<2x6xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has element type 'i32'; this op computes on floats (cast first)}}
  %0 = nn.rms_norm %x {axis = 1 : i64, epsilon = 0.0 : f32} : (tensor<2x6xi32>) -> tensor<2x6xi32>
  return
}

// -----

func.func @n23_epsilon(%x: tensor<2x6xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{it is a finite number of at least 0}}
  %0 = nn.rms_norm %x {axis = 1 : i64, epsilon = -1.0 : f32} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}
