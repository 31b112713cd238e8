// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s

// A quantized value is its planes; the bounds move by the zero point.
// CHECK-LABEL: func.func @static(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>, %[[S:.*]]: tensor<f32>, %[[Z:.*]]: tensor<i8>
// CHECK: linalg.generic {{.*}} ins(%[[X]], %[[S]], %[[Z]] : tensor<4xf32>, tensor<f32>, tensor<i8>)
// CHECK: arith.divf
// CHECK: arith.maximumf
// CHECK: arith.minimumf
// CHECK: math.roundeven
// CHECK: return %{{.*}}, %[[S]], %[[Z]] : tensor<4xi8>, tensor<f32>, tensor<i8>
func.func @static(%x: tensor<4xf32>, %s: tensor<f32>, %z: tensor<i8>) -> !tern.quant<4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>> {
  %q = tern.quantize %x, %s, %z : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  return %q : !tern.quant<4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
}

// Blocks are a division in the map; four bits are read from bytes.
// CHECK-LABEL: func.func @blocks(
// CHECK-SAME: %[[C:.*]]: tensor<2x4xi8>, %[[S:.*]]: tensor<2x2xf16>
// CHECK: linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1 floordiv 4)>
// CHECK-SAME: ins(%[[S]] : tensor<2x2xf16>)
// CHECK: tensor.extract %[[C]]
// CHECK: arith.shrsi
// CHECK: arith.sitofp
// CHECK: arith.mulf
func.func @blocks(%q: !tern.quant<2x8xf32, #tern.format<si4, scale<f16, [1, 4]>>>) -> tensor<2x8xf32> {
  %0 = tern.dequantize %q : (!tern.quant<2x8xf32, #tern.format<si4, scale<f16, [1, 4]>>>) -> tensor<2x8xf32>
  return %0 : tensor<2x8xf32>
}

// Integers: zero points first, then products and sums in i32.
// CHECK-LABEL: func.func @integer(
// CHECK: arith.subi
// CHECK: arith.muli %{{.*}}, %{{.*}} : i32
// CHECK: arith.addi %{{.*}}, %{{.*}} : i32
func.func @integer(%x: !tern.quant<2x8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, %w: !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<2x4xi32> {
  %0 = tern.matmul %x, %w : (!tern.quant<2x8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<4x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<2x4xi32>
  return %0 : tensor<2x4xi32>
}

ml_program.global private @w(dense<[200, 1]> : tensor<2xui8>) : tensor<2xui8>

// CHECK-NOT: ml_program
// CHECK-LABEL: func.func @constants(
// CHECK: arith.constant dense<[-56, 1]> : tensor<2xi8>
// CHECK: call @constants() : () -> tensor<2xi8>
func.func @constants() -> tensor<2xui8> {
  %0 = ml_program.global_load_const @w : tensor<2xui8>
  return %0 : tensor<2xui8>
}
func.func @calls() -> tensor<2xui8> {
  %0 = tern.call @constants() : () -> tensor<2xui8>
  return %0 : tensor<2xui8>
}
