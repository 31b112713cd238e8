// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n6_strides(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{strides has 1 entries; a convolution over 2 spatial dimensions has 2}}
  %0 = nn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @n6_pads(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{'nn.conv' op pads has 3 entries; a convolution over 2 spatial dimensions has 4: begins, then ends}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @n6_range(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{strides has an entry of 0; the least is 1}}
  %0 = nn.conv %x, %w {strides = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x6x6xf32>
  return
}

// -----

func.func @n6_output_padding(%x: tensor<1x4x5xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{output_padding has an entry of 2; it must be less than the stride or the dilation, 2}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, output_padding = array<i64: 2>} : (tensor<1x4x5xf32>, tensor<4x3x3xf32>) -> tensor<1x3x13xf32>
  return
}

// -----

func.func @n7_rank(%x: tensor<1x3xf32>, %w: tensor<4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has rank 2; a convolution takes [N, C, spatial...] with 1 to 3 spatial dimensions}}
  %0 = nn.conv %x, %w {strides = array<i64>, pads = array<i64>, dilations = array<i64>} : (tensor<1x3xf32>, tensor<4x3xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @n7_channels(%x: tensor<1x6x8xf32>, %w: tensor<4x6x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{w of shape 4x6x3 takes 6 channels a group; x has 6 / 2 = 3}}
  %0 = nn.conv %x, %w {group = 2 : i64, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x6x8xf32>, tensor<4x6x3xf32>) -> tensor<1x4x6xf32>
  return
}

// -----

func.func @n7_groups(%x: tensor<1x6x8xf32>, %w: tensor<4x1x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{w has 4 output channels; they do not divide into 6 groups}}
  %0 = nn.conv %x, %w {group = 6 : i64, strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x6x8xf32>, tensor<4x1x3xf32>) -> tensor<1x4x6xf32>
  return
}

// -----

func.func @n7_bias(%x: tensor<1x6x8xf32>, %w: tensor<4x6x3xf32>, %b: tensor<6xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{bias has shape 6; it needs one entry for each of the 4 output channels}}
  %0 = nn.conv %x, %w, %b {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x6x8xf32>, tensor<4x6x3xf32>, tensor<6xf32>) -> tensor<1x4x6xf32>
  return
}

// -----

func.func @n8_window(%x: tensor<1x3x2xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{window of 5 elements does not fit spatial dimension 0 of 2 elements with padding 1 + 0}}
  %0 = nn.conv %x, %w {strides = array<i64: 1>, pads = array<i64: 1, 0>, dilations = array<i64: 2>} : (tensor<1x3x2xf32>, tensor<4x3x3xf32>) -> tensor<1x4x0xf32>
  return
}

// -----

func.func @n8_cropped(%x: tensor<1x4x1xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{pads crop spatial dimension 0 of the result to -1 elements}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 2, 2>, dilations = array<i64: 1>, output_padding = array<i64: 0>} : (tensor<1x4x1xf32>, tensor<4x3x3xf32>) -> tensor<1x3x0xf32>
  return
}

// -----

func.func @n20_overflow(%x: tensor<1x4x4xf32>, %w: tensor<4x3x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{size of spatial dimension 0 of the result exceeds 64 bits}}
  %0 = nn.conv_transpose %x, %w {strides = array<i64: 4611686018427387904>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, output_padding = array<i64: 0>} : (tensor<1x4x4xf32>, tensor<4x3x3xf32>) -> tensor<1x3x0xf32>
  return
}
