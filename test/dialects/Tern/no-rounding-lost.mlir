// RUN: quant-opt %s --canonicalize --cse --mlir-print-local-scope | FileCheck %s
// L2: generic passes neither remove a rounding nor move one. Upstream's quant dialect folds dcast(qcast(x)) to x.

// CHECK-LABEL: @round_trip
// CHECK: %[[Q:.*]] = tern.quantize %{{.*}}, %{{.*}}, %{{.*}}
// CHECK: %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK: return %[[D]]
func.func @round_trip(%x: tensor<8xf32>, %s: tensor<f32>, %z: tensor<i8>) -> tensor<8xf32> {
  %q = tern.quantize %x, %s, %z : (tensor<8xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  %d = tern.dequantize %q : (!tern.quant<8xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<8xf32>
  return %d : tensor<8xf32>
}

// Two formats in a row: both roundings stay, in their order.
// CHECK-LABEL: @two_formats
// CHECK: tern.quantize {{.*}}#tern.format<si8, scale<f32>>
// CHECK: tern.dequantize
// CHECK: tern.quantize {{.*}}#tern.format<si4, scale<f32>>
// CHECK: tern.dequantize
func.func @two_formats(%x: tensor<8xf32>, %s: tensor<f32>) -> tensor<8xf32> {
  %q = tern.quantize %x, %s : (tensor<8xf32>, tensor<f32>) -> !tern.quant<8xf32, #tern.format<si8, scale<f32>>>
  %d = tern.dequantize %q : (!tern.quant<8xf32, #tern.format<si8, scale<f32>>>) -> tensor<8xf32>
  %r = tern.quantize %d, %s : (tensor<8xf32>, tensor<f32>) -> !tern.quant<8xf32, #tern.format<si4, scale<f32>>>
  %e = tern.dequantize %r : (!tern.quant<8xf32, #tern.format<si4, scale<f32>>>) -> tensor<8xf32>
  return %e : tensor<8xf32>
}

// Scales that are computed from the values: encoding twice is no identity.
// CHECK-LABEL: @dynamic
// CHECK-COUNT-2: tern.quantize
// CHECK-NOT: tern.quantize
func.func @dynamic(%x: tensor<4x32xf32>) -> tensor<4x32xf32> {
  %q = tern.quantize %x by <floor_pow2> : (tensor<4x32xf32>) -> !tern.quant<4x32xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>>
  %d = tern.dequantize %q : (!tern.quant<4x32xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>>) -> tensor<4x32xf32>
  %r = tern.quantize %d by <floor_pow2> : (tensor<4x32xf32>) -> !tern.quant<4x32xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>>
  %e = tern.dequantize %r : (!tern.quant<4x32xf32, #tern.format<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>>) -> tensor<4x32xf32>
  return %e : tensor<4x32xf32>
}

// Equal quantizations are one; another rule or range is another rounding.
// CHECK-LABEL: @equal
// CHECK: tern.quantize {{.*}} by <absmax, -127 to 127>
// CHECK: tern.quantize {{.*}} by <absmax>
// CHECK-NOT: tern.quantize
func.func @equal(%x: tensor<4x32xf32>) -> (tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>) {
  %a = tern.quantize %x by <absmax, -127 to 127> : (tensor<4x32xf32>) -> !tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>
  %b = tern.quantize %x by <absmax, -127 to 127> : (tensor<4x32xf32>) -> !tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>
  %c = tern.quantize %x by <absmax> : (tensor<4x32xf32>) -> !tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>
  %da = tern.dequantize %a : (!tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>) -> tensor<4x32xf32>
  %db = tern.dequantize %b : (!tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>) -> tensor<4x32xf32>
  %dc = tern.dequantize %c : (!tern.quant<4x32xf32, #tern.format<si8, scale<f32>>>) -> tensor<4x32xf32>
  return %da, %db, %dc : tensor<4x32xf32>, tensor<4x32xf32>, tensor<4x32xf32>
}

// No rounding moves across a nonlinear op.
// CHECK-LABEL: @across
// CHECK: nn.unary relu
// CHECK-NEXT: tern.quantize
// CHECK-NEXT: tern.dequantize
// CHECK-NEXT: nn.unary relu
func.func @across(%x: tensor<8xf32>, %s: tensor<f32>) -> tensor<8xf32> {
  %a = nn.unary relu %x : (tensor<8xf32>) -> tensor<8xf32>
  %q = tern.quantize %a, %s : (tensor<8xf32>, tensor<f32>) -> !tern.quant<8xf32, #tern.format<si8, scale<f32>>>
  %d = tern.dequantize %q : (!tern.quant<8xf32, #tern.format<si8, scale<f32>>>) -> tensor<8xf32>
  %b = nn.unary relu %d : (tensor<8xf32>) -> tensor<8xf32>
  return %b : tensor<8xf32>
}
