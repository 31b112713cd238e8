// RUN: quant-opt %s --tern-to-linalg | FileCheck %s

// States and what is collected are carried by scf.for; elements are slices, backwards where the loop says so.
// CHECK-LABEL: @scan
// CHECK-SAME: %[[H:.*]]: tensor<2xf32>, %[[X:.*]]: tensor<5x2xf32>, %[[W:.*]]: tensor<2xf32>
// CHECK: %[[ALL:.*]] = tensor.empty() : tensor<5x2xf32>
// CHECK: scf.for %[[I:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[S:.*]] = %[[H]], %[[C:.*]] = %[[ALL]])
// CHECK: %[[AT:.*]] = arith.subi %{{.*}}, %[[I]]
// CHECK: tensor.extract_slice %[[X]][%[[AT]], 0] [1, 2] [1, 1] : tensor<5x2xf32> to tensor<2xf32>
// CHECK: linalg.generic
// CHECK: %[[NEXT:.*]] = linalg.generic
// CHECK: %[[INTO:.*]] = tensor.insert_slice %[[NEXT]] into %[[C]][%[[I]], 0] [1, 2] [1, 1]
// CHECK: scf.yield %[[NEXT]], %[[INTO]]
func.func @scan(%h: tensor<2xf32>, %x: tensor<5x2xf32>, %w: tensor<2xf32>) -> (tensor<2xf32>, tensor<5x2xf32>) {
  %0:2 = nn.loop count "5" states(%h) over(%x) captures(%w) {reversed = array<i1: true, false>}
    : (tensor<2xf32>, tensor<5x2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<5x2xf32>) {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>, %element: tensor<2xf32>, %c: tensor<2xf32>):
    %1 = nn.binary mul %state, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %2 = nn.binary add %1, %element : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    nn.yield %2, %2 : tensor<2xf32>, tensor<2xf32>
  }
  return %0#0, %0#1 : tensor<2xf32>, tensor<5x2xf32>
}

// CHECK-LABEL: @while
// CHECK: %[[MOST:.*]] = arith.index_cast
// CHECK: scf.while (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : (index, i1, tensor<i64>)
// CHECK: arith.cmpi slt, %{{.*}}, %[[MOST]]
// CHECK: scf.condition
// CHECK: tensor.from_elements
// CHECK: scf.yield %{{.*}}, %{{.*}}, %{{.*}} : index, i1, tensor<i64>
func.func @while(%m: tensor<i64>, %c: tensor<i1>, %s: tensor<i64>) -> tensor<i64> {
  %0 = nn.loop trips(%m) while(%c) states(%s) over() captures() : (tensor<i64>, tensor<i1>, tensor<i64>) -> tensor<i64> {
  ^bb0(%step: tensor<i64>, %state: tensor<i64>):
    %1 = nn.binary add %state, %step : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %limit = arith.constant dense<20> : tensor<i64>
    %2 = nn.compare lt %1, %limit : (tensor<i64>, tensor<i64>) -> tensor<i1>
    nn.yield %2, %1 : tensor<i1>, tensor<i64>
  }
  return %0 : tensor<i64>
}

// The number of steps is a size.
// CHECK-LABEL: @open
// CHECK-SAME: , %[[X:[^:]*]]: tensor<?x2xf32>
// CHECK: %[[N:.*]] = tensor.dim %[[X]]
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[N]]
func.func @open(%h: tensor<2xf32>, %x: tensor<?x2xf32> {tern.dims = ["seq", ""]}) -> tensor<?x2xf32> {
  %0:2 = nn.loop count "seq" states(%h) over(%x) captures() : (tensor<2xf32>, tensor<?x2xf32>) -> (tensor<2xf32>, tensor<?x2xf32>) {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>, %element: tensor<2xf32>):
    %2 = nn.binary add %state, %element : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    nn.yield %2, %2 : tensor<2xf32>, tensor<2xf32>
  }
  return %0#1 : tensor<?x2xf32>
}
