// RUN: quant-opt %s --tern-normalize-weights --mlir-print-local-scope | FileCheck %s

// uint8 with the zero point 128 a channel, transposed: signed codes [out, in].
// CHECK-LABEL: func.func @bytes
// CHECK-DAG:     %[[M:.*]] = arith.constant dense<-128> : tensor<i8>
// CHECK-DAG:     %[[C:.*]] = nn.transpose %{{.*}} {perm = array<i64: 1, 0>} : (tensor<4x8xi8>) -> tensor<8x4xi8>
// CHECK-DAG:     %[[S:.*]] = nn.transpose %{{.*}} {perm = array<i64: 1, 0>} : (tensor<1x8xf32>) -> tensor<8x1xf32>
// CHECK:         %[[X:.*]] = nn.binary bitwise_xor %[[C]], %[[M]]
// CHECK:         %[[Q:.*]] = tern.bundle %[[X]], %[[S]] : {{.*}} -> !tern.quant<8x4xf32, #tern.format<si8, scale<f32, [1, *]>>>
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         nn.matmul %arg0, %[[D]] {transpose_b}
#u8 = #tern.format<ui8, scale<f32, [*, 1]>, zero<ui8>>
func.func @bytes(%x: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %c = ml_program.global_load_const @codes : tensor<4x8xi8>
  %s = arith.constant dense<0.5> : tensor<1x8xf32>
  %z = arith.constant dense<-128> : tensor<i8>
  %q = tern.bundle %c, %s, %z : (tensor<4x8xi8>, tensor<1x8xf32>, tensor<i8>) -> !tern.quant<4x8xf32, #u8>
  %d = tern.dequantize %q : (!tern.quant<4x8xf32, #u8>) -> tensor<4x8xf32>
  %t = nn.transpose %d {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %y = nn.matmul %x, %t {transpose_b} : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// Packed codes in blocks are taken apart and packed again, in the other direction.
// CHECK-LABEL: func.func @blocks
// CHECK:         tern.dequantize %{{.*}} : (!tern.quant<4x8xf32, #tern.format<si4>>) -> tensor<4x8xf32>
// CHECK:         nn.transpose %{{.*}} : (tensor<4x8xf32>) -> tensor<8x4xf32>
// CHECK:         %[[C:.*]] = tern.unbundle %{{.*}} : (!tern.quant<8x4xf32, #tern.format<si4>>) -> tensor<8x2xi8>
// CHECK:         tern.bundle %[[C]], %{{.*}} : {{.*}} -> !tern.quant<8x4xf32, #tern.format<si4, scale<f32, [1, 2]>>>
#s4 = #tern.format<si4, scale<f32, [2, 1]>>
func.func @blocks() -> tensor<8x4xf32> {
  %c = arith.constant dense<1> : tensor<4x4xi8>
  %s = arith.constant dense<0.5> : tensor<2x8xf32>
  %q = tern.bundle %c, %s : (tensor<4x4xi8>, tensor<2x8xf32>) -> !tern.quant<4x8xf32, #s4>
  %d = tern.dequantize %q : (!tern.quant<4x8xf32, #s4>) -> tensor<4x8xf32>
  %t = nn.transpose %d {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return %t : tensor<8x4xf32>
}

// Packed zero points of 8; another one stays.
// CHECK-LABEL: func.func @nibbles
// CHECK:         arith.constant dense<-120> : tensor<i8>
// CHECK:         tern.bundle %{{.*}}, %{{.*}} : {{.*}} -> !tern.quant<2x6xf32, #tern.format<si4, scale<f32, [1, 2]>>>
// CHECK:         tern.bundle %{{.*}}, %{{.*}}, %{{.*}} : {{.*}} -> !tern.quant<2x6xf32, #tern.format<ui4, scale<f32, [1, 2]>, zero<ui4, [1, 2]>>>
#u4 = #tern.format<ui4, scale<f32, [1, 2]>, zero<ui4, [1, 2]>>
func.func @nibbles() -> (tensor<2x6xf32>, tensor<2x6xf32>) {
  %c = arith.constant dense<17> : tensor<2x3xi8>
  %s = arith.constant dense<0.5> : tensor<2x3xf32>
  %z = arith.constant dense<[[-120, 8], [-120, 8]]> : tensor<2x2xi8>
  %o = arith.constant dense<[[-120, 8], [-120, 7]]> : tensor<2x2xi8>
  %q = tern.bundle %c, %s, %z : (tensor<2x3xi8>, tensor<2x3xf32>, tensor<2x2xi8>) -> !tern.quant<2x6xf32, #u4>
  %p = tern.bundle %c, %s, %o : (tensor<2x3xi8>, tensor<2x3xf32>, tensor<2x2xi8>) -> !tern.quant<2x6xf32, #u4>
  %d = tern.dequantize %q : (!tern.quant<2x6xf32, #u4>) -> tensor<2x6xf32>
  %e = tern.dequantize %p : (!tern.quant<2x6xf32, #u4>) -> tensor<2x6xf32>
  return %d, %e : tensor<2x6xf32>, tensor<2x6xf32>
}

// Computed codes stay as they are.
// CHECK-LABEL: func.func @computed
// CHECK:         tern.bundle %arg0
// CHECK-NEXT:    tern.dequantize
// CHECK-NEXT:    nn.transpose
func.func @computed(%c: tensor<4x8xi8>) -> tensor<8x4xf32> {
  %s = arith.constant dense<0.5> : tensor<1x8xf32>
  %z = arith.constant dense<-128> : tensor<i8>
  %q = tern.bundle %c, %s, %z : (tensor<4x8xi8>, tensor<1x8xf32>, tensor<i8>) -> !tern.quant<4x8xf32, #u8>
  %d = tern.dequantize %q : (!tern.quant<4x8xf32, #u8>) -> tensor<4x8xf32>
  %t = nn.transpose %d {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return %t : tensor<8x4xf32>
}

ml_program.global private @codes(dense<7> : tensor<4x8xi8>) : tensor<4x8xi8>
