// RUN: quant-opt %s --nn-raise | FileCheck %s
// RUN: quant-opt %s --nn-raise --remarks-filter=nn-raise --remark-format=emitRemark --mlir-disable-threading 2>&1 | FileCheck %s --check-prefix=REMARK
// test/unit/Transforms/RaiseTest.cpp runs every function before and after the pass.

// REMARK-DAG: remark: [Passed] Raised | Category:nn-raise{{.*}}Reason="attention recognised"
// REMARK-DAG: remark: [Missed] NearMiss | Category:nn-raise{{.*}}Reason="no attention: the weights have another reader"
// REMARK-DAG: remark: [Missed] NearMiss | Category:nn-raise{{.*}}Reason="no attention: hidden keys get -10.000000, which is not low enough to be nothing"
// REMARK-DAG: remark: [Missed] NearMiss | Category:nn-raise{{.*}}Reason="no attention: the scores are computed by nn.unary ops that attention does not have"

// softmax(q . k^T / c) . v
// CHECK-LABEL: func.func @multi_head(
// CHECK-NEXT: %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 {name = "context", scale = 5.000000e-01 : f32}
// CHECK-NEXT: return %[[Y]]
func.func @multi_head(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = arith.constant dense<2.0> : tensor<f32>
  %3 = nn.binary div %1, %2 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %4 = nn.softmax %3 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.matmul %4, %v {name = "context"} : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %5 : tensor<2x4x3x8xf32>
}

// Heads split off by reshape and transpose, k transposed in one step, an added mask
// CHECK-LABEL: func.func @bert(
// CHECK: %[[Q:.*]] = nn.transpose %{{.*}} {perm = array<i64: 0, 2, 1, 3>}
// CHECK: nn.attention %[[Q]], %{{.*}}, %{{.*}} mask %arg3 {scale = 2.500000e-01 : f32} : (tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x4x3x8xf32>, tensor<2x1x1x3xf32>) -> tensor<2x4x3x8xf32>
func.func @bert(%q: tensor<2x3x32xf32>, %k: tensor<2x3x32xf32>, %v: tensor<2x3x32xf32>, %m: tensor<2x1x1x3xf32>) -> tensor<2x3x32xf32> {
  %0 = nn.reshape %q : (tensor<2x3x32xf32>) -> tensor<2x3x4x8xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x3x4x8xf32>) -> tensor<2x4x3x8xf32>
  %2 = nn.reshape %k : (tensor<2x3x32xf32>) -> tensor<2x3x4x8xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x4x8x3xf32>
  %4 = nn.reshape %v : (tensor<2x3x32xf32>) -> tensor<2x3x4x8xf32>
  %5 = nn.transpose %4 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x3x4x8xf32>) -> tensor<2x4x3x8xf32>
  %6 = nn.matmul %1, %3 : (tensor<2x4x3x8xf32>, tensor<2x4x8x3xf32>) -> tensor<2x4x3x3xf32>
  %7 = arith.constant dense<0.25> : tensor<f32>
  %8 = nn.binary mul %6, %7 : (tensor<2x4x3x3xf32>, tensor<f32>) -> tensor<2x4x3x3xf32>
  %9 = nn.binary add %8, %m : (tensor<2x4x3x3xf32>, tensor<2x1x1x3xf32>) -> tensor<2x4x3x3xf32>
  %10 = nn.softmax %9 {axis = 3 : i64} : (tensor<2x4x3x3xf32>) -> tensor<2x4x3x3xf32>
  %11 = nn.matmul %10, %5 : (tensor<2x4x3x3xf32>, tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  %12 = nn.transpose %11 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x4x3x8xf32>) -> tensor<2x3x4x8xf32>
  %13 = nn.reshape %12 : (tensor<2x3x4x8xf32>) -> tensor<2x3x32xf32>
  return %13 : tensor<2x3x32xf32>
}

// q * sqrt(c) . (k^T * sqrt(c)): scaled_dot_product_attention of PyTorch
// CHECK-LABEL: func.func @scale_on_both(
// CHECK-NEXT: %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32}
func.func @scale_on_both(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<0.5> : tensor<f32>
  %1 = nn.binary mul %q, %0 : (tensor<2x4x3x8xf32>, tensor<f32>) -> tensor<2x4x3x8xf32>
  %2 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %3 = nn.binary mul %2, %0 : (tensor<2x4x8x5xf32>, tensor<f32>) -> tensor<2x4x8x5xf32>
  %4 = nn.matmul %1, %3 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %6 = nn.matmul %5, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %6 : tensor<2x4x3x8xf32>
}

