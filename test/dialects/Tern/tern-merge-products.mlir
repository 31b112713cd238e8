// RUN: quant-opt %s --tern-merge-products --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: func.func @projections
// CHECK: %[[W:.*]] = nn.concat %{{.*}}, %{{.*}}, %{{.*}} {axis = 0 : i64} : (tensor<16x8xf32>, tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<32x8xf32>
// CHECK: %[[B:.*]] = nn.concat %{{.*}}, %{{.*}}, %{{.*}} {axis = 0 : i64} : (tensor<16xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<32xf32>
// CHECK: %[[Y:.*]] = nn.matmul %arg0, %[[W]], %[[B]] {name = "q+k+v", transpose_b} : (tensor<1x5x8xf32>, tensor<32x8xf32>, tensor<32xf32>) -> tensor<1x5x32xf32>
// CHECK: %[[H:.*]] = nn.reshape %[[Y]] : (tensor<1x5x32xf32>) -> tensor<1x5x8x4xf32>
// CHECK: %[[Q:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 5, 4, 4>, starts = array<i64: 0, 0, 0, 0>, steps = array<i64: 1, 1, 1, 1>}
// CHECK: %[[K:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 5, 2, 4>, starts = array<i64: 0, 0, 4, 0>
// CHECK: %[[V:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 5, 2, 4>, starts = array<i64: 0, 0, 6, 0>
// CHECK: nn.transpose %[[Q]]
// CHECK-NOT: nn.matmul
func.func @projections(%x: tensor<1x5x8xf32>) -> tensor<1x4x5x4xf32> {
  %wq = arith.constant dense<0.1> : tensor<16x8xf32>
  %bq = arith.constant dense<0.1> : tensor<16xf32>
  %q = nn.matmul %x, %wq, %bq {name = "q", transpose_b} : (tensor<1x5x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<1x5x16xf32>
  %wk = arith.constant dense<0.2> : tensor<8x8xf32>
  %bk = arith.constant dense<0.2> : tensor<8xf32>
  %k = nn.matmul %x, %wk, %bk {name = "k", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<1x5x8xf32>
  %wv = arith.constant dense<0.3> : tensor<8x8xf32>
  %bv = arith.constant dense<0.3> : tensor<8xf32>
  %v = nn.matmul %x, %wv, %bv {name = "v", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>, tensor<8xf32>) -> tensor<1x5x8xf32>
  %q1 = nn.reshape %q : (tensor<1x5x16xf32>) -> tensor<1x5x4x4xf32>
  %k1 = nn.reshape %k : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %v1 = nn.reshape %v : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %q2 = nn.transpose %q1 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x5x4x4xf32>) -> tensor<1x4x5x4xf32>
  %k2 = nn.transpose %k1 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %v2 = nn.transpose %v1 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x5x2x4xf32>) -> tensor<1x2x5x4xf32>
  %y = nn.attention %q2, %k2, %v2 {scale = 0.5 : f32} : (tensor<1x4x5x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x4x5x4xf32>
  return %y : tensor<1x4x5x4xf32>
}

// Rows of the weight are encoded on their own: one encoding below another is that of all.
// CHECK-LABEL: func.func @quantized
// CHECK: %[[W:.*]] = nn.concat
// CHECK: %[[C:.*]] = tern.quantize %[[W]] by <absmax, -127 to 127> {method = "rtn", name = "q+k"} : (tensor<16x8xf32>) -> !tern.quant<16x8xf32, #tern.format<si8, scale<f32, [1, *]>>>
// CHECK: %[[D:.*]] = tern.dequantize %[[C]]
// CHECK: nn.matmul %arg0, %[[D]] {name = "q+k", tern.choice = #tern.choice<kernels = <"cpu.gemm.f32s8", 1 to -1>>, transpose_b}
func.func @quantized(%x: tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32> {
  %w = arith.constant dense<0.1> : tensor<8x8xf32>
  %a = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "q"} : (tensor<8x8xf32>) -> !tern.quant<8x8xf32, #tern.format<si8, scale<f32, [1, *]>>>
  %b = tern.dequantize %a : (!tern.quant<8x8xf32, #tern.format<si8, scale<f32, [1, *]>>>) -> tensor<8x8xf32>
  %q = nn.matmul %x, %b {name = "q", tern.choice = #tern.choice<kernels = <"cpu.gemm.f32s8", 1 to -1>>, transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  %c = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "k"} : (tensor<8x8xf32>) -> !tern.quant<8x8xf32, #tern.format<si8, scale<f32, [1, *]>>>
  %d = tern.dequantize %c : (!tern.quant<8x8xf32, #tern.format<si8, scale<f32, [1, *]>>>) -> tensor<8x8xf32>
  %k = nn.matmul %x, %d {name = "k", tern.choice = #tern.choice<kernels = <"cpu.gemm.f32s8", 1 to -1>>, transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  %q1 = nn.reshape %q : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %k1 = nn.reshape %k : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %y = nn.attention %q1, %k1, %k1 {scale = 0.5 : f32} : (tensor<1x5x2x4xf32>, tensor<1x5x2x4xf32>, tensor<1x5x2x4xf32>) -> tensor<1x5x2x4xf32>
  return %y : tensor<1x5x2x4xf32>
}

// Different decisions, one scale a tensor, and results that are read as they are stay.
// CHECK-LABEL: func.func @kept_apart
// CHECK-COUNT-2: nn.matmul
func.func @kept_apart(%x: tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32> {
  %w = arith.constant dense<0.1> : tensor<8x8xf32>
  %a = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "q"} : (tensor<8x8xf32>) -> !tern.quant<8x8xf32, #tern.format<si8, scale<f32>>>
  %b = tern.dequantize %a : (!tern.quant<8x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<8x8xf32>
  %q = nn.matmul %x, %b {name = "q", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  %c = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "k"} : (tensor<8x8xf32>) -> !tern.quant<8x8xf32, #tern.format<si8, scale<f32>>>
  %d = tern.dequantize %c : (!tern.quant<8x8xf32, #tern.format<si8, scale<f32>>>) -> tensor<8x8xf32>
  %k = nn.matmul %x, %d {name = "k", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  %q1 = nn.reshape %q : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %k1 = nn.reshape %k : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
  %y = nn.attention %q1, %k1, %k1 {scale = 0.5 : f32} : (tensor<1x5x2x4xf32>, tensor<1x5x2x4xf32>, tensor<1x5x2x4xf32>) -> tensor<1x5x2x4xf32>
  return %y : tensor<1x5x2x4xf32>
}

// CHECK-LABEL: func.func @read_as_it_is
// CHECK-COUNT-2: nn.matmul
func.func @read_as_it_is(%x: tensor<1x5x8xf32>) -> (tensor<1x5x8xf32>, tensor<1x5x8xf32>) {
  %w = arith.constant dense<0.1> : tensor<8x8xf32>
  %q = nn.matmul %x, %w {name = "q", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  %k = nn.matmul %x, %w {name = "k", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
  return %q, %k : tensor<1x5x8xf32>, tensor<1x5x8xf32>
}

// Gate and up projection: one product, whose halves meet.
// CHECK-LABEL: func.func @gate
// CHECK: %[[W:.*]] = nn.concat %{{.*}}, %{{.*}} {axis = 0 : i64} : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<12x8xf32>
// CHECK: %[[Y:.*]] = nn.matmul %arg0, %[[W]] {name = "gate+up", transpose_b} : (tensor<1x5x8xf32>, tensor<12x8xf32>) -> tensor<1x5x12xf32>
// CHECK: %[[G:.*]] = nn.slice %[[Y]] {sizes = array<i64: 1, 5, 6>, starts = array<i64: 0, 0, 0>, steps = array<i64: 1, 1, 1>}
// CHECK: %[[U:.*]] = nn.slice %[[Y]] {sizes = array<i64: 1, 5, 6>, starts = array<i64: 0, 0, 6>, steps = array<i64: 1, 1, 1>}
// CHECK: %[[A:.*]] = nn.unary silu %[[G]]
// CHECK: nn.binary mul %[[U]], %[[A]]
func.func @gate(%x: tensor<1x5x8xf32>) -> tensor<1x5x6xf32> {
  %wg = arith.constant dense<0.1> : tensor<6x8xf32>
  %g = nn.matmul %x, %wg {name = "gate", transpose_b} : (tensor<1x5x8xf32>, tensor<6x8xf32>) -> tensor<1x5x6xf32>
  %s = nn.unary silu %g : (tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  %wu = arith.constant dense<0.2> : tensor<6x8xf32>
  %u = nn.matmul %x, %wu {name = "up", transpose_b} : (tensor<1x5x8xf32>, tensor<6x8xf32>) -> tensor<1x5x6xf32>
  %y = nn.binary mul %u, %s : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  return %y : tensor<1x5x6xf32>
}

// Another reader of a projection, or another x: they stay apart.
// CHECK-LABEL: func.func @no_gate
// CHECK-NOT: nn.concat
// CHECK-COUNT-3: nn.matmul
func.func @no_gate(%x: tensor<1x5x8xf32>, %z: tensor<1x5x8xf32>) -> (tensor<1x5x6xf32>, tensor<1x5x6xf32>, tensor<1x5x6xf32>) {
  %w = arith.constant dense<0.1> : tensor<6x8xf32>
  %g = nn.matmul %x, %w {name = "gate", transpose_b} : (tensor<1x5x8xf32>, tensor<6x8xf32>) -> tensor<1x5x6xf32>
  %u = nn.matmul %z, %w {name = "other_x", transpose_b} : (tensor<1x5x8xf32>, tensor<6x8xf32>) -> tensor<1x5x6xf32>
  %v = nn.matmul %x, %w {name = "read_twice", transpose_b} : (tensor<1x5x8xf32>, tensor<6x8xf32>) -> tensor<1x5x6xf32>
  %a = nn.binary mul %g, %u : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  %b = nn.binary mul %v, %a : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  return %a, %b, %v : tensor<1x5x6xf32>, tensor<1x5x6xf32>, tensor<1x5x6xf32>
}

// One row: its transposition into heads is a reshape, and the cache takes its part of the product.
// CHECK-LABEL: func.func @one_row
// CHECK: %[[Y:.*]] = nn.matmul %arg0, %{{.*}} {name = "q+k+v", transpose_b} : (tensor<1x1x8xf32>, tensor<32x8xf32>) -> tensor<1x1x32xf32>
// CHECK: %[[H:.*]] = nn.reshape %[[Y]] : (tensor<1x1x32xf32>) -> tensor<1x8x1x4xf32>
// CHECK: %[[Q:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 4, 1, 4>, starts = array<i64: 0, 0, 0, 0>
// CHECK: %[[K:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 2, 1, 4>, starts = array<i64: 0, 4, 0, 0>
// CHECK: %[[V:.*]] = nn.slice %[[H]] {sizes = array<i64: 1, 2, 1, 4>, starts = array<i64: 0, 6, 0, 0>
// CHECK: nn.concat %arg1, %[[K]]
// CHECK: nn.concat %arg2, %[[V]]
// CHECK: nn.attention %[[Q]]
func.func @one_row(%x: tensor<1x1x8xf32>, %pk: tensor<1x2x3x4xf32>, %pv: tensor<1x2x3x4xf32>) -> tensor<1x4x1x4xf32> {
  %wq = arith.constant dense<0.1> : tensor<16x8xf32>
  %q = nn.matmul %x, %wq {name = "q", transpose_b} : (tensor<1x1x8xf32>, tensor<16x8xf32>) -> tensor<1x1x16xf32>
  %wk = arith.constant dense<0.2> : tensor<8x8xf32>
  %k = nn.matmul %x, %wk {name = "k", transpose_b} : (tensor<1x1x8xf32>, tensor<8x8xf32>) -> tensor<1x1x8xf32>
  %wv = arith.constant dense<0.3> : tensor<8x8xf32>
  %v = nn.matmul %x, %wv {name = "v", transpose_b} : (tensor<1x1x8xf32>, tensor<8x8xf32>) -> tensor<1x1x8xf32>
  %q1 = nn.reshape %q : (tensor<1x1x16xf32>) -> tensor<1x4x1x4xf32>
  %k1 = nn.reshape %k : (tensor<1x1x8xf32>) -> tensor<1x2x1x4xf32>
  %v1 = nn.reshape %v : (tensor<1x1x8xf32>) -> tensor<1x2x1x4xf32>
  %k2 = nn.concat %pk, %k1 {axis = 2 : i64} : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  %v2 = nn.concat %pv, %v1 {axis = 2 : i64} : (tensor<1x2x3x4xf32>, tensor<1x2x1x4xf32>) -> tensor<1x2x4x4xf32>
  %y = nn.attention %q1, %k2, %v2 {scale = 0.5 : f32} : (tensor<1x4x1x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x4x1x4xf32>
  return %y : tensor<1x4x1x4xf32>
}
