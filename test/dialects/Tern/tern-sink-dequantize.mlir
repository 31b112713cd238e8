// RUN: quant-opt %s --tern-sink-dequantize --mlir-print-local-scope | FileCheck %s

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>
!a = !tern.quant<1x2x4xf32, #u8>

// CHECK-LABEL: func.func @transpose
// CHECK:         %[[Q:.*]] = tern.quantize %arg0, %[[S:.*]], %[[Z:.*]] :
// CHECK:         %[[U:.*]]:3 = tern.unbundle %[[Q]]
// CHECK:         %[[T:.*]] = nn.transpose %[[U]]#0 {perm = array<i64: 0, 2, 1>} : (tensor<1x2x4xi8>) -> tensor<1x4x2xi8>
// CHECK:         %[[R:.*]] = nn.reshape %[[T]] : (tensor<1x4x2xi8>) -> tensor<8xi8>
// CHECK:         %[[B:.*]] = tern.bundle %[[R]], %[[S]], %[[Z]]
// CHECK:         %[[D:.*]] = tern.dequantize %[[B]]
// CHECK:         return %[[D]]
func.func @transpose(%x: tensor<1x2x4xf32>) -> tensor<8xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %q = tern.quantize %x, %s, %z : (tensor<1x2x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %d = tern.dequantize %q : (!a) -> tensor<1x2x4xf32>
  %t = nn.transpose %d {perm = array<i64: 0, 2, 1>} : (tensor<1x2x4xf32>) -> tensor<1x4x2xf32>
  %r = nn.reshape %t : (tensor<1x4x2xf32>) -> tensor<8xf32>
  return %r : tensor<8xf32>
}

// The real number 0 is the code of the zero point, here 200 as a signless byte.
// CHECK-LABEL: func.func @pad
// CHECK:         nn.pad %{{.*}} {high = array<i64: 0, 0, 1>, low = array<i64: 0, 0, 1>, value = -5.600000e+01 : f64} : (tensor<1x2x4xi8>) -> tensor<1x2x6xi8>
func.func @pad(%x: tensor<1x2x4xf32>) -> tensor<1x2x6xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %z = arith.constant dense<200> : tensor<i8>
  %q = tern.quantize %x, %s, %z : (tensor<1x2x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %d = tern.dequantize %q : (!a) -> tensor<1x2x4xf32>
  %p = nn.pad %d {low = array<i64: 0, 0, 1>, high = array<i64: 0, 0, 1>} : (tensor<1x2x4xf32>) -> tensor<1x2x6xf32>
  return %p : tensor<1x2x6xf32>
}

// One scale: the concat copies codes. Two scales: it stays.
// CHECK-LABEL: func.func @concat
// CHECK:         nn.concat {{.*}} : (tensor<1x2x4xi8>, tensor<1x2x4xi8>) -> tensor<1x4x4xi8>
// CHECK:         nn.concat {{.*}} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
func.func @concat(%x: tensor<1x2x4xf32>, %y: tensor<1x2x4xf32>) -> (tensor<1x4x4xf32>, tensor<1x4x4xf32>) {
  %s = arith.constant dense<0.5> : tensor<f32>
  %t = arith.constant dense<0.25> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %q = tern.quantize %x, %s, %z : (tensor<1x2x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %p = tern.quantize %y, %s, %z : (tensor<1x2x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %r = tern.quantize %y, %t, %z : (tensor<1x2x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %qd = tern.dequantize %q : (!a) -> tensor<1x2x4xf32>
  %pd = tern.dequantize %p : (!a) -> tensor<1x2x4xf32>
  %rd = tern.dequantize %r : (!a) -> tensor<1x2x4xf32>
  %c = nn.concat %qd, %pd {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  %e = nn.concat %qd, %rd {axis = 1 : i64} : (tensor<1x2x4xf32>, tensor<1x2x4xf32>) -> tensor<1x4x4xf32>
  return %c, %e : tensor<1x4x4xf32>, tensor<1x4x4xf32>
}
