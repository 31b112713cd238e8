// RUN: quant-opt %s --nn-recognize-weights --mlir-print-local-scope | FileCheck %s
// RUN: quant-opt %s --nn-recognize-weights --remarks-filter=nn-recognize-weights 2>&1 | FileCheck %s --check-prefix=REMARK
// REMARK: QuantizedWeight
// REMARK-SAME: <si8, scale<f32, [*, 1]>>

// One scale a column.
// CHECK-LABEL: func.func @columns
// CHECK:         %[[W:.*]] = ml_program.global_load_const @w
// CHECK:         %[[Q:.*]] = tern.bundle %[[W]], %{{.*}} : (tensor<4x8xi8>, tensor<1x8xf32>) -> !tern.quant<4x8xf32, #tern.format<si8, scale<f32, [*, 1]>>>
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         nn.matmul %arg0, %[[D]]
func.func @columns(%x: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %w = ml_program.global_load_const @w : tensor<4x8xi8>
  %s = arith.constant dense<0.5> : tensor<1x8xf32>
  %c = nn.cast %w : (tensor<4x8xi8>) -> tensor<4x8xf32>
  %d = nn.binary mul %c, %s : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  %y = nn.matmul %x, %d : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// One scale for all, on the left; a zero point after the cast; transposed before the scale.
// CHECK-LABEL: func.func @zero
// CHECK:         %[[T:.*]] = nn.transpose %{{.*}} {perm = array<i64: 1, 0>} : (tensor<4x8xui8>) -> tensor<8x4xui8>
// CHECK:         tern.bundle %{{.*}}, %{{.*}}, %{{.*}} : (tensor<8x4xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<8x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
// CHECK-NEXT:    tern.dequantize
// CHECK-NEXT:    return
func.func @zero() -> tensor<8x4xf32> {
  %w = ml_program.global_load_const @u : tensor<4x8xui8>
  %s = arith.constant dense<0.5> : tensor<f32>
  %z = arith.constant dense<7.0> : tensor<1xf32>
  %c = nn.cast %w : (tensor<4x8xui8>) -> tensor<4x8xf32>
  %e = nn.binary sub %c, %z : (tensor<4x8xf32>, tensor<1xf32>) -> tensor<4x8xf32>
  %t = nn.transpose %e {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %d = nn.binary mul %s, %t : (tensor<f32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  return %d : tensor<8x4xf32>
}

// Subtracted in int32; a zero point that is no code is a float plane.
// CHECK-LABEL: func.func @integers
// CHECK:         !tern.quant<4x8xf32, #tern.format<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>>
// CHECK:         !tern.quant<4x8xf32, #tern.format<ui8, scale<f32, [1, *]>, zero<f32>>>
func.func @integers() -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %w = ml_program.global_load_const @u : tensor<4x8xui8>
  %s = arith.constant dense<0.5> : tensor<4x1xf32>
  %z = arith.constant dense<7> : tensor<4x1xi32>
  %half = arith.constant dense<7.5> : tensor<f32>
  %i = nn.cast %w : (tensor<4x8xui8>) -> tensor<4x8xi32>
  %e = nn.binary sub %i, %z : (tensor<4x8xi32>, tensor<4x1xi32>) -> tensor<4x8xi32>
  %c = nn.cast %e : (tensor<4x8xi32>) -> tensor<4x8xf32>
  %d = nn.binary mul %c, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  %f = nn.cast %w : (tensor<4x8xui8>) -> tensor<4x8xf32>
  %g = nn.binary sub %f, %half : (tensor<4x8xf32>, tensor<f32>) -> tensor<4x8xf32>
  %h = nn.binary mul %g, %s : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %d, %h : tensor<4x8xf32>, tensor<4x8xf32>
}

// A computed scale, a product of two weights, and int32 stay.
// CHECK-LABEL: func.func @others
// CHECK-NOT:     tern.
// CHECK:         return
func.func @others(%s: tensor<1x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %w = ml_program.global_load_const @w : tensor<4x8xi8>
  %i = ml_program.global_load_const @i : tensor<4x8xi32>
  %k = arith.constant dense<0.5> : tensor<1x8xf32>
  %c = nn.cast %w : (tensor<4x8xi8>) -> tensor<4x8xf32>
  %a = nn.binary mul %c, %s : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  %b = nn.binary mul %c, %c : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %j = nn.cast %i : (tensor<4x8xi32>) -> tensor<4x8xf32>
  %d = nn.binary mul %j, %k : (tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<4x8xf32>
  return %a, %b, %d : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

ml_program.global private @w(dense<7> : tensor<4x8xi8>) : tensor<4x8xi8>
ml_program.global private @u(dense<9> : tensor<4x8xui8>) : tensor<4x8xui8>
ml_program.global private @i(dense<9> : tensor<4x8xi32>) : tensor<4x8xi32>
