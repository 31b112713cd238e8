// RUN: quant-opt %s --split-input-file --cpu-assign-layouts --cpu-guard-calls --cpu-emit-kernels=isas=portable --cpu-plan-memory | FileCheck %s

// The state lies where the result does; its kernel writes it last, and the element is collected by a copy. Sequences are read
// and written where they lie, backwards here.
// CHECK-LABEL: func.func @run_portable
// CHECK: call {{.*}}name = "loop.state0"
// CHECK: scf.for %[[I:.*]] = %c0{{.*}} to %c5{{.*}} step %c1
// CHECK: %[[LAST:.*]] = arith.subi %c5{{.*}}, %c1
// CHECK: %[[AT:.*]] = arith.subi %[[LAST]], %[[I]]
// CHECK: %[[BYTES:.*]] = arith.muli %[[AT]], %c16
// CHECK: memref.view %arg2[%[[BYTES]]][]
// CHECK: call {{.*}}name = "next"
// CHECK: %[[TO:.*]] = arith.muli %[[I]], %c16
// CHECK: memref.view %arg4[%[[TO]]][]
// CHECK: call {{.*}}name = "loop.element0"
// CHECK: }
// CHECK: return
func.func private @k.next(%h: tensor<4xf32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.binary add %h, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.square(%h: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.binary mul %h, %h : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @main(%h: tensor<4xf32>, %x: tensor<5x4xf32>) -> (tensor<4xf32>, tensor<5x4xf32>) {
  %0:2 = nn.loop count "5" states(%h) over(%x) captures() {reversed = array<i1: true, false>, name = "loop"}
    : (tensor<4xf32>, tensor<5x4xf32>) -> (tensor<4xf32>, tensor<5x4xf32>) {
  ^bb0(%step: tensor<i64>, %state: tensor<4xf32>, %element: tensor<4xf32>):
    %1 = tern.call @k.square(%state) {name = "square"} : (tensor<4xf32>) -> tensor<4xf32>
    %2 = tern.call @k.next(%1, %element) {name = "next"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    nn.yield %2, %2 : tensor<4xf32>, tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<4xf32>, tensor<5x4xf32>
}

// -----

// States that change places go through a buffer; the number of steps is data, and a condition ends the loop earlier.
// CHECK-LABEL: func.func @run_portable
// CHECK: arith.index_cast
// CHECK: scf.while
// CHECK: scf.condition
// CHECK: call {{.*}}name = "swap.next_condition"
// CHECK: call {{.*}}name = "swap.old1"
// CHECK: call {{.*}}name = "swap.old2"
// CHECK: call {{.*}}name = "swap.next1"
// CHECK: call {{.*}}name = "swap.next2"
// CHECK: return
func.func @main(%m: tensor<i64>, %c: tensor<i1>, %a: tensor<2xf32>, %b: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0:3 = nn.loop trips(%m) while(%c) states(%c, %a, %b) over() captures() {name = "swap"}
    : (tensor<i64>, tensor<i1>, tensor<i1>, tensor<2xf32>, tensor<2xf32>) -> (tensor<i1>, tensor<2xf32>, tensor<2xf32>) {
  ^bb0(%step: tensor<i64>, %on: tensor<i1>, %x: tensor<2xf32>, %y: tensor<2xf32>):
    nn.yield %on, %on, %y, %x : tensor<i1>, tensor<i1>, tensor<2xf32>, tensor<2xf32>
  }
  return %0#1, %0#2 : tensor<2xf32>, tensor<2xf32>
}
