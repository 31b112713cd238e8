// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @qdq
func.func @qdq(%x: tensor<2x4xf32>, %s: tensor<f32>, %z: tensor<i8>) -> (tensor<2x4xf32>, tensor<2x4xi8>) {
  // CHECK: tern.quantize %{{.*}}, %{{.*}}, %{{.*}} {name = "q"} : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<2x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  %q = tern.quantize %x, %s, %z {name = "q"} : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<2x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  // CHECK: tern.dequantize
  %d = tern.dequantize %q : (!tern.quant<2x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<2x4xf32>
  // CHECK: tern.quantize %{{.*}} by <absmax, -127 to 127> {method = "rtn"}
  %w = tern.quantize %x by <absmax, -127 to 127> {method = "rtn"} : (tensor<2x4xf32>) -> !tern.quant<2x4xf32, #tern.format<si8, scale<f32, [1, *]>>>
  // CHECK: tern.unbundle
  %c, %cs = tern.unbundle %w : (!tern.quant<2x4xf32, #tern.format<si8, scale<f32, [1, *]>>>) -> (tensor<2x4xi8>, tensor<2x1xf32>)
  return %d, %c : tensor<2x4xf32>, tensor<2x4xi8>
}

// CHECK-LABEL: @fused
func.func @fused(%x: !tern.quant<1x4x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, %w: !tern.quant<8x4x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>, %b: tensor<8xi32>, %m: tensor<8x1x1xf32>, %s: tensor<f32>, %z: tensor<i8>) -> !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>> {
  // CHECK: tern.conv %{{.*}}, %{{.*}}, %{{.*}} choice <kernels = <"cpu.conv.u8s8", 1 to -1>> {dilations = array<i64: 1, 1>, name = "c", pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 1, 1>}
  %a = tern.conv %x, %w, %b choice <kernels = <"cpu.conv.u8s8", 1 to -1>> {name = "c", strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (!tern.quant<1x4x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>, !tern.quant<8x4x3x3xf32, #tern.format<si8, scale<f32, [1, *, *, *]>>>, tensor<8xi32>) -> tensor<1x8x6x6xi32>
  // CHECK: tern.requantize %{{.*}} by %{{.*}} to %{{.*}}, %{{.*}} {hi = 255 : i64, lo = 0 : i64}
  %q = tern.requantize %a by %m to %s, %z {lo = 0 : i64, hi = 255 : i64} : (tensor<1x8x6x6xi32>, tensor<8x1x1xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  return %q : !tern.quant<1x8x6x6xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
}

// Scales that change along K: real numbers.
// CHECK-LABEL: @groups
func.func @groups(%x: tensor<3x8xf32>, %w: !tern.quant<5x8xf32, #tern.format<si4, scale<f32, [1, 4]>>>, %b: tensor<5xf32>) -> tensor<3x5xf32> {
  // CHECK: tern.matmul
  %y = tern.matmul %x, %w, %b : (tensor<3x8xf32>, !tern.quant<5x8xf32, #tern.format<si4, scale<f32, [1, 4]>>>, tensor<5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

func.func private @k(tensor<2xf32>) -> tensor<2xf32>

// CHECK-LABEL: @call
func.func @call(%x: tensor<2xf32>) -> tensor<2xf32> {
  // CHECK: tern.call @k(%{{.*}}) {name = "k", row = "cpu.eltwise"} : (tensor<2xf32>) -> tensor<2xf32>
  %y = tern.call @k(%x) {name = "k", row = "cpu.eltwise"} : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}
