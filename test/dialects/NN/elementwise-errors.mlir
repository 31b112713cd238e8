// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n3_float_kind(%x: tensor<4xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kind sigmoid computes on floats; the operand has element type 'i32' (cast first)}}
  %0 = nn.unary sigmoid %x : (tensor<4xi32>) -> tensor<4xi32>
  return
}

// -----

func.func @n3_integer_kind(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kind bitwise_and computes on integers of more than one bit; the operand has element type 'f32' (cast first)}}
  %0 = nn.binary bitwise_and %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @n3_logical_kind(%x: tensor<4xi8>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kind logical_not computes on i1; the operand has element type 'i8' (cast first)}}
  %0 = nn.unary logical_not %x : (tensor<4xi8>) -> tensor<4xi8>
  return
}

// -----

func.func @n3_operands(%x: tensor<4xf32>, %y: tensor<4xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{lhs and rhs have element types 'f32' and 'i32'; they must be one type (cast one of them)}}
  %0 = nn.binary add %x, %y : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xf32>
  return
}

// -----

func.func @n3_condition(%c: tensor<4xi8>, %x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{condition has element type 'i8'; it must be i1}}
  %0 = nn.select %c, %x, %x : (tensor<4xi8>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @n4_broadcast(%x: tensor<2x4xf32>, %y: tensor<2xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{shapes 2x4 and 2 do not broadcast: aligned at the last dimension, sizes must be equal or 1}}
  %0 = nn.compare eq %x, %y : (tensor<2x4xf32>, tensor<2xf32>) -> tensor<2x4xi1>
  return
}

// -----

func.func @n19_alpha(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kind relu has no alpha}}
  %0 = nn.unary relu %x {alpha = 0.1 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @n19_beta(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{kind elu has no beta}}
  %0 = nn.unary elu %x {alpha = 0.1 : f32, beta = 1.0 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @n19_bound(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{a bound is NaN; leave it out when it does not bind}}
  %0 = nn.clip %x {min = 0x7FF8000000000000 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @n21_shape(%x: tensor<4xf32>) {
  // expected-error @+1 {{result has shape 5; a cast keeps the operand's 4}}
  %0 = nn.cast %x : (tensor<4xf32>) -> tensor<5xi32>
  return
}

// -----

func.func @n20_elements(%x: tensor<4294967296x1xf32>, %y: tensor<1x4294967296xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{result of shape 4294967296x4294967296 is larger than 2^63 bits}}
  %0 = nn.binary add %x, %y : (tensor<4294967296x1xf32>, tensor<1x4294967296xf32>) -> tensor<4294967296x4294967296xf32>
  return
}
