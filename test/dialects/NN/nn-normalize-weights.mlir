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

// Activations keep their order.
// CHECK-LABEL: func.func @activation
// CHECK-NOT:     nn.transpose
// CHECK:         nn.matmul %arg0, %arg1 : (tensor<4x3xf32>, tensor<3x2xf32>)
func.func @activation(%x: tensor<4x3xf32>, %w: tensor<3x2xf32>) -> tensor<4x2xf32> {
  %y = nn.matmul %x, %w : (tensor<4x3xf32>, tensor<3x2xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}
