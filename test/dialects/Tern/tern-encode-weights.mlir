// RUN: quant-opt %s --tern-encode-weights --split-input-file --mlir-print-local-scope | FileCheck %s

#w8 = #tern.format<si8, scale<f32, [1, *]>>
#b32 = #tern.format<si32, scale<f32, [1]>>
ml_program.global private @fc.weight(dense<[[1.0, -2.0], [0.5, 0.25]]> : tensor<2x2xf32>) : tensor<2x2xf32>
ml_program.global private @unused(dense<1.0> : tensor<2x2xf32>) : tensor<2x2xf32>

// The expression is evaluated, the planes are named after the op, sources without users go; what depends on the scale is a constant.
// CHECK-NOT:     @fc.weight
// CHECK-NOT:     @unused
// CHECK:         ml_program.global private @fc.w.codes(dense_resource<fc.w.codes> : tensor<2x2xi8>)
// CHECK:         ml_program.global private @fc.w.scale(dense_resource<fc.w.scale> : tensor<2x1xf32>)
// CHECK-LABEL: func.func @main
// CHECK-DAG:     %[[C:.*]] = ml_program.global_load_const @fc.w.codes
// CHECK-DAG:     %[[S:.*]] = ml_program.global_load_const @fc.w.scale
// CHECK:         %[[W:.*]] = tern.bundle %[[C]], %[[S]]
// CHECK:         %[[B:.*]] = arith.constant dense<[127, 254]> : tensor<2xi32>
// CHECK:         tern.matmul %arg0, %[[W]], %[[B]]
func.func @main(%x: !tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<1x2xi32> {
  %w0 = ml_program.global_load_const @fc.weight : tensor<2x2xf32>
  %k = arith.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %w = nn.binary mul %w0, %k : (tensor<2x2xf32>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %q = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "fc"} : (tensor<2x2xf32>) -> !tern.quant<2x2xf32, #w8>
  %p:2 = tern.unbundle %q : (!tern.quant<2x2xf32, #w8>) -> (tensor<2x2xi8>, tensor<2x1xf32>)
  %s = nn.reshape %p#1 : (tensor<2x1xf32>) -> tensor<2xf32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %bs = nn.binary mul %s, %half : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %b = arith.constant dense<2.0> : tensor<2xf32>
  %bq = tern.quantize %b, %bs : (tensor<2xf32>, tensor<2xf32>) -> !tern.quant<2xf32, #b32>
  %bc:2 = tern.unbundle %bq : (!tern.quant<2xf32, #b32>) -> (tensor<2xi32>, tensor<2xf32>)
  %y = tern.matmul %x, %q, %bc#0 {name = "fc"} : (!tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<2x2xf32, #w8>, tensor<2xi32>) -> tensor<1x2xi32>
  return %y : tensor<1x2xi32>
}

// -----

#w8 = #tern.format<si8, scale<f32, [1, *]>>
#b32 = #tern.format<si32, scale<f32, [1]>>

// A channel of tiny weights with a bias: its scale is raised until the bias fits 30 bits.
// CHECK-LABEL: func.func @tiny
// CHECK:         arith.constant dense<[1016, 1073741824]> : tensor<2xi32>
func.func @tiny(%x: !tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<1x2xi32> {
  %w = arith.constant dense<[[1.0, -2.0], [1.0e-20, 0.0]]> : tensor<2x2xf32>
  %q = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "fc"} : (tensor<2x2xf32>) -> !tern.quant<2x2xf32, #w8>
  %p:2 = tern.unbundle %q : (!tern.quant<2x2xf32, #w8>) -> (tensor<2x2xi8>, tensor<2x1xf32>)
  %s = nn.reshape %p#1 : (tensor<2x1xf32>) -> tensor<2xf32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %bs = nn.binary mul %s, %half : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
  %b = arith.constant dense<8.0> : tensor<2xf32>
  %bq = tern.quantize %b, %bs : (tensor<2xf32>, tensor<2xf32>) -> !tern.quant<2xf32, #b32>
  %bc:2 = tern.unbundle %bq : (!tern.quant<2xf32, #b32>) -> (tensor<2xi32>, tensor<2xf32>)
  %y = tern.matmul %x, %q, %bc#0 {name = "fc"} : (!tern.quant<1x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<2x2xf32, #w8>, tensor<2xi32>) -> tensor<1x2xi32>
  return %y : tensor<1x2xi32>
}

// -----

// A float weight with a folded batch norm is computed; up to 64 KiB it is an arith.constant.
// CHECK-LABEL: func.func @float
// CHECK:         %[[W:.*]] = arith.constant dense<{{\[\[}}2.000000e+00, 8.000000e+00]]> : tensor<1x2xf32>
// CHECK:         nn.matmul %arg0, %[[W]]
func.func @float(%x: tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = arith.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %k = arith.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %m = nn.binary mul %w, %k : (tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<2x1xf32>
  %t = nn.transpose %m {perm = array<i64: 1, 0>} : (tensor<2x1xf32>) -> tensor<1x2xf32>
  %y = nn.matmul %x, %t {name = "fc", transpose_b} : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// -----

// A float weight is packed from the order it has: no transposed copy is made.
ml_program.global private @fc.weight(dense<[[1.0, -2.0, 3.0], [0.5, 0.25, 4.0]]> : tensor<2x3xf32>) : tensor<2x3xf32>

// CHECK-LABEL: func.func @stored_order
// CHECK:         %[[W:.*]] = ml_program.global_load_const @fc.weight : tensor<2x3xf32>
// CHECK-NEXT:    nn.matmul %arg0, %[[W]] {name = "fc"}
func.func @stored_order(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = ml_program.global_load_const @fc.weight : tensor<2x3xf32>
  %t = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %y = nn.matmul %x, %t {name = "fc", transpose_b} : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}

// -----

#w8 = #tern.format<si8, scale<f32, [1, *]>>
ml_program.global private @tied(dense<[[1.0, -2.0], [0.5, 0.25]]> : tensor<2x2xf32>) : tensor<2x2xf32>

// A weight that two ops read is stored once.
// CHECK:         ml_program.global private @a.w.codes
// CHECK-NEXT:    ml_program.global private @a.w.scale
// CHECK-NOT:     ml_program.global
// CHECK-LABEL: func.func @twice
// CHECK-COUNT-2: ml_program.global_load_const @a.w.codes
func.func @twice(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %w = ml_program.global_load_const @tied : tensor<2x2xf32>
  %p = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "a"} : (tensor<2x2xf32>) -> !tern.quant<2x2xf32, #w8>
  %q = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "b"} : (tensor<2x2xf32>) -> !tern.quant<2x2xf32, #w8>
  %a = tern.matmul %x, %p {name = "a"} : (tensor<1x2xf32>, !tern.quant<2x2xf32, #w8>) -> tensor<1x2xf32>
  %b = tern.matmul %x, %q {name = "b"} : (tensor<1x2xf32>, !tern.quant<2x2xf32, #w8>) -> tensor<1x2xf32>
  return %a, %b : tensor<1x2xf32>, tensor<1x2xf32>
}
