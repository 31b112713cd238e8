// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n3_average_of_codes(%x: tensor<1x4x8xi8>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has element type 'i8'; this op computes on floats (cast first)}}
  %0 = nn.pool avg %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x4x8xi8>) -> tensor<1x4x4xi8>
  return
}

// -----

func.func @n6_kernel(%x: tensor<1x4x8x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kernel has 1 entries; pooling over 2 spatial dimensions has 2}}
  %0 = nn.pool max %x {kernel = array<i64: 2>, strides = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x8x8xf32>) -> tensor<1x4x4x4xf32>
  return
}

// -----

func.func @n6_p(%x: tensor<1x4x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{p is 0; the least is 1}}
  %0 = nn.pool lp %x {p = 0 : i64, kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 1>} : (tensor<1x4x8xf32>) -> tensor<1x4x4xf32>
  return
}

// -----

func.func @n8_padding(%x: tensor<1x4x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{padding 0 + 2 of spatial dimension 0 must be less than the window's 2 elements on each side}}
  %0 = nn.pool max %x {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 2>, dilations = array<i64: 1>} : (tensor<1x4x8xf32>) -> tensor<1x4x5xf32>
  return
}

// -----

func.func @n20_extent(%x: tensor<1x4x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{size of spatial dimension 0 of the result exceeds 64 bits}}
  %0 = nn.pool max %x {kernel = array<i64: 4611686018427387904>, strides = array<i64: 2>, pads = array<i64: 0, 0>, dilations = array<i64: 4>} : (tensor<1x4x8xf32>) -> tensor<1x4x5xf32>
  return
}
