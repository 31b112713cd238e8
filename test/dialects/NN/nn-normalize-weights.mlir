// RUN: quant-opt %s --nn-normalize-weights | FileCheck %s

ml_program.global private @w(dense<1.0> : tensor<3x2xf32>) : tensor<3x2xf32>

// N2: constant weights are [out, in]; the transpose is an expression on the weight.
// CHECK-LABEL: func.func @constant
// CHECK:         %[[W:.*]] = ml_program.global_load_const @w
// CHECK:         %[[T:.*]] = nn.transpose %[[W]] {perm = array<i64: 1, 0>} : (tensor<3x2xf32>) -> tensor<2x3xf32>
// CHECK:         nn.matmul %arg0, %[[T]] {name = "fc", transpose_b}
func.func @constant(%x: tensor<4x3xf32>) -> tensor<4x2xf32> {
  %w = ml_program.global_load_const @w : tensor<3x2xf32>
  %y = nn.matmul %x, %w {name = "fc"} : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// Computed weights of a recurrent layer: products of the inputs, and a bias that is computed, come before it.
// CHECK-LABEL: func.func @recurrent
// CHECK:         %[[W:.*]] = nn.reshape %arg1 : (tensor<2x5x3xf32>) -> tensor<10x3xf32>
// CHECK:         %[[T:.*]] = nn.transpose %[[W]] {perm = array<i64: 1, 0>} : (tensor<10x3xf32>) -> tensor<3x10xf32>
// CHECK:         %[[P:.*]] = nn.matmul %arg0, %[[T]] : (tensor<7x2x3xf32>, tensor<3x10xf32>) -> tensor<7x2x10xf32>
// CHECK:         %[[X:.*]] = nn.binary add %[[P]], %{{.*}} : (tensor<7x2x10xf32>, tensor<10xf32>) -> tensor<7x2x10xf32>
// CHECK:         nn.rnn rnn %[[X]], %arg2 {
func.func @recurrent(%x: tensor<7x2x3xf32>, %w: tensor<2x5x3xf32>, %r: tensor<2x5x5xf32>, %b: tensor<2x10xf32>) -> tensor<7x2x2x5xf32> {
  %y:2 = nn.rnn rnn %x by %w, %r bias %b {hidden = 5 : i64, direction = #nn<rnn_direction bidirectional>, activations = [#nn<rnn_activation tanh>, #nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<2x5x3xf32>, tensor<2x5x5xf32>, tensor<2x10xf32>) -> (tensor<7x2x2x5xf32>, tensor<2x2x5xf32>)
  return %y#0 : tensor<7x2x2x5xf32>
}

// Activations keep their order.
// CHECK-LABEL: func.func @activation
// CHECK-NOT:     nn.transpose
// CHECK:         nn.matmul %arg0, %arg1 : (tensor<4x3xf32>, tensor<3x2xf32>)
func.func @activation(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32> {
  %y = nn.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}