// q scaled before its heads are split off
// CHECK-LABEL: func.func @scale_before_heads(
// CHECK-NEXT: nn.reshape %arg0
// CHECK: nn.attention %{{.*}}, %arg1, %arg2 {scale = 2.500000e-01 : f32}
func.func @scale_before_heads(%x: tensor<2x3x32xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<0.25> : tensor<f32>
  %1 = nn.binary mul %x, %0 : (tensor<2x3x32xf32>, tensor<f32>) -> tensor<2x3x32xf32>
  %2 = nn.reshape %1 : (tensor<2x3x32xf32>) -> tensor<2x3x4x8xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x3x4x8xf32>) -> tensor<2x4x3x8xf32>
  %4 = nn.matmul %3, %k {transpose_b} : (tensor<2x4x3x8xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %6 = nn.matmul %5, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %6 : tensor<2x4x3x8xf32>
}

// Where(mask, scores, -inf): a boolean mask
// CHECK-LABEL: func.func @boolean_mask(
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %arg3 {scale = 2.500000e-01 : f32} : (tensor<2x4x3x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>, tensor<2x1x3x5xi1>)
func.func @boolean_mask(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<2x1x3x5xi1>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = arith.constant dense<0.25> : tensor<f32>
  %3 = nn.binary mul %1, %2 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %4 = arith.constant dense<0xFF800000> : tensor<f32>
  %5 = nn.select %m, %3, %4 : (tensor<2x1x3x5xi1>, tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %6 = nn.softmax %5 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %7 = nn.matmul %6, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %7 : tensor<2x4x3x8xf32>
}

// Where(mask, -1e9, scores) before the scale: true hides, and a row of hidden keys is uniform
// CHECK-LABEL: func.func @hidden_keys(
// CHECK-DAG: %[[N:.*]] = nn.unary logical_not %arg3
// CHECK: %[[M:.*]] = nn.select %[[N]], %{{.*}}, %{{.*}} : (tensor<3x5xi1>, tensor<f32>, tensor<f32>) -> tensor<3x5xf32>
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %[[M]] {scale = 2.500000e-01 : f32}
func.func @hidden_keys(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<3x5xi1>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<-1000000000.0> : tensor<f32>
  %1 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %2 = nn.matmul %q, %1 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %3 = nn.select %m, %0, %2 : (tensor<3x5xi1>, tensor<f32>, tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %4 = arith.constant dense<0.25> : tensor<f32>
  %5 = nn.binary mul %3, %4 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %6 = nn.softmax %5 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %7 = nn.matmul %6, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %7 : tensor<2x4x3x8xf32>
}

// Where(isnan(weights), 0, weights): a row without keys gives 0
// CHECK-LABEL: func.func @nan_guard(
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %arg3 {scale = 1.000000e+00 : f32}
func.func @nan_guard(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<2x1x1x5xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.binary add %1, %m : (tensor<2x4x3x5xf32>, tensor<2x1x1x5xf32>) -> tensor<2x4x3x5xf32>
  %3 = nn.softmax %2 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %4 = nn.unary isnan %3 : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xi1>
  %5 = arith.constant dense<0.0> : tensor<f32>
  %6 = nn.select %4, %5, %3 : (tensor<2x4x3x5xi1>, tensor<f32>, tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %7 = nn.matmul %6, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %7 : tensor<2x4x3x8xf32>
}

// k and v of two heads expanded to six
// CHECK-LABEL: func.func @grouped_by_expand(
// CHECK-NEXT: %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32} : (tensor<2x6x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>)
func.func @grouped_by_expand(%q: tensor<2x6x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x8xf32>) -> tensor<2x6x3x8xf32> {
  %0 = nn.reshape %k : (tensor<2x2x5x8xf32>) -> tensor<2x2x1x5x8xf32>
  %1 = nn.expand %0 : (tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x5x8xf32>
  %2 = nn.reshape %1 : (tensor<2x2x3x5x8xf32>) -> tensor<2x6x5x8xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x6x5x8xf32>) -> tensor<2x6x8x5xf32>
  %4 = nn.matmul %q, %3 : (tensor<2x6x3x8xf32>, tensor<2x6x8x5xf32>) -> tensor<2x6x3x5xf32>
  %5 = arith.constant dense<0.25> : tensor<f32>
  %6 = nn.binary mul %4, %5 : (tensor<2x6x3x5xf32>, tensor<f32>) -> tensor<2x6x3x5xf32>
  %7 = nn.softmax %6 {axis = 3 : i64} : (tensor<2x6x3x5xf32>) -> tensor<2x6x3x5xf32>
  %8 = nn.reshape %v : (tensor<2x2x5x8xf32>) -> tensor<2x2x1x5x8xf32>
  %9 = nn.expand %8 : (tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x5x8xf32>
  %10 = nn.reshape %9 : (tensor<2x2x3x5x8xf32>) -> tensor<2x6x5x8xf32>
  %11 = nn.matmul %7, %10 : (tensor<2x6x3x5xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x8xf32>
  return %11 : tensor<2x6x3x8xf32>
}

// The same by Tile, which is a concat of copies
// CHECK-LABEL: func.func @grouped_by_tile(
// CHECK: nn.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32} : (tensor<2x6x3x8xf32>, tensor<2x2x5x8xf32>
func.func @grouped_by_tile(%q: tensor<2x6x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x8xf32>) -> tensor<2x6x3x8xf32> {
  %0 = nn.reshape %k : (tensor<2x2x5x8xf32>) -> tensor<2x2x1x5x8xf32>
  %1 = nn.concat %0, %0, %0 {axis = 2 : i64} : (tensor<2x2x1x5x8xf32>, tensor<2x2x1x5x8xf32>, tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x5x8xf32>
  %2 = nn.reshape %1 : (tensor<2x2x3x5x8xf32>) -> tensor<2x6x5x8xf32>
  %3 = nn.matmul %q, %2 {transpose_b} : (tensor<2x6x3x8xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x5xf32>
  %4 = arith.constant dense<0.25> : tensor<f32>
  %5 = nn.binary mul %3, %4 : (tensor<2x6x3x5xf32>, tensor<f32>) -> tensor<2x6x3x5xf32>
  %6 = nn.softmax %5 {axis = 3 : i64} : (tensor<2x6x3x5xf32>) -> tensor<2x6x3x5xf32>
  %7 = nn.reshape %v : (tensor<2x2x5x8xf32>) -> tensor<2x2x1x5x8xf32>
  %8 = nn.concat %7, %7, %7 {axis = 2 : i64} : (tensor<2x2x1x5x8xf32>, tensor<2x2x1x5x8xf32>, tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x5x8xf32>
  %9 = nn.reshape %8 : (tensor<2x2x3x5x8xf32>) -> tensor<2x6x5x8xf32>
  %10 = nn.matmul %6, %9 : (tensor<2x6x3x5xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x8xf32>
  return %10 : tensor<2x6x3x8xf32>
}

// Repeated before heads and positions are exchanged
// CHECK-LABEL: func.func @grouped_before_transposition(
// CHECK-DAG: %[[K:.*]] = nn.transpose %arg1 {perm = array<i64: 0, 2, 1, 3>}
// CHECK-DAG: %[[V:.*]] = nn.transpose %arg2 {perm = array<i64: 0, 2, 1, 3>}
// CHECK: nn.attention %arg0, %[[K]], %[[V]] {scale = 2.500000e-01 : f32}
func.func @grouped_before_transposition(%q: tensor<2x6x3x8xf32>, %k: tensor<2x5x2x8xf32>, %v: tensor<2x5x2x8xf32>) -> tensor<2x6x3x8xf32> {
  %0 = nn.reshape %k : (tensor<2x5x2x8xf32>) -> tensor<2x5x2x1x8xf32>
  %1 = nn.expand %0 : (tensor<2x5x2x1x8xf32>) -> tensor<2x5x2x3x8xf32>
  %2 = nn.reshape %1 : (tensor<2x5x2x3x8xf32>) -> tensor<2x5x6x8xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 2, 3, 1>} : (tensor<2x5x6x8xf32>) -> tensor<2x6x8x5xf32>
  %4 = nn.matmul %q, %3 : (tensor<2x6x3x8xf32>, tensor<2x6x8x5xf32>) -> tensor<2x6x3x5xf32>
  %5 = arith.constant dense<0.25> : tensor<f32>
  %6 = nn.binary mul %4, %5 : (tensor<2x6x3x5xf32>, tensor<f32>) -> tensor<2x6x3x5xf32>
  %7 = nn.softmax %6 {axis = 3 : i64} : (tensor<2x6x3x5xf32>) -> tensor<2x6x3x5xf32>
  %8 = nn.reshape %v : (tensor<2x5x2x8xf32>) -> tensor<2x5x2x1x8xf32>
  %9 = nn.expand %8 : (tensor<2x5x2x1x8xf32>) -> tensor<2x5x2x3x8xf32>
  %10 = nn.reshape %9 : (tensor<2x5x2x3x8xf32>) -> tensor<2x5x6x8xf32>
  %11 = nn.transpose %10 {perm = array<i64: 0, 2, 1, 3>} : (tensor<2x5x6x8xf32>) -> tensor<2x6x5x8xf32>
  %12 = nn.matmul %7, %11 : (tensor<2x6x3x5xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x8xf32>
  return %12 : tensor<2x6x3x8xf32>
}

// Repeated by index
// CHECK-LABEL: func.func @grouped_by_gather(
// CHECK: nn.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32}
func.func @grouped_by_gather(%q: tensor<2x6x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x8xf32>) -> tensor<2x6x3x8xf32> {
  %0 = arith.constant dense<[0, 0, 0, 1, 1, 1]> : tensor<6xi64>
  %1 = nn.gather %k, %0 {axis = 1 : i64} : (tensor<2x2x5x8xf32>, tensor<6xi64>) -> tensor<2x6x5x8xf32>
  %2 = nn.matmul %q, %1 {transpose_b} : (tensor<2x6x3x8xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x5xf32>
  %3 = arith.constant dense<0.25> : tensor<f32>
  %4 = nn.binary mul %2, %3 : (tensor<2x6x3x5xf32>, tensor<f32>) -> tensor<2x6x3x5xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<2x6x3x5xf32>) -> tensor<2x6x3x5xf32>
  %6 = nn.gather %v, %0 {axis = 1 : i64} : (tensor<2x2x5x8xf32>, tensor<6xi64>) -> tensor<2x6x5x8xf32>
  %7 = nn.matmul %5, %6 : (tensor<2x6x3x5xf32>, tensor<2x6x5x8xf32>) -> tensor<2x6x3x8xf32>
  return %7 : tensor<2x6x3x8xf32>
}

// Groups as a dimension of their own
// CHECK-LABEL: func.func @grouped_by_broadcast(
// CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} {scale = 2.500000e-01 : f32} : (tensor<2x6x3x8xf32>, tensor<2x2x5x8xf32>, tensor<2x2x5x8xf32>) -> tensor<2x6x3x8xf32>
func.func @grouped_by_broadcast(%q: tensor<2x2x3x3x8xf32>, %k: tensor<2x2x1x5x8xf32>, %v: tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x3x8xf32> {
  %0 = nn.matmul %q, %k {transpose_b} : (tensor<2x2x3x3x8xf32>, tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x3x5xf32>
  %1 = arith.constant dense<0.25> : tensor<f32>
  %2 = nn.binary mul %0, %1 : (tensor<2x2x3x3x5xf32>, tensor<f32>) -> tensor<2x2x3x3x5xf32>
  %3 = nn.softmax %2 {axis = 4 : i64} : (tensor<2x2x3x3x5xf32>) -> tensor<2x2x3x3x5xf32>
  %4 = nn.matmul %3, %v : (tensor<2x2x3x3x5xf32>, tensor<2x2x1x5x8xf32>) -> tensor<2x2x3x3x8xf32>
  return %4 : tensor<2x2x3x3x8xf32>
}

// One head of keys for all queries, by broadcast
// CHECK-LABEL: func.func @one_key_head(
// CHECK-NEXT: %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 {scale = 1.000000e+00 : f32}
func.func @one_key_head(%q: tensor<2x4x3x8xf32>, %k: tensor<2x1x5x8xf32>, %v: tensor<2x1x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.matmul %q, %k {transpose_b} : (tensor<2x4x3x8xf32>, tensor<2x1x5x8xf32>) -> tensor<2x4x3x5xf32>
  %1 = nn.softmax %0 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.matmul %1, %v : (tensor<2x4x3x5xf32>, tensor<2x1x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %2 : tensor<2x4x3x8xf32>
}

// Batch and heads in one dimension, split for the mask: torch.bmm
// CHECK-LABEL: func.func @batch_and_heads(
// CHECK-NEXT: %[[Y:.*]] = nn.attention %arg0, %arg1, %arg2 mask %arg3 {scale = 1.000000e+00 : f32}
func.func @batch_and_heads(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<2x1x3x5xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.reshape %q : (tensor<2x4x3x8xf32>) -> tensor<8x3x8xf32>
  %1 = nn.reshape %k : (tensor<2x4x5x8xf32>) -> tensor<8x5x8xf32>
  %2 = nn.transpose %1 {perm = array<i64: 0, 2, 1>} : (tensor<8x5x8xf32>) -> tensor<8x8x5xf32>
  %3 = nn.matmul %0, %2 : (tensor<8x3x8xf32>, tensor<8x8x5xf32>) -> tensor<8x3x5xf32>
  %4 = nn.reshape %3 : (tensor<8x3x5xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.binary add %4, %m : (tensor<2x4x3x5xf32>, tensor<2x1x3x5xf32>) -> tensor<2x4x3x5xf32>
  %6 = nn.reshape %5 : (tensor<2x4x3x5xf32>) -> tensor<8x3x5xf32>
  %7 = nn.softmax %6 {axis = 2 : i64} : (tensor<8x3x5xf32>) -> tensor<8x3x5xf32>
  %8 = nn.reshape %v : (tensor<2x4x5x8xf32>) -> tensor<8x5x8xf32>
  %9 = nn.matmul %7, %8 : (tensor<8x3x5xf32>, tensor<8x5x8xf32>) -> tensor<8x3x8xf32>
  %10 = nn.reshape %9 : (tensor<8x3x8xf32>) -> tensor<2x4x3x8xf32>
  return %10 : tensor<2x4x3x8xf32>
}

// Three dimensions and nothing that tells heads from batch
// CHECK-LABEL: func.func @three_dimensions(
// CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {scale = 1.000000e+00 : f32} : (tensor<6x1x3x8xf32>, tensor<6x1x5x8xf32>, tensor<6x1x5x8xf32>, tensor<6x1x3x5xf32>)
func.func @three_dimensions(%q: tensor<6x3x8xf32>, %k: tensor<6x5x8xf32>, %v: tensor<6x5x8xf32>, %m: tensor<6x3x5xf32>) -> tensor<6x3x8xf32> {
  %0 = nn.matmul %q, %k {transpose_b} : (tensor<6x3x8xf32>, tensor<6x5x8xf32>) -> tensor<6x3x5xf32>
  %1 = nn.binary add %0, %m : (tensor<6x3x5xf32>, tensor<6x3x5xf32>) -> tensor<6x3x5xf32>
  %2 = nn.softmax %1 {axis = 2 : i64} : (tensor<6x3x5xf32>) -> tensor<6x3x5xf32>
  %3 = nn.matmul %2, %v : (tensor<6x3x5xf32>, tensor<6x5x8xf32>) -> tensor<6x3x8xf32>
  return %3 : tensor<6x3x8xf32>
}

// One head, no batch
// CHECK-LABEL: func.func @one_head(
// CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} {scale = 1.000000e+00 : f32} : (tensor<1x1x3x8xf32>
func.func @one_head(%q: tensor<3x8xf32>, %k: tensor<5x8xf32>, %v: tensor<5x8xf32>) -> tensor<3x8xf32> {
  %0 = nn.matmul %q, %k {transpose_b} : (tensor<3x8xf32>, tensor<5x8xf32>) -> tensor<3x5xf32>
  %1 = nn.softmax %0 {axis = 1 : i64} : (tensor<3x5xf32>) -> tensor<3x5xf32>
  %2 = nn.matmul %1, %v : (tensor<3x5xf32>, tensor<5x8xf32>) -> tensor<3x8xf32>
  return %2 : tensor<3x8xf32>
}

// A constant triangle: causal (GPT-2)
// CHECK-LABEL: func.func @causal(
// CHECK: nn.attention %arg0, %arg1, %arg2 {causal, scale = 5.000000e-01 : f32}
func.func @causal(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x3x8xf32>, %v: tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<[[[[true, false, false], [true, true, false], [true, true, true]]]]> : tensor<1x1x3x3xi1>
  %1 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x3x8xf32>) -> tensor<2x4x8x3xf32>
  %2 = nn.matmul %q, %1 : (tensor<2x4x3x8xf32>, tensor<2x4x8x3xf32>) -> tensor<2x4x3x3xf32>
  %3 = arith.constant dense<2.0> : tensor<f32>
  %4 = nn.binary div %2, %3 : (tensor<2x4x3x3xf32>, tensor<f32>) -> tensor<2x4x3x3xf32>
  %5 = arith.constant dense<-10000.0> : tensor<f32>
  %6 = nn.select %0, %4, %5 : (tensor<1x1x3x3xi1>, tensor<2x4x3x3xf32>, tensor<f32>) -> tensor<2x4x3x3xf32>
  %7 = nn.softmax %6 {axis = 3 : i64} : (tensor<2x4x3x3xf32>) -> tensor<2x4x3x3xf32>
  %8 = nn.matmul %7, %v : (tensor<2x4x3x3xf32>, tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return %8 : tensor<2x4x3x8xf32>
}

// Positions compared, and a padding mask: causal with the rest as mask
// CHECK-LABEL: func.func @causal_and_padding(
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %arg3 {causal, scale = 1.000000e+00 : f32}
func.func @causal_and_padding(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<2x1x1x5xi1>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<[[2], [3], [4]]> : tensor<3x1xi64>
  %1 = arith.constant dense<[[0, 1, 2, 3, 4]]> : tensor<1x5xi64>
  %2 = nn.compare le %1, %0 : (tensor<1x5xi64>, tensor<3x1xi64>) -> tensor<3x5xi1>
  %3 = nn.binary logical_and %2, %m : (tensor<3x5xi1>, tensor<2x1x1x5xi1>) -> tensor<2x1x3x5xi1>
  %4 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %5 = nn.matmul %q, %4 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %6 = arith.constant dense<0xFF800000> : tensor<f32>
  %7 = nn.select %3, %5, %6 : (tensor<2x1x3x5xi1>, tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %8 = nn.softmax %7 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %9 = nn.matmul %8, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %9 : tensor<2x4x3x8xf32>
}

// A constant triangle that is added
// CHECK-LABEL: func.func @causal_bias(
// CHECK: nn.attention %arg0, %arg1, %arg2 {causal, scale = 1.000000e+00 : f32}
func.func @causal_bias(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x3x8xf32>, %v: tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = arith.constant dense<[[[[0.0, -1000000000.0, -1000000000.0], [0.0, 0.0, -1000000000.0], [0.0, 0.0, 0.0]]]]> : tensor<1x1x3x3xf32>
  %1 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x3x8xf32>) -> tensor<2x4x8x3xf32>
  %2 = nn.matmul %q, %1 : (tensor<2x4x3x8xf32>, tensor<2x4x8x3xf32>) -> tensor<2x4x3x3xf32>
  %3 = nn.binary add %2, %0 : (tensor<2x4x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<2x4x3x3xf32>
  %4 = nn.softmax %3 {axis = 3 : i64} : (tensor<2x4x3x3xf32>) -> tensor<2x4x3x3xf32>
  %5 = nn.matmul %4, %v : (tensor<2x4x3x3xf32>, tensor<2x4x3x8xf32>) -> tensor<2x4x3x8xf32>
  return %5 : tensor<2x4x3x8xf32>
}

// c * tanh(scores / c): Gemma
// CHECK-LABEL: func.func @softcap(
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %arg3 {scale = 2.500000e-01 : f32, softcap = 2.000000e+00 : f32}
func.func @softcap(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<3x5xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = arith.constant dense<0.25> : tensor<f32>
  %3 = nn.binary mul %1, %2 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %4 = arith.constant dense<2.0> : tensor<f32>
  %5 = nn.binary div %3, %4 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %6 = nn.unary tanh %5 : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %7 = arith.constant dense<2.0> : tensor<f32>
  %8 = nn.binary mul %6, %7 : (tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %9 = nn.binary add %8, %m : (tensor<2x4x3x5xf32>, tensor<3x5xf32>) -> tensor<2x4x3x5xf32>
  %10 = nn.softmax %9 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %11 = nn.matmul %10, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %11 : tensor<2x4x3x8xf32>
}

// A relative position bias and a mask
// CHECK-LABEL: func.func @two_masks(
// CHECK: %[[M:.*]] = nn.binary add
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %[[M]]
func.func @two_masks(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<2x1x1x5xf32>, %r: tensor<1x4x3x5xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.binary add %1, %r : (tensor<2x4x3x5xf32>, tensor<1x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %3 = nn.binary add %2, %m : (tensor<2x4x3x5xf32>, tensor<2x1x1x5xf32>) -> tensor<2x4x3x5xf32>
  %4 = nn.softmax %3 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.matmul %4, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %5 : tensor<2x4x3x8xf32>
}

// Sizes that are known at run time only
// CHECK-LABEL: func.func @unknown_sizes(
// CHECK: nn.attention %{{.*}}, %arg1, %arg2 mask %arg3 {scale = 2.500000e-01 : f32} : (tensor<?x4x?x8xf32>
func.func @unknown_sizes(%q: tensor<?x?x32xf32>, %k: tensor<?x4x?x8xf32>, %v: tensor<?x4x?x8xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x4x?x8xf32> {
  %0 = nn.reshape %q : (tensor<?x?x32xf32>) -> tensor<?x?x4x8xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 2, 1, 3>} : (tensor<?x?x4x8xf32>) -> tensor<?x4x?x8xf32>
  %2 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x8xf32>) -> tensor<?x4x8x?xf32>
  %3 = nn.matmul %1, %2 : (tensor<?x4x?x8xf32>, tensor<?x4x8x?xf32>) -> tensor<?x4x?x?xf32>
  %4 = arith.constant dense<0.25> : tensor<f32>
  %5 = nn.binary mul %3, %4 : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %6 = nn.binary add %5, %m : (tensor<?x4x?x?xf32>, tensor<?x1x1x?xf32>) -> tensor<?x4x?x?xf32>
  %7 = nn.softmax %6 {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %8 = nn.matmul %7, %v : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %8 : tensor<?x4x?x8xf32>
}

// k and v with positions last
// CHECK-LABEL: func.func @transposed(
// CHECK-DAG: %[[K:.*]] = nn.transpose %arg1 {perm = array<i64: 0, 1, 3, 2>}
// CHECK-DAG: %[[V:.*]] = nn.transpose %arg2 {perm = array<i64: 0, 1, 3, 2>}
// CHECK: nn.attention %arg0, %[[K]], %[[V]]
func.func @transposed(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x8x5xf32>, %v: tensor<2x4x8x5xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.matmul %q, %k : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %1 = nn.softmax %0 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.matmul %1, %v {transpose_b} : (tensor<2x4x3x5xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x8xf32>
  return %2 : tensor<2x4x3x8xf32>
}

// Near misses: the weights are a result
// CHECK-LABEL: func.func @weights_read(
// CHECK-NOT: nn.attention
// CHECK: return
func.func @weights_read(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> (tensor<2x4x3x8xf32>, tensor<2x4x3x5xf32>) {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.softmax %1 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %3 = nn.matmul %2, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %3, %2 : tensor<2x4x3x8xf32>, tensor<2x4x3x5xf32>
}

// what hides a key is not low enough
// CHECK-LABEL: func.func @fill_too_high(
// CHECK-NOT: nn.attention
// CHECK: return
func.func @fill_too_high(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>, %m: tensor<3x5xi1>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = arith.constant dense<-10.0> : tensor<f32>
  %3 = nn.select %m, %1, %2 : (tensor<3x5xi1>, tensor<2x4x3x5xf32>, tensor<f32>) -> tensor<2x4x3x5xf32>
  %4 = nn.softmax %3 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %5 = nn.matmul %4, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %5 : tensor<2x4x3x8xf32>
}

// scores are no scaled product
// CHECK-LABEL: func.func @odd_scores(
// CHECK-NOT: nn.attention
// CHECK: return
func.func @odd_scores(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32> {
  %0 = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<2x4x5x8xf32>) -> tensor<2x4x8x5xf32>
  %1 = nn.matmul %q, %0 : (tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>) -> tensor<2x4x3x5xf32>
  %2 = nn.unary sigmoid %1 : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %3 = nn.softmax %2 {axis = 3 : i64} : (tensor<2x4x3x5xf32>) -> tensor<2x4x3x5xf32>
  %4 = nn.matmul %3, %v : (tensor<2x4x3x5xf32>, tensor<2x4x5x8xf32>) -> tensor<2x4x3x8xf32>
  return %4 : tensor<2x4x3x8xf32>
}

// A mask of zeros, which PyTorch's dynamo exporter leaves where there is none
// CHECK-LABEL: func.func @zero_mask(
// CHECK: nn.attention %arg0, %arg1, %arg2 {scale = 2.500000e-01 : f32}
// CHECK-NEXT: return
func.func @zero_mask(%q: tensor<1x2x4x16xf32>, %k: tensor<1x2x4x16xf32>, %v: tensor<1x2x4x16xf32>) -> tensor<1x2x4x16xf32> {
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x4x16xf32>) -> tensor<1x2x16x4xf32>
  %0 = nn.matmul %q, %kt : (tensor<1x2x4x16xf32>, tensor<1x2x16x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = arith.constant dense<0.25> : tensor<f32>
  %2 = nn.binary mul %0, %1 : (tensor<1x2x4x4xf32>, tensor<f32>) -> tensor<1x2x4x4xf32>
  %3 = arith.constant dense<0.0> : tensor<1x1x4x4xf32>
  %4 = nn.binary add %2, %3 : (tensor<1x2x4x4xf32>, tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %6 = nn.matmul %5, %v : (tensor<1x2x4x4xf32>, tensor<1x2x4x16xf32>) -> tensor<1x2x4x16xf32>
  return %6 : tensor<1x2x4x16xf32>
}

// scores * keeps + (keeps - 1) * 1e9, folded: the causal mask of Keras
// CHECK-LABEL: func.func @kept_by_arithmetic(
// CHECK: nn.attention %arg0, %arg1, %arg2 {causal, scale = 2.500000e-01 : f32}
// CHECK-NEXT: return
func.func @kept_by_arithmetic(%q: tensor<1x2x3x16xf32>, %k: tensor<1x2x3x16xf32>, %v: tensor<1x2x3x16xf32>) -> tensor<1x2x3x16xf32> {
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x3x16xf32>) -> tensor<1x2x16x3xf32>
  %0 = nn.matmul %q, %kt : (tensor<1x2x3x16xf32>, tensor<1x2x16x3xf32>) -> tensor<1x2x3x3xf32>
  %1 = arith.constant dense<0.25> : tensor<f32>
  %2 = nn.binary mul %0, %1 : (tensor<1x2x3x3xf32>, tensor<f32>) -> tensor<1x2x3x3xf32>
  %keeps = arith.constant dense<[[[[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]]]> : tensor<1x2x3x3xf32>
  %fill = arith.constant dense<[[[[0.0, -1.0e+09, -1.0e+09], [0.0, 0.0, -1.0e+09], [0.0, 0.0, 0.0]], [[0.0, -1.0e+09, -1.0e+09], [0.0, 0.0, -1.0e+09], [0.0, 0.0, 0.0]]]]> : tensor<1x2x3x3xf32>
  %3 = nn.binary mul %keeps, %2 : (tensor<1x2x3x3xf32>, tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %4 = nn.binary add %3, %fill : (tensor<1x2x3x3xf32>, tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %6 = nn.matmul %5, %v : (tensor<1x2x3x3xf32>, tensor<1x2x3x16xf32>) -> tensor<1x2x3x16xf32>
  return %6 : tensor<1x2x3x16xf32>
}

// The same computed from data, as GPT-2 has it in TensorFlow: scores * keeps - (1 - keeps) * 1e4
// CHECK-LABEL: func.func @kept_by_computed_arithmetic(
// CHECK: %[[KEEPS:.*]] = nn.cast %{{.*}} : (tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xi1>
// CHECK: %[[MASK:.*]] = nn.select %[[KEEPS]]
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %[[MASK]] {scale = 2.500000e-01 : f32}
func.func @kept_by_computed_arithmetic(%q: tensor<1x2x3x16xf32>, %k: tensor<1x2x3x16xf32>, %v: tensor<1x2x3x16xf32>,
                                       %bools: tensor<1x1x3x3xi1>) -> tensor<1x2x3x16xf32> {
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<1x2x3x16xf32>) -> tensor<1x2x16x3xf32>
  %0 = nn.matmul %q, %kt : (tensor<1x2x3x16xf32>, tensor<1x2x16x3xf32>) -> tensor<1x2x3x3xf32>
  %1 = arith.constant dense<0.25> : tensor<f32>
  %2 = nn.binary mul %0, %1 : (tensor<1x2x3x3xf32>, tensor<f32>) -> tensor<1x2x3x3xf32>
  %keeps = nn.cast %bools : (tensor<1x1x3x3xi1>) -> tensor<1x1x3x3xf32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %hidden = nn.binary sub %one, %keeps : (tensor<f32>, tensor<1x1x3x3xf32>) -> tensor<1x1x3x3xf32>
  %low = arith.constant dense<1.0e+04> : tensor<f32>
  %fill = nn.binary mul %hidden, %low : (tensor<1x1x3x3xf32>, tensor<f32>) -> tensor<1x1x3x3xf32>
  %3 = nn.binary mul %2, %keeps : (tensor<1x2x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<1x2x3x3xf32>
  %4 = nn.binary sub %3, %fill : (tensor<1x2x3x3xf32>, tensor<1x1x3x3xf32>) -> tensor<1x2x3x3xf32>
  %5 = nn.softmax %4 {axis = 3 : i64} : (tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  %6 = nn.matmul %5, %v : (tensor<1x2x3x3xf32>, tensor<1x2x3x16xf32>) -> tensor<1x2x3x16xf32>
  return %6 : tensor<1x2x3x16xf32>
}

// Windows of two pictures, a mask for each window: Swin
// CHECK-LABEL: func.func @window_masks(
// CHECK: %[[ALL:.*]] = nn.expand %arg3 : (tensor<1x3x1x4x4xf32>) -> tensor<2x3x1x4x4xf32>
// CHECK: %[[MASK:.*]] = nn.reshape %[[ALL]] : (tensor<2x3x1x4x4xf32>) -> tensor<6x1x4x4xf32>
// CHECK: nn.attention %arg0, %arg1, %arg2 mask %[[MASK]]
func.func @window_masks(%q: tensor<6x2x4x16xf32>, %k: tensor<6x2x4x16xf32>, %v: tensor<6x2x4x16xf32>,
                        %mask: tensor<1x3x1x4x4xf32>) -> tensor<6x2x4x16xf32> {
  %kt = nn.transpose %k {perm = array<i64: 0, 1, 3, 2>} : (tensor<6x2x4x16xf32>) -> tensor<6x2x16x4xf32>
  %0 = nn.matmul %q, %kt : (tensor<6x2x4x16xf32>, tensor<6x2x16x4xf32>) -> tensor<6x2x4x4xf32>
  %1 = nn.reshape %0 : (tensor<6x2x4x4xf32>) -> tensor<2x3x2x4x4xf32>
  %2 = nn.binary add %1, %mask : (tensor<2x3x2x4x4xf32>, tensor<1x3x1x4x4xf32>) -> tensor<2x3x2x4x4xf32>
  %3 = nn.reshape %2 : (tensor<2x3x2x4x4xf32>) -> tensor<6x2x4x4xf32>
  %4 = nn.softmax %3 {axis = 3 : i64} : (tensor<6x2x4x4xf32>) -> tensor<6x2x4x4xf32>
  %5 = nn.matmul %4, %v : (tensor<6x2x4x4xf32>, tensor<6x2x4x16xf32>) -> tensor<6x2x4x16xf32>
  return %5 : tensor<6x2x4x16xf32>
}

// Transposes and dimensions of size 1 in turn, as an Einsum is written out, are one transpose
// CHECK-LABEL: func.func @einsum_heads(
// CHECK-NEXT: %[[Y:.*]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x6x4x5xf32>) -> tensor<1x4x6x5xf32>
// CHECK-NEXT: return %[[Y]]
func.func @einsum_heads(%x: tensor<1x6x4x5xf32>) -> tensor<1x4x6x5xf32> {
  %0 = nn.reshape %x : (tensor<1x6x4x5xf32>) -> tensor<1x6x1x4x5xf32>
  %1 = nn.transpose %0 {perm = array<i64: 0, 3, 2, 4, 1>} : (tensor<1x6x1x4x5xf32>) -> tensor<1x4x1x5x6xf32>
  %2 = nn.reshape %1 : (tensor<1x4x1x5x6xf32>) -> tensor<4x5x6xf32>
  %3 = nn.transpose %2 {perm = array<i64: 0, 2, 1>} : (tensor<4x5x6xf32>) -> tensor<4x6x5xf32>
  %4 = nn.reshape %3 : (tensor<4x6x5xf32>) -> tensor<1x4x6x5xf32>
  return %4 : tensor<1x4x6x5xf32>
}
