// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n24_no_element(%x: tensor<2x0xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis 1 has no elements, so none is the max}}
  %0 = nn.arg_reduce max %x {axis = 1 : i64} : (tensor<2x0xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @n24_k(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{k is 4; axis 1 has 3 elements to choose from}}
  %0:2 = nn.topk %x {axis = 1 : i64, k = 4 : i64} : (tensor<2x3xf32>) -> (tensor<2x4xf32>, tensor<2x4xi64>)
  return
}

// -----

func.func @n16_float_indices(%x: tensor<2x3xf32>, %i: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{indices have element type 'f32'; they must be integers of at least 8 bits}}
  %0 = nn.gather_elements %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @n25_too_wide(%x: tensor<2x3xf32>, %i: tensor<2x4xi64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{indices have shape 2x4; outside axis 0 at most the sizes of x are allowed, 2x3}}
  %0 = nn.gather_elements %x, %i {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x4xi64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @n25_tuple(%x: tensor<2x3xf32>, %i: tensor<5x3xi64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{indices name 3 dimensions; x has 2 of them}}
  %0 = nn.gather_nd %x, %i : (tensor<2x3xf32>, tensor<5x3xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @n25_updates(%x: tensor<2x3xf32>, %i: tensor<5x1xi64>, %u: tensor<5x2xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{updates have shape 5x2; x and indices ask for 5x3}}
  %0 = nn.scatter_nd %x, %i, %u : (tensor<2x3xf32>, tensor<5x1xi64>, tensor<5x2xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @n9_axis_of_totals(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{axis 2 is outside 0..1 of a tensor of rank 2}}
  %0 = nn.cumulate sum %x {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}
