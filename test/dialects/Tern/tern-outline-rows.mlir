// RUN: quant-opt %s --tern-outline --split-input-file --mlir-print-local-scope | FileCheck %s

// A norm computes the sum that it normalizes, which others read later, and quantizes its result.
// CHECK-LABEL: func.func @main(
// CHECK:       %[[N:.*]]:4 = tern.call @k.norm(%arg0, %arg1)
// CHECK:       tern.call @k.later(%[[N]]#0, %[[N]]#1)
// CHECK:       return %{{.*}}, %[[N]]#2, %[[N]]#3
// CHECK:       func.func private @k.norm(%arg0: tensor<4x8xf32>, %arg1: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x1xf32>)
// CHECK-NEXT:    %[[S:.*]] = nn.binary add
// CHECK-NEXT:    %[[Y:.*]] = nn.layer_norm %[[S]]
// CHECK-NEXT:    %[[Q:.*]] = tern.quantize %[[Y]]
// CHECK-NEXT:    %[[P:.*]]:2 = tern.unbundle %[[Q]]
// CHECK-NEXT:    return %[[S]], %[[Y]], %[[P]]#0, %[[P]]#1
func.func @main(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x1xf32>) {
  %s = nn.binary add %x, %r : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %n = nn.layer_norm %s {axis = 1 : i64, epsilon = 1.0e-5 : f32, name = "norm"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %q = tern.quantize %n by <absmax, -127 to 127> : (tensor<4x8xf32>) -> !tern.quant<4x8xf32, #tern.format<si8, scale<f32, [1, *]>>>
  %p:2 = tern.unbundle %q : (!tern.quant<4x8xf32, #tern.format<si8, scale<f32, [1, *]>>>) -> (tensor<4x8xi8>, tensor<4x1xf32>)
  %later = nn.binary mul %s, %n {name = "later"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %later, %p#0, %p#1 : tensor<4x8xf32>, tensor<4x8xi8>, tensor<4x1xf32>
}

// -----

// The sum is read before the norm ends: it stays a kernel of its own.
// CHECK-LABEL: func.func @early
// CHECK:       tern.call @k.s
// CHECK:       tern.call @k.c
// CHECK:       tern.call @k.n
func.func @early(%x: tensor<4x8xf32>, %r: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %s = nn.binary add %x, %r {name = "s"} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %c = nn.transpose %s {perm = array<i64: 1, 0>, name = "c"} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %n = nn.layer_norm %s {axis = 1 : i64, epsilon = 1.0e-5 : f32, name = "n"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %v = nn.reshape %c : (tensor<8x4xf32>) -> tensor<4x8xf32>
  %y = nn.binary mul %n, %v : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Heads are read and written where they lie; a transpose that others read, or that moves the elements of a head, is a copy.
// CHECK-LABEL: func.func @heads
// CHECK:       %[[K:.*]] = tern.call @k.keys
// CHECK:       %[[A:.*]] = tern.call @k.att(%arg0, %arg2, %[[K]])
// CHECK:       func.func private @k.keys(
// CHECK:       func.func private @k.att(%arg0: tensor<1x4x2x8xf32>, %arg1: tensor<1x4x2x8xf32>, %arg2: tensor<1x2x4x8xf32>) -> tensor<1x4x2x8xf32>
// CHECK-COUNT-2: nn.transpose
// CHECK:         nn.attention
// CHECK-NEXT:    nn.transpose
// CHECK-NEXT:    return
func.func @heads(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x8x4xf32>, %v: tensor<1x4x2x8xf32>) -> tensor<1x4x16xf32> {
  %0 = nn.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x8xf32>) -> tensor<1x2x4x8xf32>
  %1 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>, name = "keys"} : (tensor<1x2x8x4xf32>) -> tensor<1x2x4x8xf32>
  %2 = nn.transpose %v {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x8xf32>) -> tensor<1x2x4x8xf32>
  %3 = nn.attention %0, %1, %2 {scale = 0.5 : f32, name = "att"} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  %4 = nn.transpose %3 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x4x8xf32>) -> tensor<1x4x2x8xf32>
  %5 = nn.reshape %4 : (tensor<1x4x2x8xf32>) -> tensor<1x4x16xf32>
  return %5 : tensor<1x4x16xf32>
}

// -----

// Heads of a wider tensor are read where they lie; a slice inside the elements of heads is a copy.
// CHECK-LABEL: func.func @sliced_heads
// CHECK:       %[[V:.*]] = tern.call @k.part(%arg1)
// CHECK:       tern.call @k.att(%arg0, %[[V]])
// CHECK:       func.func private @k.att(%arg0: tensor<1x4x4x8xf32>, %arg1: tensor<1x4x1x8xf32>)
// CHECK:         nn.slice
// CHECK:         nn.transpose
// CHECK:         nn.attention
func.func @sliced_heads(%h: tensor<1x4x4x8xf32>, %w: tensor<1x4x1x16xf32>) -> tensor<1x2x4x8xf32> {
  %q = nn.slice %h {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 4, 2, 8>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x4x4x8xf32>) -> tensor<1x4x2x8xf32>
  %k = nn.slice %h {starts = array<i64: 0, 0, 2, 0>, sizes = array<i64: 1, 4, 1, 8>, steps = array<i64: 1, 1, 1, 1>} : (tensor<1x4x4x8xf32>) -> tensor<1x4x1x8xf32>
  %v = nn.slice %w {starts = array<i64: 0, 0, 0, 8>, sizes = array<i64: 1, 4, 1, 8>, steps = array<i64: 1, 1, 1, 1>, name = "part"} : (tensor<1x4x1x16xf32>) -> tensor<1x4x1x8xf32>
  %q1 = nn.transpose %q {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x8xf32>) -> tensor<1x2x4x8xf32>
  %k1 = nn.transpose %k {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x1x8xf32>) -> tensor<1x1x4x8xf32>
  %v1 = nn.transpose %v {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x1x8xf32>) -> tensor<1x1x4x8xf32>
  %y = nn.attention %q1, %k1, %v1 {scale = 0.5 : f32, name = "att"} : (tensor<1x2x4x8xf32>, tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>) -> tensor<1x2x4x8xf32>
  return %y : tensor<1x2x4x8xf32>
}
